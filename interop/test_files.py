"""Files through the data API and curl, through boto3 and through the AWS CLI: what one of them writes, the others
read, byte for byte."""

import hashlib
import json
import os
from urllib.parse import urlsplit

import pytest

from conftest import started
from s3_tools import (
    DENIED,
    TEXT,
    Tenant,
    aws,
    checksums,
    client,
    curl,
    encoded,
    etag,
    outcome,
    parsed,
    path_of,
    raw,
    sent,
    vended,
)

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A stack whose clock these tests move."""
    with started(tmp_path_factory.mktemp("files")) as stack:
        yield Tenant(stack, "acme")


# ---- Up and down -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["plain.txt", "photos/2026/über den Wolken.txt", "a+b & c%20d=?#.txt", "日本.txt"]
)
@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_a_file_goes_up_and_down_through_presigned_urls(own, tmp_path, name, size):
    body, name = os.urandom(size), f"round/{size}/{name}"
    upload = own.begun(name, body, sha256=hashlib.sha256(body).hexdigest().upper())
    assert upload["headers"] == {
        "content-length": str(size),
        "content-type": TEXT,
        "if-none-match": "*",
        "x-amz-checksum-sha256": encoded(hashlib.sha256(body).digest()),
    }
    up = sent(tmp_path, upload, body)
    assert (up.status, up.headers["etag"]) == (200, etag(body)), up
    answer = own.api("GET", path_of(name))
    assert (answer.status, answer.header("cache-control")) == (200, "no-store"), answer
    file = answer.json()
    assert set(file) == {"name", "size", "content_type", "etag", "last_modified", "download"}
    assert (file["name"], file["size"], file["content_type"]) == (name, size, TEXT)
    assert file["etag"].strip('"') == etag(body).strip('"')
    down = curl(tmp_path, file["download"]["url"])
    assert (down.status, down.body) == (200, body)
    assert (down.headers["content-type"], down.headers["etag"]) == (TEXT, etag(body))


def test_a_range_of_a_file_is_had_without_the_rest(own, tmp_path):
    body = os.urandom(100_000)
    assert sent(tmp_path, own.begun("range.bin", body), body).status == 200
    url = own.api("GET", path_of("range.bin")).json()["download"]["url"]
    part = curl(tmp_path, url, "--range", "1000-1999")
    assert (part.status, part.body) == (206, body[1000:2000])
    assert part.headers["content-range"] == "bytes 1000-1999/100000"
    beyond = curl(tmp_path, url, "--range", "100000-")
    assert (beyond.status, beyond.code()) == (416, "InvalidRange")
    own.s3.download_file(own.bucket, f"{own.prefix}range.bin", str(tmp_path / "whole"))
    assert (tmp_path / "whole").read_bytes() == body


def test_octets_are_asked_for_by_a_redirect(own, tmp_path):
    assert sent(tmp_path, own.begun("redirect.txt", b"There."), b"There.").status == 200
    headers = {"x-api-key": own.api_key, "Accept": "application/octet-stream"}
    url = own.stack.state["api_url"] + path_of("redirect.txt")
    there = curl(tmp_path, url, headers=headers)
    assert (there.status, there.headers["cache-control"]) == (307, "no-store")
    assert curl(tmp_path, there.headers["location"]).body == b"There."
    followed = curl(tmp_path, url, "--location", headers=headers)
    assert (followed.status, followed.body) == (200, b"There.")


def test_a_deleted_file_is_gone_and_deleting_it_again_is_the_same(own, tmp_path):
    assert sent(tmp_path, own.begun("gone.txt", b"x"), b"x").status == 200
    url = own.api("GET", path_of("gone.txt")).json()["download"]["url"]
    for _ in range(2):
        assert own.api("DELETE", path_of("gone.txt")).status == 204
    assert own.api("GET", path_of("gone.txt")).status == 404
    # The one who signed it may not list, so that S3 does not tell that there is nothing.
    assert curl(tmp_path, url).status == 403
    assert own.stored("gone.txt") == DENIED


# ---- Overwriting -------------------------------------------------------------------------------------------------


def test_an_object_that_is_there_is_overwritten_only_where_that_is_asked_for(own, tmp_path):
    first, second, third = (own.begun("once.txt", body, **more) for body, more in [
        (b"first", {}), (b"second", {}), (b"third", {"overwrite": True})])
    assert sent(tmp_path, first, b"first").status == 200
    # The plan was there before the object was: S3 itself refuses it.
    late = sent(tmp_path, second, b"second")
    assert (late.status, late.code(), own.stored("once.txt")) == (412, "PreconditionFailed", b"first")
    again = own.api("POST", "/files", {"name": "once.txt", "size": 1, "content_type": TEXT})
    assert (again.status, again.header("content-type"), own.stored("once.txt")) == (409, PROBLEM, b"first")
    assert "if-none-match" not in third["headers"]
    assert (sent(tmp_path, third, b"third").status, own.stored("once.txt")) == (200, b"third")


def test_boto3_and_the_cli_overwrite_unless_they_ask_not_to(own, tmp_path):
    key, path = f"{own.prefix}twice.txt", tmp_path / "twice"
    path.write_bytes(b"cli")
    parameters = {"Bucket": own.bucket, "Key": key, "IfNoneMatch": "*"}
    assert outcome(own.s3, "put_object", Body=b"boto3", **parameters)[1] is None
    assert outcome(own.s3, "put_object", Body=b"again", **parameters)[1] == (412, "PreconditionFailed")
    place = ["--bucket", own.bucket, "--key", key, "--body", path]
    complaint = aws(own.stack, own.credentials, "s3api", "put-object", *place, "--if-none-match", "*", succeeds=False)
    assert "(PreconditionFailed)" in complaint and own.stored("twice.txt") == b"boto3"
    aws(own.stack, own.credentials, "s3api", "put-object", *place)
    assert own.stored("twice.txt") == b"cli"


# ---- What was signed is what is taken ----------------------------------------------------------------------------


BODY, OTHER = b"exactly this", b"exactly that"
OTHER_SUM = {"x-amz-checksum-sha256": encoded(hashlib.sha256(OTHER).digest())}
ALTERED = {
    "longer": ({"content-length": None}, BODY + b"!", 403),
    "shorter": ({"content-length": None}, BODY[:-1], 403),
    "empty": ({"content-length": None}, b"", 403),
    "another type": ({"content-type": "text/html"}, BODY, 403),
    "no type": ({"content-type": None}, BODY, 403),
    "another checksum": (OTHER_SUM, OTHER, 403),
    "no checksum": ({"x-amz-checksum-sha256": None}, BODY, 403),
    "no condition": ({"if-none-match": None}, BODY, 403),
    "another condition": ({"if-none-match": '"x"'}, BODY, 403),
    "a header of its own": ({"x-amz-meta-color": "red"}, BODY, 403),
    "other bytes": ({}, OTHER, 400),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_upload_that_is_not_what_was_signed_writes_nothing(own, tmp_path, name):
    change, body, status = ALTERED[name]
    file = f"altered/{name}"
    upload = own.begun(file, BODY, sha256=hashlib.sha256(BODY).hexdigest())
    headers = {key: value for key, value in (upload["headers"] | change).items() if value is not None}
    refused = sent(tmp_path, upload, body, headers)
    codes = {"BadDigest"} if status == 400 else {"SignatureDoesNotMatch", "AccessDenied"}
    assert refused.status == status and refused.code() in codes, refused
    assert own.stored(file) == DENIED and own.api("GET", path_of(file)).status == 404
    assert sent(tmp_path, upload, BODY).status == 200


def test_an_upload_that_breaks_off_writes_nothing(own):
    upload = own.begun("broken.txt", BODY)
    address = urlsplit(upload["url"])
    headers = {"host": address.netloc} | upload["headers"]
    raw(own.stack, "PUT", f"{address.path}?{address.query}", headers, BODY[:-1], end=False)
    assert own.stored("broken.txt") == DENIED


def test_presigned_urls_end_by_the_stacks_clock(own, tmp_path):
    assert sent(tmp_path, own.begun("expiring.txt", b"x"), b"x").status == 200
    upload = own.begun("late.txt", b"x")
    short = client(own.stack, vended(own.stack, "acme", seconds=900))
    url = own.api("GET", path_of("expiring.txt")).json()["download"]["url"]
    signed = own.s3.generate_presigned_url(
        "get_object", Params={"Bucket": own.bucket, "Key": f"{own.prefix}expiring.txt"}, ExpiresIn=60)
    assert [curl(tmp_path, each).status for each in (url, signed)] == [200, 200]
    assert own.stack.send("POST", own.stack.local("clock"), body='{"advance": "16m"}').status == 200
    for ended in (curl(tmp_path, url), curl(tmp_path, signed), sent(tmp_path, upload, b"x")):
        assert (ended.status, ended.code()) == (403, "AccessDenied") and b"Request has expired" in ended.body
    assert own.stored("late.txt") == DENIED
    # Whatever was signed for how long: credentials that have ended open nothing.
    place = {"Bucket": own.bucket, "Key": f"{own.prefix}expiring.txt"}
    assert outcome(short, "get_object", **place)[1] == (400, "ExpiredToken")
    ended = curl(tmp_path, short.generate_presigned_url("get_object", Params=place, ExpiresIn=3600))
    assert (ended.status, ended.code()) == (400, "ExpiredToken")
    url = own.api("GET", path_of("expiring.txt")).json()["download"]["url"]
    assert curl(tmp_path, url).body == b"x"


def test_a_file_above_the_tiers_limit_is_refused_before_anything_is_signed(own):
    answer = own.api("POST", "/files", {"name": "huge", "size": 104_857_601, "content_type": TEXT})
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (422, "/size")
    assert "104857600" in answer.json()["errors"][0]["detail"]


def test_a_browser_may_send_what_a_plan_says(own, tmp_path):
    upload = own.begun("browser.txt", BODY)
    origin = {"Origin": "https://app.example"}
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,if-none-match"}
    allowed = curl(tmp_path, upload["url"], method="OPTIONS", headers=origin | asked)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "*"), allowed
    assert "PUT" in allowed.headers["access-control-allow-methods"]
    assert {"content-type", "if-none-match"} <= set(
        allowed.headers["access-control-allow-headers"].lower().replace(" ", "").split(","))
    refused = curl(tmp_path, upload["url"], method="OPTIONS", headers=origin | asked | {
        "Access-Control-Request-Method": "DELETE"})
    assert (refused.status, refused.code()) == (403, "AccessForbidden")
    done = sent(tmp_path, upload, BODY, upload["headers"] | origin)
    assert (done.status, done.headers["access-control-allow-origin"]) == (200, "*")
    assert "etag" in done.headers["access-control-expose-headers"].lower()
    # Whoever is refused is told so in a form that the page can read.
    url = own.api("GET", path_of("browser.txt")).json()["download"]["url"]
    altered = curl(tmp_path, url.replace("browser.txt", "browser.txu"), headers=origin)
    assert (altered.status, altered.headers["access-control-allow-origin"]) == (403, "*")


# ---- One object, three tools -------------------------------------------------------------------------------------


METADATA = {"color": "deep blue", "made-by": "interop"}


def by_api(own, folder, name, body, algorithm):
    digest = {"sha256": hashlib.sha256(body).hexdigest()} if algorithm == "SHA256" else {}
    assert sent(folder, own.begun(name, body, **digest), body).status == 200
    return {}


def by_curl(own, folder, name, body, algorithm):
    value = checksums(body)[algorithm]
    url = own.s3.generate_presigned_url("put_object", Params={
        "Bucket": own.bucket, "Key": own.prefix + name, "ContentType": TEXT, "Metadata": METADATA,
        f"Checksum{algorithm}": value})
    headers = {"content-type": TEXT, f"x-amz-checksum-{algorithm.lower()}": value}
    headers |= {f"x-amz-meta-{key}": text for key, text in METADATA.items()}
    assert sent(folder, {"url": url, "headers": headers}, body).status == 200
    return METADATA


def by_boto3(own, folder, name, body, algorithm):
    own.s3.put_object(Bucket=own.bucket, Key=own.prefix + name, Body=body, ContentType=TEXT, Metadata=METADATA,
                      **{f"Checksum{algorithm}": checksums(body)[algorithm]})
    return METADATA


def by_cli(own, folder, name, body, algorithm):
    path = folder / "cli.up"
    path.write_bytes(body)
    aws(own.stack, own.credentials, "s3", "cp", path, f"s3://{own.bucket}/{own.prefix}{name}", "--content-type", TEXT,
        "--metadata", json.dumps(METADATA), "--checksum-algorithm", algorithm)
    return METADATA


def seen(answer, body):
    """What boto3 and the AWS CLI tell of an object, in one form."""
    sums = {name: answer[f"Checksum{name}"] for name in checksums(b"") if f"Checksum{name}" in answer}
    return body, answer["ContentType"], answer["Metadata"], answer["ETag"], answer["ContentLength"], sums


def read_by_all(own, folder, name):
    """The object as curl, boto3 and the AWS CLI see it."""
    place = {"Bucket": own.bucket, "Key": own.prefix + name, "ChecksumMode": "ENABLED"}
    answer = curl(folder, own.s3.generate_presigned_url("get_object", Params=place), headers={
        "x-amz-checksum-mode": "ENABLED"})
    meta = "x-amz-meta-"
    told = {"ContentType": answer.headers["content-type"], "ETag": answer.headers["etag"],
            "ContentLength": int(answer.headers["content-length"]),
            "Metadata": {key[len(meta):]: text for key, text in answer.headers.items() if key.startswith(meta)}}
    told |= {f"Checksum{key[15:].upper()}": text for key, text in answer.headers.items()
             if key.startswith("x-amz-checksum-")}
    yield "curl", seen(told, answer.body)
    answer = own.s3.get_object(**place)
    yield "boto3", seen(answer, answer["Body"].read())
    path = folder / "cli.down"
    told = parsed(aws(own.stack, own.credentials, "s3api", "get-object", "--bucket", own.bucket, "--key", place["Key"],
                      "--checksum-mode", "ENABLED", "--output", "json", path))
    yield "cli", seen(told, path.read_bytes())


@pytest.mark.parametrize(
    ("write", "algorithm"),
    # Where a client sends no checksum, S3 keeps the one that it prefers.
    [(by_api, "SHA256"), (by_api, "CRC64NVME"), (by_curl, "CRC32C"), (by_boto3, "CRC32"), (by_boto3, "CRC64NVME"),
     (by_boto3, "SHA1"), (by_cli, "SHA256"), (by_cli, "CRC32")],
)
def test_what_one_tool_writes_the_others_read(own, tmp_path, write, algorithm):
    body, name = os.urandom(70_000), f"same/{write.__name__}-{algorithm}.txt"
    metadata = write(own, tmp_path, name, body, algorithm)
    sums = {algorithm: checksums(body)[algorithm]}
    for reader, found in read_by_all(own, tmp_path, name):
        assert found == (body, TEXT, metadata, etag(body), len(body), sums), reader
