//! What goes on with a tenant for longer than a request: its step that is next, and when.
//!
//! The steps are done by `tenants-reconcile`, a bounded number of them in a run and each so that it can be done
//! again. Behind each of them the tenant's item says what is next. A tenant has one task at a time; one that is over
//! stays to be told of until the next begins.

mod listing;
mod partition;
mod run;
mod stores;

use serde::{Deserialize, Serialize};
use tenant_context::Held;
use time::{Duration, OffsetDateTime};

pub(crate) use listing::Listing;
pub(crate) use partition::{Item, Partition};
pub(crate) use run::{Budget, Outcome, Run};
pub(crate) use stores::{Home, Stores, patient_s3, unnamed};

use crate::ControlError;
use crate::importing::Importing;
use crate::item::TenantItem;
use crate::leaving::Leaving;
use crate::moving::Moving;

/// How long what was handed out outlives the moment from which on nothing is handed out: credentials and presigned
/// URLs hold for 3,600 seconds, and a warm function may hand them out until the context that it keeps (300 seconds at
/// most) and its request are over. Behind it nobody changes the tenant's data but by the API.
pub(crate) const REVOCATION_HORIZON: Duration = Duration::seconds(3_600 + 600);

/// How long a task that cannot go on waits before it is tried again.
const STANDSTILL: Duration = Duration::hours(1);

/// How much earlier than others a task is looked at that writes wait for.
const AHEAD: Duration = Duration::days(1);

/// How often a change of a task is tried whose progress comes between.
const ATTEMPTS: u32 = 8;

/// Makes a change of a task, again where its progress has come between.
pub(crate) async fn insisting<T, F>(change: impl Fn() -> F) -> Result<T, ControlError>
where
    F: Future<Output = Result<T, ControlError>>,
{
    for _ in 1..ATTEMPTS {
        match change().await {
            Err(ControlError::Stale(_)) => {}
            made => return made,
        }
    }
    change().await
}

/// A tenant's task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Task {
    /// The tenant leaves.
    Leaving(Leaving),
    /// It moves into a silo.
    Moving(Moving),
    /// An export is imported into it.
    Importing(Importing),
}

/// When a task goes on, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pace {
    /// Before this there is nothing to do.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) next_at: OffsetDateTime,
    /// Until when the run at work has it to itself.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) lease_until: Option<OffsetDateTime>,
    /// Counts the writes of its progress, none of which is a version of the tenant.
    pub(crate) writes: u64,
    /// Where the step goes on; at its beginning where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    /// Why it cannot go on before somebody has done something about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) standstill: Option<String>,
}

impl From<OffsetDateTime> for Pace {
    /// The pace of a task that begins then.
    fn from(next_at: OffsetDateTime) -> Self {
        Self { next_at, lease_until: None, writes: 0, cursor: None, standstill: None }
    }
}

impl Pace {
    /// When it is to be gone on with.
    pub(crate) fn due(&self) -> OffsetDateTime {
        self.lease_until.map_or(self.next_at, |until| until.max(self.next_at))
    }

    /// Whether a run is at work on it.
    fn is_held(&self, now: OffsetDateTime) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }
}

impl Task {
    pub(crate) fn pace(&self) -> &Pace {
        match self {
            Self::Leaving(leaving) => &leaving.pace,
            Self::Moving(moving) => &moving.pace,
            Self::Importing(importing) => &importing.pace,
        }
    }

    fn pace_mut(&mut self) -> &mut Pace {
        match self {
            Self::Leaving(leaving) => &mut leaving.pace,
            Self::Moving(moving) => &mut moving.pace,
            Self::Importing(importing) => &mut importing.pace,
        }
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Leaving(leaving) => leaving.is_over(),
            Self::Moving(moving) => moving.is_over(),
            Self::Importing(importing) => importing.is_over(),
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Leaving(_) => "An offboarding",
            Self::Moving(_) => "A move into a silo",
            Self::Importing(_) => "An import",
        }
    }

    /// What the tenant's requests have to wait for.
    pub(crate) fn held(&self) -> Option<Held> {
        match self {
            Self::Leaving(_) => None,
            Self::Moving(moving) => moving.held(),
            Self::Importing(importing) => importing.held(),
        }
    }

    /// When a run is to look at it. A pause of a tenant's writes comes before all other tasks: it is looked at
    /// in every run.
    pub(crate) fn due(&self) -> Option<OffsetDateTime> {
        let due = (!self.is_over()).then(|| self.pace().due())?;
        let is_urgent = matches!(self, Self::Moving(moving) if moving.held() == Some(Held::Writes));
        Some(if is_urgent { due - AHEAD } else { due })
    }

    /// Takes the step that is next.
    async fn go_on(&mut self, run: &Run<'_>, tenant: &TenantItem) -> Result<Outcome, ControlError> {
        match self {
            Self::Leaving(leaving) => leaving.go_on(run, tenant).await,
            Self::Moving(moving) => moving.go_on(run, tenant).await,
            Self::Importing(importing) => importing.go_on(run, tenant).await,
        }
    }
}
