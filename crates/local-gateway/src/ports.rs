//! What the gateway asks of the parts around it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use local_http::Request;

use crate::limits::Standing;

/// Gives the stack's time, which can be moved by hand.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Lambda, as the gateway sees it.
pub trait Invoker: Send + Sync {
    /// Invokes a function synchronously, as a part of the trace that `X-Amzn-Trace-Id` names.
    ///
    /// The gateway drops the future when the route's time is up; the invocation goes on regardless,
    /// as it does on AWS.
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
        trace_id: &'a str,
    ) -> BoxFuture<'a, Result<Invoked, InvokeFailure>>;
}

/// A finished invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// What the function answered, or the error's JSON.
    pub payload: Bytes,
    /// Whether the function failed (`X-Amz-Function-Error`).
    pub function_error: bool,
    /// Whether an environment was started for this invocation.
    pub cold: bool,
}

/// Why a function was not invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvokeFailure {
    /// There is no such function.
    Unknown,
    /// The event exceeds Lambda's limit.
    TooLarge,
    /// The function's concurrency is used up.
    Throttled,
    /// No environment could be had.
    Unavailable,
}

/// Judges callers of methods with `AWS_IAM` authorization.
pub trait Authorizer: Send + Sync {
    /// Verifies the request's signature and that its principal may do `execute-api:Invoke` on
    /// `resource_arn`, which is `arn:aws:execute-api:<region>:<account>:<api>/<stage>/<METHOD>/<path>`
    /// with the path as it was sent.
    ///
    /// # Errors
    ///
    /// [`Denied`] where either does not hold.
    fn authorize(&self, request: &Request, resource_arn: &str) -> Result<Caller, Denied>;
}

/// The principal behind a signature, as it stands in `requestContext.identity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `accessKey`.
    pub access_key_id: String,
    /// `accountId`, twelve digits.
    pub account_id: String,
    /// `userArn`.
    pub user_arn: String,
    /// `user`: the unique id, with the session's name for an assumed role.
    pub user_id: String,
    /// `caller`: the same id for a direct call.
    pub caller: String,
}

/// Why a caller is turned away, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The reason, which decides the gateway response.
    pub denial: Denial,
    /// What the caller is told. [`Denial::MissingAuthenticationToken`] has a text of its own.
    pub message: String,
}

/// The reasons to turn a caller away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// There is no signature at all.
    MissingAuthenticationToken,
    /// There is something, but it is no whole signature.
    IncompleteSignature,
    /// The access key or the session token is unknown.
    UnrecognizedClient,
    /// The signature is not the expected one, or it is too old.
    InvalidSignature,
    /// The session is over.
    ExpiredToken,
    /// The principal may not call this method.
    AccessDenied,
}

/// Hears of every request once it is answered.
pub trait Observer: Send + Sync {
    /// Takes note. It is called on the request's task, so it must not block.
    fn observe(&self, record: RequestRecord);
}

/// What happened to one request. It never holds a key's value.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRecord {
    /// When the request was taken, by the stack's clock.
    pub at: SystemTime,
    /// The API's logical id.
    pub api: String,
    /// The method as sent.
    pub method: String,
    /// The path as sent, with the stage and without the query.
    pub path: String,
    /// The resource that matched, such as `/records/{collection}`.
    pub resource: Option<String>,
    /// The response's status.
    pub status: u16,
    /// How long it took, by the monotonic clock.
    pub duration: Duration,
    /// Whether an environment was started; nothing where no invocation finished.
    pub cold: Option<bool>,
    /// The key's id, where a key was required and the value is one's.
    pub api_key_id: Option<String>,
    /// The key's name, likewise.
    pub key_name: Option<String>,
    /// The function behind the resource.
    pub function: Option<String>,
    /// The gateway response type, such as `INVALID_API_KEY`, where the gateway itself answered.
    pub gateway_response: Option<&'static str>,
    /// What a developer needs to know about a refusal. The client is not told.
    pub detail: Option<Cow<'static, str>>,
    /// The limits that the request was measured by, as they stand after it, in the order of the checks.
    pub limits: Vec<Standing>,
    /// The position of the limit that refused it.
    pub refused_by: Option<usize>,
    /// The request's id.
    pub request_id: String,
}
