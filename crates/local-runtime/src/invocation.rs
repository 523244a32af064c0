//! One invocation: what goes in and what comes out.

use std::time::Duration;

use bytes::Bytes;

/// The largest payload of a synchronous invocation. Source: Lambda quotas, and its error message.
pub const MAX_REQUEST_BYTES: usize = 6_291_456;

/// The largest response of a synchronous invocation. Source: Lambda's error message.
pub const MAX_RESPONSE_BYTES: usize = 6_291_556;

/// What an invocation may carry besides its payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvokeOptions {
    /// The X-Ray trace header that the function sees. One that no header can hold is left out.
    pub trace_id: Option<String>,
}

/// A finished invocation, as Lambda's `Invoke` answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What the function answered, or the error's JSON: `errorType` and `errorMessage`.
    pub payload: Bytes,
    /// `Unhandled` where the function failed (`X-Amz-Function-Error`).
    pub function_error: Option<String>,
    /// Whether an environment was started for this invocation.
    pub cold: bool,
    /// From handing the event out until the answer. An environment's start is not part of it.
    pub duration: Duration,
    /// The id that the function saw.
    pub request_id: String,
}
