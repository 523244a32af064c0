"""curl and the AWS CLI, and the commands of README.md as they stand there."""

import json
import os
import time
from pathlib import Path

import pytest

from conftest import ROOT, Answer

CURL_FORMAT = "%{http_code}"


@pytest.fixture
def curl(stack, tmp_path):
    """Calls the data API with curl, which keeps the casing and the order of what it is answered."""

    def call(method, path, key, body=None, headers=()):
        head, content = tmp_path / "head", tmp_path / "body"
        content.write_bytes(b"")
        command = ["curl", "-sS", "-X", method, "-D", head, "-o", content, "-w", CURL_FORMAT]
        for header in [f"x-api-key: {key}", *headers]:
            command += ["-H", header]
        if body is not None:
            command += ["-d", json.dumps(body)]
        status = stack.run(*command, stack.state["api_url"] + path).stdout
        lines = head.read_bytes().decode("latin-1").split("\r\n\r\n")[-2].split("\r\n")[1:]
        pairs = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        return Answer(int(status), pairs, content.read_bytes())

    return call


# ---- curl --------------------------------------------------------------------------------------------------------


def test_records_are_created_read_replaced_and_deleted(curl, globex):
    key = globex["api_key"]
    created = curl("POST", "/records/curl", key, {"title": "Hello"})
    assert (created.status, created.header("etag")) == (201, '"1"')
    record = created.json()
    path = f"/records/curl/{record['id']}"
    assert created.header("location").endswith(path)
    assert curl("GET", path, key).json() == record
    assert curl("GET", path, key, headers=['If-None-Match: "1"']).status == 304
    replaced = curl("PUT", path, key, {"title": "Again"}, ['If-Match: "1"'])
    assert (replaced.status, replaced.json()["version"], replaced.json()["data"]) == (200, 2, {"title": "Again"})
    assert curl("PUT", path, key, {"title": "Late"}, ['If-Match: "1"']).status == 412
    deleted = curl("DELETE", path, key)
    assert (deleted.status, deleted.body) == (204, b"")
    assert curl("GET", path, key).status == 404


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_list_goes_over_pages_by_its_cursor(curl, globex, order):
    key, collection = globex["api_key"], f"pages-{order}"
    names = [f"r{n}" for n in range(5)]
    for name in names:
        assert curl("PUT", f"/records/{collection}/{name}", key, {}).status == 201
    seen, sizes, cursor = [], [], ""
    while cursor is not None:
        suffix = f"&cursor={cursor}" if cursor else ""
        page = curl("GET", f"/records/{collection}?limit=2&order={order}{suffix}", key).json()
        seen += [record["id"] for record in page["items"]]
        sizes.append(len(page["items"]))
        cursor = page["next_cursor"]
    assert (seen, sizes) == (names if order == "asc" else names[::-1], [2, 2, 1])


def test_another_tenants_record_is_answered_like_one_that_never_was(curl, stack, initech):
    before = stack.contents()
    for method, headers, status in [("GET", [], 404), ("DELETE", [], 404), ("DELETE", ['If-Match: "1"'], 404)]:
        foreign = curl(method, "/records/plans/launch", initech["api_key"], headers=headers)
        never = curl(method, "/records/plans/nobody", initech["api_key"], headers=headers)
        assert foreign.status == status
        assert foreign.likeness() == never.likeness()
        names = [[name for name, _ in answer.headers] for answer in (foreign, never)]
        assert names[0] == names[1]
        assert foreign.json()["instance"] == foreign.header("x-amzn-requestid")
    foreign = curl("PUT", "/records/plans/launch", initech["api_key"], {"title": "Mine"}, ["If-Match: *"])
    never = curl("PUT", "/records/plans/nobody", initech["api_key"], {"title": "Mine"}, ["If-Match: *"])
    assert foreign.status == 412
    assert foreign.likeness() == never.likeness()
    assert stack.contents() == before


def test_what_a_tenant_writes_under_anothers_id_is_its_own(curl, initech, globex):
    original = curl("GET", "/records/plans/launch", globex["api_key"])
    assert original.status == 200
    assert curl("PUT", "/records/plans/launch", initech["api_key"], {"title": "Mine"}).status == 201
    assert curl("GET", "/records/plans/launch", globex["api_key"]).likeness() == original.likeness()
    assert curl("DELETE", "/records/plans/launch", initech["api_key"]).status == 204
    assert curl("GET", "/records/plans/launch", globex["api_key"]).likeness() == original.likeness()


def test_no_secret_is_in_the_stacks_log(stack, globex):
    log = Path(os.environ["TENANTRY_STACK_LOG"])
    answers = [stack.api("GET", "/tenant", globex["api_key"]), stack.onboard("interop3")]
    deadline = time.monotonic() + 30
    while not all(answer.header("x-amzn-requestid") in log.read_text() for answer in answers):
        assert time.monotonic() < deadline, "the requests do not appear in the stack's log"
        time.sleep(0.05)
    text = log.read_text()
    secrets = [tenant["api_key"] for tenant in stack.state["tenants"]]
    secrets += [stack.credentials[1], answers[1].json()["api_key"]["value"]]
    assert not [secret for secret in secrets if secret in text]
    assert "ops@" not in text


# ---- The AWS CLI -------------------------------------------------------------------------------------------------


def aws(stack, *arguments):
    done = stack.run("aws", *arguments, "--endpoint-url", stack.state["aws_endpoint_url"], "--output", "json")
    return json.loads(done.stdout)


def test_the_aws_cli_reads_an_item(stack):
    key = json.dumps({"tenant_id": {"S": "globex"}, "sk": {"S": "plans#launch"}})
    answer = aws(stack, "dynamodb", "get-item", "--table-name", stack.table("records"), "--key", key)
    assert answer["Item"]["data"] == {"M": {"title": {"S": "Ours alone"}}}


def test_the_aws_cli_lists_the_plans(stack):
    names = [plan["name"] for plan in aws(stack, "apigateway", "get-usage-plans")["items"]]
    assert sorted(names) == ["tenantry-free", "tenantry-premium", "tenantry-standard"]


def test_the_aws_cli_invokes_a_function(stack, tmp_path):
    event, out = ROOT / "events" / "records-get" / "foreign-record.json", tmp_path / "answer.json"
    arguments = ["--function-name", "records-get", "--payload", f"fileb://{event}", out]
    assert aws(stack, "lambda", "invoke", *arguments)["StatusCode"] == 200
    assert json.loads(out.read_text())["statusCode"] == 404


def test_the_aws_cli_reads_and_sets_the_usage_that_is_enforced(stack):
    onboarded = stack.onboard("interop4", tier="free").json()
    key, key_id = onboarded["api_key"]["value"], onboarded["api_key"]["api_key_id"]
    [plan] = aws(stack, "apigateway", "get-usage-plans", "--key-id", key_id)["items"]
    today = stack.send("GET", stack.local("clock")).json()["now"][:10]

    def usage():
        dates = ["--start-date", today, "--end-date", today]
        return aws(stack, "apigateway", "get-usage", "--usage-plan-id", plan["id"], "--key-id", key_id, *dates)["items"]

    assert usage() == {key_id: [[0, 10000]]}
    assert [stack.api("GET", "/tenant", key).status for _ in range(3)] == [200] * 3
    assert usage() == {key_id: [[3, 9997]]}
    patch = ["--patch-operations", "op=replace,path=/remaining,value=2"]
    given = aws(stack, "apigateway", "update-usage", "--usage-plan-id", plan["id"], "--key-id", key_id, *patch)
    assert given["items"] == {key_id: [[3, 2]]}
    answers = [stack.api("GET", "/tenant", key) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["type"] == "urn:tenantry:problem:quota-exceeded"
    assert usage() == {key_id: [[5, 0]]}


def test_the_aws_cli_finds_the_apis_and_their_stages(stack):
    apis = aws(stack, "apigateway", "get-rest-apis")["items"]
    assert len(apis) == 2
    for api in apis:
        [stage] = aws(stack, "apigateway", "get-stages", "--rest-api-id", api["id"])["item"]
        assert stage["stageName"] == "v1"
