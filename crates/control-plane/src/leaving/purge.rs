//! The purge: what a tenant has is deleted, kind by kind.

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use tenant_context::ApiKeyId;
use time::Duration;

use super::partitions::Emptied;
use super::{Leaving, Step};
use crate::ControlError;
use crate::batch::Batches;
use crate::item::TenantItem;
use crate::silo::Removed;
use crate::task::{Outcome, Run};

/// Items that are read at once, to be deleted.
const ITEMS: i32 = 250;
/// After how long a silo is looked at again that AWS is deleting: the next run does it.
const REMOVAL: Duration = Duration::seconds(30);

impl Run<'_> {
    /// Deletes the tenant's keys at the gateway. They leave their plans with it.
    pub(super) async fn purge_gateway(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        for key in self.desk.gateway.keys_of(&tenant.tenant_id).await? {
            self.desk.gateway.delete_key(&key).await?;
        }
        leaving.enter(Step::PurgeItems);
        Ok(Outcome::Progress)
    }

    /// Deletes records, and what is known of the tenant's own requests with an `Idempotency-Key`.
    pub(super) async fn purge_items(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let tables = self.tables(tenant).await?;
        for held in self.of_tenant(tenant, &tables) {
            if !self.purge(&held).await? {
                return Ok(Outcome::Progress);
            }
        }
        leaving.enter(Step::PurgeUploads);
        Ok(Outcome::Progress)
    }

    /// Gives up unfinished uploads.
    pub(super) async fn purge_uploads(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let prefix = Self::prefix(tenant);
        for bucket in self.buckets(tenant).await? {
            if !self.contents(&bucket, &prefix).give_up_uploads().await? {
                return Ok(Outcome::Progress);
            }
        }
        leaving.enter(Step::PurgeFiles);
        Ok(Outcome::Progress)
    }

    /// Deletes a listing's worth of files, with all their versions.
    pub(super) async fn purge_files(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let prefix = Self::prefix(tenant);
        for bucket in self.buckets(tenant).await? {
            if !self.contents(&bucket, &prefix).delete_versions().await? {
                return Ok(Outcome::Progress);
            }
        }
        leaving.enter(Step::RemoveSilo);
        Ok(Outcome::Progress)
    }

    /// Removes the tenant's own table and bucket, where there is one of them.
    pub(super) async fn remove_silo(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        if let Some(reason) = self.foreign_silo(tenant).await? {
            return Ok(Outcome::Standstill(reason));
        }
        match self.silos.remove(&tenant.tenant_id, self.budget).await? {
            Removed::Gone => leaving.enter(Step::PurgeKeys),
            Removed::NotYet => leaving.pace.next_at = self.now + REMOVAL,
        }
        Ok(Outcome::Progress)
    }

    /// Deletes what belongs to the keys of a page of the audit: checkpoints, usage, contexts.
    pub(super) async fn purge_keys(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let (keys, next) = self.keys_behind(tenant, leaving).await?;
        for key in &keys {
            for held in self.of_key(key) {
                while !self.purge(&held).await? {
                    if self.budget.is_spent() {
                        // What is deleted is not found again: the page is begun anew.
                        return Ok(Outcome::Progress);
                    }
                }
            }
            if self.has_context(tenant, key).await? {
                let delete = self.desk.delete_context(&tenant.tenant_id, key)?;
                self.desk.transact(&tenant.tenant_id, vec![delete]).await?;
            }
        }
        leaving.pace.cursor = next;
        if leaving.pace.cursor.is_none() {
            leaving.enter(Step::ScrubAudit);
        }
        Ok(Outcome::Progress)
    }

    /// Whether a key opens anything of the tenant's.
    pub(super) async fn has_context(
        &self,
        tenant: &TenantItem,
        key: &ApiKeyId,
    ) -> Result<bool, ControlError> {
        let with_key = TenantItem { keys: vec![key.clone()], ..tenant.clone() };
        Ok(!self.desk.keys(&with_key).await?.is_empty())
    }

    /// Deletes a page of a partition. Answers whether it was the last.
    pub(crate) async fn purge(
        &self,
        Emptied { partition, deletion }: &Emptied<'_>,
    ) -> Result<bool, ControlError> {
        let (items, next) = partition.page(self, None, ITEMS).await?;
        let mut writes = Vec::with_capacity(items.len());
        for item in &items {
            let sort_key = item.get(partition.sort_key).and_then(|value| value.as_s().ok());
            let place = partition.place(sort_key.map_or("", String::as_str));
            let delete = DeleteRequest::builder().set_key(Some(place)).build();
            let delete = delete.map_err(crate::writes::unwritable)?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        let batches = Batches {
            dynamodb: &self.desk.reader.dynamodb,
            table: partition.table,
            meter: &self.desk.reader.meter,
            operation: deletion,
            incomplete: "purge: DynamoDB has not deleted it all",
        };
        batches.write(writes).await?;
        Ok(next.is_none())
    }
}
