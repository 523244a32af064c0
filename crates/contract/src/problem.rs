//! Problems: every error that a caller sees (RFC 9457).

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! catalogue {
    ($($(#[$doc:meta])* $kind:ident = $status:literal, $slug:literal, $title:literal;)*) => {
        /// The kinds of problem. A kind fixes type, title and status; only the detail varies.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        /// Every kind, in the order of its status.
        pub const CATALOGUE: &[Kind] = &[$(Kind::$kind,)*];

        impl Kind {
            /// The HTTP status: 4xx or 5xx.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)* }
            }

            /// The problem's `type`, a URN.
            #[must_use]
            pub const fn urn(self) -> &'static str {
                match self { $(Self::$kind => concat!("urn:tenantry:problem:", $slug),)* }
            }

            /// The problem's `title`, the same for each occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

catalogue! {
    /// A path, query, header or body that cannot be read.
    BadRequest = 400, "bad-request", "Bad request";
    /// The key opens nothing: unknown, expired, or of a tenant that is no more.
    Forbidden = 403, "forbidden", "Forbidden";
    /// The gateway knows no such method and path.
    NoSuchRoute = 403, "no-such-route", "No such route";
    /// The tenant is suspended.
    TenantSuspended = 403, "tenant-suspended", "Tenant suspended";
    /// This tenant has no such thing.
    NotFound = 404, "not-found", "Not found";
    /// The request contradicts the present state.
    Conflict = 409, "conflict", "Conflict";
    /// A request with the same `Idempotency-Key` is at work.
    IdempotencyKeyInUse = 409, "idempotency-key-in-use", "Idempotency key in use";
    /// The account has nearly as many API keys as it may.
    KeyLimit = 409, "key-limit", "No room for another API key";
    /// `If-Match` or `If-None-Match` did not hold.
    PreconditionFailed = 412, "precondition-failed", "Precondition failed";
    /// The body, or the record that it would make, is too large.
    PayloadTooLarge = 413, "payload-too-large", "Payload too large";
    /// The body is JSON, but not of the form that is due.
    InvalidBody = 422, "invalid-body", "Invalid body";
    /// The `Idempotency-Key` belongs to another request.
    IdempotencyKeyReused = 422, "idempotency-key-reused", "Idempotency key reused";
    /// A throttle of the usage plan.
    TooManyRequests = 429, "too-many-requests", "Too many requests";
    /// The quota of the usage plan.
    QuotaExceeded = 429, "quota-exceeded", "Quota exceeded";
    /// A fault of ours.
    Internal = 500, "internal", "Internal error";
    /// The tenant's data is being moved or imported.
    WritesPaused = 503, "writes-paused", "Writes are paused";
    /// The tenant is being set up.
    TenantProvisioning = 503, "tenant-provisioning", "Tenant is being set up";
    /// Something behind the endpoint is overloaded or out of reach.
    Unavailable = 503, "unavailable", "Temporarily unavailable";
    /// The endpoint took too long.
    Timeout = 504, "timeout", "Timed out";
}

/// One member of a request that is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON Pointer into the body, or `/path/…`, `/query/…`, `/header/…`.
    pub pointer: String,
    /// What is the matter.
    pub detail: String,
}

/// An error on its way to the caller.
///
/// The cause is for the log; it is never part of the document.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<u32>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// A problem as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    /// [`Kind::urn`].
    #[serde(rename = "type")]
    pub kind: String,
    /// [`Kind::title`].
    pub title: String,
    /// [`Kind::status`].
    pub status: u16,
    /// What happened, for a person.
    pub detail: String,
    /// The request id.
    pub instance: String,
    /// The members at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of the kind with its detail.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after: None, cause: None }
    }

    /// 400 for one member of the request.
    #[must_use]
    pub fn bad_request(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, "The request cannot be read.").with_error(pointer, detail)
    }

    /// 422 for one member of the body.
    #[must_use]
    pub fn invalid_body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Kind::InvalidBody, "The body is not of the form that is due.").with_error(pointer, detail)
    }

    /// 404. It takes no argument, so that what is missing and what is another tenant's are one answer.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "There is no such resource.")
    }

    /// 403 for a key that opens nothing. One answer for all reasons.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(Kind::Forbidden, "This key gives no access.")
    }

    /// 412.
    #[must_use]
    pub fn precondition_failed() -> Self {
        Self::new(Kind::PreconditionFailed, "The resource is not in the state that the request requires.")
    }

    /// 409 for an `Idempotency-Key` whose first request is at work.
    #[must_use]
    pub fn idempotency_key_in_use() -> Self {
        let detail = "A request with this Idempotency-Key is being worked on; repeat it later.";
        Self::new(Kind::IdempotencyKeyInUse, detail).with_retry_after(1)
    }

    /// 422 for an `Idempotency-Key` that came with another path or body before.
    #[must_use]
    pub fn idempotency_key_reused() -> Self {
        let detail = "This Idempotency-Key came with another request before; choose a new one.";
        Self::new(Kind::IdempotencyKeyReused, detail)
    }

    /// 413 for a body that is longer than the endpoint takes, both in bytes.
    #[must_use]
    pub fn body_too_large(bytes: usize, most: usize) -> Self {
        Self::new(Kind::PayloadTooLarge, format!("The body has {bytes} bytes; at most {most} are possible."))
    }

    /// 500 with a cause for the log.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, "The request failed on our side.").with_cause(cause)
    }

    /// 503 with a cause for the log.
    #[must_use]
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Unavailable, "The service is busy; try again.").with_retry_after(1).with_cause(cause)
    }

    /// Adds a member at fault.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Says in how many seconds a retry makes sense.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Seconds for `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// The cause with its sources, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        self.cause.as_ref().map(|cause| {
            let mut text = cause.to_string();
            let mut source = cause.source();
            while let Some(error) = source {
                let next = error.to_string();
                // Wrappers often repeat what they wrap.
                if !text.contains(&next) {
                    text.push_str(": ");
                    text.push_str(&next);
                }
                source = error.source();
            }
            text
        })
    }

    /// The document that the caller gets.
    #[must_use]
    pub fn document(&self, request_id: &str) -> ProblemDocument {
        ProblemDocument {
            kind: self.kind.urn().to_owned(),
            title: self.kind.title().to_owned(),
            status: self.kind.status(),
            detail: self.detail.clone(),
            instance: request_id.to_owned(),
            errors: self.errors.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind.status(), self.kind.title(), self.detail)
    }
}

impl Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_an_error_with_a_urn_of_its_own() {
        let mut urns: Vec<_> = CATALOGUE.iter().map(|kind| kind.urn()).collect();
        urns.sort_unstable();
        urns.dedup();
        assert_eq!(urns.len(), CATALOGUE.len());
        assert!(CATALOGUE.iter().all(|kind| (400..600).contains(&kind.status())));
        assert!(CATALOGUE.is_sorted_by_key(|kind| kind.status()));
    }

    #[test]
    fn a_cause_stays_out_of_the_document() {
        let problem = Problem::internal("table tenantry-records is on fire");
        let document = serde_json::to_string(&problem.document("r-1")).unwrap();
        assert!(!document.contains("fire"), "{document}");
        assert!(!problem.to_string().contains("fire"));
        assert_eq!(problem.cause().as_deref(), Some("table tenantry-records is on fire"));
    }

    #[test]
    fn a_document_has_the_members_of_the_contract() {
        let document = Problem::bad_request("/query/limit", "must be 1 to 100").document("r-1");
        assert_eq!(
            serde_json::to_value(document).unwrap(),
            serde_json::json!({
                "type": "urn:tenantry:problem:bad-request",
                "title": "Bad request",
                "status": 400,
                "detail": "The request cannot be read.",
                "instance": "r-1",
                "errors": [{"pointer": "/query/limit", "detail": "must be 1 to 100"}],
            })
        );
    }
}
