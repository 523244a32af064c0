//! The request to move a tenant into a silo, and to give that up.

use std::sync::Arc;

use contract::{AdminTenant, Isolation, MoveRequest, TenantStatus};
use tenant_context::{Aws, Bound, OpenError, Operator, TenantId};
use time::OffsetDateTime;

use super::{Moving, Step};
use crate::ControlError;
use crate::changes::shown;
use crate::desk::{Change, Desk};
use crate::item::TenantItem;
use crate::task::{Task, insisting};

/// Moves into silos, on behalf of an operator.
#[derive(Debug, Clone)]
pub struct Moves {
    desk: Arc<Desk>,
    operator: Arc<Operator>,
}

impl Bound<Operator> for Moves {
    type Opened = Arc<Desk>;

    async fn open(aws: &Aws) -> Result<Arc<Desk>, OpenError> {
        Desk::open(aws)
    }

    fn bind(opened: &Arc<Desk>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { desk: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Moves {
    /// Begins to move a tenant into a silo; `tenants-reconcile` goes on with it. A tenant whose move is under way or
    /// done is answered as it stands, and nothing changes but for how long its writes may wait, in seconds.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::Inactive`] for a tenant that is not onboarded or leaves;
    /// [`ControlError::Siloed`] for one that was onboarded into a silo; [`ControlError::UnderWay`];
    /// [`ControlError::Stale`] and [`ControlError::Busy`] where another request is at work.
    pub async fn begin(
        &self,
        id: &TenantId,
        longest_pause: Option<u32>,
        now: OffsetDateTime,
    ) -> Result<AdminTenant, ControlError> {
        insisting(|| Box::pin(self.begin_now(id, longest_pause, now))).await
    }

    async fn begin_now(
        &self,
        id: &TenantId,
        longest_pause: Option<u32>,
        now: OffsetDateTime,
    ) -> Result<AdminTenant, ControlError> {
        let before = self.desk.ready(id, now).await?;
        let contexts = self.desk.keys(&before).await?;
        let under_way = before
            .moving()
            .filter(|moving| !matches!(moving.step, Step::RemoveSilo | Step::Abandoned))
            .cloned();
        let Some(mut moving) = under_way else {
            let after = moved(&before, longest_pause.unwrap_or(MoveRequest::LONGEST_PAUSE), now)?;
            return self.commit(before, after, contexts, ("tenant.move-begin", None), now).await;
        };
        let Some(seconds) = longest_pause.filter(|seconds| *seconds != moving.longest_pause) else {
            return Ok(shown(&before, &contexts, now));
        };
        moving.longest_pause = seconds;
        moving.pace.writes += 1;
        let detail = Some(format!("writes may wait for {seconds} seconds"));
        let after = TenantItem { task: Some(Task::Moving(moving)), ..before.clone() };
        self.commit(before, after, contexts, ("tenant.move-pause", detail), now).await
    }

    /// Gives up a move that has not come to its switch: the tenant goes on where it is, and the silo is removed.
    /// Where that was done before, the tenant is answered as it stands.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::NotUnderWay`]; [`ControlError::Stale`] and
    /// [`ControlError::Busy`] where another request is at work.
    pub async fn abandon(&self, id: &TenantId, now: OffsetDateTime) -> Result<AdminTenant, ControlError> {
        insisting(|| Box::pin(self.abandon_now(id, now))).await
    }

    async fn abandon_now(&self, id: &TenantId, now: OffsetDateTime) -> Result<AdminTenant, ControlError> {
        // It waits for nothing that is owed to the tenant.
        let before = self.desk.reader.tenant(id).await?;
        let contexts = self.desk.keys(&before).await?;
        let Some(moving) = before.moving() else { return Err(ControlError::NotUnderWay(id.clone())) };
        if matches!(moving.step, Step::RemoveSilo | Step::Abandoned) {
            return Ok(shown(&before, &contexts, now));
        }
        if !moving.can_be_abandoned() {
            return Err(ControlError::NotUnderWay(id.clone()));
        }
        let mut abandoned = moving.clone();
        if abandoned.paused_at.is_some() && abandoned.resumed_at.is_none() {
            abandoned.resumed_at = Some(now);
        }
        abandoned.enter(Step::RemoveSilo);
        // A run that is at work may still write into the silo, until its lease is over.
        abandoned.pace.next_at = now;
        abandoned.pace.standstill = None;
        abandoned.pace.writes += 1;
        let after = TenantItem { task: Some(Task::Moving(abandoned)), ..before.clone() };
        let detail = Some("the silo is removed".to_owned());
        self.commit(before, after, contexts, ("tenant.move-abandon", detail), now).await
    }

    async fn commit(
        &self,
        before: TenantItem,
        after: TenantItem,
        contexts: Vec<tenant_context::KeyItem>,
        (action, detail): (&'static str, Option<String>),
        now: OffsetDateTime,
    ) -> Result<AdminTenant, ControlError> {
        let change = Change {
            before,
            after,
            contexts,
            removed: Vec::new(),
            request: None,
            action,
            actor: self.operator.arn().to_owned(),
            detail,
        };
        let finished = Box::pin(self.desk.carry_through(change, now)).await?;
        Ok(shown(&finished.tenant, &finished.contexts, now))
    }
}

/// The tenant as one that moves.
fn moved(before: &TenantItem, longest_pause: u32, now: OffsetDateTime) -> Result<TenantItem, ControlError> {
    match before.status {
        TenantStatus::Active | TenantStatus::Suspended => {}
        TenantStatus::Provisioning | TenantStatus::Deleting | TenantStatus::Deleted => {
            return Err(ControlError::Inactive(before.tenant_id.clone()));
        }
    }
    before.is_free()?;
    if before.isolation == Isolation::Siloed {
        return Err(ControlError::Siloed(before.tenant_id.clone()));
    }
    Ok(TenantItem { task: Some(Task::Moving(Moving::begin(longest_pause, now))), ..before.clone() })
}
