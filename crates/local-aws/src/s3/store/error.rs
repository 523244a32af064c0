//! Why the store did not do what it was asked for.

use std::io;

/// A refusal, or a failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("there is no such bucket")]
    NoSuchBucket,
    #[error("there is no such object")]
    NoSuchKey,
    #[error("there is no such multipart upload")]
    NoSuchUpload,
    #[error("the bucket is there already")]
    BucketExists,
    #[error("the bucket holds objects or unfinished uploads")]
    BucketNotEmpty,
    /// A condition on the object that is there does not hold.
    #[error("the condition {0} does not hold")]
    PreconditionFailed(&'static str),
    /// A part that was named is not there, or is another.
    #[error("part {0} is not there, or its entity tag or checksum is another")]
    InvalidPart(u16),
    /// A part that is not the last is smaller than 5 MiB.
    #[error("part {0} is smaller than the 5 MiB that all parts but the last have")]
    PartTooSmall(u16),
    /// The object would be larger than objects can be.
    #[error("the object would be larger than 5 TiB")]
    TooLarge,
    #[error(
        "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
    )]
    SourceTooLarge,
    /// The whole object's checksum is not the one that was given.
    #[error("the object's checksum is not the one that was given")]
    BadDigest,
    /// The whole object's size is not the one that was given.
    #[error("the 'x-amz-mp-object-size' header does not match what was computed: {0}")]
    OtherSize(u64),
    #[error("the metadata cannot be read or written")]
    Database(#[from] rusqlite::Error),
    #[error("a file cannot be read or written")]
    Io(#[from] io::Error),
    /// A row that this store has not written.
    #[error("the metadata is damaged")]
    Damaged(#[from] serde_json::Error),
}
