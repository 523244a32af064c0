//! The events of `events/records-put`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 201),
        ("bad-header", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        // `If-Match: *` on a record that is another tenant's: for the caller there is none.
        ("foreign-record", 412),
        ("only-if-new", 412),
        ("only-version-7", 412),
        ("bad-body", 422),
    ];
    Stack::start().await.expect_statuses("records-put", &cases).await;
}

#[tokio::test]
async fn a_replaced_record_counts_its_version_and_keeps_its_birth() {
    let stack = Stack::start().await;
    let first = stack.event("records-put", "ok").await;
    let second = stack.event("records-put", "ok").await;
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!((first.header("etag"), second.header("etag")), ("\"1\"", "\"2\""));
    assert_eq!(first.json()["created_at"], second.json()["created_at"]);
}

#[tokio::test]
async fn a_refused_request_writes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("records-put").iter().filter(|(case, _)| case != "ok") {
        stack.event("records-put", case).await;
    }
    assert_eq!(stack.contents().await, before);
}
