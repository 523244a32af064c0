//! The context of a request.

use std::fmt;
use std::sync::Arc;

use contract::{Isolation, TenantView};
use time::OffsetDateTime;

use crate::bound::{Bound, OpenError};
use crate::names::Pool;
use crate::{ApiKeyId, Aws, Held, KeyItem, KeyPartition, ObjectPrefix, PartitionKey, TenantId};

/// The tenant on whose behalf a request runs.
///
/// Only [`crate::Contexts`] makes one, from the key id that API Gateway has validated.
pub struct TenantContext {
    item: KeyItem,
    pool: Arc<Pool>,
}

impl TenantContext {
    pub(crate) fn new(item: KeyItem, pool: Arc<Pool>) -> Self {
        Self { item, pool }
    }

    pub(crate) fn item(&self) -> &KeyItem {
        &self.item
    }

    /// The tenant's id.
    #[must_use]
    pub fn tenant_id(&self) -> &TenantId {
        &self.item.tenant_id
    }

    /// The calling key's id.
    #[must_use]
    pub fn api_key_id(&self) -> &ApiKeyId {
        &self.item.api_key_id
    }

    /// The name of the tenant's tier.
    #[must_use]
    pub fn tier(&self) -> &str {
        &self.item.tier
    }

    /// Where the tenant's data lies.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.item.isolation
    }

    /// What the tenant's requests have to wait for.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        self.item.held
    }

    /// The partition of the tenant's items in every table that is partitioned by tenant.
    #[must_use]
    pub fn partition(&self) -> PartitionKey {
        PartitionKey::of(self.tenant_id())
    }

    /// The partition of the calling key's items in every table that is partitioned by API key.
    #[must_use]
    pub fn key_partition(&self) -> KeyPartition {
        KeyPartition::of(self.api_key_id())
    }

    /// The table of the tenant's records.
    #[must_use]
    pub fn records_table(&self) -> String {
        self.pool.records_table(self.tenant_id(), self.isolation())
    }

    /// The bucket of the tenant's files.
    #[must_use]
    pub fn files_bucket(&self) -> String {
        self.pool.files_bucket(self.tenant_id(), self.isolation())
    }

    /// What the keys of the tenant's objects begin with.
    #[must_use]
    pub fn object_prefix(&self) -> ObjectPrefix {
        ObjectPrefix::of(self.tenant_id())
    }
}

impl fmt::Debug for TenantContext {
    /// Names and addresses of people stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantContext")
            .field("tenant_id", self.tenant_id())
            .field("api_key_id", self.api_key_id())
            .field("isolation", &self.isolation())
            .finish_non_exhaustive()
    }
}

/// What a handler may know of its caller.
#[derive(Debug, Clone)]
pub struct Caller(Arc<TenantContext>);

impl Caller {
    /// The caller's tenant as it is answered.
    #[must_use]
    pub fn view(&self) -> TenantView {
        let item = self.0.item();
        TenantView {
            tenant_id: item.tenant_id.to_string(),
            name: item.name.clone(),
            tier: item.tier.clone(),
            isolation: item.isolation,
            status: item.status,
            created_at: item.created_at,
            api_key_id: item.api_key_id.to_string(),
        }
    }
}

impl Bound<TenantContext> for Caller {
    type Opened = ();

    async fn open(_: &Aws) -> Result<(), OpenError> {
        Ok(())
    }

    fn bind((): &(), context: &Arc<TenantContext>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(context))
    }
}
