//! Comparisons that say what was found.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_apigateway::error::{ProvideErrorMetadata, SdkError};
use serde_json::{Value, json};

use super::Check;
use crate::Answer;

/// Bytes of a body that a message repeats.
const EXCERPT: usize = 300;
/// What is said of a request that took too long, over TLS or without.
pub(super) const TIMED_OUT: &str = "timed out";
/// The header by which the fixture template marks the gateway responses that it customizes.
pub(super) const MARK: &str = "x-fixture-response";

/// Compares two values.
pub(super) fn expect_eq<A, B>(what: &str, got: &A, wanted: &B) -> Check
where
    A: Debug + PartialEq<B> + ?Sized,
    B: Debug + ?Sized,
{
    if got == wanted { Ok(()) } else { Err(format!("{what} is {got:?}, not {wanted:?}")) }
}

/// Asks for a condition.
pub(super) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// An answer for a message. A success's body is left out: it may be an event, which holds a key's value.
pub(super) fn describe(answer: &Answer) -> String {
    if answer.status < 300 {
        return answer.status.to_string();
    }
    let body = &answer.body[..answer.body.len().min(EXCERPT)];
    format!("{} {}", answer.status, String::from_utf8_lossy(body))
}

/// Asks for a status.
pub(super) fn expect_status(what: &str, answer: &Answer, status: u16) -> Check {
    expect(answer.status == status, || format!("{what} is answered {}, not {status}", describe(answer)))
}

/// The body as JSON.
pub(super) fn json_of(answer: &Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| format!("{error} in the body of {}", describe(answer)))
}

/// Asks for an error of the gateway's own: bodies are compared as JSON.
pub(super) fn expect_error(
    what: &str,
    answer: &Answer,
    status: u16,
    message: &str,
    error_type: &str,
) -> Check {
    expect_message(what, answer, status, message)?;
    expect_error_type(what, answer, error_type)
}

/// The same without its error type.
fn expect_message(what: &str, answer: &Answer, status: u16, message: &str) -> Check {
    expect_status(what, answer, status)?;
    expect_eq(&format!("the body for {what}"), &json_of(answer)?, &json!({ "message": message }))?;
    expect(!answer.header("x-amzn-requestid").is_empty(), || format!("{what} has no x-amzn-RequestId"))
}

/// Asks for an error type alone.
pub(super) fn expect_error_type(what: &str, answer: &Answer, error_type: &str) -> Check {
    expect_eq(&format!("x-amzn-ErrorType for {what}"), answer.header("x-amzn-errortype"), error_type)
}

/// Asks for the customized gateway response of a type, and for nothing of another's.
pub(super) fn expect_response_type(what: &str, answer: &Answer, response_type: &str) -> Check {
    let marks: Vec<_> = answer.headers.get_all(MARK).iter().filter_map(|value| value.to_str().ok()).collect();
    expect_eq(&format!("{MARK} for {what}"), &marks[..], &[response_type][..])
}

/// Asks for the 502 that hides what is wrong with a function.
pub(super) fn expect_bad_gateway(what: &str, answer: &Answer) -> Check {
    expect_error(what, answer, 502, "Internal server error", "InternalServerErrorException")
}

/// Asks for a throttle's refusal.
pub(super) fn expect_throttled(what: &str, answer: &Answer) -> Check {
    expect_error(what, answer, 429, "Too Many Requests", "TooManyRequestsException")
}

/// Asks for a quota's refusal. Its error type was not recorded, so that it has a case of its own.
pub(super) fn expect_used_up(what: &str, answer: &Answer) -> Check {
    expect_message(what, answer, 429, "Limit Exceeded")
}

/// Asks for the refusal of a key.
pub(super) fn expect_forbidden(what: &str, answer: &Answer) -> Check {
    expect_error(what, answer, 403, "Forbidden", "ForbiddenException")
}

/// The members' names of a JSON object, sorted.
pub(super) fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

/// The code and the message of a call that must have failed.
pub(super) fn refusal<T, E, R>(
    operation: &str,
    done: Result<T, SdkError<E, R>>,
) -> Result<(String, String), String>
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Debug + 'static,
{
    match done {
        Ok(_) => Err(format!("{operation} was carried out")),
        Err(error) => {
            let said = error.as_service_error().map(|error| {
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                (text(error.code()), text(error.message()))
            });
            said.ok_or_else(|| failed(operation, &error))
        }
    }
}

/// A call of the SDK that failed, with its causes.
pub(super) fn failed(operation: &str, error: &dyn Error) -> String {
    let mut text = format!("{operation}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
