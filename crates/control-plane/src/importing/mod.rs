//! How an export comes back into a new tenant: what the tenant's item keeps of it, step by step.
//!
//! Writes wait until it is over, so that what it writes is all that there is, and can be compared with the export, or
//! deleted again. A part of the export is compared with its digest, and read to its end, before any of it is written.

mod compare;
mod files;
mod items;
mod request;
mod source;
mod undo;

use std::collections::BTreeMap;

use contract::{ExportCounts, ExportPlace, Import, ImportStage};
use serde::{Deserialize, Serialize};
use tenant_context::{ApiKeyId, Held};
use time::OffsetDateTime;

use crate::ControlError;
use crate::digest::Digest;
use crate::item::TenantItem;
use crate::task::{Outcome, Pace, Partition, Run};

pub use request::Imports;

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// Nothing until nothing that was handed out before writes any more. Then it is looked whether the tenant still
    /// has nothing.
    Wait,
    Records,
    Checkpoints,
    /// What was exported as it was stored.
    Items,
    Files,
    CompareRecords,
    CompareFiles,
    /// Nothing. It stays so until another task.
    Done,
    /// It was given up.
    UndoItems,
    UndoCheckpoints,
    UndoUploads,
    UndoFiles,
    /// Nothing. It stays so until another task.
    Abandoned,
}

/// What a tenant's item keeps of its import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Importing {
    pub(crate) step: Step,
    /// Where the export lies.
    pub(crate) export: ExportPlace,
    /// The digest of its manifest when the import was asked for, in hexadecimal digits.
    pub(crate) manifest: String,
    /// Whether checkpoints were asked for.
    pub(crate) with_checkpoints: bool,
    /// The keys that get the checkpoints, by the exported ones; none where checkpoints are left out.
    pub(crate) keys: BTreeMap<ApiKeyId, ApiKeyId>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) requested_at: OffsetDateTime,
    pub(crate) pace: Pace,
    /// What has been written, and the records and files of it.
    pub(crate) counts: ExportCounts,
    pub(crate) imported: Digest,
    /// What has been found since the comparison began.
    pub(crate) found: ExportCounts,
    pub(crate) found_digest: Digest,
    /// From when on writes went on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) resumed_at: Option<OffsetDateTime>,
}

impl Importing {
    /// Whether nothing is left to be done.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.step, Step::Done | Step::Abandoned)
    }

    /// What the tenant's requests have to wait for.
    pub(crate) fn held(&self) -> Option<Held> {
        (!self.is_over()).then_some(Held::Writes)
    }

    /// Takes the step that is next.
    pub(crate) async fn go_on(
        &mut self,
        run: &Run<'_>,
        tenant: &TenantItem,
    ) -> Result<Outcome, ControlError> {
        match self.step {
            Step::Wait => self.look(run, tenant).await,
            Step::Records | Step::Checkpoints | Step::Items => run.import_items(tenant, self).await,
            Step::Files => run.import_files(tenant, self).await,
            Step::CompareRecords => run.compare_import(tenant, self).await,
            Step::CompareFiles => run.compare_imported_files(tenant, self).await,
            Step::UndoItems => run.undo_items(tenant, self).await,
            Step::UndoCheckpoints => run.undo_checkpoints(self).await,
            Step::UndoUploads => run.undo_uploads(tenant, self).await,
            Step::UndoFiles => run.undo_files(tenant, self).await,
            Step::Done | Step::Abandoned => Ok(Outcome::Progress),
        }
    }

    /// Goes on with another step, from its beginning.
    fn enter(&mut self, step: Step) {
        self.step = step;
        self.pace.cursor = None;
    }

    /// Looks for what has been written since the request, before nobody wrote any more.
    async fn look(&mut self, run: &Run<'_>, tenant: &TenantItem) -> Result<Outcome, ControlError> {
        let home = run.stores.home(tenant)?;
        let prefix = Run::prefix(tenant);
        let mut is_new = !Partition::records(&home.records, &tenant.tenant_id).holds_any(run).await?
            && !run.contents(&home.files, &prefix).has_any().await?;
        for key in self.keys.values() {
            is_new = is_new && !run.checkpoints(key).holds_any(run).await?;
        }
        if !is_new {
            return Ok(Outcome::Standstill(
                "the tenant has records, files, unfinished uploads or checkpoints by now: give the import up, delete \
                 them, and ask for it again"
                    .to_owned(),
            ));
        }
        self.enter(Step::Records);
        Ok(Outcome::Progress)
    }

    /// Goes on with the comparison, from its beginning.
    fn compare(&mut self) {
        self.enter(Step::CompareRecords);
        (self.found, self.found_digest) = (ExportCounts::default(), Digest::default());
    }

    /// The end: writes go on.
    fn end(
        &mut self,
        step: Step,
        (action, what): (&'static str, &str),
        run: &Run<'_>,
        tenant: &TenantItem,
    ) -> Outcome {
        self.enter(step);
        self.pace.lease_until = None;
        self.resumed_at = Some(run.now);
        let seconds = self.pause_seconds().unwrap_or_default();
        Outcome::Change {
            after: Box::new(tenant.clone()),
            removed: Vec::new(),
            action,
            detail: format!("{what} {}; writes waited for {seconds} seconds", self.export.prefix),
        }
    }

    fn pause_seconds(&self) -> Option<u64> {
        u64::try_from((self.resumed_at? - self.requested_at).whole_seconds()).ok()
    }

    fn stage(&self) -> ImportStage {
        match self.step {
            Step::Wait => ImportStage::Waiting,
            Step::Records => ImportStage::Records,
            Step::Checkpoints => ImportStage::Checkpoints,
            Step::Items => ImportStage::Items,
            Step::Files => ImportStage::Files,
            Step::CompareRecords | Step::CompareFiles => ImportStage::Compare,
            Step::Done => ImportStage::Done,
            Step::UndoItems | Step::UndoCheckpoints | Step::UndoUploads | Step::UndoFiles => {
                ImportStage::Abandoning
            }
            Step::Abandoned => ImportStage::Abandoned,
        }
    }

    /// As operators see it.
    pub(crate) fn shown(&self) -> Import {
        Import {
            stage: self.stage(),
            prefix: self.export.prefix.clone(),
            keys: self.keys.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect(),
            requested_at: self.requested_at,
            next_at: (!self.is_over()).then(|| self.pace.due()),
            standstill: self.pace.standstill.clone(),
            counts: self.counts,
            pause_seconds: self.pause_seconds(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn importing(step: Step) -> Importing {
        let now = OffsetDateTime::UNIX_EPOCH;
        Importing {
            step,
            export: ExportPlace { bucket: "exports".into(), prefix: "acme/1/".into() },
            manifest: "00".into(),
            keys: [("k1".parse().unwrap(), "k2".parse().unwrap())].into(),
            requested_at: now,
            pace: Pace::from(now),
            with_checkpoints: true,
            counts: ExportCounts::default(),
            imported: Digest::default(),
            found: ExportCounts::default(),
            found_digest: Digest::default(),
            resumed_at: None,
        }
    }

    #[test]
    fn what_is_kept_comes_back_from_the_table_as_it_was_written() {
        for one in [
            importing(Step::Wait),
            Importing { resumed_at: Some(OffsetDateTime::UNIX_EPOCH), ..importing(Step::Done) },
        ] {
            let item = crate::item::write("an import", &one).unwrap();
            assert_eq!(crate::item::read::<Importing>("an import", item).unwrap(), one);
        }
    }

    #[test]
    fn writes_wait_until_it_is_over_or_given_up_and_undone() {
        for step in [Step::Wait, Step::Records, Step::CompareFiles, Step::UndoItems, Step::UndoFiles] {
            assert_eq!(importing(step).held(), Some(Held::Writes), "{step:?}");
            assert_eq!(importing(step).shown().pause_seconds, None);
        }
        for step in [Step::Done, Step::Abandoned] {
            assert_eq!(importing(step).held(), None, "{step:?}");
            assert_eq!(importing(step).shown().next_at, None);
        }
    }
}
