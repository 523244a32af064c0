//! Every role grants just what is used: the decisions on all functions' calls are compared with the policies of
//! the template, action by action and resource by resource. Logs are granted by a policy of AWS's own.

#[path = "grants/imports.rs"]
mod imports;
#[path = "grants/moves.rs"]
mod moves;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use iam_policy::{By, Effect, Layer};
use serde_json::{Value, json};
use testkit::{Stack, own_calls};

/// Functions without a route.
const TASKS: &[&str] = &["tenants-reconcile", "usage-snapshot"];

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
        ("GET", "/usage", "", 200),
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
    // With a key also the table of what was asked for, and a record in one transaction with it.
    let file = json!({"name": "grants/once", "size": 1, "content_type": "text/plain"}).to_string();
    for (path, body) in [("/records/grants", "{}"), ("/credentials", "{}"), ("/files", &*file)] {
        let api_key = &stack.tenant(tenant).api_key;
        let answer = stack.call(api_key, "POST", path, &[("idempotency-key", "grants")], body).await;
        assert_eq!(answer.status, 201, "{tenant}: {path}: {answer:?}");
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
    let body = json!({"name": "once", "email": "a@b.example", "tier": "free"}).to_string();
    let answer = stack.as_admin_with(&[("idempotency-key", "once")], "POST", "/tenants", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    for path in ["/tenants", "/tenants/late", "/tenants/late/keys", "/tenants/late/usage", "/usage"] {
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

/// Puts a key into another plan, as by hand.
async fn put_into(stack: &Stack, key: &str, plan: &str) {
    let client = stack.api_gateway();
    let plans = client.get_usage_plans().send().await.expect("plans");
    let ids = plans.items().iter().map(|plan| (plan.name().expect("a name"), plan.id().expect("an id")));
    for (_, id) in ids.clone().filter(|(name, _)| *name != plan) {
        let _ = client.delete_usage_plan_key().usage_plan_id(id).key_id(key).send().await;
    }
    let (_, id) = ids.into_iter().find(|(name, _)| *name == plan).expect("the plan");
    let put = client.create_usage_plan_key().usage_plan_id(id).key_id(key).key_type("API_KEY");
    put.send().await.expect("in the plan");
}

/// Leaves a tenant as a change leaves it that broke off before it came to the gateway, with work of every kind.
async fn break_off(stack: &Stack, id: &str, key: &str) {
    let map = |members: &[(&str, AttributeValue)]| {
        AttributeValue::M(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    };
    let one = AttributeValue::N("1".to_owned());
    plant(stack, &stack.state().tables["checkpoints"], [("api_key_id", "zzzzzzzzzz"), ("name", "left")])
        .await;
    let tier = map(&[
        ("kind", text("tier")),
        ("to", text("free")),
        ("used", map(&[(key, one)])),
        ("noted_at", text("2026-11-24T11:00:00Z")),
    ]);
    put_into(stack, key, "tenantry-standard").await;
    let pending = AttributeValue::L(vec![
        tier.clone(),
        // The key is in the plan already: that is found out by asking.
        tier,
        map(&[("kind", text("disable-keys"))]),
        map(&[("kind", text("enable-keys"))]),
        // It is undone, and its request forgotten.
        map(&[
            ("kind", text("new-key")),
            ("name", text(&format!("tenantry-{id}-2"))),
            ("actor", text("test")),
            ("rotate", text(key)),
            ("overlap_seconds", AttributeValue::N("60".to_owned())),
            (
                "request",
                map(&[
                    ("tenant_id", text("control#test")),
                    ("route_key", text("POST /tenants/{tenant_id}/keys#k")),
                    ("fingerprint", text("f")),
                    ("created_at", text("2026-01-01T00:00:00Z")),
                    ("expires_at", AttributeValue::N("0".to_owned())),
                ]),
            ),
        ]),
        map(&[("kind", text("delete-key")), ("api_key_id", text("zzzzzzzzzz"))]),
    ]);
    stack
        .aws()
        .dynamodb()
        .update_item()
        .table_name(&stack.state().tables["tenants"])
        .key("tenant_id", text(id))
        .update_expression("SET #pending = :pending, due = :due, due_at = :past")
        .expression_attribute_names("#pending", "pending")
        .expression_attribute_values(":pending", pending)
        .expression_attribute_values(":due", text("owed"))
        .expression_attribute_values(":past", AttributeValue::N("0".to_owned()))
        .send()
        .await
        .expect("the tenant is changed");
}

/// Gives a tenant something of every kind that is exported and purged, beside the checkpoint that it has.
async fn fill(stack: &Stack, id: &str, key: &str, (records, files): (&str, &str)) {
    let tables = &stack.state().tables;
    for (table, keys) in [
        (records, [("tenant_id", id), ("sk", "notes#a")]),
        (&*tables["idempotency"], [("tenant_id", id), ("route_key", "POST /records#k")]),
        (&*tables["usage"], [("api_key_id", key), ("day", "2026-01-01")]),
    ] {
        plant(stack, table, keys).await;
    }
    let s3 = stack.s3(None);
    let put = s3.put_object().bucket(files).key(format!("{id}/file")).body(b"x".to_vec().into());
    put.send().await.expect("a file");
    let parted = begin(&s3, files, &format!("{id}/parted")).await;
    let part = CompletedPart::builder().part_number(1).e_tag(parted.1).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = s3.complete_multipart_upload().bucket(files).key(format!("{id}/parted"));
    complete.upload_id(parted.0).multipart_upload(parts).send().await.expect("a file");
    begin(&s3, files, &format!("{id}/upload")).await;
}

/// Begins an upload in parts, with one of them. Answers its id and the part's entity tag.
async fn begin(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) -> (String, String) {
    let begun = s3.create_multipart_upload().bucket(bucket).key(key).send().await.expect("an upload");
    let id = begun.upload_id().expect("an id");
    let put =
        s3.upload_part().bucket(bucket).key(key).upload_id(id).part_number(1).body(b"x".to_vec().into());
    (id.to_owned(), put.send().await.expect("a part").e_tag.expect("a tag"))
}

/// What broken off runs have left of the copy of the tenant's file in parts.
async fn leave_copies(stack: &Stack, answer: &Value) {
    let (id, version) = (&answer["tenant"]["tenant_id"], &answer["tenant"]["version"]);
    let (id, version) = (id.as_str().expect("an id"), version.as_u64().expect("a version"));
    let key = format!("{id}/{version:06}/files/parted");
    for _ in 0..2 {
        begin(&stack.s3(None), &stack.state().buckets["exports"], &key).await;
    }
}

/// The tenant that has a silo leaves.
async fn the_silo_goes(stack: &Stack) {
    let state = stack.state();
    let bucket = format!("tenantry-silo-initech-{}-{}", state.account_id, state.region);
    let key = stack.tenant("initech").api_key_id.clone();
    fill(stack, "initech", &key, ("tenantry-silo-initech-records", &bucket)).await;
    let answer = stack.as_admin("DELETE", "/tenants/initech?grace_seconds=0", "").await;
    assert_eq!(answer.status, 202, "{answer:?}");
    for time in ["2026-11-24T16:00:00Z", "2026-11-24T16:20:00Z"] {
        let event = json!({"tenant_id": "initech", "time": time}).to_string();
        stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
    }
    let gone = stack.as_admin("GET", "/tenants/initech", "").await.json();
    assert_eq!(gone["tenant"]["status"], "deleted", "{gone}");
}

/// Each function that changes tenants completes what another one has left, with every call that this takes.
async fn every_change(stack: &Stack) {
    for (id, method, path, body, status) in [
        ("updated", "PATCH", "/tenants/updated", r#"{"name":"x","tier":"standard"}"#, 200),
        ("created", "POST", "/tenants/created/keys", "", 201),
        ("granted", "POST", "/tenants/granted/usage/grants", r#"{"requests":1}"#, 201),
        ("revoked", "DELETE", "/tenants/revoked/keys/", "", 204),
        ("leaving", "DELETE", "/tenants/leaving?grace_seconds=0", "", 202),
    ] {
        let mut key = onboard(stack, id).await;
        if id == "leaving" {
            let state = stack.state();
            fill(stack, id, &key, (&state.tables["records"], &state.buckets["files"])).await;
        }
        let first = key.clone();
        if id == "revoked" {
            // What is owed is done to the key that stays.
            let made = stack.as_admin("POST", "/tenants/revoked/keys", "").await;
            assert_eq!(made.status, 201, "{made:?}");
            key = made.json()["api_key"]["api_key_id"].as_str().expect("an id").into();
        }
        break_off(stack, id, &key).await;
        let path = if path.ends_with('/') { format!("{path}{first}") } else { path.to_owned() };
        let answer = stack.as_admin_with(&[("idempotency-key", id)], method, &path, body).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        if id == "leaving" {
            leave_copies(stack, &answer.json()).await;
        }
    }
    let crash = stack.inner().crash_after("admin-tenants-create", 2);
    let body = json!({"tenant_id": "undone", "name": "x", "email": "a@b.example", "tier": "free"});
    assert_eq!(stack.as_admin("POST", "/tenants", &body.to_string()).await.status, 502);
    assert!(crash.has_happened());
    let key = onboard(stack, "resumed").await;
    break_off(stack, "resumed", &key).await;
    // This one's first key is past its end then.
    let key = onboard(stack, "rotated").await;
    let rotation = json!({"rotate": key, "overlap_seconds": 60}).to_string();
    assert_eq!(stack.as_admin("POST", "/tenants/rotated/keys", &rotation).await.status, 201);
    // Beside them, acme leaves by an event. The horizon of both is over then.
    let event = json!({"time": "2026-11-24T14:00:00Z"}).to_string();
    let answer = stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    // And the silo of the tenant that an event has onboarded is made.
    assert_eq!(answer, json!({"tenants": 6, "deleted_keys": 1, "busy": 0}));
}

async fn roles_grant_what_is_used(mode: &str) {
    let stack = Stack::with(|options| {
        for (name, value) in [("TenantContextTtl", "0"), ("IsolationMode", mode)] {
            options.parameters.push((name.to_owned(), value.to_owned()));
        }
        // The events' own, so that what they ask for lies in the present period of every quota.
        options.time = "fixed:2026-11-24T12:00:00Z".parse().expect("a time");
    })
    .await;
    let mut all = BTreeMap::new();
    // Seeding is onboarding through the real function.
    used(&stack, &mut all);
    let template = stack.inner().stack();
    for function in template.functions.iter().map(|function| &function.name) {
        // A function without a route has no events of API Gateway's.
        let is_task = TASKS.contains(&function.as_str());
        let cases = if is_task { Vec::new() } else { Stack::cases(function) };
        for (case, _) in cases {
            stack.event(function, &case).await;
        }
        used(&stack, &mut all);
    }
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
    the_silo_goes(&stack).await;
    used(&stack, &mut all);
    imports::every_call(&stack).await;
    used(&stack, &mut all);
    moves::every_call(&stack).await;
    used(&stack, &mut all);
    for role in template.roles.iter().map(|role| role.name.as_str()) {
        let used = all.remove(role).unwrap_or_default();
        assert_eq!(granted(&stack, role), used, "{role}: left what is granted, right what is used");
    }
    assert!(all.is_empty(), "roles that the template does not have: {all:?}");
}

testkit::in_both_modes! {
    roles_grant_what_is_used,
}
