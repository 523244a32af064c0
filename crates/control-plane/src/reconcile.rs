//! Completing what broke off, and deleting keys that are past their end.

use std::sync::Arc;

use serde::Serialize;
use tenant_context::{ApiKeyId, Aws, Bound, OpenError, Operator, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::desk::{Change, Desk};
use crate::pending::Pending;
use crate::reading::has_ended;

/// Most tenants of one run; the next run goes on.
const MOST: usize = 50;

/// Brings tenants from where they are to where they are to be.
#[derive(Debug, Clone)]
pub struct Reconcile {
    desk: Arc<Desk>,
    operator: Arc<Operator>,
}

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Tenants that had something to be done.
    pub tenants: usize,
    /// Keys past their end that were deleted.
    pub deleted_keys: usize,
    /// Tenants that another request is at work on.
    pub busy: usize,
}

impl Bound<Operator> for Reconcile {
    type Opened = Arc<Desk>;

    async fn open(aws: &Aws) -> Result<Arc<Desk>, OpenError> {
        Desk::open(aws)
    }

    fn bind(opened: &Arc<Desk>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { desk: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Reconcile {
    /// Completes what is owed to one tenant.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::Busy`] and [`ControlError::Stale`] where another request is
    /// at work.
    pub async fn tenant(&self, id: &TenantId, now: OffsetDateTime) -> Result<Reconciled, ControlError> {
        let deleted_keys = self.complete(id, now).await?;
        Ok(Reconciled { tenants: 1, deleted_keys, busy: 0 })
    }

    /// Completes what is owed to tenants, to at most 50 of them.
    ///
    /// # Errors
    /// The last failure, after all tenants were tried.
    pub async fn all(&self, now: OffsetDateTime) -> Result<Reconciled, ControlError> {
        let mut done = Reconciled::default();
        let mut failure = None;
        for id in self.desk.reader.due(now, MOST).await? {
            match Box::pin(self.complete(&id, now)).await {
                Ok(deleted) => {
                    done.tenants += 1;
                    done.deleted_keys += deleted;
                }
                Err(ControlError::Busy(_) | ControlError::Stale(_)) => done.busy += 1,
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(done), Err)
    }

    /// Answers how many keys were deleted.
    async fn complete(&self, id: &TenantId, now: OffsetDateTime) -> Result<usize, ControlError> {
        let before = self.desk.ready(id, now).await?;
        let contexts = self.desk.keys(&before).await?;
        let (ended, kept): (Vec<_>, Vec<_>) = contexts.into_iter().partition(|key| has_ended(key, now));
        if ended.is_empty() {
            return Ok(0);
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
            action: "key.expire",
            actor: self.operator.arn().to_owned(),
        };
        Box::pin(self.desk.carry_through(change, now)).await?;
        Ok(deleted)
    }
}
