//! Lists of tenants, by the index on their status.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::{TenantPage, TenantStatus};
use serde::{Deserialize, Serialize};
use tenant_context::{AwsFailure, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::item::{ENDING, OWED, TenantItem, milliseconds, read};
use crate::reading::Reader;

/// The index of all tenants.
const INDEX: &str = "by-status";
/// The index of tenants that something is to be done for.
const DUE_INDEX: &str = "by-due";
/// Longest cursor in characters.
const MAX_CURSOR: usize = 256;
/// Most tenants that a query looks at which leaves some of them out.
const PAGE: i32 = 100;
/// Most queries for one page, as where few of many tenants are of the tier.
const ROUNDS: usize = 20;

/// Which tenants are listed.
#[derive(Debug, Clone)]
pub struct TenantListing {
    /// Where they stand.
    pub status: TenantStatus,
    /// Their tier; every one where it is left out.
    pub tier: Option<String>,
    /// Most tenants in the page.
    pub limit: usize,
    /// Where the page begins.
    pub cursor: Option<TenantCursor>,
}

/// The place behind a tenant of a list.
///
/// It needs no signature: operators see all tenants, and it holds what they have been answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCursor(TenantStatus, Option<String>, TenantId);

/// Why a cursor is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TenantCursorError {
    /// It was not made by a list.
    #[error("is not a cursor that a list has answered")]
    Malformed,
    /// It belongs to another list.
    #[error("belongs to another list")]
    Foreign,
}

impl TenantCursor {
    /// Reads a cursor for a list of tenants of the status and the tier.
    ///
    /// # Errors
    /// [`TenantCursorError`].
    pub fn parse(text: &str, status: TenantStatus, tier: Option<&str>) -> Result<Self, TenantCursorError> {
        if text.len() > MAX_CURSOR {
            return Err(TenantCursorError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TenantCursorError::Malformed)?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| TenantCursorError::Malformed)?;
        if cursor.0 != status || cursor.1.as_deref() != tier {
            return Err(TenantCursorError::Foreign);
        }
        Ok(cursor)
    }
}

impl fmt::Display for TenantCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(self).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

type Item = HashMap<String, AttributeValue>;

impl Reader {
    pub(crate) async fn list(&self, listing: TenantListing) -> Result<TenantPage, ControlError> {
        let TenantListing { status, tier, limit, cursor } = listing;
        let mut start = cursor.map(|TenantCursor(.., id)| place(status, &id));
        let mut found: Vec<TenantItem> = Vec::new();
        // One more than is asked for tells whether there is a next page. Where none is left out, no others are read.
        let look_at = if tier.is_some() { PAGE } else { i32::try_from(limit + 1).unwrap_or(PAGE) };
        for _ in 0..ROUNDS {
            let (items, next) = self.by_status(status, tier.as_deref(), start, look_at).await?;
            for item in items {
                found.push(read("the item of a tenant", item)?);
            }
            start = next;
            if start.is_none() || found.len() > limit {
                break;
            }
        }
        let behind = if found.len() > limit {
            found.truncate(limit);
            found.last().map(|tenant| tenant.tenant_id.clone())
        } else {
            start
                .map(|place| read::<Place>("a place in the index", place))
                .transpose()?
                .map(|at| at.tenant_id)
        };
        Ok(TenantPage {
            items: found.iter().map(TenantItem::details).collect(),
            next_cursor: behind.map(|id| TenantCursor(status, tier, id).to_string()),
        })
    }

    /// Up to `most` tenants: in turn those that something is owed to which no attempt is at work on, and those with a
    /// key that is past its end or a task, so that neither keep the others back; of each, those first that have waited
    /// longest.
    pub(crate) async fn due(&self, now: OffsetDateTime, most: i32) -> Result<Vec<TenantId>, ControlError> {
        let owed = self.due_of(OWED, now, most).await?;
        let ending = self.due_of(ENDING, now, most).await?;
        Ok(in_turn(owed, ending, usize::try_from(most).unwrap_or_default()))
    }

    async fn due_of(
        &self,
        partition: &str,
        now: OffsetDateTime,
        most: i32,
    ) -> Result<Vec<TenantId>, ControlError> {
        let page = self
            .dynamodb
            .query()
            .table_name(&self.tenants)
            .index_name(DUE_INDEX)
            .key_condition_expression("due = :due AND due_at <= :now")
            .expression_attribute_values(":due", AttributeValue::S(partition.to_owned()))
            .expression_attribute_values(":now", AttributeValue::N(milliseconds(now)))
            .limit(most)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("Query on the tenants' index"))?;
        self.meter.add(page.consumed_capacity());
        let places = page.items.unwrap_or_default().into_iter();
        places.map(|item| Ok(read::<Place>("a place in the index", item)?.tenant_id)).collect()
    }

    async fn by_status(
        &self,
        status: TenantStatus,
        tier: Option<&str>,
        start: Option<Item>,
        look_at: i32,
    ) -> Result<(Vec<Item>, Option<Item>), ControlError> {
        let mut query = self
            .dynamodb
            .query()
            .table_name(&self.tenants)
            .index_name(INDEX)
            .key_condition_expression("#status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", AttributeValue::S(status.to_string()))
            .limit(look_at)
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        if let Some(tier) = tier {
            query = query
                .filter_expression("#tier = :tier")
                .expression_attribute_names("#tier", "tier")
                .expression_attribute_values(":tier", AttributeValue::S(tier.to_owned()));
        }
        let page = query.send().await.map_err(AwsFailure::of("Query on the tenants' index"))?;
        self.meter.add(page.consumed_capacity());
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }
}

/// The part of an item, or of a key of the index, that says whose it is.
#[derive(Deserialize)]
struct Place {
    tenant_id: TenantId,
}

fn place(status: TenantStatus, id: &TenantId) -> Item {
    HashMap::from([
        ("status".to_owned(), AttributeValue::S(status.to_string())),
        ("tenant_id".to_owned(), AttributeValue::S(id.to_string())),
    ])
}

/// Takes from both lists in turn, up to so many.
fn in_turn<T>(first: Vec<T>, second: Vec<T>, most: usize) -> Vec<T> {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut taken = Vec::new();
    while taken.len() < most {
        let pair: Vec<_> = first.next().into_iter().chain(second.next()).collect();
        if pair.is_empty() {
            break;
        }
        taken.extend(pair);
    }
    taken.truncate(most);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_list_alone() {
        let cursor = TenantCursor(TenantStatus::Active, Some("free".into()), "acme".parse().unwrap());
        let text = cursor.to_string();
        assert_eq!(TenantCursor::parse(&text, TenantStatus::Active, Some("free")), Ok(cursor));
        for (status, tier) in [
            (TenantStatus::Suspended, Some("free")),
            (TenantStatus::Active, None),
            (TenantStatus::Active, Some("x")),
        ] {
            assert_eq!(TenantCursor::parse(&text, status, tier), Err(TenantCursorError::Foreign));
        }
    }

    #[test]
    fn what_no_list_has_answered_is_no_cursor() {
        for text in
            ["", "x", "bnVsbA", &"a".repeat(257), &URL_SAFE_NO_PAD.encode(r#"["active",null,"ACME"]"#)]
        {
            let read = TenantCursor::parse(text, TenantStatus::Active, None);
            assert_eq!(read, Err(TenantCursorError::Malformed), "{text}");
        }
    }

    #[test]
    fn neither_list_keeps_the_other_back() {
        assert_eq!(in_turn(vec![1, 2, 3], vec![10], 3), [1, 10, 2]);
        assert_eq!(in_turn(vec![1, 2, 3], vec![10, 20, 30], 4), [1, 10, 2, 20]);
        assert_eq!(in_turn(Vec::new(), vec![10, 20], 5), [10, 20]);
    }
}
