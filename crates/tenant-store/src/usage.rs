//! What the calling API key has used, and what it may use.
//!
//! The usage table is the control plane's: a snapshot writes it, and no tenant's credentials reach it. So it is
//! read with the function's own role in both isolation modes, and no management call of API Gateway is made for a
//! tenant's request.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use contract::{QuotaUsage, Usage as UsageView};
use serde::de::DeserializeOwned;
use tenant_context::{
    Aws, AwsFailure, Bound, KeyPartition, Meter, OpenError, PlanItem, Table, TenantContext, UsageItem,
};
use time::OffsetDateTime;

use crate::StoreError;

/// The operation, for errors.
const READ: &str = "GetItem on the usage table";

/// What the API key has used that the request came with.
#[derive(Debug)]
pub struct Usage {
    opened: Arc<Opened>,
    context: Arc<TenantContext>,
    partition: KeyPartition,
    at: OffsetDateTime,
}

/// What the requests of all keys share.
#[derive(Debug)]
pub struct Opened {
    dynamodb: aws_sdk_dynamodb::Client,
    table: String,
    meter: Meter,
}

impl Bound<TenantContext> for Usage {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened {
            dynamodb: aws.dynamodb().clone(),
            table: aws.table(Table::Usage)?.to_owned(),
            meter: aws.meter().clone(),
        }))
    }

    fn bind(opened: &Arc<Opened>, context: &Arc<TenantContext>, at: OffsetDateTime) -> Self {
        let partition = context.key_partition();
        Self { opened: Arc::clone(opened), context: Arc::clone(context), partition, at }
    }
}

impl Usage {
    /// The key's plan, and what the key has used of its quota, both as of the last snapshot.
    ///
    /// # Errors
    /// [`StoreError::NoSnapshot`] before the first snapshot of the plan; [`StoreError::Aws`],
    /// [`StoreError::Incomplete`].
    pub async fn get(&self) -> Result<UsageView, StoreError> {
        let tier = self.context.tier();
        let plan: PlanItem = self
            .opened
            .item(&PlanItem::partition(tier), PlanItem::DAY)
            .await?
            .ok_or(StoreError::NoSnapshot)?;
        let told: Option<UsageItem> = self.opened.item(self.partition.as_str(), UsageItem::DAY).await?;
        Ok(view(&self.context.api_key_id().to_string(), tier, plan, told, self.at))
    }
}

/// What is answered. Where the snapshot does not tell of the key in this plan and period, nothing is made up.
fn view(
    api_key_id: &str,
    tier: &str,
    plan: PlanItem,
    told: Option<UsageItem>,
    at: OffsetDateTime,
) -> UsageView {
    let told = told.filter(|item| item.tells(tier, at));
    let used = told.as_ref().and_then(UsageItem::quota);
    let quota = plan.allowance.map(|allowance| {
        used.map_or_else(
            || QuotaUsage {
                limit: allowance.limit,
                used: None,
                remaining: None,
                period: allowance.period,
                resets_at: allowance.period.resets_at(at.date()),
            },
            QuotaUsage::from,
        )
    });
    UsageView {
        api_key_id: api_key_id.to_owned(),
        plan: tier.to_owned(),
        // An item from before the plan had a quota is not of the quota.
        as_of: told.filter(|_| quota.is_none() || used.is_some()).map(|item| item.as_of),
        quota,
        throttle: plan.throttle,
        routes: plan.routes,
    }
}

impl Opened {
    async fn item<T: DeserializeOwned>(&self, partition: &str, day: &str) -> Result<Option<T>, StoreError> {
        let found = self
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .key("api_key_id", AttributeValue::S(partition.to_owned()))
            .key("day", AttributeValue::S(day.to_owned()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of(READ))?;
        self.meter.add(found.consumed_capacity());
        let read = |item| serde_dynamo::aws_sdk_dynamodb_1::from_item(item);
        found.item.map(read).transpose().map_err(|_| StoreError::Incomplete(READ))
    }
}

#[cfg(test)]
mod tests {
    use contract::{PlanQuota, QuotaPeriod};
    use tenant_context::QuotaNow;
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-11-30 12:00 UTC);

    fn plan(allowance: Option<PlanQuota>) -> PlanItem {
        PlanItem::new("free", allowance, None, Vec::new(), AT)
    }

    fn quota() -> QuotaNow {
        QuotaNow {
            limit: 10,
            period: QuotaPeriod::Month,
            used: 3,
            remaining: 9,
            share: 100,
            pace: 2,
            resets_at: datetime!(2026-12-01 00:00 UTC),
        }
    }

    fn item(plan: &str, quota: Option<QuotaNow>) -> UsageItem {
        UsageItem::new("k1".parse().unwrap(), "acme".parse().unwrap(), plan.to_owned(), quota, AT)
    }

    #[test]
    fn what_was_read_is_told_as_it_was_read() {
        let allowance = Some(PlanQuota { limit: 10, period: QuotaPeriod::Month });
        let told = view("k1", "free", plan(allowance), Some(item("free", Some(quota()))), AT);
        let of = told.quota.unwrap();
        assert_eq!((of.limit, of.used, of.remaining, told.as_of), (10, Some(3), Some(9), Some(AT)));
        let without = view("k1", "free", plan(None), Some(item("free", None)), AT);
        assert_eq!((without.quota, without.as_of), (None, Some(AT)));
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let allowance = Some(PlanQuota { limit: 10, period: QuotaPeriod::Month });
        let later = datetime!(2026-12-01 00:00 UTC);
        for (item, at, resets_at) in [
            (None, AT, later),
            (Some(item("standard", Some(quota()))), AT, later),
            (Some(item("free", None)), AT, later),
            (Some(item("free", Some(quota()))), later, datetime!(2027-01-01 00:00 UTC)),
        ] {
            let told = view("k1", "free", plan(allowance), item, at);
            let of = told.quota.unwrap();
            assert_eq!((of.limit, of.used, of.remaining, of.resets_at), (10, None, None, resets_at));
            assert_eq!(told.as_of, None);
        }
    }
}
