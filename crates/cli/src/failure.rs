//! Why a command was not carried out, and the exit codes.

use std::fmt::Write as _;
use std::io::{Write as _, stderr};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::show::{document, plain};

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
    /// Whoever was asked has refused, or the person has: 1.
    #[error("{message}")]
    Refused {
        /// For a person.
        message: String,
        /// The problem document, `null` where there is none.
        problem: Value,
    },
    /// The command line asks for what cannot be done: 2.
    #[error("{0}")]
    Usage(String),
    /// Nobody has answered, or for now nobody can: 3.
    #[error("{0}")]
    Unreachable(String),
    /// What was done cannot be shown: 1.
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
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
            502..=504 => Self::Unreachable(message),
            _ => Self::Refused { message, problem },
        }
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Refused { .. } | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        let line = self.line(as_json);
        // Where not even that can be said, the exit code says it.
        let _ = writeln!(stderr().lock(), "{line}");
        ExitCode::from(self.code())
    }

    fn line(&self, as_json: bool) -> String {
        if as_json {
            let problem = match self {
                Self::Refused { problem, .. } => problem,
                Self::Usage(_) | Self::Unreachable(_) | Self::Output(_) => &Value::Null,
            };
            document(&json!({ "error": self.to_string(), "problem": problem }))
        } else {
            format!("error: {self}")
        }
    }
}

/// A refusal for a person: its detail, its title, and the members at fault. API Gateway's and AWS's own errors
/// have a `message` alone.
fn explain(status: u16, problem: &Value) -> String {
    let text = |value: &Value, member: &str| value[member].as_str().map(plain);
    let detail = ["detail", "message", "Message"].into_iter().find_map(|member| text(problem, member));
    let mut message = detail.unwrap_or_else(|| "No reason is given.".to_owned());
    // Writing to a string cannot fail.
    let _ = write!(message, " ({status}");
    if let Some(title) = text(problem, "title") {
        let _ = write!(message, " {title}");
    }
    if let Some(id) = text(problem, "instance") {
        let _ = write!(message, ", request {id}");
    }
    message.push(')');
    for error in problem["errors"].as_array().into_iter().flatten() {
        let (pointer, detail) = (text(error, "pointer"), text(error, "detail"));
        let _ = write!(message, "\n  {}: {}", pointer.unwrap_or_default(), detail.unwrap_or_default());
    }
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
        ]
        .map(|failure| failure.code());
        assert_eq!(codes, [1, 1, 1, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn a_refusal_names_its_reason_its_request_and_the_members_at_fault() {
        let problem = json!({
            "title": "Invalid body", "status": 422, "detail": "The body is wrong.", "instance": "r-1",
            "errors": [{ "pointer": "/tier", "detail": "no such tier" }],
        });
        let failure = Failure::answered(422, problem.clone());
        assert_eq!(
            failure.line(false),
            "error: The body is wrong. (422 Invalid body, request r-1)\n  /tier: no such tier"
        );
        let line: Value = serde_json::from_str(&failure.line(true)).unwrap();
        assert_eq!(line["problem"], problem);
        let foreign = Failure::answered(403, json!({ "message": "Forbidden" }));
        assert_eq!(foreign.line(false), "error: Forbidden (403)");
        assert_eq!(Failure::answered(400, Value::Null).line(false), "error: No reason is given. (400)");
    }

    #[test]
    fn a_refusal_cannot_steer_the_terminal() {
        let failure = Failure::answered(400, json!({ "detail": "a\u{1b}[2Jb" }));
        assert_eq!(failure.line(false), "error: a\\u{1b}[2Jb (400)");
    }
}
