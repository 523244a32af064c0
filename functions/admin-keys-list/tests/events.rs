//! The events of `events/admin-keys-list`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [("ok", 200), ("bad-id", 400), ("no-operator", 403), ("missing-tenant", 404)];
    Stack::start().await.expect_statuses("admin-keys-list", &cases).await;
}

#[tokio::test]
async fn keys_are_listed_without_their_values() {
    let stack = Stack::start().await;
    let answer = stack.event("admin-keys-list", "ok").await;
    assert_eq!(answer.json()["items"][0]["api_key_id"], stack.tenant("globex").api_key_id);
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!text.contains(&stack.tenant("globex").api_key), "{text}");
}
