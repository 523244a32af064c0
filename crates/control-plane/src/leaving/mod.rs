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
mod partitions;
mod purge;
mod request;

use contract::{ExportCounts, ExportPlace, Offboarding, OffboardingStage, TenantStatus};
use serde::{Deserialize, Serialize};
use tenant_context::ApiKeyId;
use time::{Duration, OffsetDateTime};

use crate::ControlError;
use crate::digest::Digest;
use crate::item::TenantItem;
use crate::task::{Outcome, Pace, Run};

pub(crate) use copies::ExportedFile;
pub(crate) use manifest::{FILES, FORMAT};
pub(crate) use partitions::Emptied;
pub use request::Departures;

/// How long after the purge it is counted what is left: longer than a snapshot of usage that was under way then.
const SETTLING: Duration = Duration::seconds(600);

/// How long after the tombstone it is counted once more: longer than an upload takes in one piece, and than S3 takes
/// over the parts of one that was given up while it went on.
const SECOND_LOOK: Duration = Duration::days(1);

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    ExportRecords,
    ExportCheckpoints,
    ExportFiles,
    /// The manifest is written, and the export is complete with it.
    ExportManifest,
    /// Nothing until the purge is due. Then it is looked whether the files are those of the export.
    Grace,
    /// The beginning of the purge of a tenant that never had anything to export.
    BeginPurge,
    PurgeGateway,
    /// Records, and requests with an `Idempotency-Key`.
    PurgeItems,
    PurgeUploads,
    PurgeFiles,
    /// The tenant's own table and bucket.
    RemoveSilo,
    /// What belongs to each key that the tenant ever had, page by page of its audit.
    PurgeKeys,
    /// Names and addresses in its audit.
    ScrubAudit,
    /// What is left of each key.
    CountKeys,
    /// What is left of the tenant.
    Count,
    /// What has come in of the tenant since it was counted.
    Recount,
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
    pub(crate) pace: Pace,
    /// Where the export lies.
    pub(crate) export: ExportPlace,
    /// Whether it is complete.
    pub(crate) is_exported: bool,
    /// What has been exported. The manifest has it when the export is complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Part>,
    pub(crate) counts: ExportCounts,
    /// The keys of which checkpoints have been exported, some of which may be gone by the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) exported_keys: Vec<ApiKeyId>,
    /// The files of the export, and those that are found when the purge is due.
    #[serde(default)]
    pub(crate) exported: Digest,
    #[serde(default)]
    pub(crate) found: Digest,
    /// The keys that it had when the purge began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<ApiKeyId>,
    /// How often something was left when it was counted.
    #[serde(default)]
    pub(crate) recounts: u32,
}

impl Leaving {
    /// Whether nothing is left to be done.
    pub(crate) fn is_over(&self) -> bool {
        self.step == Step::Done
    }

    /// Takes the step that is next.
    pub(crate) async fn go_on(
        &mut self,
        run: &Run<'_>,
        tenant: &TenantItem,
    ) -> Result<Outcome, ControlError> {
        match self.step {
            Step::ExportRecords => run.export_records(tenant, self).await,
            Step::ExportCheckpoints => run.export_checkpoints(tenant, self).await,
            Step::ExportFiles => run.export_files(tenant, self).await,
            Step::ExportManifest => run.complete_export(tenant, self).await,
            Step::Grace => run.compare_export(tenant, self).await,
            Step::BeginPurge => match run.silos.left_over(&tenant.tenant_id).await? {
                Some(reason) => Ok(Outcome::Standstill(reason)),
                None => Ok(purging(tenant, self)),
            },
            Step::PurgeGateway => run.purge_gateway(tenant, self).await,
            Step::PurgeItems => run.purge_items(tenant, self).await,
            Step::PurgeUploads => run.purge_uploads(tenant, self).await,
            Step::PurgeFiles => run.purge_files(tenant, self).await,
            Step::RemoveSilo => run.remove_silo(tenant, self).await,
            Step::PurgeKeys => run.purge_keys(tenant, self).await,
            Step::ScrubAudit => run.scrub_audit(tenant, self).await,
            Step::CountKeys => run.count_keys(tenant, self).await,
            Step::Count | Step::Recount => run.count(tenant, self).await,
            Step::Done => Ok(Outcome::Progress),
        }
    }

    /// Whether nothing has been deleted.
    pub(crate) fn can_be_undone(&self) -> bool {
        matches!(self.stage(), OffboardingStage::Export | OffboardingStage::Grace)
    }

    /// Goes on with another step, from its beginning.
    pub(crate) fn enter(&mut self, step: Step) {
        self.step = step;
        self.pace.cursor = None;
    }

    /// Begins the export anew.
    fn export_again(&mut self) {
        self.enter(Step::ExportRecords);
        self.is_exported = false;
        self.parts.clear();
        self.exported_keys.clear();
        self.counts = ExportCounts::default();
        (self.exported, self.found) = (Digest::default(), Digest::default());
    }

    fn stage(&self) -> OffboardingStage {
        match self.step {
            Step::ExportRecords | Step::ExportCheckpoints | Step::ExportFiles | Step::ExportManifest => {
                OffboardingStage::Export
            }
            Step::Grace => OffboardingStage::Grace,
            Step::BeginPurge
            | Step::PurgeGateway
            | Step::PurgeItems
            | Step::PurgeUploads
            | Step::PurgeFiles
            | Step::RemoveSilo
            | Step::PurgeKeys
            | Step::ScrubAudit => OffboardingStage::Purge,
            Step::CountKeys | Step::Count => OffboardingStage::Count,
            Step::Recount | Step::Done => OffboardingStage::Deleted,
        }
    }

    /// As operators see it.
    pub(crate) fn shown(&self) -> Offboarding {
        Offboarding {
            stage: self.stage(),
            requested_at: self.requested_at,
            suspended_at: self.suspended_at,
            purge_at: self.purge_at,
            next_at: (!self.is_over()).then(|| self.pace.due()),
            standstill: self.pace.standstill.clone(),
            export: self.is_exported.then(|| self.export.clone()),
            counts: self.counts,
        }
    }
}

/// The beginning of the purge, from which on there is no way back. No key opens anything from here on, and who the
/// tenant was is not needed any more.
fn purging(tenant: &TenantItem, leaving: &mut Leaving) -> Outcome {
    leaving.enter(Step::PurgeGateway);
    leaving.keys.clone_from(&tenant.keys);
    let after = TenantItem {
        name: String::new(),
        email: String::new(),
        contact: [].into(),
        next_expiry: None,
        ..tenant.clone()
    };
    Outcome::Change {
        after: Box::new(after),
        removed: tenant.keys.clone(),
        action: "tenant.purge",
        detail: "the data is being deleted".to_owned(),
    }
}

/// The tenant as a tombstone, of which it is looked once more later whether anything has come in: an upload that was
/// begun before its URL ended may end when everything has been counted.
fn buried(run: &Run<'_>, tenant: &TenantItem, leaving: &mut Leaving) -> Result<Outcome, ControlError> {
    if leaving.step == Step::Recount {
        leaving.enter(Step::Done);
        leaving.keys.clear();
        leaving.pace.lease_until = None;
        return Ok(Outcome::Progress);
    }
    leaving.enter(Step::Recount);
    leaving.pace.next_at = run.now + SECOND_LOOK;
    if tenant.status == TenantStatus::Deleted {
        return Ok(Outcome::Progress);
    }
    let status = tenant.status.become_status(TenantStatus::Deleted)?;
    let counts = leaving.counts;
    let export = if leaving.is_exported {
        format!(
            "{} records, {} checkpoints and {} files are in {}",
            counts.records, counts.checkpoints, counts.files, leaving.export.prefix
        )
    } else {
        "there was nothing to export".to_owned()
    };
    Ok(Outcome::Change {
        after: Box::new(TenantItem { status, ..tenant.clone() }),
        removed: Vec::new(),
        action: "tenant.delete",
        detail: format!("nothing is left; {export}"),
    })
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
            pace: Pace::from(now),
            export: ExportPlace { bucket: "exports".into(), prefix: "acme/1/".into() },
            is_exported: false,
            parts: Vec::new(),
            counts: ExportCounts::default(),
            exported_keys: Vec::new(),
            exported: Digest::default(),
            found: Digest::default(),
            keys: Vec::new(),
            recounts: 0,
        }
    }

    #[test]
    fn what_is_kept_comes_back_from_the_table_as_it_was_written() {
        let part = Part { name: "records-00001.ndjson".into(), lines: 1, bytes: 2, sha256: "00".into() };
        let pace = Pace {
            lease_until: Some(OffsetDateTime::UNIX_EPOCH),
            cursor: Some("notes#a".into()),
            ..Pace::from(OffsetDateTime::UNIX_EPOCH)
        };
        let full = Leaving {
            pace,
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
        for step in [Step::BeginPurge, Step::PurgeGateway, Step::CountKeys, Step::Recount, Step::Done] {
            assert!(!leaving(step).can_be_undone(), "{step:?}");
        }
    }

    #[test]
    fn a_tenant_that_is_gone_is_never_due() {
        assert_eq!(leaving(Step::Done).shown().next_at, None);
        assert_eq!(leaving(Step::Grace).shown().next_at, Some(OffsetDateTime::UNIX_EPOCH));
    }
}
