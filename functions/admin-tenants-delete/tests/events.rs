//! The events of `events/admin-tenants-delete`, through the real binary on the real stack.

use serde_json::{Value, json};
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-grace", 400),
        ("bad-id", 400),
        ("no-operator", 403),
        ("missing-tenant", 404),
        // Last: the others need what it changes.
        ("ok", 202),
    ];
    Stack::start().await.expect_statuses("admin-tenants-delete", &cases).await;
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("admin-tenants-delete").iter().filter(|(case, _)| case != "ok") {
        stack.event("admin-tenants-delete", case).await;
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn the_answer_says_what_becomes_of_the_tenant_and_the_same_again() {
    let stack = Stack::start().await;
    let first = stack.event("admin-tenants-delete", "ok").await;
    let answer: Value = first.json();
    assert_eq!(answer["tenant"]["status"], "deleting");
    assert_eq!(
        answer["offboarding"],
        json!({
            "stage": "export", "requested_at": "2026-11-24T12:00:00Z", "suspended_at": "2026-11-24T12:00:00Z",
            "purge_at": "2026-12-01T12:00:00Z", "next_at": "2026-11-24T13:10:00Z", "standstill": null,
            "export": null,
            "counts": {
                "records": 0, "raw_records": 0, "checkpoints": 0, "raw_checkpoints": 0,
                "files": 0, "bytes": 0,
            },
        })
    );
    let before = stack.contents().await;
    let again = stack.event("admin-tenants-delete", "ok").await;
    assert_eq!((again.status, again.json()), (202, answer));
    assert_eq!(stack.contents().await, before);
    // Who is not served any more is not told more than that.
    assert_eq!(stack.as_tenant("acme", "GET", "/tenant", "").await.status, 403);
}
