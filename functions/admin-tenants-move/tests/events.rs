//! The events of `events/admin-tenants-move`, through the real binary on the real stack.

use serde_json::{Value, json};
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-id", 400),
        ("no-operator", 403),
        ("missing-tenant", 404),
        ("nothing-to-abandon", 409),
        ("siloed-tenant", 409),
        ("bad-body", 422),
        // Last: the others need what it changes.
        ("ok", 202),
    ];
    Stack::start().await.expect_statuses("admin-tenants-move", &cases).await;
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("admin-tenants-move").iter().filter(|(case, _)| case != "ok") {
        stack.event("admin-tenants-move", case).await;
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn the_answer_says_where_the_move_stands_and_the_same_again() {
    let stack = Stack::start().await;
    let first = stack.event("admin-tenants-move", "ok").await;
    let answer: Value = first.json();
    assert_eq!(
        (&answer["tenant"]["status"], &answer["tenant"]["isolation"]),
        (&json!("active"), &json!("pooled"))
    );
    assert_eq!(
        answer["move"],
        json!({
            "stage": "silo", "requested_at": "2026-11-24T12:00:00Z", "next_at": "2026-11-24T12:00:00Z",
            "standstill": null, "copied": {"records": 0, "files": 0, "bytes": 0}, "compared": null,
            "paused_at": null, "pause_seconds": null, "longest_pause_seconds": 900,
        })
    );
    let before = stack.contents().await;
    let again = stack.event("admin-tenants-move", "ok").await;
    assert_eq!((again.status, again.json()), (202, answer));
    assert_eq!(stack.contents().await, before);
}
