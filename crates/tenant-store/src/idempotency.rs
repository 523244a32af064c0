//! Requests of a tenant that have their effect once, however often they are sent.
//!
//! **Invariant:** an item that is no claim is that of a request that has succeeded, and says what it has made. A
//! request that fails leaves none that counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use tenant_context::{
    Aws, AwsFailure, Bound, IdempotencyItem, IdempotentRequest, OpenError, PartitionKey, Table, TenantContext,
};
use time::OffsetDateTime;

use crate::StoreError;
use crate::access::Access;
use crate::condition::Condition;
use crate::item::{Item, fresh_id};

/// How long a claim is good: longer than API Gateway waits for a function, so that a request that still can be
/// answered has it to itself.
const LEASE: time::Duration = time::Duration::seconds(30);
/// Attempts to write an item that others write at the same time.
const ATTEMPTS: u32 = 5;
/// How long the first pause between two attempts is. Each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(20);
/// What tells one attempt at a request from all others, among them those of the same millisecond.
const ATTEMPT: &str = "attempt";
/// The call by the name that its failures have in the log.
const PUT: &str = "PutItem on the idempotency table";

/// What the tenant that the request is for has asked for with an `Idempotency-Key`.
///
/// All keys of a tenant share it: whichever of them a request comes with, it is the tenant's.
#[derive(Debug)]
pub struct Idempotency {
    table: Arc<str>,
    tenant: PartitionKey,
    at: OffsetDateTime,
}

/// A request that has its effect once. Which client reaches its item is the store's matter whose method it is
/// given to.
#[derive(Debug)]
pub struct Once {
    table: Arc<str>,
    at: OffsetDateTime,
    /// The item that this attempt writes.
    item: IdempotencyItem,
}

/// What a request has made, now or when it was sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made<T> {
    /// What there is to answer.
    pub thing: T,
    /// Whether it was made by an earlier request with the same `Idempotency-Key`.
    pub is_replayed: bool,
}

/// Whether a request is to have its effect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is, and nobody else's is.
    First,
    /// It had it before.
    Again(Earlier),
}

/// An earlier request, as its item tells of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    reference: BTreeMap<String, String>,
    pub(crate) created_at: OffsetDateTime,
}

/// What has become of an attempt to write an item.
#[derive(Debug)]
enum Tried {
    Written,
    /// The condition did not hold for what is there.
    Refused(Option<Item>),
    /// Another write was at the same item.
    Overtaken,
}

/// What an item means that is there already.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// This attempt has written it: the SDK has repeated a call whose answer was lost.
    Own,
    Earlier(Earlier),
    /// A claim whose function has died. It is told from its successors by its lease.
    Abandoned,
}

impl Bound<TenantContext> for Idempotency {
    type Opened = Arc<str>;

    async fn open(aws: &Aws) -> Result<Arc<str>, OpenError> {
        Ok(aws.table(Table::Idempotency)?.into())
    }

    fn bind(opened: &Arc<str>, context: &Arc<TenantContext>, at: OffsetDateTime) -> Self {
        Self { table: Arc::clone(opened), tenant: context.partition(), at }
    }
}

impl Idempotency {
    /// What a store needs to carry the request out once, where it has an `Idempotency-Key`.
    #[must_use]
    pub fn of(&self, request: Option<IdempotentRequest>) -> Option<Once> {
        let mut item = request?.of_tenant(&self.tenant, self.at);
        item.reference.insert(ATTEMPT.to_owned(), fresh_id(self.at));
        Some(Once { table: Arc::clone(&self.table), at: self.at, item })
    }
}

impl<T> Made<T> {
    pub(crate) fn first(thing: T) -> Self {
        Self { thing, is_replayed: false }
    }

    pub(crate) fn again(thing: T) -> Self {
        Self { thing, is_replayed: true }
    }
}

impl Earlier {
    /// What the earlier request has made, by its name.
    pub(crate) fn made(&self, name: &str) -> Option<&str> {
        self.reference.get(name).map(String::as_str)
    }
}

impl Once {
    /// Notes what is made, by its name.
    pub(crate) fn making(mut self, name: &str, value: impl Into<String>) -> Self {
        self.item.reference.insert(name.to_owned(), value.into());
        self
    }

    /// Writes the item, and in the same transaction the effect.
    ///
    /// # Errors
    /// [`StoreError::KeyReused`], [`StoreError::KeyInUse`], [`StoreError::Aws`].
    pub(crate) async fn write_with(&self, access: &Access, effect: Put) -> Result<Turn, StoreError> {
        self.begin(async |free| self.transact(access, &self.item, free, effect.clone()).await).await
    }

    /// Writes the item for what can be made any number of times, such as a signature.
    ///
    /// # Errors
    /// As [`Self::write_with`].
    pub(crate) async fn write(&self, access: &Access) -> Result<Turn, StoreError> {
        self.begin(async |free| self.put(access, &self.item, free).await).await
    }

    /// Claims the request for a while. Whoever has the first turn ends the claim with [`Self::complete`] or
    /// [`Self::release`].
    ///
    /// # Errors
    /// As [`Self::write_with`].
    pub(crate) async fn claim(&self, access: &Access) -> Result<Turn, StoreError> {
        let claim = IdempotencyItem { lease_until: Some(self.at + LEASE), ..self.item.clone() };
        self.begin(async |free| self.put(access, &claim, free).await).await
    }

    /// Turns the claim into the item of what was made.
    ///
    /// # Errors
    /// [`StoreError::KeyInUse`] where the claim is another's by now, [`StoreError::Aws`].
    pub(crate) async fn complete(&self, access: &Access) -> Result<(), StoreError> {
        match self.put(access, &self.item, self.is_own()).await? {
            Tried::Written => Ok(()),
            Tried::Refused(_) | Tried::Overtaken => Err(StoreError::KeyInUse),
        }
    }

    /// Gives up what was begun, so that the request can be made as if it never had been: the item is over, for
    /// every request of about this time. Where that fails too, a claim ends with its lease.
    pub(crate) async fn release(&self, access: &Access) {
        let over = (self.at - time::Duration::DAY).unix_timestamp();
        let over = IdempotencyItem { expires_at: over, ..self.item.clone() };
        // The caller is told why the request has failed, and no more.
        let _ = self.put(access, &over, self.is_own()).await;
    }

    /// Writes by `attempt`, on the condition that it is given, or finds out what an earlier request has made.
    async fn begin(
        &self,
        attempt: impl AsyncFn(Condition) -> Result<Tried, StoreError>,
    ) -> Result<Turn, StoreError> {
        let mut abandoned = None;
        let mut pause = Duration::ZERO;
        for _ in 0..ATTEMPTS {
            tokio::time::sleep(pause).await;
            match attempt(self.is_free(abandoned.take())).await? {
                Tried::Written => return Ok(Turn::First),
                Tried::Refused(Some(there)) => {
                    let lease = there.get("lease_until").cloned();
                    match self.judge(there)? {
                        Found::Own => return Ok(Turn::First),
                        Found::Earlier(earlier) => return Ok(Turn::Again(earlier)),
                        Found::Abandoned => (abandoned, pause) = (lease, Duration::ZERO),
                    }
                }
                // The next attempt sees what the other write has made.
                Tried::Refused(None) | Tried::Overtaken => pause = PAUSE.max(pause * 2),
            }
        }
        Err(StoreError::KeyInUse)
    }

    /// What the item means that is there.
    fn judge(&self, there: Item) -> Result<Found, StoreError> {
        let there: IdempotencyItem =
            serde_dynamo::from_item(there).map_err(|_| StoreError::Incomplete(PUT))?;
        if there.reference.get(ATTEMPT) == self.item.reference.get(ATTEMPT) {
            return Ok(Found::Own);
        }
        if there.fingerprint != self.item.fingerprint {
            return Err(StoreError::KeyReused);
        }
        if there.is_held(self.at) {
            return Err(StoreError::KeyInUse);
        }
        if there.lease_until.is_some() {
            return Ok(Found::Abandoned);
        }
        Ok(Found::Earlier(Earlier { reference: there.reference, created_at: there.created_at }))
    }

    /// Holds where there is no item that counts, or the abandoned claim with the lease.
    fn is_free(&self, abandoned: Option<AttributeValue>) -> Condition {
        let mut expression = "attribute_not_exists(#key) OR #expires_at <= :now".to_owned();
        let mut names = HashMap::from([
            ("#key".to_owned(), "route_key".to_owned()),
            ("#expires_at".to_owned(), "expires_at".to_owned()),
        ]);
        let now = AttributeValue::N(self.at.unix_timestamp().to_string());
        let mut values = HashMap::from([(":now".to_owned(), now)]);
        if let Some(lease) = abandoned {
            expression.push_str(" OR #lease = :lease");
            names.insert("#lease".to_owned(), "lease_until".to_owned());
            values.insert(":lease".to_owned(), lease);
        }
        Condition { expression, names, values }
    }

    /// Holds for an item that this attempt has written.
    fn is_own(&self) -> Condition {
        let attempt = self.item.reference.get(ATTEMPT).cloned().unwrap_or_default();
        Condition {
            expression: "#reference.#attempt = :attempt".to_owned(),
            names: HashMap::from([
                ("#reference".to_owned(), "reference".to_owned()),
                ("#attempt".to_owned(), ATTEMPT.to_owned()),
            ]),
            values: HashMap::from([(":attempt".to_owned(), AttributeValue::S(attempt))]),
        }
    }

    async fn put(
        &self,
        access: &Access,
        item: &IdempotencyItem,
        condition: Condition,
    ) -> Result<Tried, StoreError> {
        let written = access
            .dynamodb()
            .await?
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(attributes(item)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match written {
            Ok(output) => {
                access.meter().add(output.consumed_capacity());
                Ok(Tried::Written)
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Tried::Refused(failed.item().cloned()))
                }
                Some(PutItemError::TransactionConflictException(_)) => Ok(Tried::Overtaken),
                _ => Err(AwsFailure::of(PUT)(error).into()),
            },
        }
    }

    async fn transact(
        &self,
        access: &Access,
        item: &IdempotencyItem,
        condition: Condition,
        effect: Put,
    ) -> Result<Tried, StoreError> {
        let item = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(attributes(item)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .expect("table and item are given");
        // The SDK gives the call a token, by which DynamoDB knows it again when its answer was lost.
        let call = access
            .dynamodb()
            .await?
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(item).build())
            .transact_items(TransactWriteItem::builder().put(effect).build())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send();
        match Box::pin(call).await {
            Ok(output) => {
                for consumed in output.consumed_capacity() {
                    access.meter().add(Some(consumed));
                }
                Ok(Tried::Written)
            }
            Err(error) => cancelled(error),
        }
    }
}

/// Why a transaction was not carried out, whose first write is the item's.
fn cancelled<R: Send + Sync + std::fmt::Debug + 'static>(
    error: SdkError<TransactWriteItemsError, R>,
) -> Result<Tried, StoreError> {
    let code = |reason: &CancellationReason, code: &str| reason.code() == Some(code);
    let mut is_busy = false;
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let reasons = cancelled.cancellation_reasons();
            if let Some(item) = reasons.first().filter(|first| code(first, "ConditionalCheckFailed")) {
                return Ok(Tried::Refused(item.item().cloned()));
            }
            if reasons.iter().any(|reason| code(reason, "TransactionConflict")) {
                return Ok(Tried::Overtaken);
            }
            is_busy = reasons.iter().any(|reason| {
                code(reason, "ThrottlingError") || code(reason, "ProvisionedThroughputExceeded")
            });
        }
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => return Ok(Tried::Overtaken),
        _ => {}
    }
    let failure = AwsFailure::of("TransactWriteItems with the idempotency table")(error);
    Err(failure.or_busy(is_busy).into())
}

fn attributes(item: &IdempotencyItem) -> Item {
    serde_dynamo::to_item(item).expect("texts and a number can always be written")
}

#[cfg(test)]
#[path = "idempotency_tests.rs"]
mod tests;
