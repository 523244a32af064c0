//! Faults that tests order do what they say: a function dies behind a call, a service fails.

use serde_json::{Value, json};
use testkit::Stack;

const CREATE: &str = "admin-tenants-create";

async fn onboard(stack: &Stack, id: &str) -> (u16, Value) {
    let body = json!({"tenant_id": id, "name": "Hooli", "email": "ops@hooli.example", "tier": "standard"});
    let answer = stack.as_admin("POST", "/tenants", &body.to_string()).await;
    (answer.status, answer.json())
}

async fn status(stack: &Stack, id: &str) -> Value {
    stack.as_admin("GET", &format!("/tenants/{id}"), "").await.json()["tenant"]["status"].clone()
}

async fn keys(stack: &Stack, id: &str) -> usize {
    let keys = stack.api_gateway().get_api_keys().name_query(format!("tenantry-{id}-")).send().await;
    keys.expect("keys").items().len()
}

#[tokio::test]
async fn a_function_dies_behind_the_call_of_the_given_number_and_the_call_has_its_effect() {
    let stack = Stack::start().await;
    let crash = stack.inner().crash_after(CREATE, 1);
    let (answered, _) = onboard(&stack, "hooli").await;
    assert_eq!(answered, 502);
    assert!(crash.has_happened());
    assert_eq!(crash.seen().len(), 1);
    assert_eq!(status(&stack, "hooli").await, "provisioning");
    assert_eq!(keys(&stack, "hooli").await, 0);

    // The next process is not crashed, and finishes what broke off.
    assert_eq!(stack.local("POST", "clock", r#"{"advance":"2m"}"#).await.status, 200);
    let (answered, onboarded) = onboard(&stack, "hooli").await;
    assert_eq!(answered, 201, "{onboarded}");
    assert_eq!((status(&stack, "hooli").await, keys(&stack, "hooli").await), (json!("active"), 1));
    assert_eq!(crash.seen().len(), 1, "nothing is counted behind the crash");
}

#[tokio::test]
async fn the_calls_of_a_function_are_told_where_there_are_fewer_than_the_number() {
    let stack = Stack::start().await;
    let crash = stack.inner().crash_after(CREATE, 100);
    let other = stack.inner().crash_after("records-create", 1);
    assert_eq!(onboard(&stack, "hooli").await.0, 201);
    assert!(!crash.has_happened());
    let seen = crash.seen();
    assert!(seen[0].starts_with("dynamodb:"), "{seen:?}");
    assert_eq!(seen[1..3], ["apigateway:POST /apikeys", "apigateway:POST /usageplans/{}/keys"], "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("dynamodb:TransactWriteItems"), "{seen:?}");
    assert_eq!(other.seen(), Vec::<String>::new(), "calls of other functions do not count");

    drop(other);
    assert_eq!(stack.as_tenant("globex", "POST", "/records/notes", "{}").await.status, 201);
}

#[tokio::test]
async fn calls_that_are_made_to_fail_have_no_effect_until_they_are_let_through_again() {
    let stack = Stack::start().await;
    let failing = stack.inner().fail_calls(CREATE, "apigateway:POST *");
    let (answered, problem) = onboard(&stack, "hooli").await;
    assert!(answered >= 500, "{answered} {problem}");
    assert!(failing.failed() > 0);
    assert_eq!((status(&stack, "hooli").await, keys(&stack, "hooli").await), (json!("provisioning"), 0));

    drop(failing);
    assert_eq!(stack.local("POST", "clock", r#"{"advance":"2m"}"#).await.status, 200);
    assert_eq!(onboard(&stack, "hooli").await.0, 201);
}
