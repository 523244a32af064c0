//! The events of `events/admin-tenants-create`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 201),
        // Its table and bucket are made afterwards.
        ("ok-siloed", 202),
        // A tenant's key gives no access to the control plane, even where it reaches the function.
        ("no-operator", 403),
        ("existing-tenant", 409),
        ("bad-body", 422),
        ("unknown-member", 422),
        ("unknown-tier", 422),
    ];
    Stack::start().await.expect_statuses("admin-tenants-create", &cases).await;
}

#[tokio::test]
async fn a_refused_request_makes_no_tenant_and_no_key() {
    let stack = Stack::start().await;
    let before = (stack.contents().await, keys(&stack).await);
    for (case, _) in Stack::cases("admin-tenants-create").iter().filter(|(case, _)| !case.starts_with("ok")) {
        stack.event("admin-tenants-create", case).await;
    }
    assert_eq!((stack.contents().await, keys(&stack).await), before);
}

#[tokio::test]
async fn one_answer_names_all_that_is_wrong() {
    let answer = Stack::start().await.event("admin-tenants-create", "bad-body").await.json();
    let pointers: Vec<_> =
        answer["errors"].as_array().expect("errors").iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, ["/tenant_id", "/name", "/email"]);
}

async fn keys(stack: &Stack) -> Vec<String> {
    let keys = stack.api_gateway().get_api_keys().send().await.expect("the keys can be listed");
    keys.items().iter().filter_map(|key| key.name().map(str::to_owned)).collect()
}
