"""What a tenant's credentials do to the objects of others, through boto3 and the AWS CLI: nothing. The others'
objects and uploads are read before and after, and are the same."""

from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest

from s3_administration import OF_OBJECTS, READS, WRITES
from s3_tools import (
    DENIED,
    TEXT,
    Tenant,
    authorized,
    aws,
    checksums,
    client,
    contents,
    curl,
    denied,
    outcome,
    raw,
    remove,
    vended,
)

SECRET = b"Ours alone: the plan of the launch"
VICTIM, OWN = "globex/vault/plan.txt", "acme/own/mine.txt"
# Another tenant's, and those of neighbours whose prefixes are nearly the own one.
SEEDED = [VICTIM, "globex/vault/second.txt", "acme2/vault/plan.txt", "acm/vault/plan.txt", "ACME/vault/plan.txt",
          "acme", "acme%2Fvault/plan.txt", "vault/plan.txt", "/acme/vault/plan.txt"]
MISSING = ["globex/vault/nothing.txt", "nobody/vault/plan.txt", "acme2", "*", "acme*",
           "${aws:PrincipalTag/tenant-id}/x"]


def is_foreign(key):
    return not key.startswith("acme/")


@pytest.fixture(scope="module")
def field(stack):
    """The tenant, an object and an unfinished upload of its own, and those of everybody else."""
    # Whatever was asked before, every bucket is full again.
    assert stack.send("POST", stack.local("clock"), body='{"advance": "1m"}').status == 200
    own, admin = Tenant(stack, "acme"), client(stack)
    place = {"Bucket": own.bucket, "ContentType": "text/x-plan", "Metadata": {"owner": "somebody else"}}
    for key in SEEDED:
        admin.put_object(Key=key, Body=SECRET + key.encode(), ChecksumAlgorithm="SHA256", **place)
    uploads = {}
    for key in [VICTIM, OWN]:
        uploads[key] = admin.create_multipart_upload(Bucket=own.bucket, Key=key)["UploadId"]
        admin.upload_part(Bucket=own.bucket, Key=key, UploadId=uploads[key], PartNumber=1, Body=SECRET)
    yield SimpleNamespace(stack=stack, own=own, s3=own.s3, bucket=own.bucket, admin=admin, uploads=uploads)
    remove(stack, lambda key: key in SEEDED or key.startswith(("acme/own/", "acme/../")))


@pytest.fixture(autouse=True)
def unharmed(field):
    """Whatever a test does, what is not the tenant's is afterwards as it was."""
    field.s3.put_object(Bucket=field.bucket, Key=OWN, Body=b"mine")
    before = contents(field.stack, is_foreign)
    assert {VICTIM, *SEEDED} <= {entry[0] for entry in before}, "there is nothing to protect"
    yield
    assert contents(field.stack, is_foreign) == before


def assert_denied(field, method, **parameters):
    answer, refused = outcome(field.s3, method, Bucket=field.bucket, **parameters)
    assert refused == denied(method), (method, parameters, answer)


# ---- Objects -----------------------------------------------------------------------------------------------------


def calls_on(key, upload):
    """Each call on one object, or on an upload of it."""
    one, part = {"Key": key}, {"Key": key, "UploadId": upload, "PartNumber": 1}
    tags = {"TagSet": [{"Key": "a", "Value": "1"}]}
    whole = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"x"'}]}}
    return [
        ("get_object", one),
        ("get_object", one | {"Range": "bytes=0-3"}),
        ("get_object", one | {"IfNoneMatch": "*"}),
        ("get_object", one | {"IfModifiedSince": "2001-01-01"}),
        ("get_object", one | {"VersionId": "null"}),
        ("get_object", one | {"PartNumber": 1}),
        ("head_object", one),
        ("head_object", one | {"IfMatch": '"x"'}),
        ("head_object", one | {"ChecksumMode": "ENABLED"}),
        ("put_object", one | {"Body": b"taken"}),
        ("put_object", one | {"Body": b"taken", "IfNoneMatch": "*"}),
        ("put_object", one | {"Body": b"", "IfMatch": '"x"'}),
        ("put_object", one | {"Body": b"taken", "Tagging": "a=1"}),
        ("delete_object", one),
        ("delete_object", one | {"VersionId": "null"}),
        ("delete_object", one | {"IfMatch": '"x"'}),
        ("get_object_attributes", one | {"ObjectAttributes": ["ETag", "ObjectSize"]}),
        ("get_object_tagging", one),
        ("put_object_tagging", one | {"Tagging": tags}),
        ("delete_object_tagging", one),
        ("create_multipart_upload", one),
        ("upload_part", part | {"Body": b"taken"}),
        ("list_parts", {"Key": key, "UploadId": upload}),
        ("complete_multipart_upload", {"Key": key, "UploadId": upload} | whole),
        ("abort_multipart_upload", {"Key": key, "UploadId": upload}),
        *[(method, one | parameters) for method, parameters in OF_OBJECTS],
    ]


@pytest.mark.parametrize("key", [*SEEDED, *MISSING])
def test_a_tenant_does_nothing_with_an_object_that_is_not_its_own(field, key):
    for method, parameters in calls_on(key, field.uploads[VICTIM]):
        assert_denied(field, method, **parameters)
    # Its own upload's id is no way in either.
    for method, parameters in calls_on(key, field.uploads[OWN])[-len(OF_OBJECTS) - 4:-len(OF_OBJECTS)]:
        assert_denied(field, method, **parameters)


def test_a_tenant_does_everything_with_its_own_objects(field):
    place = {"Bucket": field.bucket, "Key": "acme/own/all.txt"}
    field.s3.put_object(Body=b"0123456789", Metadata={"color": "red"}, ContentType=TEXT, **place)
    assert field.s3.get_object(Range="bytes=2-3", **place)["Body"].read() == b"23"
    assert field.s3.head_object(**place)["Metadata"] == {"color": "red"}
    copy = {"Bucket": field.bucket, "Key": "acme/own/copy.txt"}
    field.s3.copy_object(CopySource=place, **copy)
    assert field.s3.get_object(**copy)["Body"].read() == b"0123456789"
    upload = field.s3.create_multipart_upload(**place)["UploadId"]
    part = {"UploadId": upload, "PartNumber": 1} | place
    tag = field.s3.upload_part_copy(CopySource=copy, **part)["CopyPartResult"]["ETag"]
    assert field.s3.list_parts(UploadId=upload, **place)["Parts"][0]["ETag"] == tag
    field.s3.complete_multipart_upload(
        UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}, **place)
    field.s3.abort_multipart_upload(UploadId=field.s3.create_multipart_upload(**place)["UploadId"], **place)
    for listing in ("list_objects_v2", "list_objects"):
        answer = getattr(field.s3, listing)(Bucket=field.bucket, Prefix="acme/own/")
        assert {"acme/own/all.txt", "acme/own/copy.txt"} <= {item["Key"] for item in answer["Contents"]}
    field.s3.delete_object(**copy)
    answer = field.s3.delete_objects(Bucket=field.bucket, Delete={"Objects": [{"Key": place["Key"]}]})
    assert [gone["Key"] for gone in answer["Deleted"]] == [place["Key"]] and "Errors" not in answer


def test_what_the_role_does_not_name_is_denied_on_own_objects_too(field):
    for method, parameters in [
        ("get_object_tagging", {}),
        ("get_object_attributes", {"ObjectAttributes": ["ETag"]}),
        ("get_object", {"VersionId": "null"}),
        ("delete_object", {"VersionId": "null"}),
        ("put_object", {"Body": b"x", "Tagging": "a=1"}),
        ("put_object", {"Body": b"x", "ACL": "public-read"}),
        ("put_object", {"Body": b"x", "GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}),
        ("put_object", {"Body": b"x", "ObjectLockLegalHoldStatus": "ON"}),
        ("create_multipart_upload", {"Tagging": "a=1"}),
        ("create_multipart_upload", {"ACL": "public-read"}),
        *OF_OBJECTS,
    ]:
        assert_denied(field, method, Key=OWN, **parameters)
    assert field.s3.get_object(Bucket=field.bucket, Key=OWN)["Body"].read() == b"mine"


def test_of_an_own_object_that_is_not_there_s3_does_not_tell(field):
    missing = {"Bucket": field.bucket, "Key": "acme/own/nothing.txt"}
    for method in ("get_object", "head_object"):
        assert outcome(field.s3, method, **missing)[1] == denied(method)
    assert outcome(field.admin, "get_object", **missing)[1] == (404, "NoSuchKey")
    assert outcome(field.admin, "head_object", **missing)[1] == (404, "404")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_batch_deletes_the_own_keys_and_names_the_others(field, quiet):
    own = [f"acme/own/batch-{number}.txt" for number in range(3)] + ["acme/own/nothing.txt"]
    for key in own[:3]:
        field.s3.put_object(Bucket=field.bucket, Key=key, Body=b"x")
    keys = [key for pair in zip(own, SEEDED[:4]) for key in pair] + ["globex/vault/nothing.txt"]
    batch = {"Objects": [{"Key": key} for key in keys], "Quiet": quiet}
    answer = field.s3.delete_objects(Bucket=field.bucket, Delete=batch)
    errors = {(error["Key"], error["Code"]) for error in answer["Errors"]}
    assert errors == {(key, "AccessDenied") for key in [*SEEDED[:4], "globex/vault/nothing.txt"]}
    assert [gone["Key"] for gone in answer.get("Deleted", [])] == ([] if quiet else own)
    left = field.admin.list_objects_v2(Bucket=field.bucket, Prefix="acme/own/batch-")
    assert left["KeyCount"] == 0


def test_a_batch_of_versions_deletes_nothing(field):
    batch = {"Objects": [{"Key": OWN, "VersionId": "null"}, {"Key": VICTIM, "VersionId": "null"}]}
    answer = field.s3.delete_objects(Bucket=field.bucket, Delete=batch)
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"] * 2 and "Deleted" not in answer
    assert field.s3.get_object(Bucket=field.bucket, Key=OWN)["Body"].read() == b"mine"


# ---- Copies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    ["{0}/globex/vault/plan.txt", "/{0}/globex/vault/plan.txt", "{0}/globex%2Fvault%2Fplan.txt",
     "{0}%2Fglobex/vault/plan.txt", "{0}/globex/vault/plan.txt?versionId=null", "{0}/%67lobex/vault/plan.txt",
     "{0}/acme/../globex/vault/plan.txt", "{0}/acme%2F..%2Fglobex/vault/plan.txt", "{0}/./globex/vault/plan.txt",
     "{0}/acme/%2E%2E/globex/vault/plan.txt", "{0}/acme/..%252Fglobex/vault/plan.txt", "{0}//globex/vault/plan.txt",
     "{0}/acme2/vault/plan.txt", "{0}/acme", "{0}/acme%252Fvault/plan.txt", "{0}/globex/vault/nothing.txt"],
)
def test_nothing_is_copied_from_a_place_that_is_not_the_own_one(field, source):
    target = {"Bucket": field.bucket, "Key": "acme/own/stolen.txt"}
    upload = field.s3.create_multipart_upload(**target)["UploadId"]
    path, part = f"/{field.bucket}/{target['Key']}", urlencode({"partNumber": 1, "uploadId": upload}, quote_via=quote)
    replaced = {"x-amz-metadata-directive": "REPLACE"}
    for query, further in [("", {}), ("", replaced), ("", {"x-amz-copy-source-if-none-match": '"x"'}),
                           (part, {}), (part, {"x-amz-copy-source-range": "bytes=0-3"})]:
        # boto3 would encode the source once more.
        headers = {"x-amz-copy-source": source.format(field.bucket)} | further
        headers = authorized(field.stack, field.own.credentials, "PUT", path, query, headers)
        answer = raw(field.stack, "PUT", f"{path}?{query}".rstrip("?"), headers)
        assert (answer.status, answer.code()) == DENIED, (query, further, answer)
    assert outcome(field.admin, "head_object", **target)[1] == (404, "404")
    assert "Parts" not in field.s3.list_parts(UploadId=upload, **target)
    field.s3.abort_multipart_upload(UploadId=upload, **target)


@pytest.mark.parametrize("key", SEEDED)
def test_nothing_is_copied_to_a_place_that_is_not_the_own_one(field, key):
    source = {"Bucket": field.bucket, "Key": OWN}
    part = {"UploadId": field.uploads[VICTIM], "PartNumber": 2}
    for method, parameters in [("copy_object", {}), ("copy_object", {"IfNoneMatch": "*"}),
                               ("copy_object", {"MetadataDirective": "REPLACE"}), ("upload_part_copy", part)]:
        assert_denied(field, method, Key=key, CopySource=source, **parameters)
    assert_denied(field, "copy_object", Key=key, CopySource={"Bucket": field.bucket, "Key": key},
                  MetadataDirective="REPLACE", Metadata={"owner": "acme"})


def test_an_upload_of_another_key_is_no_upload_of_the_own_one(field):
    upload, place = {"UploadId": field.uploads[VICTIM]}, {"Bucket": field.bucket, "Key": OWN}
    parts = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"x"'}]}}
    for method, parameters in [
        ("upload_part", {"PartNumber": 1, "Body": b"taken"}),
        ("upload_part_copy", {"PartNumber": 1, "CopySource": place}),
        ("list_parts", {}),
        ("complete_multipart_upload", parts),
        ("abort_multipart_upload", {}),
    ]:
        assert outcome(field.s3, method, **place, **upload, **parameters)[1] == (404, "NoSuchUpload"), method


# ---- Lists -------------------------------------------------------------------------------------------------------


LISTS = ["list_objects_v2", "list_objects"]


@pytest.mark.parametrize(
    "prefix",
    [None, "", "acme", "acm", "a", "acme2/", "acme2", "globex", "globex/", "globex/vault/", "/", "/acme/", "ACME/", "*",
     "acme*", "../acme/", "acme%2F", "vault/"],
)
def test_a_list_is_denied_unless_its_prefix_is_the_own_one_with_its_slash(field, prefix):
    place = {} if prefix is None else {"Prefix": prefix}
    for method in [*LISTS, "list_object_versions", "list_multipart_uploads"]:
        for further in [{}, {"Delimiter": "/"}, {"MaxKeys": 0} if "multipart" not in method else {"MaxUploads": 1}]:
            assert_denied(field, method, **place, **further)


def test_an_own_list_shows_own_keys_alone(field):
    for further in [{}, {"Delimiter": "/"}, {"MaxKeys": 1}]:
        for prefix in ["acme/", "acme/own/", "acme/own/mi"]:
            for start in [{}, {"StartAfter": "acme/"}, {"StartAfter": "globex/vault/"}, {"StartAfter": "acm"}]:
                answer = field.s3.list_objects_v2(Bucket=field.bucket, Prefix=prefix, **further, **start)
                found = [item["Key"] for item in answer.get("Contents", [])]
                found += [item["Prefix"] for item in answer.get("CommonPrefixes", [])]
                assert all(name.startswith(prefix) for name in found), (further, prefix, start)
                assert bool(found) != (start == {"StartAfter": "globex/vault/"})
            answer = field.s3.list_objects(Bucket=field.bucket, Prefix=prefix, Marker="globex/", **further)
            assert "Contents" not in answer and "CommonPrefixes" not in answer
    assert "Contents" not in field.s3.list_objects_v2(Bucket=field.bucket, Prefix="acme/../globex/")


def test_a_place_to_go_on_from_does_not_lead_out_of_the_own_prefix(field):
    token = field.admin.list_objects_v2(Bucket=field.bucket, Prefix="globex/", MaxKeys=1)["NextContinuationToken"]
    place = {"Bucket": field.bucket, "Prefix": "acme/", "ContinuationToken": token}
    answer, refused = outcome(field.s3, "list_objects_v2", **place)
    assert refused == (400, "InvalidArgument") or all(
        item["Key"].startswith("acme/") for item in answer.get("Contents", []))


@pytest.mark.parametrize("method", ["list_object_versions", "list_multipart_uploads"])
def test_versions_and_uploads_are_not_listed_even_under_the_own_prefix(field, method):
    for prefix in ["acme/", "acme/own/"]:
        assert_denied(field, method, Prefix=prefix)


# ---- The bucket --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bucket", ["files", "silo", "missing"])
def test_a_tenant_administrates_no_bucket(field, bucket):
    state = field.stack.state
    name = {"files": field.bucket, "missing": "no-such-bucket-of-anybody"}.get(
        bucket, f"tenantry-silo-acme-{state['account_id']}-{state['region']}")
    region = {"CreateBucketConfiguration": {"LocationConstraint": state["region"]}}
    before = field.admin.list_buckets()["Buckets"]
    for method, parameters, *_ in [
        ("head_bucket", {}), ("get_bucket_location", {}), ("get_bucket_versioning", {}), ("delete_bucket", {}),
        ("create_bucket", region), *READS, *WRITES,
    ]:
        answer, refused = outcome(field.s3, method, Bucket=name, **parameters)
        # Whether a bucket is there is no secret on S3; who makes one is asked first.
        missing = {(404, "404"), (404, "NoSuchBucket")} if name != field.bucket and method != "create_bucket" else set()
        # Of an operation that the local S3 does not know, nobody is told more.
        assert refused in {denied(method), (501, "NotImplemented"), *missing}, (method, answer)
    assert outcome(field.s3, "list_buckets")[1] == DENIED
    assert field.admin.list_buckets()["Buckets"] == before


# ---- Credentials for reading -------------------------------------------------------------------------------------


def test_credentials_for_reading_write_nothing(field):
    read = client(field.stack, vended(field.stack, "acme", "read"))
    place = {"Bucket": field.bucket, "Key": OWN}
    assert read.get_object(**place)["Body"].read() == b"mine"
    assert read.head_object(**place)["ContentLength"] == 4
    assert OWN in [item["Key"] for item in read.list_objects_v2(Bucket=field.bucket, Prefix="acme/")["Contents"]]
    writes = [(method, parameters) for method, parameters in calls_on(OWN, field.uploads[OWN])
              if not method.startswith(("get_object", "head_object"))]
    for method, parameters in [*writes, ("copy_object", {"Key": "acme/own/new.txt", "CopySource": place})]:
        answer, refused = outcome(read, method, Bucket=field.bucket, **parameters)
        assert refused == DENIED, (method, parameters, answer)
    errors = read.delete_objects(Bucket=field.bucket, Delete={"Objects": [{"Key": OWN}]})["Errors"]
    assert [(error["Key"], error["Code"]) for error in errors] == [(OWN, "AccessDenied")]
    assert read.get_object(**place)["Body"].read() == b"mine"


# ---- Other ways in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [VICTIM, OWN])
def test_a_browsers_form_writes_nothing_of_anothers(field, tmp_path, key):
    form = field.s3.generate_presigned_post(field.bucket, key)
    given = [option for name, value in form["fields"].items() for option in ("--form-string", f"{name}={value}")]
    answer = curl(tmp_path, form["url"], *given, "--form", "file=taken")
    assert answer.status in ({204, 501} if key == OWN else {403, 501}), answer


def test_the_cli_reads_and_writes_nothing_of_anothers(field, tmp_path):
    path, place = tmp_path / "file", f"s3://{field.bucket}"
    path.write_bytes(b"taken")
    for command in [
        ["cp", f"{place}/{VICTIM}", path], ["cp", path, f"{place}/{VICTIM}"], ["rm", f"{place}/{VICTIM}"],
        ["ls", place], ["ls", f"{place}/acme"], ["sync", f"{place}/globex/", tmp_path / "all"],
        ["mv", f"{place}/{VICTIM}", f"{place}/acme/own/moved.txt"], ["mv", f"{place}/{OWN}", f"{place}/{VICTIM}"],
    ]:
        complaint = aws(field.stack, field.own.credentials, "s3", *command, succeeds=False)
        assert "AccessDenied" in complaint or "(403)" in complaint, (command, complaint)
    assert path.read_bytes() == b"taken" and not list((tmp_path / "all").glob("*"))
    assert field.s3.get_object(Bucket=field.bucket, Key=OWN)["Body"].read() == b"mine"


def test_the_sums_of_the_others_objects_are_their_own(field):
    """The comparison before and after each test sees checksums, which S3 tells only of who may read."""
    head = field.admin.head_object(Bucket=field.bucket, Key=VICTIM, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == checksums(SECRET + VICTIM.encode())["SHA256"]
