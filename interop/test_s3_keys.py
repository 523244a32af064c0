"""Keys of every sort as plain names, and lists of them, compared with a model of what S3's lists are."""

import json
from types import SimpleNamespace
from urllib.parse import quote, unquote_plus

import pytest

from s3_cases import ABSENT, case, check
from s3_tools import aws, etag, outcome, remove

BUCKET = "interop-keys"

# In the order of their bytes in UTF-8.
ODD = sorted([
    "plain", "white space", " lead and trail ", "plus+plus", "per%cent", "per%2Fcent", "100%", "amp&er;sand", "q?m=1",
    "hash#tag", "a=b", "semi;colon", "at@sign", "dollar$", "tilde~", "back\\slash", "quote'\"", "<xml>&amp;", "]]>",
    "{brace}", "[bracket]", "pipe|", "caret^", "`tick`", "star*", "${var}", "comma,colon:", "ünïcödé", "u\u0308nikod",
    "日本語", "\U0001f600", "\u05e2\u05d1\u05e8\u05d9\u05ea", "\u2028line", "\ufeffbom", "\u00a0", "..", ".",
    "../up", "a/../b", "a/./b", "./here", "a//b", "a///", "/lead", "//lead", "trail/", "/", "-", "index.html", "CON",
    "a" * 1024, "ü" * 512,
], key=str.encode)
CONTROL = ["tab\there", "line\nfeed", "carriage\rreturn", "bell\x07", "one\x01", "delete\x7f", "next\x85"]


@pytest.fixture(scope="module")
def s3(stack):
    client = stack.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": stack.state["region"]})
    yield client
    remove(stack, lambda key: True, BUCKET)
    client.delete_bucket(Bucket=BUCKET)


# ---- Keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ODD + CONTROL, ids=lambda key: ascii(key)[1:31])
def test_a_key_is_a_plain_name_whatever_stands_in_it(s3, key):
    place, body = {"Bucket": BUCKET, "Key": key}, key.encode()
    assert s3.put_object(Body=body, Metadata={"key": ascii(key)[1:40]}, **place)["ETag"] == etag(body)
    assert s3.get_object(**place)["Body"].read() == body
    assert s3.head_object(**place)["ContentLength"] == len(body)
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=key, MaxKeys=1)
    assert [item["Key"] for item in listed["Contents"]] == [key] and listed["Prefix"] == key
    copied = {"Bucket": BUCKET, "Key": "copied"}
    s3.copy_object(CopySource=place, **copied)
    assert s3.get_object(**copied)["Body"].read() == body
    s3.copy_object(CopySource=copied, **place)
    s3.delete_object(**copied)
    # XML has no way to write most control characters: neither batches nor uploads can name them to boto3.
    if key in ODD:
        upload = s3.create_multipart_upload(**place)
        assert upload["Key"] == key
        assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=BUCKET, Prefix=key)["Uploads"]] == [key]
        s3.abort_multipart_upload(UploadId=upload["UploadId"], **place)
        assert s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key}]})["Deleted"] == [{"Key": key}]
    else:
        s3.delete_object(**place)
    assert outcome(s3, "head_object", **place)[1] == (404, "404")
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_odd_keys_are_no_other_ones_and_stand_in_the_order_of_their_bytes(stack, s3):
    for key in ODD + CONTROL:
        s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    wanted = sorted(ODD + CONTROL, key=str.encode)
    try:
        for size in (1000, 7):
            found = [item["Key"] for page in s3.get_paginator("list_objects_v2").paginate(
                Bucket=BUCKET, PaginationConfig={"PageSize": size}) for item in page["Contents"]]
            assert found == wanted
        for key in wanted:
            assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == key.encode()
        # Asked for by its user, the encoding is the user's to read.
        raw = s3.list_objects_v2(Bucket=BUCKET, EncodingType="url")
        assert raw["EncodingType"] == "url"
        assert [unquote_plus(item["Key"]) for item in raw["Contents"]] == wanted
        assert all(item["Key"].isascii() and item["Key"].isprintable() for item in raw["Contents"])
        told = aws(stack, None, "s3api", "list-objects-v2", "--bucket", BUCKET, "--output", "json")
        assert [item["Key"] for item in json.loads(told)["Contents"]] == wanted
    finally:
        remove(stack, lambda key: True, BUCKET)


# ---- Lists -------------------------------------------------------------------------------------------------------


KEYS = sorted([
    "a", "a/", "a/1", "a/2", "a/b/1", "a/b/2", "a/c/1", "a-b", "a.b", "aa", "ab/1", "b", "b//1", "b//2", "b/x//y",
    "c+d/1", "c d/2", "c%20d/3", "ü/1", "ü/2", "日/1", "z", "~",
], key=str.encode)


@pytest.fixture(scope="module")
def given(s3):
    for key in KEYS:
        s3.put_object(Bucket=BUCKET, Key=f"list/{key}", Body=key.encode())
    return SimpleNamespace(bucket=BUCKET)


def modelled(prefix, delimiter, after=""):
    """What a list shows: keys, and groups of keys."""
    keys, groups = [], []
    for key in (f"list/{key}" for key in KEYS):
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        rest = key[len(prefix):]
        if delimiter and delimiter in rest:
            group = prefix + rest[:rest.index(delimiter) + len(delimiter)]
            if group not in groups:
                groups.append(group)
        else:
            keys.append(key)
    return keys, groups


def shown(page):
    return [item["Key"] for item in page.get("Contents", [])], [
        item["Prefix"] for item in page.get("CommonPrefixes", [])]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("delimiter", ["", "/", "//", "/b", " ", "+", "%2", "ü", "日/"])
@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
def test_a_list_shows_keys_and_groups_over_all_pages_once(s3, given, operation, delimiter, size):
    for prefix in ["list/", "list/a", "list/a/", "list/b/", "list/c", "list/ü", "list/nothing"]:
        keys, groups, pages = [], [], []
        further = {"Delimiter": delimiter} if delimiter else {}
        for page in s3.get_paginator(operation).paginate(
                Bucket=BUCKET, Prefix=prefix, PaginationConfig={"PageSize": size}, **further):
            # botocore reads the prefix of the older kind of list as it is encoded.
            told = quote(prefix) if operation == "list_objects" else prefix
            assert (page["Prefix"], page.get("Delimiter", ""), page["MaxKeys"]) == (told, delimiter, size)
            found = shown(page)
            keys, groups = keys + found[0], groups + found[1]
            pages.append(len(found[0]) + len(found[1]))
            assert page.get("KeyCount", pages[-1]) == pages[-1]
        assert (keys, groups) == modelled(prefix, delimiter)
        assert all(length == size for length in pages[:-1]) and pages[-1] <= size


@pytest.mark.parametrize(
    "after", ["", "list/", "list/a/1", "list/a/1x", "list/b", "list/ü/1", "list/~", "m", "\U0010ffff"])
def test_a_list_goes_on_after_a_key_that_need_not_be_there(s3, given, after):
    wanted = modelled("list/", "", after)[0]
    assert shown(s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", StartAfter=after))[0] == wanted
    assert shown(s3.list_objects(Bucket=BUCKET, Prefix="list/", Marker=after))[0] == wanted


def items(*keys):
    return [{"Key": f"list/{key}", "Size": len(key.encode()), "ETag": etag(key.encode()), "StorageClass": "STANDARD",
             "Owner": ABSENT} for key in keys]


ROWS = [
    case("list_objects_v2", "what is told of each", {"Contents": items("b//1", "b//2"), "Name": BUCKET, "KeyCount": 2,
                                                     "IsTruncated": False, "NextContinuationToken": ABSENT},
         Prefix="list/b//"),
    case("list_objects_v2", "owners", {"Contents": [{"Owner": {"ID": lambda owner: owner}}]}, Prefix="list/z",
         FetchOwner=True),
    case("list_objects_v2", "no keys", {"KeyCount": 0, "IsTruncated": False, "Contents": ABSENT, "MaxKeys": 0},
         Prefix="list/", MaxKeys=0),
    case("list_objects_v2", "one key", {"KeyCount": 1, "IsTruncated": True, "MaxKeys": 1,
                                        "NextContinuationToken": lambda token: token}, Prefix="list/", MaxKeys=1),
    case("list_objects_v2", "more keys than a page has", {"MaxKeys": 1000, "KeyCount": len(KEYS)}, Prefix="list/",
         MaxKeys=5000),
    case("list_objects_v2", "exactly all keys", {"IsTruncated": False, "KeyCount": 2}, Prefix="list/b//", MaxKeys=2),
    case("list_objects_v2", "where it began", {"StartAfter": "list/z", "KeyCount": 4}, Prefix="list/",
         StartAfter="list/z"),
    case("list_objects_v2", "a prefix of no key", {"KeyCount": 0, "Contents": ABSENT}, Prefix="list/no/"),
    case("list_objects_v2", "an empty delimiter", {"KeyCount": len(KEYS)}, Prefix="list/", Delimiter=""),
    case("list_objects", "no keys", {"IsTruncated": False, "Contents": ABSENT}, Prefix="list/", MaxKeys=0),
    case("list_objects", "the next marker is a group's", {"IsTruncated": True, "NextMarker": "list/a/",
                                                          "CommonPrefixes": [{"Prefix": "list/a/"}]},
         Prefix="list/a", Delimiter="/", MaxKeys=4),
    case("list_objects", "without a delimiter there is no next marker", {"IsTruncated": True, "NextMarker": ABSENT},
         Prefix="list/", MaxKeys=1),
    case("list_objects", "owners", {"Contents": [{"Owner": {"ID": lambda owner: owner}}]}, Prefix="list/z"),
    case("list_objects", "the marker is a group's", {"CommonPrefixes": lambda groups: groups[0] != {
        "Prefix": "list/a/"}}, Prefix="list/", Delimiter="/", Marker="list/a/"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name())
def test_a_list_is_told_as_s3_tells_it(s3, given, row):
    check(s3, given, row)


def test_the_page_after_a_token_is_the_same_each_time(s3, given):
    token = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", MaxKeys=3)["NextContinuationToken"]
    pages = [s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", MaxKeys=3, ContinuationToken=token) for _ in range(2)]
    assert [shown(page)[0] for page in pages] == [modelled("list/", "")[0][3:6]] * 2
    assert all(page["ContinuationToken"] == token for page in pages)
    # What came before it may be gone, or new, without a key that is shown twice or left out.
    s3.delete_object(Bucket=BUCKET, Key=f"list/{KEYS[2]}")
    s3.put_object(Bucket=BUCKET, Key="list/+", Body=b"")
    page = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/", MaxKeys=3, ContinuationToken=token)
    assert shown(page)[0] == modelled("list/", "")[0][3:6]
    s3.put_object(Bucket=BUCKET, Key=f"list/{KEYS[2]}", Body=KEYS[2].encode())
    s3.delete_object(Bucket=BUCKET, Key="list/+")


def test_uploads_are_listed_in_pages_with_prefix_and_delimiter(s3):
    keys = ["up/a/1", "up/a/2", "up/b", "up/b", "up/c/1"]
    uploads = sorted((key, s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]) for key in keys)
    place = {"Bucket": BUCKET, "Prefix": "up/"}
    for size in (1, 2, 1000):
        found = []
        for page in s3.get_paginator("list_multipart_uploads").paginate(**place, PaginationConfig={"PageSize": size}):
            found += [(each["Key"], each["UploadId"]) for each in page.get("Uploads", [])]
        assert sorted(found) == uploads and [key for key, _ in found] == keys, size
    grouped = s3.list_multipart_uploads(**place, Delimiter="/")
    assert [each["Prefix"] for each in grouped["CommonPrefixes"]] == ["up/a/", "up/c/"]
    assert [each["Key"] for each in grouped["Uploads"]] == ["up/b", "up/b"]
    for key, upload in uploads:
        s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def test_the_encoding_of_a_list_is_that_of_a_query(s3, given):
    raw = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/c", Delimiter="/", EncodingType="url")
    wanted = {quote(key, safe="/").replace("%20", "+") for key in ["list/c d/", "list/c+d/"]} | {"list/c%2520d/"}
    assert {item["Prefix"] for item in raw["CommonPrefixes"]} == wanted
