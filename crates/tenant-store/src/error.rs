//! What can go wrong in a store.

use contract::{Kind, Problem};
use tenant_context::{AwsFailure, Held};

use crate::CursorError;

/// Seconds within which a snapshot comes.
const SNAPSHOT_SECONDS: u32 = 300;

/// Seconds after which a pause of writes may be over.
const PAUSE_SECONDS: u32 = 30;
/// Seconds after which a tenant may be handed something out again: what was handed out before must end first.
const HANDING_OUT_SECONDS: u32 = 600;

/// A call of a store that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The tenant's data is being moved or imported.
    #[error("the tenant is held")]
    Held(Held),
    /// This tenant has no such thing.
    #[error("there is no such item")]
    NotFound,
    /// The thing is not in the state that the caller requires.
    #[error("the precondition does not hold")]
    PreconditionFailed,
    /// The item would exceed DynamoDB's 400 KB.
    #[error("the item would have {0} bytes")]
    TooLarge(usize),
    /// There is a file of the name.
    #[error("there is a file of this name already")]
    FileExists,
    /// The file of the name was written or deleted meanwhile.
    #[error("another write to the file came between")]
    FileChanged,
    /// The tenant's tier has no files as large.
    #[error("the file would have more than {0} bytes")]
    FileTooLarge(u64),
    /// The tenant's tier has no files at all.
    #[error("the tenant's tier has no files")]
    NoFiles,
    /// The parts make up another size than was said.
    #[error("the parts make up another size")]
    OtherSize,
    /// S3 does not put the file together from the parts, for the reason.
    #[error("the parts {0}")]
    Parts(&'static str),
    /// No file of the tenant can have a name as long as the list is to go on behind.
    #[error("the cursor is not one that a list has answered")]
    Cursor,
    /// The answer of the operation lacks something, and yet it is no error.
    #[error("the answer of {0} lacks what it must hold")]
    Incomplete(&'static str),
    /// No snapshot has told of the key's plan yet.
    #[error("there is no snapshot of the key's plan")]
    NoSnapshot,
    /// STS has issued no credentials that could be used, and yet no error.
    #[error("the answer of AssumeRole holds no usable credentials")]
    NoCredentials,
    /// The `Idempotency-Key` came with another request.
    #[error("the idempotency key came with another request before")]
    KeyReused,
    /// Another attempt at the request is being worked on.
    #[error("a request with the idempotency key is at work")]
    KeyInUse,
    /// A failure of DynamoDB, S3 or STS.
    #[error(transparent)]
    Aws(#[from] AwsFailure),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Held(Held::HandingOut) => Problem::new(
                Kind::WritesPaused,
                "This tenant's data is being moved. No credentials and no uploads are handed out meanwhile; \
                 records and files can be read, and records written. Try again later.",
            )
            .with_retry_after(HANDING_OUT_SECONDS),
            StoreError::Held(Held::Writes) => Problem::new(
                Kind::WritesPaused,
                "This tenant's data is being moved or imported. It can be read, and not written. Try again later.",
            )
            .with_retry_after(PAUSE_SECONDS),
            StoreError::NotFound => Problem::not_found(),
            StoreError::PreconditionFailed => Problem::precondition_failed(),
            StoreError::TooLarge(bytes) => Problem::new(
                Kind::PayloadTooLarge,
                format!(
                    "The record would take {bytes} bytes; at most {} are possible.",
                    crate::item::MAX_ITEM
                ),
            ),
            StoreError::FileExists => Problem::new(
                Kind::Conflict,
                "There is a file of this name already; with overwrite it would be replaced.",
            ),
            StoreError::FileChanged => {
                Problem::new(Kind::Conflict, "Another write to the file came between. Begin the upload anew.")
            }
            StoreError::FileTooLarge(limit) => Problem::invalid_body(
                "/size",
                format!("must be at most {limit}, the bytes of the largest file of this tenant's tier"),
            ),
            StoreError::NoFiles => Problem::invalid_body("/size", "this tenant's tier has no files"),
            StoreError::OtherSize => Problem::invalid_body(
                "/size",
                "must be what the parts make up: a part is missing, or another",
            ),
            StoreError::Parts(reason) => Problem::invalid_body("/parts", reason),
            StoreError::Cursor => Problem::bad_request("/query/cursor", CursorError::Malformed.to_string()),
            StoreError::KeyReused => Problem::idempotency_key_reused(),
            StoreError::KeyInUse => Problem::idempotency_key_in_use(),
            StoreError::NoSnapshot => Problem::new(
                Kind::Unavailable,
                "The limits of this key's plan are not known yet; ask again in a few minutes.",
            )
            .with_retry_after(SNAPSHOT_SECONDS),
            StoreError::Incomplete(_) | StoreError::NoCredentials => Problem::internal(error),
            StoreError::Aws(failure) => failure.into(),
        }
    }
}
