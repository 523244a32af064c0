//! What a handler can ask for.

use std::future::Future;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::{Aws, Table};

/// Something that a handler takes as an argument, bound to the caller `C`.
///
/// What a tenant may touch is bound to a [`crate::TenantContext`], what the platform team may do to an
/// [`Operator`]. A tenant's function that asks for the latter does not compile.
pub trait Bound<C>: Sized {
    /// What all requests of a warm function share.
    type Opened: Send + Sync + 'static;

    /// Opens it, once, while the function starts.
    ///
    /// # Errors
    /// [`OpenError`] ends the start of the function.
    fn open(aws: &Aws) -> impl Future<Output = Result<Self::Opened, OpenError>>;

    /// Binds it to one request: its caller, and the time at which API Gateway took it.
    fn bind(opened: &Self::Opened, caller: &Arc<C>, at: OffsetDateTime) -> Self;
}

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The template does not give the function the table that its handler uses.
    #[error("the environment variable {} is not set, which the handler needs", .0.variable())]
    NoTable(Table),
    /// The template does not give the function what its handler uses under this variable.
    #[error("the environment variable {0} is not set, which the handler needs")]
    Missing(&'static str),
}

/// A principal of the platform team, authenticated by API Gateway with `AWS_IAM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    arn: String,
}

impl Operator {
    /// The operator whom API Gateway names in `requestContext.identity.userArn`.
    #[must_use]
    pub fn new(arn: impl Into<String>) -> Self {
        Self { arn: arn.into() }
    }

    /// The principal without the name of its session, which is another one each time: the ARN of a user, or of an
    /// assumed role.
    #[must_use]
    pub fn principal(&self) -> &str {
        match self.arn.split_once(":assumed-role/") {
            Some((_, role)) => match role.split_once('/') {
                Some((_, session)) => &self.arn[..self.arn.len() - session.len() - 1],
                None => &self.arn,
            },
            None => &self.arn,
        }
    }

    /// The principal's ARN, for logs and the audit.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_one_role_are_one_principal() {
        for (arn, principal) in [
            ("arn:aws:sts::1:assumed-role/ops/botocore-session-17", "arn:aws:sts::1:assumed-role/ops"),
            ("arn:aws:sts::1:assumed-role/ops", "arn:aws:sts::1:assumed-role/ops"),
            ("arn:aws:iam::1:user/teams/a", "arn:aws:iam::1:user/teams/a"),
            ("", ""),
        ] {
            assert_eq!(Operator::new(arn).principal(), principal);
        }
    }
}
