//! What keys have used of their plans' quotas.
//!
//! All of it is told from a snapshot that is made every few minutes, so it is as old as `as_of` says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::{Date, Duration, OffsetDateTime};

/// The period of a quota, by the calendar and in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum QuotaPeriod {
    /// From midnight to midnight.
    Day,
    /// From Sunday on (assumed of API Gateway).
    Week,
    /// From the month's first day on (assumed of API Gateway).
    Month,
}

impl QuotaPeriod {
    /// The first day of the period that a day is in.
    #[must_use]
    pub fn first_day(self, day: Date) -> Date {
        let into = match self {
            Self::Day => 0,
            Self::Week => day.weekday().number_days_from_sunday(),
            Self::Month => day.day() - 1,
        };
        day.saturating_sub(Duration::days(into.into()))
    }

    /// When the period ends that a day is in, and the next one begins with the whole quota.
    #[must_use]
    pub fn resets_at(self, day: Date) -> OffsetDateTime {
        let first = self.first_day(day);
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => first.month().length(first.year()),
        };
        first.saturating_add(Duration::days(days.into())).midnight().assume_utc()
    }
}

/// Requests that may be made in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanQuota {
    /// Requests.
    pub limit: u64,
    /// In how long a time.
    pub period: QuotaPeriod,
}

/// How fast requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RequestRate {
    /// Requests a second, for long.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// How fast requests of one route may come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteRate {
    /// The method.
    pub method: String,
    /// The path behind the stage, with its parameters in braces.
    pub path: String,
    /// Requests a second, for long.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// A quota, and what a key has used of it.
///
/// `used` and `remaining` are each what API Gateway reports. They make up `limit` only where nothing was granted,
/// and where the key has been in this plan since the period began: a grant, a rotation and a change of tier set
/// `remaining` alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuotaUsage {
    /// Requests in a period.
    pub limit: u64,
    /// Requests since the period began; `null` before the first snapshot of the key in this plan and period.
    pub used: Option<u64>,
    /// Requests that are left until the period ends; `null` where `used` is.
    pub remaining: Option<u64>,
    /// The period.
    pub period: QuotaPeriod,
    /// When the next period begins.
    #[serde(with = "time::serde::rfc3339")]
    pub resets_at: OffsetDateTime,
}

/// `GET /usage`: the calling key's use and limits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// The key.
    pub api_key_id: String,
    /// The plan: the name of the tier.
    pub plan: String,
    /// The plan's quota; `null` where it has none.
    pub quota: Option<QuotaUsage>,
    /// The plan's own throttle; `null` where it has none.
    pub throttle: Option<RequestRate>,
    /// The throttles of single routes, within the plan's.
    pub routes: Vec<RouteRate>,
    /// When what was used was read; `null` before the first snapshot of the key in this plan and period.
    #[serde(with = "time::serde::rfc3339::option")]
    pub as_of: Option<OffsetDateTime>,
}

/// What a key has used on one day, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsageDay {
    /// The day, such as `2026-11-30`.
    pub day: String,
    /// Requests, in all plans that the key was in on that day.
    pub used: u64,
    /// What was left of the quota at the day's end, or is by now; `null` where there was no quota.
    pub remaining: Option<u64>,
}

/// What one key of a tenant has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyUsage {
    /// The key.
    pub api_key_id: String,
    /// The plan: the name of the tier.
    pub plan: String,
    /// The quota of the present period; `null` where the plan has none, and where `as_of` is.
    pub quota: Option<QuotaUsage>,
    /// Requests a day at present; `null` where `quota` is.
    pub pace: Option<u64>,
    /// When it was read; `null` before the first snapshot of the key in this plan and period.
    #[serde(with = "time::serde::rfc3339::option")]
    pub as_of: Option<OffsetDateTime>,
    /// The days on which it was used, the latest last.
    pub days: Vec<UsageDay>,
}

/// `GET /tenants/{tenant_id}/usage`: what the keys of a tenant have used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantUsagePage {
    /// The tenant's present keys.
    pub items: Vec<KeyUsage>,
    /// `null`: a tenant has few keys, and there is one page of them.
    pub next_cursor: Option<String>,
}

/// A key that has used much of its quota.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearLimit {
    /// The tenant.
    pub tenant_id: String,
    /// The key.
    pub api_key_id: String,
    /// The plan: the name of the tier.
    pub plan: String,
    /// Requests in a period.
    pub limit: u64,
    /// Requests since the period began, as [`QuotaUsage::used`].
    pub used: u64,
    /// Requests that are left until the period ends.
    pub remaining: u64,
    /// The part of the quota that is gone, in percent with one decimal, rounded up: of the limit, or where `used`
    /// and `remaining` are more after a grant, of both.
    pub share: f64,
    /// Requests a day at present.
    pub pace: u64,
    /// When the next period begins.
    #[serde(with = "time::serde::rfc3339")]
    pub resets_at: OffsetDateTime,
    /// When the quota is used up at the present pace; `null` where the period ends before.
    #[serde(with = "time::serde::rfc3339::option")]
    pub exhausts_at: Option<OffsetDateTime>,
    /// When it was read.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
}

/// `GET /usage` of the control API: a page of keys that have used much of their quotas, the most first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearLimitPage {
    /// The keys.
    pub items: Vec<NearLimit>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// A text that is no number of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 1 to {0}")]
pub struct OutOfRange(u8);

macro_rules! number {
    ($(#[$doc:meta])* $type:ident, $most:literal, $default:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $type(u8);

        impl $type {
            /// The number.
            #[must_use]
            pub fn get(self) -> u8 {
                self.0
            }
        }

        impl Default for $type {
            fn default() -> Self {
                Self($default)
            }
        }

        impl FromStr for $type {
            type Err = OutOfRange;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let digits = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
                digits.filter(|number| (1..=$most).contains(number)).map(Self).ok_or(OutOfRange($most))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A part of a quota in whole percent: 1 to 100, 80 where the caller does not say.
    QuotaPercent, 100, 80
}

number! {
    /// How many days are told of: 1 to 92, 31 where the caller does not say.
    UsageDays, 92, 31
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn periods_are_those_of_the_calendar() {
        let day = date!(2026 - 11 - 25);
        for (period, first, end) in [
            (QuotaPeriod::Day, date!(2026 - 11 - 25), datetime!(2026-11-26 00:00 UTC)),
            (QuotaPeriod::Week, date!(2026 - 11 - 22), datetime!(2026-11-29 00:00 UTC)),
            (QuotaPeriod::Month, date!(2026 - 11 - 01), datetime!(2026-12-01 00:00 UTC)),
        ] {
            assert_eq!((period.first_day(day), period.resets_at(day)), (first, end), "{period:?}");
        }
        let leap = QuotaPeriod::Month.resets_at(date!(2028 - 02 - 29));
        assert_eq!(leap, datetime!(2028-03-01 00:00 UTC));
        assert_eq!(QuotaPeriod::Week.first_day(date!(2026 - 11 - 22)), date!(2026 - 11 - 22));
    }

    #[test]
    fn a_period_is_said_in_the_gateways_words() {
        assert_eq!(serde_json::to_value(QuotaPeriod::Month).unwrap(), "MONTH");
        assert_eq!(serde_json::from_str::<QuotaPeriod>(r#""DAY""#).unwrap(), QuotaPeriod::Day);
    }

    #[test]
    fn a_number_outside_its_range_is_refused() {
        assert_eq!((QuotaPercent::default().get(), UsageDays::default().get()), (80, 31));
        assert_eq!("100".parse::<QuotaPercent>().unwrap().get(), 100);
        assert_eq!("92".parse::<UsageDays>().unwrap().get(), 92);
        for bad in ["", "0", "101", "256", "-1", "+1", "1.5", "80%", "x"] {
            assert!(bad.parse::<QuotaPercent>().is_err(), "{bad:?}");
        }
        assert!("93".parse::<UsageDays>().is_err());
    }
}
