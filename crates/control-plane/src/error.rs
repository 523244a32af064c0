//! What can go wrong in a tenant's life.

use contract::{FieldError, Kind, Problem, TransitionError};
use tenant_context::{ApiKeyId, AwsFailure, TenantId};

use crate::desk::LEASE;

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
    /// Another change was made between reading and writing.
    #[error("the tenant {0} has been changed meanwhile")]
    Stale(TenantId),
    /// The tenant is not in the version that the request requires.
    #[error("the tenant {0} is in another version")]
    Version(TenantId),
    /// A tenant's life has no such step.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// The tenant is not active, which the request needs.
    #[error("the tenant {0} is not active")]
    Inactive(TenantId),
    /// Something goes on with the tenant for longer than a request, which has to be over first.
    #[error("{1} goes on with the tenant {0}")]
    UnderWay(TenantId, &'static str),
    /// There is nothing that could be given up any more.
    #[error("nothing of the tenant {0} can be given up")]
    NotUnderWay(TenantId),
    /// The tenant has records, files or checkpoints where an import would write.
    #[error("the tenant {0} has data already")]
    NotEmpty(TenantId),
    /// The tenant has a silo already.
    #[error("the tenant {0} has a silo")]
    Siloed(TenantId),
    /// The tenant's data is being deleted, or is.
    #[error("the tenant {0} is being purged")]
    Purged(TenantId),
    /// The tenant has no such key.
    #[error("there is no key {0} of the tenant")]
    NoSuchKey(ApiKeyId),
    /// The key has an end already, or is past it.
    #[error("the key {0} has an end already")]
    Ending(ApiKeyId),
    /// The tenant has as many keys as it may.
    #[error("a tenant has at most {0} keys")]
    TooManyKeys(usize),
    /// It is the tenant's last active key.
    #[error("{0} is the last active key")]
    LastKey(ApiKeyId),
    /// The key's plan has no quota that could be granted more of.
    #[error("the plan of the key {0} has no quota")]
    NoQuota(ApiKeyId),
    /// The account has as many keys as it may, or nearly.
    #[error("the account has nearly as many API keys as it may")]
    NoRoom,
    /// The request's `Idempotency-Key` belongs to another request.
    #[error("the Idempotency-Key belongs to another request")]
    KeyReused,
    /// The first request with the `Idempotency-Key` is at work.
    #[error("the first request with the Idempotency-Key is at work")]
    KeyInUse,
    /// The tenant's tier has no usage plan.
    #[error("the tenant's tier has no usage plan")]
    NoPlan,
    /// More than one usage plan has the name.
    #[error("more than one usage plan is called {0}: delete all but one")]
    TwoPlans(String),
    /// Tenants could not be reconciled.
    #[error("{} could not be reconciled", listed(.0))]
    Unreconciled(Vec<TenantId>, #[source] Box<Self>),
    /// What was read is not of the form that is written here.
    #[error("{0} cannot be read")]
    Unreadable(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// DynamoDB or S3 has done a part of what it was asked for. The rest passes when it is asked for again.
    #[error("{0}")]
    Unprocessed(&'static str),
    /// An answer lacks what it always has, or not all was done that was asked for.
    #[error("an answer of AWS is incomplete: {0}")]
    Incomplete(&'static str),
    /// A file could not be copied.
    #[error("the file {0} could not be copied")]
    File(String, #[source] Box<Self>),
    /// S3 will not copy a file as things are, for a reason that its error's code tells.
    #[error("S3 does not copy the file {0} ({1}): make it one that can be copied, or delete it")]
    NotCopied(String, String),
    /// A table or bucket was to be deleted that is not of a silo.
    #[error("{0} is no name of a silo's, and is not deleted")]
    NotOfSilo(String),
    /// The system has no randomness.
    #[error("no randomness")]
    Random(#[from] getrandom::Error),
    /// A call to AWS failed.
    #[error(transparent)]
    Aws(#[from] AwsFailure),
}

/// The first few tenants, and how many more there are.
fn listed(tenants: &[TenantId]) -> String {
    const MOST: usize = 10;
    let text = tenants.iter().take(MOST).map(TenantId::as_str).collect::<Vec<_>>().join(", ");
    match tenants.len().saturating_sub(MOST) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Invalid(errors) => errors.into_iter().fold(
                Problem::new(Kind::InvalidBody, "The body is not of the form that is due."),
                |problem, error| problem.with_error(error.pointer, error.detail),
            ),
            ControlError::NotFound(_) | ControlError::NoSuchKey(_) => Problem::not_found(),
            ControlError::Exists(id) => {
                Problem::new(Kind::Conflict, format!("The tenant {id} exists already."))
            }
            ControlError::Busy(id) => {
                Problem::new(Kind::Conflict, format!("Another request is at work on the tenant {id}."))
                    .with_retry_after(u32::try_from(LEASE.whole_seconds()).unwrap_or(u32::MAX))
            }
            ControlError::Stale(id) => Problem::new(
                Kind::Conflict,
                format!("The tenant {id} was changed by another request meanwhile; read it again."),
            ),
            ControlError::Version(_) => Problem::precondition_failed(),
            ControlError::Transition(error) => {
                Problem::new(Kind::Conflict, format!("There is no such step: {error}."))
            }
            ControlError::Inactive(id) => {
                Problem::new(Kind::Conflict, format!("The tenant {id} is not active, which this needs."))
            }
            ControlError::Siloed(id) => {
                Problem::new(Kind::Conflict, format!("The tenant {id} has a silo already."))
            }
            ControlError::UnderWay(id, what) => Problem::new(
                Kind::Conflict,
                format!("{what} goes on with the tenant {id}: give it up, or wait until it is over."),
            ),
            ControlError::NotEmpty(id) => Problem::new(
                Kind::Conflict,
                format!(
                    "The tenant {id} has records, files, unfinished uploads or checkpoints; an export is imported \
                     into one that has none."
                ),
            ),
            ControlError::NotUnderWay(id) => Problem::new(
                Kind::Conflict,
                format!("Nothing goes on with the tenant {id} that could still be given up."),
            ),
            ControlError::Purged(id) => Problem::new(
                Kind::Conflict,
                format!("The data of the tenant {id} is being deleted; there is no way back."),
            ),
            ControlError::Ending(id) => {
                Problem::new(Kind::Conflict, format!("The key {id} has an end already."))
            }
            ControlError::TooManyKeys(most) => Problem::new(
                Kind::Conflict,
                format!(
                    "A tenant has at most {most} keys at once; revoke one, or rotate without an overlap."
                ),
            ),
            ControlError::LastKey(id) => Problem::new(
                Kind::Conflict,
                format!("The key {id} is the tenant's last active one; say force=true to revoke it."),
            ),
            ControlError::NoQuota(id) => {
                Problem::new(Kind::Conflict, format!("The plan of the key {id} has no quota."))
            }
            ControlError::NoRoom => Problem::new(
                Kind::KeyLimit,
                "The account has nearly as many API keys as it may; delete keys that are not used, or onboard \
                 in another account or region.",
            ),
            ControlError::KeyReused => Problem::idempotency_key_reused(),
            ControlError::KeyInUse => Problem::idempotency_key_in_use(),
            ControlError::NoPlan
            | ControlError::TwoPlans(_)
            | ControlError::Unreconciled(..)
            | ControlError::Unreadable(..)
            | ControlError::Unprocessed(_)
            | ControlError::Incomplete(_)
            | ControlError::File(..)
            | ControlError::NotCopied(..)
            | ControlError::NotOfSilo(_)
            | ControlError::Random(_) => Problem::internal(error),
            ControlError::Aws(failure) => failure.into(),
        }
    }
}
