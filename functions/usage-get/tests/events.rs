//! The events of `events/usage-get`, through the real binary on the real stack.

use serde_json::json;
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [("ok", 200), ("no-key", 403), ("suspended-tenant", 403), ("unknown-key", 403)];
    let stack = Stack::start().await;
    stack.snap_usage("2026-11-24T11:55:00Z").await;
    stack.expect_statuses("usage-get", &cases).await;
}

#[tokio::test]
async fn the_answer_tells_of_the_calling_key_and_its_plan() {
    let stack = Stack::start().await;
    stack.snap_usage("2026-11-24T11:55:00Z").await;
    let answer = stack.event("usage-get", "ok").await;
    let mut body = answer.json();
    let routes = body["routes"].take();
    let expected = json!({
        "api_key_id": stack.tenant("globex").api_key_id, "plan": "standard",
        "quota": {
            "limit": 1_000_000, "used": 0, "remaining": 1_000_000, "period": "MONTH",
            "resets_at": "2026-12-01T00:00:00Z",
        },
        "throttle": {"rate": 100.0, "burst": 500}, "routes": null, "as_of": "2026-11-24T11:55:00Z",
    });
    assert_eq!(body, expected);
    let routes = routes.as_array().expect("routes").clone();
    let own = json!({"method": "GET", "path": "/usage", "rate": 50.0, "burst": 100});
    assert!(routes.contains(&own), "{routes:?}");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
}
