//! Where there is something of a tenant's: what is purged is what is counted then.

use contract::Isolation;
use tenant_context::ApiKeyId;

use crate::ControlError;
use crate::file_removal::Contents;
use crate::item::TenantItem;
use crate::task::{Partition, Run};

/// A partition in which there is nothing but what goes with the tenant.
#[derive(Debug)]
pub(crate) struct Emptied<'a> {
    pub(crate) partition: Partition<'a>,
    /// For errors of its purge.
    pub(crate) deletion: &'static str,
}

impl Run<'_> {
    /// What the keys of the tenant's files begin with.
    pub(crate) fn prefix(tenant: &TenantItem) -> String {
        // No id holds a slash, so no tenant's prefix begins another's.
        format!("{}/", tenant.tenant_id)
    }

    /// A key's partition of the checkpoints.
    pub(crate) fn checkpoints<'a>(&'a self, key: &'a ApiKeyId) -> Partition<'a> {
        Partition::checkpoints(&self.desk.checkpoints.table, key)
    }

    /// The partitions of the tenant itself: its records in each of the tables, and its requests with an
    /// `Idempotency-Key`.
    pub(crate) fn of_tenant<'a>(&'a self, tenant: &'a TenantItem, tables: &'a [String]) -> Vec<Emptied<'a>> {
        let records = tables.iter().map(|table| Emptied {
            partition: Partition::records(table, &tenant.tenant_id),
            deletion: "BatchWriteItem on a table of records",
        });
        let requests = Emptied {
            partition: Partition {
                table: self.desk.requests(),
                key: ("tenant_id", tenant.tenant_id.as_str()),
                sort_key: "route_key",
                operation: "Query on the idempotency table",
            },
            deletion: "BatchWriteItem on the idempotency table",
        };
        records.chain([requests]).collect()
    }

    /// The partitions of a key.
    pub(crate) fn of_key<'a>(&'a self, key: &'a ApiKeyId) -> [Emptied<'a>; 2] {
        let usage = Partition {
            table: &self.stores.usage,
            key: ("api_key_id", key.as_str()),
            sort_key: "day",
            operation: "Query on the usage table",
        };
        [
            Emptied { partition: self.checkpoints(key), deletion: "BatchWriteItem on the checkpoints table" },
            Emptied { partition: usage, deletion: "BatchWriteItem on the usage table" },
        ]
    }

    /// The tables that may hold records of the tenant's, whatever its isolation: the pool's, and its own where there
    /// is one.
    pub(crate) async fn tables(&self, tenant: &TenantItem) -> Result<Vec<String>, ControlError> {
        let own = self.silos.table(&tenant.tenant_id).await?;
        Ok([self.stores.pool().records].into_iter().chain(own).collect())
    }

    /// The buckets that may hold files of the tenant's, as `tables` of its records.
    pub(crate) async fn buckets(&self, tenant: &TenantItem) -> Result<Vec<String>, ControlError> {
        let own = self.silos.bucket(&tenant.tenant_id).await?;
        Ok([self.stores.pool().files].into_iter().chain(own).collect())
    }

    /// What keeps the names of a silo from being deleted together with a pooled tenant: something in it, which is not
    /// known to be the tenant's. In words.
    pub(crate) async fn foreign_silo(&self, tenant: &TenantItem) -> Result<Option<String>, ControlError> {
        match tenant.isolation {
            Isolation::Pooled => self.silos.left_over(&tenant.tenant_id).await,
            Isolation::Siloed => Ok(None),
        }
    }

    /// What a bucket holds behind a prefix.
    pub(crate) fn contents<'a>(&'a self, bucket: &'a str, prefix: &'a str) -> Contents<'a> {
        Contents { s3: &self.stores.s3, bucket, prefix, account: &self.stores.account }
    }
}
