//! What is answered for a function that gave no answer of its own.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::MAX_RESPONSE_BYTES;

/// Why there is no answer from the function itself.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The executable could not be started.
    NotStarted(std::io::Error),
    /// The process ended before it answered.
    Exited(Exit),
    /// It never asked for its first event.
    InitTimedOut(Duration),
    /// It had an event and did not answer in time.
    TimedOut {
        /// When it was given up.
        at: SystemTime,
        /// The function's time-out.
        after: Duration,
    },
    /// It answered with more than [`MAX_RESPONSE_BYTES`].
    ResponseTooLarge,
    /// Whoever runs it gave no answer in so much time.
    NotAnswered(Duration),
}

impl Failure {
    /// The payload of the invocation's answer, as Lambda words it.
    pub(crate) fn payload(&self, request_id: &str) -> Bytes {
        let (kind, message) = match self {
            Self::NotStarted(error) => {
                ("Runtime.InvalidEntrypoint", format!("RequestId: {request_id} Error: {error}"))
            }
            Self::Exited(exit) => {
                ("Runtime.ExitError", format!("RequestId: {request_id} Error: {}", exit.describe()))
            }
            Self::InitTimedOut(after) => (
                "Sandbox.Timedout",
                format!(
                    "RequestId: {request_id} Error: Init timed out after {:.2} seconds",
                    after.as_secs_f64()
                ),
            ),
            Self::TimedOut { at, after } => (
                "Sandbox.Timedout",
                format!(
                    "{} {request_id} Task timed out after {:.2} seconds",
                    stamp(*at),
                    after.as_secs_f64()
                ),
            ),
            Self::NotAnswered(after) => (
                "Sandbox.Timedout",
                format!("RequestId: {request_id} Error: No answer after {:.2} seconds", after.as_secs_f64()),
            ),
            Self::ResponseTooLarge => (
                "Function.ResponseSizeTooLarge",
                format!(
                    "Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
                ),
            ),
        };
        json!({ "errorType": kind, "errorMessage": message }).to_string().into()
    }
}

/// How a process ended. `None` is one that could not be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) Option<ExitStatus>);

impl Exit {
    fn describe(self) -> String {
        let Some(status) = self.0 else { return "Runtime exited without providing a reason".to_owned() };
        match (status.code(), status.signal()) {
            (Some(0), _) | (None, None) => "Runtime exited without providing a reason".to_owned(),
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (None, Some(signal)) => match signal_name(signal) {
                Some(name) => format!("Runtime exited with error: signal: {name}"),
                None => format!("Runtime exited with error: signal: signal {signal}"),
            },
        }
    }
}

/// The names that Go, which Lambda's own supervisor is written in, gives to signals. The numbers are those that
/// Linux and macOS share.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        2 => "interrupt",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        15 => "terminated",
        _ => return None,
    })
}

fn stamp(at: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from(at).format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(failure: &Failure) -> (String, String) {
        let value: serde_json::Value = serde_json::from_slice(&failure.payload("r-1")).expect("JSON");
        let text = |key: &str| value[key].as_str().expect("a string").to_owned();
        (text("errorType"), text("errorMessage"))
    }

    #[test]
    fn exits_are_worded_as_lambda_words_them() {
        let exited = |raw| payload(&Failure::Exited(Exit(Some(ExitStatus::from_raw(raw)))));
        let expected =
            |reason: &str| ("Runtime.ExitError".to_owned(), format!("RequestId: r-1 Error: {reason}"));
        assert_eq!(exited(1 << 8), expected("Runtime exited with error: exit status 1"));
        assert_eq!(exited(9), expected("Runtime exited with error: signal: killed"));
        assert_eq!(exited(10), expected("Runtime exited with error: signal: signal 10"));
        assert_eq!(exited(0), expected("Runtime exited without providing a reason"));
    }

    #[test]
    fn a_time_out_tells_when_which_and_how_long() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_521_600_250);
        let (kind, message) = payload(&Failure::TimedOut { at, after: Duration::from_secs(3) });
        assert_eq!(kind, "Sandbox.Timedout");
        assert_eq!(message, "2026-11-24T12:00:00.250Z r-1 Task timed out after 3.00 seconds");
    }
}
