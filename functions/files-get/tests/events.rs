//! The events of `events/files-get`, through the real binary on the real stack.

use serde_json::Value;
use testkit::{Answer, Stack};

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 200),
        ("redirect", 307),
        ("bad-name", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("foreign-file", 404),
        ("missing-file", 404),
    ];
    Stack::start().await.expect_statuses("files-get", &cases).await;
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

async fn download(url: &str, headers: &[(&str, &str)]) -> Answer {
    testkit::request("GET", url, headers, "").await.expect("an answer")
}

#[tokio::test]
async fn a_file_is_answered_with_where_its_bytes_are() {
    let stack = Stack::start().await;
    let answer = stack.event("files-get", "ok").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let file = answer.json();
    let mut members: Vec<_> = file.as_object().expect("an object").keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["content_type", "download", "etag", "last_modified", "name", "size"]);
    assert_eq!(text(&file["name"]), "welcome.txt");
    assert_eq!(text(&file["download"]["expires_at"]), "2026-11-24T12:15:00Z");
    let bytes = download(text(&file["download"]["url"]), &[]).await;
    assert_eq!((bytes.status, bytes.header("etag")), (200, text(&file["etag"])));
    assert_eq!(u64::try_from(bytes.body.len()).ok(), file["size"].as_u64());
    assert_eq!(bytes.header("content-type"), text(&file["content_type"]));
    let range = download(text(&file["download"]["url"]), &[("range", "bytes=0-0")]).await;
    assert_eq!((range.status, &range.body[..]), (206, &bytes.body[..1]));
}

#[tokio::test]
async fn who_asks_for_bytes_is_sent_to_them() {
    let stack = Stack::start().await;
    let redirect = stack.event("files-get", "redirect").await;
    assert_eq!((redirect.header("cache-control"), redirect.body.len()), ("no-store", 0));
    let bytes = download(redirect.header("location"), &[]).await;
    assert_eq!(bytes.status, 200, "{bytes:?}");
}

#[tokio::test]
async fn another_tenants_file_is_answered_like_one_that_never_was() {
    let stack = Stack::start().await;
    let foreign = stack.event("files-get", "foreign-file").await;
    assert_eq!(foreign.likeness(), stack.event("files-get", "missing-file").await.likeness());
    let named = stack.as_tenant("globex", "GET", "/files/welcome.txt", "").await;
    let never = stack.as_tenant("globex", "GET", "/files/never.txt", "").await;
    assert_eq!((named.status, named.likeness()), (404, never.likeness()));
}

#[tokio::test]
async fn a_url_of_one_file_is_none_of_another() {
    let stack = Stack::start().await;
    let url = stack.event("files-get", "ok").await.json()["download"]["url"].take();
    for (old, new) in [("welcome.txt", "reports/2026/summary.csv"), ("/acme/", "/globex/")] {
        let altered = text(&url).replacen(old, new, 1);
        assert_ne!(altered, text(&url));
        assert_eq!(download(&altered, &[]).await.status, 403, "{altered}");
    }
}
