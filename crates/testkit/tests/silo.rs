//! Tenants with a table and a bucket of their own, from their onboarding on.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde_json::{Value, json};
use testkit::{Answer, Stack, Vended};

/// The shortest id, one that it begins, and the longest, which begins with it too.
const IDS: [&str; 3] = ["abc", "abc1", "abc12345678901234567"];
/// A pooled tenant whose id begins so as well.
const POOLED: &str = "abcd";

const COMMIT: &str = "dynamodb:TransactWriteItems";
/// The calls by which a silo is made, in their order.
const STEPS: [&str; 11] = [
    COMMIT,
    "dynamodb:CreateTable",
    // The bucket, and what is set of it.
    "s3:PUT",
    "s3:PUT",
    "s3:PUT",
    "s3:PUT",
    "s3:PUT",
    "s3:PUT",
    "s3:PUT",
    "dynamodb:UpdateContinuousBackups",
    COMMIT,
];

/// A stack whose functions ask for the context of every request, at six o'clock.
async fn start(mode: &str) -> Stack {
    Stack::with(|options| {
        for (name, value) in [("TenantContextTtl", "0"), ("IsolationMode", mode)] {
            options.parameters.push((name.to_owned(), value.to_owned()));
        }
        options.time = "fixed:2026-11-10T06:00:00Z".parse().expect("a time");
    })
    .await
}

fn request(id: &str, isolation: &str) -> String {
    json!({"tenant_id": id, "name": id, "email": "a@b.example", "tier": "free", "isolation": isolation})
        .to_string()
}

/// Onboards a tenant. Answers the value of its key.
async fn onboard(stack: &Stack, id: &str, isolation: &str) -> String {
    let answer = stack.as_admin("POST", "/tenants", &request(id, isolation)).await;
    let (status, stands) = if isolation == "siloed" { (202, "provisioning") } else { (201, "active") };
    assert_eq!((answer.status, &answer.json()["tenant"]["status"]), (status, &json!(stands)), "{answer:?}");
    answer.json()["api_key"]["value"].as_str().expect("a value").to_owned()
}

/// Runs the task so many minutes after six o'clock.
async fn reconcile(stack: &Stack, minutes: u32) -> Value {
    let time = format!("2026-11-10T{:02}:{:02}:00Z", 6 + minutes / 60, minutes % 60);
    let event = json!({ "time": time }).to_string();
    let answer = stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
    serde_json::from_slice(&answer).expect("JSON")
}

/// A tenant as an operator sees it, with its keys and its audit.
async fn shown(stack: &Stack, id: &str) -> Value {
    let told = stack.as_admin("GET", &format!("/tenants/{id}"), "").await.json();
    let mut tenant = told["tenant"].clone();
    (tenant["keys"], tenant["audit"]) = (told["keys"].clone(), told["audit"].clone());
    tenant
}

async fn item(stack: &Stack, id: &str) -> Option<HashMap<String, AttributeValue>> {
    let read = stack.aws().dynamodb().get_item().table_name(&stack.state().tables["tenants"]);
    read.key("tenant_id", text(id)).send().await.expect("readable").item
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn table_of(id: &str) -> String {
    format!("tenantry-silo-{id}-records")
}

fn bucket_of(stack: &Stack, id: &str) -> String {
    format!("tenantry-silo-{id}-{}-{}", stack.state().account_id, stack.state().region)
}

async fn tables(stack: &Stack) -> Vec<String> {
    let pages = stack.aws().dynamodb().list_tables().into_paginator().items();
    pages.send().try_collect().await.expect("the tables can be listed")
}

async fn buckets(stack: &Stack) -> Vec<String> {
    let listed = stack.s3(None).list_buckets().send().await.expect("the buckets can be listed");
    listed.buckets().iter().filter_map(|bucket| bucket.name().map(str::to_owned)).collect()
}

/// Puts a record and uploads a file with a tenant's key.
async fn fill(stack: &Stack, id: &str, key: &str) {
    let put = stack.call(key, "PUT", "/records/notes/one", &[], &json!({"of": id}).to_string()).await;
    assert_eq!(put.status, 201, "{id}: {put:?}");
    let file = json!({"name": "one", "size": id.len(), "content_type": "text/plain"}).to_string();
    let begun = stack.call(key, "POST", "/files", &[], &file).await;
    assert_eq!(begun.status, 201, "{id}: {begun:?}");
    let sent = testkit::upload(&begun.json()["upload"], id.to_owned()).await;
    assert_eq!(sent.status, 200, "{id}: {sent:?}");
}

async fn a_siloed_tenant_is_told_to_wait_until_its_silo_answers(mode: &str) {
    let stack = start(mode).await;
    let key = onboard(&stack, "abc", "siloed").await;
    let waits = async |answer: Answer| {
        assert_eq!((answer.status, answer.header("retry-after").is_empty()), (503, false), "{answer:?}");
        assert_eq!(answer.json()["type"], "urn:tenantry:problem:tenant-provisioning");
    };
    waits(stack.call(&key, "GET", "/tenant", &[], "").await).await;
    waits(stack.call(&key, "PUT", "/records/notes/one", &[], "{}").await).await;
    waits(stack.call(&key, "POST", "/credentials", &[], "{}").await).await;
    // Nothing of it is changed meanwhile, and it is onboarded once.
    let key_id = shown(&stack, "abc").await["keys"][0]["api_key_id"].as_str().expect("an id").to_owned();
    let before = stack.contents().await;
    for (method, path, body) in [
        ("PATCH", "/tenants/abc".to_owned(), r#"{"name":"x"}"#.to_owned()),
        ("PATCH", "/tenants/abc".to_owned(), r#"{"status":"suspended"}"#.to_owned()),
        ("POST", "/tenants/abc/keys".to_owned(), String::new()),
        ("DELETE", format!("/tenants/abc/keys/{key_id}?force=true"), String::new()),
        ("POST", "/tenants/abc/usage/grants".to_owned(), r#"{"requests":1}"#.to_owned()),
        ("POST", "/tenants".to_owned(), request("abc", "siloed")),
    ] {
        let refused = stack.as_admin(method, &path, &body).await;
        assert_eq!(refused.status, 409, "{method} {path}: {refused:?}");
    }
    assert_eq!(stack.contents().await, before);
    assert_eq!(reconcile(&stack, 0).await, json!({"tenants": 1, "deleted_keys": 0, "busy": 0}));
    assert_eq!(stack.call(&key, "GET", "/tenant", &[], "").await.json()["isolation"], "siloed");
    let tenant = shown(&stack, "abc").await;
    let stands = (&tenant["status"], &tenant["status_reason"], &tenant["version"]);
    assert_eq!(stands, (&json!("active"), &Value::Null, &json!(3)), "{tenant}");
    let audit = tenant["audit"].as_array().expect("entries").iter().map(|entry| entry["action"].clone());
    assert_eq!(audit.collect::<Vec<_>>(), ["tenant.activate", "tenant.create"]);
    assert_eq!(reconcile(&stack, 10).await["tenants"], 0);
}

async fn a_siloed_tenants_data_lies_in_its_own_table_and_bucket_and_nowhere_else(mode: &str) {
    let stack = start(mode).await;
    let mut keys = Vec::new();
    for id in IDS {
        keys.push((id, onboard(&stack, id, "siloed").await));
    }
    reconcile(&stack, 0).await;
    keys.push((POOLED, onboard(&stack, POOLED, "pooled").await));
    for (id, key) in &keys {
        fill(&stack, id, key).await;
    }
    let silos = ["initech", IDS[0], IDS[1], IDS[2]];
    let pooled = ["acme", "globex", POOLED];
    let owners = |name: &str, silo: &dyn Fn(&str) -> String| -> Vec<&str> {
        silos.iter().find(|id| silo(id) == name).map_or_else(|| pooled.to_vec(), |id| vec![*id])
    };
    let mut found = Vec::new();
    for table in tables(&stack).await.iter().filter(|table| table.ends_with("records")) {
        let items = stack.aws().dynamodb().scan().table_name(table).send().await.expect("the table").items;
        for item in items.expect("items") {
            let id = item["tenant_id"].as_s().expect("a text").clone();
            assert!(owners(table, &table_of).contains(&id.as_str()), "{id} in {table}");
            found.push(id);
        }
    }
    for bucket in buckets(&stack).await {
        let listed = stack.s3(None).list_objects_v2().bucket(&bucket).send().await.expect("the bucket");
        for object in listed.contents() {
            let (id, _) = object.key().and_then(|key| key.split_once('/')).expect("a prefix");
            assert!(owners(&bucket, &|id| bucket_of(&stack, id)).contains(&id), "{id} in {bucket}");
            found.push(id.to_owned());
        }
    }
    for (id, key) in &keys {
        assert_eq!(found.iter().filter(|found| found == id).count(), 2, "{id}: a record and a file");
        let record = stack.call(key, "GET", "/records/notes/one", &[], "").await.json();
        assert_eq!(record["data"], json!({"of": id}));
        let page = stack.call(key, "GET", "/files", &[], "").await.json();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{id}: {page}");
    }
}

async fn handed_out_credentials_follow_the_isolation_of_the_tenant(mode: &str) {
    let stack = start(mode).await;
    let mut vended = Vec::new();
    for id in [IDS[0], IDS[1]] {
        onboard(&stack, id, "siloed").await;
    }
    for (id, isolation) in [(IDS[2], "siloed"), (POOLED, "pooled")] {
        let key = onboard(&stack, id, isolation).await;
        reconcile(&stack, 0).await;
        let answer = stack.call(&key, "POST", "/credentials", &[], r#"{"access":"write"}"#).await;
        vended.push((id, isolation, Vended::of(&answer)));
    }
    let pool = (stack.state().tables["records"].clone(), stack.state().buckets["files"].clone());
    for (id, isolation, credentials) in vended {
        let silo = (table_of(id), bucket_of(&stack, id));
        let own = if isolation == "siloed" { &silo } else { &pool };
        assert_eq!((&credentials.records, &credentials.bucket), (&own.0, &own.1));
        let dynamodb = credentials.dynamodb(&stack, &stack.state().aws_endpoint_url);
        let s3 = credentials.s3(&stack);
        let others = [IDS[0], IDS[1]].map(|id| (table_of(id), bucket_of(&stack, id)));
        for (table, bucket) in [&pool, &silo].into_iter().chain(&others) {
            let put = dynamodb.put_item().table_name(table).item("tenant_id", text(id));
            let put = put.item("sk", text("own#one")).send().await;
            let body = aws_sdk_s3::primitives::ByteStream::from_static(b"x");
            let sent = s3.put_object().bucket(bucket).key(format!("{id}/own")).body(body).send().await;
            if table == &own.0 {
                assert!(put.is_ok() && sent.is_ok(), "{id}: {put:?} {sent:?}");
                continue;
            }
            let put = put.expect_err("another's table").into_service_error();
            assert_eq!(put.meta().code(), Some("AccessDeniedException"), "{id}: {table}");
            let sent = sent.expect_err("another's bucket").into_service_error();
            assert_eq!(sent.meta().code(), Some("AccessDenied"), "{id}: {bucket}");
        }
    }
}

testkit::in_both_modes! {
    a_siloed_tenant_is_told_to_wait_until_its_silo_answers,
    a_siloed_tenants_data_lies_in_its_own_table_and_bucket_and_nowhere_else,
    handed_out_credentials_follow_the_isolation_of_the_tenant,
}

/// What a browser is told by a bucket before it uploads from another origin.
async fn preflight(stack: &Stack, bucket: &str) -> (u16, Vec<(String, String)>) {
    let url = format!("{}/{bucket}/abc/one", stack.state().aws_endpoint_url);
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = testkit::request("OPTIONS", &url, &headers, "").await.expect("an answer");
    let told = answer.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut told: Vec<_> = told.map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect();
    told.sort();
    (answer.status, told)
}

#[tokio::test]
async fn a_silo_has_the_settings_of_the_pool() {
    let stack = Stack::with(|options| {
        let origins = ("FilesCorsOrigins".to_owned(), "https://app.example,https://b.example".to_owned());
        options.parameters.push(origins);
    })
    .await;
    let dynamodb = stack.aws().dynamodb().clone();
    let described = async |table: &str| {
        let answer = dynamodb.describe_table().table_name(table).send().await.expect("the table");
        let table = answer.table.expect("a description");
        let billing = table.billing_mode_summary.and_then(|summary| summary.billing_mode);
        ((table.key_schema, table.attribute_definitions, billing), table.deletion_protection_enabled)
    };
    // The local stack does not protect the template's own tables.
    let (pooled, _) = described(&stack.state().tables["records"]).await;
    assert_eq!(described(&table_of("initech")).await, (pooled, Some(true)));
    let pooled = preflight(&stack, &stack.state().buckets["files"]).await;
    assert_eq!(pooled.0, 200, "{pooled:?}");
    assert_eq!(preflight(&stack, &bucket_of(&stack, "initech")).await, pooled);
}

/// Takes the name of a silo's table for one of another kind.
async fn take_the_name(stack: &Stack, id: &str) {
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build();
    let attribute =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let create = stack.aws().dynamodb().create_table().table_name(table_of(id));
    let create = create.key_schema(key.expect("a key")).billing_mode(BillingMode::PayPerRequest);
    create.attribute_definitions(attribute.build().expect("an attribute")).send().await.expect("a table");
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_as_the_reason_and_is_tried_again() {
    let stack = start("application").await;
    take_the_name(&stack, "abc").await;
    let key = onboard(&stack, "abc", "siloed").await;
    assert_eq!(reconcile(&stack, 0).await["tenants"], 1);
    let tenant = shown(&stack, "abc").await;
    let reason = tenant["status_reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains(&table_of("abc")) && reason.contains("exists"), "{reason}");
    assert_eq!((&tenant["status"], &tenant["version"]), (&json!("provisioning"), &json!(3)));
    // It is left alone for a while, and a reason that is known makes no new version.
    assert_eq!(reconcile(&stack, 1).await["tenants"], 0);
    assert_eq!(reconcile(&stack, 5).await["tenants"], 1);
    assert_eq!(shown(&stack, "abc").await["version"], 3);
    assert_eq!(stack.call(&key, "GET", "/tenant", &[], "").await.status, 503);
    stack.aws().dynamodb().delete_table().table_name(table_of("abc")).send().await.expect("deleted");
    // Who names the tenant need not wait.
    let event = json!({"tenant_id": "abc", "time": "2026-11-10T06:06:00Z"}).to_string();
    stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
    let tenant = shown(&stack, "abc").await;
    assert_eq!((&tenant["status"], &tenant["status_reason"]), (&json!("active"), &Value::Null), "{tenant}");
    fill(&stack, "abc", &key).await;
}

#[tokio::test]
async fn a_service_that_fails_for_a_while_delays_a_silo_and_tells_no_reason() {
    let stack = start("application").await;
    onboard(&stack, "abc", "siloed").await;
    let failing = stack.inner().fail_calls("tenants-reconcile", "dynamodb:CreateTable");
    assert!(reconcile(&stack, 0).await["errorType"].is_string());
    assert!(failing.failed() > 0);
    drop(failing);
    let tenant = shown(&stack, "abc").await;
    assert_eq!((&tenant["status"], &tenant["status_reason"]), (&json!("provisioning"), &Value::Null));
    assert_eq!(reconcile(&stack, 3).await["tenants"], 1);
    assert_eq!(shown(&stack, "abc").await["status"], "active");
}

#[tokio::test]
async fn a_crash_after_any_step_of_making_a_silo_ends_in_one_that_answers() {
    let stack = start("application").await;
    let mut minutes = 0;
    for number in 1.. {
        let id = format!("abc{number}");
        let key = onboard(&stack, &id, "siloed").await;
        let crash = stack.inner().crash_after("tenants-reconcile", number);
        reconcile(&stack, minutes).await;
        let is_over = !crash.has_happened();
        if is_over {
            assert_eq!(crash.seen(), STEPS);
        }
        drop(crash);
        minutes += 3;
        assert_eq!(reconcile(&stack, minutes).await["busy"], 0, "behind step {number}");
        let item = item(&stack, &id).await.expect("the tenant");
        assert_eq!(item["status"], text("active"), "behind step {number}");
        for left in ["pending", "lease_until", "due", "due_at", "status_reason"] {
            assert!(!item.contains_key(left), "behind step {number}: {left} is left");
        }
        fill(&stack, &id, &key).await;
        let pooled = preflight(&stack, &stack.state().buckets["files"]).await;
        assert_eq!(preflight(&stack, &bucket_of(&stack, &id)).await, pooled, "behind step {number}");
        let before = stack.contents().await;
        reconcile(&stack, minutes).await;
        assert_eq!(stack.contents().await, before, "behind step {number}");
        if is_over {
            break;
        }
    }
}

#[tokio::test]
async fn a_crash_while_a_siloed_tenant_is_onboarded_leaves_no_silo_without_a_tenant() {
    let stack = start("application").await;
    let places = (tables(&stack).await, buckets(&stack).await);
    for number in 1..=4 {
        let crash = stack.inner().crash_after("admin-tenants-create", number);
        let answer = stack.as_admin("POST", "/tenants", &request("abc", "siloed")).await;
        assert_eq!((answer.status, crash.has_happened()), (502, true), "{answer:?}");
        drop(crash);
        // Until the lease is over, nothing is due but what has its key.
        reconcile(&stack, 3).await;
        let tenant = item(&stack, "abc").await;
        if number < 4 {
            assert_eq!(tenant, None, "behind step {number}");
            assert_eq!((tables(&stack).await, buckets(&stack).await), places, "behind step {number}");
        } else {
            // The key's context is written with the last step: nobody was told its value, as of a pooled one.
            assert_eq!(tenant.expect("the tenant")["status"], text("active"));
            assert!(tables(&stack).await.contains(&table_of("abc")));
            assert!(buckets(&stack).await.contains(&bucket_of(&stack, "abc")));
        }
    }
}
