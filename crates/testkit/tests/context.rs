//! Who is served and who is not, as the api-keys table says, through the gateway and the real functions.

use aws_sdk_dynamodb::types::AttributeValue;
use testkit::{Answer, Stack};

/// A stack whose functions look each context up anew.
async fn forgetful(mode: &str) -> Stack {
    Stack::with(|options| {
        for (name, value) in [("TenantContextTtl", "0"), ("IsolationMode", mode)] {
            options.parameters.push((name.to_owned(), value.to_owned()));
        }
    })
    .await
}

/// Sets an attribute of globex's context.
async fn set(stack: &Stack, attribute: &str, value: &str) {
    stack
        .aws()
        .dynamodb()
        .update_item()
        .table_name(&stack.state().tables["api-keys"])
        .key("api_key_id", AttributeValue::S(stack.tenant("globex").api_key_id.clone()))
        .update_expression("SET #a = :v")
        .expression_attribute_names("#a", attribute)
        .expression_attribute_values(":v", AttributeValue::S(value.to_owned()))
        .send()
        .await
        .expect("the context can be changed");
}

async fn create(stack: &Stack) -> Answer {
    stack.as_tenant("globex", "POST", "/records/context", "{}").await
}

async fn each_status_has_its_answer_and_only_an_active_tenant_writes(mode: &str) {
    let stack = forgetful(mode).await;
    for (status, expected, kind) in [
        ("suspended", 403, "tenant-suspended"),
        ("provisioning", 503, "tenant-provisioning"),
        ("deleting", 403, "forbidden"),
        ("deleted", 403, "forbidden"),
        ("no status of ours", 500, "internal"),
    ] {
        set(&stack, "status", status).await;
        let before = stack.contents().await;
        let answer = create(&stack).await;
        assert_eq!(answer.status, expected, "{status}: {answer:?}");
        assert_eq!(answer.json()["type"], format!("urn:tenantry:problem:{kind}"), "{status}");
        assert_eq!(answer.header("retry-after").is_empty(), status != "provisioning");
        assert_eq!(stack.contents().await, before, "{status}");
    }
    set(&stack, "status", "active").await;
    assert_eq!(create(&stack).await.status, 201);
}

async fn an_expired_key_opens_nothing_and_is_answered_like_an_unknown_one(mode: &str) {
    let stack = forgetful(mode).await;
    set(&stack, "expires_at", "2100-01-01T00:00:00Z").await;
    assert_eq!(create(&stack).await.status, 201);
    set(&stack, "expires_at", "2026-01-01T00:00:00Z").await;
    let before = stack.contents().await;
    let expired = create(&stack).await;
    assert_eq!((expired.status, stack.contents().await), (403, before));
    set(&stack, "status", "deleted").await;
    assert_eq!(create(&stack).await.likeness(), expired.likeness());
}

async fn a_key_that_the_gateway_takes_but_no_tenant_has_is_forbidden(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let client = stack.api_gateway();
    let key = client.create_api_key().name("stray").enabled(true).send().await.expect("a key");
    let plans = client.get_usage_plans().send().await.expect("plans");
    let plan = plans.items().first().and_then(|plan| plan.id()).expect("a plan");
    let put = client
        .create_usage_plan_key()
        .usage_plan_id(plan)
        .key_id(key.id().expect("an id"))
        .key_type("API_KEY");
    put.send().await.expect("the key is in the plan");
    let before = stack.contents().await;
    let answer = stack.call(key.value().expect("a value"), "POST", "/records/context", &[], "{}").await;
    assert_eq!((answer.status, answer.json()["title"].as_str()), (403, Some("Forbidden")));
    assert_eq!(stack.contents().await, before);
}

async fn a_tenant_that_changes_its_isolation_leaves_the_pool_alone(mode: &str) {
    let stack = forgetful(mode).await;
    set(&stack, "isolation", "siloed").await;
    let before = stack.contents().await;
    // There is no silo yet: the request fails rather than falling back to the pool.
    let answer = create(&stack).await;
    assert_eq!((answer.status, answer.json()["type"].as_str()), (500, Some("urn:tenantry:problem:internal")));
    assert!(!String::from_utf8_lossy(&answer.body).contains("silo"), "{answer:?}");
    assert_eq!(stack.contents().await, before);
}

testkit::in_both_modes! {
    each_status_has_its_answer_and_only_an_active_tenant_writes,
    an_expired_key_opens_nothing_and_is_answered_like_an_unknown_one,
    a_key_that_the_gateway_takes_but_no_tenant_has_is_forbidden,
    a_tenant_that_changes_its_isolation_leaves_the_pool_alone,
}
