"""The command line of README.md: each command prints what stands there."""

import json
import os
import re
import subprocess

from conftest import ROOT, TARGET, started
from test_readme import checkout

# The stack's time does not move, so what is printed is the same each time, but for the keys' values.
TIME = "2026-12-01T09:30:00Z"
START = ("--time", f"fixed:{TIME}")
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
        prepare(stack)
        folder = tmp_path / "checkout"
        folder.mkdir()
        checkout(stack, folder)
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
