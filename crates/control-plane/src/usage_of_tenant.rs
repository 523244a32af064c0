//! What the keys of one tenant have used.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use contract::{KeyUsage, TenantUsagePage, UsageDay, UsageDays};
use tenant_context::{
    Aws, AwsFailure, Bound, KeyItem, OpenError, Operator, Table, TenantId, UsageDayItem, UsageItem,
};
use time::{Duration, OffsetDateTime};

use crate::ControlError;
use crate::item::read;
use crate::reading::Reader;

/// Queries for one key's days at most. Days are few and small, and a page holds a megabyte.
const MAX_PAGES: usize = 10;

/// What tenants have used, for an operator to look at.
#[derive(Debug, Clone)]
pub struct TenantUsage(Arc<Opened>);

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    reader: Reader,
    table: String,
}

impl Bound<Operator> for TenantUsage {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened { reader: Reader::open(aws)?, table: aws.table(Table::Usage)?.to_owned() }))
    }

    fn bind(opened: &Arc<Opened>, _: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(opened))
    }
}

impl TenantUsage {
    /// What each of a tenant's present keys has used, and on which of the last days, today's included.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Aws`], [`ControlError::Unreadable`].
    pub async fn of(
        &self,
        id: &TenantId,
        days: UsageDays,
        now: OffsetDateTime,
    ) -> Result<TenantUsagePage, ControlError> {
        let tenant = self.0.reader.tenant(id).await?;
        let mut items = Vec::new();
        for key in self.0.reader.keys(&tenant).await? {
            items.push(self.0.of_key(&key, days, now).await?);
        }
        Ok(TenantUsagePage { items, next_cursor: None })
    }
}

impl Opened {
    async fn of_key(
        &self,
        key: &KeyItem,
        days: UsageDays,
        now: OffsetDateTime,
    ) -> Result<KeyUsage, ControlError> {
        let told = self.now(key).await?.filter(|item| item.tells(&key.tier, now));
        let quota = told.as_ref().and_then(UsageItem::quota);
        Ok(KeyUsage {
            api_key_id: key.api_key_id.to_string(),
            plan: key.tier.clone(),
            pace: quota.map(|quota| quota.pace),
            quota: quota.map(Into::into),
            as_of: told.map(|item| item.as_of),
            days: self.days(key, days, now).await?,
        })
    }

    async fn now(&self, key: &KeyItem) -> Result<Option<UsageItem>, ControlError> {
        let found = self
            .reader
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .key("api_key_id", AttributeValue::S(key.api_key_id.to_string()))
            .key("day", AttributeValue::S(UsageItem::DAY.to_owned()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("GetItem on the usage table"))?;
        self.reader.meter.add(found.consumed_capacity());
        found.item.map(|item| read("what a key has used", item)).transpose()
    }

    async fn days(
        &self,
        key: &KeyItem,
        days: UsageDays,
        now: OffsetDateTime,
    ) -> Result<Vec<UsageDay>, ControlError> {
        let today = now.date();
        let first = today.saturating_sub(Duration::days(i64::from(days.get()) - 1));
        let (from, to) = UsageDayItem::between(first, today);
        let mut found = Vec::new();
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .reader
                .dynamodb
                .query()
                .table_name(&self.table)
                .key_condition_expression("api_key_id = :key AND #day BETWEEN :from AND :to")
                .expression_attribute_names("#day", "day")
                .expression_attribute_values(":key", AttributeValue::S(key.api_key_id.to_string()))
                .expression_attribute_values(":from", AttributeValue::S(from.clone()))
                .expression_attribute_values(":to", AttributeValue::S(to.clone()))
                .set_exclusive_start_key(start)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(AwsFailure::of("Query on the usage table"))?;
            self.reader.meter.add(page.consumed_capacity());
            for item in page.items.unwrap_or_default() {
                found.push(read("what a key has used on a day", item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(by_day(&found))
    }
}

/// Days with what was used on each, in all plans, and what was left in the plan that was read last.
fn by_day(items: &[UsageDayItem]) -> Vec<UsageDay> {
    let mut days: BTreeMap<&str, Vec<&UsageDayItem>> = BTreeMap::new();
    for item in items {
        days.entry(item.day()).or_default().push(item);
    }
    let told = days.into_iter().map(|(day, plans)| UsageDay {
        day: day.to_owned(),
        used: plans.iter().map(|item| item.used).sum(),
        remaining: plans.iter().max_by_key(|item| item.as_of).and_then(|item| item.remaining),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn a_day_in_two_plans_is_one_day() {
        let item = |day, plan, told, as_of| {
            UsageDayItem::new("k1".parse().unwrap(), "acme".parse().unwrap(), (day, plan), told, as_of)
        };
        let (monday, tuesday) = (date!(2026 - 11 - 30), date!(2026 - 12 - 01));
        let items = [
            item(monday, "free", (3, Some(7)), datetime!(2026-11-30 10:00 UTC)),
            item(monday, "premium", (4, None), datetime!(2026-11-30 11:00 UTC)),
            item(tuesday, "free", (1, Some(9)), datetime!(2026-12-01 10:00 UTC)),
        ];
        let told: Vec<_> = by_day(&items).into_iter().map(|day| (day.day, day.used, day.remaining)).collect();
        assert_eq!(told, [("2026-11-30".to_owned(), 7, None), ("2026-12-01".to_owned(), 1, Some(9))]);
    }
}
