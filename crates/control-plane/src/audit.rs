//! What was done to tenants, by whom.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem};
use contract::AuditEntry;
use serde::{Deserialize, Serialize};
use tenant_context::{Aws, AwsFailure, Bound, Meter, OpenError, Operator, Table, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::item::{TenantItem, milliseconds, read, write};
use crate::writes::unwritable;

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

/// Whether an entry is of a change, of its completion, which has no version of its own, or of the end of an
/// onboarding that broke off, behind which the versions begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Change,
    Completion,
    Withdrawal,
}

impl AuditItem {
    pub(crate) fn new(
        before: Option<&TenantItem>,
        after: &TenantItem,
        (action, actor, stage): (&str, &str, Stage),
        at: OffsetDateTime,
    ) -> Self {
        let place = match stage {
            Stage::Change => format!("{:020}#0", after.version),
            Stage::Completion => format!("{:020}#1", after.version),
            Stage::Withdrawal => format!("{:020}#{}", 0, milliseconds(at)),
        };
        Self {
            tenant_id: after.tenant_id.clone(),
            place,
            entry: AuditEntry {
                at,
                actor: actor.to_owned(),
                action: action.to_owned(),
                detail: None,
                before: before.map(TenantItem::snapshot),
                after: after.snapshot(),
            },
        }
    }

    /// The entry with what the snapshots do not tell.
    pub(crate) fn with_detail(mut self, detail: Option<String>) -> Self {
        self.entry.detail = detail;
        self
    }

    /// The ids of the keys that the tenant came to have.
    pub(crate) fn new_keys(&self) -> impl Iterator<Item = &str> {
        let had = self.entry.before.as_ref().map_or(&[][..], |before| &before.keys);
        self.entry.after.keys.iter().filter(|key| !had.contains(key)).map(String::as_str)
    }

    /// The entry without names, addresses and reasons; none where it has none.
    pub(crate) fn scrubbed(&self) -> Option<Self> {
        let mut scrubbed = self.clone();
        for snapshot in scrubbed.entry.before.iter_mut().chain([&mut scrubbed.entry.after]) {
            snapshot.name.clear();
            snapshot.email.clear();
            snapshot.contact.clear();
            snapshot.status_reason = None;
        }
        (scrubbed != *self).then_some(scrubbed)
    }

    /// The write of the entry, as a part of the transaction of what it tells.
    pub(crate) fn put(&self, table: &str) -> Result<TransactWriteItem, ControlError> {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(write("an entry of the audit", self)?))
            .build()
            .map_err(unwritable)?;
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

#[cfg(test)]
mod tests {
    use contract::{Isolation, OnboardRequest};

    use super::*;

    fn tenant(keys: &[&str]) -> TenantItem {
        let request = OnboardRequest {
            tenant_id: None,
            name: "Acme".into(),
            email: "ops@acme.example".into(),
            contact: [("phone".to_owned(), "555".to_owned())].into(),
            tier: "free".into(),
            isolation: Isolation::Pooled,
        };
        let now = OffsetDateTime::UNIX_EPOCH;
        let intent = TenantItem::intent("acme".parse().unwrap(), &request, "arn", None, (now, now));
        TenantItem {
            keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
            status_reason: Some("Jane has not paid".into()),
            ..intent
        }
    }

    fn entry(before: Option<&TenantItem>, after: &TenantItem) -> AuditItem {
        AuditItem::new(before, after, ("tenant.update", "arn", Stage::Change), OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_scrubbed_entry_tells_ids_and_steps_and_nobodys_name() {
        let (before, after) = (tenant(&["k1"]), tenant(&["k1", "k2"]));
        let scrubbed = entry(Some(&before), &after).scrubbed().unwrap();
        let text = serde_json::to_string(&scrubbed).unwrap();
        for personal in ["Acme", "ops@", "555", "phone", "Jane"] {
            assert!(!text.contains(personal), "{personal}: {text}");
        }
        for kept in ["acme", "k1", "k2", "free", "tenant.update"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        // It is written once.
        assert_eq!(scrubbed.scrubbed(), None);
    }

    #[test]
    fn each_key_is_new_in_one_entry() {
        let (none, one, two) = (tenant(&[]), tenant(&["k1"]), tenant(&["k2", "k1"]));
        let new = |entry: AuditItem| entry.new_keys().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(new(entry(None, &one)), ["k1"]);
        assert_eq!(new(entry(Some(&one), &two)), ["k2"]);
        assert!(new(entry(Some(&two), &one)).is_empty() && new(entry(Some(&one), &none)).is_empty());
    }
}
