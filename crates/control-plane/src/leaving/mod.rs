//! How a tenant leaves: what the tenant's item keeps of it, step by step.
//!
//! The steps are done by `tenants-reconcile`, a bounded number of them in a run and each so that it can be done
//! again. Behind each of them the tenant's item says what is next.

mod audit_walk;
mod copies;
mod count;
mod export;
mod lines;
mod manifest;
mod purge;
mod request;
mod run;
mod stores;

use contract::{ExportCounts, ExportPlace, Offboarding, OffboardingStage};
use serde::{Deserialize, Serialize};
use tenant_context::ApiKeyId;
use time::{Duration, OffsetDateTime};

pub use request::Departures;
pub(crate) use run::{Budget, Run};
pub(crate) use stores::Stores;

/// How long what was handed out outlives a suspension: credentials and presigned URLs hold for 3,600 seconds, and a
/// warm function may hand them out until the context that it keeps (300 seconds at most) and its request are over.
/// Behind it nobody changes the tenant's data any more.
pub(crate) const REVOCATION_HORIZON: Duration = Duration::seconds(3_600 + 600);

/// How long after the purge it is counted what is left: longer than a snapshot of usage that was under way then.
const SETTLING: Duration = Duration::seconds(600);

/// How long an offboarding that cannot go on waits before it is tried again.
const STANDSTILL: Duration = Duration::hours(1);

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    ExportRecords,
    ExportCheckpoints,
    ExportFiles,
    /// The manifest is written, and the export is complete with it.
    ExportManifest,
    /// Nothing until the purge is due.
    Grace,
    PurgeGateway,
    PurgeRecords,
    PurgeRequests,
    PurgeUploads,
    PurgeFiles,
    /// What belongs to each key that the tenant ever had, page by page of its audit.
    PurgeKeys,
    /// Names and addresses in its audit.
    ScrubAudit,
    /// What is left of each key.
    CountKeys,
    /// What is left of the tenant.
    Count,
    /// Nothing. It stays so.
    Done,
}

/// A part of an export, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Behind the export's prefix.
    pub(crate) name: String,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    /// Of the whole object, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// What a tenant's item keeps of its offboarding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leaving {
    pub(crate) step: Step,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) requested_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) suspended_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) purge_at: OffsetDateTime,
    /// Before this there is nothing to do.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) next_at: OffsetDateTime,
    /// Until when the run at work has it to itself.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) lease_until: Option<OffsetDateTime>,
    /// Counts the writes of its progress, none of which is a version of the tenant.
    pub(crate) writes: u64,
    /// Where the export lies.
    pub(crate) export: ExportPlace,
    /// Whether it is complete.
    pub(crate) is_exported: bool,
    /// Where the step goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    /// What has been exported. The manifest has it when the export is complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Part>,
    pub(crate) counts: ExportCounts,
    /// The keys that it had when the purge began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<ApiKeyId>,
    /// How often something was left when it was counted.
    #[serde(default)]
    pub(crate) recounts: u32,
}

impl Leaving {
    /// Whether a run is at work on it.
    pub(crate) fn is_held(&self, now: OffsetDateTime) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }

    /// When it is to be gone on with.
    pub(crate) fn due(&self) -> Option<OffsetDateTime> {
        (self.step != Step::Done).then(|| self.lease_until.unwrap_or(self.next_at))
    }

    /// Whether nothing has been deleted.
    pub(crate) fn can_be_undone(&self) -> bool {
        matches!(self.stage(), OffboardingStage::Export | OffboardingStage::Grace)
    }

    /// Goes on with another step, from its beginning.
    pub(crate) fn enter(&mut self, step: Step) {
        self.step = step;
        self.cursor = None;
    }

    fn stage(&self) -> OffboardingStage {
        match self.step {
            Step::ExportRecords | Step::ExportCheckpoints | Step::ExportFiles | Step::ExportManifest => {
                OffboardingStage::Export
            }
            Step::Grace => OffboardingStage::Grace,
            Step::PurgeGateway
            | Step::PurgeRecords
            | Step::PurgeRequests
            | Step::PurgeUploads
            | Step::PurgeFiles
            | Step::PurgeKeys
            | Step::ScrubAudit => OffboardingStage::Purge,
            Step::CountKeys | Step::Count => OffboardingStage::Count,
            Step::Done => OffboardingStage::Deleted,
        }
    }

    /// As operators see it.
    pub(crate) fn shown(&self) -> Offboarding {
        Offboarding {
            stage: self.stage(),
            requested_at: self.requested_at,
            suspended_at: self.suspended_at,
            purge_at: self.purge_at,
            next_at: self.due(),
            export: self.is_exported.then(|| self.export.clone()),
            counts: self.counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn leaving(step: Step) -> Leaving {
        let now = OffsetDateTime::UNIX_EPOCH;
        Leaving {
            step,
            requested_at: now,
            suspended_at: now,
            purge_at: now,
            next_at: now,
            lease_until: None,
            writes: 0,
            export: ExportPlace { bucket: "exports".into(), prefix: "acme/1/".into() },
            is_exported: false,
            cursor: None,
            parts: Vec::new(),
            counts: ExportCounts::default(),
            keys: Vec::new(),
            recounts: 0,
        }
    }

    #[test]
    fn what_is_kept_comes_back_from_the_table_as_it_was_written() {
        let part = Part { name: "records-00001.ndjson".into(), lines: 1, bytes: 2, sha256: "00".into() };
        let full = Leaving {
            lease_until: Some(OffsetDateTime::UNIX_EPOCH),
            cursor: Some("notes#a".into()),
            parts: vec![part],
            keys: vec!["k1".parse().unwrap()],
            ..leaving(Step::ExportRecords)
        };
        for one in [leaving(Step::Done), full] {
            let item = crate::item::write("an offboarding", &one).unwrap();
            assert_eq!(crate::item::read::<Leaving>("an offboarding", item).unwrap(), one);
        }
    }

    #[test]
    fn there_is_no_way_back_from_the_purge_on() {
        for step in [Step::ExportRecords, Step::ExportManifest, Step::Grace] {
            assert!(leaving(step).can_be_undone(), "{step:?}");
        }
        for step in [Step::PurgeGateway, Step::ScrubAudit, Step::CountKeys, Step::Count, Step::Done] {
            assert!(!leaving(step).can_be_undone(), "{step:?}");
        }
    }

    #[test]
    fn a_tenant_that_is_gone_is_never_due() {
        assert_eq!(leaving(Step::Done).due(), None);
        assert_eq!(leaving(Step::Grace).due(), Some(OffsetDateTime::UNIX_EPOCH));
    }
}
