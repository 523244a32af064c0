"""curl and the AWS CLI, and the commands of README.md as they stand there."""

import json
import os
import re
import shutil
import subprocess
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


def test_another_tenants_record_is_answered_like_one_that_never_was(curl, stack, acme):
    before = stack.contents()
    for method, headers, status in [("GET", [], 404), ("DELETE", [], 404), ("DELETE", ['If-Match: "1"'], 404)]:
        foreign = curl(method, "/records/plans/launch", acme["api_key"], headers=headers)
        never = curl(method, "/records/plans/nobody", acme["api_key"], headers=headers)
        assert foreign.status == status
        assert foreign.likeness() == never.likeness()
        names = [[name for name, _ in answer.headers] for answer in (foreign, never)]
        assert names[0] == names[1]
        assert foreign.json()["instance"] == foreign.header("x-amzn-requestid")
    foreign = curl("PUT", "/records/plans/launch", acme["api_key"], {"title": "Mine"}, ["If-Match: *"])
    never = curl("PUT", "/records/plans/nobody", acme["api_key"], {"title": "Mine"}, ["If-Match: *"])
    assert foreign.status == 412
    assert foreign.likeness() == never.likeness()
    assert stack.contents() == before


def test_what_a_tenant_writes_under_anothers_id_is_its_own(curl, acme, globex):
    original = curl("GET", "/records/plans/launch", globex["api_key"])
    assert original.status == 200
    assert curl("PUT", "/records/plans/launch", acme["api_key"], {"title": "Mine"}).status == 201
    assert curl("GET", "/records/plans/launch", globex["api_key"]).likeness() == original.likeness()
    assert curl("DELETE", "/records/plans/launch", acme["api_key"]).status == 204
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


# ---- README.md ---------------------------------------------------------------------------------------------------

# What curl is answered is written to standard error, beside whatever the README does with its output.
RECORDING = """
set -euo pipefail
curl() { command curl -w '%{stderr}answered %{http_code}\\n' "$@"; }
"""


def section(heading):
    """The shell blocks of a section of README.md, and the statuses that it says curl is answered with."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"README.md has no section {heading!r}"
    blocks = re.findall(r"^```sh\n(.*?)^```", found[1], re.M | re.S)
    said = re.findall(r"^Answered with (.*)\.$", found[1], re.M)
    return blocks, re.findall(r"\b\d{3}\b", " ".join(said))


@pytest.fixture
def checkout(stack, tmp_path):
    """A folder in which the state file and the events lie where README.md finds them."""
    (tmp_path / ".local").mkdir()
    shutil.copy(stack.path, tmp_path / ".local" / "stack.json")
    (tmp_path / "events").symlink_to(ROOT / "events")
    return tmp_path


@pytest.mark.parametrize("heading", ["Call the API", "Onboard a tenant", "Run one function by hand"])
def test_the_commands_of_the_readme_answer_as_it_says(checkout, heading):
    blocks, statuses = section(heading)
    # The first block of "Call the API" finds the stack; the other sections build on it.
    first = [] if heading == "Call the API" else section("Call the API")[0][:1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", RECORDING + "".join(first + blocks)],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert re.findall(r"^answered (\d{3})$", done.stderr, re.M) == statuses, output
    assert statuses or '"statusCode":200' in done.stdout, output
