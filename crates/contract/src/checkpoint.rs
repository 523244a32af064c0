//! Checkpoints.

use serde::Serialize;
use time::OffsetDateTime;

use crate::{CheckpointName, Json};

/// A checkpoint, as every endpoint answers it: small state that belongs to one API key alone, such as where
/// an integration's import stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// Name within the key's checkpoints.
    pub name: CheckpointName,
    /// Counts the writes, from 1; also the `ETag`.
    pub version: u64,
    /// When it was last written.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// What the caller sent: any JSON value.
    pub value: Json,
}

impl Checkpoint {
    /// Most bytes of JSON that a value may be sent as.
    pub const MAX_BYTES: usize = 8 * 1024;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_has_the_members_of_the_contract() {
        for value in [r#"{"page":7}"#, "[1,2]", r#""text""#, "0.5", "true", "null"] {
            let checkpoint = Checkpoint {
                name: "sync".parse().unwrap(),
                version: 3,
                updated_at: OffsetDateTime::UNIX_EPOCH,
                value: Json::parse(value).unwrap(),
            };
            assert_eq!(
                serde_json::to_string(&checkpoint).unwrap(),
                format!(
                    r#"{{"name":"sync","version":3,"updated_at":"1970-01-01T00:00:00Z","value":{value}}}"#
                )
            );
        }
    }
}
