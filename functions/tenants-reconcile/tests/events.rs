//! The task through the real binary on the real stack. It has no events of API Gateway's.

use serde_json::{Value, json};
use testkit::Stack;

async fn invoke(stack: &Stack, event: Value) -> Value {
    let answer = stack.inner().invoke("tenants-reconcile", event.to_string().into()).await;
    serde_json::from_slice(&answer.expect("an answer")).expect("JSON")
}

#[tokio::test]
async fn where_nothing_is_owed_nothing_is_done() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    let done = invoke(&stack, json!({"source": "aws.events", "time": "2026-11-24T12:00:00Z"})).await;
    assert_eq!(done, json!({"tenants": 0, "deleted_keys": 0, "busy": 0}));
    let done = invoke(&stack, json!({"tenant_id": "globex", "time": "2026-11-24T12:00:00Z"})).await;
    assert_eq!(done, json!({"tenants": 1, "deleted_keys": 0, "busy": 0}));
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_fails_the_invocation() {
    let stack = Stack::start().await;
    for event in [json!({"tenant_id": "nobody"}), json!({"tenant_id": "No!"}), json!({"tenant_id": 7})] {
        let failed = invoke(&stack, event.clone()).await;
        assert!(failed["errorType"].is_string(), "{event}: {failed}");
    }
}
