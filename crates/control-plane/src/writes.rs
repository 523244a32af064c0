//! The writes that a change of a tenant is made of, and the transaction that makes them.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnConsumedCapacity, TransactWriteItem};
use tenant_context::{ApiKeyId, AwsFailure, IdempotencyItem, KeyItem, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::desk::Desk;
use crate::item::{TenantItem, timestamp, write};
use crate::repeats::MADE;

/// What a tenant must be for a write to take place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen<'a> {
    /// There is none.
    Nothing,
    /// It is in the version of this one, work is owed to it or not as to this one, and its task is as far.
    Version(&'a TenantItem),
    /// It is in the version of this one, work is owed to it, and its lease is this one's.
    Lease(&'a TenantItem),
    /// It is in the version of this one, what is owed to it is owed to this one, and its task is as far.
    Progress(&'a TenantItem),
}

impl Desk {
    /// Puts the tenant where it is as it was seen.
    pub(crate) fn put_tenant(
        &self,
        tenant: &TenantItem,
        seen: Seen<'_>,
    ) -> Result<TransactWriteItem, ControlError> {
        let condition = seen.condition();
        let put = Put::builder()
            .table_name(&self.reader.tenants)
            .set_item(Some(tenant.item()?))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(unwritable)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Deletes the tenant where it is as it was seen.
    pub(crate) fn delete_tenant(&self, seen: &TenantItem) -> Result<TransactWriteItem, ControlError> {
        let condition = Seen::Lease(seen).condition();
        let delete = Delete::builder()
            .table_name(&self.reader.tenants)
            .key("tenant_id", AttributeValue::S(seen.tenant_id.to_string()))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(unwritable)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Puts the context of a key.
    pub(crate) fn put_context(&self, key: &KeyItem) -> Result<TransactWriteItem, ControlError> {
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

    /// Deletes the context of a key, where it is there.
    pub(crate) fn delete_context(
        &self,
        tenant: &TenantId,
        key: &ApiKeyId,
    ) -> Result<TransactWriteItem, ControlError> {
        let delete = Delete::builder()
            .table_name(&self.reader.api_keys)
            .key("api_key_id", AttributeValue::S(key.to_string()))
            .condition_expression("attribute_not_exists(api_key_id) OR tenant_id = :tenant")
            .expression_attribute_values(":tenant", AttributeValue::S(tenant.to_string()))
            .build()
            .map_err(unwritable)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Notes a first request with an `Idempotency-Key`, where none has been noted that still counts.
    pub(crate) fn note_request(
        &self,
        request: &IdempotencyItem,
        now: OffsetDateTime,
    ) -> Result<TransactWriteItem, ControlError> {
        let put = self
            .put_request(request)?
            .condition_expression("attribute_not_exists(route_key) OR expires_at <= :now")
            .expression_attribute_values(":now", AttributeValue::N(now.unix_timestamp().to_string()))
            .build()
            .map_err(unwritable)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Notes how a first request was answered, and the id of what it has made.
    pub(crate) fn answer_request(
        &self,
        request: &IdempotencyItem,
        made: &str,
        body: String,
    ) -> Result<TransactWriteItem, ControlError> {
        let mut answered = IdempotencyItem { body: Some(body), ..request.clone() };
        answered.reference.insert(MADE.to_owned(), made.to_owned());
        let put = self.put_request(&answered)?.build().map_err(unwritable)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Forgets a first request, so that it can be made again.
    pub(crate) fn forget_request(
        &self,
        request: &IdempotencyItem,
    ) -> Result<TransactWriteItem, ControlError> {
        let delete = Delete::builder()
            .table_name(self.requests())
            .set_key(Some(place_of(request)))
            .build()
            .map_err(unwritable)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    fn put_request(
        &self,
        request: &IdempotencyItem,
    ) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, ControlError> {
        let item = write("the item of a request", request)?;
        Ok(Put::builder().table_name(self.requests()).set_item(Some(item)))
    }

    /// Makes all of the writes or none.
    ///
    /// # Errors
    /// [`ControlError::Stale`] where a condition does not hold.
    pub(crate) async fn transact(
        &self,
        id: &TenantId,
        writes: Vec<TransactWriteItem>,
    ) -> Result<(), ControlError> {
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

/// The key of the item of a request.
pub(crate) fn place_of(request: &IdempotencyItem) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("tenant_id".to_owned(), AttributeValue::S(request.tenant_id.clone())),
        ("route_key".to_owned(), AttributeValue::S(request.route_key.clone())),
    ])
}

struct Condition {
    expression: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Condition {
    fn new(expression: &str) -> Self {
        Self { expression: expression.to_owned(), names: HashMap::new(), values: HashMap::new() }
    }

    /// The version, and whether anything is owed.
    fn version(tenant: &TenantItem) -> Self {
        // What is owed to an earlier change is done first or kept, or it would be forgotten. An attempt that
        // finishes it meanwhile changes no version.
        let owed = if tenant.pending.is_empty() { "attribute_not_exists" } else { "attribute_exists" };
        Self::new(&format!("#version = :seen AND {owed}(#pending)"))
            .name("#version", "version")
            .name("#pending", "pending")
            .number(":seen", tenant.version)
    }

    fn lease(self, tenant: &TenantItem) -> Self {
        match tenant.lease_until {
            Some(lease) => {
                let mut condition = self.and("lease_until = :lease");
                condition.values.insert(":lease".to_owned(), timestamp(lease));
                condition
            }
            None => self.and("attribute_not_exists(lease_until)"),
        }
    }

    /// How far a task is: that is no version of the tenant.
    fn task(self, tenant: &TenantItem) -> Self {
        let Some(task) = &tenant.task else { return self };
        self.and("#task.#pace.#writes = :writes")
            .name("#task", "task")
            .name("#pace", "pace")
            .name("#writes", "writes")
            .number(":writes", task.pace().writes)
    }

    fn and(mut self, expression: &str) -> Self {
        self.expression = format!("{} AND {expression}", self.expression);
        self
    }

    fn name(mut self, name: &str, attribute: &str) -> Self {
        self.names.insert(name.to_owned(), attribute.to_owned());
        self
    }

    fn number(mut self, name: &str, number: u64) -> Self {
        self.values.insert(name.to_owned(), AttributeValue::N(number.to_string()));
        self
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        Some(self.names.clone()).filter(|names| !names.is_empty())
    }

    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        Some(self.values.clone()).filter(|values| !values.is_empty())
    }
}

impl Seen<'_> {
    fn condition(self) -> Condition {
        match self {
            Self::Nothing => Condition::new("attribute_not_exists(tenant_id)"),
            Self::Version(tenant) => Condition::version(tenant).task(tenant),
            Self::Lease(tenant) => Condition::version(tenant).lease(tenant),
            Self::Progress(tenant) if tenant.pending.is_empty() => Condition::version(tenant).task(tenant),
            Self::Progress(tenant) => Condition::version(tenant).lease(tenant).task(tenant),
        }
    }
}

/// Whether a transaction was lost to another one.
fn is_lost(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { return false };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}

pub(crate) fn unwritable(error: BuildError) -> ControlError {
    ControlError::Unreadable("a transaction", Box::new(error))
}
