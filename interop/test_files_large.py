"""Large files in parts, and many files in pages: through the data API and curl, boto3 and the AWS CLI. And the data
API's files where functions work with sessions of their own."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from boto3.s3.transfer import TransferConfig

from conftest import started
from s3_tools import TEXT, Tenant, aws, curl, etag, path_of, remove, sent

MIB = 1_048_576
LARGE = 100_000_000
METADATA = {"color": "deep blue", "made-by": "interop"}


@pytest.fixture(scope="module")
def own(stack):
    # Whatever was asked before, every bucket is full again.
    assert stack.send("POST", stack.local("clock"), body='{"advance": "1m"}').status == 200
    yield Tenant(stack, "acme")
    remove(stack, lambda key: key.startswith(("acme/large/", "acme/list/", "acme/list.", "acme/lisu")))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """100 MB to send, with their digest."""
    path, content = tmp_path_factory.mktemp("large") / "up.bin", os.urandom(LARGE)
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def etag_of_parts(path, size):
    digests, count = b"", 0
    with path.open("rb") as file:
        while part := file.read(size):
            digests, count = digests + hashlib.md5(part).digest(), count + 1
    return f'"{hashlib.md5(digests).hexdigest()}-{count}"'


def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- Parts -------------------------------------------------------------------------------------------------------


def test_a_large_file_goes_up_in_parts_through_the_api_and_down_through_boto3(own, tmp_path, large):
    path, sha256 = large
    plan = own.planned("large/api.bin", LARGE)
    assert plan["part_size"] == 16 * MIB
    parts, piece = [], tmp_path / "piece"
    with path.open("rb") as file:
        for part in plan["parts"]:
            piece.write_bytes(file.read(plan["part_size"]))
            assert part["headers"]["content-length"] == str(piece.stat().st_size)
            up = curl(tmp_path, part["url"], method="PUT", headers=part["headers"], upload=piece)
            assert up.status == 200, up
            parts.append({"number": part["number"], "etag": up.headers["etag"]})
    # Until it is whole it is not there.
    assert own.api("GET", path_of("large/api.bin")).status == 404
    done = own.api("PUT", path_of("large/api.bin"), {"upload_id": plan["upload_id"], "parts": parts})
    assert (done.status, done.header("cache-control")) == (200, "no-store"), done
    told, read = done.json(), own.api("GET", path_of("large/api.bin")).json()
    assert told.pop("download") and read.pop("download") and told == read
    assert (told["name"], told["size"], told["content_type"]) == ("large/api.bin", LARGE, TEXT)
    assert told["etag"].strip('"') == etag_of_parts(path, 16 * MIB).strip('"')
    own.s3.download_file(own.bucket, f"{own.prefix}large/api.bin", str(tmp_path / "down"))
    assert digest(tmp_path / "down") == sha256


def test_a_large_file_goes_up_through_boto3_and_down_through_the_cli(own, tmp_path, large):
    path, sha256 = large
    key, extra = f"{own.prefix}large/boto3.bin", {"ContentType": TEXT, "Metadata": METADATA}
    transfer = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=10 * MIB)
    own.s3.upload_file(str(path), own.bucket, key, ExtraArgs=extra, Config=transfer)
    head = own.s3.head_object(Bucket=own.bucket, Key=key, ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (LARGE, TEXT, METADATA)
    assert head["ETag"] == etag_of_parts(path, 10 * MIB)
    assert head["ChecksumType"] == "COMPOSITE" and head["ChecksumCRC32"].endswith("-10")
    aws(own.stack, own.credentials, "s3", "cp", f"s3://{own.bucket}/{key}", tmp_path / "down")
    assert digest(tmp_path / "down") == sha256


def test_a_large_file_goes_up_through_the_cli_and_down_through_curl(own, tmp_path, large):
    path, sha256 = large
    aws(own.stack, own.credentials, "s3", "cp", path, f"s3://{own.bucket}/{own.prefix}large/cli.bin")
    file = own.api("GET", path_of("large/cli.bin")).json()
    assert (file["size"], file["etag"].strip('"')) == (LARGE, etag_of_parts(path, 8 * MIB).strip('"'))
    down = curl(tmp_path, file["download"]["url"])
    assert (down.status, hashlib.sha256(down.body).hexdigest()) == (200, sha256)
    part = curl(tmp_path, file["download"]["url"], "--range", f"{LARGE - 10}-")
    assert (part.status, part.body) == (206, down.body[-10:])


def test_a_plan_for_parts_is_completed_once_and_only_as_it_was_carried_out(own, tmp_path):
    name, piece, longer = "large/last.bin", tmp_path / "piece", tmp_path / "longer"
    piece.write_bytes(b"x")
    longer.write_bytes(b"xy")
    plan = own.planned(name, 64 * MIB + 1)
    # S3 takes any of the parts for the whole, if they are in order: the last one alone, of one byte.
    last = plan["parts"][-1]
    without = {key: value for key, value in last["headers"].items() if key != "content-length"}
    refused = curl(tmp_path, last["url"], method="PUT", headers=without, upload=longer)
    assert (refused.status, refused.code()) == (403, "SignatureDoesNotMatch")
    up = curl(tmp_path, last["url"], method="PUT", headers=last["headers"], upload=piece)
    assert up.status == 200, up
    part = {"number": last["number"], "etag": up.headers["etag"]}

    def completed(parts, **members):
        answer = own.api("PUT", path_of(name), {"upload_id": plan["upload_id"], "parts": parts} | members)
        return answer.status

    assert completed([part | {"etag": etag(b"y")}]) == 422
    assert completed([part, part]) == 422
    assert completed([{"number": 1, "etag": part["etag"]}]) == 422
    assert completed([]) == 422
    assert completed([part], upload_id=plan["upload_id"][:-1] + "_") == 404
    other = own.api("PUT", path_of("large/other.bin"), {"upload_id": plan["upload_id"], "parts": [part]})
    assert other.status == 404
    assert own.api("GET", path_of(name)).status == 404
    # Meanwhile somebody else writes under the name.
    own.s3.put_object(Bucket=own.bucket, Key=own.prefix + name, Body=b"other")
    assert completed([part]) == 409
    assert own.stored(name) == b"other"
    assert completed([part], overwrite=True) == 200
    assert own.stored(name) == b"x"


# ---- Pages -------------------------------------------------------------------------------------------------------


NAMES = [f"list/{folder:02}/{number:03}.txt" for folder in range(10) for number in range(100)]


@pytest.fixture(scope="module")
def listed(own):
    """A thousand files in ten folders, and neighbours of the prefix."""
    keys = [own.prefix + name for name in [*NAMES, "list.txt", "lisu"]]
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda key: own.s3.put_object(Bucket=own.bucket, Key=key, Body=key.encode()), keys))
    return own


def pages(own, **query):
    """The pages of a list: names, prefixes, and how long each was."""
    names, prefixes, lengths, cursor = [], [], [], None
    while cursor is not None or not lengths:
        further = {} if cursor is None else {"cursor": cursor}
        answer = own.api("GET", "/files?" + urlencode(query | further))
        assert answer.status == 200, answer
        page = answer.json()
        assert set(page) == {"items", "prefixes", "next_cursor"}
        names += [item["name"] for item in page["items"]]
        prefixes += page["prefixes"]
        lengths.append(len(page["items"]) + len(page["prefixes"]))
        cursor = page["next_cursor"]
    return names, prefixes, lengths


def test_a_thousand_files_are_listed_in_order_over_all_pages(listed):
    names, prefixes, lengths = pages(listed, prefix="list/", limit=100)
    assert (names, prefixes) == (NAMES, [])
    assert lengths[:10] == [100] * 10 and sum(lengths) == 1000


def test_a_list_shows_folders_where_a_delimiter_asks_for_them(listed):
    folders = [f"list/{number:02}/" for number in range(10)]
    assert pages(listed, prefix="list/", delimiter="/")[:2] == ([], folders)
    assert pages(listed, prefix="list/", delimiter="/", limit=3)[:2] == ([], folders)
    assert pages(listed, prefix="list/03/", delimiter="/", limit=60)[:2] == (NAMES[300:400], [])
    assert pages(listed, prefix="lis", delimiter="/", limit=1)[:2] == (["list.txt", "lisu"], ["list/"])
    assert pages(listed, prefix="list/04/01", delimiter="1.t")[:2] == (
        [f"list/04/01{n}.txt" for n in range(10) if n != 1], ["list/04/011.t"])


def test_a_cursor_is_good_for_its_own_list_alone(listed):
    cursor = listed.api("GET", "/files?prefix=list/&limit=2").json()["next_cursor"]
    for query in ["prefix=list/0", "", "prefix=list/&delimiter=/"]:
        answer = listed.api("GET", f"/files?{query}&limit=2&cursor={cursor}")
        assert (answer.status, answer.header("content-type")) == (400, "application/problem+json"), query
    for wrong in [cursor[:-2], cursor + "AA", "x", "*"]:
        assert listed.api("GET", f"/files?prefix=list/&limit=2&cursor={wrong}").status == 400, wrong


def test_boto3_and_the_cli_list_the_same_thousand(listed):
    place = {"Bucket": listed.bucket, "Prefix": f"{listed.prefix}list/"}
    wanted = [listed.prefix + name for name in NAMES]
    for operation, size in [("list_objects_v2", 1000), ("list_objects_v2", 90), ("list_objects", 130)]:
        found = []
        for page in listed.s3.get_paginator(operation).paginate(**place, PaginationConfig={"PageSize": size}):
            found += [item["Key"] for item in page.get("Contents", [])]
        assert found == wanted, operation
    everything = ["--bucket", listed.bucket, "--prefix", place["Prefix"], "--output", "json"]
    told = aws(listed.stack, listed.credentials, "s3api", "list-objects-v2", *everything, "--page-size", "150")
    assert [item["Key"] for item in json.loads(told)["Contents"]] == wanted
    told = aws(listed.stack, listed.credentials, "s3", "ls", f"s3://{listed.bucket}/{place['Prefix']}")
    assert told.split() == [part for number in range(10) for part in ("PRE", f"{number:02}/")]
    told = aws(listed.stack, listed.credentials, "s3", "ls", "--recursive", f"s3://{listed.bucket}/{place['Prefix']}")
    assert [line.split()[-1] for line in told.splitlines()] == wanted


# ---- Sessions ----------------------------------------------------------------------------------------------------


def test_in_session_mode_files_are_the_same(tmp_path):
    with started(tmp_path, "--param", "IsolationMode=session") as stack:
        own = Tenant(stack, "acme")
        upload = own.begun("session/one.txt", b"one", sha256=hashlib.sha256(b"one").hexdigest())
        assert sent(tmp_path, upload, b"one").status == 200
        late = own.begun("session/one.txt", b"two", overwrite=True)
        assert sent(tmp_path, late, b"two").status == 200
        url = own.api("GET", path_of("session/one.txt")).json()["download"]["url"]
        assert curl(tmp_path, url).body == b"two"
        plan = own.planned("session/parts.bin", 64 * MIB + 1)
        piece, last = tmp_path / "piece", plan["parts"][-1]
        piece.write_bytes(b"x")
        up = curl(tmp_path, last["url"], method="PUT", headers=last["headers"], upload=piece)
        body = {"upload_id": plan["upload_id"], "parts": [{"number": last["number"], "etag": up.headers["etag"]}]}
        assert own.api("PUT", path_of("session/parts.bin"), body).status == 200
        assert pages(own, prefix="session/")[0] == ["session/one.txt", "session/parts.bin"]
        assert own.api("DELETE", path_of("session/one.txt")).status == 204
        assert own.api("GET", path_of("session/one.txt")).status == 404
        # A function's session reaches no other tenant either: what one signs for itself is no key to the others'.
        globex = Tenant(stack, "globex")
        globex.s3.put_object(Bucket=globex.bucket, Key="globex/session/two.txt", Body=b"ours")
        assert own.api("GET", path_of("session/two.txt")).status == 404
        assert pages(own, prefix="session/")[0] == ["session/parts.bin"]
        assert globex.stored("session/two.txt") == b"ours"
