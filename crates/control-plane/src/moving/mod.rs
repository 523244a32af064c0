//! How a tenant moves from the pool into a silo: what the tenant's item keeps of it, step by step.
//!
//! The pool is what counts until the switch, the silo from then on. Nobody but this writes into the silo before, so
//! that a move can be given up until then, and each step can be done again: it makes the silo what the pool is.

mod clean;
mod compare;
mod files;
mod late;
mod records;
mod request;

use contract::{Isolation, MoveCounts, MoveStage, SiloMove};
use serde::{Deserialize, Serialize};
use tenant_context::Held;
use time::{Duration, OffsetDateTime};

pub use request::Moves;

use crate::ControlError;
use crate::digest::Digest;
use crate::item::TenantItem;
use crate::provisioning::SOON;
use crate::silo::{Made, Patience};
use crate::task::{Outcome, Pace, REVOCATION_HORIZON, Run};

/// The longest that a request of the data API is at work, beyond which Lambda and API Gateway end it, and as much for
/// the transaction by which requests are told something else.
const REQUEST: Duration = Duration::seconds(30 + 15);
/// How often both sides may differ in one pause of writes.
const MOST_RECOUNTS: u32 = 3;

/// What is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    MakeSilo,
    CopyRecords,
    CopyFiles,
    /// Nothing until nothing that was handed out before changes the data any more. What has changed since the copy is
    /// copied then, so that little is left for the pause.
    RefreshRecords,
    RefreshFiles,
    /// Writes are told to wait.
    Pause,
    /// Copies that have come to nothing are given up.
    CloseUploads,
    CatchUpRecords,
    CatchUpFiles,
    CompareRecords,
    CompareFiles,
    Switch,
    /// Writes go on.
    Resume,
    /// Nothing until no link to a file in the pool holds any more.
    Settle,
    /// S3 judges a request when it begins, and an upload by what was handed out before may have ended behind the
    /// comparison.
    RecheckFiles,
    BringFiles,
    CleanItems,
    CleanUploads,
    CleanFiles,
    /// What is left in the pool.
    Count,
    /// Nothing. It stays so.
    Done,
    /// It was given up.
    RemoveSilo,
    /// Nothing. It stays so until another move.
    Abandoned,
}

/// What a tenant's item keeps of its move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moving {
    pub(crate) step: Step,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) requested_at: OffsetDateTime,
    /// From when on nothing that was handed out before changes the data any more.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) horizon: OffsetDateTime,
    /// For how long writes may wait for both sides to become equal, in seconds.
    pub(crate) longest_pause: u32,
    /// Whether all that is in the silo is the move's.
    pub(crate) is_made: bool,
    pub(crate) pace: Pace,
    pub(crate) copied: MoveCounts,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) paused_at: Option<OffsetDateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) resumed_at: Option<OffsetDateTime>,
    /// What has been found in the pool, and in the silo, since the comparison began.
    pub(crate) pool: Side,
    pub(crate) silo: Side,
    /// What is found in the pool before it is deleted.
    pub(crate) late: Side,
    /// Files that came into the pool behind the comparison, and were brought into the silo.
    pub(crate) brought: u64,
    /// How often they differed since writes wait.
    #[serde(default)]
    pub(crate) recounts: u32,
}

/// What one side has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) counts: MoveCounts,
    pub(crate) records: Digest,
    pub(crate) files: Digest,
}

impl Moving {
    pub(crate) fn begin(longest_pause: u32, now: OffsetDateTime) -> Self {
        Self {
            step: Step::MakeSilo,
            requested_at: now,
            horizon: now + REVOCATION_HORIZON,
            longest_pause,
            is_made: false,
            pace: Pace::from(now),
            copied: MoveCounts::default(),
            paused_at: None,
            resumed_at: None,
            pool: Side::default(),
            silo: Side::default(),
            late: Side::default(),
            brought: 0,
            recounts: 0,
        }
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.step, Step::Done | Step::Abandoned)
    }

    /// Whether it can be given up.
    pub(crate) fn can_be_abandoned(&self) -> bool {
        matches!(self.stage(), MoveStage::Silo | MoveStage::Copy | MoveStage::Pause)
    }

    /// What the tenant's requests have to wait for.
    pub(crate) fn held(&self) -> Option<Held> {
        match self.stage() {
            MoveStage::Silo | MoveStage::Copy => Some(Held::HandingOut),
            MoveStage::Pause | MoveStage::Switch => Some(Held::Writes),
            MoveStage::Settle
            | MoveStage::Clean
            | MoveStage::Done
            | MoveStage::Abandon
            | MoveStage::Abandoned => None,
        }
    }

    /// Takes the step that is next. Writes wait no longer than they may, whatever is in the way.
    pub(crate) async fn go_on(
        &mut self,
        run: &Run<'_>,
        tenant: &TenantItem,
    ) -> Result<Outcome, ControlError> {
        if self.stage() != MoveStage::Pause {
            return self.take(run, tenant).await;
        }
        let end = self.paused_at.map(|begin| begin + Duration::seconds(self.longest_pause.into()));
        if end.is_some_and(|end| end < run.now) {
            let reason = "writes have waited for as long as they may: ask for the move again with a longer pause, \
                          when the tenant writes little";
            return Ok(self.unpause(run.now, tenant, reason.to_owned()));
        }
        match self.take(run, tenant).await {
            Ok(Outcome::Standstill(reason)) => Ok(self.unpause(run.now, tenant, reason)),
            Err(refused @ ControlError::NotCopied(..)) => {
                Ok(self.unpause(run.now, tenant, refused.to_string()))
            }
            taken => taken,
        }
    }

    async fn take(&mut self, run: &Run<'_>, tenant: &TenantItem) -> Result<Outcome, ControlError> {
        match self.step {
            Step::MakeSilo => self.make_silo(run, tenant).await,
            Step::CopyRecords | Step::RefreshRecords | Step::CatchUpRecords => {
                run.copy_records(tenant, self).await
            }
            Step::CopyFiles | Step::RefreshFiles | Step::CatchUpFiles => run.copy_files(tenant, self).await,
            Step::Pause => Ok(self.pause(run, tenant)),
            Step::CloseUploads => run.close_uploads(tenant, self).await,
            Step::CompareRecords => run.compare_records(tenant, self).await,
            Step::CompareFiles => run.compare_files(tenant, self).await,
            Step::Switch => Ok(self.switch(run, tenant)),
            Step::Resume => Ok(self.resume(run, tenant)),
            Step::Settle => {
                self.recheck();
                Ok(Outcome::Progress)
            }
            Step::RecheckFiles => run.recheck_files(tenant, self).await,
            Step::BringFiles => run.bring_files(tenant, self).await,
            Step::CleanItems => run.clean_items(tenant, self).await,
            Step::CleanUploads => run.clean_uploads(tenant, self).await,
            Step::CleanFiles => run.clean_files(tenant, self).await,
            Step::Count => run.count_pool(tenant, self).await,
            Step::RemoveSilo => run.remove_abandoned(tenant, self).await,
            Step::Done | Step::Abandoned => Ok(Outcome::Progress),
        }
    }

    /// Goes on with another step, from its beginning.
    fn enter(&mut self, step: Step) {
        self.step = step;
        self.pace.cursor = None;
    }

    async fn make_silo(&mut self, run: &Run<'_>, tenant: &TenantItem) -> Result<Outcome, ControlError> {
        match run.silos.make(&tenant.tenant_id, &mut Patience::default()).await? {
            Made::Answers => {
                self.is_made = true;
                self.enter(Step::CopyRecords);
            }
            Made::NotYet => self.pace.next_at = run.now + SOON,
            Made::Refused(reason) => return Ok(Outcome::Standstill(reason)),
        }
        Ok(Outcome::Progress)
    }

    /// Behind a copy of the records: the files are next.
    fn records_copied(&mut self) {
        let next = [(Step::RefreshRecords, Step::RefreshFiles), (Step::CatchUpRecords, Step::CatchUpFiles)];
        let next = next.into_iter().find_map(|(step, files)| (step == self.step).then_some(files));
        self.enter(next.unwrap_or(Step::CopyFiles));
    }

    /// Behind a copy of the files.
    fn files_copied(&mut self, now: OffsetDateTime) {
        if self.step == Step::RefreshFiles {
            self.enter(Step::Pause);
        } else if self.step == Step::CatchUpFiles {
            self.compare();
        } else {
            self.enter(Step::RefreshRecords);
            self.pace.next_at = self.horizon.max(now);
        }
    }

    /// Goes on with the comparison, from its beginning.
    fn compare(&mut self) {
        self.enter(Step::CompareRecords);
        (self.pool, self.silo) = (Side::default(), Side::default());
    }

    /// Tells writes to wait. What is under way then has ended when it goes on.
    fn pause(&mut self, run: &Run<'_>, tenant: &TenantItem) -> Outcome {
        self.enter(Step::CloseUploads);
        self.recounts = 0;
        self.paused_at = Some(run.now);
        self.resumed_at = None;
        self.pace.next_at = run.latest() + run.context_ttl() + REQUEST;
        let detail = "writes wait".to_owned();
        Outcome::Change {
            after: Box::new(tenant.clone()),
            removed: Vec::new(),
            action: "tenant.pause",
            detail,
        }
    }

    /// The sides are equal: from here on the silo is what the tenant reads. Who still reads the pool reads the same,
    /// since writes wait until nobody does.
    fn switch(&mut self, run: &Run<'_>, tenant: &TenantItem) -> Outcome {
        self.enter(Step::Resume);
        self.pace.next_at = run.latest() + run.context_ttl() + REQUEST;
        let Side { counts: MoveCounts { records, files, bytes }, records: items, files: tags } = &self.silo;
        Outcome::Change {
            after: Box::new(TenantItem { isolation: Isolation::Siloed, ..tenant.clone() }),
            removed: Vec::new(),
            action: "tenant.switch",
            detail: format!(
                "{records} records, checksum {items}; {files} files of {bytes} bytes, checksum {tags}"
            ),
        }
    }

    /// Lets writes go on.
    fn resume(&mut self, run: &Run<'_>, tenant: &TenantItem) -> Outcome {
        self.enter(Step::Settle);
        self.resumed_at = Some(run.now);
        self.pace.next_at = run.latest() + REVOCATION_HORIZON;
        let seconds = self.pause_seconds().unwrap_or_default();
        Outcome::Change {
            after: Box::new(tenant.clone()),
            removed: Vec::new(),
            action: "tenant.move",
            detail: format!("writes go on in the silo; they waited for {seconds} seconds"),
        }
    }

    /// The sides differ though nothing writes: what differs is copied again, a few times. Writes do not wait for
    /// longer than that.
    fn differ(&mut self, now: OffsetDateTime, tenant: &TenantItem, what: &str) -> Outcome {
        self.recounts += 1;
        if self.recounts <= MOST_RECOUNTS {
            self.enter(Step::CatchUpRecords);
            return Outcome::Progress;
        }
        let reason = format!(
            "pool and silo differ in {what} though writes wait: something writes past the API; end it, or give the \
             move up"
        );
        self.unpause(now, tenant, reason)
    }

    /// Lets writes go on in the pool. An hour later it is tried again.
    fn unpause(&mut self, now: OffsetDateTime, tenant: &TenantItem, reason: String) -> Outcome {
        self.enter(Step::RefreshRecords);
        self.resumed_at = Some(now);
        self.pace.next_at = now + Duration::hours(1);
        let detail = format!("writes go on in the pool: {reason}");
        self.pace.standstill = Some(reason);
        Outcome::Change {
            after: Box::new(tenant.clone()),
            removed: Vec::new(),
            action: "tenant.unpause",
            detail,
        }
    }

    /// Looks at the pool's files once more.
    fn recheck(&mut self) {
        self.enter(Step::RecheckFiles);
        self.late = Side::default();
    }

    fn pause_seconds(&self) -> Option<u64> {
        u64::try_from((self.resumed_at? - self.paused_at?).whole_seconds()).ok()
    }

    fn stage(&self) -> MoveStage {
        match self.step {
            Step::MakeSilo => MoveStage::Silo,
            Step::CopyRecords | Step::CopyFiles | Step::RefreshRecords | Step::RefreshFiles | Step::Pause => {
                MoveStage::Copy
            }
            Step::CloseUploads
            | Step::CatchUpRecords
            | Step::CatchUpFiles
            | Step::CompareRecords
            | Step::CompareFiles
            | Step::Switch => MoveStage::Pause,
            Step::Resume => MoveStage::Switch,
            Step::Settle | Step::RecheckFiles | Step::BringFiles => MoveStage::Settle,
            Step::CleanItems | Step::CleanUploads | Step::CleanFiles | Step::Count => MoveStage::Clean,
            Step::Done => MoveStage::Done,
            Step::RemoveSilo => MoveStage::Abandon,
            Step::Abandoned => MoveStage::Abandoned,
        }
    }

    /// As operators see it.
    pub(crate) fn shown(&self) -> SiloMove {
        let is_compared = matches!(
            self.stage(),
            MoveStage::Switch | MoveStage::Settle | MoveStage::Clean | MoveStage::Done
        );
        SiloMove {
            stage: self.stage(),
            requested_at: self.requested_at,
            next_at: (!self.is_over()).then(|| self.pace.due()),
            standstill: self.pace.standstill.clone(),
            copied: self.copied,
            compared: is_compared.then_some(self.silo.counts),
            paused_at: self.paused_at,
            pause_seconds: self.pause_seconds(),
            longest_pause_seconds: self.longest_pause,
        }
    }
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod tests;
