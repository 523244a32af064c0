//! The events of `events/files-create`, through the real binary on the real stack.

use serde_json::{Value, json};
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 201),
        ("multipart", 201),
        ("overwrite", 201),
        ("idempotent", 201),
        ("multipart-idempotent", 201),
        // For S3 the dots are part of the name, so that it stays under the caller's prefix.
        ("foreign-file", 201),
        ("bad-idempotency-key", 400),
        ("not-json", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("existing-file", 409),
        ("bad-body", 422),
        ("checksum-of-parts", 422),
        ("missing-members", 422),
        ("too-large", 422),
        ("unknown-member", 422),
    ];
    Stack::start().await.expect_statuses("files-create", &cases).await;
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn an_upload_signs_length_type_checksum_and_that_the_file_is_new() {
    let stack = Stack::start().await;
    let answer = stack.event("files-create", "ok").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut body = answer.json();
    let url = body["upload"]["url"].take();
    assert!(text(&url).contains(&stack.state().buckets["files"]), "{url}");
    let expected = json!({
        "name": "notes/today.txt",
        "upload": {
            "method": "PUT",
            "url": null,
            "headers": {
                "content-length": "12",
                "content-type": "text/plain; charset=utf-8",
                "if-none-match": "*",
                "x-amz-checksum-sha256": "C+8IQr6XzPJRe71YBoFTJBDkyOQYmeJFb8v3llCkIzE=",
            },
            "expires_at": "2026-11-24T12:15:00Z",
        },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_was_signed_can_be_uploaded_once_and_nothing_else() {
    let stack = Stack::start().await;
    let upload = stack.event("files-create", "ok").await.json()["upload"].take();
    let second = stack.event("files-create", "ok").await.json()["upload"].take();
    // Other bytes of the same length have another checksum.
    assert_eq!(testkit::upload(&upload, "Hello, globe").await.status, 400);
    assert_eq!(testkit::upload(&upload, "Hello, acme\n").await.status, 200);
    assert_eq!(testkit::upload(&upload, "Hello, acme\n").await.status, 412);
    assert_eq!(testkit::upload(&second, "Hello, acme\n").await.status, 412);
    assert_eq!(stack.event("files-create", "ok").await.status, 409);
    let file = stack.as_tenant("acme", "GET", "/files/notes/today.txt", "").await.json();
    assert_eq!((&file["size"], text(&file["content_type"])), (&json!(12), "text/plain; charset=utf-8"));
}

#[tokio::test]
async fn what_may_be_overwritten_is_not_signed_to_be_new() {
    let stack = Stack::start().await;
    let upload = stack.event("files-create", "overwrite").await.json()["upload"].take();
    assert_eq!(upload["headers"], json!({"content-length": "12", "content-type": "text/plain"}));
    assert_eq!(testkit::upload(&upload, "Hello, acme\n").await.status, 200);
    let file = stack.as_tenant("acme", "GET", "/files/welcome.txt", "").await.json();
    let download = testkit::request("GET", text(&file["download"]["url"]), &[], "").await.expect("an answer");
    assert_eq!((download.status, &download.body[..]), (200, &b"Hello, acme\n"[..]));
}

#[tokio::test]
async fn a_large_file_is_uploaded_in_parts_that_make_up_its_size() {
    let stack = Stack::start().await;
    let answer = stack.event("files-create", "multipart").await;
    let body = answer.json();
    let plan = &body["multipart"];
    assert_eq!((answer.header("cache-control"), &body["upload"]), ("no-store", &Value::Null));
    assert!(!text(&plan["upload_id"]).is_empty());
    assert_eq!((&plan["part_size"], text(&plan["expires_at"])), (&json!(16 << 20), "2026-11-24T13:00:00Z"));
    let parts = plan["parts"].as_array().expect("parts");
    let numbers: Vec<_> = parts.iter().map(|part| part["number"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let lengths = parts.iter().map(|part| text(&part["headers"]["content-length"]).parse::<u64>());
    assert_eq!(lengths.sum::<Result<u64, _>>(), Ok(100_000_000));
}

#[tokio::test]
async fn an_event_that_comes_twice_with_its_key_begins_one_upload() {
    let stack = Stack::start().await;
    for (case, plan) in [("idempotent", "upload"), ("multipart-idempotent", "multipart")] {
        let first = stack.event("files-create", case).await;
        let before = stack.contents().await;
        let again = stack.event("files-create", case).await;
        let replayed = (first.header("idempotency-replayed"), again.header("idempotency-replayed"));
        assert_eq!((again.status, replayed), (201, ("", "true")), "{case}");
        assert!(again.json()[plan].is_object(), "{case}");
        assert_eq!(again.json()[plan]["upload_id"], first.json()[plan]["upload_id"], "{case}");
        assert_eq!(again.header("cache-control"), "no-store");
        assert_eq!(stack.contents().await, before, "{case}");
    }
}

#[tokio::test]
async fn dots_in_a_name_lead_nowhere_else() {
    let stack = Stack::start().await;
    let upload = stack.event("files-create", "foreign-file").await.json()["upload"].take();
    assert_eq!(testkit::upload(&upload, "Hello, acme\n").await.status, 200);
    let theirs = stack.as_tenant("globex", "GET", "/files", "").await.json();
    assert_eq!(
        (theirs["items"].as_array().map(Vec::len), &theirs["items"][0]["size"]),
        (Some(1), &json!(10))
    );
    let own = stack.as_tenant("acme", "GET", "/files?prefix=..%2F", "").await.json();
    assert_eq!(own["items"][0]["name"], "../globex/launch");
}

#[tokio::test]
async fn one_answer_names_all_that_is_wrong() {
    let stack = Stack::start().await;
    for (case, pointers) in [
        ("bad-body", &["/content_type", "/name", "/overwrite", "/sha256", "/size"][..]),
        ("missing-members", &["/name", "/size", "/content_type"]),
        ("checksum-of-parts", &["/sha256"]),
        ("unknown-member", &["/owner"]),
    ] {
        let answer = stack.event("files-create", case).await.json();
        let errors = answer["errors"].as_array().expect("errors").iter();
        let found: Vec<_> = errors.map(|error| text(&error["pointer"])).collect();
        assert_eq!(found, pointers, "{case}");
    }
}

#[tokio::test]
async fn a_file_beyond_the_tiers_limit_is_refused_with_the_limit() {
    let answer = Stack::start().await.event("files-create", "too-large").await.json();
    assert_eq!(answer["errors"][0]["pointer"], "/size");
    assert!(text(&answer["errors"][0]["detail"]).contains("104857600"), "{answer}");
}

#[tokio::test]
async fn no_file_is_there_before_its_bytes_are() {
    let stack = Stack::start().await;
    let before = stack.as_tenant("acme", "GET", "/files", "").await.json();
    for (case, _) in Stack::cases("files-create") {
        stack.event("files-create", &case).await;
    }
    assert_eq!(stack.as_tenant("acme", "GET", "/files", "").await.json(), before);
}
