//! The events of `events/admin-usage-list`, through the real binary on the real stack.

use serde_json::json;
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [("ok", 200), ("bad-at", 400), ("bad-cursor", 400), ("bad-limit", 400), ("no-operator", 403)];
    let stack = Stack::start().await;
    stack.snap_usage("2026-11-24T11:55:00Z").await;
    stack.expect_statuses("admin-usage-list", &cases).await;
}

#[tokio::test]
async fn where_nobody_is_near_a_limit_nobody_is_listed() {
    let stack = Stack::start().await;
    stack.snap_usage("2026-11-24T11:55:00Z").await;
    let page = stack.event("admin-usage-list", "ok").await.json();
    assert_eq!(page, json!({"items": [], "next_cursor": null}));
}
