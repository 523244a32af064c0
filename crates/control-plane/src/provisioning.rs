//! A tenant that waits for its silo: `provisioning`, with its key made, until its table and its bucket answer.
//!
//! Each attempt is made under the tenant's lease and begins with the first step; those that are done already find
//! their work done. One that does not come to the end leaves the tenant to a later run, behind all others that
//! something is due for; why, where it will not pass by itself, stands in the tenant's `status_reason`.

use time::{Duration, OffsetDateTime};

use crate::ControlError;
use crate::audit::{AuditItem, Stage};
use crate::desk::{Desk, LEASE};
use crate::item::TenantItem;
use crate::onboarding::outrun;
use crate::pending::{Pending, SiloWork};
use crate::silo::{Made, Patience, Silos};
use crate::writes::Seen;

/// After how long a silo is tried again that something stands in the way of.
const RETRY: Duration = Duration::minutes(4);
/// After how long it is looked for again what AWS is at work on: a little less than the pause of the schedule of
/// `tenants-reconcile`, so that the next run does it.
pub(crate) const SOON: Duration = Duration::seconds(50);

impl Desk {
    /// Goes on with the silo of a tenant. The tenant is active afterwards, or waits on.
    ///
    /// # Errors
    /// [`ControlError::Busy`] while another attempt holds the lease; a call that failed in a way that nobody can
    /// be told in words.
    pub(crate) async fn provision(
        &self,
        silos: &Silos,
        tenant: TenantItem,
        work: SiloWork,
        patience: &mut Patience,
        now: OffsetDateTime,
    ) -> Result<(), ControlError> {
        if tenant.is_held(now) {
            return Err(ControlError::Busy(tenant.tenant_id));
        }
        let held = TenantItem { lease_until: Some(now + LEASE), ..tenant.clone() };
        let lease = vec![self.put_tenant(&held, Seen::Lease(&tenant))?];
        self.transact(&held.tenant_id, lease).await.map_err(outrun)?;
        match silos.make(&held.tenant_id, patience).await {
            Ok(Made::Answers) => self.answers(&held, &work, now).await,
            Ok(Made::NotYet) => self.wait_on(&held, work, None, now).await,
            Ok(Made::Refused(reason)) => self.wait_on(&held, work, Some(reason), now).await,
            Err(ControlError::Aws(failure)) if !failure.is_busy() => {
                let reason = format!("{failure}; the log of tenants-reconcile says why");
                self.wait_on(&held, work, Some(reason), now).await?;
                Err(failure.into())
            }
            // The end of the lease brings the next attempt.
            Err(error) => Err(error),
        }
    }

    /// Writes that the silo answers: the tenant is active, and so are the contexts of its keys.
    async fn answers(
        &self,
        held: &TenantItem,
        work: &SiloWork,
        now: OffsetDateTime,
    ) -> Result<(), ControlError> {
        let contexts = self.keys(held).await?;
        let waiting =
            TenantItem { pending: Vec::new(), lease_until: None, status_reason: None, ..held.clone() };
        let active = waiting.activated(now)?;
        let entry = AuditItem::new(Some(held), &active, ("tenant.activate", &work.actor, Stage::Change), now);
        let mut writes = Vec::with_capacity(contexts.len() + 2);
        for context in &contexts {
            writes.push(self.put_context(&active.refreshed(context))?);
        }
        writes.push(entry.put(&self.audit)?);
        writes.push(self.put_tenant(&active, Seen::Lease(held))?);
        self.transact(&held.tenant_id, writes).await
    }

    /// Leaves the tenant to a later run. A reason that is new is a version of the tenant, so that it can be seen
    /// since when it has stood still.
    async fn wait_on(
        &self,
        held: &TenantItem,
        work: SiloWork,
        reason: Option<String>,
        now: OffsetDateTime,
    ) -> Result<(), ControlError> {
        let actor = work.actor.clone();
        let pause = if reason.is_some() { RETRY } else { SOON };
        let pending = vec![Pending::MakeSilo(SiloWork { retry_at: Some(now + pause), ..work })];
        let mut waiting = TenantItem { pending, lease_until: None, ..held.clone() };
        let mut writes = Vec::with_capacity(2);
        if reason != held.status_reason {
            waiting =
                TenantItem { status_reason: reason, version: held.version + 1, updated_at: now, ..waiting };
            let place = ("tenant.wait", actor.as_str(), Stage::Change);
            writes.push(AuditItem::new(Some(held), &waiting, place, now).put(&self.audit)?);
        }
        writes.push(self.put_tenant(&waiting, Seen::Lease(held))?);
        self.transact(&held.tenant_id, writes).await
    }
}
