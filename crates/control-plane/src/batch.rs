//! Writing many items.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, WriteRequest};
use tenant_context::{AwsFailure, Meter};

use crate::ControlError;

/// Items that `BatchWriteItem` takes at most.
const WRITES: usize = 25;
/// How often what DynamoDB has not processed is asked for again. What is left then is left to the next attempt.
pub(crate) const ROUNDS: u32 = 5;
/// The pause before the second round; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits before what has not been processed is asked for again.
pub(crate) async fn pause_before(round: u32) {
    if round > 0 {
        tokio::time::sleep(PAUSE * 2_u32.pow(round - 1)).await;
    }
}

/// A table whose items are written by the batch.
#[derive(Debug)]
pub(crate) struct Batches<'a> {
    pub(crate) dynamodb: &'a Client,
    pub(crate) table: &'a str,
    pub(crate) meter: &'a Meter,
    /// For errors.
    pub(crate) operation: &'static str,
    /// What is said where DynamoDB does not write it all.
    pub(crate) incomplete: &'static str,
}

impl Batches<'_> {
    /// Writes items, each of another key. After an error, any of them may have been written.
    ///
    /// # Errors
    /// [`ControlError::Aws`]; [`ControlError::Unprocessed`] where DynamoDB does not take them all in time.
    pub(crate) async fn write(&self, writes: Vec<WriteRequest>) -> Result<(), ControlError> {
        let mut rest = writes.into_iter();
        loop {
            let batch: Vec<_> = rest.by_ref().take(WRITES).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.write_one(batch).await?;
        }
    }

    async fn write_one(&self, batch: Vec<WriteRequest>) -> Result<(), ControlError> {
        let mut left = HashMap::from([(self.table.to_owned(), batch)]);
        for round in 0..ROUNDS {
            pause_before(round).await;
            let written = self
                .dynamodb
                .batch_write_item()
                .set_request_items(Some(left))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(AwsFailure::of(self.operation))?;
            for consumed in written.consumed_capacity() {
                self.meter.add(Some(consumed));
            }
            left = written.unprocessed_items.unwrap_or_default();
            if left.values().all(Vec::is_empty) {
                return Ok(());
            }
        }
        Err(ControlError::Unprocessed(self.incomplete))
    }
}
