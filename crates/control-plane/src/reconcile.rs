//! Completing what broke off, making silos, and deleting keys that are past their end.

use std::sync::Arc;

use serde::Serialize;
use tenant_context::{ApiKeyId, Aws, Bound, OpenError, Operator, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::desk::{Change, Desk, Takeover};
use crate::pending::Pending;
use crate::reading::has_ended;
use crate::silo::{Patience, Silos};
use crate::task::{Budget, Run, Stores};

/// Most tenants of one run; the next run goes on.
const MOST: i32 = 50;

/// Brings tenants from where they are to where they are to be.
#[derive(Debug, Clone)]
pub struct Reconcile {
    opened: Arc<Opened>,
    operator: Arc<Operator>,
}

/// What all runs share.
#[derive(Debug)]
pub struct Opened {
    desk: Arc<Desk>,
    silos: Silos,
    stores: Stores,
}

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Tenants that had something to be done, or whose writes wait for a move.
    pub tenants: usize,
    /// Keys past their end that were deleted.
    pub deleted_keys: usize,
    /// Tenants that another request is at work on.
    pub busy: usize,
}

impl Bound<Operator> for Reconcile {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        let (desk, silos, stores) = (Desk::open(aws)?, Silos::open(aws)?, Stores::open(aws)?);
        Ok(Arc::new(Opened { desk, silos, stores }))
    }

    fn bind(opened: &Arc<Opened>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { opened: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Reconcile {
    /// Completes what is owed to one tenant.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::Busy`] and [`ControlError::Stale`] where another request is
    /// at work.
    pub async fn tenant(&self, id: &TenantId, now: OffsetDateTime) -> Result<Reconciled, ControlError> {
        let deleted_keys = self.complete(id, &mut Patience::default(), Budget::begin(now), now).await?;
        Ok(Reconciled { tenants: 1, deleted_keys, busy: 0 })
    }

    /// Completes what is owed to tenants, to at most 50 of them, those first that have waited longest.
    ///
    /// # Errors
    /// [`ControlError::Unreconciled`] with the last failure, after all tenants were tried.
    pub async fn all(&self, now: OffsetDateTime) -> Result<Reconciled, ControlError> {
        let mut done = Reconciled::default();
        let budget = Budget::begin(now);
        let (mut failed, mut failure) = (Vec::new(), None);
        let mut patience = Patience::default();
        for id in self.opened.desk.reader.due(now, MOST).await? {
            match Box::pin(self.complete(&id, &mut patience, budget, now)).await {
                Ok(deleted) => {
                    done.tenants += 1;
                    done.deleted_keys += deleted;
                }
                Err(ControlError::Busy(_) | ControlError::Stale(_)) => done.busy += 1,
                // The index is a little behind.
                Err(ControlError::NotFound(_)) => {}
                Err(error) => {
                    failed.push(id);
                    failure = Some(error);
                }
            }
        }
        failure.map_or(Ok(done), |error| Err(ControlError::Unreconciled(failed, Box::new(error))))
    }

    /// Answers how many keys were deleted.
    async fn complete(
        &self,
        id: &TenantId,
        patience: &mut Patience,
        budget: Budget,
        now: OffsetDateTime,
    ) -> Result<usize, ControlError> {
        let Opened { desk, silos, .. } = &*self.opened;
        let tenant = desk.reader.tenant(id).await?;
        if let Some(work) = tenant.silo_work().cloned() {
            Box::pin(desk.provision(silos, tenant, work, patience, now)).await?;
            return Ok(0);
        }
        if !tenant.is_onboarded() {
            Box::pin(desk.take_up(tenant, Takeover::Abandon, now)).await?;
            return Ok(0);
        }
        let (before, failure) = match desk.ready(id, now).await {
            Ok(ready) => (ready, None),
            Err(gone @ (ControlError::Busy(_) | ControlError::NotFound(_))) => return Err(gone),
            // What cannot be done keeps no task back, least of all a pause of writes.
            Err(failure) => (desk.reader.tenant(id).await?, Some(failure)),
        };
        let contexts = desk.keys(&before).await?;
        let (ended, kept): (Vec<_>, Vec<_>) = contexts.into_iter().partition(|key| has_ended(key, now));
        let is_told = before.next_expiry.is_some_and(|end| end <= now);
        if ended.is_empty() && !is_told {
            let stores = &self.opened.stores;
            let run = Run { desk, stores, silos, actor: self.operator.arn(), now, budget };
            Box::pin(run.go_on(before)).await?;
            return failure.map_or(Ok(0), Err);
        }
        let removed: Vec<ApiKeyId> = ended.into_iter().map(|key| key.api_key_id).collect();
        let deleted = removed.len();
        let mut after = before.clone();
        after.pending.extend(removed.iter().map(|key| Pending::DeleteKey { api_key_id: key.clone() }));
        let change = Change {
            before,
            after,
            contexts: kept,
            removed,
            request: None,
            action: "key.expire",
            actor: self.operator.arn().to_owned(),
            detail: None,
        };
        Box::pin(desk.carry_through(change, now)).await?;
        failure.map_or(Ok(deleted), Err)
    }
}
