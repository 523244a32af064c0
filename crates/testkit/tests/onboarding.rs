//! Onboarding ends in one tenant with one key, wherever it breaks off. It runs here as the function runs it,
//! on the real stack, with the way to AWS cut at every single call.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use contract::{Isolation, OnboardRequest};
use control_plane::{Answered, ApiKeyValue, ControlError, KeyRoom, Onboarding};
use local_http::{Body, Limits, Request};
use serde_json::json;
use tenant_context::{Aws, Bound as _, Operator};
use testkit::Stack;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where the way to AWS is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The call never arrives.
    Before(usize),
    /// The call takes effect, its answer is lost.
    After(usize),
}

/// A way to the stack's AWS services on which nothing passes any more from one call on, as if the caller had
/// died there. Answers its address and the count of calls.
async fn cuttable(stack: &Stack, cut: Cut, end: &CancellationToken) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let calls = Arc::new(AtomicUsize::new(0));
    let (target, counter) = (stack.state().aws_endpoint_url.clone(), Arc::clone(&calls));
    let handler = move |request: Request| {
        let (target, number) = (target.clone(), counter.fetch_add(1, Ordering::SeqCst));
        async move {
            let lost = || {
                let mut response = http::Response::new(Bytes::new());
                *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
                response
            };
            let (passes, answers) = match cut {
                Cut::Before(at) => (number < at, number < at),
                Cut::After(at) => (number <= at, number < at),
            };
            if !passes {
                return lost();
            }
            let headers: Vec<_> = request
                .headers
                .iter()
                .filter(|(name, _)| *name != "content-length")
                .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
                .collect();
            let Body::Whole(body) = request.body else { panic!("a small body") };
            let url = format!("{target}{}", request.uri);
            let answer =
                testkit::request(request.method.as_str(), &url, &headers, body).await.expect("an answer");
            if !answers {
                return lost();
            }
            let mut response = http::Response::new(answer.body);
            *response.status_mut() = http::StatusCode::from_u16(answer.status).expect("a status");
            *response.headers_mut() = answer.headers;
            response.headers_mut().remove("content-length");
            response
        }
    };
    tokio::spawn(local_http::serve(listener, Limits::default(), end.clone(), handler));
    (address, calls)
}

fn request(id: &str) -> OnboardRequest {
    OnboardRequest {
        tenant_id: Some(id.to_owned()),
        name: "Hooli".into(),
        email: "ops@hooli.example".into(),
        contact: [].into(),
        tier: "standard".into(),
        isolation: Isolation::Pooled,
    }
}

async fn onboard(
    aws: &Aws,
    id: &str,
    now: OffsetDateTime,
) -> Result<contract::Onboarded<ApiKeyValue>, ControlError> {
    let opened = Onboarding::open(aws).await.expect("the tables are named");
    let operator = Arc::new(Operator::new("arn:aws:iam::123456789012:user/test"));
    let room = KeyRoom::open(aws).await.expect("the table is named");
    let room = KeyRoom::bind(&room, &operator, now);
    match Onboarding::bind(&opened, &operator, now).onboard(&request(id), None, &room, now).await? {
        Answered::First(onboarded) => Ok(onboarded),
        Answered::Again { body, .. } => panic!("no Idempotency-Key was given: {body}"),
    }
}

/// The tenant is active with one working key, in the gateway and in the tables.
async fn assert_one_tenant_with_one_key(stack: &Stack, id: &str, cut: Cut) {
    let shown = stack.as_admin("GET", &format!("/tenants/{id}"), "").await.json();
    assert_eq!(
        (&shown["tenant"]["status"], &shown["tenant"]["status_reason"]),
        (&json!("active"), &json!(null))
    );
    let keys = stack.api_gateway().get_api_keys().name_query(format!("tenantry-{id}-")).include_values(true);
    let keys = keys.send().await.expect("keys");
    let [key] = keys.items() else { panic!("{cut:?}: {} keys", keys.items().len()) };
    assert_eq!(shown["keys"].as_array().map(Vec::len), Some(1), "{cut:?}");
    assert_eq!(shown["keys"][0]["api_key_id"].as_str(), key.id(), "{cut:?}");
    let contexts = stack.contents().await;
    let contexts = contexts
        .iter()
        .filter(|item| item.starts_with("tenantry-api-keys") && item.contains(&format!("\"{id}\"")));
    assert_eq!(contexts.count(), 1, "{cut:?}");
    let value = key.value().expect("a value");
    assert!(ApiKeyValue::is_well_formed(value));
    let tenant = stack.call(value, "GET", "/tenant", &[], "").await;
    assert_eq!(tenant.json()["tenant_id"], id, "{cut:?}");
}

#[tokio::test]
async fn a_crash_at_any_call_and_a_repetition_end_in_one_tenant_with_one_key() {
    let stack = Stack::start().await;
    let (now, end) =
        (OffsetDateTime::from(std::time::UNIX_EPOCH) + Duration::days(20_000), CancellationToken::new());
    let mut cuts = 0;
    let mut tried = 0;
    // Every call is cut once before and once after it; the run without a cut that was met ends the loop.
    'all: for number in 0.. {
        for cut in [Cut::Before(number), Cut::After(number)] {
            let id = format!("crash{tried}");
            tried += 1;
            let (address, calls) = cuttable(&stack, cut, &end).await;
            let result = onboard(&stack.aws_at(&address), &id, now).await;
            if calls.load(Ordering::SeqCst) <= number {
                assert!(result.is_ok(), "{cut:?}: {result:?}");
                break 'all;
            }
            cuts += 1;
            assert!(result.is_err(), "{cut:?}");
            let again = onboard(&stack.aws(), &id, now + Duration::seconds(121)).await;
            match again {
                Ok(_) => {}
                // The last write had taken effect: the tenant is there, and its key can be rotated.
                Err(ControlError::Exists(_)) => assert!(matches!(cut, Cut::After(_)), "{cut:?}"),
                Err(error) => panic!("{cut:?}: {error:?}"),
            }
            assert_one_tenant_with_one_key(&stack, &id, cut).await;
        }
    }
    end.cancel();
    // Count of keys, plan, intent, plan, key looked up, key made, key put into the plan, transaction.
    assert_eq!(cuts, 16);
}

#[tokio::test]
async fn two_at_once_have_one_winner_and_the_other_is_told() {
    let stack = Stack::start().await;
    let body = serde_json::to_string(&request("hooli")).expect("JSON");
    let (a, b) =
        tokio::join!(stack.as_admin("POST", "/tenants", &body), stack.as_admin("POST", "/tenants", &body));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_one_tenant_with_one_key(&stack, "hooli", Cut::Before(0)).await;
}

#[tokio::test]
async fn an_unfinished_tenant_is_left_to_its_attempt_until_the_lease_is_over() {
    let stack = Stack::start().await;
    let (now, end) = (OffsetDateTime::UNIX_EPOCH + Duration::days(20_000), CancellationToken::new());
    let (address, _) = cuttable(&stack, Cut::Before(3), &end).await;
    assert!(onboard(&stack.aws_at(&address), "hooli", now).await.is_err());
    let before = stack.contents().await;
    let soon = onboard(&stack.aws(), "hooli", now + Duration::seconds(119)).await;
    assert!(matches!(soon, Err(ControlError::Busy(_))), "{soon:?}");
    assert_eq!(stack.contents().await, before);
    // Until it is finished, its key opens nothing.
    assert_eq!(stack.as_admin("GET", "/tenants/hooli", "").await.json()["tenant"]["status"], "provisioning");
    assert!(onboard(&stack.aws(), "hooli", now + Duration::seconds(120)).await.is_ok());
    end.cancel();
}

#[tokio::test]
async fn a_new_tenant_is_onboarded_through_the_control_api_and_works_at_once() {
    let stack = Stack::start().await;
    let body =
        json!({"name": "Pied Piper", "email": "richard@piedpiper.example", "tier": "free"}).to_string();
    let onboarded = stack.as_admin("POST", "/tenants", &body).await;
    assert_eq!(onboarded.status, 201, "{onboarded:?}");
    let onboarded = onboarded.json();
    let key = onboarded["api_key"]["value"].as_str().expect("a value");
    assert_eq!(stack.call(key, "PUT", "/records/notes/a", &[], "{}").await.status, 201);
    let id = onboarded["tenant"]["tenant_id"].as_str().expect("an id");
    assert_eq!(stack.call(key, "GET", "/tenant", &[], "").await.json()["tenant_id"], id);
    let text = stack.contents().await.join("\n");
    assert!(!text.contains(key), "the value of a key is in a table");
}
