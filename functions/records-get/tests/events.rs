//! The events of `events/records-get`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 200),
        ("not-modified", 304),
        ("bad-id", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("foreign-record", 404),
        ("missing-record", 404),
    ];
    Stack::start().await.expect_statuses("records-get", &cases).await;
}

#[tokio::test]
async fn another_tenants_record_is_answered_like_one_that_never_was() {
    let stack = Stack::start().await;
    let foreign = stack.event("records-get", "foreign-record").await;
    assert_eq!(foreign.likeness(), stack.event("records-get", "missing-record").await.likeness());
}

#[tokio::test]
async fn a_read_carries_the_entity_tag_and_304_no_body() {
    let stack = Stack::start().await;
    let full = stack.event("records-get", "ok").await;
    assert_eq!(
        (full.header("etag"), full.json()["data"]["title"].as_str()),
        ("\"1\"", Some("Weather machine"))
    );
    let not_modified = stack.event("records-get", "not-modified").await;
    assert_eq!((not_modified.header("etag"), not_modified.body.len()), ("\"1\"", 0));
}
