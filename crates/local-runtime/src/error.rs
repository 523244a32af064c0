//! Why the runtime could not start, and why an invocation did not take place.

use std::io;

/// The runtime could not start.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No loopback port could be had for the Runtime API.
    #[error("the Lambda Runtime API could not listen on a loopback port")]
    Listen(#[source] io::Error),
}

/// The function was not run. What a function itself does wrong is an
/// [`Invocation`](crate::Invocation) with a `function_error` instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// There is no function of this name (`ResourceNotFoundException`).
    #[error("there is no function {0}")]
    UnknownFunction(String),
    /// The payload exceeds [`MAX_REQUEST_BYTES`](crate::MAX_REQUEST_BYTES) (`RequestTooLargeException`).
    #[error("the payload of {bytes} bytes exceeds Lambda's limit of 6291456 bytes")]
    RequestTooLarge {
        /// The payload's size.
        bytes: usize,
    },
    /// All environments are busy, and the queue is full or did not move in time (`TooManyRequestsException`).
    #[error("all environments of {0} are busy")]
    Throttled(String),
    /// `cargo lambda watch` cannot be reached.
    #[error("cargo lambda watch does not answer at {url}: {cause}")]
    Unreachable {
        /// Its address.
        url: String,
        /// What was tried and failed.
        cause: String,
    },
    /// The runtime is stopping or has stopped.
    #[error("the runtime is stopping")]
    Stopping,
}
