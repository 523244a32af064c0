//! The records of one tenant.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use contract::{Collection, Json, Page, Record, RecordId};
use tenant_context::{Aws, AwsFailure, Bound, Meter, OpenError, Table, TenantContext};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::{NoContext, Timestamp, Uuid};

use crate::condition::{Condition, Present};
use crate::item::{Item, MAX_ITEM, answered_size, size, to_attribute, to_record};
use crate::{Cursor, Order, Precondition, StoreError};

/// Queries that one page may take where items that are no records are left out.
const QUERIES_PER_PAGE: usize = 4;
/// Most bytes of a page's items in a function's answer, where JSON stands within JSON. Lambda answers at
/// most 6 MB.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// A record's place in the tenant's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKey {
    /// The collection.
    pub collection: Collection,
    /// The id within it.
    pub id: RecordId,
}

impl RecordKey {
    fn sort_key(&self) -> String {
        format!("{}#{}", self.collection, self.id)
    }
}

/// What a write has made of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// There was none before.
    Created(Record),
    /// It took the place of an earlier version.
    Replaced(Record),
}

/// The records of the tenant that the request is for.
#[derive(Debug)]
pub struct Records {
    opened: Arc<Opened>,
    table: String,
    partition: AttributeValue,
}

/// What the records of all tenants share.
#[derive(Debug)]
pub struct Opened {
    dynamodb: Client,
    meter: Meter,
}

impl Bound<TenantContext> for Records {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        aws.table(Table::Records)?;
        Ok(Arc::new(Opened { dynamodb: aws.dynamodb().clone(), meter: aws.meter().clone() }))
    }

    fn bind(opened: &Arc<Opened>, context: &Arc<TenantContext>) -> Self {
        Self {
            opened: Arc::clone(opened),
            table: context.records_table(),
            partition: AttributeValue::S(context.partition().as_str().to_owned()),
        }
    }
}

impl Records {
    /// The record, if the tenant has it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Aws`].
    pub async fn get(&self, key: &RecordKey) -> Result<Record, StoreError> {
        let output = self
            .opened
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .set_key(Some(self.key(key)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("GetItem on the records table"))?;
        self.opened.meter.add(output.consumed_capacity());
        output.item.and_then(|item| to_record(&key.collection, item)).ok_or(StoreError::NotFound)
    }

    /// Writes a new record under a time-ordered id.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::Aws`].
    pub async fn create(
        &self,
        collection: Collection,
        data: Json,
        now: OffsetDateTime,
    ) -> Result<Record, StoreError> {
        let nanoseconds = now.nanosecond();
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanoseconds)).to_string();
        let Ok(id) = id.parse() else { unreachable!("a UUID is within the grammar of record ids") };
        let record = Record { id, collection, version: 1, created_at: now, updated_at: now, data };
        self.insert(&record, "attribute_not_exists(#sk)").await?;
        Ok(record)
    }

    /// Creates or replaces a record under the caller's id.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`], [`StoreError::TooLarge`], [`StoreError::Aws`].
    pub async fn put(
        &self,
        key: &RecordKey,
        data: Json,
        precondition: &Precondition,
        now: OffsetDateTime,
    ) -> Result<Saved, StoreError> {
        let fresh = Record {
            id: key.id.clone(),
            collection: key.collection.clone(),
            version: 1,
            created_at: now,
            updated_at: now,
            data,
        };
        let item = self.item(&fresh)?;
        let attribute = |name: &str| item.get(name).cloned().unwrap_or(AttributeValue::Null(true));
        let condition = Condition::to_put(precondition);
        let mut request = self
            .opened
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .set_key(Some(self.key(key)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values))
            .update_expression(
                "SET #version = if_not_exists(#version, :zero) + :one, \
                 #created_at = if_not_exists(#created_at, :now), #updated_at = :now, #data = :data",
            )
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        for name in ["version", "created_at", "updated_at", "data"] {
            request = request.expression_attribute_names(format!("#{name}"), name);
        }
        for (name, value) in [
            (":zero", AttributeValue::N("0".to_owned())),
            (":one", AttributeValue::N("1".to_owned())),
            (":now", attribute("updated_at")),
            (":data", attribute("data")),
        ] {
            request = request.expression_attribute_values(name, value);
        }
        match request.send().await {
            Ok(output) => {
                self.opened.meter.add(output.consumed_capacity());
                let existed = output.attributes.is_some();
                match output.attributes.and_then(|old| to_record(&key.collection, old)) {
                    Some(old) => Ok(Saved::Replaced(Record {
                        version: old.version + 1,
                        // An item without the time of its creation has got it by this write.
                        created_at: Some(old.created_at)
                            .filter(|at| *at != OffsetDateTime::UNIX_EPOCH)
                            .unwrap_or(now),
                        ..fresh
                    })),
                    // A condition cannot see all that makes an item no record.
                    None if existed => self.displace(fresh).await,
                    None => Ok(Saved::Created(fresh)),
                }
            }
            Err(error) => {
                let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
                else {
                    return Err(AwsFailure::of("UpdateItem on the records table")(error).into());
                };
                match Present::of(failed.item(), &key.collection) {
                    Present::NoRecord if precondition.holds(None) => self.displace(fresh).await,
                    Present::NoRecord | Present::Nothing | Present::Record => {
                        Err(StoreError::PreconditionFailed)
                    }
                }
            }
        }
    }

    /// Deletes a record.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::PreconditionFailed`], [`StoreError::Aws`].
    pub async fn delete(&self, key: &RecordKey, precondition: &Precondition) -> Result<(), StoreError> {
        let condition = Condition::record(precondition);
        let deleted = self
            .opened
            .dynamodb
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(self.key(key)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match deleted {
            Ok(output) => {
                self.opened.meter.add(output.consumed_capacity());
                Ok(())
            }
            Err(error) => {
                let Some(DeleteItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
                else {
                    return Err(AwsFailure::of("DeleteItem on the records table")(error).into());
                };
                match Present::of(failed.item(), &key.collection) {
                    Present::Record => Err(StoreError::PreconditionFailed),
                    // A precondition on what is not there does not come into play (RFC 9110, 13.2.1).
                    Present::NoRecord | Present::Nothing => Err(StoreError::NotFound),
                }
            }
        }
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
        let mut items: Vec<Record> = Vec::with_capacity(limit);
        let mut bytes = 0;
        let mut start = cursor.map(|cursor| cursor.sort_key().to_owned());
        for _ in 0..QUERIES_PER_PAGE {
            // One more than is missing tells whether there is a next page.
            let wanted = i32::try_from(limit - items.len() + 1).unwrap_or(i32::MAX);
            let output = self
                .opened
                .dynamodb
                .query()
                .table_name(&self.table)
                .key_condition_expression("tenant_id = :tenant AND begins_with(sk, :collection)")
                .expression_attribute_values(":tenant", self.partition.clone())
                .expression_attribute_values(":collection", AttributeValue::S(format!("{collection}#")))
                .set_exclusive_start_key(start.map(|sort_key| self.primary_key(sort_key)))
                .scan_index_forward(order == Order::Asc)
                .limit(wanted)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(AwsFailure::of("Query on the records table"))?;
            self.opened.meter.add(output.consumed_capacity());
            for record in
                output.items.unwrap_or_default().into_iter().filter_map(|item| to_record(collection, item))
            {
                let size = answered_size(&record);
                if items.len() == limit || (!items.is_empty() && bytes + size > PAGE_BYTES) {
                    let next = items
                        .last()
                        .map(|last| Cursor::behind(order, format!("{collection}#{}", last.id)).to_string());
                    return Ok(Page { items, next_cursor: next });
                }
                bytes += size;
                items.push(record);
            }
            match output.last_evaluated_key.and_then(|mut key| key.remove("sk")) {
                Some(AttributeValue::S(sort_key)) => start = Some(sort_key),
                _ => return Ok(Page { items, next_cursor: None }),
            }
        }
        let next_cursor = start.map(|sort_key| Cursor::behind(order, sort_key).to_string());
        Ok(Page { items, next_cursor })
    }

    /// Writes over an item that is no record, which counts as none.
    async fn displace(&self, fresh: Record) -> Result<Saved, StoreError> {
        self.insert(&fresh, "attribute_exists(#sk)").await?;
        Ok(Saved::Created(fresh))
    }

    async fn insert(&self, record: &Record, condition: &str) -> Result<(), StoreError> {
        let output = self
            .opened
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.item(record)?))
            .condition_expression(condition)
            .expression_attribute_names("#sk", "sk")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("PutItem on the records table"))?;
        self.opened.meter.add(output.consumed_capacity());
        Ok(())
    }

    fn item(&self, record: &Record) -> Result<Item, StoreError> {
        let key = RecordKey { collection: record.collection.clone(), id: record.id.clone() };
        let text = |time: OffsetDateTime| AttributeValue::S(time.format(&Rfc3339).unwrap_or_default());
        let mut item = self.key(&key);
        item.insert("version".to_owned(), AttributeValue::N(record.version.to_string()));
        item.insert("created_at".to_owned(), text(record.created_at));
        item.insert("updated_at".to_owned(), text(record.updated_at));
        item.insert("data".to_owned(), to_attribute(&record.data));
        match size(&item) {
            bytes if bytes > MAX_ITEM => Err(StoreError::TooLarge(bytes)),
            _ => Ok(item),
        }
    }

    fn key(&self, key: &RecordKey) -> Item {
        self.primary_key(key.sort_key())
    }

    fn primary_key(&self, sort_key: String) -> Item {
        Item::from([
            ("tenant_id".to_owned(), self.partition.clone()),
            ("sk".to_owned(), AttributeValue::S(sort_key)),
        ])
    }
}
