//! What a handler answers.

use std::fmt;

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, LOCATION, RETRY_AFTER};
use aws_lambda_events::http::{HeaderMap, HeaderValue};
use contract::Problem;
use serde::Serialize;

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An answer on its way to API Gateway.
pub struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Option<String>,
}

impl fmt::Debug for Reply {
    /// The body stays out of logs: it may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Reply {
    fn new(status: u16) -> Self {
        let mut headers = HeaderMap::new();
        // A key is no `Authorization` header: without this, a shared cache could keep a tenant's answer.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        Self { status, headers, body: None }
    }

    /// An answer with a JSON body.
    ///
    /// # Errors
    /// 500 where the body cannot be written as JSON.
    pub fn json<T: Serialize>(status: u16, body: &T) -> Result<Self, Problem> {
        let mut reply = Self::new(status);
        reply.body = Some(serde_json::to_string(body).map_err(Problem::internal)?);
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(reply)
    }

    /// The first answer to a request with an `Idempotency-Key`, given again: a JSON body as it was kept.
    #[must_use]
    pub fn replayed(status: u16, body: String) -> Self {
        let mut reply = Self::new(status);
        reply.body = Some(body);
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply.with_replayed(true)
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self::new(204)
    }

    /// 304.
    #[must_use]
    pub fn not_modified() -> Self {
        Self::new(304)
    }

    /// 307 to another place, which is to be asked by the same method.
    #[must_use]
    pub fn temporary_redirect(url: &str) -> Self {
        Self::new(307).with_header(LOCATION, url)
    }

    /// Adds the entity tag of a version.
    #[must_use]
    pub fn with_etag(self, version: u64) -> Self {
        self.with_header(ETAG, &crate::etag(version))
    }

    /// Says where the new resource is.
    #[must_use]
    pub fn with_location(self, path: &str) -> Self {
        self.with_header(LOCATION, path)
    }

    /// Forbids every cache to keep the answer, which holds a secret (RFC 9111, section 5.2.2.5).
    #[must_use]
    pub fn with_no_store(mut self) -> Self {
        self.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self
    }

    /// Says whether this is the answer to an earlier request with the same `Idempotency-Key`.
    #[must_use]
    pub fn with_replayed(self, is_replayed: bool) -> Self {
        if is_replayed { self.with_header(IDEMPOTENCY_REPLAYED, "true") } else { self }
    }

    fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        // What is no header value is left out: versions and paths of checked names always are.
        if let Ok(value) = value.parse() {
            self.headers.insert(name, value);
        }
        self
    }

    pub(crate) fn problem(problem: &Problem, request_id: &str) -> Self {
        let mut reply = Self::new(problem.kind().status());
        // A document holds strings and a number: it can always be written.
        reply.body = serde_json::to_string(&problem.document(request_id)).ok();
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static(contract::MEDIA_TYPE));
        if let Some(seconds) = problem.retry_after() {
            reply.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn into_response(self) -> ApiGatewayProxyResponse {
        let mut response = ApiGatewayProxyResponse::default();
        response.status_code = i64::from(self.status);
        response.headers = self.headers;
        response.body = self.body.map(Body::Text);
        response
    }
}
