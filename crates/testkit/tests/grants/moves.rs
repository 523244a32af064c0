//! A move into a silo, and one that is given up, with every call that they take.

use testkit::Stack;

use crate::imports::go_on;
use crate::{begin, break_off, fill, onboard};

/// Moves one tenant, and another one until it is given up.
pub(crate) async fn every_call(stack: &Stack) {
    let (state, s3) = (stack.state(), stack.s3(None));
    let pool = &state.buckets["files"];
    let key = onboard(stack, "moving1").await;
    fill(stack, "moving1", &key, (&state.tables["records"], pool)).await;
    break_off(stack, "moving1", &key).await;
    onboard(stack, "moving2").await;
    for id in ["moving1", "moving2"] {
        ask(stack, id, r#"{"longest_pause_seconds":600}"#).await;
        go_on(stack, id, "2026-11-24T12:01:00Z").await;
    }
    ask(stack, "moving2", r#"{"abandon":true}"#).await;
    go_on(stack, "moving2", "2026-11-24T12:05:00Z").await;
    // What is copied again: one file less, and one in parts, of which an earlier run has begun a copy.
    s3.delete_object().bucket(pool).key("moving1/file").send().await.expect("deleted");
    let silo = format!("tenantry-silo-moving1-{}-{}", state.account_id, state.region);
    s3.delete_object().bucket(&silo).key("moving1/parted").send().await.expect("deleted");
    begin(&s3, &silo, "moving1/parted").await;
    begin(&s3, &silo, "moving1/gone").await;
    for time in ["13:11", "13:13", "13:15", "14:30"] {
        go_on(stack, "moving1", &format!("2026-11-24T{time}:00Z")).await;
    }
    for (id, stage) in [("moving1", "done"), ("moving2", "abandoned")] {
        let shown = stack.as_admin("GET", &format!("/tenants/{id}"), "").await.json();
        assert_eq!(shown["move"]["stage"], stage, "{shown}");
    }
}

async fn ask(stack: &Stack, id: &str, body: &str) {
    let path = format!("/tenants/{id}/move");
    let asked = stack.as_admin("POST", &path, body).await;
    assert_eq!(asked.status, 202, "{id}: {asked:?}");
}
