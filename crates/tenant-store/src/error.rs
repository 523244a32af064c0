//! What can go wrong in a store.

use contract::{Kind, Problem};
use tenant_context::AwsFailure;

/// A call of a store that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// This tenant has no such thing.
    #[error("there is no such item")]
    NotFound,
    /// The thing is not in the state that the caller requires.
    #[error("the precondition does not hold")]
    PreconditionFailed,
    /// The item would exceed DynamoDB's 400 KB.
    #[error("the item would have {0} bytes")]
    TooLarge(usize),
    /// STS has issued no credentials that could be used, and yet no error.
    #[error("the answer of AssumeRole holds no usable credentials")]
    NoCredentials,
    /// A failure of DynamoDB or STS.
    #[error(transparent)]
    Aws(#[from] AwsFailure),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Problem::not_found(),
            StoreError::PreconditionFailed => Problem::precondition_failed(),
            StoreError::TooLarge(bytes) => Problem::new(
                Kind::PayloadTooLarge,
                format!(
                    "The record would take {bytes} bytes; at most {} are possible.",
                    crate::item::MAX_ITEM
                ),
            ),
            StoreError::NoCredentials => Problem::internal(error),
            StoreError::Aws(failure) => failure.into(),
        }
    }
}
