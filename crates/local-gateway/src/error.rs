//! What can go wrong outside of a request.

/// A failure of the gateway's own parts, or a management call that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template declares no API with this logical id.
    #[error("the template declares no API `{0}`")]
    UnknownApi(String),
    /// The key store's file cannot be created.
    #[error("the key store's file cannot be created: {0}")]
    File(#[from] std::io::Error),
    /// The key store's database failed. It is also what a second store on the same file meets.
    #[error("the key store's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A stored row cannot be read.
    #[error("the key store holds an unreadable row: {0}")]
    Corrupt(String),
    /// The file was written by a build with another schema.
    #[error("the key store has schema version {found}, this build reads version {expected}")]
    Schema {
        /// The version in the file.
        found: i64,
        /// The version of this build.
        expected: i64,
    },
    /// What the call names does not exist (`NotFoundException`, 404).
    #[error("{0}")]
    NotFound(String),
    /// The call contradicts what exists (`ConflictException`, 409).
    #[error("{0}")]
    Conflict(String),
    /// The call's input is not acceptable (`BadRequestException`, 400).
    #[error("{0}")]
    Invalid(String),
    /// A limit of the account or the key is reached (`LimitExceededException`, 429).
    #[error("{0}")]
    LimitExceeded(String),
}
