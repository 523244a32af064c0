//! The events of `events/checkpoints-delete`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-header", 400),
        ("bad-name", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("foreign-checkpoint", 404),
        ("missing-checkpoint", 404),
        ("only-version-7", 412),
        // Last: the others need what it deletes.
        ("ok", 204),
    ];
    Stack::start().await.expect_statuses("checkpoints-delete", &cases).await;
}

#[tokio::test]
async fn a_deleted_checkpoint_is_gone() {
    let stack = Stack::start().await;
    assert_eq!(stack.event("checkpoints-delete", "ok").await.status, 204);
    assert_eq!(stack.event("checkpoints-delete", "ok").await.status, 404);
}

#[tokio::test]
async fn a_refused_request_deletes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("checkpoints-delete").iter().filter(|(case, _)| case != "ok") {
        stack.event("checkpoints-delete", case).await;
    }
    assert_eq!(stack.contents().await, before);
}
