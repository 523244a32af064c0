//! The events of `events/records-create`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 201),
        ("idempotent", 201),
        ("bad-collection", 400),
        ("bad-idempotency-key", 400),
        ("not-json", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("not-an-object", 422),
        ("number-too-long", 422),
    ];
    Stack::start().await.expect_statuses("records-create", &cases).await;
}

#[tokio::test]
async fn a_new_record_says_where_it_is_and_keeps_its_numbers() {
    let stack = Stack::start().await;
    let answer = stack.event("records-create", "ok").await;
    let body = String::from_utf8(answer.body.to_vec()).expect("text");
    assert!(body.contains(r#""data":{"stars":4.5,"title":"A note"}"#), "{body}");
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("location"), format!("/v1/records/notes/{id}"));
    assert_eq!((answer.header("etag"), answer.json()["version"].as_u64()), ("\"1\"", Some(1)));
}

#[tokio::test]
async fn a_refused_request_writes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for case in [
        "bad-collection",
        "bad-idempotency-key",
        "not-json",
        "no-key",
        "suspended-tenant",
        "unknown-key",
        "not-an-object",
        "number-too-long",
    ] {
        stack.event("records-create", case).await;
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_number_that_would_not_come_back_is_named_by_its_pointer() {
    let answer = Stack::start().await.event("records-create", "number-too-long").await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "/n/pi");
}

#[tokio::test]
async fn an_event_that_comes_twice_with_its_key_makes_one_record() {
    let stack = Stack::start().await;
    let first = stack.event("records-create", "idempotent").await;
    let before = stack.contents().await;
    let again = stack.event("records-create", "idempotent").await;
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!((again.status, again.body), (201, first.body));
    for header in ["location", "etag", "content-type"] {
        assert_eq!(again.headers.get(header), first.headers.get(header), "{header}");
    }
    assert_eq!(stack.contents().await, before);
}
