//! Requests with an `Idempotency-Key`, through the gateway and the real functions: one effect, and the first
//! answer each time.

mod credentials;
mod files;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use testkit::{Answer, Stack};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

type Item = HashMap<String, AttributeValue>;

const RECORDS: &str = "/records/once";
/// A file of more than 64 MiB, which is uploaded in parts.
const LARGE: u64 = (64 << 20) + 1;

async fn post(stack: &Stack, tenant: &str, path: &str, key: &str, body: &str) -> Answer {
    let api_key = &stack.tenant(tenant).api_key;
    stack.call(api_key, "POST", path, &[("idempotency-key", key)], body).await
}

fn is_replayed(answer: &Answer) -> bool {
    match answer.header("idempotency-replayed") {
        "" => false,
        value => {
            assert_eq!(value, "true");
            true
        }
    }
}

/// All of an answer that a replay repeats.
fn content(answer: &Answer) -> (u16, String, String, String) {
    let text = |name: &str| answer.header(name).to_owned();
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    (answer.status, text("etag"), text("location"), body)
}

fn problem(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["type"].as_str().unwrap_or_default().replace("urn:tenantry:problem:", ""))
}

async fn ids(stack: &Stack, tenant: &str, path: &str) -> Vec<String> {
    let page = stack.as_tenant(tenant, "GET", path, "").await.json();
    let items = page["items"].as_array().expect("items").iter();
    items.map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

async fn advance(stack: &Stack, by: &str) {
    let moved = stack.local("POST", "clock", &json!({"advance": by}).to_string()).await;
    assert_eq!(moved.status, 200);
}

/// The items of the idempotency table.
async fn items(stack: &Stack) -> Vec<Item> {
    let table = &stack.state().tables["idempotency"];
    stack.aws().dynamodb().scan().table_name(table).send().await.expect("readable").items.unwrap_or_default()
}

fn created_at(item: &Item) -> OffsetDateTime {
    OffsetDateTime::parse(item["created_at"].as_s().expect("a text"), &Rfc3339).expect("a time")
}

fn file(name: &str, size: u64) -> String {
    json!({"name": name, "size": size, "content_type": "text/plain"}).to_string()
}

async fn a_repeated_request_makes_one_record_and_is_answered_as_the_first_time(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let body = r#"{"z":1,"a":12345678901234567890.123456789,"deep":[{"b":1E2}]}"#;
    let first = post(&stack, "globex", RECORDS, "k-1", body).await;
    assert_eq!((first.status, is_replayed(&first)), (201, false), "{first:?}");
    let again = post(&stack, "globex", RECORDS, "k-1", body).await;
    assert_eq!((content(&again), is_replayed(&again)), (content(&first), true));
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(ids(&stack, "globex", RECORDS).await, [id.as_str()]);
    // The first answer tells of what was made then, whatever has become of it.
    let path = format!("{RECORDS}/{id}");
    assert_eq!(stack.as_tenant("globex", "PUT", &path, r#"{"new":true}"#).await.status, 200);
    let changed = post(&stack, "globex", RECORDS, "k-1", body).await;
    assert_eq!((content(&changed), is_replayed(&changed)), (content(&first), true));
    assert_eq!(stack.as_tenant("globex", "DELETE", &path, "").await.status, 204);
    let deleted = post(&stack, "globex", RECORDS, "k-1", body).await;
    assert_eq!((content(&deleted), is_replayed(&deleted)), (content(&first), true));
    assert!(ids(&stack, "globex", RECORDS).await.is_empty(), "nothing is made again");
    // Without the header each request is one of its own.
    for _ in 0..2 {
        let plain = stack.as_tenant("globex", "POST", RECORDS, body).await;
        assert_eq!((plain.status, is_replayed(&plain)), (201, false));
    }
    assert_eq!(ids(&stack, "globex", RECORDS).await.len(), 2);
}

async fn a_key_with_another_body_or_path_is_refused_and_writes_nothing(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    for (path, body, other) in [
        (RECORDS, r#"{"a":1}"#, r#"{"a":2}"#),
        ("/credentials", "{}", r#"{"access":"write"}"#),
        ("/files", &file("one", 1), &file("two", 1)),
    ] {
        assert_eq!(post(&stack, "globex", path, "k", body).await.status, 201, "{path}");
        let before = stack.contents().await;
        let refused = post(&stack, "globex", path, "k", other).await;
        assert_eq!(problem(&refused), (422, "idempotency-key-reused".into()), "{path}");
        assert!(!is_replayed(&refused) && refused.json()["credentials"].is_null(), "{path}");
        assert_eq!(stack.contents().await, before, "{path}");
    }
    // Another collection is another path of the same route.
    let refused = post(&stack, "globex", "/records/other", "k", r#"{"a":1}"#).await;
    assert_eq!(problem(&refused), (422, "idempotency-key-reused".into()));
    assert!(ids(&stack, "globex", "/records/other").await.is_empty());
}

async fn a_key_is_one_tenants_and_one_routes(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let mut seen = Vec::new();
    for tenant in ["globex", "initech"] {
        let answer = post(&stack, tenant, RECORDS, "k", r#"{"a":1}"#).await;
        assert_eq!((answer.status, is_replayed(&answer)), (201, false), "{tenant}");
        seen.push(answer.json()["id"].clone());
        for (path, body) in [("/files", &*file("f", 1)), ("/credentials", "")] {
            let answer = post(&stack, tenant, path, "k", body).await;
            assert_eq!((answer.status, is_replayed(&answer)), (201, false), "{tenant} {path}");
        }
    }
    assert_ne!(seen[0], seen[1]);
    let mut partitions: Vec<_> =
        items(&stack).await.iter().map(|item| item["tenant_id"].as_s().expect("a text").clone()).collect();
    partitions.sort();
    assert_eq!(partitions, ["globex", "globex", "globex", "initech", "initech", "initech"]);
}

/// Sends the same request as often at once. All answers are the same, and all but one are replays.
async fn at_once(stack: &Stack, times: usize, key: &str) {
    let requests = (0..times).map(|_| post(stack, "globex", RECORDS, key, r#"{"n":1}"#));
    let answers = futures_util::future::join_all(requests).await;
    let first = content(&answers[0]);
    assert_eq!(first.0, 201, "{first:?}");
    for answer in &answers {
        assert_eq!(content(answer).3, first.3);
    }
    assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
}

async fn of_requests_at_once_one_makes_the_record_and_all_tell_of_it(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    at_once(&stack, 2, "two").await;
    at_once(&stack, 20, "twenty").await;
    assert_eq!(ids(&stack, "globex", RECORDS).await.len(), 2);
}

async fn after_24_hours_it_is_a_new_request(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let large = file("late", LARGE);
    let send = async |path: &str, body: &str| post(&stack, "globex", path, "k", body).await;
    let first = send(RECORDS, "{}").await.json();
    let upload = send("/files", &large).await.json();
    advance(&stack, "23h59m").await;
    let again = send(RECORDS, "{}").await;
    assert_eq!((again.json(), is_replayed(&again)), (first.clone(), true));
    advance(&stack, "2m").await;
    let new = send(RECORDS, r#"{"another":"body"}"#).await;
    assert_eq!((new.status, is_replayed(&new)), (201, false), "{new:?}");
    assert_ne!(new.json()["id"], first["id"]);
    let again = send(RECORDS, r#"{"another":"body"}"#).await;
    assert_eq!((again.json()["id"].clone(), is_replayed(&again)), (new.json()["id"].clone(), true));
    let new = send("/files", &large).await;
    assert_eq!((new.status, is_replayed(&new)), (201, false), "{new:?}");
    assert_ne!(new.json()["multipart"]["upload_id"], upload["multipart"]["upload_id"]);
}

async fn a_refused_request_is_not_remembered(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let before = stack.contents().await;
    let too_large = format!(r#"{{"a":"{}"}}"#, "x".repeat(410_000));
    for (path, body, status) in [
        (RECORDS, "{", 400),
        (RECORDS, "[]", 422),
        (RECORDS, &too_large, 413),
        ("/records/Bad", "{}", 400),
        ("/credentials", r#"{"access":"all"}"#, 422),
        ("/files", r#"{"name":"x"}"#, 422),
        ("/files", &file("x", 1 << 50), 422),
    ] {
        assert_eq!(post(&stack, "globex", path, "k", body).await.status, status, "{path}");
    }
    assert_eq!(stack.contents().await, before);
    for (path, body) in [(RECORDS, "{}"), ("/credentials", "{}"), ("/files", &file("x", 1))] {
        let answer = post(&stack, "globex", path, "k", body).await;
        assert_eq!((answer.status, is_replayed(&answer)), (201, false), "{path}");
    }
}

async fn a_key_has_1_to_255_visible_ascii_characters(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let before = stack.contents().await;
    for (path, body) in [(RECORDS, "{}"), ("/credentials", "{}"), ("/files", &file("x", 1))] {
        for key in ["two words", &"k".repeat(256)] {
            let refused = post(&stack, "globex", path, key, body).await;
            assert_eq!(refused.status, 400, "{path}: {key}");
            assert_eq!(refused.json()["errors"][0]["pointer"], "/header/Idempotency-Key");
        }
    }
    assert_eq!(stack.contents().await, before);
    let longest = "~".repeat(255);
    assert_eq!(post(&stack, "globex", RECORDS, &longest, "{}").await.status, 201);
    assert!(is_replayed(&post(&stack, "globex", RECORDS, &longest, "{}").await));
}

async fn no_item_holds_a_body_or_a_keys_value(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    assert_eq!(post(&stack, "globex", RECORDS, "k", r#"{"secret":"hush-hush"}"#).await.status, 201);
    assert_eq!(post(&stack, "globex", "/files", "k", &file("hush-hush", 1)).await.status, 201);
    let kept = items(&stack).await;
    assert_eq!(kept.len(), 2);
    let shown = format!("{kept:?}");
    for value in ["hush-hush", &stack.tenant("globex").api_key] {
        assert!(!shown.contains(value), "{shown}");
    }
    for item in kept {
        let expires_at: i64 = item["expires_at"].as_n().expect("a number").parse().expect("seconds");
        assert_eq!(expires_at - created_at(&item).unix_timestamp(), 86_400);
        assert!(!item.contains_key("lease_until") && !item.contains_key("body"), "{item:?}");
    }
}

testkit::in_both_modes! {
    a_repeated_request_makes_one_record_and_is_answered_as_the_first_time,
    a_key_with_another_body_or_path_is_refused_and_writes_nothing,
    a_key_is_one_tenants_and_one_routes,
    of_requests_at_once_one_makes_the_record_and_all_tell_of_it,
    after_24_hours_it_is_a_new_request,
    a_refused_request_is_not_remembered,
    a_key_has_1_to_255_visible_ascii_characters,
    no_item_holds_a_body_or_a_keys_value,
}

/// A tenant's request without the header costs what it did: one write, and no item.
#[tokio::test]
async fn a_request_without_a_key_writes_the_record_alone() {
    let stack = Stack::start().await;
    stack.as_tenant("globex", "POST", RECORDS, "{}").await;
    stack.inner().iam().forget_decisions();
    assert_eq!(stack.as_tenant("globex", "POST", RECORDS, "{}").await.status, 201);
    let decisions = stack.inner().iam().decisions();
    let actions: Vec<_> = decisions.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["dynamodb:PutItem"]);
    assert!(items(&stack).await.is_empty());
    let shown = stack.as_tenant("globex", "GET", RECORDS, "").await.json();
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(2));
}
