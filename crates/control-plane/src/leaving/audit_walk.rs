//! A tenant's audit, page by page: which keys it ever had, and who it was.

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use tenant_context::ApiKeyId;

use super::{Leaving, SETTLING, Step};
use crate::ControlError;
use crate::audit::AuditItem;
use crate::batch::Batches;
use crate::item::{TenantItem, read, write};
use crate::task::{Outcome, Partition, Run};

/// Entries of one page. Each brings a key or two at most, and is written as a whole where it is changed.
const PAGE: i32 = 25;

impl Run<'_> {
    fn audit<'a>(&'a self, tenant: &'a TenantItem) -> Partition<'a> {
        Partition {
            table: self.desk.audit(),
            key: ("tenant_id", tenant.tenant_id.as_str()),
            sort_key: "at",
            operation: "Query on the audit table",
        }
    }

    /// The keys that the tenant came to have in the entries of a page behind the cursor, and the next cursor. With the
    /// first page come those that it had at last. A key is in one page alone, but for these.
    pub(super) async fn keys_behind(
        &self,
        tenant: &TenantItem,
        leaving: &Leaving,
    ) -> Result<(Vec<ApiKeyId>, Option<String>), ControlError> {
        let behind = leaving.pace.cursor.as_deref();
        let (items, next) = self.audit(tenant).page(self, behind, PAGE).await?;
        let mut keys = if behind.is_none() { leaving.keys.clone() } else { Vec::new() };
        for item in items {
            let entry = read::<AuditItem>("an entry of the audit", item)?;
            keys.extend(entry.new_keys().filter_map(|key| key.parse::<ApiKeyId>().ok()));
        }
        keys.sort();
        keys.dedup();
        Ok((keys, next))
    }

    /// Takes names, addresses and reasons out of the entries of a page. Behind the last one it is waited before it is
    /// counted what is left.
    pub(super) async fn scrub_audit(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let (items, next) = self.audit(tenant).page(self, leaving.pace.cursor.as_deref(), PAGE).await?;
        let mut writes = Vec::new();
        for item in items {
            let entry = read::<AuditItem>("an entry of the audit", item)?;
            if let Some(scrubbed) = entry.scrubbed() {
                let item = write("an entry of the audit", &scrubbed)?;
                let put = PutRequest::builder().set_item(Some(item)).build();
                let put = put.map_err(crate::writes::unwritable)?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
        }
        let batches = Batches {
            dynamodb: &self.desk.reader.dynamodb,
            table: self.desk.audit(),
            meter: &self.desk.reader.meter,
            operation: "BatchWriteItem on the audit table",
            incomplete: "audit: DynamoDB has not written it all",
        };
        batches.write(writes).await?;
        leaving.pace.cursor = next;
        if leaving.pace.cursor.is_none() {
            leaving.enter(Step::CountKeys);
            leaving.pace.next_at = self.now + SETTLING;
        }
        Ok(Outcome::Progress)
    }
}
