"""The templates, as cfn-lint and the SAM translator read them."""

import subprocess

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from conftest import ROOT

TEMPLATE = ROOT / "infra" / "template.yaml"
USAGE_PLANS = ROOT / "infra" / "usage-plans.yaml"


@pytest.mark.parametrize("path", [TEMPLATE, USAGE_PLANS], ids=lambda path: path.name)
def test_cfn_lint_finds_nothing(path):
    command = ["cfn-lint", "--non-zero-exit-code", "informational", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


class NoManagedPolicies:
    """The translator's list of managed policies comes from IAM; the template names none."""

    def load(self):
        return {}


@pytest.fixture(scope="module")
def template():
    return yaml_parse(TEMPLATE.read_text())


@pytest.fixture(scope="module")
def resources():
    """The resources that CloudFormation is given. `sam deploy` uploads the code first; so its place is an S3 URI."""
    template = yaml_parse(TEMPLATE.read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://artifacts/code.zip"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return transform(template, {}, NoManagedPolicies())["Resources"]


def of_type(resources, kind):
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def routes(template, api):
    """The routes that the template's functions ask of an API."""
    for function in of_type(template["Resources"], "AWS::Serverless::Function").values():
        for event in function["Properties"].get("Events", {}).values():
            properties = event["Properties"]
            if event["Type"] == "Api" and properties["RestApiId"] == {"Ref": api}:
                yield properties["Path"], properties["Method"].lower()


@pytest.mark.parametrize(
    "api, scheme, properties",
    [
        ("DataApi", "api_key", {"type": "apiKey", "in": "header", "name": "x-api-key"}),
        ("ControlApi", "AWS_IAM", {"type": "apiKey", "x-amazon-apigateway-authtype": "awsSigv4"}),
    ],
)
def test_each_route_becomes_one_method_that_knows_its_caller(template, resources, api, scheme, properties):
    body = resources[api]["Properties"]["Body"]
    methods = [(path, verb) for path, verbs in body["paths"].items() for verb in verbs]
    assert sorted(methods) == sorted(routes(template, api))
    for path, verb in methods:
        method = body["paths"][path][verb]
        assert method["security"] == [{scheme: []}], f"{verb} {path}"
        # Without credentials here, API Gateway invokes as itself and a caller needs no right to the function.
        assert "credentials" not in method["x-amazon-apigateway-integration"], f"{verb} {path}"
    given = body["components"]["securitySchemes"][scheme]
    assert {name: given.get(name) for name in properties} == properties


def test_no_plan_and_no_stage_comes_about_unasked(resources):
    assert not of_type(resources, "AWS::ApiGateway::UsagePlan")
    assert not of_type(resources, "AWS::ApiGateway::ApiKey")
    stages = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert [stage["Properties"]["StageName"] for stage in stages] == ["v1", "v1"]
    for deployment in of_type(resources, "AWS::ApiGateway::Deployment").values():
        assert "StageName" not in deployment["Properties"]


def in_every_mode(statements):
    """The statements with both branches of those that depend on a condition. A branch may be no statement."""
    for statement in statements:
        branches = statement["Fn::If"][1:] if "Fn::If" in statement else [statement]
        yield from (branch for branch in branches if branch != {"Ref": "AWS::NoValue"})


def test_each_function_has_a_role_of_its_own_without_wildcard_actions(resources):
    functions = of_type(resources, "AWS::Lambda::Function")
    roles = [function["Properties"]["Role"]["Fn::GetAtt"][0] for function in functions.values()]
    assert functions and len(set(roles)) == len(roles)
    for role in roles:
        for policy in resources[role]["Properties"]["Policies"]:
            for statement in in_every_mode(policy["PolicyDocument"]["Statement"]):
                # The list of the caller's own buckets is of no resource.
                assert statement["Resource"] != "*" or statement["Action"] == ["s3:ListAllMyBuckets"], role
                assert not [action for action in statement["Action"] if "*" in action], role


# Functions that a schedule invokes, and no method.
TASKS = {"TenantsReconcile", "UsageSnapshot"}


def test_each_function_may_be_invoked_by_its_own_method_or_schedule_alone(resources):
    permissions = of_type(resources, "AWS::Lambda::Permission")
    assert len(permissions) == len(of_type(resources, "AWS::Lambda::Function"))
    for name, permission in permissions.items():
        function = permission["Properties"]["FunctionName"]["Ref"]
        principal = "events" if function in TASKS else "apigateway"
        assert permission["Properties"]["Principal"] == f"{principal}.amazonaws.com", name
        assert "SourceArn" in permission["Properties"], name


def test_every_route_of_the_data_api_has_a_throttle_in_every_plan(template):
    wanted = sorted(f"{path}/{method.upper()}" for path, method in routes(template, "DataApi"))
    plans = of_type(yaml_parse(USAGE_PLANS.read_text())["Resources"], "AWS::ApiGateway::UsagePlan")
    assert plans
    for name, plan in plans.items():
        assert [sorted(stage["Throttle"]) for stage in plan["Properties"]["ApiStages"]] == [wanted], name
