//! The events of `events/files-list`, through the real binary on the real stack.

use serde_json::{Value, json};
use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 200),
        ("folders", 200),
        ("one-folder", 200),
        // Another tenant's prefix is one under the caller's own, and empty.
        ("foreign-file", 200),
        ("another-lists-cursor", 400),
        ("bad-cursor", 400),
        ("bad-delimiter", 400),
        ("bad-limit", 400),
        ("bad-prefix", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
    ];
    Stack::start().await.expect_statuses("files-list", &cases).await;
}

/// The names of a page's files, its prefixes, and whether it is the last.
fn shape(page: &Value) -> Value {
    let items = page["items"].as_array().expect("items").iter();
    let names: Vec<_> = items.map(|item| item["name"].clone()).collect();
    json!([names, page["prefixes"], page["next_cursor"].is_null()])
}

#[tokio::test]
async fn a_page_is_in_the_order_of_names_and_another_tenants_is_empty() {
    let stack = Stack::start().await;
    let page = stack.event("files-list", "ok").await.json();
    assert_eq!(shape(&page), json!([["reports/2026/summary.csv", "welcome.txt"], [], true]));
    let mut members: Vec<_> = page["items"][0].as_object().expect("an object").keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["last_modified", "name", "size"]);
    let foreign = stack.event("files-list", "foreign-file").await.json();
    assert_eq!(foreign, json!({"items": [], "prefixes": [], "next_cursor": null}));
}

#[tokio::test]
async fn a_delimiter_folds_names_and_a_prefix_opens_them() {
    let stack = Stack::start().await;
    let folded = stack.event("files-list", "folders").await.json();
    assert_eq!(shape(&folded), json!([["welcome.txt"], ["reports/"], true]));
    let opened = stack.event("files-list", "one-folder").await.json();
    assert_eq!(shape(&opened), json!([["reports/2026/summary.csv"], [], true]));
}

#[tokio::test]
async fn a_cursor_goes_on_behind_its_page_and_serves_no_other_list() {
    let stack = Stack::start().await;
    let list = async |query: &str| stack.as_tenant("acme", "GET", &format!("/files?{query}"), "").await;
    let first = list("limit=1").await.json();
    assert_eq!(shape(&first), json!([["reports/2026/summary.csv"], [], false]));
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = list(&format!("limit=1&cursor={cursor}")).await.json();
    assert_eq!(shape(&second), json!([["welcome.txt"], [], true]));
    for other in ["prefix=welcome", "delimiter=%2F"] {
        let refused = list(&format!("{other}&cursor={cursor}")).await;
        assert_eq!(
            (refused.status, refused.json()["errors"][0]["pointer"].as_str()),
            (400, Some("/query/cursor")),
            "{other}"
        );
    }
}
