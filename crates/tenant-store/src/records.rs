//! The records of one tenant.

use std::sync::Arc;

use contract::{Collection, Json, Page, Record, RecordId};
use tenant_context::{Aws, Bound, OpenError, Table, TenantContext};
use time::OffsetDateTime;
use uuid::{NoContext, Timestamp, Uuid};

use crate::access::{self, Access};
use crate::form::RECORDS;
use crate::item::Stored;
use crate::partition::{Partition, Saved};
use crate::{Cursor, ListScope, Order, Precondition, StoreError};

/// A record's place in the tenant's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKey {
    /// The collection.
    pub collection: Collection,
    /// The id within it.
    pub id: RecordId,
}

impl RecordKey {
    fn sort_key(&self) -> String {
        format!("{}#{}", self.collection, self.id)
    }
}

/// The records of the tenant that the request is for.
#[derive(Debug)]
pub struct Records {
    partition: Partition,
}

/// What the records of all tenants share.
#[derive(Debug)]
pub struct Opened {
    access: access::Opened,
}

impl Bound<TenantContext> for Records {
    type Opened = Opened;

    async fn open(aws: &Aws) -> Result<Opened, OpenError> {
        aws.table(Table::Records)?;
        Ok(Opened { access: Access::open(aws).await? })
    }

    fn bind(opened: &Opened, context: &Arc<TenantContext>, at: OffsetDateTime) -> Self {
        let access = Access::bind(&opened.access, context, at);
        let tenant = context.partition();
        Self { partition: Partition::new(access, context.records_table(), tenant.as_str(), &RECORDS) }
    }
}

impl Records {
    /// The record, if the tenant has it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Aws`].
    pub async fn get(&self, key: &RecordKey) -> Result<Record, StoreError> {
        Ok(record(key.clone(), self.partition.get(&key.sort_key()).await?))
    }

    /// Writes a new record under a time-ordered id.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::Aws`].
    pub async fn create(
        &self,
        collection: Collection,
        data: Json,
        now: OffsetDateTime,
    ) -> Result<Record, StoreError> {
        let nanoseconds = now.nanosecond();
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanoseconds)).to_string();
        let Ok(id) = id.parse() else { unreachable!("a UUID is within the grammar of record ids") };
        let key = RecordKey { collection, id };
        let fresh = Stored::first(key.sort_key(), data, now);
        self.partition.insert(&fresh).await?;
        Ok(record(key, fresh))
    }

    /// Creates or replaces a record under the caller's id.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`], [`StoreError::TooLarge`], [`StoreError::Aws`].
    pub async fn put(
        &self,
        key: &RecordKey,
        data: Json,
        precondition: &Precondition,
        now: OffsetDateTime,
    ) -> Result<Saved<Record>, StoreError> {
        let saved = self.partition.put(key.sort_key(), data, precondition, now).await?;
        Ok(saved.map(|stored| record(key.clone(), stored)))
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::PreconditionFailed`], [`StoreError::Aws`].
    pub async fn delete(&self, key: &RecordKey, precondition: &Precondition) -> Result<(), StoreError> {
        self.partition.delete(&key.sort_key(), precondition).await
    }

    /// A page of a collection in the order of ids.
    ///
    /// A page holds fewer than `limit` records where they are large; `next_cursor` alone tells whether
    /// there are more.
    ///
    /// # Errors
    /// [`StoreError::Aws`].
    pub async fn list(
        &self,
        collection: &Collection,
        order: Order,
        limit: usize,
        cursor: Option<Cursor>,
    ) -> Result<Page<Record>, StoreError> {
        let scope = ListScope::from(collection);
        // Ids outside the grammar are of a tenant's own making: no route reaches them.
        let read = |stored: Stored| {
            let id = stored.sort_key.strip_prefix(scope.prefix())?.parse().ok()?;
            Some(record(RecordKey { collection: collection.clone(), id }, stored))
        };
        self.partition.list(&scope, order, limit, cursor, read).await
    }
}

fn record(key: RecordKey, stored: Stored) -> Record {
    Record {
        id: key.id,
        collection: key.collection,
        version: stored.version,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        data: stored.content,
    }
}
