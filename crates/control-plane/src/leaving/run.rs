//! One run of an offboarding: as many steps as it has time for.

use std::time::Duration;

use contract::TenantStatus;
use tenant_context::ApiKeyId;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{Leaving, STANDSTILL, Step, Stores};
use crate::ControlError;
use crate::desk::{Change, Desk, LEASE};
use crate::item::TenantItem;
use crate::writes::Seen;

/// How long a run begins further steps, and copies further files: a step and one call after it end within the
/// function's time.
const BUDGET: Duration = Duration::from_secs(25);
/// When the last call of a run is over: a little before the function's time is.
const END: Duration = Duration::from_secs(52);
/// A run that is no older has time for a call that takes long.
const FRESH: Duration = Duration::from_secs(10);

/// The time that a run has for its offboardings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget(Instant);

impl Budget {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn is_spent(self) -> bool {
        self.0.elapsed() >= BUDGET
    }

    /// Whether the run has just begun.
    pub(crate) fn is_fresh(self) -> bool {
        self.0.elapsed() < FRESH
    }

    /// How long a call may take that is made now.
    pub(crate) fn time_for_a_call(self) -> Duration {
        END.saturating_sub(self.0.elapsed()).max(Duration::from_secs(1))
    }
}

/// One run's work on one tenant.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) stores: &'a Stores,
    /// For the audit.
    pub(crate) actor: &'a str,
    pub(crate) now: OffsetDateTime,
    pub(crate) budget: Budget,
}

/// What a step has come to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The offboarding is further on.
    Progress,
    /// The tenant changes with it, and the audit tells so.
    Change { after: Box<TenantItem>, removed: Vec<ApiKeyId>, action: &'static str, detail: String },
    /// It cannot go on before somebody has done something about it.
    Standstill(String),
}

impl Run<'_> {
    /// Goes on with what is due.
    ///
    /// # Errors
    /// [`ControlError::Busy`] while another run is at work, [`ControlError::Stale`] where the tenant was changed.
    /// Behind any other the offboarding stands where its last step has left it, and is due again when the lease is
    /// over.
    pub(crate) async fn go_on(&self, tenant: TenantItem) -> Result<(), ControlError> {
        let Some(leaving) = tenant.offboarding.clone() else { return Ok(()) };
        if leaving.step == Step::Done || leaving.next_at > self.now || self.budget.is_spent() {
            return Ok(());
        }
        if leaving.is_held(self.now) {
            return Err(ControlError::Busy(tenant.tenant_id));
        }
        let leased = Leaving { lease_until: Some(self.now + LEASE), ..leaving };
        let mut tenant = self.save(&tenant, leased).await?;
        while let Some(leaving) = tenant.offboarding.clone() {
            if leaving.step == Step::Done {
                return Ok(());
            }
            if leaving.next_at > self.now || self.budget.is_spent() {
                let released =
                    Leaving { lease_until: None, next_at: leaving.next_at.max(self.now), ..leaving };
                self.save(&tenant, released).await?;
                return Ok(());
            }
            // The futures of calls to AWS are large.
            tenant = Box::pin(self.step(tenant, leaving)).await?;
        }
        Ok(())
    }

    async fn step(&self, tenant: TenantItem, mut leaving: Leaving) -> Result<TenantItem, ControlError> {
        let outcome = match leaving.step {
            Step::ExportRecords => self.export_records(&tenant, &mut leaving).await?,
            Step::ExportCheckpoints => self.export_checkpoints(&tenant, &mut leaving).await?,
            Step::ExportFiles => self.export_files(&tenant, &mut leaving).await?,
            Step::ExportManifest => self.complete_export(&tenant, &mut leaving).await?,
            Step::Grace => purging(&tenant, &mut leaving),
            Step::PurgeGateway => self.purge_gateway(&tenant, &mut leaving).await?,
            Step::PurgeRecords => self.purge_records(&tenant, &mut leaving).await?,
            Step::PurgeRequests => self.purge_requests(&tenant, &mut leaving).await?,
            Step::PurgeUploads => self.purge_uploads(&tenant, &mut leaving).await?,
            Step::PurgeFiles => self.purge_files(&tenant, &mut leaving).await?,
            Step::PurgeKeys => self.purge_keys(&tenant, &mut leaving).await?,
            Step::ScrubAudit => self.scrub_audit(&tenant, &mut leaving).await?,
            Step::CountKeys => self.count_keys(&tenant, &mut leaving).await?,
            Step::Count => self.count(&tenant, &mut leaving).await?,
            Step::Done => Outcome::Progress,
        };
        match outcome {
            Outcome::Progress => {
                let moving = TenantItem { status_reason: None, ..tenant.clone() };
                self.save_as(&tenant, moving, leaving).await
            }
            Outcome::Standstill(reason) => {
                // What the step has done is done again: it has not come to the write that tells of it.
                let before = tenant.offboarding.clone().unwrap_or(leaving);
                let standing = TenantItem { status_reason: Some(reason), ..tenant.clone() };
                let waiting = Leaving { next_at: self.now + STANDSTILL, ..before };
                self.save_as(&tenant, standing, waiting).await
            }
            Outcome::Change { after, removed, action, detail } => {
                let contexts = if removed.is_empty() { self.desk.keys(&tenant).await? } else { Vec::new() };
                leaving.writes += 1;
                let change = Change {
                    before: tenant,
                    after: TenantItem { offboarding: Some(leaving), status_reason: None, ..*after },
                    contexts,
                    removed,
                    request: None,
                    action,
                    actor: self.actor.to_owned(),
                    detail: Some(detail),
                };
                Ok(Box::pin(self.desk.carry_through(change, self.now)).await?.tenant)
            }
        }
    }

    async fn save(&self, tenant: &TenantItem, leaving: Leaving) -> Result<TenantItem, ControlError> {
        self.save_as(tenant, tenant.clone(), leaving).await
    }

    /// Writes how far it is, where nobody else has written meanwhile. It is no version of the tenant.
    async fn save_as(
        &self,
        seen: &TenantItem,
        tenant: TenantItem,
        leaving: Leaving,
    ) -> Result<TenantItem, ControlError> {
        let leaving = Leaving { writes: leaving.writes + 1, ..leaving };
        let saved = TenantItem { offboarding: Some(leaving), ..tenant };
        let write = self.desk.put_tenant(&saved, Seen::Progress(seen))?;
        self.desk.transact(&saved.tenant_id, vec![write]).await?;
        Ok(saved)
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

/// The tenant as a tombstone.
pub(super) fn buried(tenant: &TenantItem, leaving: &mut Leaving) -> Result<Outcome, ControlError> {
    leaving.enter(Step::Done);
    leaving.keys.clear();
    leaving.lease_until = None;
    let status = tenant.status.become_status(TenantStatus::Deleted)?;
    let counts = leaving.counts;
    Ok(Outcome::Change {
        after: Box::new(TenantItem { status, ..tenant.clone() }),
        removed: Vec::new(),
        action: "tenant.delete",
        detail: format!(
            "nothing is left; {} records, {} checkpoints and {} files are in {}",
            counts.records, counts.checkpoints, counts.files, leaving.export.prefix
        ),
    })
}
