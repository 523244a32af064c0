//! The items of one partition.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, Select};
use tenant_context::{ApiKeyId, AwsFailure, TenantId};

use super::Run;
use crate::ControlError;
use crate::reading::Reader;

/// An item as DynamoDB answers it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A page of a partition that is asked for.
#[derive(Debug)]
pub(crate) struct Partition<'a> {
    pub(crate) table: &'a str,
    /// The attribute of the partition key, and its value.
    pub(crate) key: (&'static str, &'a str),
    /// The attribute of the sort key.
    pub(crate) sort_key: &'static str,
    /// For errors.
    pub(crate) operation: &'static str,
}

impl<'a> Partition<'a> {
    /// A tenant's, of a table of records.
    pub(crate) fn records(table: &'a str, tenant: &'a TenantId) -> Self {
        Self {
            table,
            key: ("tenant_id", tenant.as_str()),
            sort_key: "sk",
            operation: "Query on a table of records",
        }
    }

    /// A key's, of the checkpoints.
    pub(crate) fn checkpoints(table: &'a str, key: &'a ApiKeyId) -> Self {
        Self {
            table,
            key: ("api_key_id", key.as_str()),
            sort_key: "name",
            operation: "Query on the checkpoints table",
        }
    }
}

impl Partition<'_> {
    /// The items behind a sort key, and the sort key behind which there are more.
    pub(crate) async fn page(
        &self,
        run: &Run<'_>,
        behind: Option<&str>,
        limit: i32,
    ) -> Result<(Vec<Item>, Option<String>), ControlError> {
        self.send(run, self.query(&run.desk.reader, limit), behind).await
    }

    /// As [`Self::page`], with nothing behind a last sort key.
    pub(crate) async fn page_up_to(
        &self,
        run: &Run<'_>,
        behind: Option<&str>,
        last: Option<&str>,
        limit: i32,
    ) -> Result<(Vec<Item>, Option<String>), ControlError> {
        let mut query = self.query(&run.desk.reader, limit);
        if let Some(last) = last {
            query = query
                .key_condition_expression("#key = :key AND #sort_key <= :last")
                .expression_attribute_names("#sort_key", self.sort_key)
                .expression_attribute_values(":last", AttributeValue::S(last.to_owned()));
        }
        self.send(run, query, behind).await
    }

    async fn send(
        &self,
        run: &Run<'_>,
        query: QueryFluentBuilder,
        behind: Option<&str>,
    ) -> Result<(Vec<Item>, Option<String>), ControlError> {
        let query = query.set_exclusive_start_key(behind.map(|sort_key| self.place(sort_key)));
        let page = query.send().await.map_err(AwsFailure::of(self.operation))?;
        run.desk.reader.meter.add(page.consumed_capacity());
        let next = page.last_evaluated_key.as_ref().and_then(|place| self.sort_key_of(place));
        let next = next.map(str::to_owned);
        Ok((page.items.unwrap_or_default(), next))
    }

    /// The sort key of one of its items.
    pub(crate) fn sort_key_of<'a>(&self, item: &'a Item) -> Option<&'a str> {
        item.get(self.sort_key).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    /// Whether it holds anything.
    pub(crate) async fn holds_any(&self, run: &Run<'_>) -> Result<bool, ControlError> {
        self.is_filled(&run.desk.reader).await
    }

    /// The same, asked by a request.
    pub(crate) async fn is_filled(&self, reader: &Reader) -> Result<bool, ControlError> {
        let page = self.query(reader, 1).select(Select::Count).send().await;
        let page = page.map_err(AwsFailure::of(self.operation))?;
        reader.meter.add(page.consumed_capacity());
        Ok(page.count() > 0)
    }

    /// The place of one of its items.
    pub(crate) fn place(&self, sort_key: &str) -> Item {
        let (name, value) = self.key;
        let text = |text: &str| AttributeValue::S(text.to_owned());
        Item::from([(name.to_owned(), text(value)), (self.sort_key.to_owned(), text(sort_key))])
    }

    fn query(&self, reader: &Reader, limit: i32) -> QueryFluentBuilder {
        let (name, value) = self.key;
        reader
            .dynamodb
            .query()
            .table_name(self.table)
            .key_condition_expression("#key = :key")
            .expression_attribute_names("#key", name)
            .expression_attribute_values(":key", AttributeValue::S(value.to_owned()))
            .consistent_read(true)
            .limit(limit)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }
}
