//! The events of `events/admin-usage-get`, through the real binary on the real stack.

use serde_json::json;
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases =
        [("ok", 200), ("bad-days", 400), ("bad-id", 400), ("no-operator", 403), ("missing-tenant", 404)];
    let stack = Stack::start().await;
    stack.snap_usage("2026-11-24T11:55:00Z").await;
    stack.expect_statuses("admin-usage-get", &cases).await;
}

#[tokio::test]
async fn each_present_key_is_told_of_without_its_value() {
    let stack = Stack::start().await;
    stack.snap_usage("2026-11-24T11:55:00Z").await;
    let globex = stack.tenant("globex");
    let answer = stack.event("admin-usage-get", "ok").await;
    let expected = json!({
        "items": [{
            "api_key_id": globex.api_key_id, "plan": "standard",
            "quota": {
                "limit": 1_000_000, "used": 0, "remaining": 1_000_000, "period": "MONTH",
                "resets_at": "2026-12-01T00:00:00Z",
            },
            "pace": 0, "as_of": "2026-11-24T11:55:00Z", "days": [],
        }],
        "next_cursor": null,
    });
    assert_eq!(answer.json(), expected);
    assert!(!String::from_utf8_lossy(&answer.body).contains(&globex.api_key));
}
