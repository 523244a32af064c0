//! What is left of a tenant: nothing, or it is purged again.

use super::{Leaving, Step, buried};
use crate::ControlError;
use crate::item::TenantItem;
use crate::task::{Outcome, Run};

impl Run<'_> {
    /// Looks for what is left of the keys of a page of the audit.
    pub(super) async fn count_keys(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let (keys, next) = self.keys_behind(tenant, leaving).await?;
        for key in &keys {
            for held in self.of_key(key) {
                if held.partition.holds_any(self).await? {
                    return Ok(again(leaving));
                }
            }
            if self.has_context(tenant, key).await? {
                return Ok(again(leaving));
            }
        }
        leaving.pace.cursor = next;
        if leaving.pace.cursor.is_none() {
            leaving.enter(Step::Count);
        }
        Ok(Outcome::Progress)
    }

    /// Looks for what is left of the tenant itself. Where there is nothing, it becomes its tombstone.
    pub(super) async fn count(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let tables = self.tables(tenant).await?;
        for held in self.of_tenant(tenant, &tables) {
            if held.partition.holds_any(self).await? {
                return Ok(again(leaving));
            }
        }
        let prefix = Self::prefix(tenant);
        for bucket in self.buckets(tenant).await? {
            if self.contents(&bucket, &prefix).has_any().await? {
                return Ok(again(leaving));
            }
        }
        if self.silos.holds_anything(&tenant.tenant_id).await?
            || !self.desk.gateway.keys_of(&tenant.tenant_id).await?.is_empty()
        {
            return Ok(again(leaving));
        }
        buried(self, tenant, leaving)
    }
}

/// Something is left: the purge begins again.
fn again(leaving: &mut Leaving) -> Outcome {
    leaving.recounts += 1;
    leaving.enter(Step::PurgeGateway);
    Outcome::Progress
}
