//! The events of `events/admin-keys-create`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-id", 400),
        ("no-operator", 403),
        ("missing-tenant", 404),
        ("foreign-key", 404),
        ("suspended-tenant", 409),
        ("bad-body", 422),
        // Last: the others need what it changes.
        ("ok", 201),
    ];
    Stack::start().await.expect_statuses("admin-keys-create", &cases).await;
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("admin-keys-create").iter().filter(|(case, _)| case != "ok") {
        stack.event("admin-keys-create", case).await;
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn the_answer_alone_tells_the_value_and_no_cache_keeps_it() {
    let stack = Stack::start().await;
    let answer = stack.event("admin-keys-create", "ok").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let made = answer.json();
    let value = made["api_key"]["value"].as_str().expect("a value");
    assert_eq!(stack.call(value, "GET", "/tenant", &[], "").await.json()["tenant_id"], "acme");
    assert_eq!(made["keys"].as_array().map(Vec::len), Some(2));
}
