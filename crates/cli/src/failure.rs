//! Why a command was not carried out, and the exit codes.

use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::show::{document, plain};
use crate::words::{Words, flag, in_flags};

/// How a command that was carried out ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done: 0.
    Done,
    /// A check found mistakes: 1.
    Mistaken,
    /// Two things that were compared differ: 2.
    Different,
}

impl Outcome {
    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Mistaken => 1,
            Self::Different => 2,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Whoever was asked has refused: 1.
    #[error("{message}")]
    Refused {
        /// For a person.
        message: String,
        /// The problem document, `null` where there is none.
        problem: Value,
    },
    /// The person who was asked has not agreed: 1.
    #[error("Nothing was done.")]
    Declined,
    /// The command line asks for what cannot be done: 2.
    #[error("{0}")]
    Usage(String),
    /// Nobody has answered: 3.
    #[error("{0}")]
    Unreachable(String),
    /// Whoever was asked is overloaded or waits for somebody who is: 3.
    #[error("{message}")]
    Unavailable {
        /// For a person.
        message: String,
        /// The problem document, `null` where there is none.
        problem: Value,
    },
    /// What was done cannot be shown: 1.
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
    /// A new key was made, and its value cannot be shown: 3.
    #[error(
        "the output cannot be written: {error}. It was done, and the value of the key {api_key_id} is lost: \
             rotate the key"
    )]
    Lost {
        /// The key.
        api_key_id: String,
        /// Why not.
        error: std::io::Error,
    },
}

impl Failure {
    /// A refusal without a problem document.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), problem: Value::Null }
    }

    /// What an answer that is no success means.
    pub(crate) fn answered(status: u16, problem: Value) -> Self {
        let message = explain(status, &problem);
        match status {
            502..=504 => Self::Unavailable { message, problem },
            _ => Self::Refused { message, problem },
        }
    }

    /// The same, where it is a 404 or a 412 in the words of the command. The document stays as it is.
    pub(crate) fn in_words(self, words: Words) -> Self {
        let Self::Refused { message, problem } = self else { return self };
        let own = match problem["status"].as_u64() {
            Some(404) => words.missing.map(|words| words + &whence(404, &problem)),
            Some(412) => words.stale.map(|words| words + &whence(412, &problem)),
            Some(_) | None => None,
        };
        Self::Refused { message: own.unwrap_or(message), problem }
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Refused { .. } | Self::Declined | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) | Self::Unavailable { .. } | Self::Lost { .. } => 3,
        }
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        if !self.is_known() {
            let line = self.line(as_json);
            // Where not even that can be said, the exit code says it.
            let _ = writeln!(stderr().lock(), "{line}");
        }
        ExitCode::from(self.code())
    }

    /// Whether whoever reads the output has had enough of it, such as `head`.
    fn is_known(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    fn line(&self, as_json: bool) -> String {
        if as_json {
            let problem = match self {
                Self::Refused { problem, .. } | Self::Unavailable { problem, .. } => problem,
                Self::Declined
                | Self::Usage(_)
                | Self::Unreachable(_)
                | Self::Output(_)
                | Self::Lost { .. } => &Value::Null,
            };
            document(&json!({ "error": self.to_string(), "problem": problem }))
        } else if matches!(self, Self::Declined) {
            // The person knows why.
            self.to_string()
        } else {
            format!("error: {self}")
        }
    }
}

/// A refusal for a person: its detail, its title, and the flags at fault. API Gateway's and AWS's own errors have
/// a `message` alone.
fn explain(status: u16, problem: &Value) -> String {
    let detail = ["detail", "message", "Message"].into_iter().find_map(|member| text(problem, member));
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut message = match detail {
        // The detail is about a path, a query or a body, which nobody has typed.
        Some(_) if !errors.is_empty() => "The command cannot be carried out as it is given.".to_owned(),
        Some(detail) => in_flags(&detail),
        None => "No reason is given.".to_owned(),
    };
    message.push_str(&whence(status, problem));
    for error in errors {
        let (pointer, detail) = (text(error, "pointer"), text(error, "detail"));
        // Writing to a string cannot fail.
        let _ = write!(message, "\n  {}: {}", flag(&pointer.unwrap_or_default()), detail.unwrap_or_default());
    }
    message
}

fn text(value: &Value, member: &str) -> Option<String> {
    value[member].as_str().map(plain)
}

/// Which answer it was: its status, its title and its request.
fn whence(status: u16, problem: &Value) -> String {
    let mut message = format!(" ({status}");
    // Writing to a string cannot fail.
    if let Some(title) = text(problem, "title") {
        let _ = write!(message, " {title}");
    }
    if let Some(id) = text(problem, "instance") {
        let _ = write!(message, ", request {id}");
    }
    message.push(')');
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_has_its_exit_code() {
        assert_eq!([Outcome::Done, Outcome::Mistaken, Outcome::Different].map(Outcome::code), [0, 1, 2]);
        let codes = [
            Failure::answered(404, Value::Null),
            Failure::answered(409, Value::Null),
            Failure::answered(500, Value::Null),
            Failure::refused("no"),
            Failure::Output(std::io::Error::other("closed")),
            Failure::Usage(String::new()),
            Failure::Unreachable(String::new()),
            Failure::answered(503, Value::Null),
            Failure::Declined,
            Failure::Lost { api_key_id: "k1".to_owned(), error: std::io::Error::other("full") },
        ]
        .map(|failure| failure.code());
        assert_eq!(codes, [1, 1, 1, 1, 1, 2, 3, 3, 1, 3]);
    }

    #[test]
    fn a_refusal_names_its_reason_its_request_and_the_flags_at_fault() {
        let problem = json!({
            "title": "Invalid body", "status": 422, "detail": "The body is wrong.", "instance": "r-1",
            "errors": [{ "pointer": "/status_reason", "detail": "is too long" }],
        });
        let failure = Failure::answered(422, problem.clone());
        assert_eq!(
            failure.line(false),
            "error: The command cannot be carried out as it is given. (422 Invalid body, request r-1)\n  \
             --reason: is too long"
        );
        let line: Value = serde_json::from_str(&failure.line(true)).unwrap();
        assert_eq!(line["problem"], problem);
        let overloaded = json!({ "title": "Unavailable", "status": 503, "detail": "Try again." });
        let line: Value =
            serde_json::from_str(&Failure::answered(503, overloaded.clone()).line(true)).unwrap();
        assert_eq!(line["problem"], overloaded, "a document is kept whatever the status");
        let foreign = Failure::answered(403, json!({ "message": "Forbidden" }));
        assert_eq!(foreign.line(false), "error: Forbidden (403)");
        assert_eq!(Failure::answered(400, Value::Null).line(false), "error: No reason is given. (400)");
    }

    #[test]
    fn what_is_missing_or_has_changed_is_said_in_the_commands_words_and_all_else_is_not() {
        let words = || Words { missing: Some("No acme.".to_owned()), stale: Some("Not at 3.".to_owned()) };
        let line = |status: u16| {
            let problem = json!({ "title": "T", "status": status, "detail": "D.", "instance": "r-1" });
            Failure::answered(status, problem).in_words(words()).line(false)
        };
        assert_eq!(line(404), "error: No acme. (404 T, request r-1)");
        assert_eq!(line(412), "error: Not at 3. (412 T, request r-1)");
        assert_eq!(line(409), "error: D. (409 T, request r-1)");
        let foreign = Failure::answered(404, json!({ "message": "Not Found" })).in_words(words());
        assert_eq!(foreign.line(false), "error: Not Found (404)", "it is not the control API that answers");
    }

    #[test]
    fn a_persons_own_no_is_no_error_and_a_reader_who_has_gone_is_told_nothing() {
        assert_eq!(Failure::Declined.line(false), "Nothing was done.");
        let said = [std::io::ErrorKind::BrokenPipe, std::io::ErrorKind::StorageFull]
            .map(|kind| Failure::Output(kind.into()).is_known());
        assert_eq!(said, [true, false]);
    }

    #[test]
    fn a_refusal_cannot_steer_the_terminal() {
        let failure = Failure::answered(400, json!({ "detail": "a\u{1b}[2Jb" }));
        assert_eq!(failure.line(false), "error: a\\u{1b}[2Jb (400)");
    }
}
