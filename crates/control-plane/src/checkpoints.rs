//! The checkpoints of keys that come and go.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, PutRequest, ReturnConsumedCapacity, WriteRequest,
};
use tenant_context::{ApiKeyId, AwsFailure, Meter};

use crate::ControlError;
use crate::batch::Batches;

/// Items of one page, as many as are written at once.
const PAGE: i32 = 25;

/// The table of checkpoints, over all keys.
#[derive(Debug)]
pub(crate) struct KeysCheckpoints {
    pub(crate) dynamodb: Client,
    pub(crate) table: String,
    pub(crate) meter: Meter,
}

impl KeysCheckpoints {
    /// Copies all checkpoints of a key to another one.
    pub(crate) async fn copy(&self, from: &ApiKeyId, to: &ApiKeyId) -> Result<(), ControlError> {
        self.each(from, |mut item| {
            item.insert("api_key_id".to_owned(), AttributeValue::S(to.to_string()));
            let put = PutRequest::builder().set_item(Some(item)).build();
            Ok(WriteRequest::builder().put_request(put.map_err(unwritable)?).build())
        })
        .await
    }

    /// Deletes all checkpoints of a key.
    pub(crate) async fn delete(&self, key: &ApiKeyId) -> Result<(), ControlError> {
        self.each(key, |mut item| {
            item.retain(|name, _| name == "api_key_id" || name == "name");
            let delete = DeleteRequest::builder().set_key(Some(item)).build();
            Ok(WriteRequest::builder().delete_request(delete.map_err(unwritable)?).build())
        })
        .await
    }

    async fn each(
        &self,
        key: &ApiKeyId,
        write: impl Fn(HashMap<String, AttributeValue>) -> Result<WriteRequest, ControlError>,
    ) -> Result<(), ControlError> {
        let mut start = None;
        loop {
            let page = self
                .dynamodb
                .query()
                .table_name(&self.table)
                .key_condition_expression("api_key_id = :key")
                .expression_attribute_values(":key", AttributeValue::S(key.to_string()))
                .consistent_read(true)
                .limit(PAGE)
                .set_exclusive_start_key(start)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(AwsFailure::of("Query on the checkpoints table"))?;
            self.meter.add(page.consumed_capacity());
            let writes =
                page.items.unwrap_or_default().into_iter().map(&write).collect::<Result<Vec<_>, _>>()?;
            self.write(writes).await?;
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    async fn write(&self, writes: Vec<WriteRequest>) -> Result<(), ControlError> {
        let batches = Batches {
            dynamodb: &self.dynamodb,
            table: &self.table,
            meter: &self.meter,
            operation: "BatchWriteItem on the checkpoints table",
            incomplete: "checkpoints: DynamoDB has not written them all",
        };
        batches.write(writes).await
    }
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> ControlError {
    ControlError::Unreadable("a checkpoint", Box::new(error))
}
