//! The events of `events/admin-tenants-list`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [("ok", 200), ("bad-limit", 400), ("bad-cursor", 400), ("no-operator", 403)];
    Stack::start().await.expect_statuses("admin-tenants-list", &cases).await;
}

#[tokio::test]
async fn a_page_holds_the_active_tenants_in_the_order_of_their_ids() {
    let page = Stack::start().await.event("admin-tenants-list", "ok").await.json();
    let ids: Vec<_> =
        page["items"].as_array().expect("items").iter().map(|item| &item["tenant_id"]).collect();
    // Umbrella is suspended, and the page ends before the third.
    assert_eq!(ids, ["acme", "globex"]);
    assert!(page["next_cursor"].is_string(), "{page}");
}
