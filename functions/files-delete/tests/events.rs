//! The events of `events/files-delete`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 204),
        // What is not there, and what is another's, is deleted as well as it can be.
        ("foreign-file", 204),
        ("missing-file", 204),
        ("bad-name", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
    ];
    Stack::start().await.expect_statuses("files-delete", &cases).await;
}

#[tokio::test]
async fn a_deleted_file_is_gone_and_its_neighbours_are_not() {
    let stack = Stack::start().await;
    assert_eq!(stack.event("files-delete", "ok").await.status, 204);
    assert_eq!(stack.event("files-get", "ok").await.status, 404);
    assert_eq!(stack.event("files-delete", "ok").await.status, 204);
    let left = stack.event("files-list", "ok").await.json();
    let left: Vec<_> = left["items"].as_array().expect("items").iter().map(|item| &item["name"]).collect();
    assert_eq!(left, ["reports/2026/summary.csv"]);
}

#[tokio::test]
async fn an_answer_does_not_tell_another_tenants_file_from_none() {
    let stack = Stack::start().await;
    let foreign = stack.event("files-delete", "foreign-file").await;
    assert_eq!(foreign.likeness(), stack.event("files-delete", "missing-file").await.likeness());
    assert_eq!(foreign.likeness(), stack.event("files-delete", "ok").await.likeness());
}

#[tokio::test]
async fn a_request_that_is_refused_or_names_nothing_deletes_nothing() {
    let stack = Stack::start().await;
    let before = stack.event("files-list", "ok").await.json();
    for (case, _) in Stack::cases("files-delete").iter().filter(|(case, _)| case != "ok") {
        stack.event("files-delete", case).await;
    }
    assert_eq!(stack.event("files-list", "ok").await.json(), before);
}
