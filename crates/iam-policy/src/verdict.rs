//! What comes out of an evaluation, and why.

use std::fmt;

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

/// The decision on a request, and what decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// What decided it. For an allowed request with a session policy, the identity-based statement.
    pub by: By,
}

/// The decision of a trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustVerdict {
    /// The decision, and what decided it.
    pub verdict: Verdict,
    /// Whether an allowing statement names the principal itself, or everyone. Where it trusts the
    /// principal's account instead, the principal's own policies must allow the action as well.
    pub names_principal: bool,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A statement.
    Statement {
        /// The kind of policy.
        layer: Layer,
        /// The policy's name.
        policy: String,
        /// The statement's Sid, or its number in the document, from `#1`.
        statement: String,
        /// The pattern of its Action that matched, as written; for `NotAction` all of them.
        action: String,
        /// The pattern of its Resource that matched, as written; for `NotResource` all of them, for a trust
        /// policy none.
        resource: String,
        /// What is not known, where a statement denies because it might apply.
        unknown: Option<String>,
    },
    /// No statement allows the action.
    NothingAllows {
        /// The kind of policies among which none allows.
        layer: Layer,
        /// What was not known in statements that might have allowed, at most ten different ones.
        unknown: Vec<String>,
        /// The first statement that is about the action and the resource, and the condition of it that does
        /// not hold.
        nearest: Option<String>,
    },
}

/// The kinds of policies that take part in an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Policies of the user or role.
    Identity,
    /// Policies that were passed when the session was made.
    Session,
    /// A role's trust policy, which is based on the resource.
    Trust,
}

impl Verdict {
    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity-based policy",
            Self::Session => "session policy",
            Self::Trust => "trust policy",
        })
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement { layer, policy, statement, unknown, .. } => {
                write!(f, "statement {statement} of the {layer} {policy}")?;
                match unknown {
                    Some(unknown) => write!(f, " (unknown: {unknown})"),
                    None => Ok(()),
                }
            }
            Self::NothingAllows { layer, unknown, nearest } => {
                write!(f, "no {layer} allows the action")?;
                if !unknown.is_empty() {
                    write!(f, " (unknown: {})", unknown.join(", "))?;
                }
                nearest.as_ref().map_or(Ok(()), |nearest| write!(f, " (nearest: {nearest})"))
            }
        }
    }
}
