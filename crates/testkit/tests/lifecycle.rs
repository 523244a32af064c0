//! A tenant's life after its onboarding, through the real functions on the real stack.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use testkit::{Stack, workspace};

/// A time after every lease and every end of this file.
const LATER: &str = "2099-01-01T00:00:00Z";

/// A stack whose functions ask for the context of every request.
async fn start() -> Stack {
    Stack::with(|options| options.parameters.push(("TenantContextTtl".to_owned(), "0".to_owned()))).await
}

async fn change(stack: &Stack, id: &str, body: Value, status: u16) -> Value {
    let answer = stack.as_admin("PATCH", &format!("/tenants/{id}"), &body.to_string()).await;
    assert_eq!(answer.status, status, "{body}: {answer:?}");
    answer.json()
}

async fn new_key(stack: &Stack, id: &str, body: Value) -> (String, String) {
    let answer = stack.as_admin("POST", &format!("/tenants/{id}/keys"), &body.to_string()).await;
    assert_eq!(answer.status, 201, "{body}: {answer:?}");
    let key = &answer.json()["api_key"];
    let text = |name: &str| key[name].as_str().expect("a text").to_owned();
    (text("api_key_id"), text("value"))
}

async fn shown(stack: &Stack, id: &str) -> Value {
    stack.as_admin("GET", &format!("/tenants/{id}"), "").await.json()
}

/// Ids of the keys that a tenant has, as the control plane says.
async fn keys(stack: &Stack, id: &str) -> Vec<String> {
    let page = stack.as_admin("GET", &format!("/tenants/{id}/keys"), "").await.json();
    let items = page["items"].as_array().expect("items").iter();
    items.map(|key| key["api_key_id"].as_str().expect("an id").to_owned()).collect()
}

async fn reconcile(stack: &Stack, event: Value) -> Value {
    let answer = stack.inner().invoke("tenants-reconcile", event.to_string().into()).await;
    serde_json::from_slice(&answer.expect("an answer")).expect("JSON")
}

/// The plans that a key is in, by name, each with what the key has left today.
async fn plans(stack: &Stack, key: &str) -> Vec<(String, Option<i64>)> {
    let client = stack.api_gateway();
    let mut found = Vec::new();
    let plans = client.get_usage_plans().key_id(key).send().await.expect("plans");
    for plan in plans.items() {
        // The day on which the demo tenants were made: no test moves the clock before it asks.
        let made = shown(stack, "acme").await["tenant"]["created_at"].as_str().expect("a time").to_owned();
        let usage = client.get_usage().usage_plan_id(plan.id().expect("an id")).key_id(key);
        let usage = usage.start_date(&made[..10]).end_date(&made[..10]).send().await.expect("usage");
        let days = usage.items().and_then(|keys| keys.get(key)).expect("the key's days");
        let left = plan.quota().and_then(|_| days.last()).and_then(|day| day.get(1)).copied();
        found.push((plan.name().expect("a name").to_owned(), left));
    }
    found
}

async fn audit_rows(stack: &Stack) -> String {
    let pages = stack.aws().dynamodb().scan().table_name("tenantry-audit").send().await.expect("the audit");
    format!("{:?}", pages.items())
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_by_gateway_and_context_until_it_is_resumed() {
    let stack = start().await;
    assert_eq!(stack.as_tenant("globex", "GET", "/tenant", "").await.status, 200);
    let suspended =
        change(&stack, "globex", json!({"status": "suspended", "status_reason": "unpaid"}), 200).await;
    assert_eq!(suspended["tenant"]["status_reason"], "unpaid");
    assert_eq!(stack.as_tenant("globex", "GET", "/tenant", "").await.status, 403);
    // The event comes to the function as if the gateway had let it pass.
    let past_the_gateway = stack.event("tenant-get", "ok").await;
    assert_eq!(past_the_gateway.json()["type"], "urn:tenantry:problem:tenant-suspended");
    change(&stack, "globex", json!({"status": "active"}), 200).await;
    assert_eq!(stack.as_tenant("globex", "GET", "/tenant", "").await.status, 200);
    assert_eq!(shown(&stack, "globex").await["tenant"]["status_reason"], json!(null));
}

#[tokio::test]
async fn a_change_of_tier_moves_the_key_and_keeps_what_it_used() {
    let stack = start().await;
    let key = stack.tenant("acme").api_key_id.clone();
    for _ in 0..3 {
        assert_eq!(stack.as_tenant("acme", "GET", "/tenant", "").await.status, 200);
    }
    assert_eq!(plans(&stack, &key).await, [("tenantry-free".to_owned(), Some(10_000 - 3))]);
    let changed = change(&stack, "acme", json!({"tier": "standard"}), 200).await;
    assert_eq!(changed["tenant"]["tier"], "standard");
    assert_eq!(plans(&stack, &key).await, [("tenantry-standard".to_owned(), Some(1_000_000 - 3))]);
    assert_eq!(stack.as_tenant("acme", "GET", "/tenant", "").await.json()["tier"], "standard");
    change(&stack, "acme", json!({"tier": "gold"}), 422).await;
    assert_eq!(plans(&stack, &key).await, [("tenantry-standard".to_owned(), Some(1_000_000 - 4))]);
}

#[tokio::test]
async fn a_rotation_hands_everything_over_and_the_old_key_ends_after_the_overlap() {
    let stack = start().await;
    let (old, old_value) =
        (stack.tenant("globex").api_key_id.clone(), stack.tenant("globex").api_key.clone());
    assert_eq!(stack.call(&old_value, "PUT", "/records/notes/one", &[], "{}").await.status, 201);
    assert_eq!(stack.call(&old_value, "PUT", "/checkpoints/cursor", &[], "7").await.status, 201);
    let left = plans(&stack, &old).await;
    let (new, value) = new_key(&stack, "globex", json!({"rotate": old, "overlap_seconds": 3600})).await;
    assert_eq!(plans(&stack, &new).await, left);
    for key in [&old_value, &value] {
        assert_eq!(stack.call(key, "GET", "/tenant", &[], "").await.status, 200);
        assert_eq!(stack.call(key, "GET", "/records/notes/one", &[], "").await.status, 200);
        assert_eq!(stack.call(key, "GET", "/checkpoints/cursor", &[], "").await.json()["value"], 7);
    }
    // It is on its way out, and no further one fits meanwhile.
    let again = json!({"rotate": old, "overlap_seconds": 0}).to_string();
    assert_eq!(stack.as_admin("POST", "/tenants/globex/keys", &again).await.status, 409);
    assert_eq!(stack.as_admin("POST", "/tenants/globex/keys", "").await.status, 409);
    assert_eq!(stack.local("POST", "clock", r#"{"advance":"2h"}"#).await.status, 200);
    assert_eq!(stack.call(&old_value, "GET", "/tenant", &[], "").await.status, 403);
    assert_eq!(stack.call(&value, "GET", "/records/notes/one", &[], "").await.status, 200);
    assert_eq!(keys(&stack, "globex").await, [old.clone(), new.clone()]);
    let done = reconcile(&stack, json!({"time": LATER})).await;
    assert_eq!(done, json!({"tenants": 1, "deleted_keys": 1, "busy": 0}));
    assert_eq!(keys(&stack, "globex").await, [new]);
    assert!(stack.api_gateway().get_api_key().api_key(&old).send().await.is_err());
    let left = stack.contents().await.into_iter().filter(|item| item.contains(&old)).collect::<Vec<_>>();
    assert_eq!(left, Vec::<String>::new(), "the key's context and checkpoints are gone");
    assert_eq!(stack.call(&value, "GET", "/checkpoints/cursor", &[], "").await.json()["value"], 7);
}

#[tokio::test]
async fn the_last_key_is_revoked_by_force_alone() {
    let stack = start().await;
    let (first, value) = (stack.tenant("acme").api_key_id.clone(), stack.tenant("acme").api_key.clone());
    let path = format!("/tenants/acme/keys/{first}");
    assert_eq!(stack.as_admin("DELETE", &path, "").await.status, 409);
    assert_eq!(stack.call(&value, "GET", "/tenant", &[], "").await.status, 200);
    let (second, further) = new_key(&stack, "acme", json!({})).await;
    assert_eq!(stack.as_admin("DELETE", &path, "").await.status, 204);
    assert_eq!(stack.as_admin("DELETE", &path, "").await.status, 404);
    assert_eq!(stack.call(&value, "GET", "/tenant", &[], "").await.status, 403);
    assert_eq!(stack.call(&further, "GET", "/tenant", &[], "").await.status, 200);
    let path = format!("/tenants/acme/keys/{second}?force=true");
    assert_eq!(stack.as_admin("DELETE", &path, "").await.status, 204);
    assert_eq!(keys(&stack, "acme").await, Vec::<String>::new());
}

#[tokio::test]
async fn two_operators_at_once_have_one_winner_and_the_other_is_told() {
    let stack = start().await;
    let version = shown(&stack, "acme").await["tenant"]["version"].clone();
    let path = workspace().join("events/admin-tenants-update/only-version-7.json");
    let mut event: Value =
        serde_json::from_slice(&std::fs::read(path).expect("an event")).expect("an event is JSON");
    event["headers"]["If-Match"] = format!("\"{version}\"").into();
    event["multiValueHeaders"]["If-Match"] = json!([format!("\"{version}\"")]);
    let as_operator = async |name: &str| {
        let mut event = event.clone();
        event["body"] = json!({"name": name}).to_string().into();
        stack.invoke("admin-tenants-update", event.to_string()).await.status
    };
    let (a, b) = tokio::join!(as_operator("A"), as_operator("B"));
    let mut statuses = [a, b];
    statuses.sort_unstable();
    assert!(matches!(statuses, [200, 409 | 412]), "{statuses:?}");
    let after = shown(&stack, "acme").await;
    let winner = if a == 200 { "A" } else { "B" };
    assert_eq!(after["tenant"]["name"], winner);
    assert_eq!(after["tenant"]["version"].as_u64(), version.as_u64().map(|version| version + 1));
}

#[tokio::test]
async fn the_audit_tells_who_did_what_and_no_value_of_a_key_is_anywhere() {
    let stack = start().await;
    let (old, first) = (stack.tenant("acme").api_key_id.clone(), stack.tenant("acme").api_key.clone());
    change(&stack, "acme", json!({"name": "Acme Corporation"}), 200).await;
    change(&stack, "acme", json!({"name": "Acme Corporation"}), 200).await;
    let (new, second) = new_key(&stack, "acme", json!({"rotate": old})).await;
    change(&stack, "acme", json!({"status": "suspended"}), 200).await;
    let audit = shown(&stack, "acme").await["audit"].as_array().expect("the audit").clone();
    let actions: Vec<_> = audit.iter().map(|entry| entry["action"].as_str().expect("an action")).collect();
    // What changed nothing is none of them.
    assert_eq!(actions, ["tenant.suspend", "key.issue", "key.rotate", "tenant.update", "tenant.create"]);
    for entry in &audit[..4] {
        assert!(entry["actor"].as_str().is_some_and(|actor| actor.starts_with("arn:")), "{entry}");
    }
    assert_eq!((&audit[4]["before"], &audit[3]["before"]["name"]), (&json!(null), &json!("acme")));
    assert_eq!(audit[3]["after"]["name"], "Acme Corporation");
    assert_eq!(
        (&audit[0]["before"]["status"], &audit[0]["after"]["status"]),
        (&json!("active"), &json!("suspended"))
    );
    assert_eq!(audit[1]["after"]["keys"], json!([old, new]));
    let everything = stack.contents().await.join("\n") + &audit_rows(&stack).await;
    for value in [first, second] {
        assert!(!everything.contains(&value), "the value of a key is in a table");
    }
}

/// Leaves a tenant as a request leaves it that has committed a new key, in the place of another one or not, and
/// died before it made it.
async fn break_off(stack: &Stack, id: &str, rotate: Option<&str>) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let work =
        [("kind", text("new-key")), ("name", text(&format!("tenantry-{id}-9"))), ("actor", text("dead"))];
    let work = work
        .into_iter()
        .chain(rotate.map(|key| ("rotate", text(key))))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    stack
        .aws()
        .dynamodb()
        .update_item()
        .table_name(&stack.state().tables["tenants"])
        .key("tenant_id", text(id))
        .update_expression("SET #pending = :pending, lease_until = :past")
        .expression_attribute_names("#pending", "pending")
        .expression_attribute_values(":pending", AttributeValue::L(vec![AttributeValue::M(work)]))
        .expression_attribute_values(":past", text("2020-01-01T00:00:00Z"))
        .send()
        .await
        .expect("the tenant is changed");
}

#[tokio::test]
async fn what_broke_off_is_completed_by_the_task_and_by_the_next_request() {
    let stack = start().await;
    for id in ["acme", "globex"] {
        break_off(&stack, id, None).await;
    }
    change(&stack, "acme", json!({"name": "Acme Corporation"}), 200).await;
    let done = reconcile(&stack, json!({"time": LATER})).await;
    assert_eq!(done, json!({"tenants": 1, "deleted_keys": 0, "busy": 0}));
    for id in ["acme", "globex"] {
        let made = keys(&stack, id).await;
        assert_eq!(made.len(), 2, "{id}");
        let key = stack.api_gateway().get_api_key().api_key(&made[1]).include_value(true).send().await;
        let key = key.expect("the key");
        assert_eq!(key.name(), Some(&*format!("tenantry-{id}-9")));
        let tenant = stack.call(key.value().expect("a value"), "GET", "/tenant", &[], "").await;
        assert_eq!(tenant.json()["tenant_id"], id);
        let left = stack.contents().await.into_iter().find(|item| item.contains("new-key"));
        assert_eq!(left, None);
    }
    // Nothing is done twice.
    let done = reconcile(&stack, json!({"time": LATER})).await;
    assert_eq!(done, json!({"tenants": 0, "deleted_keys": 0, "busy": 0}));
}

#[tokio::test]
async fn what_another_request_holds_is_left_to_it() {
    let stack = start().await;
    break_off(&stack, "acme", None).await;
    hold(&stack, "acme").await;
    let before = stack.contents().await;
    change(&stack, "acme", json!({"name": "Acme Corporation"}), 409).await;
    let done = reconcile(&stack, json!({"time": "2098-12-31T23:59:59Z"})).await;
    assert_eq!(done, json!({"tenants": 0, "deleted_keys": 0, "busy": 1}));
    assert_eq!(stack.contents().await, before);
}

/// Leaves a tenant as one that another request is at work on until [`LATER`].
async fn hold(stack: &Stack, id: &str) {
    let held = stack.aws().dynamodb().update_item().table_name(&stack.state().tables["tenants"]);
    held.key("tenant_id", AttributeValue::S(id.to_owned()))
        .update_expression("SET lease_until = :later")
        .expression_attribute_values(":later", AttributeValue::S(LATER.to_owned()))
        .send()
        .await
        .expect("the tenant is held");
}

#[tokio::test]
async fn a_suspension_and_a_revocation_wait_for_nothing_that_is_owed() {
    let stack = start().await;
    let (second, value) = new_key(&stack, "acme", json!({})).await;
    break_off(&stack, "acme", None).await;
    hold(&stack, "acme").await;
    let revoked = stack.as_admin("DELETE", &format!("/tenants/acme/keys/{second}"), "").await;
    assert_eq!(revoked.status, 204);
    assert_eq!(stack.call(&value, "GET", "/tenant", &[], "").await.status, 403);
    change(&stack, "acme", json!({"status": "suspended"}), 200).await;
    // The gateway lets the key pass: its context is what refuses.
    let refused = stack.as_tenant("acme", "GET", "/tenant", "").await.json();
    assert_eq!(refused["type"], "urn:tenantry:problem:tenant-suspended");
    change(&stack, "acme", json!({"status": "active"}), 409).await;

    reconcile(&stack, json!({"time": LATER})).await;
    assert!(stack.api_gateway().get_api_key().api_key(&second).send().await.is_err(), "the key is deleted");
    let first = &stack.tenant("acme").api_key_id;
    let first = stack.api_gateway().get_api_key().api_key(first).send().await.expect("the key");
    assert!(!first.enabled(), "the key is disabled");
    let left = stack.contents().await.into_iter().find(|item| item.contains("new-key"));
    assert_eq!(left, None);
}

#[tokio::test]
async fn a_rotation_that_broke_off_ends_no_key_since_nobody_knows_the_new_ones_value() {
    let stack = start().await;
    let old = keys(&stack, "acme").await.remove(0);
    break_off(&stack, "acme", Some(&old)).await;
    reconcile(&stack, json!({"time": LATER})).await;
    let shown = shown(&stack, "acme").await;
    assert_eq!(shown["keys"].as_array().expect("keys").len(), 2);
    assert!(shown["keys"].as_array().expect("keys").iter().all(|key| key["expires_at"].is_null()), "{shown}");
    assert_eq!(stack.as_tenant("acme", "GET", "/tenant", "").await.status, 200);
}

#[tokio::test]
async fn a_key_that_is_gone_at_the_gateway_keeps_the_others_back_from_nothing() {
    let stack = start().await;
    let (second, _) = new_key(&stack, "acme", json!({})).await;
    let first = keys(&stack, "acme").await.remove(0);
    stack.api_gateway().delete_api_key().api_key(&first).send().await.expect("the key is deleted by hand");
    change(&stack, "acme", json!({"tier": "standard"}), 200).await;
    assert_eq!(plans(&stack, &second).await[0].0, "tenantry-standard");
    let revoked = stack.as_admin("DELETE", &format!("/tenants/acme/keys/{first}"), "").await;
    assert_eq!(revoked.status, 204);
    assert_eq!(keys(&stack, "acme").await, [second]);
}
