//! One run of tenants' tasks: as many steps as it has time for.

use std::time::Duration;

use tenant_context::ApiKeyId;
use time::{Duration as TimeSpan, OffsetDateTime};
use tokio::time::Instant;

use super::{STANDSTILL, Stores, Task};
use crate::ControlError;
use crate::desk::{Change, Desk, LEASE};
use crate::item::TenantItem;
use crate::provisioning::SOON;
use crate::silo::Silos;
use crate::writes::Seen;

/// How long a run begins further steps, and copies further files: a step and one call after it end within the
/// function's time.
const BUDGET: Duration = Duration::from_secs(25);
/// When the last call of a run is over: a little before the function's time is.
const END: Duration = Duration::from_secs(52);
/// A run that is no older has time for a call that takes long.
const FRESH: Duration = Duration::from_secs(15);

/// The oldest event that a run is begun with (`MaximumEventAgeInSeconds`).
const OLDEST_EVENT: TimeSpan = TimeSpan::seconds(60);

/// The time that a run has for tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    begun: Instant,
    /// How old the run's event was then.
    age: TimeSpan,
}

impl Budget {
    /// The time of a run whose event is of `now`.
    #[expect(clippy::disallowed_methods, reason = "an event's age cannot be told by its own time")]
    pub(crate) fn begin(now: OffsetDateTime) -> Self {
        // By a clock that is moved by hand an age says nothing, and does no harm between these bounds.
        let age = (OffsetDateTime::now_utc() - now).clamp(TimeSpan::ZERO, OLDEST_EVENT);
        Self { begun: Instant::now(), age }
    }

    pub(crate) fn is_spent(self) -> bool {
        self.begun.elapsed() >= BUDGET
    }

    /// How long ago the time of the run's event is.
    fn since_event(self) -> TimeSpan {
        // A second more for what is cut off where times are kept.
        self.age + TimeSpan::try_from(self.begun.elapsed()).unwrap_or(OLDEST_EVENT) + TimeSpan::SECOND
    }

    /// Whether the run has begun a short while ago.
    pub(crate) fn is_fresh(self) -> bool {
        self.begun.elapsed() < FRESH
    }

    /// How long a call may take that is made now.
    pub(crate) fn time_for_a_call(self) -> Duration {
        END.saturating_sub(self.begun.elapsed()).max(Duration::from_secs(1))
    }
}

/// One run's work on one tenant.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) desk: &'a Desk,
    pub(crate) stores: &'a Stores,
    pub(crate) silos: &'a Silos,
    /// For the audit.
    pub(crate) actor: &'a str,
    pub(crate) now: OffsetDateTime,
    pub(crate) budget: Budget,
}

/// What a step has come to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The task is further on.
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
    /// Behind any other the task stands where its last step has left it, and is due again when the lease is over.
    pub(crate) async fn go_on(&self, tenant: TenantItem) -> Result<(), ControlError> {
        let Some(mut task) = self.due(&tenant) else { return Ok(()) };
        if task.pace().is_held(self.now) {
            return Err(ControlError::Busy(tenant.tenant_id));
        }
        task.pace_mut().lease_until = Some(self.now + LEASE);
        let mut tenant = self.save(&tenant, task).await?;
        while let Some(task) = self.due(&tenant) {
            // The futures of calls to AWS are large.
            match Box::pin(self.step(&tenant, task)).await {
                Ok(further) => tenant = further,
                Err(lost @ (ControlError::Stale(_) | ControlError::Busy(_))) => return Err(lost),
                // It is told with the task, and passes by itself.
                Err(ControlError::Unprocessed(what)) => return self.put_off(&tenant, what).await,
                Err(error) => {
                    self.tell(&tenant, &error).await;
                    return Err(error);
                }
            }
        }
        let Some(mut task) = tenant.task.clone().filter(|task| !task.is_over()) else { return Ok(()) };
        task.pace_mut().lease_until = None;
        task.pace_mut().next_at = task.pace().next_at.max(self.now);
        self.save(&tenant, task).await?;
        Ok(())
    }

    /// The task, where there is a step to take and time for it.
    fn due(&self, tenant: &TenantItem) -> Option<Task> {
        let task = tenant.task.as_ref()?;
        let is_due = !task.is_over() && task.pace().next_at <= self.now && !self.budget.is_spent();
        is_due.then(|| task.clone())
    }

    /// When it is now at the latest: a run is carried out behind the time of its event.
    pub(crate) fn latest(&self) -> OffsetDateTime {
        self.now + self.budget.since_event()
    }

    /// How long functions keep what they know of a tenant.
    pub(crate) fn context_ttl(&self) -> TimeSpan {
        TimeSpan::try_from(self.stores.context_ttl()).unwrap_or(TimeSpan::MAX)
    }

    /// Leaves the tenant to the next run.
    async fn put_off(&self, tenant: &TenantItem, reason: &str) -> Result<(), ControlError> {
        let Some(mut task) = tenant.task.clone() else { return Ok(()) };
        let pace = task.pace_mut();
        pace.lease_until = None;
        pace.next_at = self.now + SOON;
        pace.standstill = Some(reason.to_owned());
        self.save(tenant, task).await.map(drop)
    }

    /// Tells with the task what has gone wrong. The lease is kept: a call without an answer may have its effect later.
    async fn tell(&self, tenant: &TenantItem, error: &ControlError) {
        let Some(mut task) = tenant.task.clone() else { return };
        task.pace_mut().standstill = Some(format!("{error}; the log of tenants-reconcile says why"));
        // Where that fails too, the log alone tells.
        let _ = self.save(tenant, task).await;
    }

    async fn step(&self, tenant: &TenantItem, mut task: Task) -> Result<TenantItem, ControlError> {
        task.pace_mut().standstill = None;
        let outcome = match task.go_on(self, tenant).await {
            Err(refused @ ControlError::NotCopied(..)) => Outcome::Standstill(refused.to_string()),
            Err(error) => return Err(error),
            Ok(outcome) => outcome,
        };
        match outcome {
            Outcome::Progress => self.save(tenant, task).await,
            Outcome::Standstill(reason) => {
                // What the step has done is done again: it has not come to the write that tells of it.
                let mut before = tenant.task.clone().unwrap_or(task);
                before.pace_mut().standstill = Some(reason);
                before.pace_mut().next_at = self.now + STANDSTILL;
                self.save(tenant, before).await
            }
            Outcome::Change { after, removed, action, detail } => {
                let contexts = if removed.is_empty() { self.desk.keys(tenant).await? } else { Vec::new() };
                task.pace_mut().writes += 1;
                let change = Change {
                    before: tenant.clone(),
                    after: TenantItem { task: Some(task), ..*after },
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

    /// Writes how far it is, where nobody else has written meanwhile. It is no version of the tenant.
    async fn save(&self, seen: &TenantItem, mut task: Task) -> Result<TenantItem, ControlError> {
        task.pace_mut().writes += 1;
        let saved = TenantItem { task: Some(task), ..seen.clone() };
        let write = self.desk.put_tenant(&saved, Seen::Progress(seen))?;
        self.desk.transact(&saved.tenant_id, vec![write]).await?;
        Ok(saved)
    }
}
