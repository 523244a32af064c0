//! The events of `events/checkpoints-put`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 201),
        ("bad-header", 400),
        ("bad-name", 400),
        ("not-json", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        // `If-Match: *` on a checkpoint that is another key's: for the caller there is none.
        ("foreign-checkpoint", 412),
        ("only-if-new", 412),
        ("only-version-7", 412),
        ("too-large", 413),
        ("bad-body", 422),
    ];
    Stack::start().await.expect_statuses("checkpoints-put", &cases).await;
}

#[tokio::test]
async fn a_checkpoint_is_created_with_its_place_and_replaced_with_the_next_version() {
    let stack = Stack::start().await;
    let first = stack.event("checkpoints-put", "ok").await;
    let second = stack.event("checkpoints-put", "ok").await;
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!((first.header("etag"), second.header("etag")), ("\"1\"", "\"2\""));
    assert_eq!((first.header("location"), second.header("location")), ("/v1/checkpoints/import", ""));
    let expected = r#"{"name":"import","version":1,"updated_at":"2026-11-24T12:00:00Z","value":{"page":7}}"#;
    assert_eq!(String::from_utf8_lossy(&first.body), expected);
}

#[tokio::test]
async fn a_refused_request_writes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("checkpoints-put").iter().filter(|(case, _)| case != "ok") {
        stack.event("checkpoints-put", case).await;
    }
    assert_eq!(stack.contents().await, before);
}
