//! The request to offboard a tenant.

use std::sync::Arc;

use contract::{AdminTenant, ExportCounts, ExportPlace, GraceSeconds, TenantStatus};
use tenant_context::{Aws, Bound, OpenError, Operator, TenantId};
use time::{Duration, OffsetDateTime};

use super::{Leaving, Step};
use crate::ControlError;
use crate::changes::shown;
use crate::desk::{Change, Desk, LEASE};
use crate::digest::Digest;
use crate::item::TenantItem;
use crate::pending::Pending;
use crate::task::{Pace, REVOCATION_HORIZON, Task};

/// Offboardings, on behalf of an operator.
#[derive(Debug, Clone)]
pub struct Departures {
    opened: Arc<Opened>,
    operator: Arc<Operator>,
}

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    desk: Arc<Desk>,
    exports: String,
}

impl Bound<Operator> for Departures {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened { desk: Desk::open(aws)?, exports: aws.exports_bucket()?.to_owned() }))
    }

    fn bind(opened: &Arc<Opened>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { opened: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Departures {
    /// Begins to offboard a tenant: it is not served any more, and `tenants-reconcile` exports and, after the grace,
    /// purges what it has. A tenant that is being offboarded or is gone is answered as it stands, and nothing changes.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::Inactive`] while it is being onboarded; [`ControlError::Stale`] and
    /// [`ControlError::Busy`] where another request is at work.
    pub async fn begin(
        &self,
        id: &TenantId,
        grace: GraceSeconds,
        now: OffsetDateTime,
    ) -> Result<AdminTenant, ControlError> {
        let desk = &self.opened.desk;
        let before = match desk.ready(id, now).await {
            Err(lost @ (ControlError::Busy(_) | ControlError::NotFound(_))) => return Err(lost),
            // Who leaves does not wait for what cannot be done.
            Err(_) => desk.reader.tenant(id).await?,
            Ok(ready) => ready,
        };
        let contexts = desk.keys(&before).await?;
        if before.leaving().is_some() {
            return Ok(shown(&before, &contexts, now));
        }
        before.is_free()?;
        if before.silo_work().is_some() && before.is_held(now) {
            return Err(ControlError::Busy(before.tenant_id));
        }
        let after = leaving(&before, &self.opened.exports, grace, now)?;
        let change = Change {
            before,
            after,
            contexts,
            removed: Vec::new(),
            request: None,
            action: "tenant.offboard",
            actor: self.operator.arn().to_owned(),
            detail: Some(format!("to be purged after {grace} seconds")),
        };
        let finished = Box::pin(desk.carry_through(change, now)).await?;
        Ok(shown(&finished.tenant, &finished.contexts, now))
    }
}

/// The tenant as one that leaves.
fn leaving(
    before: &TenantItem,
    exports: &str,
    grace: GraceSeconds,
    now: OffsetDateTime,
) -> Result<TenantItem, ControlError> {
    let id = &before.tenant_id;
    // One that waits for its silo has never been served: there is nothing to be exported, and nothing to wait for but
    // the end of an attempt to make it.
    let is_waiting = before.silo_work().is_some();
    let (suspended, suspended_at) = match before.status {
        TenantStatus::Provisioning if is_waiting => (before.status, now),
        TenantStatus::Active => (before.status.become_status(TenantStatus::Suspended)?, now),
        // It was suspended then at the latest.
        TenantStatus::Suspended => (before.status, before.updated_at),
        TenantStatus::Provisioning | TenantStatus::Deleting | TenantStatus::Deleted => {
            return Err(ControlError::Inactive(id.clone()));
        }
    };
    let horizon = suspended_at + if is_waiting { LEASE } else { REVOCATION_HORIZON };
    let grace = Duration::seconds(if is_waiting { 0 } else { i64::from(grace.get()) });
    let leaving = Leaving {
        step: if is_waiting { Step::BeginPurge } else { Step::ExportRecords },
        requested_at: now,
        suspended_at,
        purge_at: (now + grace).max(horizon),
        // What is exported is then what will be purged.
        pace: Pace::from(horizon.max(now)),
        export: ExportPlace {
            bucket: exports.to_owned(),
            // No two offboardings of a tenant begin from one version.
            prefix: format!("{id}/{:06}/", before.version + 1),
        },
        is_exported: false,
        parts: Vec::new(),
        counts: ExportCounts::default(),
        exported_keys: Vec::new(),
        exported: Digest::default(),
        found: Digest::default(),
        keys: if is_waiting { before.keys.clone() } else { Vec::new() },
        recounts: 0,
    };
    let mut after = before.clone();
    after.status = suspended.become_status(TenantStatus::Deleting)?;
    after.status_reason = None;
    after.task = Some(Task::Leaving(leaving));
    after
        .pending
        .retain(|work| !matches!(work, Pending::Tier { .. } | Pending::Grant { .. } | Pending::MakeSilo(_)));
    after.pending.push(Pending::DisableKeys);
    Ok(after)
}

#[cfg(test)]
mod tests {
    use contract::{Isolation, OnboardRequest};
    use time::macros::datetime;

    use super::*;
    use crate::pending::SiloWork;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    fn tenant(status: TenantStatus, isolation: Isolation) -> TenantItem {
        let request = OnboardRequest {
            tenant_id: None,
            name: "Acme".into(),
            email: "ops@acme.example".into(),
            contact: [].into(),
            tier: "free".into(),
            isolation,
        };
        let then = NOW - Duration::days(1);
        TenantItem {
            status,
            ..TenantItem::intent("acme".parse().unwrap(), &request, "arn", None, (then, then))
        }
    }

    fn asked(status: TenantStatus, grace: &str) -> Leaving {
        let before = tenant(status, Isolation::Pooled);
        let after = leaving(&before, "exports", grace.parse().unwrap(), NOW).unwrap();
        assert_eq!(after.status, TenantStatus::Deleting);
        after.leaving().unwrap().clone()
    }

    #[test]
    fn a_grace_of_nothing_is_the_horizon_behind_the_suspension() {
        let active = asked(TenantStatus::Active, "0");
        assert_eq!(
            (active.purge_at, active.pace.next_at),
            (NOW + REVOCATION_HORIZON, NOW + REVOCATION_HORIZON)
        );
        // Suspended for a day, it has the horizon behind it.
        let suspended = asked(TenantStatus::Suspended, "0");
        assert_eq!((suspended.purge_at, suspended.pace.next_at), (NOW, NOW));
        let graced = asked(TenantStatus::Active, "2592000");
        assert_eq!(
            (graced.purge_at, graced.pace.next_at),
            (NOW + Duration::days(30), NOW + REVOCATION_HORIZON)
        );
    }

    #[test]
    fn who_waits_for_a_silo_leaves_without_an_export_as_soon_as_no_attempt_is_at_work() {
        let work = SiloWork { actor: "arn".into(), retry_at: None };
        let waiting = TenantItem {
            pending: vec![Pending::MakeSilo(work)],
            ..tenant(TenantStatus::Provisioning, Isolation::Siloed)
        };
        let after = leaving(&waiting, "e", GraceSeconds::default(), NOW).unwrap();
        assert_eq!((after.status, &*after.pending), (TenantStatus::Deleting, &[Pending::DisableKeys][..]));
        let leaving = after.leaving().unwrap();
        assert_eq!((leaving.step, leaving.pace.next_at), (Step::BeginPurge, NOW + LEASE));
        assert!(!leaving.can_be_undone());
    }

    #[test]
    fn who_is_not_onboarded_is_not_offboarded() {
        for isolation in [Isolation::Pooled, Isolation::Siloed] {
            for status in [TenantStatus::Provisioning, TenantStatus::Deleting, TenantStatus::Deleted] {
                let refused = leaving(&tenant(status, isolation), "e", GraceSeconds::default(), NOW);
                assert!(matches!(refused, Err(ControlError::Inactive(_))), "{status}");
            }
        }
    }
}
