//! What is judged of a request to S3.

use super::*;
use crate::testing;

const ACCOUNT: &str = "123456789012";
const OBJECT: &str = "arn:aws:s3:::files/t/acme/a b";
const BUCKET: &str = "arn:aws:s3:::files";

fn head(query: &str, headers: &[(&str, &str)]) -> Request<()> {
    testing::request("GET", &format!("/{query}"), headers, "").without_body().0
}

fn object() -> S3Path {
    S3Path::object("files", "t/acme/a b")
}

fn bucket() -> S3Path {
    S3Path::bucket("files")
}

fn of(operation: &str, path: &S3Path, query: &str, headers: &[(&str, &str)]) -> Vec<Call> {
    let head = head(query, headers);
    calls(operation, path, head.uri.query(), &head, ACCOUNT)
}

/// The actions of calls that are all about one resource.
fn actions<'a>(calls: &'a [Call], resource: &str) -> Vec<&'a str> {
    assert!(calls.iter().all(|call| call.resource == resource), "{calls:?}");
    calls.iter().map(|call| &*call.action).collect()
}

fn key<'a>(call: &'a Call, name: &str) -> Option<&'a Value> {
    let mut values = call.keys.iter().filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = values.next();
    assert_eq!(values.next(), None, "{name} stands twice");
    value
}

fn one(text: &str) -> Value {
    Value::One(text.to_owned())
}

#[test]
fn every_operation_on_an_object_is_judged_by_its_own_action() {
    let versioned = "?versionId=v1";
    for (operation, plain, of_a_version) in [
        ("GetObject", "s3:GetObject", "s3:GetObjectVersion"),
        ("HeadObject", "s3:GetObject", "s3:GetObjectVersion"),
        ("PutObject", "s3:PutObject", "s3:PutObject"),
        ("CopyObject", "s3:PutObject", "s3:PutObject"),
        ("CreateMultipartUpload", "s3:PutObject", "s3:PutObject"),
        ("UploadPart", "s3:PutObject", "s3:PutObject"),
        ("UploadPartCopy", "s3:PutObject", "s3:PutObject"),
        ("CompleteMultipartUpload", "s3:PutObject", "s3:PutObject"),
        ("AbortMultipartUpload", "s3:AbortMultipartUpload", "s3:AbortMultipartUpload"),
        ("ListParts", "s3:ListMultipartUploadParts", "s3:ListMultipartUploadParts"),
        ("DeleteObject", "s3:DeleteObject", "s3:DeleteObjectVersion"),
        ("GetObjectTagging", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
        ("PutObjectTagging", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
        ("DeleteObjectTagging", "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
    ] {
        assert_eq!(actions(&of(operation, &object(), "", &[]), OBJECT), [plain], "{operation}");
        let calls = of(operation, &object(), versioned, &[]);
        assert_eq!(actions(&calls, OBJECT), [of_a_version], "{operation}");
        assert_eq!(key(&calls[0], "s3:VersionId"), Some(&one("v1")), "{operation}");
    }
    // An operation that is not served, under its own name.
    assert_eq!(actions(&of("GetObjectAcl", &object(), "?acl", &[]), OBJECT), ["s3:GetObjectAcl"]);
    let attributes = of("GetObjectAttributes", &object(), "", &[]);
    assert_eq!(actions(&attributes, OBJECT), ["s3:GetObject", "s3:GetObjectAttributes"]);
}

#[test]
fn every_operation_on_a_bucket_is_judged_on_the_bucket() {
    for (operation, action) in [
        ("ListObjects", "s3:ListBucket"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("ListObjectVersions", "s3:ListBucketVersions"),
        ("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
        ("HeadBucket", "s3:ListBucket"),
        ("GetBucketLocation", "s3:GetBucketLocation"),
        ("GetBucketVersioning", "s3:GetBucketVersioning"),
        ("CreateBucket", "s3:CreateBucket"),
        ("DeleteBucket", "s3:DeleteBucket"),
        // An operation that is not served, under its own name.
        ("PutBucketPolicy", "s3:PutBucketPolicy"),
    ] {
        assert_eq!(actions(&of(operation, &bucket(), "", &[]), BUCKET), [action], "{operation}");
    }
    assert_eq!(actions(&of("ListBuckets", &S3Path::root(), "", &[]), "*"), ["s3:ListAllMyBuckets"]);
    // No operation of this name has a path of this form. It is judged all the same.
    assert_eq!(actions(&of("HeadBucket", &S3Path::root(), "", &[]), "*"), ["s3:ListBucket"]);
}

#[test]
fn an_operation_on_a_bucket_has_no_version_and_no_keys_of_a_listing_unless_it_is_one() {
    let query = "?versionId=v1&prefix=t/acme/&max-keys=5";
    let calls = of("GetBucketLocation", &bucket(), query, &[]);
    for name in ["s3:VersionId", "s3:prefix", "s3:max-keys"] {
        assert_eq!(key(&calls[0], name), None, "{name}");
    }
}

#[test]
fn the_keys_of_a_listing_are_read_as_s3_reads_them() {
    for (query, prefix) in [
        ("?prefix=t/acme/", Some("t/acme/")),
        ("?list-type=2&prefix=t%2Facme%2F&delimiter=%2f", Some("t/acme/")),
        ("?prefix=a+b%2Bc%20d", Some("a b+c d")),
        ("?%70refix=encoded", Some("encoded")),
        ("?prefix", Some("")),
        ("?prefix=", Some("")),
        ("?prefix=a=b", Some("a=b")),
        ("?prefix=%zz%", Some("%zz%")),
        ("?prefix=%C3%A9", Some("é")),
        ("?x-prefix=t/acme/&X-Amz-Prefix=t/acme/", None),
        ("?&&", None),
        ("", None),
    ] {
        let calls = of("ListObjectsV2", &bucket(), query, &[]);
        assert_eq!(key(&calls[0], "s3:prefix"), prefix.map(one).as_ref(), "{query}");
        assert_eq!(calls[0].unread, None, "{query}");
    }
    let calls = of("ListObjectsV2", &bucket(), "?delimiter=%2F&max-keys=25&prefix=p", &[]);
    assert_eq!(key(&calls[0], "s3:delimiter"), Some(&one("/")));
    assert_eq!(key(&calls[0], "s3:max-keys"), Some(&one("25")));
}

#[test]
fn a_query_that_can_be_read_in_two_ways_is_not_read() {
    for (operation, path, query) in [
        ("ListObjectsV2", bucket(), "?prefix=t/acme/&prefix=t/globex/"),
        ("ListObjectsV2", bucket(), "?prefix=t/acme/&prefix=t/acme/"),
        ("ListObjectsV2", bucket(), "?prefix=t/acme/&%70refix="),
        ("ListObjectsV2", bucket(), "?prefix=t/acme/&prefix"),
        ("ListObjectsV2", bucket(), "?list-type=2&list-type=2"),
        ("ListObjectsV2", bucket(), "?prefix=%FF"),
        ("ListObjectsV2", bucket(), "?x-%FF=a"),
        ("GetObject", object(), "?versionId=null&versionId=v1"),
        ("GetObject", object(), "?x-id=GetObject&x-id=GetObject"),
    ] {
        let calls = of(operation, &path, query, &[]);
        assert!(calls.iter().all(|call| call.unread.is_some()), "{operation} {query}");
    }
}

#[test]
fn a_parameter_that_an_operation_does_not_have_is_not_read() {
    for (operation, path, query, foreign) in [
        ("GetObject", object(), "?acl", Some("acl")),
        ("GetObject", object(), "?%61cl=", Some("acl")),
        ("GetObject", object(), "?versionId=null&response-content-type=text/plain", None),
        ("PutObject", object(), "?legal-hold", Some("legal-hold")),
        ("PutObject", object(), "?versionId=v1", Some("versionId")),
        ("PutObject", object(), "?x-id=PutObject&X-Amz-Signature=0", None),
        ("UploadPart", object(), "?partNumber=1&uploadId=a", None),
        ("UploadPart", object(), "?partNumber=1&uploadId=a&prefix=", Some("prefix")),
        ("HeadBucket", bucket(), "?policy", Some("policy")),
        ("ListObjectsV2", bucket(), "?list-type=2&prefix=a&start-after=b", None),
        ("ListObjects", bucket(), "?list-type=2", Some("list-type")),
        ("ListBuckets", S3Path::root(), "?prefix=a&x=b", Some("x")),
        // The action of what is not served is its name, whatever its parameters are.
        ("GetObjectTorrent", object(), "?torrent", None),
    ] {
        assert_eq!(
            foreign_parameter(operation, query.strip_prefix('?')).as_deref(),
            foreign,
            "{operation} {query}"
        );
        let calls = of(operation, &path, query, &[]);
        assert!(calls.iter().all(|call| call.unread.is_some() == foreign.is_some()), "{operation} {query}");
    }
    assert_eq!(foreign_parameter("DeleteObjects", Some("delete")), None);
    assert_eq!(foreign_parameter("DeleteObjects", Some("delete&acl")).as_deref(), Some("acl"));
}

#[test]
fn headers_that_do_more_ask_for_more() {
    for (header, expected) in [
        ("x-amz-tagging", "s3:PutObject s3:PutObjectTagging"),
        ("x-amz-acl", "s3:PutObject s3:PutObjectAcl"),
        ("x-amz-grant-read", "s3:PutObject s3:PutObjectAcl"),
        ("x-amz-grant-full-control", "s3:PutObject s3:PutObjectAcl"),
        ("x-amz-meta-acl", "s3:PutObject"),
    ] {
        for operation in ["PutObject", "CopyObject", "CreateMultipartUpload"] {
            let calls = of(operation, &object(), "", &[(header, "value")]);
            assert_eq!(actions(&calls, OBJECT).join(" "), expected, "{operation} {header}");
            assert!(calls.windows(2).all(|pair| pair[0].keys == pair[1].keys), "{header}");
        }
    }
    let both = of("PutObject", &object(), "", &[("x-amz-tagging", "a=b"), ("x-amz-acl", "private")]);
    assert_eq!(actions(&both, OBJECT), ["s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectAcl"]);
}

#[test]
fn headers_are_condition_keys_unless_they_stand_twice() {
    let headers = [
        ("authorization", "AWS4-HMAC-SHA256 Credential=a"),
        ("if-none-match", "*"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-copy-source", "/files/t/acme/a"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-storage-class", "GLACIER"),
    ];
    let calls = of("PutObject", &object(), "", &headers);
    for (name, value) in [
        ("s3:ResourceAccount", ACCOUNT),
        ("s3:authType", "REST-HEADER"),
        ("s3:signatureversion", "AWS4-HMAC-SHA256"),
        ("s3:if-none-match", "*"),
        ("s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("s3:x-amz-copy-source", "/files/t/acme/a"),
        ("s3:x-amz-server-side-encryption", "AES256"),
    ] {
        assert_eq!(key(&calls[0], name), Some(&one(value)), "{name}");
    }
    assert_eq!(key(&calls[0], "s3:if-match"), None);
    assert!(matches!(key(&calls[0], "s3:x-amz-storage-class"), Some(Value::Unknown(_))));
    let presigned = of("PutObject", &object(), "?X-Amz-Signature=0", &[]);
    assert_eq!(key(&presigned[0], "s3:authType"), Some(&one("REST-QUERY-STRING")));
}

#[test]
fn a_batch_is_judged_key_by_key() {
    let batch = head("?delete", &[]);
    assert!(calls("DeleteObjects", &bucket(), batch.uri.query(), &batch, ACCOUNT).is_empty());
    let one_of_it = call("DeleteObject", "files", "t/acme/a b", None, &batch, ACCOUNT);
    assert_eq!((&*one_of_it.action, &*one_of_it.resource), ("s3:DeleteObject", OBJECT));
    assert_eq!(key(&one_of_it, "s3:VersionId"), None);
    assert_eq!(key(&one_of_it, "s3:ResourceAccount"), Some(&one(ACCOUNT)));
    let version = call("DeleteObject", "files", "t/acme/a b", Some("v1"), &batch, ACCOUNT);
    assert_eq!((&*version.action, &*version.resource), ("s3:DeleteObjectVersion", OBJECT));
    assert_eq!(key(&version, "s3:VersionId"), Some(&one("v1")));
}

#[test]
fn the_source_of_a_copy_is_read_from_where_it_lies() {
    let copy = head("", &[("x-amz-copy-source", "/files/t/globex/a?versionId=v1")]);
    let source = call("GetObject", "files", "t/globex/a", Some("v1"), &copy, ACCOUNT);
    assert_eq!(source.action, "s3:GetObjectVersion");
    assert_eq!(source.resource, "arn:aws:s3:::files/t/globex/a");
}

#[test]
fn whether_an_object_is_missing_is_told_to_who_may_list_without_a_prefix() {
    let list = list_call("files", &head("?prefix=t/acme/", &[]), ACCOUNT);
    assert_eq!((&*list.action, &*list.resource), ("s3:ListBucket", BUCKET));
    assert_eq!(key(&list, "s3:prefix"), None);
}

#[test]
fn what_a_bucket_is_given_is_judged_by_the_actions_of_iam() {
    for (operation, query, action) in [
        ("CreateBucket", "", "s3:CreateBucket"),
        ("PutBucketCors", "?cors", "s3:PutBucketCORS"),
        ("PutBucketEncryption", "?encryption", "s3:PutEncryptionConfiguration"),
        ("PutBucketLifecycleConfiguration", "?lifecycle", "s3:PutLifecycleConfiguration"),
        ("PutBucketOwnershipControls", "?ownershipControls", "s3:PutBucketOwnershipControls"),
        ("PutBucketPolicy", "?policy", "s3:PutBucketPolicy"),
        ("PutPublicAccessBlock", "?publicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ] {
        assert_eq!(actions(&of(operation, &bucket(), query, &[]), BUCKET), [action]);
        assert_eq!(foreign_parameter(operation, query.strip_prefix('?')), None, "{operation}");
    }
}
