//! The events of `events/credentials-create`, through the real binary on the real stack.

use serde_json::json;
use testkit::{Answer, Stack};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// The events that are answered with credentials.
const GRANTED: [&str; 3] = ["ok", "write", "idempotent"];

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 201),
        ("write", 201),
        ("idempotent", 201),
        ("bad-idempotency-key", 400),
        ("not-json", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("bad-body", 422),
        ("too-long", 422),
        ("unknown-member", 422),
    ];
    Stack::start().await.expect_statuses("credentials-create", &cases).await;
}

#[tokio::test]
async fn the_answer_is_credentials_and_the_callers_coordinates_and_no_more() {
    let stack = Stack::start().await;
    let answer = stack.event("credentials-create", "ok").await;
    let mut body = answer.json();
    for member in ["access_key_id", "secret_access_key", "session_token", "expires_at"] {
        let value = body["credentials"][member].take();
        assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{member}");
    }
    let state = stack.state();
    let expected = json!({
        "credentials": {
            "access_key_id": null, "secret_access_key": null, "session_token": null, "expires_at": null,
        },
        "region": state.region,
        "tables": {"records": state.tables["records"], "checkpoints": state.tables["checkpoints"]},
        "bucket": state.buckets["files"],
        "prefix": "globex/",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn no_cache_keeps_credentials() {
    let answer = Stack::start().await.event("credentials-create", "ok").await;
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn credentials_hold_as_long_as_was_asked_for_and_are_new_each_time() {
    let stack = Stack::start().await;
    let mut seen = Vec::new();
    for (case, seconds) in [("ok", 900), ("ok", 900), ("write", 3_600)] {
        // STS counts by the stack's clock, whatever time the event carries.
        let before = now(&stack).await;
        let answer = stack.event("credentials-create", case).await;
        let lifetime = expiry(&answer) - before;
        let asked = Duration::seconds(seconds);
        // The expiry is given in whole seconds.
        assert!((asked - Duration::seconds(2)..asked + Duration::MINUTE).contains(&lifetime), "{lifetime}");
        let id = answer.json()["credentials"]["access_key_id"].clone();
        assert!(!seen.contains(&id), "{case}");
        seen.push(id);
    }
}

#[tokio::test]
async fn one_answer_names_all_that_is_wrong() {
    let answer = Stack::start().await.event("credentials-create", "bad-body").await.json();
    let pointers: Vec<_> =
        answer["errors"].as_array().expect("errors").iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, ["/access", "/duration_seconds"]);
}

#[tokio::test]
async fn a_refused_request_writes_nothing_and_shows_no_credentials() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    let refused =
        Stack::cases("credentials-create").into_iter().filter(|(case, _)| !GRANTED.contains(&case.as_str()));
    for (case, _) in refused {
        let answer = stack.event("credentials-create", &case).await;
        assert!(answer.json()["credentials"].is_null(), "{case}");
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn an_event_that_comes_twice_with_its_key_is_answered_with_other_credentials() {
    let stack = Stack::start().await;
    let first = stack.event("credentials-create", "idempotent").await;
    let before = stack.contents().await;
    let again = stack.event("credentials-create", "idempotent").await;
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!((again.status, again.header("cache-control")), (201, "no-store"));
    let id = |answer: &Answer| answer.json()["credentials"]["access_key_id"].clone();
    assert_ne!(id(&again), id(&first));
    assert_eq!(stack.contents().await, before);
}

fn expiry(answer: &Answer) -> OffsetDateTime {
    time(answer.json()["credentials"]["expires_at"].as_str())
}

async fn now(stack: &Stack) -> OffsetDateTime {
    time(stack.local("GET", "clock", "").await.json()["now"].as_str())
}

fn time(text: Option<&str>) -> OffsetDateTime {
    OffsetDateTime::parse(text.expect("a time"), &Rfc3339).expect("a time of RFC 3339")
}
