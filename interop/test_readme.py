"""The commands of README.md as they stand there."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, TARGET, started

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


def checkout(stack, folder):
    """A folder in which the state file and the events lie where README.md finds them."""
    (folder / ".local").mkdir()
    shutil.copy(stack.path, folder / ".local" / "stack.json")
    for name, there in [("events", ROOT / "events"), ("infra", ROOT / "infra"), ("target", TARGET)]:
        (folder / name).symlink_to(there)
    return folder


def run(folder, blocks, **environment):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **environment}
    command = ["bash", "-c", RECORDING + "".join(blocks)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return re.findall(r"^answered (\d{3})$", done.stderr, re.M), output


SECTIONS = [
    "Call the API",
    "Upload and download files",
    "Hand out credentials",
    "Onboard a tenant",
    "Tune a limit",
    "Run one function by hand",
]


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_commands_of_the_readme_answer_as_it_says(stack, tmp_path, heading):
    blocks, statuses = section(heading)
    # Whatever was asked before, every bucket is full again.
    assert stack.send("POST", stack.local("clock"), body='{"advance": "1m"}').status == 200
    # The first block of "Call the API" finds the stack; the other sections build on it.
    first = [] if heading == "Call the API" else section("Call the API")[0][:1]
    answered, output = run(checkout(stack, tmp_path), first + blocks)
    assert answered == statuses, output
    assert statuses or '"statusCode":200' in output, output
    for refused in re.findall(r'\|\| echo "(.*)"$', "".join(blocks), re.M):
        assert refused in output, output


# ---- cargo lambda ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lambda_stack(tmp_path_factory):
    """A stack whose functions `cargo lambda watch` runs, at the port that `cargo lambda invoke` asks."""
    with started(tmp_path_factory.mktemp("lambda"), "--functions", "cargo-lambda") as stack:
        yield stack


def test_cargo_lambda_watch_serves_the_curls_of_the_readme(lambda_stack, tmp_path):
    blocks, statuses = section("Call the API")
    answered, output = run(checkout(lambda_stack, tmp_path), blocks)
    assert answered == statuses, output


def test_cargo_lambda_invokes_a_function_as_the_readme_says(lambda_stack, tmp_path):
    blocks, _ = section("Change code and call it again")
    home = {name: os.environ[name] for name in ["CARGO_HOME", "RUSTUP_HOME"] if name in os.environ}
    home["HOME"] = os.environ.get("HOME", str(tmp_path))
    _, output = run(checkout(lambda_stack, tmp_path), blocks, **home)
    assert '"statusCode":200' in output, output


def test_a_function_under_cargo_lambda_is_held_by_the_same_limits(lambda_stack):
    key = lambda_stack.tenant("acme")["api_key"]
    statuses = [lambda_stack.api("GET", "/nowhere", key).status for _ in range(2)]
    assert statuses == [403, 403]
    statuses = {lambda_stack.api("GET", "/tenant", key).status for _ in range(40)}
    assert statuses == {200, 429}
