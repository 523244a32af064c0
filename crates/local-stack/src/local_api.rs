//! `/_local`: what only a local stack has. It moves the clock, explains limits, and goes back to earlier data.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode, header};
use local_gateway::{ApiKey, MAX_KEYS, Observer, RequestRecord, Standing};
use local_http::{Body, Request, Response};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::iam_api;
use crate::output::{Notices, standing_json};
use crate::shared::Shared;
use crate::snapshots::{Snapshots, is_name};
use crate::templates::{Templates, rfc3339};

/// What its paths begin with, beside the stages.
const PREFIX: &str = "/_local/";

/// The local paths of the data API's address.
pub(crate) struct LocalApi {
    shared: Arc<Shared>,
    templates: Arc<Templates>,
    snapshots: Arc<Snapshots>,
    refusals: Arc<Refusals>,
}

/// Why a request is not carried out.
struct Failure(StatusCode, String);

type Answer = Result<(StatusCode, Value), Failure>;

impl Failure {
    fn bad_request(detail: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, detail.into())
    }

    /// The error's text is for the developer at this machine, who is the only caller.
    fn internal(error: &anyhow::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SnapshotCall {
    Save(String),
    Load(String),
}

impl LocalApi {
    pub(crate) fn new(
        shared: Arc<Shared>,
        templates: Arc<Templates>,
        snapshots: Arc<Snapshots>,
        refusals: Arc<Refusals>,
    ) -> Self {
        Self { shared, templates, snapshots, refusals }
    }

    /// Whether a request is for it.
    pub(crate) fn is_meant(request: &Request) -> bool {
        request.uri.path().starts_with(PREFIX)
    }

    /// Answers a request.
    pub(crate) async fn handle(&self, request: Request) -> Response {
        let answer = match foreign(&request) {
            Some(reason) => Err(Failure(StatusCode::FORBIDDEN, reason.to_owned())),
            None => self.answer(&request).await,
        };
        let (status, content_type, body) = match answer {
            Ok((status, body)) => (status, "application/json", body),
            Err(Failure(status, detail)) => {
                let title = status.canonical_reason().unwrap_or_default();
                let body = json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
                (status, "application/problem+json", body)
            }
        };
        let mut response =
            Response::new(if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) });
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    async fn answer(&self, request: &Request) -> Answer {
        let path = request.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        match (&request.method, path) {
            (&Method::GET, "clock") => Ok((StatusCode::OK, self.clock())),
            (&Method::POST, "clock") => {
                let Advance { advance } = body(request)?;
                let by = crate::clock::duration(&advance).ok_or_else(|| {
                    Failure::bad_request(
                        "advance must be how far ahead to move, such as 31d, 1h 30m or 500ms (w, d, h, m, s, ms)",
                    )
                })?;
                // Signatures tell whole seconds. What is signed before a move and what is signed after it must not
                // tell the same one.
                tokio::time::sleep(crate::clock::to_the_next_second()).await;
                let shared = Arc::clone(&self.shared);
                let moved = tokio::task::spawn_blocking(move || {
                    let _one = shared.change();
                    shared.clock.advance(by)
                });
                moved
                    .await
                    .map_err(|error| Failure::internal(&error.into()))?
                    .map_err(|error| Failure::bad_request(format!("{error:#}")))?;
                Ok((StatusCode::OK, self.clock()))
            }
            (&Method::GET, "limits") => self.limits(request.uri.query().unwrap_or_default()),
            (&Method::GET, "iam/log") => Ok((StatusCode::OK, iam_api::log(&self.shared.iam.decisions()))),
            (&Method::POST, "iam/evaluate") => {
                let asked = serde_json::from_value(body(request)?)
                    .map_err(|_| Failure::bad_request(iam_api::EVALUATION_FORM))?;
                Ok((StatusCode::OK, iam_api::evaluation(asked)))
            }
            (&Method::GET, "templates") => Ok((StatusCode::OK, self.templates.status())),
            (&Method::POST, "reset") => {
                self.alone(Snapshots::reset).await?;
                // A key of earlier data may have been refused under the same id.
                self.refusals.forget();
                Ok((StatusCode::NO_CONTENT, Value::Null))
            }
            (&Method::GET, "snapshot") => Ok((StatusCode::OK, json!({"snapshots": self.snapshots.names()}))),
            (&Method::POST, "snapshot") => self.snapshot(body(request)?).await,
            (_, "clock" | "snapshot") => Err(not_allowed("GET and POST")),
            (_, "iam/log" | "limits" | "templates") => Err(not_allowed("GET")),
            (_, "iam/evaluate" | "reset") => Err(not_allowed("POST")),
            _ => Err(Failure(
                StatusCode::NOT_FOUND,
                "the paths are clock, iam/evaluate, iam/log, limits, reset, snapshot and templates"
                    .to_owned(),
            )),
        }
    }

    fn clock(&self) -> Value {
        let ahead: Duration = self.shared.clock.ahead();
        json!({
            "now": rfc3339(self.shared.clock.now()),
            "real": rfc3339(crate::clock::real()),
            "ahead_seconds": ahead.as_secs_f64(),
        })
    }

    fn limits(&self, query: &str) -> Answer {
        let value = query.split('&').find_map(|pair| pair.strip_prefix("api_key_id="));
        let value = value.ok_or_else(|| Failure::bad_request("the query must name a key: ?api_key_id=…"))?;
        let key_id = percent_decode_str(value).decode_utf8_lossy();
        let (shared, live, now) = (&self.shared, self.shared.live.current(), self.shared.clock.now());
        let key = shared.keys.get(&key_id);
        let key =
            key.ok_or_else(|| Failure(StatusCode::NOT_FOUND, "there is no key with this id".to_owned()))?;
        let standings = shared.keys.standings(&key_id, &live.plans, &live.apis, shared.rules, now);
        let body = json!({
            "api_key_id": key_id,
            "now": rfc3339(now),
            "limits": standings.iter().map(standing_json).collect::<Vec<_>>(),
            "last_refusal": self.refusals.last(&key),
        });
        Ok((StatusCode::OK, body))
    }

    async fn snapshot(&self, call: SnapshotCall) -> Answer {
        let (SnapshotCall::Save(name) | SnapshotCall::Load(name)) = &call;
        if !is_name(name) {
            return Err(Failure::bad_request(
                "a snapshot's name has 1 to 40 of [a-z0-9-] and is not `first`",
            ));
        }
        match call {
            SnapshotCall::Save(name) => {
                let saved = name.clone();
                self.alone(move |snapshots, shared| snapshots.save(&saved, shared)).await?;
                Ok((StatusCode::CREATED, json!({"saved": name})))
            }
            SnapshotCall::Load(name) => {
                let loaded = name.clone();
                let found = self.alone(move |snapshots, shared| snapshots.load(&loaded, shared)).await?;
                found
                    .ok_or_else(|| Failure(StatusCode::NOT_FOUND, format!("there is no snapshot {name}")))?;
                self.refusals.forget();
                Ok((StatusCode::OK, json!({"loaded": name})))
            }
        }
    }

    /// Does what must have the stack to itself: running requests have ended, new ones wait.
    async fn alone<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Snapshots, &Shared) -> anyhow::Result<T> + Send + 'static,
    {
        let closed = self.shared.gate.close().await.ok_or_else(|| {
            Failure(StatusCode::SERVICE_UNAVAILABLE, "requests are running for too long".to_owned())
        })?;
        let (shared, snapshots) = (Arc::clone(&self.shared), Arc::clone(&self.snapshots));
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&snapshots, &shared);
            drop(closed);
            done
        });
        match work.await {
            Ok(done) => done.map_err(|error| Failure::internal(&error)),
            Err(error) => Err(Failure::internal(&error.into())),
        }
    }
}

/// What a key was last refused by.
pub(crate) struct Refusals {
    /// By key id, with the time of the refusal.
    last: Mutex<BTreeMap<String, (SystemTime, Value)>>,
    notices: Notices,
}

impl Refusals {
    /// Listens to requests and passes them on.
    pub(crate) fn new(notices: Notices) -> Self {
        Self { last: Mutex::default(), notices }
    }

    /// The last refusal of a key since it was made: an earlier one was that of another key under the same id.
    fn last(&self, key: &ApiKey) -> Option<Value> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, refusal) = last.get(&key.id)?;
        (OffsetDateTime::from(*at).unix_timestamp() >= key.created).then(|| refusal.clone())
    }

    fn forget(&self) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Observer for Refusals {
    fn observe(&self, record: RequestRecord) {
        if let (Some(key_id), Some(standing)) = (&record.api_key_id, refused_by(&record)) {
            let refusal = json!({
                "at": rfc3339(record.at),
                "method": record.method,
                "path": record.path,
                "limit": standing_json(standing),
            });
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() >= MAX_KEYS && !last.contains_key(key_id) {
                // Keys that are gone may be among them.
                last.clear();
            }
            last.insert(key_id.clone(), (record.at, refusal));
        }
        self.notices.observe(record);
    }
}

/// The limit that refused a request.
pub(crate) fn refused_by(record: &RequestRecord) -> Option<&Standing> {
    record.limits.get(record.refused_by?)
}

/// Why a request may come from a page of another site in the developer's browser, which must not reach this.
/// Browsers name the site in `Origin`, and their host in `Host`, whatever it resolves to.
fn foreign(request: &Request) -> Option<&'static str> {
    if request.headers.contains_key(header::ORIGIN) {
        return Some("pages in a browser have no access to /_local");
    }
    let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let is_local = host.is_some_and(|host| {
        let name = host.host().trim_matches(['[', ']']);
        name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    (!is_local).then_some("/_local is reached by localhost or a loopback address alone")
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Failure> {
    let Body::Whole(bytes) = &request.body else { return Err(Failure::bad_request("the body is too large")) };
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::bad_request(format!("the body cannot be read: {error}")))
}

fn not_allowed(methods: &str) -> Failure {
    Failure(StatusCode::METHOD_NOT_ALLOWED, format!("the path takes {methods}"))
}
