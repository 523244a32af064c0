//! What was done to tenants, by whom.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem};
use contract::AuditEntry;
use serde::{Deserialize, Serialize};
use tenant_context::{Aws, AwsFailure, Bound, Meter, OpenError, Operator, Table, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::item::{TenantItem, read, write};

/// How many entries are shown with a tenant.
const SHOWN: i32 = 20;

/// The item of the audit table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuditItem {
    /// Partition key.
    tenant_id: TenantId,
    /// Sort key: the tenant's version after the change, and whether this is what finished it. A tenant's
    /// entries are thus in the order of its changes, and each has one place however often it is written.
    #[serde(rename = "at")]
    place: String,
    entry: AuditEntry,
}

/// Whether an entry is of a change or of its completion, which has no version of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Change,
    Completion,
}

impl AuditItem {
    pub(crate) fn new(
        before: Option<&TenantItem>,
        after: &TenantItem,
        (action, actor, stage): (&str, &str, Stage),
        at: OffsetDateTime,
    ) -> Self {
        let completion = match stage {
            Stage::Change => 0,
            Stage::Completion => 1,
        };
        Self {
            tenant_id: after.tenant_id.clone(),
            place: format!("{:020}#{completion}", after.version),
            entry: AuditEntry {
                at,
                actor: actor.to_owned(),
                action: action.to_owned(),
                before: before.map(TenantItem::snapshot),
                after: after.snapshot(),
            },
        }
    }

    /// The write of the entry, as a part of the transaction of what it tells.
    pub(crate) fn put(&self, table: &str) -> Result<TransactWriteItem, ControlError> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(write("an entry of the audit", self)?))
            .build()
            .map_err(|error| ControlError::Unreadable("a transaction", Box::new(error)))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// What was done to all tenants, for an operator to look at.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Opened>);

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    dynamodb: Client,
    table: String,
    meter: Meter,
}

impl Bound<Operator> for Audit {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened {
            dynamodb: aws.dynamodb().clone(),
            table: aws.table(Table::Audit)?.to_owned(),
            meter: aws.meter().clone(),
        }))
    }

    fn bind(opened: &Arc<Opened>, _: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(opened))
    }
}

impl Audit {
    /// What was last done to the tenant, the newest first, at most 20 entries.
    ///
    /// # Errors
    /// [`ControlError::Aws`], [`ControlError::Unreadable`].
    pub async fn last(&self, id: &TenantId) -> Result<Vec<AuditEntry>, ControlError> {
        let page = self
            .0
            .dynamodb
            .query()
            .table_name(&self.0.table)
            .key_condition_expression("tenant_id = :tenant")
            .expression_attribute_values(":tenant", AttributeValue::S(id.to_string()))
            .scan_index_forward(false)
            .limit(SHOWN)
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("Query on the audit table"))?;
        self.0.meter.add(page.consumed_capacity());
        let items = page.items.unwrap_or_default().into_iter();
        items.map(|item| Ok(read::<AuditItem>("an entry of the audit", item)?.entry)).collect()
    }
}
