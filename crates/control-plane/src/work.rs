//! The work that API Gateway owes to a change. Each piece can be done again and ends in the same state.

use contract::TenantStatus;
use tenant_context::ApiKeyId;
use time::OffsetDateTime;

use crate::ControlError;
use crate::desk::Desk;
use crate::gateway::{GatewayKey, Plan};
use crate::item::TenantItem;
use crate::pending::Pending;

/// Most requests that a key can have left: API Gateway counts in 32 bits with a sign.
pub(crate) const MOST_LEFT: u32 = i32::MAX.unsigned_abs();

impl Desk {
    /// Does one piece of work. Answers the key that it has made.
    pub(crate) async fn carry_out(
        &self,
        tenant: &TenantItem,
        work: &Pending,
        now: OffsetDateTime,
    ) -> Result<Option<GatewayKey>, ControlError> {
        match work {
            Pending::Tier { to, used, noted_at } => {
                let to = self.plan_of(to).await?;
                for key in &tenant.keys {
                    // A key cannot be in two plans of one stage, so it is in none between these calls.
                    for other in self.gateway.plans_of(key).await? {
                        if other != to.id {
                            self.gateway.leave_plan(&other, key).await?;
                        }
                    }
                    // A key that was deleted at the gateway by hand keeps none of the others back.
                    if !self.gateway.ensure_in_plan(&to.id, key).await? {
                        continue;
                    }
                    if let (Some(limit), Some(used)) = (to.limit(), used.get(key))
                        && to.is_one_period(*noted_at, now)
                    {
                        let remaining = (i64::from(limit) - used).clamp(0, i64::from(MOST_LEFT));
                        self.hand_over(&to, key, u32::try_from(remaining).unwrap_or(MOST_LEFT)).await?;
                    }
                }
            }
            // Whichever of the two was asked for last is what the tenant says.
            Pending::EnableKeys | Pending::DisableKeys => {
                let enabled = tenant.status == TenantStatus::Active;
                for key in &tenant.keys {
                    self.gateway.set_enabled(key, enabled).await?;
                }
            }
            Pending::DeleteKey { api_key_id } => {
                self.gateway.delete_key(api_key_id).await?;
                self.checkpoints.delete(api_key_id).await?;
            }
            Pending::DropKey { name, .. } => {
                // The key goes last: it is by its name that what was copied for it is found again.
                if let Some(key) = self.gateway.key_id(name).await? {
                    self.checkpoints.delete(&key).await?;
                    self.gateway.delete_key(&key).await?;
                }
            }
            Pending::Grant { api_key_id, remaining, noted_at } => {
                // A plan or a key that is gone meanwhile has nothing left to be set, and a new period its own quota.
                if let Some(plan) = self.gateway.plan(&tenant.tier).await?
                    && plan.is_one_period(*noted_at, now)
                {
                    self.gateway.set_remaining(&plan, api_key_id, *remaining).await?;
                }
            }
            // It takes longer than a request, and a role of its own: see `provisioning`.
            Pending::MakeSilo(_) => {}
            Pending::NewKey(key) => {
                return self.make_key(tenant, &key.name, key.rotate.as_ref(), now).await.map(Some);
            }
        }
        Ok(None)
    }

    /// The plan of a tier that tenants are in.
    pub(crate) async fn plan_of(&self, tier: &str) -> Result<Plan, ControlError> {
        self.gateway.plan(tier).await?.ok_or(ControlError::NoPlan)
    }

    /// Sets what a key has left that was just put into the plan.
    async fn hand_over(&self, plan: &Plan, key: &ApiKeyId, remaining: u32) -> Result<(), ControlError> {
        if self.gateway.set_remaining(plan, key, remaining).await? {
            return Ok(());
        }
        // Left so, the key would have all of the quota.
        Err(ControlError::Incomplete("key in the plan that it was put into"))
    }

    /// Makes a key, or finds the one that an earlier attempt has made. It opens nothing before its context is
    /// written, which is why what it takes over can be read and written again.
    async fn make_key(
        &self,
        tenant: &TenantItem,
        name: &str,
        rotate: Option<&ApiKeyId>,
        now: OffsetDateTime,
    ) -> Result<GatewayKey, ControlError> {
        let plan = self.plan_of(&tenant.tier).await?;
        let description = format!("Tenantry: tenant {}", tenant.tenant_id);
        let key = self.gateway.ensure_key(name, &description).await?;
        if !self.gateway.ensure_in_plan(&plan.id, &key.id).await? {
            return Err(ControlError::Incomplete("new key"));
        }
        if let Some(old) = rotate {
            if let Some(remaining) = self.gateway.remaining(&plan, old, now).await? {
                self.hand_over(&plan, &key.id, remaining).await?;
            }
            self.checkpoints.copy(old, &key.id).await?;
        }
        Ok(key)
    }
}
