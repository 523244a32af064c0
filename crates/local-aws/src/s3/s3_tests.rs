//! What the local S3 makes of requests' heads, of checksums and of conditions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use proptest::prelude::*;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{ETag, ETagCondition, Timestamp};
use stack_template::CorsRule;

use super::conditions::ReadConditions;
use super::store::Object;
use super::sums::PartSum;
use super::*;
use crate::testing::{self, now};

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
    testing::request(method, uri, headers, "").without_body().0
}

fn rule(methods: &[&str], origin: &str, headers: &[&str]) -> CorsRule {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    CorsRule {
        allowed_methods: owned(methods),
        allowed_origins: owned(&[origin]),
        allowed_headers: owned(headers),
        expose_headers: Vec::new(),
        max_age: None,
    }
}

/// One bucket, with a rule for an application, one for its subdomains, and one for everybody.
fn buckets() -> BTreeMap<String, Bucket> {
    let app = CorsRule {
        expose_headers: vec!["ETag".to_owned(), "x-amz-request-id".to_owned()],
        max_age: Some(Duration::from_mins(50)),
        ..rule(&["GET", "PUT"], "https://app.example.com", &["content-type", "X-Amz-*"])
    };
    let cors = vec![app, rule(&["GET"], "https://*.example.org", &["*"]), rule(&["HEAD"], "*", &[])];
    let bucket = Bucket {
        logical_id: "FilesBucket".to_owned(),
        name: "files".to_owned(),
        cors,
        abort_uploads_after: None,
    };
    [(bucket.name.clone(), bucket)].into()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().expect("text"))
}

#[test]
fn an_answer_may_be_read_by_the_origins_of_the_buckets_rules_alone() {
    for (method, uri, host, origin, allowed) in [
        ("GET", "/files/t/acme/a", "h", "https://app.example.com", Some("https://app.example.com")),
        (
            "PUT",
            "/files/t/acme/a?partNumber=1",
            "h",
            "https://app.example.com",
            Some("https://app.example.com"),
        ),
        (
            "GET",
            "/t/acme/a",
            "files.localhost:4566",
            "https://app.example.com",
            Some("https://app.example.com"),
        ),
        ("GET", "/files", "h", "https://a.example.org", Some("https://a.example.org")),
        ("HEAD", "/files/a", "h", "https://anybody.example", Some("*")),
        ("DELETE", "/files/a", "h", "https://app.example.com", None),
        ("PUT", "/files/a", "h", "https://a.example.org", None),
        ("GET", "/files/a", "h", "https://app.example.com.evil.example", None),
        ("GET", "/files/a", "h", "https://example.org", None),
        ("GET", "/files/a", "h", "https://APP.example.com", None),
        ("GET", "/files/a", "h", "null", None),
        ("GET", "/others/a", "h", "https://app.example.com", None),
        ("GET", "/files/a", "others.localhost", "https://app.example.com", None),
        ("GET", "/", "h", "https://app.example.com", None),
    ] {
        let headers = cors::headers(&buckets(), &head(method, uri, &[("host", host), ("origin", origin)]));
        assert_eq!(text(&headers, "access-control-allow-origin"), allowed, "{method} {uri} {origin}");
        assert_eq!(headers.is_empty(), allowed.is_none());
    }
    assert!(cors::headers(&buckets(), &head("GET", "/files/a", &[])).is_empty(), "no origin");
}

#[test]
fn an_answer_tells_a_page_what_it_may_read_and_do() {
    let asked = head("GET", "/files/a", &[("origin", "https://app.example.com")]);
    let headers = cors::headers(&buckets(), &asked);
    assert_eq!(text(&headers, "access-control-expose-headers"), Some("ETag, x-amz-request-id"));
    assert_eq!(text(&headers, "access-control-allow-methods"), Some("GET, PUT"));
    assert_eq!(text(&headers, "access-control-allow-credentials"), None);
    assert!(text(&headers, "vary").expect("Vary").contains("Origin"));
}

#[test]
fn a_preflight_is_allowed_what_one_rule_allows_altogether() {
    let ask = |origin: &str, method: &str, wanted: Option<&str>| {
        let mut headers = vec![("origin", origin), ("access-control-request-method", method)];
        headers.extend(wanted.map(|wanted| ("access-control-request-headers", wanted)));
        cors::preflight(&buckets(), &head("OPTIONS", "/files/t/acme/a?X-Amz-Signature=0", &headers))
    };
    let wanted = "content-type, x-amz-checksum-sha256,X-AMZ-DATE";
    let answer = ask("https://app.example.com", "PUT", Some(wanted));
    assert_eq!(answer.status(), 200);
    assert_eq!(text(answer.headers(), "access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(text(answer.headers(), "access-control-allow-headers"), Some(wanted));
    assert_eq!(text(answer.headers(), "access-control-max-age"), Some("3000"));
    assert!(answer.body().is_empty());
    assert_eq!(ask("https://app.example.com", "GET", None).status(), 200);
    assert_eq!(ask("https://a.example.org", "GET", Some("anything, at-all")).status(), 200);
    for (origin, method, wanted) in [
        ("https://app.example.com", "DELETE", None),
        ("https://app.example.com", "PUT", Some("content-type,authorization")),
        ("https://app.example.com", "put", None),
        ("https://a.example.org", "PUT", None),
        ("https://anybody.example", "GET", None),
        ("https://anybody.example", "HEAD", Some("range")),
    ] {
        let answer = ask(origin, method, wanted);
        assert_eq!(answer.status(), 403, "{origin} {method} {wanted:?}");
        assert_eq!(text(answer.headers(), "access-control-allow-origin"), None);
    }
    let only_origin = head("OPTIONS", "/files/a", &[("origin", "https://app.example.com")]);
    assert_eq!(cors::preflight(&buckets(), &only_origin).status(), 400);
    let only_method = head("OPTIONS", "/files/a", &[("access-control-request-method", "PUT")]);
    assert_eq!(cors::preflight(&buckets(), &only_method).status(), 400);
}

fn passed_on(head: &Request<()>, is_chunked: bool) -> Result<s3s::HttpRequest, Refusal> {
    request::of(head, s3s::Body::empty(), is_chunked)
}

#[test]
fn a_request_is_passed_on_as_it_was_signed_and_without_its_signature() {
    let signed = [
        ("authorization", "AWS4-HMAC-SHA256 Credential=a"),
        ("x-amz-security-token", "token"),
        ("x-amz-meta-name", "value"),
        ("host", "127.0.0.1:4566"),
    ];
    for (uri, kept) in [
        ("/files/a%20b//../c%2Fd", "/files/a%20b//../c%2Fd"),
        ("/files/a?partNumber=1&uploadId=b%2Bc", "/files/a?partNumber=1&uploadId=b%2Bc"),
        ("/files/a?X-Amz-Signature=0&x-id=GetObject&X-Amz-Date=1", "/files/a?x-id=GetObject"),
        ("/files/a?%58-Amz-Signature=0&X%2dAmz-Security-Token=t&uploads", "/files/a?uploads"),
        (
            "/files/a?X-Amz-Algorithm=a&X-Amz-Credential=a&X-Amz-Expires=1&X-Amz-SignedHeaders=host",
            "/files/a",
        ),
        ("/files?&prefix=X-Amz-Signature&&", "/files?prefix=X-Amz-Signature"),
        ("/?", "/"),
    ] {
        let request = passed_on(&head("PUT", uri, &signed), false).expect("a request");
        assert_eq!((request.method().as_str(), request.uri().to_string()), ("PUT", kept.to_owned()));
        assert_eq!(text(request.headers(), "x-amz-meta-name"), Some("value"));
        for name in ["authorization", "x-amz-security-token"] {
            assert_eq!(text(request.headers(), name), None, "{name}");
        }
    }
}

#[test]
fn a_bucket_in_the_name_of_the_host_is_the_first_of_the_path() {
    for (host, uri, passed) in [
        ("files.localhost:4566", "/t/acme/a?acl", "/files/t/acme/a?acl"),
        ("files.localhost", "/", "/files/"),
        ("my.files.localhost:4566", "/a", "/my.files/a"),
        ("localhost:4566", "/files/a", "/files/a"),
        ("127.0.0.1:4566", "/files/a", "/files/a"),
        ("files.localhost.example", "/files/a", "/files/a"),
    ] {
        let request = passed_on(&head("GET", uri, &[("host", host)]), false).expect("a request");
        assert_eq!(request.uri(), passed, "{host}");
    }
}

#[test]
fn a_host_that_names_no_valid_bucket_is_refused() {
    for host in [".localhost", "a.localhost", "Files.localhost", "files/t.localhost", "files?t.localhost:80"]
    {
        let refused = passed_on(&head("GET", "/a", &[("host", host)]), false);
        assert!(matches!(refused, Err(Refusal::Invalid("InvalidBucketName", _))), "{host}");
    }
}

#[test]
fn a_range_or_a_time_that_cannot_be_read_counts_as_none() {
    for (name, value, is_kept) in [
        ("range", "bytes=0-4", true),
        ("range", "bytes=4-", true),
        ("range", "bytes=-4", true),
        ("range", "bytes=4-0", false),
        ("range", "bytes=0-1,3-4", false),
        ("range", "bytes=", false),
        ("range", "bytes=a-b", false),
        ("range", "lines=1-2", false),
        ("if-modified-since", "Tue, 24 Nov 2026 12:00:00 GMT", true),
        ("if-modified-since", "yesterday", false),
        ("if-unmodified-since", "2026-11-24T12:00:00Z", false),
        ("if-none-match", "no tag", true),
    ] {
        let request = passed_on(&head("GET", "/files/a", &[(name, value)]), false).expect("a request");
        assert_eq!(text(request.headers(), name), is_kept.then_some(value), "{name}: {value}");
    }
}

#[test]
fn an_upload_of_a_form_is_refused() {
    for content_type in ["multipart/form-data; boundary=a", " Multipart/Form-Data"] {
        let refused = passed_on(&head("POST", "/files", &[("content-type", content_type)]), false);
        assert!(matches!(refused, Err(Refusal::UnsupportedService(_))), "{content_type}");
    }
    let xml = head("POST", "/files?delete", &[("content-type", "application/xml")]);
    assert!(passed_on(&xml, false).is_ok());
}

#[test]
fn a_body_in_chunks_keeps_the_signature_that_its_chunks_go_on_from() {
    let headers = [("authorization", "AWS4-HMAC-SHA256 Credential=a"), ("x-amz-security-token", "token")];
    let request = passed_on(&head("PUT", "/files/a?x-id=PutObject", &headers), true).expect("a request");
    assert_eq!(request.uri(), "/files/a?x-id=PutObject");
    for (name, value) in headers {
        assert_eq!(text(request.headers(), name), Some(value));
    }
    let in_host = passed_on(&head("PUT", "/a", &[("host", "files.localhost")]), true);
    assert!(matches!(in_host, Err(Refusal::UnsupportedService(_))));
}

fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = ChecksumHasher::default();
    algorithm.begin(&mut hasher);
    hasher.update(bytes);
    algorithm.of(&hasher.finalize()).expect("it was begun").to_owned()
}

fn part(algorithm: Algorithm, bytes: &[u8]) -> PartSum {
    PartSum { size: bytes.len() as u64, sum: Some(sum(algorithm, bytes)) }
}

/// The check values of the algorithms: their checksums of `123456789`.
const CHECKS: [(Algorithm, &str); 5] = [
    (Algorithm::Crc32, "y/Q5Jg=="),
    (Algorithm::Crc32c, "4waSgw=="),
    (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
    (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
    (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
];

#[test]
fn every_algorithm_gives_its_check_value_whole_and_combined() {
    for (algorithm, check) in CHECKS {
        assert_eq!(sum(algorithm, b"123456789"), check, "{algorithm:?}");
        assert_eq!(STANDARD.decode(check).expect("base 64").len(), algorithm.length());
        let parts = [part(algorithm, b"1234"), part(algorithm, b"56789")];
        let combined = algorithm.combined(&parts);
        assert_eq!(combined, algorithm.can_be_combined().then(|| check.to_owned()), "{algorithm:?}");
        assert_eq!(Algorithm::parse(&algorithm.as_str().to_lowercase()), Some(algorithm));
    }
    assert_eq!(Algorithm::parse("MD5"), None);
}

#[test]
fn a_composite_checksum_is_that_of_the_parts_checksums_with_their_number() {
    for (algorithm, check) in CHECKS {
        let parts = [part(algorithm, b"1234"), part(algorithm, b"56789"), part(algorithm, b"123456789")];
        let decode = |text: &str| STANDARD.decode(text).expect("base 64");
        let all: Vec<u8> =
            [decode(&sum(algorithm, b"1234")), decode(&sum(algorithm, b"56789")), decode(check)].concat();
        assert_eq!(algorithm.composite(&parts), Some(format!("{}-3", sum(algorithm, &all))));
    }
}

#[test]
fn parts_without_a_checksum_have_none_together() {
    for (algorithm, _) in CHECKS {
        for missing in [None, Some("no base 64".to_owned())] {
            let parts = [part(algorithm, b"1"), PartSum { size: 1, sum: missing }];
            assert_eq!((algorithm.composite(&parts), algorithm.combined(&parts)), (None, None));
        }
        assert_eq!(algorithm.combined(&[]), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn combined_checksums_are_those_of_the_whole(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
    ) {
        let whole = parts.concat();
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| algorithm.can_be_combined()) {
            let sums: Vec<PartSum> = parts.iter().map(|bytes| part(algorithm, bytes)).collect();
            prop_assert_eq!(algorithm.combined(&sums), Some(sum(algorithm, &whole)));
        }
    }
}

/// An object that was changed half a second after [`now`].
fn object() -> Object {
    Object {
        size: 1,
        etag: "etag".to_owned(),
        modified: now() + Duration::from_millis(500),
        segments: Vec::new(),
        attributes: Attributes::default(),
    }
}

fn tagged(text: &str) -> Option<ETagCondition> {
    (!text.is_empty()).then(|| match text {
        "*" => ETagCondition::Any,
        text => ETagCondition::ETag(ETag::Strong(text.to_owned())),
    })
}

#[test]
fn conditions_hold_in_the_order_of_rfc_9110() {
    let at = |seconds: i64| {
        let offset = Duration::from_secs(seconds.unsigned_abs());
        Some(Timestamp::from(if seconds < 0 { now() - offset } else { now() + offset }))
    };
    for (if_match, unmodified, if_none_match, modified, status) in [
        ("", None, "", None, 200),
        ("etag", None, "", None, 200),
        ("*", None, "", None, 200),
        ("other", None, "", None, 412),
        ("", at(0), "", None, 200),
        ("", at(1), "", None, 200),
        ("", at(-1), "", None, 412),
        ("etag", at(-1), "", None, 200),
        ("other", at(1), "", None, 412),
        ("", None, "etag", None, 304),
        ("", None, "*", None, 304),
        ("", None, "other", None, 200),
        ("", None, "", at(0), 304),
        ("", None, "", at(1), 304),
        ("", None, "", at(-1), 200),
        ("", None, "other", at(1), 200),
        ("", None, "etag", at(-1), 304),
        ("etag", None, "etag", None, 304),
        ("other", None, "etag", None, 412),
        ("", at(-1), "", at(1), 412),
        ("etag", at(-1), "other", at(1), 200),
    ] {
        let said = format!("{if_match} {unmodified:?} {if_none_match} {modified:?}");
        let conditions = ReadConditions {
            matching: tagged(if_match),
            matching_not: tagged(if_none_match),
            modified_since: modified,
            unmodified_since: unmodified,
        };
        let answer = |checked: s3s::S3Result<()>| match checked {
            Ok(()) => 200,
            Err(error) => error.status_code().expect("a status").as_u16(),
        };
        assert_eq!(answer(conditions.check(&object())), status, "{said}");
        // A copy has nothing to answer from a cache.
        let of_a_copy = if status == 304 { 412 } else { status };
        assert_eq!(answer(conditions.check_source(&object())), of_a_copy, "{said}");
    }
}

#[test]
fn an_answer_that_nothing_has_changed_tells_the_tag_and_the_time() {
    let conditions = ReadConditions { matching_not: tagged("*"), ..ReadConditions::default() };
    let error = conditions.check(&object()).expect_err("it is there");
    let headers = error.headers().expect("headers");
    assert_eq!(text(headers, "etag"), Some("\"etag\""));
    assert_eq!(text(headers, "last-modified"), Some("Tue, 24 Nov 2026 12:00:00 GMT"));
}
