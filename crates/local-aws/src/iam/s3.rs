//! From a request to S3 to the calls that IAM judges ("Actions, resources, and condition keys for Amazon S3" in
//! the Service Authorization Reference).

use http::HeaderMap;
use local_http::Request;
use percent_encoding::percent_decode_str;
use s3s::path::S3Path;

use super::{Call, Value};

/// Headers that are condition keys by their own names.
const HEADER_KEYS: [(&str, &str); 13] = [
    ("x-amz-acl", "s3:x-amz-acl"),
    ("x-amz-content-sha256", "s3:x-amz-content-sha256"),
    ("x-amz-copy-source", "s3:x-amz-copy-source"),
    ("x-amz-grant-full-control", "s3:x-amz-grant-full-control"),
    ("x-amz-grant-read", "s3:x-amz-grant-read"),
    ("x-amz-grant-read-acp", "s3:x-amz-grant-read-acp"),
    ("x-amz-grant-write", "s3:x-amz-grant-write"),
    ("x-amz-grant-write-acp", "s3:x-amz-grant-write-acp"),
    ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
    ("x-amz-server-side-encryption", "s3:x-amz-server-side-encryption"),
    ("x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-server-side-encryption-customer-algorithm"),
    ("x-amz-storage-class", "s3:x-amz-storage-class"),
    ("x-amz-website-redirect-location", "s3:x-amz-website-redirect-location"),
];

/// What an operation is about, and by which action.
enum About {
    /// One object, by this action, and this one where a version is named.
    Object(&'static str, &'static str),
    /// A bucket, by this action.
    Bucket(&'static str),
    /// A bucket's keys, by this action: prefix, delimiter and page size are condition keys.
    Keys(&'static str),
    /// All buckets.
    Buckets,
    /// Keys that the body names: each is judged by itself.
    EachKey,
    /// An operation that is not served here, whose action is taken to have its name.
    Other,
}

const KEYS: &[&str] = &["delimiter", "encoding-type", "max-keys", "prefix"];

/// What an operation is about, and the parameters that it has.
fn about(operation: &str) -> (About, &'static [&'static str]) {
    let put = || About::Object("PutObject", "PutObject");
    match operation {
        "GetObject" | "HeadObject" => (
            About::Object("GetObject", "GetObjectVersion"),
            &[
                "partNumber",
                "response-cache-control",
                "response-content-disposition",
                "response-content-encoding",
                "response-content-language",
                "response-content-type",
                "response-expires",
                "versionId",
            ],
        ),
        "GetObjectAttributes" => {
            (About::Object("GetObject", "GetObjectVersion"), &["attributes", "versionId"])
        }
        "PutObject" | "CopyObject" => (put(), &[]),
        "CreateMultipartUpload" => (put(), &["uploads"]),
        "UploadPart" | "UploadPartCopy" => (put(), &["partNumber", "uploadId"]),
        "CompleteMultipartUpload" => (put(), &["uploadId"]),
        "DeleteObject" => (About::Object("DeleteObject", "DeleteObjectVersion"), &["versionId"]),
        "AbortMultipartUpload" => {
            (About::Object("AbortMultipartUpload", "AbortMultipartUpload"), &["uploadId"])
        }
        "ListParts" => (
            About::Object("ListMultipartUploadParts", "ListMultipartUploadParts"),
            &["max-parts", "part-number-marker", "uploadId"],
        ),
        "GetObjectTagging" => {
            (About::Object("GetObjectTagging", "GetObjectVersionTagging"), &["tagging", "versionId"])
        }
        "PutObjectTagging" => {
            (About::Object("PutObjectTagging", "PutObjectVersionTagging"), &["tagging", "versionId"])
        }
        "DeleteObjectTagging" => {
            (About::Object("DeleteObjectTagging", "DeleteObjectVersionTagging"), &["tagging", "versionId"])
        }
        "DeleteObjects" => (About::EachKey, &["delete"]),
        "ListObjects" => (About::Keys("ListBucket"), &["marker"]),
        "ListObjectsV2" => {
            (About::Keys("ListBucket"), &["continuation-token", "fetch-owner", "list-type", "start-after"])
        }
        "ListObjectVersions" => {
            (About::Keys("ListBucketVersions"), &["key-marker", "version-id-marker", "versions"])
        }
        "ListMultipartUploads" => (
            About::Keys("ListBucketMultipartUploads"),
            &["key-marker", "max-uploads", "upload-id-marker", "uploads"],
        ),
        "HeadBucket" => (About::Bucket("ListBucket"), &[]),
        "GetBucketLocation" => (About::Bucket("GetBucketLocation"), &["location"]),
        "GetBucketVersioning" => (About::Bucket("GetBucketVersioning"), &["versioning"]),
        "CreateBucket" => (About::Bucket("CreateBucket"), &[]),
        "DeleteBucket" => (About::Bucket("DeleteBucket"), &[]),
        // Not all of these actions have the names of their operations.
        "PutBucketCors" => (About::Bucket("PutBucketCORS"), &["cors"]),
        "PutBucketEncryption" => (About::Bucket("PutEncryptionConfiguration"), &["encryption"]),
        "PutBucketLifecycleConfiguration" => (About::Bucket("PutLifecycleConfiguration"), &["lifecycle"]),
        "PutBucketOwnershipControls" => (About::Bucket("PutBucketOwnershipControls"), &["ownershipControls"]),
        "PutBucketPolicy" => (About::Bucket("PutBucketPolicy"), &["policy"]),
        "PutPublicAccessBlock" => (About::Bucket("PutBucketPublicAccessBlock"), &["publicAccessBlock"]),
        "ListBuckets" => (About::Buckets, &["bucket-region", "continuation-token", "max-buckets", "prefix"]),
        _ => (About::Other, &[]),
    }
}

/// A parameter that an operation does not have. It may stand for another operation, which s3s does not know and
/// so has taken for this one.
pub(crate) fn foreign_parameter(operation: &str, query: Option<&str>) -> Option<String> {
    let (about, own) = about(operation);
    let general: &[&str] = match about {
        About::Keys(_) => KEYS,
        About::Other => return None,
        About::Object(..) | About::Bucket(_) | About::Buckets | About::EachKey => &[],
    };
    let is_known = |name: &str| {
        own.contains(&name) || general.contains(&name) || name.to_ascii_lowercase().starts_with("x-")
    };
    Query::read(query).parameters.into_iter().map(|(name, _)| name).find(|name| !is_known(name))
}

/// Whether a query has a parameter.
pub(crate) fn has_parameter(query: Option<&str>, name: &str) -> bool {
    Query::read(query).parameters.iter().any(|(known, _)| known == name)
}

/// What a request to S3 does, but for what its body names. Path and query are those that s3s executes.
pub(crate) fn calls(
    operation: &str,
    path: &S3Path,
    query: Option<&str>,
    head: &Request<()>,
    account_id: &str,
) -> Vec<Call> {
    let foreign =
        foreign_parameter(operation, query).map(|name| format!("the parameter {name} is not known"));
    let query = Query::read(query);
    let named = path.as_bucket().or_else(|| path.as_object().map(|(bucket, _)| bucket));
    let bucket = || named.map_or_else(|| "*".to_owned(), bucket_arn);
    let resource = || match path.as_object() {
        Some((bucket, key)) => object_arn(bucket, key),
        None => bucket(),
    };
    let mut keys = Vec::new();
    let (action, resource) = match about(operation).0 {
        About::EachKey => return Vec::new(),
        About::Object(action, of_a_version) => {
            if query.one("versionId", "s3:VersionId", &mut keys) {
                (of_a_version.to_owned(), resource())
            } else {
                (action.to_owned(), resource())
            }
        }
        About::Bucket(action) => (action.to_owned(), bucket()),
        About::Keys(action) => {
            for (parameter, key) in
                [("prefix", "s3:prefix"), ("delimiter", "s3:delimiter"), ("max-keys", "s3:max-keys")]
            {
                query.one(parameter, key, &mut keys);
            }
            (action.to_owned(), bucket())
        }
        About::Buckets => ("ListAllMyBuckets".to_owned(), "*".to_owned()),
        About::Other => (operation.to_owned(), resource()),
    };
    let mut actions = vec![action];
    if operation == "GetObjectAttributes" {
        let of_a_version = if actions[0] == "GetObjectVersion" { "Version" } else { "" };
        actions.push(format!("GetObject{of_a_version}Attributes"));
    }
    // "Enforce conditional deletes" in the S3 User Guide: who compares an entity tag has to be able to read it.
    if operation == "DeleteObject" && head.headers.contains_key("if-match") {
        actions.push("GetObject".to_owned());
    }
    if head.headers.contains_key("x-amz-tagging") {
        actions.push("PutObjectTagging".to_owned());
    }
    if head.headers.contains_key("x-amz-object-lock-legal-hold") {
        actions.push("PutObjectLegalHold".to_owned());
    }
    if head
        .headers
        .keys()
        .any(|name| name == "x-amz-object-lock-mode" || name == "x-amz-object-lock-retain-until-date")
    {
        actions.push("PutObjectRetention".to_owned());
    }
    if head.headers.keys().any(|name| name == "x-amz-acl" || name.as_str().starts_with("x-amz-grant-")) {
        actions.push("PutObjectAcl".to_owned());
    }
    keys.extend(keys_of(head, account_id));
    let unread = query.unread.or(foreign);
    actions
        .into_iter()
        .map(|action| Call {
            action: format!("s3:{action}"),
            resource: resource.clone(),
            keys: keys.clone(),
            unread: unread.clone(),
        })
        .collect()
}

/// What is done to one key that is not the one of the request's path: a key of a batch, or a copy's source.
pub(crate) fn call(
    action: &str,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    head: &Request<()>,
    account_id: &str,
) -> Call {
    let mut keys = keys_of(head, account_id);
    keys.extend(version.map(|version| ("s3:VersionId", Value::One(version.to_owned()))));
    let version = if version.is_some() { "Version" } else { "" };
    Call { action: format!("s3:{action}{version}"), resource: object_arn(bucket, key), keys, unread: None }
}

/// Whether a missing object may be told from one that is not to be seen: `ListBucket`, without a prefix.
pub(crate) fn list_call(bucket: &str, head: &Request<()>, account_id: &str) -> Call {
    let keys = keys_of(head, account_id);
    Call { action: "s3:ListBucket".to_owned(), resource: bucket_arn(bucket), keys, unread: None }
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn object_arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

/// The keys that every call of a request has.
fn keys_of(head: &Request<()>, account_id: &str) -> Vec<(&'static str, Value)> {
    let one = |text: &str| Value::One(text.to_owned());
    let is_presigned = !head.headers.contains_key(http::header::AUTHORIZATION);
    let mut keys = vec![
        // All buckets are the account's own.
        ("s3:ResourceAccount", one(account_id)),
        ("s3:authType", one(if is_presigned { "REST-QUERY-STRING" } else { "REST-HEADER" })),
        ("s3:signatureversion", one("AWS4-HMAC-SHA256")),
    ];
    let conditions = [("if-match", "s3:if-match"), ("if-none-match", "s3:if-none-match")];
    for (header, key) in HEADER_KEYS.into_iter().chain(conditions) {
        keys.extend(header_value(&head.headers, header).map(|value| (key, value)));
    }
    keys
}

fn header_value(headers: &HeaderMap, name: &str) -> Option<Value> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    Some(match (values.next(), value.to_str()) {
        (None, Ok(text)) => Value::One(text.to_owned()),
        _ => Value::Unknown(format!("the header {name} stands twice, or is no text")),
    })
}

/// A request's parameters.
struct Query {
    parameters: Vec<(String, String)>,
    unread: Option<String>,
}

impl Query {
    /// Reads them as S3's own parser does: a `+` is a space.
    fn read(query: Option<&str>) -> Self {
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(std::borrow::Cow::into_owned)
        };
        let mut parameters = Vec::new();
        let mut unread = None;
        for parameter in query.unwrap_or_default().split('&').filter(|text| !text.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => {
                    if parameters.iter().any(|(known, _)| *known == name) {
                        unread = Some(format!("the parameter {name} stands twice"));
                    }
                    parameters.push((name, value));
                }
                _ => unread = Some("a parameter is no UTF-8".to_owned()),
            }
        }
        Self { parameters, unread }
    }

    /// Adds a parameter as a condition key. Whether it is there.
    fn one(&self, name: &str, key: &'static str, keys: &mut Vec<(&'static str, Value)>) -> bool {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        keys.extend(found.map(|(_, value)| (key, Value::One(value.clone()))));
        found.is_some()
    }
}

#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;
