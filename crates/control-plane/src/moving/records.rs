//! Records of the pool, brought into the silo: what is there and not here is put, what is here and not there deleted.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};

use super::Moving;
use crate::ControlError;
use crate::batch::Batches;
use crate::item::TenantItem;
use crate::task::{Item, Outcome, Partition, Run};

/// Items of one page of the pool.
const PAGE: i32 = 500;

impl Run<'_> {
    /// Makes a page of the silo's records what they are in the pool. The cursor is the sort key behind which the next
    /// page begins.
    pub(super) async fn copy_records(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let silo = self.stores.silo(tenant)?;
        let (from, to) = (self.records(&self.stores.records, tenant), self.records(&silo.records, tenant));
        let behind = moving.pace.cursor.as_deref();
        let (wanted, next) = from.page(self, behind, PAGE).await?;
        let mut present = self.up_to(&to, behind, next.as_deref()).await?;
        let mut writes = Vec::new();
        for item in wanted {
            let Some(sort_key) = to.sort_key_of(&item) else { continue };
            if present.remove(sort_key).is_some_and(|there| there == item) {
                continue;
            }
            let put =
                PutRequest::builder().set_item(Some(item)).build().map_err(crate::writes::unwritable)?;
            writes.push(WriteRequest::builder().put_request(put).build());
        }
        moving.copied.records += writes.len() as u64;
        for sort_key in present.keys() {
            let delete = DeleteRequest::builder().set_key(Some(to.place(sort_key))).build();
            let delete = delete.map_err(crate::writes::unwritable)?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        let batches = Batches {
            dynamodb: &self.desk.reader.dynamodb,
            table: to.table,
            meter: &self.desk.reader.meter,
            operation: "BatchWriteItem on a silo's table",
            incomplete: "DynamoDB has not taken all records; it is gone on within a minute",
        };
        batches.write(writes).await?;
        moving.pace.cursor = next;
        if moving.pace.cursor.is_none() {
            moving.records_copied();
        }
        Ok(Outcome::Progress)
    }

    /// The items of a partition behind one sort key up to another, or up to its end, by their sort keys.
    async fn up_to(
        &self,
        partition: &Partition<'_>,
        behind: Option<&str>,
        last: Option<&str>,
    ) -> Result<HashMap<String, Item>, ControlError> {
        let mut found = HashMap::new();
        let mut behind = behind.map(str::to_owned);
        loop {
            let (items, next) = partition.page_up_to(self, behind.as_deref(), last, PAGE).await?;
            for item in items {
                if let Some(sort_key) = partition.sort_key_of(&item).map(str::to_owned) {
                    found.insert(sort_key, item);
                }
            }
            behind = next;
            if behind.is_none() {
                return Ok(found);
            }
        }
    }
}
