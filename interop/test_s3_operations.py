"""S3's operations as boto3 calls them, one by one: each is answered as S3 answers it, or not implemented."""

import hashlib
import io
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from s3_administration import OF_OBJECTS, READS, TAKEN, WRITES
from s3_cases import ABSENT, Given, assert_like, case, check
from s3_tools import NOT_IMPLEMENTED, checksums, client, encoded, etag, outcome, remove

BUCKET = "interop-operations"
PLAIN = b"0123456789" * 10
MIB = 1_048_576
PARTS = [b"a" * (5 * MIB), b"bc"]
LONG_AGO, IN_2030 = datetime(2001, 1, 1, tzinfo=timezone.utc), datetime(2030, 1, 1, tzinfo=timezone.utc)
HEADERS = {
    "ContentType": "text/plain",
    "CacheControl": "max-age=60",
    "ContentDisposition": 'attachment; filename="p.txt"',
    "ContentEncoding": "x-none",
    "ContentLanguage": "de",
}
COLOR = {"color": "blue"}


def md5_of_parts(*parts):
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"'


def sha256_of_parts(*parts):
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    return f"{encoded(hashlib.sha256(digests).digest())}-{len(parts)}"


def in_parts(s3, bucket, key, *parts):
    """An object that was uploaded in parts, each with its SHA-256."""
    place = {"Bucket": bucket, "Key": key}
    upload = s3.create_multipart_upload(ChecksumAlgorithm="SHA256", Metadata=COLOR, ContentType="x/parts", **place)
    place["UploadId"], done = upload["UploadId"], []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(PartNumber=number, Body=part, ChecksumAlgorithm="SHA256", **place)
        done.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    return s3.complete_multipart_upload(MultipartUpload={"Parts": done}, **place)


@pytest.fixture(scope="module")
def s3(stack):
    return stack.client("s3")


@pytest.fixture(scope="module")
def given(stack, s3):
    """A bucket with objects that no test changes, and an unfinished upload."""
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": stack.state["region"]})
    place = {"Bucket": BUCKET}
    s3.put_object(Key="plain.txt", Body=PLAIN, Metadata=COLOR, Tagging="a=1&b=2", Expires=IN_2030,
                  ChecksumAlgorithm="SHA256", **HEADERS, **place)
    for key, body in [("bare", b"x"), ("empty", b""), ("once.txt", b"once")]:
        s3.put_object(Key=key, Body=body, **place)
    in_parts(s3, BUCKET, "parts.bin", *PARTS)
    open_upload = s3.create_multipart_upload(Key="open.bin", **place)["UploadId"]
    tags = [s3.upload_part(Key="open.bin", UploadId=open_upload, PartNumber=number, Body=body, **place)["ETag"]
            for number, body in [(1, b"one"), (2, b"two"), (7, b"seven")]]
    changed = s3.head_object(Key="plain.txt", **place)["LastModified"]
    yield SimpleNamespace(
        bucket=BUCKET, upload=open_upload, first=tags[0], second=tags[1], changed=changed, region=stack.state["region"],
        account=stack.state["account_id"], just_before=changed - timedelta(seconds=1),
    )
    remove(stack, lambda key: True, BUCKET)
    s3.delete_bucket(Bucket=BUCKET)


PLAIN_SHA256 = checksums(PLAIN)["SHA256"]
TELLS = {"ContentLength": 100, "ETag": etag(PLAIN), "Metadata": COLOR, "AcceptRanges": "bytes"} | HEADERS
NO_SUMS = {f"Checksum{name}": ABSENT for name in checksums(b"")}
TAGS = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}
SOURCE = {"Bucket": BUCKET, "Key": "plain.txt"}
COPIED = {"CopyObjectResult": {"ETag": etag(PLAIN)}}


def reading(method):
    """The rows that GET and HEAD have in common. A HEAD has no body."""
    def body(content):
        return {"Body": content} if method == "get_object" else {}

    def row(note, expected, key="plain.txt", **parameters):
        return case(method, note, expected, Key=key, **parameters)

    # boto3 asks for checksums of itself with each GET.
    unasked = NO_SUMS if method == "head_object" else {"TagCount": 2}
    ranged = {"Status": 206, "ETag": etag(PLAIN), "Metadata": COLOR}
    unchanged = (304, "304")
    failed = (412, "PreconditionFailed" if method == "get_object" else "412")
    return [
        row("the whole", TELLS | unasked | body(PLAIN) | {"Status": 200, "StorageClass": ABSENT}),
        row("Expires", {"ExpiresString": "Tue, 01 Jan 2030 00:00:00 GMT"}),
        row("without a type", {"ContentType": "binary/octet-stream", "Metadata": {}} | body(b"x"), "bare"),
        row("an empty one", {"ContentLength": 0, "ETag": etag(b"")} | body(b""), "empty"),
        row("in parts", {"ContentLength": 5 * MIB + 2, "ETag": md5_of_parts(*PARTS), "ContentType": "x/parts"}
            | body(b"".join(PARTS)), "parts.bin"),
        row("a checksum", {"ChecksumSHA256": PLAIN_SHA256, "ChecksumType": "FULL_OBJECT"}, ChecksumMode="ENABLED"),
        row("a checksum of parts", {"ChecksumSHA256": sha256_of_parts(*PARTS), "ChecksumType": "COMPOSITE"},
            "parts.bin", ChecksumMode="ENABLED"),
        row("the one version", body(PLAIN), VersionId="null"),
        row("its owner's bucket", body(PLAIN), ExpectedBucketOwner=Given("account")),
        row("the first ten", ranged | body(PLAIN[:10]) | {"ContentRange": "bytes 0-9/100", "ContentLength": 10},
            Range="bytes=0-9"),
        row("the last ten", ranged | body(PLAIN[-10:]) | {"ContentRange": "bytes 90-99/100"}, Range="bytes=-10"),
        row("from ninety on", ranged | body(PLAIN[90:]) | {"ContentRange": "bytes 90-99/100"}, Range="bytes=90-"),
        row("beyond the end", ranged | body(PLAIN[95:]) | {"ContentRange": "bytes 95-99/100"}, Range="bytes=95-300"),
        row("more than all", ranged | body(PLAIN) | {"ContentRange": "bytes 0-99/100"}, Range="bytes=-300"),
        row("one byte", ranged | body(b"5") | {"ContentRange": "bytes 5-5/100"}, Range="bytes=5-5"),
        row("a range that is none", {"Status": 200, "ContentLength": 100} | body(PLAIN), Range="bytes=b-a"),
        row("a range over parts", {"Status": 206, "ContentLength": 3} | body(b"abc"), "parts.bin",
            Range=f"bytes={5 * MIB - 1}-"),
        row("the second part", {"Status": 206, "PartsCount": 2, "ContentLength": 2} | body(b"bc"), "parts.bin",
            PartNumber=2),
        row("the only part", {"Status": 206, "PartsCount": ABSENT, "ContentLength": 100} | body(PLAIN), PartNumber=1),
        row("If-Match", body(PLAIN), IfMatch=etag(PLAIN)),
        row("If-Match *", body(PLAIN), IfMatch="*"),
        row("If-Match of another", failed, IfMatch=etag(b"x")),
        row("If-None-Match", unchanged, IfNoneMatch=etag(PLAIN)),
        row("If-None-Match *", unchanged, IfNoneMatch="*"),
        row("If-None-Match of another", body(PLAIN), IfNoneMatch=etag(b"x")),
        row("If-Modified-Since", unchanged, IfModifiedSince=Given("changed")),
        row("If-Modified-Since just before", body(PLAIN), IfModifiedSince=Given("just_before")),
        row("If-Unmodified-Since", body(PLAIN), IfUnmodifiedSince=Given("changed")),
        row("If-Unmodified-Since long ago", failed, IfUnmodifiedSince=LONG_AGO),
        row("a tag counts more than a time", body(PLAIN), IfMatch=etag(PLAIN), IfUnmodifiedSince=LONG_AGO),
        row("a tag counts more than a time, too", unchanged, IfNoneMatch=etag(PLAIN), IfModifiedSince=LONG_AGO),
        row("a range and a condition", ranged | body(PLAIN[:2]), Range="bytes=0-1", IfMatch=etag(PLAIN)),
        row("what the answer shall say", {
            "ContentType": "text/html", "CacheControl": "no-store", "ContentDisposition": "inline",
            "ContentEncoding": "br", "ContentLanguage": "en", "ETag": etag(PLAIN),
        }, ResponseContentType="text/html", ResponseCacheControl="no-store", ResponseContentDisposition="inline",
            ResponseContentEncoding="br", ResponseContentLanguage="en", ResponseExpires=IN_2030),
    ]


def put(note, expected, key="put/one", **parameters):
    return case("put_object", note, expected, Key=key, **{"Body": b"one"} | parameters)


def copy(note, expected, key="copy/one", **parameters):
    return case("copy_object", note, expected, Key=key, **{"CopySource": SOURCE} | parameters)


ROWS = [
    *reading("get_object"),
    *reading("head_object"),
    # ---- Put
    put("a body", {"ETag": etag(b"one"), "ChecksumCRC32": checksums(b"one")["CRC32"], "ChecksumType": "FULL_OBJECT"}),
    put("no body", {"ETag": etag(b"")}, Body=ABSENT),
    put("its MD5", {"ETag": etag(b"one")}, ContentMD5=encoded(bytes.fromhex(etag(b"one").strip('"')))),
    *[put(f"its {name}", {f"Checksum{name}": checksums(b"one")[name]}, **{f"Checksum{name}": checksums(b"one")[name]})
      for name in checksums(b"")],
    put("If-None-Match * where nothing is", {"ETag": etag(b"one")}, "put/new", IfNoneMatch="*"),
    put("If-None-Match * where something is", (412, "PreconditionFailed"), "once.txt", IfNoneMatch="*"),
    put("If-Match of another", (412, "PreconditionFailed"), "once.txt", IfMatch=etag(b"x")),
    put("If-Match where nothing is", (404, "NoSuchKey"), "put/nothing", IfMatch=etag(b"x")),
    put("If-Match", {"ETag": etag(b"once")}, "once.txt", IfMatch=etag(b"once"), Body=b"once"),
    put("the usual class", {}, StorageClass="STANDARD"),
    put("encryption with S3's keys", {"ServerSideEncryption": "AES256"}, ServerSideEncryption="AES256"),
    put("its owner's bucket", {}, ExpectedBucketOwner=Given("account")),
    put("a list of rights with its owner's", {}, ACL="bucket-owner-full-control"),
    # ---- Copy
    copy("all", COPIED),
    copy("REPLACE", COPIED, MetadataDirective="REPLACE", Metadata={"other": "1"}, ContentType="x/y"),
    copy("tags anew", COPIED, TaggingDirective="REPLACE", Tagging="c=3"),
    copy("a checksum", {"CopyObjectResult": {"ChecksumSHA1": checksums(PLAIN)["SHA1"]}}, ChecksumAlgorithm="SHA1"),
    copy("of parts", {"CopyObjectResult": {}}, CopySource={"Bucket": BUCKET, "Key": "parts.bin"}),
    copy("on itself, changed", {"CopyObjectResult": {"ETag": etag(b"once")}}, "once.txt",
         CopySource={"Bucket": BUCKET, "Key": "once.txt"}, MetadataDirective="REPLACE"),
    copy("If-Match", COPIED, CopySourceIfMatch=etag(PLAIN)),
    copy("If-Match of another", (412, "PreconditionFailed"), CopySourceIfMatch=etag(b"x")),
    copy("If-None-Match", (412, "PreconditionFailed"), CopySourceIfNoneMatch=etag(PLAIN)),
    copy("If-None-Match of another", COPIED, CopySourceIfNoneMatch=etag(b"x")),
    copy("If-Modified-Since", (412, "PreconditionFailed"), CopySourceIfModifiedSince=Given("changed")),
    copy("If-Modified-Since long ago", COPIED, CopySourceIfModifiedSince=LONG_AGO),
    copy("If-Unmodified-Since long ago", (412, "PreconditionFailed"), CopySourceIfUnmodifiedSince=LONG_AGO),
    copy("a tag counts more than a time", COPIED, CopySourceIfMatch=etag(PLAIN), CopySourceIfUnmodifiedSince=LONG_AGO),
    copy("If-None-Match * where something is", (412, "PreconditionFailed"), "once.txt", IfNoneMatch="*"),
    copy("on itself, unchanged", (400, "InvalidRequest"), "plain.txt"),
    copy("of nothing", (404, "NoSuchKey"), CopySource={"Bucket": BUCKET, "Key": "nothing"}),
    copy("of no bucket", (404, "NoSuchBucket"), CopySource={"Bucket": "interop-nowhere", "Key": "x"}),
    # ---- Tags and attributes
    case("get_object_tagging", "two", TAGS, Key="plain.txt"),
    case("get_object_tagging", "none", {"TagSet": []}, Key="bare"),
    case("put_object_tagging", "anew", {}, Key="put/one", Tagging=TAGS),
    case("delete_object_tagging", "all", {"Status": 204}, Key="put/one"),
    case("get_object_attributes", "all", {
        # S3 writes it without the quotes that s3s writes.
        "ETag": etag(PLAIN), "ObjectSize": 100, "StorageClass": "STANDARD", "ObjectParts": ABSENT,
        "Checksum": {"ChecksumSHA256": PLAIN_SHA256}, "LastModified": Given("changed"),
    }, Key="plain.txt", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]),
    case("get_object_attributes", "of parts", {"ETag": ABSENT, "ObjectParts": {
        "TotalPartsCount": 2, "Parts": [{"PartNumber": 1, "Size": 5 * MIB}, {"PartNumber": 2, "Size": 2}]}},
        Key="parts.bin", ObjectAttributes=["ObjectParts"]),
    case("get_object_attributes", "a page of parts", {"ObjectParts": {
        "IsTruncated": True, "NextPartNumberMarker": 1, "Parts": [{"PartNumber": 1}]}},
        Key="parts.bin", ObjectAttributes=["ObjectParts"], MaxParts=1),
    # ---- Delete
    case("delete_object", "what is there", {"Status": 204}, Key="put/new"),
    case("delete_object", "what is not", {"Status": 204}, Key="nothing"),
    case("delete_object", "If-Match of another", (412, "PreconditionFailed"), Key="once.txt", IfMatch=etag(b"x")),
    case("delete_objects", "some", {"Deleted": [{"Key": "put/a"}, {"Key": "ü & <x>"}], "Errors": ABSENT},
         Delete={"Objects": [{"Key": "put/a"}, {"Key": "ü & <x>"}]}),
    case("delete_objects", "quietly", {"Deleted": ABSENT, "Errors": ABSENT},
         Delete={"Objects": [{"Key": "put/a"}], "Quiet": True}),
    case("delete_objects", "a thousand", {"Deleted": lambda found: len(found) == 1000},
         Delete={"Objects": [{"Key": f"put/{number}"} for number in range(1000)]}),
    # ---- Uploads
    case("list_parts", "all", {"IsTruncated": False, "UploadId": Given("upload"), "Key": "open.bin", "Parts": [
        {"PartNumber": 1, "Size": 3, "ETag": Given("first")}, {"PartNumber": 2}, {"PartNumber": 7}]},
        Key="open.bin", UploadId=Given("upload")),
    case("list_parts", "a page", {"IsTruncated": True, "NextPartNumberMarker": 2, "MaxParts": 1,
                                  "Parts": [{"PartNumber": 2, "Size": 3}]},
         Key="open.bin", UploadId=Given("upload"), PartNumberMarker=1, MaxParts=1),
    case("list_parts", "after the last", {"IsTruncated": False, "Parts": ABSENT},
         Key="open.bin", UploadId=Given("upload"), PartNumberMarker=7),
    case("list_multipart_uploads", "all", {"IsTruncated": False, "Bucket": BUCKET,
                                           "Uploads": [{"Key": "open.bin", "UploadId": Given("upload")}]}),
    case("list_multipart_uploads", "a prefix", {"Uploads": ABSENT}, Prefix="other"),
    case("list_multipart_uploads", "after it", {"Uploads": ABSENT}, KeyMarker="open.bin"),
    case("list_multipart_uploads", "a delimiter", {"Uploads": ABSENT, "CommonPrefixes": [{"Prefix": "open."}]},
         Delimiter="."),
    case("upload_part", "again", {"ETag": etag(b"seven")}, Key="open.bin", UploadId=Given("upload"), PartNumber=7,
         Body=b"seven"),
    case("upload_part", "its MD5", {}, Key="open.bin", UploadId=Given("upload"), PartNumber=7, Body=b"seven",
         ContentMD5=encoded(bytes.fromhex(etag(b"seven").strip('"')))),
    case("upload_part_copy", "a range", {"CopyPartResult": {"ETag": etag(b"seven")}}, Key="open.bin",
         UploadId=Given("upload"), PartNumber=7, CopySource={"Bucket": BUCKET, "Key": "seven"},
         CopySourceRange="bytes=1-5"),
    # ---- Buckets
    case("head_bucket", "there", {"BucketRegion": Given("region")}),
    # The stack's region is the one that has no constraint.
    case("get_bucket_location", "there", {"LocationConstraint": None}),
    case("get_bucket_versioning", "never on", {"Status": 200, "MFADelete": ABSENT}),
    case("list_object_versions", "each has one", {
        "Versions": [{"Key": "plain.txt", "VersionId": "null", "IsLatest": True}], "DeleteMarkers": ABSENT,
    }, Prefix="plain"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name())
def test_an_operation_is_answered_as_s3_answers_it(s3, given, row):
    if row.method == "upload_part_copy":
        s3.put_object(Bucket=BUCKET, Key="seven", Body=b"(seven)")
    check(s3, given, row)


# ---- What is not implemented, and says so ------------------------------------------------------------------------


def named(part):
    return part if isinstance(part, str) else ""


@pytest.mark.parametrize(("method", "parameters", "expected"), READS, ids=named)
def test_a_configuration_is_read_as_s3_tells_it_or_not_at_all(s3, given, method, parameters, expected):
    answer, refused = outcome(s3, method, Bucket=BUCKET, **parameters)
    if refused == NOT_IMPLEMENTED:
        return
    if isinstance(expected, tuple):
        assert refused == expected, answer
    else:
        assert refused is None
        assert_like(answer, expected)


def test_what_a_silos_bucket_is_given_is_taken(s3):
    s3.create_bucket(Bucket="interop-settings")
    for method, parameters in WRITES:
        if method in TAKEN:
            assert outcome(s3, method, Bucket="interop-settings", **parameters)[1] is None, method
    s3.delete_bucket(Bucket="interop-settings")


@pytest.mark.parametrize(("method", "parameters"), [each for each in WRITES if each[0] not in TAKEN], ids=named)
def test_a_configuration_is_not_written(s3, given, method, parameters):
    assert outcome(s3, method, Bucket=BUCKET, **parameters)[1] == NOT_IMPLEMENTED
    assert s3.head_bucket(Bucket=BUCKET)


@pytest.mark.parametrize(("method", "parameters"), OF_OBJECTS, ids=named)
def test_what_else_is_done_with_objects_does_not_pass_for_a_plain_call(s3, given, method, parameters):
    assert outcome(s3, method, Bucket=BUCKET, Key="plain.txt", **parameters)[1] == NOT_IMPLEMENTED
    assert s3.get_object(Bucket=BUCKET, Key="plain.txt")["Body"].read() == PLAIN


# ---- What takes several calls ------------------------------------------------------------------------------------


def test_a_copy_keeps_or_replaces_what_the_directives_say(s3, given):
    place = {"Bucket": BUCKET, "Key": "copy/kept"}
    for directive, told, tags in [
        ({}, HEADERS | {"Metadata": COLOR}, TAGS),
        ({"MetadataDirective": "COPY", "Metadata": {"x": "y"}}, HEADERS | {"Metadata": COLOR}, TAGS),
        ({"MetadataDirective": "REPLACE", "Metadata": {"x": "y"}}, {"Metadata": {"x": "y"}, "CacheControl": ABSENT,
                                                                   "ContentType": "binary/octet-stream"}, TAGS),
        ({"TaggingDirective": "REPLACE", "Tagging": "c=3"}, HEADERS, {"TagSet": [{"Key": "c", "Value": "3"}]}),
    ]:
        s3.copy_object(CopySource=SOURCE, **place, **directive)
        answer = s3.get_object(**place, ChecksumMode="ENABLED")
        assert answer["Body"].read() == PLAIN
        assert_like(answer, told | {"ChecksumSHA256": PLAIN_SHA256})
        assert_like(s3.get_object_tagging(**place), tags)


def test_presigned_urls_do_each_what_was_signed(stack, given):
    s3, place = client(stack), {"Bucket": BUCKET, "Key": "signed/ü + x.txt"}
    for method, parameters, body, status in [
        ("put_object", {}, b"signed", 200), ("get_object", {}, None, 200), ("head_object", {}, None, 200),
        ("get_object", {"ResponseContentType": "text/html"}, None, 200), ("delete_object", {}, None, 204),
        ("get_object", {}, None, 404),
    ]:
        url = s3.generate_presigned_url(method, Params=place | parameters)
        answer = stack.send(method.partition("_")[0].upper(), url, body=body)
        assert answer.status == status, (method, answer)
        if parameters:
            assert (answer.header("content-type"), answer.body) == ("text/html", b"signed")


def test_the_managed_transfers_of_boto3_work(s3, given):
    body = PLAIN * 1_000
    s3.upload_fileobj(io.BytesIO(body), BUCKET, "managed/one", ExtraArgs={"Metadata": COLOR})
    s3.copy({"Bucket": BUCKET, "Key": "managed/one"}, BUCKET, "managed/two")
    s3.get_waiter("object_exists").wait(Bucket=BUCKET, Key="managed/two")
    target = io.BytesIO()
    s3.download_fileobj(BUCKET, "managed/two", target)
    assert target.getvalue() == body
    assert s3.head_object(Bucket=BUCKET, Key="managed/two")["Metadata"] == COLOR


def test_a_bucket_is_made_and_taken_away(stack, s3):
    name, region = "interop-short-lived", stack.state["region"]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    s3.get_waiter("bucket_exists").wait(Bucket=name)
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0
    s3.put_object(Bucket=name, Key="x")
    assert outcome(s3, "delete_bucket", Bucket=name)[1] == (409, "BucketNotEmpty")
    s3.delete_object(Bucket=name, Key="x")
    assert s3.delete_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert outcome(s3, "head_bucket", Bucket=name)[1] == (404, "404")
