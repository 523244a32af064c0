//! Which keys have used much of their quotas, by the index on what share of it is gone.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::{NearLimit, NearLimitPage, QuotaPercent};
use serde::{Deserialize, Serialize};
use tenant_context::{ApiKeyId, Aws, AwsFailure, Bound, Meter, OpenError, Operator, Table, UsageItem};
use time::OffsetDateTime;

use crate::ControlError;
use crate::item::read;
use crate::usage_figures::exhausts_at;

/// Longest cursor in characters.
const MAX_CURSOR: usize = 256;
/// Most keys that one query looks at.
const PAGE: i32 = 100;
/// Most queries for one page, as where a new period has just begun and its first snapshot is not there yet.
const ROUNDS: usize = 20;

/// Which keys are listed.
#[derive(Debug, Clone)]
pub struct UsageListing {
    /// The least part of the quota that is gone.
    pub at: QuotaPercent,
    /// Most keys in the page.
    pub limit: usize,
    /// Where the page begins.
    pub cursor: Option<UsageCursor>,
}

/// The place behind a key of a list: the list's part, the key's share, and the key.
///
/// It needs no signature: operators see all tenants, and it holds what they have been answered. A snapshot between
/// two pages moves keys: one may come twice, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCursor(u8, u16, ApiKeyId);

/// Why a cursor is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsageCursorError {
    /// It was not made by a list.
    #[error("is not a cursor that a list has answered")]
    Malformed,
    /// It belongs to another list.
    #[error("belongs to another list")]
    Foreign,
}

impl UsageCursor {
    /// Reads a cursor for a list of keys that have used as much of their quotas.
    ///
    /// # Errors
    /// [`UsageCursorError`].
    pub fn parse(text: &str, at: QuotaPercent) -> Result<Self, UsageCursorError> {
        if text.len() > MAX_CURSOR {
            return Err(UsageCursorError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| UsageCursorError::Malformed)?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| UsageCursorError::Malformed)?;
        if cursor.0 != at.get() {
            return Err(UsageCursorError::Foreign);
        }
        // DynamoDB refuses to begin where the condition does not hold.
        if !(least(at)..=1_000).contains(&cursor.1) {
            return Err(UsageCursorError::Malformed);
        }
        Ok(cursor)
    }

    /// The place in the index.
    fn place(self) -> HashMap<String, AttributeValue> {
        let Self(_, share, key) = self;
        HashMap::from([
            ("quota".to_owned(), AttributeValue::S(UsageItem::WITH_QUOTA.to_owned())),
            ("share".to_owned(), AttributeValue::N(share.to_string())),
            ("api_key_id".to_owned(), AttributeValue::S(key.to_string())),
            ("day".to_owned(), AttributeValue::S(UsageItem::DAY.to_owned())),
        ])
    }
}

impl fmt::Display for UsageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

/// The part of a quota, of a thousand.
fn least(at: QuotaPercent) -> u16 {
    u16::from(at.get()) * 10
}

/// Keys that have used much of their quotas, for an operator to look at.
#[derive(Debug, Clone)]
pub struct NearLimits(Arc<Opened>);

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    dynamodb: Client,
    table: String,
    meter: Meter,
}

impl Bound<Operator> for NearLimits {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened {
            dynamodb: aws.dynamodb().clone(),
            table: aws.table(Table::Usage)?.to_owned(),
            meter: aws.meter().clone(),
        }))
    }

    fn bind(opened: &Arc<Opened>, _: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(opened))
    }
}

impl NearLimits {
    /// A page of the keys of which at least a part of the quota is gone, the most first. What was read before the
    /// present period of a quota began is left out.
    ///
    /// # Errors
    /// [`ControlError::Aws`], [`ControlError::Unreadable`].
    pub async fn list(
        &self,
        listing: UsageListing,
        now: OffsetDateTime,
    ) -> Result<NearLimitPage, ControlError> {
        let UsageListing { at, limit, cursor } = listing;
        let mut found = Vec::new();
        let mut start = cursor.map(UsageCursor::place);
        // One more than is asked for tells whether there is a next page. Where some were left out, more are read.
        let mut look_at = i32::try_from(limit + 1).unwrap_or(PAGE).min(PAGE);
        for _ in 0..ROUNDS {
            let (items, next) = self.0.query(at, start, look_at).await?;
            look_at = PAGE;
            for item in items {
                found.extend(near(read("what a key has used", item)?, now));
            }
            start = next;
            if start.is_none() || found.len() > limit {
                break;
            }
        }
        let behind = if found.len() > limit {
            found.truncate(limit);
            found.last().map(|(place, _)| place.clone())
        } else {
            start.map(|place| read("a place in the index", place)).transpose()?
        };
        Ok(NearLimitPage {
            items: found.into_iter().map(|(_, told)| told).collect(),
            next_cursor: behind
                .map(|Place { share, api_key_id }| UsageCursor(at.get(), share, api_key_id).to_string()),
        })
    }
}

/// The part of a key of the index that differs from item to item.
#[derive(Debug, Clone, Deserialize)]
struct Place {
    share: u16,
    api_key_id: ApiKeyId,
}

type Item = HashMap<String, AttributeValue>;

impl Opened {
    async fn query(
        &self,
        at: QuotaPercent,
        start: Option<Item>,
        look_at: i32,
    ) -> Result<(Vec<Item>, Option<Item>), ControlError> {
        let page = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .index_name(UsageItem::INDEX)
            .key_condition_expression("quota = :quota AND #share >= :least")
            .expression_attribute_names("#share", "share")
            .expression_attribute_values(":quota", AttributeValue::S(UsageItem::WITH_QUOTA.to_owned()))
            .expression_attribute_values(":least", AttributeValue::N(least(at).to_string()))
            .scan_index_forward(false)
            .limit(look_at)
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("Query on the usage table's index"))?;
        self.meter.add(page.consumed_capacity());
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }
}

/// What is told of a key, with its place; nothing where a new period has begun since.
fn near(item: UsageItem, now: OffsetDateTime) -> Option<(Place, NearLimit)> {
    let quota = item.quota().filter(|quota| quota.resets_at > now)?;
    let told = NearLimit {
        tenant_id: item.tenant_id.into(),
        api_key_id: item.api_key_id.to_string(),
        plan: item.plan,
        limit: quota.limit,
        used: quota.used,
        remaining: quota.remaining,
        share: f64::from(quota.share) / 10.0,
        pace: quota.pace,
        resets_at: quota.resets_at,
        exhausts_at: exhausts_at(&quota, item.as_of),
        as_of: item.as_of,
    };
    Some((Place { share: quota.share, api_key_id: item.api_key_id }, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> QuotaPercent {
        text.parse().unwrap()
    }

    #[test]
    fn a_cursor_belongs_to_its_list_alone() {
        let cursor = UsageCursor(80, 873, "k1".parse().unwrap());
        let text = cursor.to_string();
        assert_eq!(UsageCursor::parse(&text, percent("80")), Ok(cursor));
        assert_eq!(UsageCursor::parse(&text, percent("81")), Err(UsageCursorError::Foreign));
    }

    #[test]
    fn what_no_list_has_answered_is_no_cursor() {
        let made = |json: &str| URL_SAFE_NO_PAD.encode(json);
        for text in [
            String::new(),
            "x".to_owned(),
            "a".repeat(257),
            made("null"),
            made(r#"[80,799,"k1"]"#),
            made(r#"[80,1001,"k1"]"#),
            made(r#"[80,900,"k#1"]"#),
        ] {
            let read = UsageCursor::parse(&text, percent("80"));
            assert_eq!(read, Err(UsageCursorError::Malformed), "{text}");
        }
    }
}
