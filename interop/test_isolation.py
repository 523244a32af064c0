"""What a tenant does with the credentials that it was handed, through boto3 and the AWS CLI: all of its own, and
nothing of anyone else's."""

import json
import re
import subprocess

import pytest
from botocore.exceptions import ClientError

from conftest import ROOT, started

TENANT = "acme"
DENIED = "AccessDeniedException"


# ---- Clients -----------------------------------------------------------------------------------------------------


def vended(stack, tenant_id, access):
    """Credentials that the tenant has asked for: access key id, secret, token."""
    answer = stack.api("POST", "/credentials", stack.tenant(tenant_id)["api_key"], {"access": access})
    assert answer.status == 201, answer
    assert answer.header("cache-control") == "no-store"
    issued = answer.json()["credentials"]
    return issued["access_key_id"], issued["secret_access_key"], issued["session_token"]


@pytest.fixture(scope="module")
def write(stack):
    # Whatever was asked before, every bucket is full again.
    assert stack.send("POST", stack.local("clock"), body='{"advance": "1m"}').status == 200
    return vended(stack, TENANT, "write")


@pytest.fixture(scope="module")
def read(stack, write):
    return vended(stack, TENANT, "read")


def kebab(operation):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", operation).lower()


def boto3_call(stack, credentials, service, operation, parameters):
    """The answer, or the error's code and message."""
    try:
        method = getattr(stack.client(service, credentials), kebab(operation).replace("-", "_"))
        return method(**parameters), None, None
    except ClientError as error:
        return None, error.response["Error"]["Code"], error.response["Error"]["Message"]


def cli_call(stack, credentials, service, operation, parameters):
    command = ["aws", service, kebab(operation), "--cli-input-json", json.dumps(parameters), "--output", "json"]
    command += ["--endpoint-url", stack.state["aws_endpoint_url"], "--no-paginate"]
    environment = stack.environment(credentials) | {"AWS_MAX_ATTEMPTS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    if done.returncode == 0:
        return (json.loads(done.stdout) if done.stdout.strip() else {}), None, None
    refused = re.search(r"An error occurred \((\w+)\) when calling the \w+ operation(?: \(.*?\))?: (.*)", done.stderr)
    assert refused, done.stderr
    return None, refused[1], refused[2]


@pytest.fixture(params=[boto3_call, cli_call], ids=["boto3", "cli"])
def call(request):
    return request.param


# ---- Calls -------------------------------------------------------------------------------------------------------


def table_of(stack, name):
    """A table: its name, its key's attributes, and the partition that a tenant has in it."""
    if name == "records":
        return stack.table("records"), ("tenant_id", "sk"), lambda tenant: tenant["tenant_id"]
    return stack.table("checkpoints"), ("api_key_id", "name"), lambda tenant: tenant["api_key_id"]


def calls_on(table, names, first, second):
    """Each kind of call on items, with the partitions of its first and its last item."""
    partition, sort = names

    def key(value, sorted_by="vended#one"):
        return {partition: {"S": value}, sort: {"S": sorted_by}}

    one, two = key(first), key(second, "vended#two")
    query = {"TableName": table, "ExpressionAttributeValues": {":p": {"S": second}}}
    named = {"ExpressionAttributeNames": {"#p": partition, "#s": sort}}
    between = {":a": {"S": "a"}, ":z": {"S": "z"}}
    check = {"ConditionExpression": "attribute_exists(#p)", "ExpressionAttributeNames": {"#p": partition}}
    update = {
        "UpdateExpression": "SET #v = :v",
        "ExpressionAttributeNames": {"#v": "version"},
        "ExpressionAttributeValues": {":v": {"N": "1"}},
    }
    return [
        ("PutItem", {"TableName": table, "Item": two}),
        ("UpdateItem", {"TableName": table, "Key": two, **update}),
        ("GetItem", {"TableName": table, "Key": two}),
        ("Query", query | {"KeyConditionExpression": f"{partition} = :p"}),
        ("Query", query | named | {
            "KeyConditionExpression": "((#p = :p) AND (#s BETWEEN :a AND :z))",
            "ExpressionAttributeValues": query["ExpressionAttributeValues"] | between,
        }),
        ("Query", query | {
            "KeyConditionExpression": f"begins_with({sort}, :a)\n and\t{partition}=:p" if sort == "sk"
            else f"{partition} = :p AND #s > :a",
            "ExpressionAttributeValues": query["ExpressionAttributeValues"] | {":a": {"S": "v"}},
        } | ({} if sort == "sk" else {"ExpressionAttributeNames": {"#s": sort}})),
        ("Query", {"TableName": table, "KeyConditions": {
            partition: {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": second}]}}}),
        ("BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": one}}, {"PutRequest": {"Item": two}}]}}),
        ("BatchGetItem", {"RequestItems": {table: {"Keys": [one, two]}}}),
        ("TransactGetItems", {"TransactItems": [
            {"Get": {"TableName": table, "Key": one}}, {"Get": {"TableName": table, "Key": two}}]}),
        ("TransactWriteItems", {"TransactItems": [
            {"Put": {"TableName": table, "Item": one}},
            {"ConditionCheck": {"TableName": table, "Key": two, **check}}]}),
        ("TransactWriteItems", {"TransactItems": [
            {"Update": {"TableName": table, "Key": one, **update}},
            {"Delete": {"TableName": table, "Key": two}}]}),
        ("BatchWriteItem", {"RequestItems": {table: [{"DeleteRequest": {"Key": one}}, {"DeleteRequest": {"Key": two}}]}}),
        ("DeleteItem", {"TableName": table, "Key": two}),
    ]


READING = {"GetItem", "Query", "BatchGetItem", "TransactGetItems"}


def assert_denied(answer, operation):
    _, code, message = answer
    assert code == DENIED, (operation, answer)
    assert f"assumed-role/tenantry-tenant-access/{TENANT}." in message and "is not authorized to perform: " in message
    assert " on resource: " in message and ("because no " in message), message


# ---- Its own -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["records", "checkpoints"])
def test_a_tenant_does_everything_with_its_own_items(stack, write, call, name):
    table, names, partition = table_of(stack, name)
    own = partition(stack.tenant(TENANT))
    for operation, parameters in calls_on(table, names, own, own):
        answer, code, message = call(stack, write, "dynamodb", operation, parameters)
        assert code is None, (operation, parameters, message)
        if operation == "GetItem":
            assert answer["Item"][names[0]] == {"S": own}
        if operation == "Query":
            assert {item[names[0]]["S"] for item in answer["Items"]} == {own}, parameters


def test_the_credentials_are_those_of_a_session_that_names_tenant_and_key(stack, write, call):
    identity, _, _ = call(stack, write, "sts", "GetCallerIdentity", {})
    session = f"{TENANT}.{stack.tenant(TENANT)['api_key_id']}"
    assert identity["Arn"].endswith(f":assumed-role/tenantry-tenant-access/{session}")
    assert identity["UserId"].endswith(f":{session}")


# ---- Someone else's ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mixed", [False, True], ids=["foreign", "mixed"])
@pytest.mark.parametrize("name", ["records", "checkpoints"])
def test_a_tenant_does_nothing_with_another_ones_items(stack, write, call, name, mixed, globex):
    table, names, partition = table_of(stack, name)
    own, foreign = partition(stack.tenant(TENANT)), partition(globex)
    before = stack.contents()
    for operation, parameters in calls_on(table, names, own if mixed else foreign, foreign):
        assert_denied(call(stack, write, "dynamodb", operation, parameters), (operation, parameters))
    assert stack.contents() == before


def foreign_calls(stack):
    records, own, foreign = stack.table("records"), stack.tenant(TENANT), stack.tenant("globex")

    def record(partition):
        return {"tenant_id": {"S": partition}, "sk": {"S": "plans#launch"}}

    both = {":p": {"S": TENANT}, ":f": {"S": "globex"}}

    def query(**further):
        return ("Query", {"TableName": records, "ExpressionAttributeValues": {":p": {"S": "globex"}}} | further)

    statement = f"SELECT * FROM \"{records}\" WHERE tenant_id = '{TENANT}'"
    schema = {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    tables = [name for name in stack.state["tables"] if name not in {"records", "checkpoints"}]
    return [
        *[("GetItem", {"TableName": records, "Key": record(partition)})
          for partition in ["acme2", "acm", "ACME", "*", "${aws:PrincipalTag/tenant-id}", "acme#"]],
        query(KeyConditionExpression="#p = :p", ExpressionAttributeNames={"#p": "tenant_id"},
              ExclusiveStartKey=record(TENANT)),
        query(KeyConditionExpression="tenant_id = :p AND tenant_id = :f", ExpressionAttributeValues=both),
        query(KeyConditionExpression="tenant_id IN (:p, :f)", ExpressionAttributeValues=both),
        query(KeyConditionExpression="tenant_id = :p OR tenant_id = :f", ExpressionAttributeValues=both),
        ("Scan", {"TableName": records}),
        ("Scan", {"TableName": records, "FilterExpression": "tenant_id = :p",
                  "ExpressionAttributeValues": {":p": {"S": TENANT}}}),
        ("ExecuteStatement", {"Statement": statement}),
        ("ExecuteStatement", {"Statement": f"DELETE FROM \"{records}\" WHERE tenant_id = 'acme' AND sk = 'x'"}),
        ("BatchExecuteStatement", {"Statements": [{"Statement": statement}]}),
        ("ExecuteTransaction", {"TransactStatements": [{"Statement": statement}]}),
        *[("GetItem", {"TableName": stack.table(name), "Key": {
            "tenant_id" if name in {"tenants", "idempotency"} else "api_key_id": {"S": own["api_key_id"]}}})
          for name in tables],
        ("GetItem", {"TableName": stack.table("api-keys"), "Key": {"api_key_id": {"S": foreign["api_key_id"]}}}),
        ("GetItem", {"TableName": "tenantry-silo-globex-records", "Key": record("globex")}),
        ("GetItem", {"TableName": f"tenantry-silo-{TENANT}-records", "Key": record(TENANT)}),
        ("TransactWriteItems", {"TransactItems": [
            {"Put": {"TableName": records, "Item": record(TENANT)}},
            {"Put": {"TableName": stack.table("api-keys"), "Item": {"api_key_id": {"S": own["api_key_id"]}}}}]}),
        ("CreateTable", {"TableName": f"tenantry-silo-{TENANT}-records", **schema}),
        ("DeleteTable", {"TableName": records}),
        ("DescribeTable", {"TableName": records}),
        ("UpdateTable", {"TableName": records, "BillingMode": "PAY_PER_REQUEST"}),
        ("UpdateTimeToLive", {"TableName": records, "TimeToLiveSpecification": {
            "AttributeName": "updated_at", "Enabled": True}}),
        ("ListTables", {}),
    ]


def test_a_tenant_does_nothing_beyond_its_items(stack, write, call):
    before = stack.contents()
    for operation, parameters in foreign_calls(stack):
        assert_denied(call(stack, write, "dynamodb", operation, parameters), (operation, parameters))
    assert stack.contents() == before
    assert stack.client("dynamodb").describe_table(TableName=stack.table("records"))["Table"]


def test_a_start_key_of_another_ones_leads_nowhere(stack, write):
    foreign = {"tenant_id": {"S": "globex"}, "sk": {"S": "a"}}
    parameters = {"TableName": stack.table("records"), "KeyConditionExpression": "tenant_id = :p",
                  "ExpressionAttributeValues": {":p": {"S": TENANT}}, "ExclusiveStartKey": foreign}
    assert boto3_call(stack, write, "dynamodb", "Query", parameters)[1] == "ValidationException"


@pytest.mark.parametrize("name", ["records", "checkpoints"])
def test_credentials_for_reading_write_nothing(stack, read, call, name):
    table, names, partition = table_of(stack, name)
    own = partition(stack.tenant(TENANT))
    before = stack.contents()
    for operation, parameters in calls_on(table, names, own, own):
        answer = call(stack, read, "dynamodb", operation, parameters)
        if operation in READING:
            assert answer[1] is None, (operation, answer)
        else:
            assert_denied(answer, operation)
            assert "because no session policy allows" in answer[2], answer
    assert stack.contents() == before


# ---- Other services ----------------------------------------------------------------------------------------------


def tags(**given):
    return [{"Key": key.replace("_", "-"), "Value": value} for key, value in given.items()]


OWN_TAGS = {"tenant_id": TENANT, "api_key_id": "k3dnxw3c8n", "isolation": "pooled"}


# Tags that a caller passes, and the error that everybody but the function gets for them.
each_tag_set = pytest.mark.parametrize(
    ("given", "code"),
    [
        (tags(**OWN_TAGS), "AccessDenied"),
        (tags(**OWN_TAGS | {"tenant_id": "globex"}), "AccessDenied"),
        (tags(**OWN_TAGS | {"tenant_id": ""}), "AccessDenied"),
        (tags(**OWN_TAGS | {"tenant_id": "*"}), "ValidationError"),
        (tags(**OWN_TAGS, color="red"), "AccessDenied"),
        ([], "AccessDenied"),
    ],
    ids=["own", "other", "empty", "wildcard", "extra", "none"],
)


@each_tag_set
@pytest.mark.parametrize("who", ["tenant", "admin"])
def test_nobody_but_the_function_assumes_the_tenants_role(stack, write, call, who, given, code):
    parameters = {"RoleArn": stack.state["tenant_role_arn"], "RoleSessionName": "acme.k1", "Tags": given}
    credentials = write if who == "tenant" else stack.credentials
    _, refused, message = call(stack, credentials, "sts", "AssumeRole", parameters)
    assert refused == code, message


def test_the_management_and_the_control_api_are_out_of_reach(stack, write, call):
    before = stack.contents()
    for service, operation, parameters in [
        ("apigateway", "GetApiKeys", {"includeValues": True}),
        ("apigateway", "GetUsagePlans", {}),
        ("apigateway", "CreateApiKey", {"name": "mine", "enabled": True}),
    ]:
        assert_denied(call(stack, write, service, operation, parameters), operation)
    assert_denied(boto3_call(stack, write, "lambda", "Invoke", {"FunctionName": "tenant-get"}), "Invoke")
    for method, path, body in [
        ("GET", "/tenants/globex", None),
        ("POST", "/tenants", {"name": "x", "email": "x@x.example", "tier": "premium"}),
    ]:
        answer = stack.control(method, path, body, write)
        assert (answer.status, answer.header("content-type")) == (403, "application/problem+json"), answer
        assert "execute-api:Invoke" in answer.json()["detail"]
    assert stack.contents() == before


def test_the_log_tells_what_was_refused(stack, write):
    boto3_call(stack, write, "dynamodb", "Scan", {"TableName": stack.table("usage")})
    decisions = json.loads(stack.send("GET", stack.local("iam/log")).body)["decisions"]
    found = next(decision for decision in decisions if decision["action"] == "dynamodb:Scan")
    assert (found["decision"], found["by"]) == ("Deny", "no identity-based policy allows the action")
    assert found["resource"].endswith(":table/" + stack.table("usage"))


# ---- Tokens and signatures ---------------------------------------------------------------------------------------


def altered(text, index):
    return text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1:]


def test_a_missing_foreign_or_altered_token_or_secret_opens_nothing(stack, write, call):
    key, secret, token = write
    other = vended(stack, "globex", "write")
    parameters = {"TableName": stack.table("records"),
                  "Key": {"tenant_id": {"S": TENANT}, "sk": {"S": "notes#first"}}}
    assert call(stack, write, "dynamodb", "GetItem", parameters)[1] is None
    for credentials, code in [
        ((key, secret), "UnrecognizedClientException"),
        ((key, secret, other[2]), "UnrecognizedClientException"),
        ((other[0], secret, token), "UnrecognizedClientException"),
        *[((key, secret, altered(token, index)), "UnrecognizedClientException")
          for index in [0, len(token) // 2, len(token) - 6]],
        ((key, altered(secret, 7), token), "InvalidSignatureException"),
        ((key, other[1], token), "InvalidSignatureException"),
        (("ASIA" + "A" * 16, secret, token), "UnrecognizedClientException"),
    ]:
        assert call(stack, credentials, "dynamodb", "GetItem", parameters)[1] == code, credentials[0]


def test_credentials_end_after_their_time(tmp_path, call):
    with started(tmp_path) as own:
        credentials = vended(own, TENANT, "read")
        parameters = {"TableName": own.table("records"),
                      "Key": {"tenant_id": {"S": TENANT}, "sk": {"S": "notes#first"}}}
        for advance, code in [("14m", None), ("2m", "ExpiredTokenException")]:
            assert own.send("POST", own.local("clock"), body=json.dumps({"advance": advance})).status == 200
            assert call(own, credentials, "dynamodb", "GetItem", parameters)[1] == code
