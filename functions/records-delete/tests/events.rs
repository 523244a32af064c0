//! The events of `events/records-delete`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 204),
        ("bad-id", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("foreign-record", 404),
        ("missing-record", 404),
        ("only-version-7", 412),
    ];
    Stack::start().await.expect_statuses("records-delete", &cases).await;
}

#[tokio::test]
async fn a_deleted_record_is_gone() {
    let stack = Stack::start().await;
    assert_eq!(stack.event("records-delete", "ok").await.status, 204);
    assert_eq!(stack.event("records-delete", "ok").await.status, 404);
}

#[tokio::test]
async fn a_refused_request_deletes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("records-delete").iter().filter(|(case, _)| case != "ok") {
        stack.event("records-delete", case).await;
    }
    assert_eq!(stack.contents().await, before);
}
