//! The checkpoints of one API key.

use std::sync::Arc;

use contract::{Checkpoint, CheckpointName, Json, Page};
use tenant_context::{Aws, Bound, OpenError, Table, TenantContext};
use time::OffsetDateTime;

use crate::access::{self, Access, Work};
use crate::form::CHECKPOINTS;
use crate::item::Stored;
use crate::partition::{Partition, Saved};
use crate::{Cursor, ListScope, Order, Precondition, StoreError};

/// The checkpoints of the API key that the request came with.
///
/// They lie in one table for all keys, those of siloed tenants too, partitioned by the key's id: another key
/// of the same tenant has checkpoints of its own.
#[derive(Debug)]
pub struct Checkpoints {
    partition: Partition,
}

/// What the checkpoints of all keys share.
#[derive(Debug)]
pub struct Opened {
    access: access::Opened,
    table: String,
}

impl Bound<TenantContext> for Checkpoints {
    type Opened = Opened;

    async fn open(aws: &Aws) -> Result<Opened, OpenError> {
        let table = aws.table(Table::Checkpoints)?.to_owned();
        Ok(Opened { access: Access::open(aws).await?, table })
    }

    fn bind(opened: &Opened, context: &Arc<TenantContext>, at: OffsetDateTime) -> Self {
        let access = Access::bind(&opened.access, context, at);
        let key = context.key_partition();
        Self { partition: Partition::new(access, opened.table.clone(), key.as_str(), &CHECKPOINTS) }
    }
}

impl Checkpoints {
    /// The checkpoint, if the key has it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Aws`].
    pub async fn get(&self, name: &CheckpointName) -> Result<Checkpoint, StoreError> {
        Ok(checkpoint(name.clone(), self.partition.get(name.as_str()).await?))
    }

    /// Creates or replaces a checkpoint.
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::PreconditionFailed`], [`StoreError::Aws`].
    pub async fn put(
        &self,
        name: &CheckpointName,
        value: Json,
        precondition: &Precondition,
        now: OffsetDateTime,
    ) -> Result<Saved<Checkpoint>, StoreError> {
        self.partition.allow(Work::Write)?;
        let saved = self.partition.put(name.to_string(), value, precondition, now).await?;
        Ok(saved.map(|stored| checkpoint(name.clone(), stored)))
    }

    /// Deletes a checkpoint.
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::NotFound`], [`StoreError::PreconditionFailed`], [`StoreError::Aws`].
    pub async fn delete(&self, name: &CheckpointName, precondition: &Precondition) -> Result<(), StoreError> {
        self.partition.allow(Work::Write)?;
        self.partition.delete(name.as_str(), precondition).await
    }

    /// A page of the key's checkpoints in the order of names. `next_cursor` alone tells whether there are
    /// more.
    ///
    /// # Errors
    /// [`StoreError::Aws`].
    pub async fn list(
        &self,
        order: Order,
        limit: usize,
        cursor: Option<Cursor>,
    ) -> Result<Page<Checkpoint>, StoreError> {
        // Names outside the grammar are of a tenant's own making: no route reaches them.
        let read = |stored: Stored| Some(checkpoint(stored.sort_key.parse().ok()?, stored));
        self.partition.list(&ListScope::checkpoints(), order, limit, cursor, read).await
    }
}

pub(crate) fn checkpoint(name: CheckpointName, stored: Stored) -> Checkpoint {
    Checkpoint { name, version: stored.version, updated_at: stored.updated_at, value: stored.content }
}
