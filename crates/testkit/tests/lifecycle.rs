//! A tenant's life after its onboarding, through the real functions on the real stack.

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
    // What it has used is kept, as a bill would need it.
    let is_left = |item: &String| item.contains(&old) && !item.starts_with(&stack.state().tables["usage"]);
    let left = stack.contents().await.into_iter().filter(is_left).collect::<Vec<_>>();
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

/// Lets a request for a key die behind the call of the number: it has made the key, and nobody is told its value.
async fn break_off(stack: &Stack, id: &str, number: usize) {
    let crash = stack.inner().crash_after("admin-keys-create", number);
    assert_eq!(stack.as_admin("POST", &format!("/tenants/{id}/keys"), "").await.status, 502);
    assert!(crash.has_happened());
}

#[tokio::test]
async fn a_key_whose_making_broke_off_is_undone_by_the_task_and_by_the_next_request() {
    let stack = start().await;
    for id in ["acme", "globex"] {
        break_off(&stack, id, 2).await;
    }
    // While the lease holds, both are left to the request that broke off.
    let before = stack.contents().await;
    change(&stack, "acme", json!({"name": "Acme Corporation"}), 409).await;
    assert_eq!(stack.contents().await, before);
    assert_eq!(stack.local("POST", "clock", r#"{"advance":"3m"}"#).await.status, 200);
    change(&stack, "acme", json!({"name": "Acme Corporation"}), 200).await;
    let done = reconcile(&stack, json!({"time": LATER})).await;
    assert_eq!(done, json!({"tenants": 1, "deleted_keys": 0, "busy": 0}));
    for id in ["acme", "globex"] {
        let keys = stack.api_gateway().get_api_keys().name_query(format!("tenantry-{id}-")).send().await;
        assert_eq!(keys.expect("keys").items().len(), 1, "{id}");
        let entry = &shown(&stack, id).await["audit"];
        let actions = entry.as_array().expect("the audit").iter().map(|entry| entry["action"].clone());
        assert!(actions.collect::<Vec<_>>().contains(&json!("key.abandon")), "{id}: {entry}");
    }
    // Nothing is done twice.
    let done = reconcile(&stack, json!({"time": LATER})).await;
    assert_eq!(done, json!({"tenants": 0, "deleted_keys": 0, "busy": 0}));
}

#[tokio::test]
async fn a_suspension_and_a_revocation_wait_for_nothing_that_is_owed() {
    let stack = start().await;
    let (second, value) = new_key(&stack, "initech", json!({})).await;
    let (first, first_value) =
        (stack.tenant("initech").api_key_id.clone(), stack.tenant("initech").api_key.clone());
    // A suspension and a resumption that do not come to the gateway.
    let failing = stack.inner().fail_calls("admin-tenants-update", "apigateway:*");
    change(&stack, "initech", json!({"status": "suspended"}), 503).await;
    let revoked = stack.as_admin("DELETE", &format!("/tenants/initech/keys/{second}"), "").await;
    assert_eq!(revoked.status, 204);
    for value in [&value, &first_value] {
        // The gateway lets the keys pass: their contexts are what refuses, or that there is none.
        assert_eq!(stack.call(value, "GET", "/tenant", &[], "").await.status, 403);
    }
    // The revocation has done what the suspension owed.
    assert!(stack.api_gateway().get_api_key().api_key(&second).send().await.is_err(), "the key is deleted");
    let key = || async { stack.api_gateway().get_api_key().api_key(&first).send().await.expect("the key") };
    assert!(!key().await.enabled(), "the key is disabled");

    // What is owed is tried again each time, and nothing waits for a lease.
    change(&stack, "initech", json!({"status": "active"}), 503).await;
    change(&stack, "initech", json!({"status": "active"}), 503).await;
    assert!(!key().await.enabled());
    drop(failing);
    reconcile(&stack, json!({"time": LATER})).await;
    assert!(key().await.enabled());
    assert_eq!(stack.call(&first_value, "GET", "/tenant", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_suspension_whose_calls_to_the_gateway_fail_holds_within_the_lifetime_of_a_context() {
    // The lifetime is the template's own here: a warm function has cached the context.
    let stack = Stack::start().await;
    assert_eq!(stack.as_tenant("globex", "GET", "/tenant", "").await.status, 200);
    let failing = stack.inner().fail_calls("admin-tenants-update", "apigateway:*");
    change(&stack, "globex", json!({"status": "suspended"}), 503).await;
    assert!(failing.failed() > 0);
    let key = stack.api_gateway().get_api_key().api_key(&stack.tenant("globex").api_key_id).send().await;
    assert!(key.expect("the key").enabled(), "the gateway was not told");
    assert_eq!(stack.local("POST", "clock", r#"{"advance":"30s"}"#).await.status, 200);
    let refused = stack.as_tenant("globex", "GET", "/tenant", "").await;
    assert_eq!(refused.json()["type"], "urn:tenantry:problem:tenant-suspended");
    drop(failing);
    change(&stack, "globex", json!({"status": "active"}), 200).await;
    assert_eq!(stack.local("POST", "clock", r#"{"advance":"30s"}"#).await.status, 200);
    assert_eq!(stack.as_tenant("globex", "GET", "/tenant", "").await.status, 200);
    assert_eq!(stack.as_tenant("globex", "GET", "/records/notes", "").await.status, 200);
}

#[tokio::test]
async fn a_tier_can_have_more_working_keys_and_the_others_have_two() {
    let stack = Stack::with(|options| {
        options.parameters.push(("MaxActiveKeys".to_owned(), "premium=3".to_owned()));
    })
    .await;
    for (id, most) in [("acme", 2), ("initech", 3)] {
        for _ in 1..most {
            new_key(&stack, id, json!({})).await;
        }
        let one_more = stack.as_admin("POST", &format!("/tenants/{id}/keys"), "").await;
        assert_eq!(one_more.status, 409, "{id}");
        assert!(
            one_more.json()["detail"].as_str().expect("a detail").contains(&format!("at most {most} keys"))
        );
    }
}

#[tokio::test]
async fn a_tier_that_allows_fewer_keys_than_the_tenant_has_is_refused() {
    let stack = Stack::with(|options| {
        options.parameters.push(("MaxActiveKeys".to_owned(), "premium=3 free=1".to_owned()));
    })
    .await;
    let (second, _) = new_key(&stack, "initech", json!({})).await;
    let before = stack.contents().await;
    change(&stack, "initech", json!({"tier": "free"}), 409).await;
    assert_eq!(stack.contents().await, before);
    let path = format!("/tenants/initech/keys/{second}");
    assert_eq!(stack.as_admin("DELETE", &path, "").await.status, 204);
    change(&stack, "initech", json!({"tier": "free"}), 200).await;
}

#[tokio::test]
async fn what_was_used_and_granted_in_one_period_takes_nothing_from_the_next() {
    let stack =
        Stack::with(|options| options.time = "fixed:2026-11-30T23:58:00Z".parse().expect("a time")).await;
    let free = stack.tenant("acme").api_key_id.clone();
    let standard = stack.tenant("globex").api_key_id.clone();
    // Both are committed, and come to the gateway after midnight.
    let failing = [
        stack.inner().fail_calls("admin-tenants-update", "apigateway:DELETE*"),
        stack.inner().fail_calls("admin-usage-grant", "apigateway:PATCH*"),
    ];
    let left = stack.api_gateway().get_usage_plans().key_id(&standard).send().await.expect("plans");
    let plan = left.items()[0].id().expect("an id").to_owned();
    let change_of = |left: &str| {
        aws_sdk_apigateway::types::PatchOperation::builder()
            .op(aws_sdk_apigateway::types::Op::Replace)
            .path("/remaining")
            .value(left)
            .build()
    };
    let used_up = stack.api_gateway().update_usage().usage_plan_id(&plan).key_id(&standard);
    used_up.patch_operations(change_of("500000")).send().await.expect("used up");
    change(&stack, "globex", json!({"tier": "free"}), 503).await;
    let granted = stack.as_admin("POST", "/tenants/acme/usage/grants", r#"{"requests":5}"#).await;
    assert_eq!(granted.status, 503, "{granted:?}");
    drop(failing);
    assert_eq!(stack.local("POST", "clock", r#"{"advance":"10m"}"#).await.status, 200);
    reconcile(&stack, json!({"time": "2026-12-01T00:08:00Z"})).await;
    for key in [free, standard] {
        let plans = stack.api_gateway().get_usage_plans().key_id(&key).send().await.expect("plans");
        assert_eq!(plans.items()[0].name(), Some("tenantry-free"));
        let usage = stack.api_gateway().get_usage().usage_plan_id(plans.items()[0].id().expect("an id"));
        let usage = usage.key_id(&key).start_date("2026-12-01").end_date("2026-12-01").send().await;
        let usage = usage.expect("usage");
        let days = usage.items().and_then(|keys| keys.get(&key)).expect("the key's days");
        assert_eq!(days.last().map(|day| day[1]), Some(10_000), "{key}: December is untouched");
    }
}

#[tokio::test]
async fn a_move_into_a_plan_that_is_gone_is_replaced_by_one_into_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("usage-plans.yaml");
    let plans_file = std::fs::read_to_string(workspace().join("infra/usage-plans.yaml")).expect("the plans");
    std::fs::write(&file, &plans_file).expect("a copy");
    let stack = Stack::with(|options| options.usage_plans.clone_from(&file)).await;
    let key = stack.tenant("acme").api_key_id.clone();
    let failing = stack.inner().fail_calls("admin-tenants-update", "apigateway:DELETE*");
    change(&stack, "acme", json!({"tier": "premium"}), 503).await;
    drop(failing);
    std::fs::write(&file, plans_file.replace("tenantry-premium", "tenantry-gold")).expect("an edit");
    while stack
        .api_gateway()
        .get_usage_plans()
        .send()
        .await
        .expect("plans")
        .items()
        .iter()
        .all(|plan| plan.name() != Some("tenantry-gold"))
    {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    change(&stack, "acme", json!({"name": "Acme Corporation"}), 500).await;
    // A suspension is written and reaches the gateway, whatever stands before it.
    change(&stack, "acme", json!({"status": "suspended"}), 500).await;
    let made = stack.api_gateway().get_api_key().api_key(&key).send().await.expect("the key");
    assert!(!made.enabled(), "the key is disabled");
    change(&stack, "acme", json!({"tier": "standard", "status": "active"}), 200).await;
    assert_eq!(plans(&stack, &key).await[0].0, "tenantry-standard");
    assert_eq!(stack.as_tenant("acme", "GET", "/tenant", "").await.json()["tier"], "standard");
}

#[tokio::test]
async fn a_grant_goes_with_the_key_to_another_tier() {
    let stack = start().await;
    let key = stack.tenant("acme").api_key_id.clone();
    let granted = stack.as_admin("POST", "/tenants/acme/usage/grants", r#"{"requests":500}"#).await;
    assert_eq!(granted.json()["remaining"], 10_500, "{granted:?}");
    change(&stack, "acme", json!({"tier": "standard"}), 200).await;
    assert_eq!(plans(&stack, &key).await, [("tenantry-standard".to_owned(), Some(1_000_500))]);
}

#[tokio::test]
async fn no_key_is_made_once_the_account_has_nearly_as_many_as_it_may() {
    // The four demo tenants' keys, and one more.
    let stack = Stack::with(|options| {
        options.parameters.push(("ApiKeyHeadroom".to_owned(), (10_000 - 5).to_string()));
    })
    .await;
    let snapshot = async || {
        let done = stack.inner().invoke("usage-snapshot", "{}".into()).await.expect("an answer");
        assert!(!String::from_utf8_lossy(&done).contains("errorType"), "{done:?}");
    };
    snapshot().await;
    new_key(&stack, "acme", json!({})).await;
    snapshot().await;
    let before = stack.contents().await;
    let body = json!({"name": "x", "email": "a@b.example", "tier": "free"}).to_string();
    for (path, body) in [("/tenants", &*body), ("/tenants/globex/keys", "")] {
        let refused = stack.as_admin("POST", path, body).await;
        assert_eq!(
            (refused.status, &refused.json()["type"]),
            (409, &json!("urn:tenantry:problem:key-limit"))
        );
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn many_onboardings_at_once_wait_for_their_turn_at_the_rates_of_aws() {
    let stack = Stack::with(|options| options.management_rates = true).await;
    // Five keys at once and five a second are taken; the calls of eight come to more.
    let onboard = async |number: usize| {
        let body = json!({"name": "x", "email": "a@b.example", "tier": "free",
            "tenant_id": format!("many{number}")});
        stack.as_admin("POST", "/tenants", &body.to_string()).await
    };
    let all = tokio::join!(
        onboard(1),
        onboard(2),
        onboard(3),
        onboard(4),
        onboard(5),
        onboard(6),
        onboard(7),
        onboard(8),
    );
    for answer in [all.0, all.1, all.2, all.3, all.4, all.5, all.6, all.7] {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
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
