//! The work that API Gateway owes to a change. Each piece can be done again and ends in the same state.

use tenant_context::ApiKeyId;
use time::OffsetDateTime;

use crate::ControlError;
use crate::desk::Desk;
use crate::gateway::{GatewayKey, Plan};
use crate::item::TenantItem;
use crate::pending::Pending;

impl Desk {
    /// Does one piece of work. Answers the key that it has made.
    pub(crate) async fn carry_out(
        &self,
        tenant: &TenantItem,
        work: &Pending,
        now: OffsetDateTime,
    ) -> Result<Option<GatewayKey>, ControlError> {
        match work {
            Pending::Tier { from, to, used } => {
                let (from, to) = (self.gateway.plan(from).await?, self.plan_of(to).await?);
                for key in &tenant.keys {
                    // A key cannot be in two plans of one stage, so it is in none between these two calls.
                    if let Some(from) = &from {
                        self.gateway.leave_plan(&from.id, key).await?;
                    }
                    // A key that was deleted at the gateway by hand keeps none of the others back.
                    if !self.gateway.ensure_in_plan(&to.id, key).await? {
                        continue;
                    }
                    if let (Some(quota), Some(used)) = (to.quota, used.get(key)) {
                        self.gateway.set_remaining(&to, key, quota.saturating_sub(*used)).await?;
                    }
                }
            }
            Pending::EnableKeys => self.set_enabled(tenant, true).await?,
            Pending::DisableKeys => self.set_enabled(tenant, false).await?,
            Pending::DeleteKey { api_key_id } => {
                self.gateway.delete_key(api_key_id).await?;
                self.checkpoints.delete(api_key_id).await?;
            }
            Pending::NewKey { name, rotate, .. } => {
                return self.make_key(tenant, name, rotate.as_ref(), now).await.map(Some);
            }
        }
        Ok(None)
    }

    /// The plan of a tier that tenants are in.
    pub(crate) async fn plan_of(&self, tier: &str) -> Result<Plan, ControlError> {
        self.gateway.plan(tier).await?.ok_or(ControlError::Incomplete("usage plan of the tenant's tier"))
    }

    async fn set_enabled(&self, tenant: &TenantItem, enabled: bool) -> Result<(), ControlError> {
        for key in &tenant.keys {
            self.gateway.set_enabled(key, enabled).await?;
        }
        Ok(())
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
                self.gateway.set_remaining(&plan, &key.id, remaining).await?;
            }
            self.checkpoints.copy(old, &key.id).await?;
        }
        Ok(key)
    }
}
