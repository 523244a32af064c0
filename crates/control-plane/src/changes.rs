//! Changes of a tenant: who it is, its tier, and whether it is served.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{AdminTenant, FieldError, TenantChange, TenantStatus};
use tenant_context::{Aws, Bound, KeyItem, OpenError, Operator, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::desk::{Change, Desk};
use crate::importing::Importing;
use crate::item::TenantItem;
use crate::leaving::Leaving;
use crate::moving::Moving;
use crate::pending::Pending;
use crate::reading::{has_ended, summary};

/// Changes of tenants, on behalf of an operator.
#[derive(Debug, Clone)]
pub struct Changes {
    desk: Arc<Desk>,
    operator: Arc<Operator>,
}

impl Bound<Operator> for Changes {
    type Opened = Arc<Desk>;

    async fn open(aws: &Aws) -> Result<Arc<Desk>, OpenError> {
        Desk::open(aws)
    }

    fn bind(opened: &Arc<Desk>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { desk: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Changes {
    /// Changes what the request names, if the tenant's version is one that `is_required` takes. A request that
    /// changes nothing makes no version.
    ///
    /// A change that needs API Gateway is committed before the gateway is asked: where that fails, the change
    /// holds, the caller is told so, and the next request or `tenants-reconcile` completes it.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::Version`]; [`ControlError::Invalid`] for a tier without a
    /// plan; [`ControlError::TooManyKeys`] for one that allows fewer keys than the tenant has;
    /// [`ControlError::Transition`] and [`ControlError::Inactive`] for a step that there is not;
    /// [`ControlError::Stale`] and [`ControlError::Busy`] where another request is at work.
    pub async fn update(
        &self,
        id: &TenantId,
        change: &TenantChange,
        is_required: impl Fn(u64) -> bool,
        now: OffsetDateTime,
    ) -> Result<AdminTenant, ControlError> {
        // A suspension waits for nothing, or work that cannot be done would keep the tenant served.
        let is_urgent = change.status == Some(TenantStatus::Suspended) && change.tier.is_none();
        let before = match if is_urgent { None } else { Some(self.desk.ready(id, now).await) } {
            None => self.desk.reader.tenant(id).await?,
            // A move into a plan that is gone is replaced by one into another.
            Some(Err(ControlError::NoPlan)) if change.tier.is_some() => self.desk.reader.tenant(id).await?,
            Some(ready) => ready?,
        };
        if !is_required(before.version) {
            return Err(ControlError::Version(before.tenant_id));
        }
        let contexts = self.desk.keys(&before).await?;
        let mut after = intended(&before, change)?;
        if after == before {
            // A suspension that holds already is answered so, whoever is at work on what is owed to it.
            if !before.pending.is_empty() && !before.is_held(now) {
                self.desk.ready(id, now).await?;
            }
            return Ok(shown(&before, &contexts, now));
        }
        if after.tier != before.tier {
            self.check_number(&contexts, &after.tier, now)?;
            let moved = self.moved(&before, &after.tier, now).await?;
            after.pending.retain(|work| !matches!(work, Pending::Tier { .. }));
            after.pending.push(moved);
        }
        let mut action = if after.tier == before.tier { "tenant.update" } else { "tenant.tier" };
        if after.status != before.status {
            let is_served = after.status == TenantStatus::Active;
            after.pending.push(if is_served { Pending::EnableKeys } else { Pending::DisableKeys });
            action = if is_served { "tenant.resume" } else { "tenant.suspend" };
        }
        let actor = self.operator.arn().to_owned();
        let undone = before.leaving().filter(|_| after.task.is_none());
        let detail = undone.map(|leaving| {
            format!("the offboarding is undone; what was exported to {} is kept", leaving.export.prefix)
        });
        let (removed, request) = (Vec::new(), None);
        let change = Change { before, after, contexts, removed, request, action, actor, detail };
        let finished = Box::pin(self.desk.carry_through(change, now)).await?;
        Ok(shown(&finished.tenant, &finished.contexts, now))
    }

    /// The move of the tenant's keys into the plan of another tier, with what each has used of its quota.
    async fn moved(
        &self,
        before: &TenantItem,
        to: &str,
        now: OffsetDateTime,
    ) -> Result<Pending, ControlError> {
        let gateway = &self.desk.gateway;
        if gateway.plan(to).await?.is_none() {
            return Err(ControlError::Invalid(vec![FieldError {
                pointer: "/tier".to_owned(),
                detail: "must be a tier that has a usage plan".to_owned(),
            }]));
        }
        let owed = before.pending.iter().find_map(|work| match work {
            Pending::Tier { used, noted_at, .. } => Some((used.clone(), *noted_at)),
            Pending::EnableKeys
            | Pending::DisableKeys
            | Pending::NewKey(_)
            | Pending::DropKey { .. }
            | Pending::DeleteKey { .. }
            | Pending::MakeSilo(_)
            | Pending::Grant { .. } => None,
        });
        if let Some((used, noted_at)) = owed {
            return Ok(Pending::Tier { to: to.to_owned(), used, noted_at });
        }
        let mut used = BTreeMap::new();
        if let Some(from) = gateway.plan(&before.tier).await?
            && let Some(limit) = from.limit()
        {
            for key in &before.keys {
                if let Some(remaining) = gateway.remaining(&from, key, now).await? {
                    used.insert(key.clone(), i64::from(limit) - i64::from(remaining));
                }
            }
        }
        Ok(Pending::Tier { to: to.to_owned(), used, noted_at: now })
    }

    /// Checks that the tenant has no more working keys than another tier allows.
    fn check_number(
        &self,
        contexts: &[KeyItem],
        tier: &str,
        now: OffsetDateTime,
    ) -> Result<(), ControlError> {
        let most = self.desk.key_limits.of(tier);
        let working = contexts.iter().filter(|key| !has_ended(key, now)).count();
        if working > most { Err(ControlError::TooManyKeys(most)) } else { Ok(()) }
    }
}

/// The tenant as the request wants it to be.
fn intended(before: &TenantItem, change: &TenantChange) -> Result<TenantItem, ControlError> {
    let mut after = before.clone();
    match (before.leaving(), before.status, change.status) {
        (_, TenantStatus::Active | TenantStatus::Suspended, _) => {}
        (Some(leaving), TenantStatus::Deleting | TenantStatus::Deleted, _) if !leaving.can_be_undone() => {
            return Err(ControlError::Purged(before.tenant_id.clone()));
        }
        // Whoever says that the tenant is to be served, or suspended and no more, undoes its offboarding.
        (Some(_), TenantStatus::Deleting, Some(_)) => {
            after.status = before.status.become_status(TenantStatus::Suspended)?;
            after.task = None;
        }
        (_, TenantStatus::Provisioning | TenantStatus::Deleting | TenantStatus::Deleted, _) => {
            return Err(ControlError::Inactive(before.tenant_id.clone()));
        }
    }
    let TenantChange { name, email, contact, tier, status, status_reason } = change.clone();
    after.name = name.unwrap_or(after.name);
    after.email = email.unwrap_or(after.email);
    after.contact = contact.unwrap_or(after.contact);
    after.tier = tier.unwrap_or(after.tier);
    if let Some(status) = status.filter(|status| *status != before.status) {
        if status != after.status {
            after.status = after.status.become_status(status)?;
        }
        // The reason of the other status is none of this one.
        after.status_reason = None;
    }
    after.status_reason = status_reason.or(after.status_reason);
    Ok(after)
}

/// The answer to a change.
pub(crate) fn shown(tenant: &TenantItem, contexts: &[KeyItem], now: OffsetDateTime) -> AdminTenant {
    AdminTenant {
        tenant: tenant.details(),
        keys: contexts.iter().map(|key| summary(key, now)).collect(),
        offboarding: tenant.leaving().map(Leaving::shown),
        relocation: tenant.moving().map(Moving::shown),
        import: tenant.importing().map(Importing::shown),
        audit: None,
    }
}

#[cfg(test)]
mod tests {
    use contract::{Isolation, OnboardRequest};

    use super::*;

    fn tenant(status: TenantStatus) -> TenantItem {
        let request = OnboardRequest {
            tenant_id: None,
            name: "Acme".into(),
            email: "ops@acme.example".into(),
            contact: [].into(),
            tier: "free".into(),
            isolation: Isolation::Pooled,
        };
        let now = OffsetDateTime::UNIX_EPOCH;
        TenantItem {
            status,
            ..TenantItem::intent("acme".parse().unwrap(), &request, "arn", None, (now, now))
        }
    }

    fn to(status: TenantStatus) -> TenantChange {
        TenantChange { status: Some(status), ..TenantChange::default() }
    }

    #[test]
    fn a_request_for_what_is_already_so_changes_nothing() {
        let active = tenant(TenantStatus::Active);
        assert_eq!(intended(&active, &TenantChange::default()).unwrap(), active);
        assert_eq!(intended(&active, &to(TenantStatus::Active)).unwrap(), active);
    }

    #[test]
    fn a_reason_does_not_outlast_its_status() {
        let mut asked = to(TenantStatus::Suspended);
        asked.status_reason = Some("unpaid".into());
        let suspended = intended(&tenant(TenantStatus::Active), &asked).unwrap();
        assert_eq!(suspended.status_reason.as_deref(), Some("unpaid"));
        assert_eq!(intended(&suspended, &to(TenantStatus::Active)).unwrap().status_reason, None);
    }

    #[test]
    fn a_tenant_that_is_not_onboarded_or_is_leaving_is_not_changed() {
        for status in [TenantStatus::Provisioning, TenantStatus::Deleting, TenantStatus::Deleted] {
            let refused = intended(&tenant(status), &to(TenantStatus::Active));
            assert!(matches!(refused, Err(ControlError::Inactive(_))), "{status}");
        }
    }
}
