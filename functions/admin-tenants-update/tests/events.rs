//! The events of `events/admin-tenants-update`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-id", 400),
        ("no-operator", 403),
        ("missing-tenant", 404),
        ("only-version-7", 412),
        ("bad-body", 422),
        ("unknown-tier", 422),
        // Last: the others need what it changes.
        ("ok", 200),
    ];
    Stack::start().await.expect_statuses("admin-tenants-update", &cases).await;
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("admin-tenants-update").iter().filter(|(case, _)| case != "ok") {
        stack.event("admin-tenants-update", case).await;
    }
    assert_eq!(stack.contents().await, before);
}
