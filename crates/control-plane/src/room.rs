//! How many API keys the account has.
//!
//! An account and region has 10,000 keys at most, which AWS does not raise. No call tells their number, so the
//! snapshot of usage counts them, and whoever makes a key looks at the count.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use serde::{Deserialize, Serialize};
use tenant_context::{Aws, AwsFailure, Bound, Meter, OpenError, Operator, Table};
use time::OffsetDateTime;

use crate::ControlError;
use crate::item::read;

/// Most keys of an account and region (AWS: "Amazon API Gateway quotas").
const MOST_KEYS: u32 = 10_000;

/// The room that the account has for further keys.
#[derive(Debug, Clone)]
pub struct KeyRoom(Arc<Opened>);

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    dynamodb: Client,
    table: String,
    meter: Meter,
    headroom: u32,
}

/// The item of the usage table that holds the count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyCount {
    /// Partition key. No key's id holds `#`.
    api_key_id: String,
    /// Sort key.
    day: String,
    keys: u32,
    #[serde(with = "time::serde::rfc3339")]
    as_of: OffsetDateTime,
}

impl KeyCount {
    const PARTITION: &str = "account#keys";
    const DAY: &str = "count";

    pub(crate) fn new(keys: u32, as_of: OffsetDateTime) -> Self {
        Self { api_key_id: Self::PARTITION.to_owned(), day: Self::DAY.to_owned(), keys, as_of }
    }

    /// Whether a key more leaves the account its headroom.
    fn has_room(&self, headroom: u32) -> bool {
        self.keys < MOST_KEYS.saturating_sub(headroom)
    }
}

impl Bound<Operator> for KeyRoom {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened {
            dynamodb: aws.dynamodb().clone(),
            table: aws.table(Table::Usage)?.to_owned(),
            meter: aws.meter().clone(),
            headroom: aws.key_headroom(),
        }))
    }

    fn bind(opened: &Arc<Opened>, _: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(opened))
    }
}

impl KeyRoom {
    /// Makes sure that the account has room for a key more, as of the last count. Before the first one there is.
    ///
    /// # Errors
    /// [`ControlError::NoRoom`]; [`ControlError::Aws`], [`ControlError::Unreadable`].
    pub(crate) async fn check(&self) -> Result<(), ControlError> {
        let Opened { dynamodb, table, meter, headroom } = &*self.0;
        let place = [("api_key_id", KeyCount::PARTITION), ("day", KeyCount::DAY)];
        let place: HashMap<_, _> =
            place.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into();
        let output = dynamodb
            .get_item()
            .table_name(table)
            .set_key(Some(place))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("GetItem on the usage table"))?;
        meter.add(output.consumed_capacity());
        let Some(item) = output.item else { return Ok(()) };
        let count: KeyCount = read("the count of keys", item)?;
        if count.has_room(*headroom) { Ok(()) } else { Err(ControlError::NoRoom) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headroom_is_kept_and_no_more() {
        let has_room = |keys, headroom| KeyCount::new(keys, OffsetDateTime::UNIX_EPOCH).has_room(headroom);
        assert!(has_room(9_799, 200) && !has_room(9_800, 200) && !has_room(9_801, 200));
        assert!(has_room(9_999, 0) && !has_room(10_000, 0));
        assert!(!has_room(0, 10_000) && !has_room(0, u32::MAX));
    }

    #[test]
    fn the_count_comes_back_from_the_table_as_it_was_written() {
        let count = KeyCount::new(7, OffsetDateTime::UNIX_EPOCH);
        let item = crate::item::write("the count of keys", &count).unwrap();
        assert_eq!(read::<KeyCount>("the count of keys", item).unwrap(), count);
    }
}
