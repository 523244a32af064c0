//! The events of `events/admin-usage-grant`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-id", 400),
        ("no-operator", 403),
        ("missing-tenant", 404),
        ("foreign-key", 404),
        ("no-quota", 409),
        ("bad-body", 422),
        ("ok", 201),
    ];
    Stack::start().await.expect_statuses("admin-usage-grant", &cases).await;
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("admin-usage-grant").iter().filter(|(case, _)| case != "ok") {
        stack.event("admin-usage-grant", case).await;
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_grant_adds_to_what_the_key_has_left() {
    // What is left is told as of the events' day.
    let stack =
        Stack::with(|options| options.time = "fixed:2026-11-24T12:00:00Z".parse().expect("a time")).await;
    let first = stack.event("admin-usage-grant", "ok").await.json();
    assert_eq!((&first["requests"], &first["remaining"]), (&500.into(), &10_500.into()));
    assert_eq!(first["api_key_id"], stack.tenant("acme").api_key_id.as_str());
    let second = stack.event("admin-usage-grant", "ok").await.json();
    assert_eq!(second["remaining"], 11_000);
}
