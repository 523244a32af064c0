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

/// Files of globex in a stack, under names of all kinds.
async fn with_files(siloed: bool, names: &[&str]) -> Stack {
    let stack = Stack::with(|options| {
        if siloed {
            options.siloed = vec!["globex".to_owned()];
        }
    })
    .await;
    let granted = stack.as_tenant("globex", "POST", "/credentials", r#"{"access":"write"}"#).await.json();
    let (s3, bucket) = (stack.s3(None), granted["bucket"].as_str().expect("a bucket").to_owned());
    for name in names {
        s3.put_object().bucket(&bucket).key(format!("globex/{name}")).send().await.expect("a file");
    }
    stack
}

/// A page of globex's files, and its cursor.
async fn page(stack: &Stack, query: &str, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let answer = stack.as_tenant("globex", "GET", &format!("/files?{query}{cursor}"), "").await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let page = answer.json();
    let names = page["items"].as_array().expect("items").iter().map(|item| &item["name"]);
    let names = names.chain(page["prefixes"].as_array().expect("prefixes"));
    let mut names: Vec<_> = names.map(|name| name.as_str().expect("a name").to_owned()).collect();
    names.sort();
    (names, page["next_cursor"].as_str().map(str::to_owned))
}

/// All pages of a list.
async fn pages(stack: &Stack, query: &str) -> Vec<String> {
    let (mut names, mut cursor) = page(stack, query, None).await;
    while let Some(text) = &cursor {
        let next = page(stack, query, Some(text)).await;
        assert!(names.len() < 50, "the list does not end: {names:?}");
        names.extend(next.0);
        cursor = next.1;
    }
    names
}

#[tokio::test]
async fn each_name_stands_on_one_page_whatever_it_is_and_wherever_pages_end() {
    let last = format!("m/p/{}", char::MAX.to_string().repeat(199));
    let names =
        ["m/Ä/ä", "m/p", "m/p/a", "m/p/b/c", "m/p/\u{10ffff}x", &last, "m/p0", "m/p+ %/x", "m/ü", "m/🦀/1"];
    let stack = with_files(false, &names).await;
    let mut sorted: Vec<_> = names.iter().map(ToString::to_string).collect();
    sorted.sort();
    for limit in [1, 2, 3, 100] {
        assert_eq!(pages(&stack, &format!("prefix=m/&limit={limit}")).await, sorted, "{limit}");
        let folded = ["m/p", "m/p+ %/", "m/p/", "m/p0", "m/Ä/", "m/ü", "m/🦀/"];
        let query = format!("prefix=m/&delimiter=/&limit={limit}");
        assert_eq!(pages(&stack, &query).await, folded, "{limit}");
        let query = format!("prefix=m/p&delimiter=/&limit={limit}");
        assert_eq!(pages(&stack, &query).await, ["m/p", "m/p+ %/", "m/p/", "m/p0"], "{limit}");
    }
}

#[tokio::test]
async fn a_list_goes_on_where_the_last_file_of_a_page_is_deleted_meanwhile() {
    let stack = with_files(false, &["d/a", "d/b/1", "d/c", "d/d"]).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let (names, next) = page(&stack, "prefix=d/&delimiter=/&limit=1", cursor.as_deref()).await;
        for name in &names {
            let name = if name.ends_with('/') { format!("{name}1") } else { name.clone() };
            assert_eq!(stack.as_tenant("globex", "DELETE", &format!("/files/{name}"), "").await.status, 204);
        }
        seen.extend(names);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["d/a", "d/b/", "d/c", "d/d"]);
}

#[tokio::test]
async fn a_cursor_of_the_pool_goes_on_in_a_silo() {
    let names = ["a", "b/1", "b/2", "c"];
    let (pool, silo) = (with_files(false, &names).await, with_files(true, &names).await);
    for (query, first, second) in
        [("limit=2", ["a", "b/1"], ["b/2", "c"]), ("delimiter=/&limit=2", ["a", "b/"], ["c", "launch"])]
    {
        let (names, cursor) = page(&pool, query, None).await;
        assert_eq!(names, first);
        assert_eq!(page(&silo, query, cursor.as_deref()).await.0, second);
    }
}
