//! The events of `events/checkpoints-list`, through the real binary on the real stack.

use serde_json::Value;
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 200),
        ("last-page", 200),
        // A cursor of a list of records.
        ("another-lists-cursor", 400),
        ("bad-cursor", 400),
        ("bad-limit", 400),
        ("bad-order", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
    ];
    Stack::start().await.expect_statuses("checkpoints-list", &cases).await;
}

#[tokio::test]
async fn pages_are_in_the_order_of_names_with_their_values() {
    let stack = Stack::start().await;
    let names = |page: &Value| -> Vec<_> {
        page["items"].as_array().expect("items").iter().map(|item| item["name"].clone()).collect()
    };
    let first = stack.event("checkpoints-list", "ok").await.json();
    assert_eq!(names(&first), ["launch"]);
    assert_eq!(first["items"][0]["value"]["source"], "Ours alone");
    assert!(first["next_cursor"].is_string(), "{first}");
    // The event's cursor is the one that the first page has answered.
    let last = stack.event("checkpoints-list", "last-page").await.json();
    assert_eq!((names(&last), &last["next_cursor"]), (vec!["sync".into()], &Value::Null));
    let event = std::fs::read(testkit::workspace().join("events/checkpoints-list/last-page.json"));
    let event: Value = serde_json::from_slice(&event.expect("an event")).expect("JSON");
    assert_eq!(event["queryStringParameters"]["cursor"], first["next_cursor"]);
}
