//! One partition of a table, and the versioned things in it.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use contract::{Json, Page};
use tenant_context::AwsFailure;
use time::OffsetDateTime;

use crate::access::{Access, Work};
use crate::condition::{Condition, Present};
use crate::form::Form;
use crate::idempotency::{Once, Turn};
use crate::item::{Item, MAX_ITEM, Stored, answered_size, size, to_item, to_stored};
use crate::{Cursor, ListScope, Order, Precondition, StoreError};

/// Queries that one page may take where items that are not of the form are left out.
const QUERIES_PER_PAGE: usize = 4;
/// Most bytes of a page's items in a function's answer, where JSON stands within JSON. Lambda answers at
/// most 6 MB.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Attempts of a write that finds an item that is not of the form, and is overtaken by another one.
const PUT_ATTEMPTS: usize = 3;

/// What has become of an attempt to write.
enum Attempt {
    Created,
    Replaced(Stored),
    /// Another write came first.
    Overtaken,
}

/// What a write has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved<T> {
    /// There was none before.
    Created(T),
    /// It took the place of an earlier version.
    Replaced(T),
}

impl<T> Saved<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Saved<U> {
        match self {
            Self::Created(thing) => Saved::Created(change(thing)),
            Self::Replaced(thing) => Saved::Replaced(change(thing)),
        }
    }
}

/// The items of one partition key's value in one table, all of one form.
#[derive(Debug)]
pub(crate) struct Partition {
    access: Access,
    table: String,
    key: AttributeValue,
    form: &'static Form,
}

impl Partition {
    pub(crate) fn new(access: Access, table: String, key: &str, form: &'static Form) -> Self {
        Self { access, table, key: AttributeValue::S(key.to_owned()), form }
    }

    /// Asks whether the work may be done now.
    ///
    /// # Errors
    /// [`StoreError::Held`].
    pub(crate) fn allow(&self, work: Work) -> Result<(), StoreError> {
        self.access.allow(work)
    }

    /// What is stored under the sort key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Aws`].
    pub(crate) async fn get(&self, sort_key: &str) -> Result<Stored, StoreError> {
        let output = self
            .access
            .dynamodb()
            .await?
            .get_item()
            .table_name(&self.table)
            .set_key(Some(self.primary_key(sort_key)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of(self.form.calls.get))?;
        self.access.meter().add(output.consumed_capacity());
        output.item.and_then(|item| to_stored(self.form, item)).ok_or(StoreError::NotFound)
    }

    /// Writes under a sort key that nobody else can have chosen. So an item that is there is this one: the SDK
    /// has repeated a call whose answer was lost.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::Aws`].
    pub(crate) async fn insert(&self, fresh: &Stored) -> Result<(), StoreError> {
        self.write(fresh, Condition::no_item(self.form)).await.map(|_| ())
    }

    /// As [`Self::insert`], in one transaction with the item by which the request is known again.
    ///
    /// # Errors
    /// Those of [`Self::insert`], [`StoreError::KeyReused`], [`StoreError::KeyInUse`].
    pub(crate) async fn insert_once(&self, fresh: &Stored, once: &Once) -> Result<Turn, StoreError> {
        let condition = Condition::no_item(self.form);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(self.item(fresh)?))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .build()
            .expect("table and item are given");
        once.write_with(&self.access, put).await
    }

    /// Creates or replaces what is stored under the sort key.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`], [`StoreError::TooLarge`], [`StoreError::Aws`].
    pub(crate) async fn put(
        &self,
        sort_key: String,
        content: Json,
        precondition: &Precondition,
        now: OffsetDateTime,
    ) -> Result<Saved<Stored>, StoreError> {
        let fresh = Stored::first(sort_key, content, now);
        for _ in 0..PUT_ATTEMPTS {
            match self.try_put(&fresh, precondition).await? {
                Attempt::Created => return Ok(Saved::Created(fresh)),
                Attempt::Replaced(next) => return Ok(Saved::Replaced(next)),
                Attempt::Overtaken => {}
            }
        }
        Err(StoreError::PreconditionFailed)
    }

    async fn try_put(&self, fresh: &Stored, precondition: &Precondition) -> Result<Attempt, StoreError> {
        let mut item = self.item(fresh)?;
        let mut take = |name: &str| item.remove(name).unwrap_or(AttributeValue::Null(true));
        let Condition { expression, mut names, mut values } = Condition::to_put(self.form, precondition);
        names.extend([
            ("#version".to_owned(), "version".to_owned()),
            ("#updated_at".to_owned(), "updated_at".to_owned()),
            ("#content".to_owned(), self.form.content.to_owned()),
        ]);
        values.extend([
            (":zero".to_owned(), AttributeValue::N("0".to_owned())),
            (":one".to_owned(), AttributeValue::N("1".to_owned())),
            (":now".to_owned(), take("updated_at")),
            (":content".to_owned(), take(self.form.content)),
        ]);
        let mut update = "SET #version = if_not_exists(#version, :zero) + :one, #updated_at = :now, \
             #content = :content"
            .to_owned();
        if self.form.has_birth {
            names.insert("#created_at".to_owned(), "created_at".to_owned());
            update.push_str(", #created_at = if_not_exists(#created_at, :now)");
        }
        let updated = self
            .access
            .dynamodb()
            .await?
            .update_item()
            .table_name(&self.table)
            .set_key(Some(self.primary_key(&fresh.sort_key)))
            .update_expression(update)
            .condition_expression(expression)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match updated {
            Ok(output) => {
                self.access.meter().add(output.consumed_capacity());
                // An item of nothing but its key has become what is written. The local stack's database answers
                // one where there was none.
                let Some(old) = output.attributes.filter(|old| !self.is_bare(old)) else {
                    return Ok(Attempt::Created);
                };
                let next = to_stored(self.form, old).and_then(|old| old.next(fresh));
                match next {
                    Some(next) => Ok(Attempt::Replaced(next)),
                    // A condition cannot see all that keeps an item from being of the form. What is there now
                    // is half of this write.
                    None if self.write(fresh, Condition::any_item(self.form)).await? => Ok(Attempt::Created),
                    None => Ok(Attempt::Overtaken),
                }
            }
            Err(error) => {
                let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
                else {
                    return Err(AwsFailure::of(self.form.calls.update)(error).into());
                };
                match (Present::of(self.form, failed.item()), failed.item()) {
                    (Present::Odd, Some(odd)) if precondition.holds(None) => self.displace(fresh, odd).await,
                    _ => Err(StoreError::PreconditionFailed),
                }
            }
        }
    }

    /// Deletes what is stored under the sort key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::PreconditionFailed`], [`StoreError::Aws`].
    pub(crate) async fn delete(&self, sort_key: &str, precondition: &Precondition) -> Result<(), StoreError> {
        let condition = Condition::to_change(self.form, precondition);
        let deleted = self
            .access
            .dynamodb()
            .await?
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(self.primary_key(sort_key)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match deleted {
            Ok(output) => {
                self.access.meter().add(output.consumed_capacity());
                Ok(())
            }
            Err(error) => {
                let Some(DeleteItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
                else {
                    return Err(AwsFailure::of(self.form.calls.delete)(error).into());
                };
                match Present::of(self.form, failed.item()) {
                    Present::OfTheForm => Err(StoreError::PreconditionFailed),
                    // A precondition on what is not there does not come into play (RFC 9110, 13.2.1).
                    Present::Odd | Present::Nothing => Err(StoreError::NotFound),
                }
            }
        }
    }

    /// A page of a list in the order of sort keys, of what `read` makes of the stored; it leaves out what it
    /// makes nothing of.
    ///
    /// A page holds fewer than `limit` things where they are large; `next_cursor` alone tells whether there
    /// are more.
    ///
    /// # Errors
    /// [`StoreError::Aws`].
    pub(crate) async fn list<T>(
        &self,
        scope: &ListScope,
        order: Order,
        limit: usize,
        cursor: Option<Cursor>,
        read: impl Fn(Stored) -> Option<T>,
    ) -> Result<Page<T>, StoreError> {
        let dynamodb = self.access.dynamodb().await?;
        let mut items: Vec<T> = Vec::with_capacity(limit);
        let mut bytes = 0;
        let mut last = None;
        let mut start = cursor.map(Cursor::into_sort_key);
        for _ in 0..QUERIES_PER_PAGE {
            // One more than is missing tells whether there is a next page.
            let wanted = i32::try_from(limit - items.len() + 1).unwrap_or(i32::MAX);
            let query = dynamodb
                .query()
                .table_name(&self.table)
                .expression_attribute_names("#partition", self.form.partition_key)
                .expression_attribute_values(":partition", self.key.clone())
                .set_exclusive_start_key(start.as_deref().map(|sort_key| self.primary_key(sort_key)))
                .scan_index_forward(order == Order::Asc)
                .limit(wanted)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let query = if scope.prefix().is_empty() {
                query.key_condition_expression("#partition = :partition")
            } else {
                query
                    .key_condition_expression("#partition = :partition AND begins_with(#sk, :prefix)")
                    .expression_attribute_names("#sk", self.form.sort_key)
                    .expression_attribute_values(":prefix", AttributeValue::S(scope.prefix().to_owned()))
            };
            let output = query.send().await.map_err(AwsFailure::of(self.form.calls.query))?;
            self.access.meter().add(output.consumed_capacity());
            for stored in
                output.items.unwrap_or_default().into_iter().filter_map(|item| to_stored(self.form, item))
            {
                let (size, sort_key) = (answered_size(&stored.content), stored.sort_key.clone());
                let Some(thing) = read(stored) else { continue };
                if items.len() == limit || (!items.is_empty() && bytes + size > PAGE_BYTES) {
                    let next = last.map(|last: String| Cursor::behind(scope, order, last).to_string());
                    return Ok(Page { items, next_cursor: next });
                }
                bytes += size;
                items.push(thing);
                last = Some(sort_key);
            }
            match output.last_evaluated_key.and_then(|mut key| key.remove(self.form.sort_key)) {
                Some(AttributeValue::S(sort_key)) => start = Some(sort_key),
                _ => return Ok(Page { items, next_cursor: None }),
            }
        }
        let next_cursor = start.map(|sort_key| Cursor::behind(scope, order, sort_key).to_string());
        Ok(Page { items, next_cursor })
    }

    /// Whether an item has no attribute beside its key's.
    fn is_bare(&self, item: &Item) -> bool {
        item.keys().all(|name| name == self.form.partition_key || name == self.form.sort_key)
    }

    /// Writes over an item that is not of the form, which counts as none, if it still is the one that was seen.
    async fn displace(&self, fresh: &Stored, odd: &Item) -> Result<Attempt, StoreError> {
        let is_written = self.write(fresh, Condition::seen(self.form, odd)).await?;
        Ok(if is_written { Attempt::Created } else { Attempt::Overtaken })
    }

    /// Whether the condition held, and the item is written.
    async fn write(&self, stored: &Stored, condition: Condition) -> Result<bool, StoreError> {
        let written = self
            .access
            .dynamodb()
            .await?
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.item(stored)?))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values((!condition.values.is_empty()).then_some(condition.values))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match written {
            Ok(output) => {
                self.access.meter().add(output.consumed_capacity());
                Ok(true)
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(AwsFailure::of(self.form.calls.put)(error).into()),
            },
        }
    }

    /// The item that holds it, within DynamoDB's size.
    fn item(&self, stored: &Stored) -> Result<Item, StoreError> {
        let mut item = self.primary_key(&stored.sort_key);
        item.extend(to_item(self.form, stored));
        match size(&item) {
            bytes if bytes > MAX_ITEM => Err(StoreError::TooLarge(bytes)),
            _ => Ok(item),
        }
    }

    fn primary_key(&self, sort_key: &str) -> Item {
        Item::from([
            (self.form.partition_key.to_owned(), self.key.clone()),
            (self.form.sort_key.to_owned(), AttributeValue::S(sort_key.to_owned())),
        ])
    }
}
