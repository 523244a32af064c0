//! The items of the usage table: what the snapshot writes, and what keys and operators are told.
//!
//! A partition is a key's, or a plan's under a name that no key has. Snapshots that cross each write the state of
//! their time, whichever comes last, and the next one puts it right.

use contract::{PlanQuota, QuotaPeriod, QuotaUsage, RequestRate, RouteRate};
use serde::{Deserialize, Serialize};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};

use crate::{ApiKeyId, TenantId};

/// How long items are kept, in seconds: longer than days are told of.
const KEPT: Duration = Duration::days(100);
/// How days are written.
const DATE: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

/// Where a key stands at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageItem {
    /// Partition key.
    pub api_key_id: ApiKeyId,
    /// Sort key, [`Self::DAY`].
    day: String,
    /// Whose key it is.
    pub tenant_id: TenantId,
    /// The plan that it is in: the tier's name.
    pub plan: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period: Option<QuotaPeriod>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remaining: Option<u64>,
    /// Sort key of the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pace: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    resets_at: Option<OffsetDateTime>,
    /// When it was read.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// Partition key of the index, [`Self::WITH_QUOTA`], where the plan has a quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quota: Option<String>,
    /// When DynamoDB may remove it, in seconds since 1970.
    expires_at: i64,
}

/// What a key has used of the quota of one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaNow {
    /// Requests in a period.
    pub limit: u64,
    /// The period.
    pub period: QuotaPeriod,
    /// Requests since it began.
    pub used: u64,
    /// Requests that are left until it ends.
    pub remaining: u64,
    /// The part of the quota that is gone, of a thousand.
    pub share: u16,
    /// Requests a day at present.
    pub pace: u64,
    /// When the next period begins.
    pub resets_at: OffsetDateTime,
}

impl UsageItem {
    /// The sort key. It stands behind all days.
    pub const DAY: &str = "now";
    /// The index over keys with a quota, by what share of it is gone.
    pub const INDEX: &str = "by-share";
    /// What the partition key of the index is for all of them.
    pub const WITH_QUOTA: &str = "quota";

    /// The item of a key in the plan of a tier.
    #[must_use]
    pub fn new(
        api_key_id: ApiKeyId,
        tenant_id: TenantId,
        plan: String,
        quota: Option<QuotaNow>,
        as_of: OffsetDateTime,
    ) -> Self {
        Self {
            api_key_id,
            day: Self::DAY.to_owned(),
            tenant_id,
            plan,
            limit: quota.map(|quota| quota.limit),
            period: quota.map(|quota| quota.period),
            used: quota.map(|quota| quota.used),
            remaining: quota.map(|quota| quota.remaining),
            share: quota.map(|quota| quota.share),
            pace: quota.map(|quota| quota.pace),
            resets_at: quota.map(|quota| quota.resets_at),
            as_of,
            quota: quota.map(|_| Self::WITH_QUOTA.to_owned()),
            expires_at: (as_of + KEPT).unix_timestamp(),
        }
    }

    /// The quota, where the plan has one.
    #[must_use]
    pub fn quota(&self) -> Option<QuotaNow> {
        Some(QuotaNow {
            limit: self.limit?,
            period: self.period?,
            used: self.used?,
            remaining: self.remaining?,
            share: self.share?,
            pace: self.pace?,
            resets_at: self.resets_at?,
        })
    }

    /// Whether it tells of the plan of a tier, and of the period that a time is in. What was used before the key
    /// came into its plan, or before the period began, says nothing of the quota.
    #[must_use]
    pub fn tells(&self, tier: &str, at: OffsetDateTime) -> bool {
        self.plan == tier && self.quota().is_none_or(|quota| quota.resets_at > at)
    }
}

impl From<QuotaNow> for QuotaUsage {
    fn from(quota: QuotaNow) -> Self {
        let QuotaNow { limit, period, used, remaining, resets_at, .. } = quota;
        Self { limit, used: Some(used), remaining: Some(remaining), period, resets_at }
    }
}

/// What a key has used on a day in one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageDayItem {
    /// Partition key.
    pub api_key_id: ApiKeyId,
    /// Sort key: the day, `#` and the plan. A key that changes its plan keeps what it has used in the other one.
    #[serde(rename = "day")]
    place: String,
    /// Whose key it is.
    pub tenant_id: TenantId,
    /// Requests on the day.
    pub used: u64,
    /// What is left of the quota; nothing where the plan has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// When it was read.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// When DynamoDB may remove it, in seconds since 1970.
    expires_at: i64,
}

impl UsageDayItem {
    /// The item of a key's day in the plan of a tier.
    #[must_use]
    pub fn new(
        api_key_id: ApiKeyId,
        tenant_id: TenantId,
        (day, plan): (Date, &str),
        (used, remaining): (u64, Option<u64>),
        as_of: OffsetDateTime,
    ) -> Self {
        Self {
            api_key_id,
            place: format!("{}#{plan}", Self::text(day)),
            tenant_id,
            used,
            remaining,
            as_of,
            expires_at: (as_of + KEPT).unix_timestamp(),
        }
    }

    /// A day as it is written.
    #[must_use]
    pub fn text(day: Date) -> String {
        day.format(DATE).unwrap_or_default()
    }

    /// The day.
    #[must_use]
    pub fn day(&self) -> &str {
        self.place.split('#').next().unwrap_or_default()
    }

    /// The sort keys between which the days lie from one to another, both included.
    #[must_use]
    pub fn between(first: Date, last: Date) -> (String, String) {
        // `$` comes next after `#`.
        (Self::text(first), format!("{}$", Self::text(last)))
    }
}

/// What a plan allows, as API Gateway has it in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanItem {
    /// Partition key, of [`Self::partition`].
    #[serde(rename = "api_key_id")]
    partition: String,
    /// Sort key, [`Self::DAY`].
    day: String,
    /// The quota, where there is one. The name `quota` is that of an index's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowance: Option<PlanQuota>,
    /// The plan's own throttle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<RequestRate>,
    /// The throttles of single routes.
    pub routes: Vec<RouteRate>,
    /// When it was read.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// When DynamoDB may remove it, in seconds since 1970.
    expires_at: i64,
}

impl PlanItem {
    /// The sort key.
    pub const DAY: &str = "plan";

    /// The item of the plan of a tier.
    #[must_use]
    pub fn new(
        tier: &str,
        allowance: Option<PlanQuota>,
        throttle: Option<RequestRate>,
        routes: Vec<RouteRate>,
        as_of: OffsetDateTime,
    ) -> Self {
        Self {
            partition: Self::partition(tier),
            day: Self::DAY.to_owned(),
            allowance,
            throttle,
            routes,
            as_of,
            expires_at: (as_of + KEPT).unix_timestamp(),
        }
    }

    /// The partition of the plan of a tier. No key's id holds `#`.
    #[must_use]
    pub fn partition(tier: &str) -> String {
        format!("plan#{tier}")
    }
}

#[cfg(test)]
mod tests {
    use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
    use time::macros::{date, datetime};

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-11-30 12:00 UTC);

    fn quota() -> QuotaNow {
        QuotaNow {
            limit: 10,
            period: QuotaPeriod::Month,
            used: 3,
            remaining: 7,
            share: 300,
            pace: 2,
            resets_at: datetime!(2026-12-01 00:00 UTC),
        }
    }

    fn item(quota: Option<QuotaNow>) -> UsageItem {
        UsageItem::new("k1".parse().unwrap(), "acme".parse().unwrap(), "free".to_owned(), quota, AT)
    }

    #[test]
    fn items_come_back_from_the_table_as_they_were_written() {
        for now in [item(Some(quota())), item(None)] {
            assert_eq!(from_item::<UsageItem>(to_item(&now).unwrap()).unwrap(), now);
        }
        let routes = vec![RouteRate { method: "GET".into(), path: "/tenant".into(), rate: 0.5, burst: 1 }];
        let allowance = Some(PlanQuota { limit: 10, period: QuotaPeriod::Day });
        let plan = PlanItem::new("free", allowance, Some(RequestRate { rate: 5.0, burst: 10 }), routes, AT);
        assert_eq!(from_item::<PlanItem>(to_item(&plan).unwrap()).unwrap(), plan);
        let (key, tenant) = ("k1".parse().unwrap(), "acme".parse().unwrap());
        let day = UsageDayItem::new(key, tenant, (date!(2026 - 11 - 30), "free"), (3, Some(7)), AT);
        assert_eq!(from_item::<UsageDayItem>(to_item(&day).unwrap()).unwrap(), day);
    }

    #[test]
    fn only_keys_with_a_quota_are_in_the_index() {
        let in_index = |quota| {
            let item: std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> =
                to_item(item(quota)).unwrap();
            ["quota", "share"].map(|name| item.contains_key(name))
        };
        assert_eq!((in_index(Some(quota())), in_index(None)), ([true; 2], [false; 2]));
    }

    #[test]
    fn what_is_of_another_plan_or_an_earlier_period_tells_nothing() {
        let now = item(Some(quota()));
        assert!(now.tells("free", AT) && !now.tells("standard", AT));
        assert!(!now.tells("free", datetime!(2026-12-01 00:00 UTC)));
        assert!(item(None).tells("free", datetime!(2027-12-01 00:00 UTC)));
    }

    #[test]
    fn the_days_of_a_range_are_those_of_every_plan_and_nothing_else() {
        let (first, last) = UsageDayItem::between(date!(2026 - 11 - 29), date!(2026 - 11 - 30));
        let within = |day| {
            let key = "k1".parse().unwrap();
            let of = UsageDayItem::new(key, "acme".parse().unwrap(), (day, "a-tier"), (1, None), AT);
            (first.as_str()..=last.as_str()).contains(&of.place.as_str())
        };
        assert!(within(date!(2026 - 11 - 29)) && within(date!(2026 - 11 - 30)));
        assert!(!within(date!(2026 - 11 - 28)) && !within(date!(2026 - 12 - 01)));
        assert!(![UsageItem::DAY, PlanItem::DAY].contains(&first.as_str()) && *last < *UsageItem::DAY);
    }
}
