//! The records of one tenant.

use std::sync::Arc;

use contract::{Collection, Json, Page, Record, RecordId};
use tenant_context::{Aws, Bound, OpenError, Table, TenantContext};
use time::OffsetDateTime;

use crate::access::{self, Access, Work};
use crate::form::RECORDS;
use crate::idempotency::{Made, Once, Turn};
use crate::item::{Stored, fresh_id};
use crate::partition::{Partition, Saved};
use crate::{Cursor, ListScope, Order, Precondition, StoreError};

/// The record's id, by the name that an earlier request's item has for it.
const ID: &str = "id";

/// A record's place in the tenant's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKey {
    /// The collection.
    pub collection: Collection,
    /// The id within it.
    pub id: RecordId,
}

impl RecordKey {
    pub(crate) fn sort_key(&self) -> String {
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

    /// Writes a new record under a time-ordered id. What `once` has made before is answered as it was then,
    /// whatever has become of the record.
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::TooLarge`], [`StoreError::Aws`]; with `once`
    /// [`StoreError::KeyReused`], [`StoreError::KeyInUse`].
    pub async fn create(
        &self,
        collection: Collection,
        data: Json,
        now: OffsetDateTime,
        once: Option<Once>,
    ) -> Result<Made<Record>, StoreError> {
        self.partition.allow(Work::Write)?;
        let id = fresh_id(now);
        let once = once.map(|once| once.making(ID, id.as_str()));
        let Ok(id) = id.parse() else { unreachable!("a UUID is within the grammar of record ids") };
        let key = RecordKey { collection, id };
        let fresh = Stored::first(key.sort_key(), data, now);
        let turn = match once {
            None => {
                self.partition.insert(&fresh).await?;
                Turn::First
            }
            // Large, and not needed for a request without a key.
            Some(once) => Box::pin(self.partition.insert_once(&fresh, &once)).await?,
        };
        match turn {
            Turn::First => Ok(Made::first(record(key, fresh))),
            Turn::Again(earlier) => {
                let id = earlier.made(ID).and_then(|id| id.parse().ok());
                let key = RecordKey { id: id.ok_or(StoreError::Incomplete("a repeated request"))?, ..key };
                // Its body is the same, or it would not have been the same request.
                let first = Stored::first(key.sort_key(), fresh.content, earlier.created_at);
                Ok(Made::again(record(key, first)))
            }
        }
    }

    /// Creates or replaces a record under the caller's id.
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::PreconditionFailed`], [`StoreError::TooLarge`],
    /// [`StoreError::Aws`].
    pub async fn put(
        &self,
        key: &RecordKey,
        data: Json,
        precondition: &Precondition,
        now: OffsetDateTime,
    ) -> Result<Saved<Record>, StoreError> {
        self.partition.allow(Work::Write)?;
        let saved = self.partition.put(key.sort_key(), data, precondition, now).await?;
        Ok(saved.map(|stored| record(key.clone(), stored)))
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::NotFound`], [`StoreError::PreconditionFailed`],
    /// [`StoreError::Aws`].
    pub async fn delete(&self, key: &RecordKey, precondition: &Precondition) -> Result<(), StoreError> {
        self.partition.allow(Work::Write)?;
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

pub(crate) fn record(key: RecordKey, stored: Stored) -> Record {
    Record {
        id: key.id,
        collection: key.collection,
        version: stored.version,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        data: stored.content,
    }
}
