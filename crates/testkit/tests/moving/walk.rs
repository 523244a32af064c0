//! A move from run to run of the task, each at the time at which it has something to do.

use serde_json::{Value, json};
use testkit::Stack;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// When every request is made.
pub(crate) const BEGIN: OffsetDateTime = time::macros::datetime!(2026-11-10 06:00 UTC);

/// A stack on which every request is made at six o'clock, and whose functions ask for the context of each.
pub(crate) async fn start() -> Stack {
    Stack::with(|options| {
        options.parameters.push(("TenantContextTtl".to_owned(), "0".to_owned()));
        options.time = "fixed:2026-11-10T06:00:00Z".parse().expect("a time");
    })
    .await
}

pub(crate) fn minutes_behind(time: OffsetDateTime, minutes: i64) -> OffsetDateTime {
    time + Duration::minutes(minutes)
}

/// Asks for the move.
pub(crate) async fn begin(stack: &Stack, id: &str) {
    let asked = stack.as_admin("POST", &format!("/tenants/{id}/move"), "{}").await;
    assert_eq!((asked.status, &asked.json()["move"]["stage"]), (202, &json!("silo")), "{asked:?}");
}

/// Runs the task at a time. Answers what it has done, or how it failed.
pub(crate) async fn run(stack: &Stack, time: OffsetDateTime) -> Value {
    let event = json!({ "time": time.format(&Rfc3339).expect("a time") }).to_string();
    let answer = stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
    serde_json::from_slice(&answer).expect("JSON")
}

/// A tenant as an operator sees it, without its audit.
pub(crate) async fn shown(stack: &Stack, id: &str) -> Value {
    let mut answer = stack.as_admin("GET", &format!("/tenants/{id}"), "").await.json();
    answer.as_object_mut().expect("an object").remove("audit");
    answer
}

/// Runs the task until the move stands at a stage. Answers when that was.
pub(crate) async fn walk_to(stack: &Stack, id: &str, stage: &str) -> OffsetDateTime {
    let mut at = BEGIN;
    for _ in 0..50 {
        let shown = shown(stack, id).await;
        if shown["move"]["stage"] == stage {
            return at;
        }
        let next = shown["move"]["next_at"].as_str().unwrap_or_else(|| panic!("it stands: {shown}"));
        at = OffsetDateTime::parse(next, &Rfc3339).expect("a time").max(at);
        run(stack, at).await;
    }
    panic!("{id} does not come to {stage}: {}", shown(stack, id).await);
}
