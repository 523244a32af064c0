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
        let (from, to) = (
            Partition::records(&self.stores.records, &tenant.tenant_id),
            Partition::records(&silo.records, &tenant.tenant_id),
        );
        let behind = moving.pace.cursor.as_deref();
        let (wanted, next_wanted) = from.page(self, behind, PAGE).await?;
        let (present, next_present) = to.page_up_to(self, behind, next_wanted.as_deref(), PAGE).await?;
        // Where much was deleted in the pool the silo's page ends first, and so does this one.
        let next = next_present.or(next_wanted);
        let place = |item| Some((to.sort_key_of(&item)?.to_owned(), item));
        let mut present: HashMap<String, Item> = present.into_iter().filter_map(place).collect();
        let mut writes = Vec::new();
        for item in wanted {
            let Some(sort_key) = to.sort_key_of(&item) else { continue };
            if next.as_deref().is_some_and(|next| sort_key > next) {
                continue;
            }
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
}
