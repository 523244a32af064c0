//! What can go wrong while the addresses are set up and credentials are made. Clients' requests have answers,
//! not errors.

use std::io;
use std::path::PathBuf;

/// Why the AWS addresses or credentials for them cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// Credentials that are no access key id and secret.
    #[error(
        "an access key id has 16 to 128 characters of [A-Za-z0-9_], and a secret access key at least 16 \
         visible ones"
    )]
    InvalidCredentials,
    /// The access key id is another principal's.
    #[error("the access key id {0} is taken")]
    AccessKeyIdTaken(String),
    /// There are as many principals as the register holds.
    #[error("there are {max} principals already", max = crate::MAX_PRINCIPALS)]
    TooManyPrincipals,
    /// A text that is no session key.
    #[error("a session key is 32 bytes in base 64")]
    InvalidSessionKey,
    /// The register was made without sessions.
    #[error("no sessions are issued here")]
    NoSessions,
    /// No token holds the session.
    #[error("the session's tags and policy are too large for a token")]
    SessionTooLarge,
    /// The session could not be opened again.
    #[error("the session's role or policy cannot be read")]
    InvalidSession,
    /// The database's file cannot be used.
    #[error("the database {} cannot be opened", path.display())]
    Open {
        /// The file, or `:memory:`.
        path: PathBuf,
        /// What SQLite or dynoxide says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tables cannot be copied into a file or taken from one.
    #[error("the tables cannot be copied to or from {}", path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What SQLite or dynoxide says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database's own server cannot be started.
    #[error("the database's server cannot be started")]
    Server(#[source] io::Error),
    /// A table's description cannot be read or made.
    #[error("table {table} cannot be made as the template declares it")]
    Table {
        /// The table's name.
        table: String,
        /// What dynoxide says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A table with that name is there, and it is another one. Its data would have to be rewritten.
    #[error(
        "table {table} exists with another {difference} than the template declares; \
         `make reset` empties the local stack, or give the table another name"
    )]
    TableDiffers {
        /// The table's name.
        table: String,
        /// What differs, such as `key schema`.
        difference: &'static str,
    },
    /// The objects or their metadata cannot be read or written.
    #[error("the objects of the local S3 cannot be read or written")]
    Objects(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// DynamoDB refused a call of the stack itself.
    #[error("DynamoDB refused {operation}: {answer}")]
    Refused {
        /// The operation's name.
        operation: String,
        /// The answer's body.
        answer: String,
    },
}
