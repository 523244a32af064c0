"""The running stack, and strangers' clients of it.

`interop/run` starts the stack and names its state file in TENANTRY_STATE_FILE. All tests share that stack: each
works in a collection, or on a tenant, of its own.
"""

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")

# What may differ between two answers that must not be told apart: ids of the request, and its time.
OF_THE_REQUEST = {"x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id", "date"}


def encoded(body):
    return None if body is None else json.dumps(body)


@dataclass
class Answer:
    status: int
    headers: list
    body: bytes

    def header(self, name):
        return next((value for given, value in self.headers if given.lower() == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    def likeness(self):
        """All that a client can see of the answer but the request's own ids and time."""
        headers = sorted((name, value) for name, value in self.headers if name.lower() not in OF_THE_REQUEST)
        body = self.body.decode().replace(self.header("x-amzn-requestid") or "", "<request id>")
        return self.status, headers, body


class Stack:
    """What the state file tells, and how to call it."""

    def __init__(self, path):
        self.path = Path(path)
        self.state = json.loads(self.path.read_text())
        admin = self.state["admin"]
        self.credentials = (admin["access_key_id"], admin["secret_access_key"])
        self.http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=60))

    def tenant(self, tenant_id):
        return next(tenant for tenant in self.state["tenants"] if tenant["tenant_id"] == tenant_id)

    def table(self, name):
        return self.state["tables"][name]

    def client(self, service, credentials=None):
        """A boto3 client with the admin's or other credentials, which tries once. A session's have a token."""
        access_key_id, secret_access_key, *token = credentials or self.credentials
        return boto3.client(
            service,
            endpoint_url=self.state["aws_endpoint_url"],
            region_name=self.state["region"],
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            aws_session_token=token[0] if token else None,
            config=Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1}),
        )

    def send(self, method, url, headers=None, body=None):
        response = self.http.request(method, url, headers=headers, body=body)
        return Answer(response.status, list(response.headers.items()), response.data)

    def local(self, path):
        """The URL of what only the local stack has."""
        return self.state["api_url"].rsplit("/", 1)[0] + "/_local/" + path

    def api(self, method, path, key=None, body=None, headers=None):
        """Calls the data API, with a key where one is given."""
        headers = dict(headers or {})
        if key is not None:
            headers["x-api-key"] = key
        return self.send(method, self.state["api_url"] + path, headers, encoded(body))

    def control(self, method, path, body=None, credentials=None):
        """Calls the control API, signed by botocore."""
        request = AWSRequest(method, self.state["admin_url"] + path, data=encoded(body))
        if body is not None:
            request.headers["Content-Type"] = "application/json"
        signer = SigV4Auth(Credentials(*(credentials or self.credentials)), "execute-api", self.state["region"])
        signer.add_auth(request)
        return self.send(method, request.url, dict(request.headers.items()), request.data)

    def onboard(self, tenant_id, **changes):
        body = {"tenant_id": tenant_id, "name": tenant_id, "email": f"ops@{tenant_id}.example", "tier": "standard"}
        return self.control("POST", "/tenants", body | changes)

    def contents(self):
        """Every item of every table, and every key, to compare before and after."""
        dynamodb, gateway = self.client("dynamodb"), self.client("apigateway")
        everything = []
        for table in self.state["tables"].values():
            for page in dynamodb.get_paginator("scan").paginate(TableName=table):
                everything += [(table, json.dumps(item, sort_keys=True)) for item in page["Items"]]
        for page in gateway.get_paginator("get_api_keys").paginate():
            everything += [("key", key["id"] + str(key["enabled"])) for key in page["items"]]
        return sorted(everything)

    def environment(self, credentials=None):
        """The environment of a command line tool: the admin's or other credentials, and no file of the developer's."""
        access_key_id, secret_access_key, *token = credentials or self.credentials
        session = {"AWS_SESSION_TOKEN": token[0]} if token else {}
        return session | {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": access_key_id,
            "AWS_SECRET_ACCESS_KEY": secret_access_key,
            "AWS_DEFAULT_REGION": self.state["region"],
            "AWS_PAGER": "",
        }

    def run(self, *command, cwd=ROOT, env=None):
        """Runs a command that must succeed, and answers what it printed."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=env or self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{command[:3]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done


@contextmanager
def started(folder, *flags):
    """A stack of the tests' own, in memory and on free ports."""
    state, log = folder / "stack.json", folder / "stack.log"
    command = [TARGET / "debug" / "local-stack", "--ephemeral", "--state-file", state, "--schedules", "off", "--log", "json", *flags]
    for port in ["--api-port", "--admin-port", "--aws-port"]:
        command += [port, "0"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 300
        while not state.exists():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Stack(state)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, log.read_text()


@pytest.fixture(scope="session")
def stack():
    path = os.environ.get("TENANTRY_STATE_FILE")
    if path is None:
        pytest.fail("TENANTRY_STATE_FILE is not set: run `make interop`", pytrace=False)
    return Stack(path)


@pytest.fixture(scope="session")
def globex(stack):
    return stack.tenant("globex")


@pytest.fixture(scope="session")
def initech(stack):
    """Another tenant than globex. Its limits are far above what tests ask."""
    return stack.tenant("initech")


@pytest.fixture(scope="session", autouse=True)
def no_value_of_a_key_is_kept():
    """At the end of all: no key's value is in a table or in what the stack and its functions have logged."""
    yield
    path, log = os.environ.get("TENANTRY_STATE_FILE"), os.environ.get("TENANTRY_STACK_LOG")
    if path is None or log is None:
        return
    stack, values = Stack(path), []
    for page in stack.client("apigateway").get_paginator("get_api_keys").paginate(includeValues=True):
        values += [key["value"] for key in page["items"]]
    tables = [item for _, item in stack.contents()]
    everything = "\n".join([*tables, Path(log).read_text()])
    assert values and not [value for value in values if value in everything], "a key's value is kept"
