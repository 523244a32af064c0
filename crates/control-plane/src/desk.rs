//! Where changes of a tenant's life are committed and carried out.
//!
//! A change is one transaction: the tenant in its next version, the contexts of its keys, a row of the audit,
//! and the work that API Gateway owes to it. The work is done afterwards, under the tenant's lease, by whoever
//! made the change; where that one broke off, by whoever comes next once the lease is over.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnConsumedCapacity, TransactWriteItem};
use tenant_context::{ApiKeyId, Aws, AwsFailure, KeyItem, OpenError, Table, TenantId};
use time::{Duration, OffsetDateTime};

use crate::ControlError;
use crate::audit::{AuditItem, Stage};
use crate::checkpoints::KeysCheckpoints;
use crate::gateway::{Gateway, GatewayKey};
use crate::item::{TenantItem, timestamp, write};
use crate::onboarding::LEASE;
use crate::pending::Pending;
use crate::reading::Reader;

/// Tables and gateway, for whoever changes tenants.
#[derive(Debug)]
pub struct Desk {
    pub(crate) reader: Reader,
    pub(crate) gateway: Gateway,
    pub(crate) checkpoints: KeysCheckpoints,
    audit: String,
}

/// A change that is to be committed.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) before: TenantItem,
    /// The tenant as it is to be. Version, time, keys and lease are set by the commit.
    pub(crate) after: TenantItem,
    /// The keys that it is to have. What they say of the tenant is set by the commit.
    pub(crate) contexts: Vec<KeyItem>,
    /// The keys that it had and is to have no longer.
    pub(crate) removed: Vec<ApiKeyId>,
    /// What is done, for the audit.
    pub(crate) action: &'static str,
    /// Who does it.
    pub(crate) actor: String,
}

/// A change whose work is done.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) tenant: TenantItem,
    /// The contexts of its keys.
    pub(crate) contexts: Vec<KeyItem>,
    /// The key that was made, with its value for the one answer that tells it.
    pub(crate) key: Option<GatewayKey>,
}

impl Desk {
    pub(crate) fn open(aws: &Aws) -> Result<Arc<Self>, OpenError> {
        Ok(Arc::new(Self {
            reader: Reader::open(aws)?,
            gateway: Gateway::new(aws),
            checkpoints: KeysCheckpoints {
                dynamodb: aws.dynamodb().clone(),
                table: aws.table(Table::Checkpoints)?.to_owned(),
                meter: aws.meter().clone(),
            },
            audit: aws.table(Table::Audit)?.to_owned(),
        }))
    }

    /// The contexts of the tenant's keys.
    pub(crate) async fn keys(&self, tenant: &TenantItem) -> Result<Vec<KeyItem>, ControlError> {
        self.reader.keys(tenant).await
    }

    /// The tenant with nothing left to do for it: what an attempt that broke off has left is finished first.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::Busy`] while another attempt holds the lease.
    pub(crate) async fn ready(&self, id: &TenantId, now: OffsetDateTime) -> Result<TenantItem, ControlError> {
        let tenant = self.reader.tenant(id).await?;
        if tenant.pending.is_empty() {
            return Ok(tenant);
        }
        if tenant.is_held(now) {
            return Err(ControlError::Busy(tenant.tenant_id));
        }
        let held = self.take_over(tenant, now).await?;
        Ok(Box::pin(self.finish(held, now)).await?.tenant)
    }

    /// Writes the change, all of it or nothing, and does what is owed to it. Where another attempt is at work on
    /// what was owed before, the change is written and the work is left to whoever comes after that attempt.
    ///
    /// # Errors
    /// [`ControlError::Stale`] where the tenant is no longer as it was before. Any other that comes after the
    /// commit leaves the change committed and its work to be done.
    pub(crate) async fn carry_through(
        &self,
        mut change: Change,
        now: OffsetDateTime,
    ) -> Result<Finished, ControlError> {
        let is_held = change.before.is_held(now);
        if !change.before.pending.is_empty() {
            change.after.pending = without_rotations(change.after.pending);
        }
        let committed = self.commit(change, now).await?;
        if is_held {
            let contexts = self.keys(&committed).await?;
            return Ok(Finished { tenant: committed, contexts, key: None });
        }
        Box::pin(self.finish(committed, now)).await
    }

    async fn commit(&self, change: Change, now: OffsetDateTime) -> Result<TenantItem, ControlError> {
        let Change { before, after, contexts, removed, action, actor } = change;
        let own_lease = (!after.pending.is_empty()).then(|| now + LEASE);
        let after = TenantItem {
            version: before.version + 1,
            updated_at: now,
            lease_until: if before.is_held(now) { before.lease_until } else { own_lease },
            ..after
        }
        .with_keys(&contexts);
        let mut writes = Vec::with_capacity(contexts.len() + removed.len() + 2);
        for key in &contexts {
            writes.push(self.put_context(&after.refreshed(key))?);
        }
        for key in &removed {
            writes.push(self.delete_context(&after.tenant_id, key)?);
        }
        let entry = AuditItem::new(Some(&before), &after, (action, actor.as_str(), Stage::Change), now);
        writes.push(entry.put(&self.audit)?);
        // What is owed to an earlier change is done first or kept, or it would be forgotten. An attempt that
        // finishes it meanwhile changes no version.
        let condition = if before.pending.is_empty() {
            "#version = :seen AND attribute_not_exists(#pending)"
        } else {
            "#version = :seen AND attribute_exists(#pending)"
        };
        let put = self
            .put_tenant(&after)?
            .condition_expression(condition)
            .expression_attribute_names("#pending", "pending");
        writes.push(write_of(put, before.version)?);
        self.transact(&after.tenant_id, writes).await?;
        Ok(after)
    }

    /// Does what is owed to the tenant's last change, and writes that it is done. The caller holds the lease.
    async fn finish(&self, tenant: TenantItem, now: OffsetDateTime) -> Result<Finished, ControlError> {
        let mut contexts = self.keys(&tenant).await?;
        if tenant.pending.is_empty() {
            return Ok(Finished { tenant, contexts, key: None });
        }
        let mut made = None;
        for work in &tenant.pending {
            // The gateway's futures are large.
            if let Some(key) = Box::pin(self.carry_out(&tenant, work, now)).await? {
                made = Some((key, work.clone()));
            }
        }
        let done = TenantItem { pending: Vec::new(), lease_until: None, ..tenant.clone() };
        let mut writes = Vec::new();
        let (done, key) = match made {
            None => (done, None),
            Some((key, work)) => {
                work.hand_over(&mut contexts, now);
                contexts.push(done.context(key.id.clone(), now));
                let done = done.with_keys(&contexts);
                for context in &contexts {
                    writes.push(self.put_context(context)?);
                }
                let place = ("key.issue", work.actor(), Stage::Completion);
                let entry = AuditItem::new(Some(&tenant), &done, place, now);
                writes.push(entry.put(&self.audit)?);
                (done, Some(key))
            }
        };
        let put = self
            .put_tenant(&done)?
            .condition_expression("#version = :seen AND lease_until = :lease")
            .expression_attribute_values(":lease", timestamp(tenant.lease_until.unwrap_or(now)));
        writes.push(write_of(put, tenant.version)?);
        self.transact(&tenant.tenant_id, writes).await?;
        Ok(Finished { tenant: done, contexts, key })
    }

    /// Takes the lease of an attempt that broke off. A key that is made now has a value that nobody is told, so
    /// it ends no other key.
    async fn take_over(&self, tenant: TenantItem, now: OffsetDateTime) -> Result<TenantItem, ControlError> {
        let held = TenantItem {
            lease_until: Some(now + LEASE),
            pending: without_rotations(tenant.pending.clone()),
            ..tenant.clone()
        };
        let put = self.put_tenant(&held)?.expression_attribute_names("#pending", "pending");
        let put = match tenant.lease_until {
            Some(lease) => put
                .condition_expression(
                    "#version = :seen AND attribute_exists(#pending) AND lease_until = :lease",
                )
                .expression_attribute_values(":lease", timestamp(lease)),
            None => put.condition_expression(
                "#version = :seen AND attribute_exists(#pending) AND attribute_not_exists(lease_until)",
            ),
        };
        let writes = vec![write_of(put, tenant.version)?];
        match self.transact(&tenant.tenant_id, writes).await {
            Err(ControlError::Stale(id)) => Err(ControlError::Busy(id)),
            taken => taken.map(|()| held),
        }
    }

    fn put_tenant(
        &self,
        tenant: &TenantItem,
    ) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, ControlError> {
        Ok(Put::builder()
            .table_name(&self.reader.tenants)
            .set_item(Some(write("the item of a tenant", tenant)?)))
    }

    fn put_context(&self, key: &KeyItem) -> Result<TransactWriteItem, ControlError> {
        let put = Put::builder()
            .table_name(&self.reader.api_keys)
            .set_item(Some(write("the item of a key", key)?))
            // An id that another tenant's key has would hand that tenant's key over.
            .condition_expression("attribute_not_exists(api_key_id) OR tenant_id = :tenant")
            .expression_attribute_values(":tenant", AttributeValue::S(key.tenant_id.to_string()))
            .build()
            .map_err(unwritable)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete_context(&self, tenant: &TenantId, key: &ApiKeyId) -> Result<TransactWriteItem, ControlError> {
        let delete = Delete::builder()
            .table_name(&self.reader.api_keys)
            .key("api_key_id", AttributeValue::S(key.to_string()))
            .condition_expression("attribute_not_exists(api_key_id) OR tenant_id = :tenant")
            .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_string()))
            .build()
            .map_err(unwritable)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    async fn transact(&self, id: &TenantId, writes: Vec<TransactWriteItem>) -> Result<(), ControlError> {
        let written = self
            .reader
            .dynamodb
            .transact_write_items()
            .set_transact_items(Some(writes))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match written {
            Ok(output) => {
                for consumed in output.consumed_capacity() {
                    self.reader.meter.add(Some(consumed));
                }
                Ok(())
            }
            Err(error) if error.as_service_error().is_some_and(is_lost) => {
                Err(ControlError::Stale(id.clone()))
            }
            Err(error) => Err(AwsFailure::of("TransactWriteItems of a tenant's change")(error).into()),
        }
    }
}

/// The work of an attempt that broke off, without the end of any key.
fn without_rotations(mut pending: Vec<Pending>) -> Vec<Pending> {
    for work in &mut pending {
        if let Pending::NewKey { rotate, overlap_seconds, .. } = work {
            (*rotate, *overlap_seconds) = (None, 0);
        }
    }
    pending
}

impl Pending {
    /// Who asked for it, where it says so.
    fn actor(&self) -> &str {
        match self {
            Self::NewKey { actor, .. } => actor,
            Self::Tier { .. } | Self::EnableKeys | Self::DisableKeys | Self::DeleteKey { .. } => "",
        }
    }

    /// Sets the end of the key that a new one takes the place of.
    fn hand_over(&self, contexts: &mut [KeyItem], now: OffsetDateTime) {
        if let Self::NewKey { rotate: Some(old), overlap_seconds, .. } = self
            && let Some(context) = contexts.iter_mut().find(|context| context.api_key_id == *old)
        {
            context.expires_at = Some(now + Duration::seconds(i64::from(*overlap_seconds)));
        }
    }
}

impl TenantItem {
    /// Whether an attempt is at work on what is owed.
    pub(crate) fn is_held(&self, now: OffsetDateTime) -> bool {
        !self.pending.is_empty() && self.lease_until.is_some_and(|until| until > now)
    }

    /// The tenant with these keys.
    fn with_keys(self, contexts: &[KeyItem]) -> Self {
        Self {
            keys: contexts.iter().map(|context| context.api_key_id.clone()).collect(),
            next_expiry: contexts.iter().filter_map(|context| context.expires_at).min(),
            ..self
        }
    }
}

/// A put of a tenant whose condition names the version that was seen.
fn write_of(
    put: aws_sdk_dynamodb::types::builders::PutBuilder,
    seen: u64,
) -> Result<TransactWriteItem, ControlError> {
    let put = put
        .expression_attribute_names("#version", "version")
        .expression_attribute_values(":seen", AttributeValue::N(seen.to_string()))
        .build()
        .map_err(unwritable)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// Whether a transaction was lost to another one.
fn is_lost(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return false };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> ControlError {
    ControlError::Unreadable("a transaction", Box::new(error))
}
