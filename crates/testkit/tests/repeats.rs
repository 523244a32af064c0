//! The control API's POSTs with an `Idempotency-Key`: each has its effect once, however often it comes.

use serde_json::{Value, json};
use testkit::{Answer, Stack};

/// A POST of the control API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Post {
    /// Without an id, so that nothing but the `Idempotency-Key` tells that it is the same.
    Tenant,
    Key,
    Rotation,
    Grant,
}

impl Post {
    const ALL: &[Self] = &[Self::Tenant, Self::Key, Self::Rotation, Self::Grant];

    const fn function(self) -> &'static str {
        match self {
            Self::Tenant => "admin-tenants-create",
            Self::Key | Self::Rotation => "admin-keys-create",
            Self::Grant => "admin-usage-grant",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Tenant => "/tenants",
            Self::Key | Self::Rotation => "/tenants/acme/keys",
            Self::Grant => "/tenants/acme/usage/grants",
        }
    }

    fn body(self, stack: &Stack) -> Value {
        match self {
            Self::Tenant => json!({"name": "Hooli", "email": "ops@hooli.example", "tier": "free"}),
            Self::Key => json!({}),
            Self::Rotation => json!({"rotate": stack.tenant("acme").api_key_id, "overlap_seconds": 3_600}),
            Self::Grant => json!({"requests": 500}),
        }
    }

    /// A body that means something else.
    fn other(self, stack: &Stack) -> Value {
        match self {
            Self::Tenant => json!({"name": "Hooli", "email": "ops@hooli.example", "tier": "standard"}),
            Self::Key => json!({"rotate": stack.tenant("acme").api_key_id}),
            Self::Rotation => json!({"rotate": stack.tenant("acme").api_key_id, "overlap_seconds": 0}),
            Self::Grant => json!({"requests": 501}),
        }
    }

    async fn send(self, stack: &Stack, key: &str, body: &Value) -> Answer {
        stack.as_admin_with(&[("idempotency-key", key)], "POST", self.path(), &body.to_string()).await
    }

    /// Says that it has had its effect so many times.
    async fn assert_times(self, stack: &Stack, times: usize, place: &str) {
        let keys = stack.api_gateway().get_api_keys().limit(500).send().await.expect("keys").items().len();
        // The suspended one is not told of.
        let demos = stack.state().tenants.len() + 1;
        let more = if self == Self::Grant { 0 } else { times };
        assert_eq!(keys, demos + more, "{self:?} {place}: keys");
        if self == Self::Grant {
            let left = stack.api_gateway().get_usage_plans().key_id(&stack.tenant("acme").api_key_id);
            let plan = left.send().await.expect("plans").items()[0].id().expect("an id").to_owned();
            let usage = stack.api_gateway().get_usage().usage_plan_id(plan);
            let usage = usage.key_id(&stack.tenant("acme").api_key_id).start_date("2026-11-10");
            let usage = usage.end_date("2026-11-10").send().await.expect("usage");
            let days = usage.items().and_then(|keys| keys.values().next()).expect("the key's days");
            let granted = i64::try_from(times).expect("few") * 500;
            assert_eq!(days.last().map(|day| day[1]), Some(10_000 + granted), "{place}");
        }
    }
}

async fn start() -> Stack {
    Stack::with(|options| options.time = "fixed:2026-11-10T06:00:00Z".parse().expect("a time")).await
}

/// The answer as it is told again: without the value of a key.
fn without_value(answer: &Answer) -> Value {
    let mut body = answer.json();
    if let Some(value) = body.pointer_mut("/api_key/value") {
        *value = Value::Null;
    }
    body
}

fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}

#[tokio::test]
async fn the_same_post_twice_is_answered_again_without_the_secret_and_has_its_effect_once() {
    for post in Post::ALL.iter().copied() {
        let stack = start().await;
        let body = post.body(&stack);
        let first = post.send(&stack, "k", &body).await;
        assert_eq!((first.status, is_replayed(&first)), (201, false), "{post:?}: {first:?}");
        let before = stack.contents().await;
        let again = post.send(&stack, "k", &body).await;
        assert_eq!((again.status, is_replayed(&again)), (201, true), "{post:?}: {again:?}");
        assert_eq!(again.json(), without_value(&first), "{post:?}");
        assert_eq!(again.header("location"), first.header("location"), "{post:?}");
        let refused = post.send(&stack, "k", &post.other(&stack)).await;
        assert_eq!(refused.json()["type"], "urn:tenantry:problem:idempotency-key-reused", "{post:?}");
        assert_eq!(refused.status, 422, "{post:?}");
        let malformed = post.send(&stack, "a key", &body).await;
        assert_eq!(malformed.json()["errors"][0]["pointer"], "/header/Idempotency-Key", "{post:?}");
        assert_eq!(stack.contents().await, before, "{post:?}: a repetition wrote something");
        post.assert_times(&stack, 1, "twice").await;
        // A day later it is a new request.
        assert_eq!(stack.local("POST", "clock", r#"{"advance":"24h"}"#).await.status, 200);
        if matches!(post, Post::Tenant | Post::Grant) {
            let new = post.send(&stack, "k", &body).await;
            assert_eq!((new.status, is_replayed(&new)), (201, false), "{post:?}: {new:?}");
        }
        if let Some(value) = first.json().pointer("/api_key/value").and_then(Value::as_str) {
            let everything = stack.contents().await.join("\n");
            assert!(!everything.contains(value), "{post:?}: the value of a key is in a table");
        }
    }
}

#[tokio::test]
async fn equal_posts_at_once_have_one_effect() {
    for post in Post::ALL.iter().copied() {
        let stack = start().await;
        let body = post.body(&stack);
        let send = || post.send(&stack, "k", &body);
        let (a, b, c, d) = tokio::join!(send(), send(), send(), send());
        let mut told = 0;
        for answer in [&a, &b, &c, &d] {
            match answer.status {
                201 if is_replayed(answer) => {}
                201 => told += 1,
                409 => {
                    assert_eq!(
                        answer.json()["type"],
                        "urn:tenantry:problem:idempotency-key-in-use",
                        "{post:?}"
                    );
                    assert!(!answer.header("retry-after").is_empty(), "{post:?}");
                }
                _ => panic!("{post:?}: {answer:?}"),
            }
        }
        assert_eq!(told, 1, "{post:?}: one is the first");
        post.assert_times(&stack, 1, "at once").await;
        let later = post.send(&stack, "k", &body).await;
        assert_eq!((later.status, is_replayed(&later)), (201, true), "{post:?}: {later:?}");
    }
}

#[tokio::test]
async fn a_post_whose_function_died_is_completed_by_its_repetition_which_is_told_the_value() {
    for post in Post::ALL.iter().copied() {
        for number in 1.. {
            let stack = start().await;
            let place = format!("behind step {number}");
            let body = post.body(&stack);
            let crash = stack.inner().crash_after(post.function(), number);
            let first = post.send(&stack, "k", &body).await;
            if !crash.has_happened() {
                assert_eq!(first.status, 201, "{post:?}: {first:?}");
                break;
            }
            assert_eq!(first.status, 502, "{post:?} {place}");
            drop(crash);
            let soon = post.send(&stack, "k", &body).await;
            if soon.status != 201 {
                let kind = &soon.json()["type"];
                assert_eq!(kind, "urn:tenantry:problem:idempotency-key-in-use", "{post:?} {place}");
                assert_eq!(stack.local("POST", "clock", r#"{"advance":"3m"}"#).await.status, 200);
            }
            let again = post.send(&stack, "k", &body).await;
            assert_eq!(again.status, 201, "{post:?} {place}: {again:?}");
            if let Some(value) = again.json().pointer("/api_key/value").and_then(Value::as_str) {
                let tenant = stack.call(value, "GET", "/tenant", &[], "").await;
                assert_eq!(tenant.status, 200, "{post:?} {place}: {tenant:?}");
            } else {
                // Either there is none to tell, or the first had told it, as far as anybody can know.
                assert!(is_replayed(&again), "{post:?} {place}: {again:?}");
            }
            post.assert_times(&stack, 1, &place).await;
            let last = post.send(&stack, "k", &body).await;
            assert_eq!((last.status, is_replayed(&last)), (201, true), "{post:?} {place}: {last:?}");
            assert_eq!(last.json(), without_value(&again), "{post:?} {place}");
        }
    }
}

#[tokio::test]
async fn a_post_that_was_made_undone_can_be_made_again() {
    for post in [Post::Tenant, Post::Key, Post::Rotation] {
        let stack = start().await;
        let body = post.body(&stack);
        let crash = stack.inner().crash_after(post.function(), 2);
        assert_eq!(post.send(&stack, "k", &body).await.status, 502);
        drop(crash);
        let event = json!({"time": "2026-11-10T06:10:00Z"}).to_string();
        stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
        post.assert_times(&stack, 0, "after reconcile").await;
        let again = post.send(&stack, "k", &body).await;
        assert_eq!((again.status, is_replayed(&again)), (201, false), "{post:?}: {again:?}");
        post.assert_times(&stack, 1, "made again").await;
    }
}

#[tokio::test]
async fn another_operators_key_is_another_request() {
    let stack = start().await;
    let path = testkit::workspace().join("events/admin-usage-grant/ok.json");
    let mut event: Value = serde_json::from_slice(&std::fs::read(path).expect("an event")).expect("JSON");
    event["requestContext"]["requestTimeEpoch"] = json!(1_794_290_400_000_u64);
    event["multiValueHeaders"]["Idempotency-Key"] = json!(["k"]);
    for user in ["a", "b"] {
        event["requestContext"]["identity"]["userArn"] =
            json!(format!("arn:aws:iam::123456789012:user/{user}"));
        let granted = stack.invoke("admin-usage-grant", event.to_string()).await;
        assert_eq!((granted.status, is_replayed(&granted)), (201, false), "{user}: {granted:?}");
        let again = stack.invoke("admin-usage-grant", event.to_string()).await;
        assert_eq!((again.status, is_replayed(&again)), (201, true), "{user}: {again:?}");
    }
    Post::Grant.assert_times(&stack, 2, "by two operators").await;
}
