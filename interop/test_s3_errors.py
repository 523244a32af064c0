"""What S3 refuses, with its own status and code, and uploads in parts from their beginning to their end."""

import hashlib
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ParamValidationError

from s3_cases import Given, case, check
from s3_tools import NOT_IMPLEMENTED, authorized, checksums, client, encoded, etag, outcome, raw, remove

BUCKET = "interop-errors"
MIB = 1_048_576
BODY = b"0123456789"


@pytest.fixture(scope="module")
def s3(stack):
    return stack.client("s3")


@pytest.fixture(scope="module")
def given(stack, s3):
    """A bucket with an object, and an upload with two parts that are too small to stand before another."""
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": stack.state["region"]})
    place = {"Bucket": BUCKET}
    s3.put_object(Key="there", Body=BODY, **place)
    s3.put_object(Key="empty", Body=b"", **place)
    upload = s3.create_multipart_upload(Key="open", **place)["UploadId"]
    first, second = (s3.upload_part(Key="open", UploadId=upload, PartNumber=number, Body=body, **place)["ETag"]
                     for number, body in [(1, b"one"), (2, b"two")])
    yield SimpleNamespace(bucket=BUCKET, upload=upload, first=first, second=second, region=stack.state["region"],
                          other=str(10**12 - 1 - int(stack.state["account_id"])).zfill(12))
    remove(stack, lambda key: True, BUCKET)
    s3.delete_bucket(Bucket=BUCKET)


def bad(status, code, method, note, **parameters):
    return case(method, note, (status, code), **parameters)


def put(status, code, note, **parameters):
    return bad(status, code, "put_object", note, **{"Key": "refused", "Body": BODY} | parameters)


def completed(status, code, note, *parts):
    parts = [{"PartNumber": number, "ETag": Given(tag) if tag in {"first", "second"} else tag} for number, tag in parts]
    return bad(status, code, "complete_multipart_upload", note, Key="open", UploadId=Given("upload"),
               MultipartUpload={"Parts": parts})


NOWHERE = {"Bucket": "interop-nowhere"}
THERE = {"Bucket": BUCKET, "Key": "there"}
NO_UPLOAD = {"Key": "open", "UploadId": "nobody-began-this"}
OTHER_OWNER = {"ExpectedBucketOwner": Given("other")}
REGION = {"CreateBucketConfiguration": {"LocationConstraint": Given("region")}}

ROWS = [
    # ---- What is not there
    bad(404, "NoSuchKey", "get_object", "nothing", Key="nothing"),
    bad(404, "404", "head_object", "nothing", Key="nothing"),
    bad(404, "NoSuchKey", "get_object_tagging", "nothing", Key="nothing"),
    bad(404, "NoSuchKey", "put_object_tagging", "nothing", Key="nothing", Tagging={"TagSet": []}),
    bad(404, "NoSuchKey", "get_object_attributes", "nothing", Key="nothing", ObjectAttributes=["ETag"]),
    *[bad(404, "NoSuchBucket", method, "no bucket", **NOWHERE | parameters) for method, parameters in [
        ("get_object", {"Key": "x"}), ("put_object", {"Key": "x", "Body": b""}), ("delete_object", {"Key": "x"}),
        ("list_objects_v2", {}), ("list_objects", {}), ("list_multipart_uploads", {}), ("delete_bucket", {}),
        ("create_multipart_upload", {"Key": "x"}), ("delete_objects", {"Delete": {"Objects": [{"Key": "x"}]}}),
        ("copy_object", {"Key": "x", "CopySource": THERE}), ("get_bucket_location", {}),
    ]],
    bad(404, "404", "head_bucket", "no bucket", **NOWHERE),
    bad(404, "404", "head_object", "no bucket", Key="x", **NOWHERE),
    *[bad(404, "NoSuchUpload", method, "no upload", **NO_UPLOAD | parameters) for method, parameters in [
        ("upload_part", {"PartNumber": 1, "Body": b"x"}), ("list_parts", {}), ("abort_multipart_upload", {}),
        ("complete_multipart_upload", {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"x"'}]}}),
        ("upload_part_copy", {"PartNumber": 1, "CopySource": THERE}),
    ]],
    bad(404, "NoSuchUpload", "list_parts", "an upload of another key", Key="there", UploadId=Given("upload")),
    bad(400, "InvalidArgument", "get_object", "a version that is none", Key="there", VersionId="none"),
    # ---- Ranges and conditions
    bad(416, "InvalidRange", "get_object", "after the end", Key="there", Range="bytes=10-"),
    bad(416, "416", "head_object", "after the end", Key="there", Range="bytes=10-"),
    bad(416, "InvalidRange", "get_object", "of nothing", Key="empty", Range="bytes=0-0"),
    bad(416, "InvalidRange", "get_object", "no bytes at the end", Key="there", Range="bytes=-0"),
    bad(416, "InvalidPartNumber", "get_object", "a part that is none", Key="there", PartNumber=2),
    bad(400, "InvalidRequest", "get_object", "a part and a range", Key="there", PartNumber=1, Range="bytes=0-1"),
    bad(412, "PreconditionFailed", "get_object", "If-Match", Key="there", IfMatch='"x"'),
    bad(304, "304", "get_object", "If-None-Match", Key="there", IfNoneMatch=etag(BODY)),
    bad(*NOT_IMPLEMENTED, "put_object", "If-None-Match with a tag", Key="there", Body=b"x", IfNoneMatch=etag(BODY)),
    # ---- Bodies
    put(400, "BadDigest", "another MD5", ContentMD5=encoded(hashlib.md5(b"x").digest())),
    put(400, "InvalidDigest", "an MD5 that is none", ContentMD5="none"),
    *[put(400, "BadDigest", f"another {name}", **{f"Checksum{name}": value})
      for name, value in checksums(b"x").items()],
    *[put(400, "InvalidRequest", f"a {name} that is none", **{f"Checksum{name}": "bm9uZSBvZiB0aGVt"})
      for name in checksums(b"")],
    put(400, "InvalidRequest", "two checksums", ChecksumCRC32=checksums(BODY)["CRC32"],
        ChecksumSHA1=checksums(BODY)["SHA1"]),
    bad(400, "BadDigest", "upload_part", "another SHA-256", Key="open", UploadId=Given("upload"), PartNumber=9,
        Body=BODY, ChecksumSHA256=checksums(b"x")["SHA256"]),
    # ---- Keys, metadata and headers
    put(400, "KeyTooLongError", "1,025 bytes", Key="k" * 1025),
    put(400, "KeyTooLongError", "1,026 bytes of 513 letters", Key="ü" * 513),
    bad(400, "KeyTooLongError", "get_object", "1,025 bytes", Key="k" * 1025),
    bad(400, "KeyTooLongError", "create_multipart_upload", "1,025 bytes", Key="k" * 1025),
    put(400, "MetadataTooLarge", "over 2 KB", Metadata={"long": "x" * 2045}),
    put(400, "InvalidStorageClass", "a class that is none", StorageClass="FAST"),
    put(403, "AccessDenied", "another owner's", **OTHER_OWNER),
    bad(403, "AccessDenied", "get_object", "another owner's", Key="there", **OTHER_OWNER),
    bad(403, "403", "head_bucket", "another owner's", **OTHER_OWNER),
    put(400, "InvalidTag", "the same tag twice", Tagging="a=1&a=2"),
    put(400, "InvalidTag", "a tag too long", Tagging=f"{'k' * 129}=1"),
    put(400, "BadRequest", "eleven tags", Tagging="&".join(f"{n}=1" for n in range(11))),
    bad(400, "InvalidArgument", "copy_object", "a directive that is none", Key="copy", CopySource=THERE,
        MetadataDirective="MOVE"),
    # boto3 sends any text for a source.
    bad(400, "InvalidArgument", "copy_object", "a source without a key", Key="copy", CopySource="nowhere"),
    # ---- Batches
    bad(400, "MalformedXML", "delete_objects", "none", Delete={"Objects": []}),
    bad(400, "MalformedXML", "delete_objects", "1,001", Delete={"Objects": [{"Key": str(n)} for n in range(1001)]}),
    # ---- Uploads
    completed(400, "MalformedXML", "no parts"),
    completed(400, "InvalidPart", "a part that is not there", (3, "first")),
    completed(400, "InvalidPart", "another tag", (1, "second")),
    completed(400, "InvalidPartOrder", "the wrong order", (2, "second"), (1, "first")),
    completed(400, "InvalidPartOrder", "a part twice", (1, "first"), (1, "first")),
    completed(400, "EntityTooSmall", "a small part before another", (1, "first"), (2, "second")),
    *[bad(400, "InvalidArgument", "upload_part", f"part {number}", Key="open", UploadId=Given("upload"),
          PartNumber=number, Body=b"x") for number in (0, 10_001, -1)],
    bad(400, "InvalidRequest", "create_multipart_upload", "a SHA-256 of the whole", Key="x",
        ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT"),
    bad(404, "NoSuchKey", "upload_part_copy", "of nothing", Key="open", UploadId=Given("upload"), PartNumber=3,
        CopySource={"Bucket": BUCKET, "Key": "nothing"}),
    bad(412, "PreconditionFailed", "upload_part_copy", "If-Match", Key="open", UploadId=Given("upload"), PartNumber=3,
        CopySource=THERE, CopySourceIfMatch='"x"'),
    # ---- Lists
    *[bad(400, "InvalidArgument", method, note, **parameters) for method in ("list_objects_v2", "list_objects")
      for note, parameters in [("fewer than no keys", {"MaxKeys": -1}), ("an encoding that is none", {
          "EncodingType": "gzip"})]],
    bad(400, "InvalidArgument", "list_objects_v2", "a token that is none", ContinuationToken="none"),
    # ---- Buckets
    bad(409, "BucketAlreadyOwnedByYou", "create_bucket", "again", **REGION),
    bad(409, "BucketNotEmpty", "delete_bucket", "with objects"),
    bad(400, "IllegalLocationConstraintException", "create_bucket", "of another region", Bucket="interop-elsewhere",
        CreateBucketConfiguration={"LocationConstraint": "ap-south-2"}),
    *[bad(400, "InvalidBucketName", "create_bucket", name, Bucket=name, **REGION) for name in
      ["ab", "Upper-case", "under_score", "192.168.0.1", "-lead", "trail-", "two..dots", "xn--puny", "x" * 64]],
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name())
def test_a_refusal_has_s3s_own_status_and_code(s3, given, row):
    check(s3, given, row)
    assert outcome(s3, "head_object", Bucket=BUCKET, Key="refused")[1] == (404, "404")


def test_metadata_that_is_not_ascii_leaves_no_client_and_passes_encoded(s3, given):
    with pytest.raises(ParamValidationError):
        s3.put_object(Bucket=BUCKET, Key="refused", Body=b"", Metadata={"note": "über"})
    told = {"note": "=?UTF-8?B?w7xiZXI=?=", "spaced": "a  b", "mixed": "Case"}
    s3.put_object(Bucket=BUCKET, Key="noted", Body=b"", Metadata=told)
    assert s3.head_object(Bucket=BUCKET, Key="noted")["Metadata"] == told


# ---- Uploads in parts --------------------------------------------------------------------------------------------


def begun(s3, key, *parts, **parameters):
    """An upload with its parts: what completes it."""
    place = {"Bucket": BUCKET, "Key": key}
    place["UploadId"] = s3.create_multipart_upload(**place, **parameters)["UploadId"]
    done = [{"PartNumber": number, "ETag": s3.upload_part(PartNumber=number, Body=body, **place)["ETag"]}
            for number, body in parts]
    return place | {"MultipartUpload": {"Parts": done}}


def test_an_upload_is_nothing_until_it_is_completed_and_nothing_once_it_is_aborted(s3, given):
    whole = begun(s3, "whole", (1, b"x"))
    place, upload = {"Bucket": BUCKET, "Key": "whole"}, whole["UploadId"]
    assert outcome(s3, "get_object", **place)[1] == (404, "NoSuchKey")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="whole")
    assert s3.abort_multipart_upload(UploadId=upload, **place)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert outcome(s3, "complete_multipart_upload", **whole)[1] == (404, "NoSuchUpload")
    uploads = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert upload not in [each["UploadId"] for each in uploads]


def test_parts_make_a_whole_in_the_order_of_their_numbers(s3, given):
    first, last = bytes(5 * MIB), b"last"
    whole = begun(s3, "ordered", (10_000, b"over"), (10_000, last), (7, first), (9, b"left out"), Metadata={"a": "b"})
    parts = {part["PartNumber"]: part for part in whole["MultipartUpload"]["Parts"]}
    whole["MultipartUpload"]["Parts"] = [parts[7], parts[10_000]]
    digest = hashlib.md5(hashlib.md5(first).digest() + hashlib.md5(last).digest()).hexdigest()
    answer = s3.complete_multipart_upload(**whole)
    assert (answer["ETag"], answer["Key"]) == (f'"{digest}-2"', "ordered")
    answer = s3.get_object(Bucket=BUCKET, Key="ordered")
    assert answer["Body"].read() == first + last and answer["Metadata"] == {"a": "b"}


def test_a_whole_is_completed_under_conditions(s3, given):
    s3.put_object(Bucket=BUCKET, Key="raced", Body=b"first")
    whole = begun(s3, "raced", (1, b"second"))
    assert outcome(s3, "complete_multipart_upload", IfNoneMatch="*", **whole)[1] == (412, "PreconditionFailed")
    assert outcome(s3, "complete_multipart_upload", IfMatch='"x"', **whole)[1] == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=BUCKET, Key="raced")["Body"].read() == b"first"
    s3.complete_multipart_upload(IfMatch=etag(b"first"), **whole)
    assert s3.get_object(Bucket=BUCKET, Key="raced")["Body"].read() == b"second"


@pytest.mark.parametrize("name", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_checksum_of_the_whole_is_compared_with_the_whole(s3, given, name):
    parts = b"a" * 1_000, b"b"
    place = {"Bucket": BUCKET, "Key": f"full/{name}"}
    upload = s3.create_multipart_upload(ChecksumAlgorithm=name, ChecksumType="FULL_OBJECT", **place)["UploadId"]
    sums = {f"Checksum{name}": checksums(parts[1])[name]}
    answer = s3.upload_part(UploadId=upload, PartNumber=1, Body=parts[1], **sums, **place)
    whole = {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": answer["ETag"], **sums}]}}
    wrong = {f"Checksum{name}": checksums(parts[0])[name]}
    assert outcome(s3, "complete_multipart_upload", ChecksumType="FULL_OBJECT", **wrong, **whole, **place)[1] == (
        400, "BadDigest")
    s3.complete_multipart_upload(ChecksumType="FULL_OBJECT", **sums, **whole, **place)
    head = s3.head_object(ChecksumMode="ENABLED", **place)
    assert (head[f"Checksum{name}"], head["ChecksumType"]) == (sums[f"Checksum{name}"], "FULL_OBJECT")


# ---- Requests that boto3 does not send ---------------------------------------------------------------------------


def sent(stack, method, path, query="", headers=None, body=b"", payload=None, at=None):
    headers = authorized(stack, stack.credentials, method, path, query, headers, body, payload, at)
    answer = raw(stack, method, f"{path}?{query}".rstrip("?"), headers, body)
    return answer.status, answer.code()


def test_a_batch_that_is_no_xml_or_has_no_checksum_is_refused(stack, given):
    body = b"<Delete><Object><Key>there</Key></Object></Delete>"
    assert sent(stack, "POST", f"/{BUCKET}", "delete=", body=body) == (400, "InvalidRequest")
    for wrong in [b"<Delete>", b"no xml", b"<Delete/>", body + body, b"<Other/>"]:
        digest = {"content-md5": encoded(hashlib.md5(wrong).digest())}
        assert sent(stack, "POST", f"/{BUCKET}", "delete=", digest, wrong) == (400, "MalformedXML"), wrong
    assert stack.client("s3").head_object(**THERE)


def test_a_method_that_s3_does_not_know_is_not_allowed(stack, given):
    assert sent(stack, "PATCH", f"/{BUCKET}/there") == (405, "MethodNotAllowed")
    assert sent(stack, "POST", f"/{BUCKET}/there") == (405, "MethodNotAllowed")


def test_a_body_that_was_not_signed_is_not_written(stack, s3, given):
    path = f"/{BUCKET}/refused"
    other = hashlib.sha256(b"other").hexdigest()
    assert sent(stack, "PUT", path, body=BODY, payload=other) == (400, "XAmzContentSHA256Mismatch")
    assert outcome(s3, "head_object", Bucket=BUCKET, Key="refused")[1] == (404, "404")
    assert sent(stack, "PUT", f"/{BUCKET}/unsigned", body=BODY, payload="UNSIGNED-PAYLOAD") == (200, None)
    assert s3.get_object(Bucket=BUCKET, Key="unsigned")["Body"].read() == BODY


@pytest.mark.parametrize(("digest", "wanted"), [(checksums(BODY)["CRC32"], (200, None)),
                                                (checksums(b"x")["CRC32"], (400, "BadDigest"))], ids=["right", "wrong"])
def test_a_checksum_comes_after_a_body_in_chunks(stack, s3, given, digest, wanted):
    body = b"6\r\n012345\r\n4\r\n6789\r\n0\r\nx-amz-checksum-crc32:" + digest.encode() + b"\r\n\r\n"
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(BODY)),
               "x-amz-trailer": "x-amz-checksum-crc32"}
    key = f"chunks-{wanted[0]}"
    found = sent(stack, "PUT", f"/{BUCKET}/{key}", "", headers, body, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    assert found == wanted
    answer, refused = outcome(s3, "get_object", Bucket=BUCKET, Key=key)
    if wanted[1] is None:
        assert (answer["Body"].read(), answer["ContentLength"]) == (BODY, len(BODY))
        assert answer.get("ContentEncoding", "") == "" and answer["ChecksumCRC32"] == digest
    else:
        assert refused == (404, "NoSuchKey")


def test_a_signature_that_is_not_good_is_refused(stack, given):
    key, secret = stack.credentials
    path, now = f"/{BUCKET}/there", datetime.now(timezone.utc)
    assert outcome(client(stack, (key, secret[:-1] + "~")), "get_object", **THERE)[1] == (403, "SignatureDoesNotMatch")
    assert outcome(client(stack, ("AKIA" + "Q" * 16, secret)), "get_object", **THERE)[1] == (403, "InvalidAccessKeyId")
    for at in (now - timedelta(minutes=16), now + timedelta(minutes=16)):
        assert sent(stack, "GET", path, at=at) == (403, "RequestTimeTooSkewed")
    anonymous = Config(signature_version=UNSIGNED)
    endpoint = {"endpoint_url": stack.state["aws_endpoint_url"], "region_name": stack.state["region"]}
    assert outcome(boto3.client("s3", config=anonymous, **endpoint), "get_object", **THERE)[1] == (403, "AccessDenied")
    # Signature Version 2, which S3 itself takes in no region that opened after 2014.
    assert outcome(client(stack, signature_version="s3"), "get_object", **THERE)[1] == (400, "InvalidRequest")
