//! What this crate's tests share: a small template, requests, and a gateway in process.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use local_http::{Body, Request, Response};
use serde_json::Value;
use stack_template::{Api, Authorization, PlanStage, Route, RouteThrottle, Stack, Throttle, UsagePlan};

use crate::{
    ApiKeyValue, Authorizer, Caller, Clock, Denied, Gateway, GatewaySettings, InvokeFailure, Invoked,
    Invoker, KeyStore, LimitRules, LiveStack, NewApiKey, Observer, RequestRecord,
};

pub(crate) const API_ID: &str = "dataapi001";
pub(crate) const VALUE: &str = "tntAcmeKeyValue0123456789";

/// 2026-11-24T12:01:01.042Z.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_521_661_042)
}

pub(crate) fn clock() -> Clock {
    Arc::new(now)
}

pub(crate) fn route(method: &str, path: &str) -> Route {
    Route {
        method: method.to_owned(),
        path: path.to_owned(),
        function: "echo".to_owned(),
        authorization: Authorization::None,
        api_key_required: false,
        timeout: Duration::from_secs(29),
    }
}

pub(crate) fn plan(id: &str, stage: &str) -> UsagePlan {
    let throttle = Throttle { rate: 0.5, burst: 4 };
    UsagePlan {
        logical_id: format!("Plan{id}"),
        id: id.to_owned(),
        name: format!("tenantry-{id}"),
        description: String::new(),
        throttle: Some(Throttle { rate: 5.0, burst: 10 }),
        quota: None,
        stages: vec![PlanStage {
            api_id: API_ID.to_owned(),
            stage: stage.to_owned(),
            routes: vec![RouteThrottle { method: "GET".to_owned(), path: "/tenant".to_owned(), throttle }],
        }],
    }
}

/// An API with an open, a keyed and a signed method, and three plans: two of its stage and a foreign one.
pub(crate) fn stack() -> Stack {
    Stack {
        account_id: "123456789012".to_owned(),
        region: "eu-central-1".to_owned(),
        apis: vec![Api {
            logical_id: "DataApi".to_owned(),
            api_id: API_ID.to_owned(),
            name: "data".to_owned(),
            stage: "v1".to_owned(),
            binary_media_types: vec!["image/png".to_owned()],
            routes: vec![
                route("GET", "/open"),
                route("POST", "/open"),
                route("GET", "/open/{id}/{rest+}"),
                Route { api_key_required: true, ..route("GET", "/tenant") },
                Route { authorization: Authorization::AwsIam, ..route("GET", "/admin/{id}") },
                Route {
                    authorization: Authorization::AwsIam,
                    api_key_required: true,
                    ..route("GET", "/both")
                },
            ],
            gateway_responses: BTreeMap::new(),
            stage_throttles: Vec::new(),
        }],
        functions: Vec::new(),
        tables: Vec::new(),
        buckets: Vec::new(),
        roles: Vec::new(),
        plans: vec![plan("free00", "v1"), plan("stand0", "v1"), plan("other0", "v2")],
        outputs: BTreeMap::new(),
        ignored: Vec::new(),
    }
}

/// A request from 203.0.113.7, with the headers as a server would hand them on.
pub(crate) fn request(method: Method, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let raw_headers: Vec<(String, HeaderValue)> = headers
        .iter()
        .map(|(name, value)| {
            ((*name).to_owned(), HeaderValue::from_bytes(value.as_bytes()).expect("test header"))
        })
        .collect();
    let mut map = HeaderMap::new();
    for (name, value) in &raw_headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).expect("test header"), value.clone());
    }
    Request {
        method,
        uri: target.parse().expect("test target"),
        headers: map,
        raw_headers,
        body: Body::Whole(Bytes::copy_from_slice(body)),
        peer: SocketAddr::from((Ipv4Addr::new(203, 0, 113, 7), 4242)),
    }
}

pub(crate) fn get(target: &str, headers: &[(&str, &str)]) -> Request {
    request(Method::GET, target, headers, b"")
}

pub(crate) fn json(response: &Response) -> Value {
    serde_json::from_slice(response.body()).expect("a JSON body")
}

pub(crate) fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().expect("an ASCII header"))
}

type Function = dyn Fn(Bytes) -> BoxFuture<'static, Result<Invoked, InvokeFailure>> + Send + Sync;

/// A function of the test's own in place of Lambda; it keeps the events.
struct Lambda {
    function: Box<Function>,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Invoker for Lambda {
    fn invoke<'a>(
        &'a self,
        _function: &'a str,
        payload: Bytes,
        _trace_id: &'a str,
    ) -> BoxFuture<'a, Result<Invoked, InvokeFailure>> {
        let event = serde_json::from_slice(&payload).expect("the event is JSON");
        self.events.lock().expect("no test panics here").push(event);
        (self.function)(payload)
    }
}

struct Verdict {
    verdict: Result<Caller, Denied>,
    arns: Arc<Mutex<Vec<String>>>,
}

impl Authorizer for Verdict {
    fn authorize(&self, _request: &Request, resource_arn: &str) -> Result<Caller, Denied> {
        self.arns.lock().expect("no test panics here").push(resource_arn.to_owned());
        self.verdict.clone()
    }
}

#[derive(Default)]
struct Records(Arc<Mutex<Vec<RequestRecord>>>);

impl Observer for Records {
    fn observe(&self, record: RequestRecord) {
        self.0.lock().expect("no test panics here").push(record);
    }
}

pub(crate) fn caller() -> Caller {
    Caller {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        account_id: "123456789012".to_owned(),
        user_arn: "arn:aws:iam::123456789012:user/operator".to_owned(),
        user_id: "AIDAEXAMPLE".to_owned(),
        caller: "AIDAEXAMPLE".to_owned(),
    }
}

/// A gateway with everything around it in reach.
pub(crate) struct Harness {
    pub(crate) gateway: Gateway,
    /// How far the clock was moved, in microseconds.
    ahead: Arc<AtomicU64>,
    pub(crate) live: Arc<LiveStack>,
    pub(crate) keys: Arc<KeyStore>,
    events: Arc<Mutex<Vec<Value>>>,
    arns: Arc<Mutex<Vec<String>>>,
    records: Arc<Mutex<Vec<RequestRecord>>>,
}

impl Harness {
    /// A gateway over a template and a function.
    pub(crate) fn with(stack: Stack, verdict: Result<Caller, Denied>, function: Box<Function>) -> Self {
        let live = Arc::new(LiveStack::new(Arc::new(stack)));
        let keys = Arc::new(KeyStore::in_memory().expect("a store"));
        let (events, arns, records) = (Arc::default(), Arc::default(), Arc::default());
        let ahead = Arc::new(AtomicU64::new(0));
        let moved = Arc::clone(&ahead);
        let gateway = Gateway::new(GatewaySettings {
            stack: Arc::clone(&live),
            api: "DataApi".to_owned(),
            domain_name: "dataapi001.execute-api.localhost".to_owned(),
            keys: Arc::clone(&keys),
            limits: LimitRules::default(),
            invoker: Arc::new(Lambda { function, events: Arc::clone(&events) }),
            authorizer: Arc::new(Verdict { verdict, arns: Arc::clone(&arns) }),
            clock: Arc::new(move || now() + Duration::from_micros(moved.load(Ordering::Relaxed))),
            observer: Arc::new(Records(Arc::clone(&records))),
        })
        .expect("the template has the API");
        Self { gateway, ahead, live, keys, events, arns, records }
    }

    /// A gateway whose functions all give this answer.
    pub(crate) fn answering(answer: &str) -> Self {
        Self::over(stack(), answer)
    }

    /// The same over a template of the test's own.
    pub(crate) fn over(stack: Stack, answer: &str) -> Self {
        let payload = Bytes::copy_from_slice(answer.as_bytes());
        Self::with(
            stack,
            Ok(caller()),
            Box::new(move |_| {
                let invoked = Invoked { payload: payload.clone(), function_error: false, cold: true };
                async move { Ok(invoked) }.boxed()
            }),
        )
    }

    /// Moves the clock.
    pub(crate) fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).expect("a short time");
        self.ahead.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many of so many requests at once are served.
    pub(crate) async fn let_through(&self, asked: usize, target: &str, key: &str) -> usize {
        let requests = (0..asked).map(|_| self.send(get(target, &[("x-api-key", key)])));
        let answers = futures_util::future::join_all(requests).await;
        assert!(answers.iter().all(|answer| matches!(answer.status().as_u16(), 200 | 429)));
        answers.iter().filter(|answer| answer.status() == 200).count()
    }

    pub(crate) async fn send(&self, request: Request) -> Response {
        self.gateway.handle(request).await
    }

    /// A key of the value [`VALUE`] in the plan `free00`; its id.
    pub(crate) fn seed_key(&self, enabled: bool) -> String {
        self.key("tenantry-acme-1", VALUE, "free00", enabled)
    }

    /// A key of a plan; its id.
    pub(crate) fn key(&self, name: &str, value: &str, plan_id: &str, enabled: bool) -> String {
        let value = Some(ApiKeyValue::new(value.to_owned()).expect("a value"));
        let new = NewApiKey { name: name.to_owned(), value, enabled, ..NewApiKey::default() };
        let key = self.keys.create(new, now()).expect("a key");
        self.keys.attach(&self.live.current().plans, plan_id, &key.id, now()).expect("a membership");
        key.id.clone()
    }

    /// The only event so far.
    pub(crate) fn event(&self) -> Value {
        let events = self.events.lock().expect("no test panics here");
        assert_eq!(events.len(), 1, "one invocation");
        events[0].clone()
    }

    pub(crate) fn invocations(&self) -> usize {
        self.events.lock().expect("no test panics here").len()
    }

    pub(crate) fn arns(&self) -> Vec<String> {
        self.arns.lock().expect("no test panics here").clone()
    }

    pub(crate) fn last_record(&self) -> RequestRecord {
        self.records.lock().expect("no test panics here").last().expect("a record").clone()
    }
}
