//! The task through the real binary on the real stack. It has no events of API Gateway's.

use serde_json::{Value, json};
use testkit::Stack;

async fn invoke(stack: &Stack, event: Value) -> Value {
    let answer = stack.inner().invoke("usage-snapshot", event.to_string().into()).await;
    serde_json::from_slice(&answer.expect("an answer")).expect("JSON")
}

#[tokio::test]
async fn a_snapshot_that_is_repeated_is_the_same() {
    let stack = Stack::start().await;
    let event = json!({"source": "aws.events", "time": "2026-11-24T12:00:00Z"});
    let done = json!({"plans": 3, "keys": 4, "gone": 0});
    assert_eq!(invoke(&stack, event.clone()).await, done);
    let once = stack.contents().await;
    assert_eq!(invoke(&stack, event).await, done);
    assert_eq!(stack.contents().await, once);
}

#[tokio::test]
async fn an_event_that_names_a_tenant_or_cannot_be_read_fails_the_invocation() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for event in [json!({"tenant_id": "globex"}), json!({"tenant_id": 7}), json!({"time": "noon"})] {
        let failed = invoke(&stack, event.clone()).await;
        assert!(failed["errorType"].is_string(), "{event}: {failed}");
    }
    assert_eq!(stack.contents().await, before);
}
