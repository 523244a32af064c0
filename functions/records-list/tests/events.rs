//! The events of `events/records-list`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 200),
        // Another tenant's collection is an empty one.
        ("foreign-record", 200),
        ("bad-cursor", 400),
        ("bad-limit", 400),
        ("bad-order", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
    ];
    Stack::start().await.expect_statuses("records-list", &cases).await;
}

#[tokio::test]
async fn a_page_is_in_the_order_of_ids_and_another_tenants_is_empty() {
    let stack = Stack::start().await;
    let page = stack.event("records-list", "ok").await.json();
    let ids: Vec<_> =
        page["items"].as_array().expect("items").iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, ["first", "second"]);
    assert!(page["next_cursor"].is_string());
    let foreign = stack.event("records-list", "foreign-record").await.json();
    assert_eq!(foreign, serde_json::json!({"items": [], "next_cursor": null}));
}
