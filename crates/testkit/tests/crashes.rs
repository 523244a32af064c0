//! Every operation of the control plane, with its function killed behind each call by which it changes anything.
//!
//! Which calls those are is found out by counting: the crash comes behind the first one, then behind the second, until
//! a run ends before its crash comes. So a new call has its crash case at once; that it is there has to be said in
//! [`Operation::steps`].

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use testkit::{Answer, Stack};

const COMMIT: &str = "dynamodb:TransactWriteItems";
const COPY: &str = "dynamodb:BatchWriteItem";
const MAKE: &str = "apigateway:POST /apikeys";
const ENTER: &str = "apigateway:POST /usageplans/{}/keys";
const LEAVE: &str = "apigateway:DELETE /usageplans/{}/keys/{}";
const COUNT: &str = "apigateway:PATCH /usageplans/{}/keys/{}/usage";
const CHANGE: &str = "apigateway:PATCH /apikeys/{}";
const DELETE: &str = "apigateway:DELETE /apikeys/{}";

/// What is done to a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Onboard,
    Rename,
    ChangeTier,
    Suspend,
    Resume,
    CreateKey,
    RotateKey,
    RevokeKey,
    Grant,
    /// The task deletes a key past its end.
    ExpireKey,
    /// The task undoes a key whose making broke off.
    AbandonKey,
    /// The task undoes an onboarding that broke off.
    AbandonOnboarding,
}

impl Operation {
    const ALL: &[Self] = &[
        Self::Onboard,
        Self::Rename,
        Self::ChangeTier,
        Self::Suspend,
        Self::Resume,
        Self::CreateKey,
        Self::RotateKey,
        Self::RevokeKey,
        Self::Grant,
        Self::ExpireKey,
        Self::AbandonKey,
        Self::AbandonOnboarding,
    ];

    const fn function(self) -> &'static str {
        match self {
            Self::Onboard => "admin-tenants-create",
            Self::Rename | Self::ChangeTier | Self::Suspend | Self::Resume => "admin-tenants-update",
            Self::CreateKey | Self::RotateKey => "admin-keys-create",
            Self::RevokeKey => "admin-keys-delete",
            Self::Grant => "admin-usage-grant",
            Self::ExpireKey | Self::AbandonKey | Self::AbandonOnboarding => "tenants-reconcile",
        }
    }

    /// The calls by which it changes anything, in their order.
    const fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Onboard | Self::CreateKey => &[COMMIT, MAKE, ENTER, COMMIT],
            Self::Rename => &[COMMIT],
            Self::ChangeTier => &[COMMIT, LEAVE, ENTER, COUNT, COMMIT],
            Self::Suspend | Self::Resume => &[COMMIT, CHANGE, COMMIT],
            Self::RotateKey => &[COMMIT, MAKE, ENTER, COUNT, COPY, COMMIT],
            Self::RevokeKey | Self::ExpireKey => &[COMMIT, DELETE, COPY, COMMIT],
            Self::Grant => &[COMMIT, COUNT, COMMIT],
            Self::AbandonKey => &[COMMIT, COPY, DELETE, COMMIT],
            Self::AbandonOnboarding => &[COMMIT, DELETE, COMMIT],
        }
    }
}

/// A stack whose functions ask for the context of every request, and on which every request is made at six o'clock.
/// The task is run later and later.
struct Day {
    stack: Stack,
    minutes: AtomicU32,
}

impl Deref for Day {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

async fn start() -> Day {
    let stack = Stack::with(|options| {
        options.parameters.push(("TenantContextTtl".to_owned(), "0".to_owned()));
        options.time = "fixed:2026-11-10T06:00:00Z".parse().expect("a time");
    })
    .await;
    Day { stack, minutes: AtomicU32::new(0) }
}

impl Day {
    /// Lets every lease run out.
    fn advance(&self) {
        self.minutes.fetch_add(3, Ordering::Relaxed);
    }
}

/// A tenant and the key that it was onboarded with.
struct Subject {
    id: String,
    key: String,
    value: String,
}

fn onboarding(id: &str) -> String {
    json!({"tenant_id": id, "name": id, "email": "a@b.example", "tier": "free"}).to_string()
}

/// Onboards a tenant with one checkpoint, so that its key has one request less than its quota.
async fn onboard(stack: &Stack, id: &str) -> Subject {
    let answer = stack.as_admin("POST", "/tenants", &onboarding(id)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let key = &answer.json()["api_key"];
    let text = |name: &str| key[name].as_str().expect("a text").to_owned();
    let (key, value) = (text("api_key_id"), text("value"));
    assert_eq!(stack.call(&value, "PUT", "/checkpoints/one", &[], "1").await.status, 201);
    Subject { id: id.to_owned(), key, value }
}

async fn reconcile(stack: &Day) -> Value {
    reconcile_at(stack, stack.minutes.load(Ordering::Relaxed)).await
}

/// Runs the task so many minutes after six o'clock.
async fn reconcile_at(stack: &Day, minutes: u32) -> Value {
    let time = format!("2026-11-10T{:02}:{:02}:00Z", 6 + minutes / 60, minutes % 60);
    let event = json!({ "time": time }).to_string();
    let answer = stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
    serde_json::from_slice(&answer).expect("JSON")
}

/// Brings a tenant to where the operation is due.
async fn prepare(stack: &Day, operation: Operation, id: &str) -> Subject {
    if matches!(operation, Operation::Onboard | Operation::AbandonOnboarding) {
        if operation == Operation::AbandonOnboarding {
            let crash = stack.inner().crash_after("admin-tenants-create", 3);
            assert_eq!(stack.as_admin("POST", "/tenants", &onboarding(id)).await.status, 502);
            assert!(crash.has_happened());
            stack.advance();
        }
        return Subject { id: id.to_owned(), key: String::new(), value: String::new() };
    }
    let subject = onboard(stack, id).await;
    let keys = format!("/tenants/{id}/keys");
    let rotation = json!({"rotate": subject.key, "overlap_seconds": 60}).to_string();
    match operation {
        Operation::Resume => {
            let path = format!("/tenants/{id}");
            let suspended = stack.as_admin("PATCH", &path, r#"{"status":"suspended"}"#).await;
            assert_eq!(suspended.status, 200);
        }
        Operation::RevokeKey => assert_eq!(stack.as_admin("POST", &keys, "").await.status, 201),
        Operation::ExpireKey => {
            assert_eq!(stack.as_admin("POST", &keys, &rotation).await.status, 201);
            stack.advance();
        }
        Operation::AbandonKey => {
            let crash = stack.inner().crash_after("admin-keys-create", 5);
            assert_eq!(stack.as_admin("POST", &keys, &rotation).await.status, 502);
            assert!(crash.has_happened());
            stack.advance();
        }
        Operation::Onboard
        | Operation::AbandonOnboarding
        | Operation::Rename
        | Operation::ChangeTier
        | Operation::Suspend
        | Operation::CreateKey
        | Operation::RotateKey
        | Operation::Grant => {}
    }
    subject
}

/// Does it. The task answers nothing here.
async fn perform(stack: &Day, operation: Operation, Subject { id, key, .. }: &Subject) -> Option<Answer> {
    let tenant = format!("/tenants/{id}");
    let (method, path, body) = match operation {
        Operation::Onboard => ("POST", "/tenants".to_owned(), onboarding(id)),
        Operation::Rename => ("PATCH", tenant, r#"{"name":"Renamed"}"#.to_owned()),
        Operation::ChangeTier => ("PATCH", tenant, r#"{"tier":"standard"}"#.to_owned()),
        Operation::Suspend => ("PATCH", tenant, r#"{"status":"suspended"}"#.to_owned()),
        Operation::Resume => ("PATCH", tenant, r#"{"status":"active"}"#.to_owned()),
        Operation::CreateKey => ("POST", format!("{tenant}/keys"), String::new()),
        Operation::RotateKey => {
            ("POST", format!("{tenant}/keys"), json!({"rotate": key, "overlap_seconds": 3_600}).to_string())
        }
        Operation::RevokeKey => ("DELETE", format!("{tenant}/keys/{key}"), String::new()),
        Operation::Grant => ("POST", format!("{tenant}/usage/grants"), r#"{"requests":500}"#.to_owned()),
        Operation::ExpireKey | Operation::AbandonKey | Operation::AbandonOnboarding => {
            reconcile(stack).await;
            return None;
        }
    };
    Some(stack.as_admin(method, &path, &body).await)
}

/// What the tables and the gateway say of a tenant.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    /// Status, tier, name.
    tenant: Option<(String, String, String)>,
    /// The keys, and whether each has an end.
    keys: Vec<(String, bool)>,
    /// What each of them has left.
    remaining: Vec<Option<i64>>,
}

async fn items(stack: &Stack, table: &str) -> Vec<std::collections::HashMap<String, AttributeValue>> {
    let pages = stack.aws().dynamodb().scan().table_name(&stack.state().tables[table]).into_paginator();
    pages.items().send().try_collect().await.expect("the table can be read")
}

fn text(item: &std::collections::HashMap<String, AttributeValue>, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

/// Where a tenant stands, if the tables and the gateway agree about it and nothing is left over anywhere.
async fn standing(stack: &Stack, id: &str) -> Standing {
    let gateway = stack.api_gateway();
    let named = gateway.get_api_keys().name_query(format!("tenantry-{id}-")).send().await.expect("keys");
    let named: BTreeSet<String> =
        named.items().iter().map(|key| key.id().expect("an id").to_owned()).collect();
    let contexts = items(stack, "api-keys").await;
    let contexts: Vec<_> = contexts.iter().filter(|item| text(item, "tenant_id") == id).collect();
    let checkpoints = items(stack, "checkpoints").await;
    let of: BTreeSet<_> = contexts.iter().map(|item| text(item, "api_key_id")).collect();
    assert_eq!(named, of, "{id}: left the keys of the gateway, right those with a context");
    for item in items(stack, "idempotency").await {
        assert!(item.contains_key("body"), "{id}: a request without an answer: {item:?}");
    }
    let tenants = items(stack, "tenants").await;
    let Some(tenant) = tenants.iter().find(|item| text(item, "tenant_id") == id) else {
        assert!(of.is_empty(), "{id}: no tenant, but keys");
        return Standing { tenant: None, keys: Vec::new(), remaining: Vec::new() };
    };
    for left in ["pending", "lease_until"] {
        assert!(!tenant.contains_key(left), "{id}: {left} is left: {tenant:?}");
    }
    let (status, tier) = (text(tenant, "status"), text(tenant, "tier"));
    let (mut keys, mut remaining) = (Vec::new(), Vec::new());
    for context in &contexts {
        let key = text(context, "api_key_id");
        assert_eq!((text(context, "status"), text(context, "tier")), (status.clone(), tier.clone()));
        let made = gateway.get_api_key().api_key(&key).send().await.expect("the key");
        assert_eq!(made.enabled(), status == "active", "{id}: {key} is enabled exactly while it is active");
        let plans = gateway.get_usage_plans().key_id(&key).send().await.expect("plans");
        let [plan] = plans.items() else { panic!("{id}: {key} is in {} plans", plans.items().len()) };
        assert_eq!(plan.name(), Some(&*format!("tenantry-{tier}")), "{id}");
        let usage = gateway.get_usage().usage_plan_id(plan.id().expect("an id")).key_id(&key);
        let usage = usage.start_date("2026-11-10").end_date("2026-11-10").send().await.expect("usage");
        let day = usage.items().and_then(|keys| keys.get(&key)).and_then(|days| days.last()).cloned();
        remaining.push(day.and_then(|day| day.get(1).copied()));
        keys.push((key, context.contains_key("expires_at")));
    }
    let has_end = keys.iter().any(|(_, ends)| *ends);
    assert_eq!(tenant.contains_key("due"), has_end, "{id}: it is in the index exactly if a key ends");
    for item in &checkpoints {
        let key = text(item, "api_key_id");
        let is_known = contexts.iter().any(|context| text(context, "api_key_id") == key);
        let is_gone = gateway.get_api_key().api_key(&key).send().await.is_err();
        assert!(is_known || !is_gone, "{id}: a checkpoint of the deleted key {key}");
    }
    let audit = stack.aws().dynamodb().query().table_name("tenantry-audit");
    let audit = audit
        .key_condition_expression("tenant_id = :id")
        .expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
    let audit = audit.send().await.expect("the audit");
    let told: BTreeSet<_> = audit.items().iter().map(|item| text(item, "at")).collect();
    let version: u64 = tenant["version"].as_n().expect("a number").parse().expect("a version");
    for version in 2..=version {
        assert!(told.contains(&format!("{version:020}#0")), "{id}: nothing is told of version {version}");
    }
    keys.sort();
    Standing { tenant: Some((status, tier, text(tenant, "name"))), keys, remaining }
}

/// Where the tenant has to stand once all is done. `is_told` says whether the function came to its last write.
fn expected(operation: Operation, subject: &Subject, is_told: bool, found: &Standing) -> Standing {
    let tenant = |status: &str, tier: &str, name: &str| Some((status.into(), tier.into(), name.into()));
    let id = subject.id.as_str();
    let first = (subject.key.clone(), false);
    let only = |tenant, remaining| Standing { tenant, keys: vec![first.clone()], remaining: vec![remaining] };
    let left = Some(9_999);
    match operation {
        // What was made last is found by its name: its id is another one each time.
        Operation::Onboard if is_told => Standing {
            tenant: tenant("active", "free", id),
            keys: found.keys.clone(),
            remaining: vec![Some(10_000)],
        },
        Operation::Onboard | Operation::AbandonOnboarding => {
            Standing { tenant: None, keys: Vec::new(), remaining: Vec::new() }
        }
        Operation::Rename => only(tenant("active", "free", "Renamed"), left),
        Operation::ChangeTier => only(tenant("active", "standard", id), Some(999_999)),
        Operation::Suspend => only(tenant("suspended", "free", id), left),
        Operation::Grant => only(tenant("active", "free", id), Some(10_499)),
        Operation::Resume | Operation::AbandonKey => only(tenant("active", "free", id), left),
        Operation::CreateKey | Operation::RotateKey if !is_told => only(tenant("active", "free", id), left),
        Operation::CreateKey | Operation::RotateKey => {
            let mut keys: Vec<_> =
                found.keys.iter().filter(|(key, _)| *key != subject.key).cloned().collect();
            assert_eq!(keys.len(), 1, "{id}: one new key: {found:?}");
            let rotates = operation == Operation::RotateKey;
            keys.push((subject.key.clone(), rotates));
            keys.sort();
            let mut remaining = vec![left, if rotates { left } else { Some(10_000) }];
            remaining.sort();
            Standing { tenant: tenant("active", "free", id), keys, remaining }
        }
        // The other key is the one that is left.
        Operation::RevokeKey | Operation::ExpireKey => {
            assert!(
                found.keys.iter().all(|(key, _)| *key != subject.key),
                "{id}: the key is gone: {found:?}"
            );
            assert_eq!(found.keys.len(), 1, "{id}: one key is left: {found:?}");
            let remaining = if operation == Operation::ExpireKey { left } else { Some(10_000) };
            Standing {
                tenant: tenant("active", "free", id),
                keys: found.keys.clone(),
                remaining: vec![remaining],
            }
        }
    }
}

async fn assert_stands(stack: &Day, operation: Operation, subject: &Subject, is_told: bool, place: &str) {
    let mut found = standing(stack, &subject.id).await;
    found.remaining.sort();
    let expected = expected(operation, subject, is_told, &found);
    assert_eq!(found, expected, "{operation:?} {place}: left what is, right what has to be");
    let served = match &found.tenant {
        Some((status, ..)) if status == "active" => 200,
        Some(_) | None => 403,
    };
    let key_is_left = found.keys.iter().any(|(key, _)| *key == subject.key);
    if !subject.value.is_empty() {
        let status = stack.call(&subject.value, "GET", "/checkpoints/one", &[], "").await.status;
        assert_eq!(status, if key_is_left { served } else { 403 }, "{operation:?} {place}");
    }
}

async fn crash_after_every_step(operations: &[Operation]) {
    let stack = start().await;
    for operation in operations.iter().copied() {
        for number in 1.. {
            let subject =
                prepare(&stack, operation, &format!("t{}x{number}", operation as usize + 100)).await;
            let crash = stack.inner().crash_after(operation.function(), number);
            let answer = perform(&stack, operation, &subject).await;
            let place = format!("behind step {number}");
            if !crash.has_happened() {
                assert_eq!(crash.seen(), operation.steps(), "{operation:?}: its steps");
                if let Some(answer) = answer {
                    assert!(answer.status < 300, "{operation:?}: {answer:?}");
                }
                assert_stands(&stack, operation, &subject, true, "without a crash").await;
                break;
            }
            if let Some(answer) = answer {
                assert_eq!(answer.status, 502, "{operation:?} {place}: {answer:?}");
            }
            let is_told = number == operation.steps().len();
            drop(crash);
            // While the lease holds, the task leaves it alone.
            if !is_told && operation.function() != "tenants-reconcile" {
                let before = stack.contents().await;
                reconcile_at(&stack, 1).await;
                assert_eq!(stack.contents().await, before, "{operation:?} {place}");
            }
            stack.advance();
            let done = reconcile(&stack).await;
            assert_eq!(done["busy"], 0, "{operation:?} {place}: {done}");
            assert_stands(&stack, operation, &subject, is_told, &place).await;
            // And nothing is done twice.
            let before = stack.contents().await;
            reconcile(&stack).await;
            assert_eq!(stack.contents().await, before, "{operation:?} {place}");
        }
    }
}

#[tokio::test]
async fn a_crash_after_any_step_of_a_change_of_a_tenant_ends_in_the_right_state() {
    use Operation::{AbandonOnboarding, ChangeTier, Onboard, Rename, Resume, Suspend};
    crash_after_every_step(&[Onboard, AbandonOnboarding, Rename, ChangeTier, Suspend, Resume]).await;
}

#[tokio::test]
async fn a_crash_after_any_step_of_a_change_of_keys_ends_in_the_right_state() {
    use Operation::{AbandonKey, CreateKey, ExpireKey, Grant, RevokeKey, RotateKey};
    crash_after_every_step(&[CreateKey, RotateKey, RevokeKey, Grant, ExpireKey, AbandonKey]).await;
}

/// What the second of two equal requests is answered, and whether it may have its effect too.
fn second(operation: Operation) -> &'static [u16] {
    match operation {
        // It is so already.
        Operation::Rename | Operation::ChangeTier | Operation::Suspend | Operation::Resume => &[200],
        // The tenant exists; the key has an end; there are as many keys as there may be.
        Operation::Onboard | Operation::RotateKey => &[409],
        Operation::RevokeKey => &[404],
        // Each is a grant, and a key, of its own, unless it has an Idempotency-Key.
        Operation::Grant | Operation::CreateKey => &[201],
        Operation::ExpireKey | Operation::AbandonKey | Operation::AbandonOnboarding => &[],
    }
}

#[tokio::test]
async fn the_same_request_twice_does_it_once_where_it_says_a_state() {
    let stack = start().await;
    for operation in Operation::ALL.iter().copied() {
        let subject = prepare(&stack, operation, &format!("t{}twice", operation as usize + 100)).await;
        perform(&stack, operation, &subject).await;
        let repeats = matches!(operation, Operation::Grant | Operation::CreateKey);
        let before = stack.contents().await;
        // A third key would be one too many.
        let again =
            if operation == Operation::CreateKey { None } else { perform(&stack, operation, &subject).await };
        if let Some(again) = again {
            assert!(second(operation).contains(&again.status), "{operation:?}: {again:?}");
        }
        if !repeats {
            assert_eq!(stack.contents().await, before, "{operation:?}: the second changed something");
            assert_stands(&stack, operation, &subject, true, "twice").await;
        }
    }
}

#[tokio::test]
async fn two_at_once_end_in_the_state_of_one() {
    let stack = start().await;
    for operation in Operation::ALL.iter().copied() {
        let subject = prepare(&stack, operation, &format!("t{}both", operation as usize + 100)).await;
        let (a, b) = tokio::join!(perform(&stack, operation, &subject), perform(&stack, operation, &subject));
        let mut statuses: Vec<u16> = [a, b].into_iter().flatten().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        if let [first, other] = statuses[..] {
            assert!(first < 300, "{operation:?}: {statuses:?}");
            let known = [&[409, 404][..], second(operation)].concat();
            assert!(known.contains(&other), "{operation:?}: {statuses:?}");
            if other < 300 && matches!(operation, Operation::Grant | Operation::CreateKey) {
                // They came one after the other.
                continue;
            }
        }
        // Where one has changed nothing, the other may have left its work to be done.
        stack.advance();
        reconcile(&stack).await;
        assert_stands(&stack, operation, &subject, true, "at once").await;
    }
}

#[tokio::test]
async fn a_snapshot_of_usage_that_died_anywhere_is_made_whole_by_the_next() {
    let stack = start().await;
    let snapshot = async |minute: usize| {
        let event = json!({ "time": format!("2026-11-10T06:{minute:02}:00Z") }).to_string();
        stack.inner().invoke("usage-snapshot", event.into()).await.expect("an answer")
    };
    assert_eq!(stack.as_tenant("acme", "GET", "/tenant", "").await.status, 200);
    snapshot(1).await;
    let whole = stack.contents().await;
    for number in 1.. {
        let crash = stack.inner().crash_after("usage-snapshot", number);
        let answer = snapshot(1 + number).await;
        if !crash.has_happened() {
            // The plans with the count of keys, and the keys of each plan.
            assert_eq!(crash.seen(), [COPY; 4], "{answer:?}");
            break;
        }
        assert_ne!(stack.contents().await, whole, "behind step {number} a part is written");
        snapshot(1).await;
        assert_eq!(stack.contents().await, whole, "behind step {number}");
    }
}
