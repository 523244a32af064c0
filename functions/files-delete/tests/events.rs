//! The events of `events/files-delete`, through the real binary on the real stack.

use serde_json::json;
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
async fn an_upload_that_is_given_up_is_gone_and_the_file_of_its_name_is_not() {
    let stack = Stack::start().await;
    let file =
        json!({"name": "launch", "size": (64 << 20) + 1, "content_type": "text/plain", "overwrite": true});
    let begun = stack.as_tenant("globex", "POST", "/files", &file.to_string()).await.json();
    let id = begun["multipart"]["upload_id"].as_str().expect("an id");
    let give_up = async |tenant: &str, name: &str, id: &str| {
        stack.as_tenant(tenant, "DELETE", &format!("/files/{name}?upload_id={id}"), "").await
    };
    // Another's, and one of another name, are none.
    let never = give_up("acme", "launch", "never").await;
    for (tenant, name) in [("acme", "launch"), ("globex", "other")] {
        let foreign = give_up(tenant, name, id).await;
        assert_eq!((foreign.status, foreign.likeness()), (404, never.likeness()), "{tenant}: {name}");
    }
    assert_eq!(give_up("globex", "launch", id).await.status, 204);
    assert_eq!(give_up("globex", "launch", id).await.status, 404);
    assert_eq!(stack.as_tenant("globex", "GET", "/files/launch", "").await.json()["size"], 10);
    let sent = testkit::upload(&begun["multipart"]["parts"][4], "x").await;
    assert_eq!(sent.status, 404);
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
