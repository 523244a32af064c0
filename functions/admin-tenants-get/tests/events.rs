//! The events of `events/admin-tenants-get`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [("ok", 200), ("bad-id", 400), ("no-operator", 403), ("missing-tenant", 404)];
    Stack::start().await.expect_statuses("admin-tenants-get", &cases).await;
}

#[tokio::test]
async fn a_tenant_is_shown_with_its_keys_but_never_their_values() {
    let stack = Stack::start().await;
    let answer = stack.event("admin-tenants-get", "ok").await;
    let body = answer.json();
    assert_eq!(body["tenant"]["status"], "active");
    assert_eq!(body["keys"][0]["api_key_id"], stack.tenant("globex").api_key_id);
    assert_eq!(body["keys"][0]["status"], "active");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!text.contains(&stack.tenant("globex").api_key), "{text}");
}
