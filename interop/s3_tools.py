"""What the tests of files share: credentials, curl, requests as they stand on the wire, and what S3 keeps."""

import base64
import functools
import hashlib
import hmac
import http.client
import json
import socket
import subprocess
import zlib
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import ROOT

# S3's answer to whoever may not.
DENIED = (403, "AccessDenied")
NOT_IMPLEMENTED = (501, "NotImplemented")


# ---- Clients -----------------------------------------------------------------------------------------------------


def patient(stack, *request, **further):
    """A call of the data API that a limit does not hold back for long: the stack's clock moves on instead."""
    for _ in range(20):
        answer = stack.api(*request, **further)
        if answer.status != 429:
            return answer
        assert stack.send("POST", stack.local("clock"), body='{"advance": "2s"}').status == 200
    raise AssertionError(f"{request[:2]} was held back for longer than any limit should")


def vended(stack, tenant_id, access="write", seconds=3600):
    """Credentials that the tenant has asked for: access key id, secret, token."""
    body = {"access": access, "duration_seconds": seconds}
    answer = patient(stack, "POST", "/credentials", stack.tenant(tenant_id)["api_key"], body)
    assert answer.status == 201, answer
    assert (answer.json()["bucket"], answer.json()["prefix"]) == (stack.state["buckets"]["files"], f"{tenant_id}/")
    issued = answer.json()["credentials"]
    return issued["access_key_id"], issued["secret_access_key"], issued["session_token"]


def client(stack, credentials=None, **config):
    """A boto3 client of S3 that tries once and presigns with Signature Version 4, as every region's does in time."""
    access_key_id, secret_access_key, *token = credentials or stack.credentials
    config = {"signature_version": "s3v4", "max_pool_connections": 20} | config
    return boto3.client(
        "s3",
        endpoint_url=stack.state["aws_endpoint_url"],
        region_name=stack.state["region"],
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        aws_session_token=token[0] if token else None,
        config=Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1}, **config),
    )


@functools.cache
def admin(stack):
    """The platform team's client, made once: making one takes boto3 longer than a call."""
    return stack.client("s3")


def outcome(s3, method, **parameters):
    """The answer and none, or none and the refusal's status and code. A HEAD's refusal has its status for a code."""
    try:
        return getattr(s3, method)(**parameters), None
    except ClientError as error:
        return None, (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])


def denied(method):
    """How boto3 tells of S3's 403: the answer to a HEAD has no body to hold a code."""
    return (403, "403") if method.startswith("head_") else DENIED


def aws(stack, credentials, *command, succeeds=True):
    """What the AWS CLI prints, or its complaint."""
    environment = stack.environment(credentials) | {"AWS_MAX_ATTEMPTS": "1"}
    command = ["aws", *command, "--endpoint-url", stack.state["aws_endpoint_url"]]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode == 0) == succeeds, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout if succeeds else done.stderr


@dataclass
class Fetched:
    status: int
    headers: dict
    body: bytes

    def code(self):
        """The code of S3's error document."""
        _, found, rest = self.body.partition(b"<Code>")
        return rest.partition(b"</Code>")[0].decode() if found else None


def curl(folder, url, *options, method=None, headers=None, upload=None):
    """What curl is answered. A body comes from a file, so that curl itself says how long it is."""
    head, body = folder / "curl.head", folder / "curl.body"
    body.write_bytes(b"")
    command = ["curl", "--silent", "--show-error", "--globoff", "--path-as-is", "--max-time", "60", *options]
    command += ["--dump-header", head, "--output", body, "--write-out", "%{http_code}"]
    if method is not None:
        command += ["--head"] if method == "HEAD" else ["--request", method]
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    if upload is not None:
        command += ["--upload-file", upload]
    done = subprocess.run([str(part) for part in [*command, url]], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, f"curl ended with {done.returncode}: {done.stderr}"
    # The last of the heads: before it come those of 100 Continue and of redirects.
    lines = head.read_bytes().decode("latin-1").rstrip().split("\r\n\r\n")[-1].split("\r\n")[1:]
    pairs = [line.split(":", 1) for line in lines]
    content = b"" if method == "HEAD" else body.read_bytes()
    return Fetched(int(done.stdout), {name.strip().lower(): value.strip() for name, value in pairs}, content)


# ---- A tenant and its files --------------------------------------------------------------------------------------


TEXT = "text/plain; charset=utf-8"


def path_of(name):
    return "/files/" + quote(name)


class Tenant:
    """A tenant with its API key, and with credentials that it was handed."""

    def __init__(self, stack, tenant_id):
        self.stack, self.prefix, self.bucket = stack, f"{tenant_id}/", stack.state["buckets"]["files"]
        self.api_key = stack.tenant(tenant_id)["api_key"]
        self.credentials = vended(stack, tenant_id)
        self.s3 = client(stack, self.credentials)

    def api(self, method, path, body=None, headers=None):
        return patient(self.stack, method, path, self.api_key, body, headers)

    def begun(self, name, body, **members):
        """The plan for an upload of one piece."""
        answer = self.api("POST", "/files", {"name": name, "size": len(body), "content_type": TEXT} | members)
        assert (answer.status, answer.header("cache-control")) == (201, "no-store"), answer
        plan = answer.json()
        assert set(plan) == {"name", "upload"} and plan["name"] == name
        assert set(plan["upload"]) == {"method", "url", "headers", "expires_at"} and plan["upload"]["method"] == "PUT"
        return plan["upload"]

    def planned(self, name, size, **members):
        """The plan for an upload of several pieces."""
        answer = self.api("POST", "/files", {"name": name, "size": size, "content_type": TEXT} | members)
        assert (answer.status, answer.header("cache-control")) == (201, "no-store"), answer
        plan = answer.json()["multipart"]
        assert set(plan) == {"upload_id", "part_size", "parts", "expires_at"}
        assert [part["number"] for part in plan["parts"]] == list(range(1, -(-size // plan["part_size"]) + 1))
        return plan

    def stored(self, name):
        """What S3 has under a name, or the refusal."""
        answer, refused = outcome(self.s3, "get_object", Bucket=self.bucket, Key=self.prefix + name)
        return answer["Body"].read() if answer else refused


def sent(folder, upload, body, headers=None):
    """Does what a plan says, with curl."""
    path = folder / "curl.up"
    path.write_bytes(body)
    headers = upload["headers"] if headers is None else headers
    return curl(folder, upload["url"], method="PUT", headers=headers, upload=path)


# ---- Requests as they stand on the wire --------------------------------------------------------------------------


def host(stack):
    return urlsplit(stack.state["aws_endpoint_url"]).netloc


def raw(stack, method, target, headers, body=b"", end=True):
    """Sends exactly this target and these headers, which may be pairs so that a name can stand twice."""
    address = urlsplit(stack.state["aws_endpoint_url"])
    pairs = headers.items() if isinstance(headers, dict) else headers
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs), "connection: close"]
    if end and not any(name.lower() == "content-length" for name, _ in pairs) and method not in {"GET", "HEAD"}:
        lines.append(f"content-length: {len(body)}")
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        if not end:
            return None
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        return Fetched(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def authorized(stack, credentials, method, path, query="", headers=None, body=b"", payload=None, at=None):
    """The headers of a request whose signature is for exactly this path and this query, both as S3 writes them."""
    access_key_id, secret, *token = credentials
    at = at or datetime.now(timezone.utc)
    moment, region = at.strftime("%Y%m%dT%H%M%SZ"), stack.state["region"]
    signed = {"host": host(stack), "x-amz-date": moment} | (headers or {})
    signed["x-amz-content-sha256"] = payload or hashlib.sha256(body).hexdigest()
    if token:
        signed["x-amz-security-token"] = token[0]
    names = ";".join(sorted(signed))
    request = [method, path, "&".join(sorted(query.split("&"))), *(f"{name}:{signed[name]}" for name in sorted(signed))]
    request = "\n".join([*request, "", names, signed["x-amz-content-sha256"]])
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    given = f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return signed | {"authorization": given}


def canonical(path):
    """A decoded path as S3 writes it under a signature."""
    return quote(path, safe="/~")


# ---- What S3 keeps -----------------------------------------------------------------------------------------------


def table(polynomial):
    """The table of a reflected CRC."""
    def entry(value):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        return value

    return [entry(value) for value in range(256)]


def crc(body, entries, bits):
    ones = (1 << bits) - 1
    value = ones
    for byte in body:
        value = entries[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ ones


CRC32C, CRC64NVME = table(0x82F63B78), table(0x9A6C9329AC4BC9B5)


def encoded(value):
    return base64.b64encode(value).decode()


def checksums(body):
    """The five checksums of S3, by the endings of boto3's names. Python's own code computes two of them slowly."""
    return {
        "CRC32": encoded(zlib.crc32(body).to_bytes(4, "big")),
        "CRC32C": encoded(crc(body, CRC32C, 32).to_bytes(4, "big")),
        "CRC64NVME": encoded(crc(body, CRC64NVME, 64).to_bytes(8, "big")),
        "SHA1": encoded(hashlib.sha1(body).digest()),
        "SHA256": encoded(hashlib.sha256(body).digest()),
    }


def etag(body):
    """The ETag of an object that was uploaded in one piece."""
    return f'"{hashlib.md5(body).hexdigest()}"'


def without_metadata(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def contents(stack, is_of_interest):
    """Every object and every unfinished upload under keys of interest, whole, to compare before and after."""
    s3, bucket = admin(stack), stack.state["buckets"]["files"]
    everything = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for key in (listed["Key"] for listed in page.get("Contents", []) if is_of_interest(listed["Key"])):
            told = without_metadata(s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED"))
            everything.append((key, told | {"Body": told["Body"].read()}))
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in (listed for listed in page.get("Uploads", []) if is_of_interest(listed["Key"])):
            parts = s3.list_parts(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            everything.append((upload["Key"], upload, without_metadata(parts)))
    return everything


def remove(stack, is_of_interest, bucket=None):
    """Takes objects and unfinished uploads away again, as the platform team."""
    s3, bucket = admin(stack), bucket or stack.state["buckets"]["files"]
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in (listed for listed in page.get("Uploads", []) if is_of_interest(listed["Key"])):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for key in (listed["Key"] for listed in page.get("Contents", []) if is_of_interest(listed["Key"])):
            s3.delete_object(Bucket=bucket, Key=key)


def parsed(text):
    return json.loads(text) if text.strip() else {}
