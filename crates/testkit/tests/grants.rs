//! Every role grants just what is used: the decisions on all functions' calls are compared with the policies of
//! the template, action by action and resource by resource. Logs are granted by a policy of AWS's own.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use iam_policy::{By, Effect, Layer};
use serde_json::{Value, json};
use testkit::{Stack, own_calls};

/// A role's policy, one of its actions, and one of its resources, as the policy writes them.
type Grant = (String, String, String);

/// What a role's policies grant.
fn granted(stack: &Stack, role: &str) -> BTreeSet<Grant> {
    let template = stack.inner().stack();
    let role = template.roles.iter().find(|known| known.name == role).expect("a role of the template");
    let mut grants = BTreeSet::new();
    for named in &role.policies {
        for statement in named.policy.statements() {
            assert_eq!(statement.effect(), Effect::Allow, "{}/{}", role.name, named.name);
            for action in statement.actions().expect("the actions are listed") {
                for resource in statement.resources().expect("the resources are listed") {
                    grants.insert((named.name.clone(), action.clone(), resource.clone()));
                }
            }
        }
    }
    grants
}

/// What was used since the last time, by role. A call that was refused to a function is a missing grant.
fn used(stack: &Stack, all: &mut BTreeMap<String, BTreeSet<Grant>>) {
    for record in stack.inner().iam().decisions() {
        let Some(role) =
            record.principal.split('/').nth(1).filter(|_| record.principal.contains(":assumed-role/"))
        else {
            continue;
        };
        let By::Statement { layer: Layer::Identity, policy, action, resource, .. } =
            record.verdict.by.clone()
        else {
            panic!("{record:?}");
        };
        assert!(record.verdict.is_allowed(), "{record:?}");
        all.entry(role.to_owned()).or_default().insert((policy, action, resource));
    }
    stack.inner().iam().forget_decisions();
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// Gives initech the silo that its isolation promises: a bucket, and a table with the pooled one's schema.
async fn make_silo(stack: &Stack) {
    let dynamodb = stack.aws().dynamodb().clone();
    let pooled = dynamodb.describe_table().table_name(&stack.state().tables["records"]).send().await;
    let pooled = pooled.expect("the pooled table").table.expect("its description");
    dynamodb
        .create_table()
        .table_name("tenantry-silo-initech-records")
        .set_attribute_definitions(pooled.attribute_definitions)
        .set_key_schema(pooled.key_schema)
        .billing_mode(aws_sdk_dynamodb::types::BillingMode::PayPerRequest)
        .send()
        .await
        .expect("a table");
    let bucket = format!("tenantry-silo-initech-{}-{}", stack.state().account_id, stack.state().region);
    stack.s3(None).create_bucket().bucket(bucket).send().await.expect("a bucket");
    dynamodb
        .update_item()
        .table_name(&stack.state().tables["api-keys"])
        .key("api_key_id", text(&stack.tenant("initech").api_key_id))
        .update_expression("SET #isolation = :siloed")
        .expression_attribute_names("#isolation", "isolation")
        .expression_attribute_values(":siloed", text("siloed"))
        .send()
        .await
        .expect("the context is changed");
}

/// Puts an item that is no record where one is written next: the write takes another way then.
async fn plant(stack: &Stack, table: &str, keys: [(&str, &str); 2]) {
    let mut put = stack.aws().dynamodb().put_item().table_name(table);
    for (name, value) in keys {
        put = put.item(name, text(value));
    }
    // Neither is what a record's or a checkpoint's content can be.
    let set = AttributeValue::Ss(vec!["x".to_owned()]);
    put.item("data", set.clone()).item("value", set).send().await.expect("an item");
}

/// Every route as one tenant, with each way that a write can take.
async fn every_route(stack: &Stack, tenant: &str, records: &str) {
    let key = stack.tenant(tenant).api_key_id.clone();
    plant(stack, records, [("tenant_id", tenant), ("sk", "grants#junk")]).await;
    plant(stack, &stack.state().tables["checkpoints"], [("api_key_id", &key), ("name", "junk")]).await;
    for (method, path, body, status) in [
        ("GET", "/tenant", "", 200),
        ("POST", "/records/grants", "{}", 201),
        ("PUT", "/records/grants/junk", "{}", 201),
        ("PUT", "/records/grants/one", "{}", 201),
        ("GET", "/records/grants/one", "", 200),
        ("GET", "/records/grants", "", 200),
        ("DELETE", "/records/grants/one", "", 204),
        ("PUT", "/checkpoints/junk", "{}", 201),
        ("PUT", "/checkpoints/one", "1", 201),
        ("GET", "/checkpoints/one", "", 200),
        ("GET", "/checkpoints", "", 200),
        ("DELETE", "/checkpoints/one", "", 204),
        ("POST", "/credentials", r#"{"access":"write"}"#, 201),
    ] {
        let answer = stack.as_tenant(tenant, method, path, body).await;
        assert_eq!(answer.status, status, "{tenant}: {method} {path}: {answer:?}");
    }
}

/// Uploads one byte. Answers the entity tag.
async fn send(plan: &Value) -> String {
    let answer = testkit::upload(plan, "x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("etag").to_owned()
}

/// The same of files: an upload in one piece, and one in parts of which the last is enough for S3.
async fn every_file_route(stack: &Stack, tenant: &str) {
    let call = async |method: &str, path: &str, body: &str, status: u16| {
        let answer = stack.as_tenant(tenant, method, path, body).await;
        assert_eq!(answer.status, status, "{tenant}: {method} {path}: {answer:?}");
        answer.json()
    };
    let small = json!({"name": "grants/small", "size": 1, "content_type": "text/plain"});
    let small = call("POST", "/files", &small.to_string(), 201).await;
    send(&small["upload"]).await;
    let large = json!({"name": "grants/large", "size": (64 << 20) + 1, "content_type": "text/plain"});
    let large = call("POST", "/files", &large.to_string(), 201).await;
    let etag = send(&large["multipart"]["parts"][4]).await;
    let upload_id = &large["multipart"]["upload_id"];
    let completion = json!({"upload_id": upload_id, "parts": [{"number": 5, "etag": etag}]});
    call("PUT", "/files/grants/large", &completion.to_string(), 200).await;
    let given_up = json!({"name": "grants/none", "size": (64 << 20) + 1, "content_type": "text/plain"});
    let given_up = call("POST", "/files", &given_up.to_string(), 201).await;
    let upload_id = given_up["multipart"]["upload_id"].as_str().expect("an id");
    call("DELETE", &format!("/files/grants/none?upload_id={upload_id}"), "", 204).await;
    let file = call("GET", "/files/grants/large", "", 200).await;
    let url = file["download"]["url"].as_str().expect("a URL");
    let download = testkit::request("GET", url, &[], "").await.expect("an answer");
    assert_eq!((download.status, &download.body[..]), (200, &b"x"[..]));
    call("GET", "/files?prefix=grants%2F", "", 200).await;
    call("DELETE", "/files/grants/small", "", 204).await;
}

/// The control API, and an onboarding that finds the key in its plan already.
async fn every_admin_route(stack: &Stack) {
    let client = stack.api_gateway();
    let plans = client.get_usage_plans().send().await.expect("plans");
    let plan = plans.items().iter().find(|plan| plan.name() == Some("tenantry-free")).expect("a plan");
    let key = client.create_api_key().name("tenantry-early-1").enabled(true).send().await.expect("a key");
    let put = client.create_usage_plan_key().usage_plan_id(plan.id().expect("an id"));
    put.key_id(key.id().expect("an id")).key_type("API_KEY").send().await.expect("in the plan");
    for id in ["early", "late"] {
        onboard(stack, id).await;
    }
    for path in ["/tenants", "/tenants/late", "/tenants/late/keys"] {
        assert_eq!(stack.as_admin("GET", path, "").await.status, 200, "{path}");
    }
}

/// Onboards a tenant with one checkpoint. Answers the id of its key.
async fn onboard(stack: &Stack, id: &str) -> String {
    let body = json!({"tenant_id": id, "name": id, "email": "a@b.example", "tier": "free"}).to_string();
    let answer = stack.as_admin("POST", "/tenants", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let key = &answer.json()["api_key"];
    let value = key["value"].as_str().expect("a value");
    assert_eq!(stack.call(value, "PUT", "/checkpoints/one", &[], "1").await.status, 201);
    key["api_key_id"].as_str().expect("an id").to_owned()
}

/// Leaves a tenant as a change leaves it that broke off before it came to the gateway, with work of every kind.
async fn break_off(stack: &Stack, id: &str, key: &str) {
    let map = |members: &[(&str, AttributeValue)]| {
        AttributeValue::M(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    };
    let one = AttributeValue::N("1".to_owned());
    plant(stack, &stack.state().tables["checkpoints"], [("api_key_id", "zzzzzzzzzz"), ("name", "left")])
        .await;
    let pending = AttributeValue::L(vec![
        // The key is in the plan already: that is found out by asking.
        map(&[
            ("kind", text("tier")),
            ("from", text("standard")),
            ("to", text("free")),
            ("used", map(&[(key, one)])),
        ]),
        map(&[("kind", text("disable-keys"))]),
        map(&[("kind", text("enable-keys"))]),
        map(&[
            ("kind", text("new-key")),
            ("name", text(&format!("tenantry-{id}-2"))),
            ("actor", text("test")),
            ("rotate", text(key)),
            ("overlap_seconds", AttributeValue::N("60".to_owned())),
        ]),
        map(&[("kind", text("delete-key")), ("api_key_id", text("zzzzzzzzzz"))]),
    ]);
    stack
        .aws()
        .dynamodb()
        .update_item()
        .table_name(&stack.state().tables["tenants"])
        .key("tenant_id", text(id))
        .update_expression("SET #pending = :pending")
        .expression_attribute_names("#pending", "pending")
        .expression_attribute_values(":pending", pending)
        .send()
        .await
        .expect("the tenant is changed");
}

/// Each function that changes tenants completes what another one has left, with every call that this takes.
async fn every_change(stack: &Stack) {
    for (id, method, path, body, status) in [
        ("updated", "PATCH", "/tenants/updated", r#"{"name":"x","tier":"standard"}"#, 200),
        // The tenant has two keys then.
        ("created", "POST", "/tenants/created/keys", "", 409),
        ("revoked", "DELETE", "/tenants/revoked/keys/", "", 204),
    ] {
        let mut key = onboard(stack, id).await;
        let first = key.clone();
        if id == "revoked" {
            // What is owed is done to the key that stays.
            let made = stack.as_admin("POST", "/tenants/revoked/keys", "").await;
            assert_eq!(made.status, 201, "{made:?}");
            key = made.json()["api_key"]["api_key_id"].as_str().expect("an id").into();
        }
        break_off(stack, id, &key).await;
        let path = if path.ends_with('/') { format!("{path}{first}") } else { path.to_owned() };
        let answer = stack.as_admin(method, &path, body).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let key = onboard(stack, "resumed").await;
    break_off(stack, "resumed", &key).await;
    // This one's first key is past its end then.
    let key = onboard(stack, "rotated").await;
    let rotation = json!({"rotate": key, "overlap_seconds": 60}).to_string();
    assert_eq!(stack.as_admin("POST", "/tenants/rotated/keys", &rotation).await.status, 201);
    let event = json!({"time": "2099-01-01T00:00:00Z"}).to_string();
    let answer = stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(answer, json!({"tenants": 2, "deleted_keys": 1, "busy": 0}));
}

async fn roles_grant_what_is_used(mode: &str) {
    let stack = Stack::with(|options| {
        for (name, value) in [("TenantContextTtl", "0"), ("IsolationMode", mode)] {
            options.parameters.push((name.to_owned(), value.to_owned()));
        }
    })
    .await;
    let mut all = BTreeMap::new();
    // Seeding is onboarding through the real function.
    used(&stack, &mut all);
    let template = stack.inner().stack();
    for function in template.functions.iter().map(|function| &function.name) {
        // A function without a route has no events of API Gateway's.
        let cases = if function == "tenants-reconcile" { Vec::new() } else { Stack::cases(function) };
        for (case, _) in cases {
            stack.event(function, &case).await;
        }
        used(&stack, &mut all);
    }
    make_silo(&stack).await;
    for (tenant, records) in
        [("globex", &*stack.state().tables["records"]), ("initech", "tenantry-silo-initech-records")]
    {
        every_route(&stack, tenant, records).await;
        every_file_route(&stack, tenant).await;
        used(&stack, &mut all);
    }
    every_admin_route(&stack).await;
    used(&stack, &mut all);
    every_change(&stack).await;
    used(&stack, &mut all);
    for tenant in ["globex", "initech"] {
        own_calls(&stack, tenant).await;
        used(&stack, &mut all);
    }
    for role in template.roles.iter().map(|role| role.name.as_str()) {
        let used = all.remove(role).unwrap_or_default();
        assert_eq!(granted(&stack, role), used, "{role}: left what is granted, right what is used");
    }
    assert!(all.is_empty(), "roles that the template does not have: {all:?}");
}

testkit::in_both_modes! {
    roles_grant_what_is_used,
}
