//! From a report to what is told of a key. It is pure.

use contract::{PlanQuota, QuotaPeriod};
use tenant_context::QuotaNow;
use time::{Date, Duration, OffsetDateTime};

/// Seconds of a day.
const DAY: u64 = 86_400;
/// The least of a day over which its pace is told, in seconds: a few requests just after midnight are no flood.
const LEAST: u64 = 3_600;

/// What a key used on a day, and what it had left of its plan's quota at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DayFigures {
    pub(crate) used: u64,
    pub(crate) remaining: u64,
}

/// The first day of a report that a snapshot needs: that of the quota's period, and at least yesterday, whose
/// last requests came after the last snapshot of that day.
pub(crate) fn first_day(quota: Option<PlanQuota>, today: Date) -> Date {
    let yesterday = yesterday(today);
    quota.map_or(yesterday, |quota| quota.period.first_day(today).min(yesterday))
}

pub(crate) fn yesterday(today: Date) -> Date {
    today.previous_day().unwrap_or(today)
}

/// Days with their figures, of which the last is today's. A report that tells of fewer days than it was asked
/// for is one of the last days.
pub(crate) fn dated(today: Date, days: &[DayFigures]) -> impl Iterator<Item = (Date, DayFigures)> {
    let ago = (0_i64..).map(Duration::days);
    days.iter().rev().zip(ago).map(move |(figures, ago)| (today.saturating_sub(ago), *figures))
}

/// Where a key stands with its quota; nothing where the report tells of no day.
pub(crate) fn quota_now(quota: PlanQuota, days: &[DayFigures], now: OffsetDateTime) -> Option<QuotaNow> {
    let PlanQuota { limit, period } = quota;
    let today = now.date();
    let remaining = days.last()?.remaining;
    let first = period.first_day(today);
    let used_since = |first: Date| -> u64 {
        dated(today, days).filter(|(day, _)| *day >= first).map(|(_, figures)| figures.used).sum()
    };
    let used = used_since(first);
    Some(QuotaNow {
        limit,
        period,
        used,
        remaining,
        share: share(limit, used, remaining),
        pace: pace(period, used_since(yesterday(today)), used_since(today), now),
        resets_at: period.resets_at(today),
    })
}

/// How much of a quota is gone, of a thousand, rounded up. After a grant, what was used and what is left are more
/// than the limit, and then the share is of both. After a rotation they are less, and it is of the limit.
fn share(limit: u64, used: u64, remaining: u64) -> u16 {
    let all = u128::from(limit).max(u128::from(used) + u128::from(remaining));
    let left = (u128::from(remaining) * 1_000).checked_div(all).unwrap_or(0);
    1_000 - u16::try_from(left.min(1_000)).unwrap_or(1_000)
}

/// Requests a day, rounded up: those of yesterday and today over the time since yesterday began. A quota of a day
/// is held against today's alone, which have no part of yesterday's.
fn pace(period: QuotaPeriod, since_yesterday: u64, today: u64, now: OffsetDateTime) -> u64 {
    let of_today = u64::from(now.hour()) * 3_600 + u64::from(now.minute()) * 60 + u64::from(now.second());
    let (used, seconds) = match period {
        QuotaPeriod::Day => (today, of_today.max(LEAST)),
        QuotaPeriod::Week | QuotaPeriod::Month => (since_yesterday, DAY + of_today),
    };
    used.saturating_mul(DAY).div_ceil(seconds)
}

/// When a quota is used up at its present pace; nothing where the period ends before.
pub(crate) fn exhausts_at(quota: &QuotaNow, as_of: OffsetDateTime) -> Option<OffsetDateTime> {
    if quota.remaining == 0 {
        return Some(as_of);
    }
    let seconds = quota.remaining.saturating_mul(DAY).checked_div(quota.pace)?;
    let at = as_of.checked_add(Duration::seconds(i64::try_from(seconds).ok()?))?;
    (at < quota.resets_at).then_some(at)
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-10 12:00 UTC);

    fn days(pairs: &[(u64, u64)]) -> Vec<DayFigures> {
        pairs.iter().map(|(used, remaining)| DayFigures { used: *used, remaining: *remaining }).collect()
    }

    fn of(limit: u64, period: QuotaPeriod) -> PlanQuota {
        PlanQuota { limit, period }
    }

    #[test]
    fn a_report_begins_with_the_period_and_at_least_yesterday() {
        let today = date!(2026 - 11 - 10);
        assert_eq!(first_day(Some(of(1, QuotaPeriod::Month)), today), date!(2026 - 11 - 01));
        assert_eq!(first_day(Some(of(1, QuotaPeriod::Week)), today), date!(2026 - 11 - 08));
        assert_eq!(first_day(Some(of(1, QuotaPeriod::Month)), date!(2026 - 12 - 01)), date!(2026 - 11 - 30));
        assert_eq!(first_day(Some(of(1, QuotaPeriod::Day)), today), date!(2026 - 11 - 09));
        assert_eq!(first_day(None, today), date!(2026 - 11 - 09));
    }

    #[test]
    fn only_the_periods_days_are_used_of_its_quota() {
        // From Friday the 6th to Tuesday the 10th; the week has begun on Sunday the 8th.
        let days = days(&[(100, 0), (50, 0), (3, 97), (6, 91), (9, 82)]);
        let week = quota_now(of(100, QuotaPeriod::Week), &days, NOON).unwrap();
        assert_eq!((week.used, week.remaining, week.share), (18, 82, 180));
        assert_eq!(week.resets_at, datetime!(2026-11-15 00:00 UTC));
        // 15 requests in a day and a half.
        assert_eq!(week.pace, 10);
        let day = quota_now(of(100, QuotaPeriod::Day), &days, NOON).unwrap();
        // 9 requests in half a day.
        assert_eq!((day.used, day.pace), (9, 18));
        assert_eq!(quota_now(of(100, QuotaPeriod::Day), &[], NOON), None);
    }

    #[test]
    fn requests_just_after_midnight_are_told_as_an_hours() {
        let just = datetime!(2026-11-10 00:00:05 UTC);
        let quota = quota_now(of(1_000, QuotaPeriod::Day), &days(&[(10, 990)]), just).unwrap();
        assert_eq!(quota.pace, 240);
    }

    #[test]
    fn a_share_is_between_nothing_and_all_of_it() {
        assert_eq!([share(100, 0, 100), share(100, 100, 0), share(0, 0, 0)], [0, 1_000, 1_000]);
        // What is gone is never told as less than it is.
        assert_eq!([share(3, 1, 2), share(10_000, 8_001, 1_999)], [334, 801]);
        assert_eq!([share(u64::MAX, 0, u64::MAX), share(1, u64::MAX, u64::MAX)], [0, 500]);
    }

    #[test]
    fn a_key_with_a_grant_has_a_share_of_all_that_it_could_use_and_a_rotated_one_of_the_limit() {
        // 19 of 20 were used, and 100 were granted.
        assert_eq!([share(20, 19, 101), share(20, 110, 10), share(20, 0, 250)], [159, 917, 0]);
        // 18 of 20 were used with the key before.
        assert_eq!(share(20, 0, 2), 900);
    }

    fn left(remaining: u64, pace: u64) -> QuotaNow {
        let resets_at = datetime!(2026-12-01 00:00 UTC);
        QuotaNow { limit: 100, period: QuotaPeriod::Month, used: 0, remaining, share: 0, pace, resets_at }
    }

    #[test]
    fn a_quota_is_used_up_within_its_period_or_not_at_all() {
        assert_eq!(exhausts_at(&left(20, 10), NOON), Some(datetime!(2026-11-12 12:00 UTC)));
        assert_eq!(exhausts_at(&left(0, 0), NOON), Some(NOON));
        for (remaining, pace) in [(1, 0), (205, 10), (206, 10), (u64::MAX, 1)] {
            assert_eq!(exhausts_at(&left(remaining, pace), NOON), None, "{remaining} at {pace}");
        }
        assert_eq!(exhausts_at(&left(204, 10), NOON), Some(datetime!(2026-11-30 21:36 UTC)));
    }
}
