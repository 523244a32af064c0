//! The events of `events/admin-keys-delete`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-force", 400),
        ("no-operator", 403),
        ("foreign-key", 404),
        ("missing-tenant", 404),
        ("last-key", 409),
        // Last: the others need what it changes.
        ("ok", 204),
    ];
    Stack::start().await.expect_statuses("admin-keys-delete", &cases).await;
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("admin-keys-delete").iter().filter(|(case, _)| case != "ok") {
        stack.event("admin-keys-delete", case).await;
    }
    assert_eq!(stack.contents().await, before);
}
