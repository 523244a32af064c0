//! Where changes of a tenant's life are committed and carried out.
//!
//! A change is one transaction: the tenant in its next version, the contexts of its keys, a row of the audit,
//! and the work that API Gateway owes to it. The work is done afterwards, under the tenant's lease, by whoever
//! made the change; where that one broke off, by whoever comes next once the lease is over. A key that nobody
//! would be told the value of is not made then: its making is undone.

use std::sync::Arc;

use tenant_context::{ApiKeyId, Aws, IdempotencyItem, KeyItem, KeyLimits, OpenError, Table, TenantId};
use time::{Duration, OffsetDateTime};

use crate::ControlError;
use crate::audit::{AuditItem, Stage};
use crate::checkpoints::KeysCheckpoints;
use crate::gateway::{Gateway, GatewayKey};
use crate::item::TenantItem;
use crate::pending::{Pending, abandoned};
use crate::reading::Reader;
use crate::repeats;
use crate::writes::Seen;

/// How long an attempt has a tenant to itself, counted from the time of its request or event: longer than the
/// oldest event of a schedule (60 s) and the longest run of a function (55 s) together.
pub(crate) const LEASE: Duration = Duration::seconds(120);

/// How often a change is tried that a task's progress comes between.
const ATTEMPTS: u32 = 8;

/// Tables and gateway, for whoever changes tenants.
#[derive(Debug)]
pub struct Desk {
    pub(crate) reader: Reader,
    pub(crate) gateway: Gateway,
    pub(crate) checkpoints: KeysCheckpoints,
    /// Most working keys of a tenant, by its tier.
    pub(crate) key_limits: KeyLimits,
    pub(crate) audit: String,
    requests: String,
}

/// A change that is to be committed.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) before: TenantItem,
    /// The tenant as it is to be. Version, time, keys and lease are set by the commit.
    pub(crate) after: TenantItem,
    /// The keys that it is to have. What they say of the tenant is set by the commit.
    pub(crate) contexts: Vec<KeyItem>,
    /// The keys that it had and is to have no longer.
    pub(crate) removed: Vec<ApiKeyId>,
    /// The request, where it has an `Idempotency-Key`.
    pub(crate) request: Option<IdempotencyItem>,
    /// What is done, by whom, and what the snapshots before and after do not tell, for the audit.
    pub(crate) action: &'static str,
    pub(crate) actor: String,
    pub(crate) detail: Option<String>,
}

/// A change whose work is done.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) tenant: TenantItem,
    /// The contexts of its keys.
    pub(crate) contexts: Vec<KeyItem>,
    /// The key that was made, with its value for the one answer that tells it.
    pub(crate) key: Option<GatewayKey>,
}

/// What becomes of a key whose making broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takeover {
    /// It is made: whoever asked for it has asked again, and is told its value.
    Resume,
    /// It is made undone.
    Abandon,
}

impl Desk {
    pub(crate) fn open(aws: &Aws) -> Result<Arc<Self>, OpenError> {
        Ok(Arc::new(Self {
            reader: Reader::open(aws)?,
            gateway: Gateway::new(aws),
            checkpoints: KeysCheckpoints {
                dynamodb: aws.dynamodb().clone(),
                table: aws.table(Table::Checkpoints)?.to_owned(),
                meter: aws.meter().clone(),
            },
            key_limits: aws.key_limits().clone(),
            audit: aws.table(Table::Audit)?.to_owned(),
            requests: aws.table(Table::Idempotency)?.to_owned(),
        }))
    }

    /// The contexts of the tenant's keys.
    pub(crate) async fn keys(&self, tenant: &TenantItem) -> Result<Vec<KeyItem>, ControlError> {
        self.reader.keys(tenant).await
    }

    /// The tenant with nothing left to do for it: what an attempt that broke off has left is finished first. A
    /// tenant that is being onboarded is left as it is.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::Busy`] while another attempt holds the lease.
    pub(crate) async fn ready(&self, id: &TenantId, now: OffsetDateTime) -> Result<TenantItem, ControlError> {
        let tenant = self.reader.tenant(id).await?;
        if tenant.pending.is_empty() || !tenant.is_onboarded() {
            return Ok(tenant);
        }
        Ok(self.take_up(tenant, Takeover::Abandon, now).await?.tenant)
    }

    /// Finishes what an attempt has left that broke off.
    ///
    /// # Errors
    /// [`ControlError::Busy`] while it holds the lease.
    pub(crate) async fn take_up(
        &self,
        tenant: TenantItem,
        takeover: Takeover,
        now: OffsetDateTime,
    ) -> Result<Finished, ControlError> {
        if tenant.is_held(now) {
            return Err(ControlError::Busy(tenant.tenant_id));
        }
        let mut held = TenantItem { lease_until: Some(now + LEASE), ..tenant.clone() };
        let mut writes = Vec::new();
        if takeover == Takeover::Abandon {
            let (pending, requests) = abandoned(held.pending);
            held.pending = pending;
            for request in &requests {
                writes.push(self.forget_request(request)?);
            }
        }
        writes.push(self.put_tenant(&held, Seen::Lease(&tenant))?);
        match self.transact(&tenant.tenant_id, writes).await {
            Ok(()) => Box::pin(self.finish(held, now)).await,
            Err(ControlError::Stale(id)) => Err(ControlError::Busy(id)),
            Err(error) => Err(error),
        }
    }

    /// Writes the change, all of it or nothing, and does what is owed to it. Where another attempt is at work on
    /// what was owed before, the change is written and the work is left to whoever comes after that attempt.
    ///
    /// # Errors
    /// [`ControlError::Stale`] where the tenant is no longer as it was before, or the request has been noted
    /// meanwhile. Any other that comes after the commit leaves the change committed and its work to be done.
    pub(crate) async fn carry_through(
        &self,
        change: Change,
        now: OffsetDateTime,
    ) -> Result<Finished, ControlError> {
        let is_held = change.before.is_held(now);
        let committed = self.commit(change, now).await?;
        let makes_key = committed.pending.iter().any(|work| matches!(work, Pending::NewKey(_)));
        if !is_held {
            match Box::pin(self.finish(committed.clone(), now)).await {
                // The change holds. A later one has come between, and its work is whoever's comes next.
                Err(ControlError::Stale(_)) if !makes_key => {}
                finished => return finished,
            }
        }
        let contexts = self.keys(&committed).await?;
        Ok(Finished { tenant: committed, contexts, key: None })
    }

    /// Writes the change. What goes on with the tenant meanwhile makes no change lose: it is further on then, and
    /// stays so.
    async fn commit(&self, mut change: Change, now: OffsetDateTime) -> Result<TenantItem, ControlError> {
        for _ in 1..ATTEMPTS {
            let keeps_task = change.before.task.is_some() && change.before.task == change.after.task;
            match self.commit_once(change.clone(), now).await {
                Err(ControlError::Stale(id)) if keeps_task => {
                    let task = self.reader.tenant(&id).await?.task;
                    if task == change.before.task {
                        return Err(ControlError::Stale(id));
                    }
                    change.before.task.clone_from(&task);
                    change.after.task = task;
                }
                committed => return committed,
            }
        }
        self.commit_once(change, now).await
    }

    async fn commit_once(&self, change: Change, now: OffsetDateTime) -> Result<TenantItem, ControlError> {
        let Change { before, mut after, contexts, removed, request, action, actor, detail } = change;
        let mut writes = Vec::with_capacity(contexts.len() + removed.len() + 4);
        if !before.pending.is_empty() {
            // What another attempt was about to tell nobody is told then.
            let (pending, requests) = abandoned(after.pending);
            after.pending = pending;
            for request in &requests {
                writes.push(self.forget_request(request)?);
            }
        }
        let own_lease = (!after.pending.is_empty()).then(|| now + LEASE);
        let after = TenantItem {
            version: before.version + 1,
            updated_at: now,
            lease_until: if before.is_held(now) { before.lease_until } else { own_lease },
            ..after
        }
        .with_keys(&contexts);
        for key in &contexts {
            writes.push(self.put_context(&after.refreshed(key))?);
        }
        for key in &removed {
            writes.push(self.delete_context(&after.tenant_id, key)?);
        }
        if let Some(request) = &request {
            writes.push(self.note_request(request, now)?);
        }
        let entry = AuditItem::new(Some(&before), &after, (action, &actor, Stage::Change), now);
        writes.push(entry.with_detail(detail).put(&self.audit)?);
        writes.push(self.put_tenant(&after, Seen::Version(&before))?);
        self.transact(&after.tenant_id, writes).await?;
        Ok(after)
    }

    /// Writes the intent to onboard a tenant, under the lease that it names.
    ///
    /// # Errors
    /// [`ControlError::Stale`] where there is a tenant of the id, or the request has been noted meanwhile.
    pub(crate) async fn intend(
        &self,
        tenant: &TenantItem,
        request: Option<&IdempotencyItem>,
        now: OffsetDateTime,
    ) -> Result<(), ControlError> {
        let mut writes = vec![self.put_tenant(tenant, Seen::Nothing)?];
        if let Some(request) = request {
            writes.push(self.note_request(request, now)?);
        }
        self.transact(&tenant.tenant_id, writes).await
    }

    /// Does what is owed to the tenant, and writes that it is done. The caller holds the lease.
    pub(crate) async fn finish(
        &self,
        tenant: TenantItem,
        now: OffsetDateTime,
    ) -> Result<Finished, ControlError> {
        let mut contexts = self.keys(&tenant).await?;
        if tenant.pending.is_empty() {
            return Ok(Finished { tenant, contexts, key: None });
        }
        let (mut made, mut left, mut failure) = (None, Vec::new(), None);
        for work in &tenant.pending {
            // The gateway's futures are large. What cannot be done keeps nothing behind it back.
            match Box::pin(self.carry_out(&tenant, work, now)).await {
                Ok(None) => {}
                Ok(Some(key)) => made = Some((key, work)),
                Err(error) => {
                    left.push(work.clone());
                    failure = failure.or(Some(error));
                }
            }
        }
        if let Some(error) = failure {
            self.leave(&tenant, left, now).await;
            return Err(error);
        }
        let done = TenantItem { pending: Vec::new(), lease_until: None, ..tenant.clone() };
        let Some((key, work)) = made else {
            let done = self.close(&tenant, done, now).await?;
            return Ok(Finished { tenant: done, contexts, key: None });
        };
        let mut writes = Vec::with_capacity(contexts.len() + 4);
        let (done, entry) = if tenant.is_onboarded() {
            work.hand_over(&mut contexts, now);
            contexts.push(done.context(key.id.clone(), now));
            let done = done.with_keys(&contexts);
            let place = ("key.issue", work.actor(), Stage::Completion);
            let entry = AuditItem::new(Some(&tenant), &done, place, now);
            (done, entry)
        } else {
            // An active tenant never lacks its key, nor its silo.
            let done = done.with_first_key(work.actor(), now)?;
            contexts.push(done.context(key.id.clone(), now));
            let done = done.with_keys(&contexts);
            let entry = AuditItem::new(None, &done, ("tenant.create", work.actor(), Stage::Change), now);
            (done, entry)
        };
        for context in &contexts {
            writes.push(self.put_context(context)?);
        }
        writes.push(entry.put(&self.audit)?);
        let finished = Finished { tenant: done, contexts, key: Some(key) };
        if let Some(request) = work.request() {
            let (made, body) = repeats::answer(&finished, !tenant.is_onboarded(), now)?;
            writes.push(self.answer_request(request, &made, body)?);
        }
        writes.push(self.put_tenant(&finished.tenant, Seen::Lease(&tenant))?);
        self.transact(&tenant.tenant_id, writes).await?;
        Ok(finished)
    }

    /// Writes what is left to be done, for whoever comes next, and gives the lease up. Where that fails too, all of
    /// it is done again once the lease is over. A call that made a key may have its effect later, so that lease is
    /// kept.
    async fn leave(&self, tenant: &TenantItem, left: Vec<Pending>, now: OffsetDateTime) {
        let of_a_key = |work: &Pending| matches!(work, Pending::NewKey(_) | Pending::DropKey { .. });
        if tenant.pending.iter().any(of_a_key) {
            return;
        }
        let rest = TenantItem { pending: left, lease_until: Some(now), ..tenant.clone() };
        if let Ok(put) = self.put_tenant(&rest, Seen::Lease(tenant)) {
            let _ = self.transact(&tenant.tenant_id, vec![put]).await;
        }
    }

    /// Writes that nothing is owed any more. A tenant whose onboarding was undone is gone then.
    async fn close(
        &self,
        tenant: &TenantItem,
        done: TenantItem,
        now: OffsetDateTime,
    ) -> Result<TenantItem, ControlError> {
        let undone = tenant.pending.iter().find(|work| matches!(work, Pending::DropKey { .. }));
        let mut writes = Vec::new();
        if let Some(work) = undone {
            let place = if tenant.is_onboarded() {
                ("key.abandon", work.actor(), Stage::Completion)
            } else {
                ("tenant.abandon", work.actor(), Stage::Withdrawal)
            };
            writes.push(AuditItem::new(Some(tenant), &done, place, now).put(&self.audit)?);
        }
        if tenant.is_onboarded() {
            writes.push(self.put_tenant(&done, Seen::Lease(tenant))?);
        } else {
            writes.push(self.delete_tenant(tenant)?);
        }
        self.transact(&tenant.tenant_id, writes).await?;
        Ok(done)
    }

    /// The table of the audit.
    pub(crate) fn audit(&self) -> &str {
        &self.audit
    }

    /// The table of requests.
    pub(crate) fn requests(&self) -> &str {
        &self.requests
    }
}

impl TenantItem {
    /// Whether an attempt is at work on what is owed.
    pub(crate) fn is_held(&self, now: OffsetDateTime) -> bool {
        !self.pending.is_empty() && self.lease_until.is_some_and(|until| until > now)
    }

    /// The tenant with these keys.
    fn with_keys(self, contexts: &[KeyItem]) -> Self {
        Self {
            keys: contexts.iter().map(|context| context.api_key_id.clone()).collect(),
            next_expiry: contexts.iter().filter_map(|context| context.expires_at).min(),
            ..self
        }
    }
}
