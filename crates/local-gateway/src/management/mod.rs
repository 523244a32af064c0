//! API Gateway's management calls, as the AWS SDKs send them (REST-JSON).
//!
//! The caller has verified the signature and the principal's permission.

mod calls;
mod rates;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use local_http::{Body, Request, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::exchange::{ERROR_TYPE, REQUEST_ID, header_value, micros, request_id};
use crate::keys::KeyStore;
use crate::live::LiveStack;
use crate::ports::Clock;
use calls::Call;
use rates::Rates;

/// The management calls on keys, usage and the template's usage plans, APIs and stages.
pub struct Management {
    keys: Arc<KeyStore>,
    stack: Arc<LiveStack>,
    clock: Clock,
    rates: Option<Rates>,
    /// Held by the one call that puts a key into a plan, where the rates are enforced.
    entering: Arc<Semaphore>,
    /// When the stages were deployed, in seconds since 1970.
    made: u64,
}

impl Management {
    /// Answers calls on these keys and plans. `with_rates` refuses calls beyond the rates that AWS publishes.
    #[must_use]
    pub fn new(keys: Arc<KeyStore>, stack: Arc<LiveStack>, clock: Clock, with_rates: bool) -> Self {
        let made = micros(clock()) / 1_000_000;
        let entering = Arc::new(Semaphore::new(1));
        Self { keys, stack, clock, rates: with_rates.then(Rates::default), entering, made }
    }

    /// Answers one call.
    pub async fn handle(&self, request: Request) -> Response {
        let stack = self.stack.current();
        let (keys, at, made) = (Arc::clone(&self.keys), (self.clock)(), self.made);
        if let Some(rates) = &self.rates
            && !rates.admit(&request, micros(at))
        {
            return Failure::too_many_requests().answer();
        }
        let enters = request.method == Method::POST && request.uri.path().ends_with("/keys");
        let turn = if self.rates.is_some() && enters {
            // AWS takes keys into plans one at a time (A).
            match Arc::clone(&self.entering).try_acquire_owned() {
                Ok(turn) => Some(turn),
                Err(_) => return Failure::concurrent().answer(),
            }
        } else {
            None
        };
        // A write waits for the disk, which must not hold up the requests of other tasks.
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let call = read(&request)?;
            calls::carry_out(call, &keys, &stack, at, made).map_err(Failure::from)
        });
        match done.await {
            Ok(Ok(done)) => answer(done.status, &done.body),
            Ok(Err(failure)) => failure.answer(),
            Err(_) => Failure::internal().answer(),
        }
    }
}

/// A call that was not carried out.
struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Failure {
    fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "BadRequestException", message: message.into() }
    }

    fn too_many_requests() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "TooManyRequestsException",
            message: "Too Many Requests".to_owned(),
        }
    }

    fn concurrent() -> Self {
        Self {
            status: StatusCode::CONFLICT,
            code: "ConflictException",
            message: "Unable to complete operation due to concurrent modification. Please try again later."
                .to_owned(),
        }
    }

    fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "InternalFailure",
            message: "Internal server error".to_owned(),
        }
    }

    fn answer(&self) -> Response {
        let mut response = answer(self.status, &json!({ "message": self.message }));
        response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(self.code));
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, code, message) = match error {
            Error::NotFound(message) => (StatusCode::NOT_FOUND, "NotFoundException", message),
            Error::Conflict(message) => (StatusCode::CONFLICT, "ConflictException", message),
            Error::Invalid(message) => return Self::bad_request(message),
            Error::LimitExceeded(message) => {
                (StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", message)
            }
            Error::UnknownApi(_)
            | Error::File(_)
            | Error::Database(_)
            | Error::Corrupt(_)
            | Error::Schema { .. } => return Self::internal(),
        };
        Self { status, code, message }
    }
}

/// Reads a request's path, query and body into a call.
fn read(request: &Request) -> Result<Call, Failure> {
    let path = request.uri.path();
    let segments = path.trim_matches('/').split('/').map(decode).collect::<Option<Vec<_>>>();
    let segments = segments.ok_or_else(|| Failure::bad_request("The path is not UTF-8"))?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let query = request.uri.query().unwrap_or_default();
    let body = match &request.body {
        Body::Whole(body) => body,
        Body::TooLarge => return Err(Failure::bad_request("The request body is too large")),
    };
    let call = Call::route(&request.method, &segments, query, body)?;
    call.ok_or_else(|| {
        let instead = match segments.first() {
            Some(&"usageplans") => ": plans are changed in the file of usage plans",
            Some(&"restapis") => ": APIs and stages are changed in the template",
            Some(_) | None => "",
        };
        Failure {
            status: StatusCode::NOT_IMPLEMENTED,
            code: "UnsupportedOperation",
            message: format!("The local API Gateway does not support {} {path}{instead}", request.method),
        }
    })
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REQUEST_ID, header_value(&request_id()));
    response
}

#[cfg(test)]
#[path = "management_tests.rs"]
mod tests;
