//! The Lambda Runtime API, which functions fetch events from and give answers to.
//!
//! Source: the Lambda Runtime API's specification, 2018-06-01. Each environment has the API under a path of its
//! own, so that no process can fetch or answer another's events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use local_http::{Body, Limits, Request, Response};
use serde_json::json;

use crate::environment::{Environment, Event, Outcome, Refusal};
use crate::{FunctionSpec, MAX_RESPONSE_BYTES};

/// What the API's address puts up with.
pub(crate) fn limits() -> Limits {
    Limits {
        // Far above what is accepted. A refusal that breaks a function's upload off would look to it like a
        // broken connection, and it would end.
        max_body: 4 * MAX_RESPONSE_BYTES,
        // Longer than any invocation: a function's connection idles while it works.
        idle_timeout: Duration::from_hours(1),
        // Each environment holds one or two.
        max_connections: 16_384,
        // Every client is a process that is killed at the same time.
        stop_timeout: Duration::from_secs(1),
        ..Limits::default()
    }
}

/// A call of the API, with the environment's id that its path begins with.
pub(crate) struct Call<'a> {
    /// The first segment of the path.
    pub(crate) environment: &'a str,
    operation: Operation<'a>,
}

enum Operation<'a> {
    Next,
    Response(&'a str),
    Error(&'a str),
    InitError,
}

impl<'a> Call<'a> {
    /// Reads method and path; anything else than a call of the API is `None`.
    pub(crate) fn of(request: &'a Request) -> Option<Self> {
        let mut segments = request.uri.path().strip_prefix('/')?.splitn(4, '/');
        let environment = segments.next()?;
        if (segments.next()?, segments.next()?) != ("2018-06-01", "runtime") {
            return None;
        }
        let operation = match (&request.method, segments.next()?) {
            (&Method::GET, "invocation/next") => Operation::Next,
            (&Method::POST, "init/error") => Operation::InitError,
            (&Method::POST, rest) => match rest.strip_prefix("invocation/")?.split_once('/')? {
                (id, "response") => Operation::Response(id),
                (id, "error") => Operation::Error(id),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { environment, operation })
    }

    /// Carries the call out.
    pub(crate) async fn answer(
        &self,
        environment: &Environment,
        spec: &FunctionSpec,
        now: impl Fn() -> SystemTime,
        body: &Body,
    ) -> Response {
        let result = match self.operation {
            Operation::Next => environment.next().await.map(|event| handed_out(event, spec, now())),
            Operation::Response(id) => match within_limit(body) {
                Some(payload) => environment.finish(id, Outcome::Response(payload)).map(|()| accepted()),
                None => environment.finish(id, Outcome::ResponseTooLarge).map(|()| too_large()),
            },
            Operation::Error(id) => match within_limit(body) {
                Some(payload) => environment.finish(id, Outcome::Error(payload)).map(|()| accepted()),
                None => environment.finish(id, Outcome::ResponseTooLarge).map(|()| too_large()),
            },
            Operation::InitError => match within_limit(body) {
                Some(payload) => environment.fail_init(payload).map(|()| accepted()),
                None => Ok(too_large()),
            },
        };
        result.unwrap_or_else(refused)
    }
}

fn within_limit(body: &Body) -> Option<Bytes> {
    match body {
        Body::Whole(bytes) if bytes.len() <= MAX_RESPONSE_BYTES => Some(bytes.clone()),
        Body::Whole(_) | Body::TooLarge => None,
    }
}

/// The event with its deadline, which begins to run now.
fn handed_out(event: Event, spec: &FunctionSpec, now: SystemTime) -> Response {
    let deadline = now.duration_since(UNIX_EPOCH).unwrap_or_default() + spec.timeout;
    let headers = [
        ("lambda-runtime-aws-request-id", Some(event.request_id)),
        ("lambda-runtime-deadline-ms", Some(deadline.as_millis().to_string())),
        ("lambda-runtime-invoked-function-arn", Some(spec.arn.clone())),
        ("lambda-runtime-trace-id", event.trace_id),
    ];
    let mut response = Response::new(event.payload);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn accepted() -> Response {
    reply(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn too_large() -> Response {
    let message = format!("Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes).");
    reply(
        StatusCode::PAYLOAD_TOO_LARGE,
        &json!({ "errorType": "RequestEntityTooLarge", "errorMessage": message }),
    )
}

fn refused(refusal: Refusal) -> Response {
    let (status, kind, message) = match refusal {
        Refusal::InvalidState => {
            (StatusCode::FORBIDDEN, "InvalidStateTransition", "State transition is not allowed")
        }
        Refusal::InvalidRequestId => (StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
    };
    reply(status, &json!({ "errorType": kind, "errorMessage": message }))
}

/// The answer for a path that is no call, or that belongs to no environment.
pub(crate) fn not_found() -> Response {
    reply(StatusCode::NOT_FOUND, &json!({ "errorType": "NotFound", "errorMessage": "There is nothing here" }))
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
