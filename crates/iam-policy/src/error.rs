//! Why a document is no policy.

use std::fmt;

/// Where in a document something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The statement's Sid, or its number in the document, from `#1`; `None` outside the statements.
    pub statement: Option<String>,
    /// The element, and within a condition its operator and key, such as `Condition.StringEquals.aws:Foo`.
    pub element: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.statement, self.element.as_str()) {
            (Some(statement), "") => write!(f, "statement {statement}"),
            (Some(statement), element) => write!(f, "statement {statement}, {element}"),
            (None, "") => f.write_str("the policy"),
            (None, element) => write!(f, "the policy, {element}"),
        }
    }
}

/// Why a document is not taken as a policy. The message names the statement and the element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The text is longer than is read.
    #[error("the policy has {bytes} bytes, at most {limit} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// What is read.
        limit: usize,
    },
    /// The text is not JSON, or names a member twice.
    #[error("the policy is not JSON: {0}")]
    NotJson(String),
    /// A list or map has more entries than are read.
    #[error("{at}: {count} entries, at most {limit} are read")]
    TooMany {
        /// Where.
        at: Place,
        /// How many there are.
        count: usize,
        /// How many are read.
        limit: usize,
    },
    /// A list or map without any entry.
    #[error("{at}: it is empty, at least one entry must stand here")]
    Empty {
        /// Where.
        at: Place,
    },
    /// A value of another type than the element takes.
    #[error("{at}: {expected} must stand here")]
    WrongType {
        /// Where.
        at: Place,
        /// What the element takes.
        expected: &'static str,
    },
    /// An element that the language does not have, at least not in this kind of policy.
    #[error("{at}: unknown element `{element}`")]
    UnknownElement {
        /// Where.
        at: Place,
        /// The element.
        element: String,
    },
    /// An element that the language has, but that is not evaluated here.
    #[error("{at}: {element} is not supported")]
    Unsupported {
        /// Where.
        at: Place,
        /// The element.
        element: &'static str,
    },
    /// An element that has no place in this kind of policy.
    #[error("{at}: {element} has no place in {kind}")]
    Misplaced {
        /// Where.
        at: Place,
        /// The element.
        element: &'static str,
        /// The kind of policy.
        kind: &'static str,
    },
    /// An element that must be there.
    #[error("{at}: {element} is missing")]
    Missing {
        /// Where.
        at: Place,
        /// The element, or those of which one must be there.
        element: &'static str,
    },
    /// Two elements that exclude each other.
    #[error("{at}: {one} and {other} exclude each other")]
    Conflict {
        /// Where.
        at: Place,
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A version of the language that does not exist.
    #[error("the policy, Version: `{version}` is neither 2012-10-17 nor 2008-10-17")]
    UnknownVersion {
        /// The version.
        version: String,
    },
    /// A Sid that stands twice.
    #[error("{at}: an earlier statement has the same Sid")]
    DuplicateSid {
        /// Where.
        at: Place,
    },
    /// An operator that the language does not have, or that is not supported.
    #[error("{at}: unknown or unsupported operator `{operator}`")]
    UnknownOperator {
        /// Where.
        at: Place,
        /// The operator.
        operator: String,
    },
    /// A variable that cannot be read, or that stands where none is replaced.
    #[error("{at}: bad variable: {reason}")]
    BadVariable {
        /// Where.
        at: Place,
        /// What is wrong.
        reason: String,
    },
    /// A value that the element or operator cannot take.
    #[error("{at}: `{value}` is not {expected}")]
    BadValue {
        /// Where.
        at: Place,
        /// The value.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
}

impl PolicyError {
    /// Where in the document it is, if it is in one place.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::TooLong { .. } | Self::NotJson(_) | Self::UnknownVersion { .. } => None,
            Self::TooMany { at, .. }
            | Self::Empty { at }
            | Self::WrongType { at, .. }
            | Self::UnknownElement { at, .. }
            | Self::Unsupported { at, .. }
            | Self::Misplaced { at, .. }
            | Self::Missing { at, .. }
            | Self::Conflict { at, .. }
            | Self::DuplicateSid { at }
            | Self::UnknownOperator { at, .. }
            | Self::BadVariable { at, .. }
            | Self::BadValue { at, .. } => Some(at),
        }
    }
}
