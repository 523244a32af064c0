//! How a tenant leaves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Where an offboarding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OffboardingStage {
    /// The data is copied to the exports' bucket, once nothing that was handed out can change it any more.
    Export,
    /// The export is complete; nothing is done until `purge_at`.
    Grace,
    /// The data is deleted. There is no way back from here on.
    Purge,
    /// It is counted what is left. Whatever is found is purged again.
    Count,
    /// Nothing was left.
    Deleted,
}

/// A tenant's offboarding, as the platform team sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offboarding {
    /// Where it stands.
    pub stage: OffboardingStage,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
    /// Since when the tenant has not been served.
    #[serde(with = "time::serde::rfc3339")]
    pub suspended_at: OffsetDateTime,
    /// Before this nothing is deleted.
    #[serde(with = "time::serde::rfc3339")]
    pub purge_at: OffsetDateTime,
    /// When the next run of the task has something to do; `null` where nothing is left to be done.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_at: Option<OffsetDateTime>,
    /// Why it cannot go on before somebody has done something about it; `null` where nothing is in the way.
    pub standstill: Option<String>,
    /// Where the export lies; `null` until it is complete.
    pub export: Option<ExportPlace>,
    /// What has been exported so far.
    pub counts: ExportCounts,
}

/// Where an export lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPlace {
    /// The bucket.
    pub bucket: String,
    /// What the keys of the export's objects begin with, slash included.
    pub prefix: String,
}

/// What an export holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportCounts {
    /// Records.
    pub records: u64,
    /// Items among the records, written with the tenant's own credentials, that a record does not tell all of, or
    /// that are none. They are exported as they are stored.
    pub raw_records: u64,
    /// Checkpoints of all keys.
    pub checkpoints: u64,
    /// The same of checkpoints.
    pub raw_checkpoints: u64,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// For how long an offboarding can be undone: 0 to 7,776,000 seconds (90 days), 30 days unless it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraceSeconds(u32);

impl GraceSeconds {
    /// The most seconds.
    pub const MOST: u32 = 7_776_000;

    /// The seconds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for GraceSeconds {
    fn default() -> Self {
        Self(2_592_000)
    }
}

/// A text that is no grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number of seconds from 0 to {}", GraceSeconds::MOST)]
pub struct GraceError;

impl FromStr for GraceSeconds {
    type Err = GraceError;

    fn from_str(text: &str) -> Result<Self, GraceError> {
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        let seconds = is_number.then(|| text.parse().ok()).flatten();
        seconds.filter(|seconds| *seconds <= Self::MOST).map(Self).ok_or(GraceError)
    }
}

impl fmt::Display for GraceSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_a_whole_number_of_seconds_up_to_90_days() {
        for (text, seconds) in [("0", 0), ("2592000", 2_592_000), ("7776000", GraceSeconds::MOST)] {
            assert_eq!(text.parse::<GraceSeconds>().map(GraceSeconds::get), Ok(seconds), "{text}");
        }
        for text in ["", "-1", "+1", "1.5", "7776001", "30d", "99999999999"] {
            assert_eq!(text.parse::<GraceSeconds>(), Err(GraceError), "{text:?}");
        }
        assert_eq!(GraceSeconds::default().get(), 30 * 24 * 60 * 60);
    }
}
