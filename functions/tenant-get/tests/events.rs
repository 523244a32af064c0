//! The events of `events/tenant-get`, through the real binary on the real stack.

use serde_json::json;
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [("ok", 200), ("no-key", 403), ("suspended-tenant", 403), ("unknown-key", 403)];
    Stack::start().await.expect_statuses("tenant-get", &cases).await;
}

#[tokio::test]
async fn the_answer_is_the_callers_tenant_and_no_more() {
    let stack = Stack::start().await;
    let answer = stack.event("tenant-get", "ok").await;
    let mut body = answer.json();
    let created_at = body["created_at"].take();
    assert!(created_at.as_str().is_some_and(|text| text.ends_with('Z')), "{created_at}");
    let expected = json!({
        "tenant_id": "globex", "name": "globex", "tier": "standard", "isolation": "pooled", "status": "active",
        "created_at": null, "api_key_id": stack.tenant("globex").api_key_id,
    });
    assert_eq!(body, expected);
    assert_eq!(answer.header("cache-control"), "private, no-cache");
}

#[tokio::test]
async fn a_suspended_tenant_is_told_so_and_an_unknown_key_is_not_told_why() {
    let stack = Stack::start().await;
    assert_eq!(
        stack.event("tenant-get", "suspended-tenant").await.json()["type"],
        "urn:tenantry:problem:tenant-suspended"
    );
    let unknown = stack.event("tenant-get", "unknown-key").await;
    let absent = stack.event("tenant-get", "no-key").await;
    assert_eq!(unknown.json()["type"], "urn:tenantry:problem:forbidden");
    assert_eq!(unknown.likeness(), absent.likeness());
}
