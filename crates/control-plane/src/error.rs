//! What can go wrong in a tenant's life.

use contract::{FieldError, Kind, Problem};
use tenant_context::{AwsFailure, TenantId};

/// An operation of the control plane that was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The request's body holds what cannot be taken.
    #[error("the request is invalid")]
    Invalid(Vec<FieldError>),
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    NotFound(TenantId),
    /// The tenant exists already, or differs from what a repeated request says.
    #[error("the tenant {0} exists")]
    Exists(TenantId),
    /// Another attempt is at work.
    #[error("the tenant {0} is being worked on")]
    Busy(TenantId),
    /// What was read is not of the form that is written here.
    #[error("{0} cannot be read")]
    Unreadable(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// API Gateway's answer lacks what it always has.
    #[error("API Gateway's answer has no {0}")]
    Incomplete(&'static str),
    /// The system has no randomness.
    #[error("no randomness")]
    Random(#[from] getrandom::Error),
    /// A call to AWS failed.
    #[error(transparent)]
    Aws(#[from] AwsFailure),
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Invalid(errors) => errors.into_iter().fold(
                Problem::new(Kind::InvalidBody, "The body is not of the form that is due."),
                |problem, error| problem.with_error(error.pointer, error.detail),
            ),
            ControlError::NotFound(_) => Problem::not_found(),
            ControlError::Exists(id) => {
                Problem::new(Kind::Conflict, format!("The tenant {id} exists already."))
            }
            ControlError::Busy(id) => {
                Problem::new(Kind::Conflict, format!("Another request is at work on the tenant {id}."))
                    .with_retry_after(u32::try_from(crate::onboarding::LEASE.whole_seconds()).unwrap_or(60))
            }
            ControlError::Unreadable(..) | ControlError::Incomplete(_) | ControlError::Random(_) => {
                Problem::internal(error)
            }
            ControlError::Aws(failure) => failure.into(),
        }
    }
}
