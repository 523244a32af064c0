"""The command line of README.md: each command prints what stands there."""

import json
import os
import re
import subprocess

from conftest import ROOT, TARGET, started
from test_readme import checkout

# The stack's time does not move, so what is printed is the same each time, but for the keys' values.
TIME = "2026-12-01T09:30:00Z"
START = ("--time", "fixed:2026-12-01T08:00:00Z")
VALUE = re.compile(r"\btenantry[A-Za-z0-9]{38}\b")


def transcript():
    """The commands of the section, each with what it prints."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"^## The command line\n(.*?)(?=^## )", text, re.M | re.S)
    assert found, "README.md has no section on the command line"
    steps = []
    for block in re.findall(r"^```console\n(.*?)^```", found[1], re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
    return [(command, "\n".join(printed).strip("\n")) for command, printed in steps]


def leave(stack, folder):
    """Lets piedpiper leave, with a record and a checkpoint, until it is exported."""
    create = "tenantry tenants create --tenant-id piedpiper --name Pied --email p@piedpiper.example --tier free"
    key = VALUE.search(printed_by(folder, create))[0]
    for path in ("/records/notes/1", "/checkpoints/import"):
        assert stack.api("PUT", path, key, {}).status == 201
    printed_by(folder, "tenantry tenants delete piedpiper --grace 7d --yes")
    assert stack.send("POST", stack.local("clock"), body=b'{"advance": "90m"}').status == 200
    event = json.dumps({"time": TIME, "tenant_id": "piedpiper"}).encode()
    answer = stack.client("lambda").invoke(FunctionName="tenants-reconcile", Payload=event)
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert "1 records, 1 checkpoints" in printed_by(folder, "tenantry tenants show piedpiper")


def prepare(stack):
    """Lets globex use up nine tenths of its quota, and a snapshot see it."""
    gateway, key = stack.client("apigateway"), stack.tenant("globex")["api_key_id"]
    plan = gateway.get_usage_plans(keyId=key)["items"][0]
    change = {"op": "replace", "path": "/remaining", "value": str(plan["quota"]["limit"] // 10)}
    gateway.update_usage(usagePlanId=plan["id"], keyId=key, patchOperations=[change])
    # The last snapshot was made before that, and no schedule makes another.
    event = json.dumps({"time": TIME}).encode()
    answer = stack.client("lambda").invoke(FunctionName="usage-snapshot", Payload=event)
    assert "FunctionError" not in answer, answer["Payload"].read()


def printed_by(folder, command):
    environment = {"PATH": f"{TARGET / 'debug'}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    # A trailing blank is lost in many editors.
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n")


def test_every_command_prints_what_the_readme_shows(tmp_path):
    with started(tmp_path, *START) as stack:
        folder = tmp_path / "checkout"
        folder.mkdir()
        checkout(stack, folder)
        leave(stack, folder)
        prepare(stack)
        for command, expected in transcript():
            found = printed_by(folder, command)
            assert VALUE.sub("<value>", found) == VALUE.sub("<value>", expected), f"$ {command}\n{found}"


def test_every_command_of_the_tool_is_shown(tmp_path):
    shown = {" ".join(command.split()[1:3]) for command, _ in transcript()}
    tool = TARGET / "debug" / "tenantry"

    def commands(*path):
        text = subprocess.run([tool, *path, "--help"], capture_output=True, text=True, check=True).stdout
        listed = re.search(r"^Commands:\n(.*?)\n\n", text, re.M | re.S)
        names = re.findall(r"^  ([a-z-]+)", listed[1], re.M) if listed else []
        return [name for name in names if name != "help"]

    for group in commands():
        for command in commands(group) or [None]:
            wanted = f"{group} {command}" if command else group
            assert any(line.startswith(wanted) for line in shown), f"README.md does not show tenantry {wanted}"
