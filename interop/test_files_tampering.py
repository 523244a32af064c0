"""Requests that no client library would send: presigned URLs altered in each part, and spellings of paths, queries
and bodies that two readers might take for two things. Whatever is sent, others' objects stay as they were."""

from types import SimpleNamespace
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import pytest

from s3_tools import (
    Tenant,
    authorized,
    canonical,
    checksums,
    client,
    contents,
    curl,
    host,
    outcome,
    raw,
    remove,
    sent,
    vended,
)

SECRET = b"Ours alone: the plan of the launch"
VICTIM, OWN, SPARE = "globex/vault/plan.txt", "acme/own/mine.txt", "acme/own/spare.txt"


@pytest.fixture(scope="module")
def field(stack):
    """The tenant with its credentials, and the object of another."""
    # Whatever was asked before, every bucket is full again.
    assert stack.send("POST", stack.local("clock"), body='{"advance": "1m"}').status == 200
    own, admin = Tenant(stack, "acme"), client(stack)
    admin.put_object(Bucket=own.bucket, Key=VICTIM, Body=SECRET, Metadata={"owner": "globex"})
    yield SimpleNamespace(stack=stack, own=own, s3=own.s3, bucket=own.bucket, admin=admin)
    remove(stack, lambda key: key == VICTIM or key.startswith(("acme/own/", "acme//", "acme/.", "acme/%", "acme/\\")))


@pytest.fixture(autouse=True)
def unharmed(field):
    """Whatever a test does, what is not the tenant's is afterwards as it was."""
    field.s3.put_object(Bucket=field.bucket, Key=OWN, Body=b"mine")
    field.s3.delete_object(Bucket=field.bucket, Key=SPARE)
    before = contents(field.stack, lambda key: not key.startswith("acme/"))
    assert VICTIM in {entry[0] for entry in before}, "there is nothing to protect"
    yield
    assert contents(field.stack, lambda key: not key.startswith("acme/")) == before


def signed(field, method, path, query="", headers=None, body=b"", canonical_path=None):
    """Sends a request of the tenant's as it stands, with a signature for exactly that, or for another path."""
    credentials = field.own.credentials
    headers = authorized(field.stack, credentials, method, canonical_path or path, query, headers, body)
    return raw(field.stack, method, f"{path}?{query}" if query else path, headers, body)


# ---- Presigned URLs ----------------------------------------------------------------------------------------------


def presigned(field, kind):
    """A URL that is good: method, URL, headers and body."""
    if kind == "api-get":
        field.s3.put_object(Bucket=field.bucket, Key=OWN, Body=b"mine")
        return "GET", field.own.api("GET", "/files/own/mine.txt").json()["download"]["url"], {}, b""
    if kind == "api-put":
        upload = field.own.begun("own/spare.txt", b"spare")
        return "PUT", upload["url"], upload["headers"], b"spare"
    method = {"boto3-get": "get_object", "boto3-put": "put_object", "boto3-delete": "delete_object"}[kind]
    place = {"Bucket": field.bucket, "Key": OWN if kind == "boto3-get" else SPARE}
    verb, body = method.partition("_")[0].upper(), b"spare" if kind == "boto3-put" else b""
    return verb, field.s3.generate_presigned_url(method, Params=place), {}, body


def flipped(text):
    """The text with its last character changed to another of the same sort."""
    last = text[-1:]
    return text[:-1] + ("1" if last == "0" else "0" if last.isdigit() else "b" if last == "a" else "a")


def altered_urls(field, url):
    """What was altered, and the target then."""
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)

    def target(path=parts.path, query=given):
        return f"{path}?{urlencode(query, quote_via=quote, safe='~')}"

    assert target() == f"{parts.path}?{parts.query}", "the URL is not written as S3 writes it"
    prefix = f"/{field.bucket}/"
    for path in [prefix + VICTIM, parts.path + "2", parts.path[:-1], prefix + "acme/own/other.txt", prefix, "/",
                 f"/{field.bucket}2{parts.path.removeprefix(prefix[:-1])}", parts.path.replace("acme", "ACME"),
                 f"{prefix}acme/own/../../{VICTIM}", f"{prefix}acme/own/%2e%2e/%2e%2e/{VICTIM}",
                 parts.path.replace("/own/", "//own/"), f"{prefix}globex/../{parts.path.removeprefix(prefix)}"]:
        yield f"the path is {path}", target(path)
    for at, (name, value) in enumerate(given):
        before, after = given[:at], given[at + 1:]
        yield f"{name} is altered", target(query=[*before, (name, flipped(value)), *after])
        yield f"{name} is empty", target(query=[*before, (name, ""), *after])
        yield f"{name} is left out", target(query=[*before, *after])
        yield f"{name} stands twice", target(query=[*given, (name, value)])
        yield f"{name} has another value, too", target(query=[*given, (name, flipped(value))])
        yield f"{name} has another value before", target(query=[(name, flipped(value)), *given])
        yield f"{name} has another name", target(query=[*before, (name + "2", value), *after])
    changed = dict(given)
    for name, value in [
        ("X-Amz-Expires", "604800"), ("X-Amz-Expires", "9999999999"), ("X-Amz-Expires", "-1"),
        ("X-Amz-SignedHeaders", ""), ("X-Amz-SignedHeaders", "host;x-amz-date"), ("X-Amz-SignedHeaders", "Host"),
        ("X-Amz-Credential", changed["X-Amz-Credential"].replace("/s3/", "/sts/")),
        ("X-Amz-Credential", changed["X-Amz-Credential"].replace("/us-", "/eu-")),
        ("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), ("X-Amz-Signature", "0" * 64),
    ]:
        yield f"{name} is {value}", target(query=list((changed | {name: value}).items()))
    for name, value in [
        ("versionId", "null"), ("partNumber", "1"), ("response-content-type", "text/html"), ("acl", ""),
        ("tagging", ""), ("uploads", ""), ("delete", ""), ("list-type", "2"), ("prefix", "globex/"), ("attributes", ""),
        ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), ("x-amz-copy-source", f"{field.bucket}/{VICTIM}"),
    ]:
        yield f"{name} is added", target(query=[*given, (name, value)])
    yield "there is no signature", parts.path
    yield "the query is cut", f"{parts.path}?{parts.query[:-8]}"


@pytest.mark.parametrize("kind", ["api-get", "api-put", "boto3-get", "boto3-put", "boto3-delete"])
def test_a_presigned_url_that_is_altered_in_any_part_opens_nothing(field, kind):
    method, url, headers, body = presigned(field, kind)
    headers = {"host": host(field.stack)} | headers
    for alteration, target in altered_urls(field, url):
        answer = raw(field.stack, method, target, headers, body)
        # S3 tells a query that cannot be read, or a token that is none, from a signature that is wrong.
        assert answer.status in {400, 403} and answer.code(), (alteration, answer)
        assert alteration.startswith("the path is") <= (answer.status == 403), (alteration, answer)
        assert SECRET not in answer.body and b"mine" not in answer.body, alteration
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}"
    for other in {"GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"} - {method}:
        assert raw(field.stack, other, target, headers, body).status in {403, 405}, other
    for name in ["evil.example", f"{field.bucket}.s3.amazonaws.com", host(field.stack) + "0", ""]:
        assert raw(field.stack, method, target, headers | {"host": name}, body).status in {400, 403}, name
    for added in [{"x-amz-copy-source": f"{field.bucket}/{VICTIM}"}, {"x-amz-acl": "public-read"},
                  {"x-amz-security-token": "x"},
                  {"authorization": "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y"}]:
        answer = raw(field.stack, method, target, headers | added, body)
        assert answer.status in {400, 403} and b"mine" not in answer.body, (added, answer)
    assert outcome(field.admin, "head_object", Bucket=field.bucket, Key=SPARE)[1] == (404, "404")
    assert field.s3.get_object(Bucket=field.bucket, Key=OWN)["Body"].read() == b"mine"
    # It was good all along.
    assert raw(field.stack, method, target, headers, body).status in {200, 204}


def test_a_token_or_secret_that_is_not_the_sessions_own_opens_nothing(field):
    key, secret, token = field.own.credentials
    other = vended(field.stack, "globex", "read")
    place = {"Bucket": field.bucket, "Key": OWN}
    wrong, unknown = {(403, "SignatureDoesNotMatch")}, {(403, "InvalidAccessKeyId"), (400, "InvalidToken")}
    for credentials, refusals in [
        ((key, flipped(secret), token), wrong),
        ((key, other[1], token), wrong),
        ((key, secret), unknown),
        ((key, secret, other[2]), unknown),
        ((other[0], secret, token), unknown),
        ((key, secret, token[:-4]), unknown),
        (("ASIA" + "A" * 16, secret, token), unknown),
    ]:
        for method in ("get_object", "delete_object"):
            assert outcome(client(field.stack, credentials), method, **place)[1] in refusals
        url = client(field.stack, credentials).generate_presigned_url("get_object", Params=place)
        parts = urlsplit(url)
        answer = raw(field.stack, "GET", f"{parts.path}?{parts.query}", {"host": parts.netloc})
        assert (answer.status, answer.code()) in refusals
    assert field.s3.get_object(**place)["Body"].read() == b"mine"


# ---- Paths -------------------------------------------------------------------------------------------------------


SPELLINGS = [
    "acme/../globex/vault/plan.txt", "acme//../globex/vault/plan.txt", "acme//..//globex/vault/plan.txt",
    "acme/./../globex/vault/plan.txt", "acme/%2e%2e/globex/vault/plan.txt", "acme/%2E%2E%2Fglobex/vault/plan.txt",
    "acme%2f..%2fglobex%2fvault%2fplan.txt", "acme/..%2fglobex/vault/plan.txt", "acme/%252e%252e/globex/vault/plan.txt",
    "acme/%252e%252e%252fglobex/vault/plan.txt", "acme/..%5cglobex%5cvault%5cplan.txt",
    "%61cme/../globex/vault/plan.txt", "acme/../../{bucket}/globex/vault/plan.txt", "acme/..;/globex/vault/plan.txt",
    "/globex/vault/plan.txt", "//globex/vault/plan.txt", "./globex/vault/plan.txt", "../{bucket}/globex/vault/plan.txt",
    "%2fglobex/vault/plan.txt", "globex%2Fvault%2Fplan.txt", "%67lobex/vault/plan.txt", "globex/vault/plan.txt",
    "globex/../acme/own/mine.txt", "globex/vault/plan.txt/../../../acme/own/mine.txt", "%2e%2e/globex/vault/plan.txt",
    "acme%252F../globex/vault/plan.txt", "ACME/../acme/own/mine.txt",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_path_is_one_plain_key_however_it_is_spelled(field, spelling):
    spelling = spelling.format(bucket=field.bucket)
    path, key = f"/{field.bucket}/{spelling}", unquote(spelling)
    calls = [("PUT", "", b"taken"), ("GET", "", b""), ("HEAD", "", b""), ("POST", "uploads=", b""),
             ("PUT", "partNumber=1&uploadId=x", b"x"), ("DELETE", "", b"")]
    denied, done = [403] * len(calls), [200, 200, 200, 200, 404, 204]
    found = []
    # Some clients sign the path as they send it, others as S3 writes it.
    for signed_path in sorted({path, canonical(unquote(path))}):
        statuses = []
        for method, query, body in calls:
            answer = signed(field, method, path, query, body=body, canonical_path=signed_path)
            assert SECRET not in answer.body, (method, answer)
            statuses.append(answer.status)
            if method == "GET" and answer.status == 200:
                assert answer.body == b"taken"
                listed = field.admin.list_objects_v2(Bucket=field.bucket, Prefix=key)["Contents"]
                assert [item["Key"] for item in listed] == [key]
        found.append(statuses)
    assert all(statuses in (denied, done) for statuses in found), found
    assert (done in found) == key.startswith("acme/"), found


@pytest.mark.parametrize(
    "path",
    ["/other/../{bucket}/globex/vault/plan.txt", "/{bucket}%2fglobex/vault/plan.txt",
     "//{bucket}/globex/vault/plan.txt", "/./{bucket}/globex/vault/plan.txt", "/{bucket}./globex/vault/plan.txt",
     "/{bucket}/acme/%c0%ae%c0%ae/globex/vault/plan.txt", "/{bucket}/acme/%ff", "/globex/vault/plan.txt"],
)
def test_a_path_that_names_no_bucket_or_no_text_is_refused(field, path):
    path = path.format(bucket=field.bucket)
    for method, body in [("GET", b""), ("PUT", b"x"), ("DELETE", b"")]:
        answer = signed(field, method, path, body=body)
        assert answer.status in {400, 403, 404} and SECRET not in answer.body, (method, answer)


def test_a_name_with_dots_in_the_api_is_a_plain_name(field, tmp_path):
    upload = field.own.begun("../globex/vault/plan.txt", b"plain")
    assert sent(tmp_path, upload, b"plain").status == 200
    assert field.own.stored("../globex/vault/plan.txt") == b"plain"
    url = f"{field.stack.state['api_url']}/files/%2e%2e%2fglobex%2fvault%2fplan.txt"
    told = curl(tmp_path, url, headers={"x-api-key": field.own.api_key})
    assert SECRET not in told.body
    field.s3.delete_object(Bucket=field.bucket, Key="acme/../globex/vault/plan.txt")


def test_a_host_that_names_the_bucket_opens_nothing_of_others(field):
    for name in [f"{field.bucket}.localhost", f"{field.bucket}.s3.amazonaws.com", f"{field.bucket}.127.0.0.1"]:
        for path in [f"/{VICTIM}", f"/acme/../{VICTIM}", f"/{field.bucket}/{VICTIM}"]:
            answer = signed(field, "GET", path, headers={"host": name})
            assert answer.status in {400, 403, 404} and SECRET not in answer.body, (name, path, answer)


# ---- Queries and headers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["list-type=2&prefix=acme%2F&prefix=globex%2F", "list-type=2&prefix=globex%2F&prefix=acme%2F",
     "prefix=acme%2F&prefix=", "prefix=&prefix=acme%2F", "list-type=2&list-type=1&prefix=acme%2F&prefix=globex%2F",
     "list-type=2&prefix=acme%2F&Prefix=globex%2F", "list-type=2&%70refix=globex%2F&prefix=acme%2F",
     "prefix=acme%2F&versions=", "prefix=acme%2F&uploads=", "acl=&prefix=acme%2F", "prefix=acme%2F&policy=",
     "list-type=3&prefix=globex%2F", "list-type=2;prefix=globex%2F&prefix=acme%2F", "prefix=acme%252F"],
)
def test_a_list_that_can_be_read_in_two_ways_shows_nothing_of_others(field, query):
    answer = signed(field, "GET", f"/{field.bucket}", query)
    assert answer.status in {200, 400, 403, 501}
    assert b"globex/vault" not in answer.body and b"acme2/" not in answer.body


@pytest.mark.parametrize("sources", [[OWN, VICTIM], [VICTIM, OWN]])
def test_two_sources_of_a_copy_copy_nothing(field, sources):
    path = f"/{field.bucket}/{SPARE}"
    both = [f"{field.bucket}/{source}" for source in sources]
    headers = authorized(field.stack, field.own.credentials, "PUT", path, headers={"x-amz-copy-source": ",".join(both)})
    pairs = [(name, value) for name, value in headers.items() if name != "x-amz-copy-source"]
    answer = raw(field.stack, "PUT", path, [*pairs, *(("x-amz-copy-source", source) for source in both)])
    assert answer.status in {400, 403}, answer
    one = raw(field.stack, "PUT", path, headers)
    assert one.status in {400, 403}, one
    assert outcome(field.admin, "head_object", Bucket=field.bucket, Key=SPARE)[1] == (404, "404")


@pytest.mark.parametrize(
    "objects",
    ["<Object><Key>{own}</Key><Key>{victim}</Key></Object>", "<Object><Key>{victim}</Key><Key>{own}</Key></Object>",
     "<Object><Key><![CDATA[{victim}]]></Key></Object>", "<Object><Key>&#103;lobex/vault/plan.txt</Key></Object>",
     "<Object><Key>glob<!-- x -->ex/vault/plan.txt</Key></Object>", "<Object><Key>\n{victim}\n</Key></Object>",
     "<Object><Key>acme/../{victim}</Key></Object>", "<object><key>{victim}</key></object>",
     '<Object Key="{victim}"><Key>{own}</Key></Object>', "<Object><Key>&victim;</Key></Object>"],
)
def test_a_batch_that_can_be_read_in_two_ways_deletes_nothing_of_others(field, objects):
    entity = f'<!DOCTYPE Delete [<!ENTITY victim "{VICTIM}">]>' if "&victim;" in objects else ""
    body = f"{entity}<Delete>{objects.format(own=OWN, victim=VICTIM)}</Delete>".encode()
    for query in ["delete=", "delete"]:
        path = f"/{field.bucket}"
        # S3 signs a name without a value with its equals sign.
        digest = {"x-amz-checksum-crc32": checksums(body)["CRC32"]}
        headers = authorized(field.stack, field.own.credentials, "POST", path, "delete=", digest, body)
        answer = raw(field.stack, "POST", f"{path}?{query}", headers, body)
        assert answer.status in {200, 400}, answer
        assert b"<Deleted><Key>globex" not in answer.body, answer
