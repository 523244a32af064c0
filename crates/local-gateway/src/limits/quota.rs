//! Quotas: periods in UTC, and what a key has used of one.

use stack_template::{Period, Quota};
use time::{Date, Duration, Month, UtcDateTime};

/// A day, counted from 1970-01-01 (UTC).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Day(pub(crate) u32);

const EPOCH: Date = UtcDateTime::UNIX_EPOCH.date();

impl Day {
    /// The day of a moment, in microseconds since 1970.
    pub(crate) fn at(micros: u64) -> Self {
        Self(u32::try_from(micros / 86_400_000_000).unwrap_or(u32::MAX))
    }

    /// The day of a date, where it is not before 1970.
    pub(crate) fn of(date: Date) -> Option<Self> {
        u32::try_from((date - EPOCH).whole_days()).ok().map(Self)
    }

    /// The date. Days after the year 9999 are that year's last.
    pub(crate) fn date(self) -> Date {
        EPOCH.checked_add(Duration::days(self.0.into())).unwrap_or(Date::MAX)
    }

    /// Its first microsecond since 1970.
    pub(crate) fn begins(self) -> u64 {
        u64::from(self.0) * 86_400_000_000
    }

    /// The first day of the period that it is in.
    pub(crate) fn period_start(self, period: Period) -> Self {
        let date = self.date();
        let into = match period {
            Period::Day => 0,
            // The week begins on Sunday (A).
            Period::Week => date.weekday().number_days_from_sunday(),
            Period::Month => date.day() - 1,
        };
        Self(self.0.saturating_sub(into.into()))
    }

    /// The first day after the period that it is in.
    pub(crate) fn period_end(self, period: Period) -> Self {
        let start = self.period_start(period);
        let days = match period {
            Period::Day => 1,
            Period::Week => 7,
            Period::Month => {
                let date = start.date();
                let month: Month = date.month();
                month.length(date.year())
            }
        };
        Self(start.0.saturating_add(days.into()))
    }
}

/// What a key has used of a plan, as of the last day with a count: as much as any quota can ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Used {
    last: Day,
    /// Requests on that day, and in the week and the month that it is in until then.
    day: u64,
    week: u64,
    month: u64,
    /// What was given or taken by hand, and the period for which that holds by its first day.
    grant: Option<(Day, i64)>,
}

impl Used {
    /// The last day with a count, and how many there are.
    pub(crate) fn last_day(&self) -> (Day, u64) {
        (self.last, self.day)
    }

    /// Whether a count on a day would begin a new one.
    pub(crate) fn turns_on(&self, today: Day) -> bool {
        today > self.last
    }

    /// Counts a request. Time that runs backwards counts for the last day.
    pub(crate) fn count(&mut self, today: Day) {
        self.turn(today);
        for sum in [&mut self.day, &mut self.week, &mut self.month] {
            *sum = sum.saturating_add(1);
        }
    }

    fn turn(&mut self, today: Day) {
        if !self.turns_on(today) {
            return;
        }
        self.week = self.in_period(Period::Week, today);
        self.month = self.in_period(Period::Month, today);
        (self.last, self.day) = (today, 0);
    }

    /// Requests in the period that a day is in, until the day. An earlier day than the last one counts as that.
    fn in_period(&self, period: Period, day: Day) -> u64 {
        let sum = match period {
            Period::Day => self.day,
            Period::Week => self.week,
            Period::Month => self.month,
        };
        let day = day.max(self.last);
        if day.period_start(period) == self.last.period_start(period) { sum } else { 0 }
    }

    /// What is left of a quota at the end of a day. `attached` is the day on which the key came into the plan.
    pub(crate) fn remaining(&self, quota: Quota, attached: Day, day: Day) -> u64 {
        u64::try_from(self.balance(quota, attached, day)).unwrap_or(0)
    }

    /// The same, negative where more was used than there is.
    fn balance(&self, quota: Quota, attached: Day, day: Day) -> i128 {
        let day = day.max(self.last);
        let start = day.period_start(quota.period);
        // The offset is subtracted in the key's first period (D).
        let offset = if attached.period_start(quota.period) == start { quota.offset } else { 0 };
        i128::from(quota.limit) - i128::from(offset) + i128::from(self.granted(start))
            - i128::from(self.in_period(quota.period, day))
    }

    fn granted(&self, start: Day) -> i64 {
        self.grant.filter(|(of, _)| *of == start).map_or(0, |(_, grant)| grant)
    }

    /// Makes `remaining` what is left until the end of the period.
    pub(crate) fn set_remaining(&mut self, quota: Quota, attached: Day, today: Day, remaining: u64) {
        // The day is in the report from now on.
        self.turn(today);
        let start = self.last.period_start(quota.period);
        let change = i128::from(remaining) - self.balance(quota, attached, self.last);
        let grant = i64::try_from(i128::from(self.granted(start)) + change).unwrap_or(i64::MAX);
        self.grant = Some((start, grant));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::date;

    fn day(date: Date) -> Day {
        Day::of(date).expect("after 1970")
    }

    fn quota(limit: u64, period: Period, offset: u64) -> Quota {
        Quota { limit, period, offset }
    }

    const LONG_AGO: Day = Day(0);

    #[test]
    fn days_turn_at_midnight_utc_d() {
        // 2026-11-24T23:59:59.999999Z and the next microsecond.
        assert_eq!(Day::at(1_795_564_799_999_999), day(date!(2026 - 11 - 24)));
        assert_eq!(Day::at(1_795_564_800_000_000), day(date!(2026 - 11 - 25)));
        assert_eq!(day(date!(2026 - 11 - 25)).begins(), 1_795_564_800_000_000);
    }

    #[test]
    fn periods_are_those_of_the_calendar_a() {
        let today = day(date!(2026 - 11 - 25));
        for (period, start, end) in [
            (Period::Day, date!(2026 - 11 - 25), date!(2026 - 11 - 26)),
            (Period::Week, date!(2026 - 11 - 22), date!(2026 - 11 - 29)),
            (Period::Month, date!(2026 - 11 - 01), date!(2026 - 12 - 01)),
        ] {
            assert_eq!(today.period_start(period), day(start), "{period:?}");
            assert_eq!(today.period_end(period), day(end), "{period:?}");
        }
        assert_eq!(day(date!(2028 - 02 - 10)).period_end(Period::Month), day(date!(2028 - 03 - 01)));
    }

    #[test]
    fn a_new_period_begins_with_the_whole_quota_d() {
        let mut used = Used::default();
        let quota = quota(3, Period::Month, 0);
        let (last, first) = (day(date!(2026 - 11 - 30)), day(date!(2026 - 12 - 01)));
        (0..3).for_each(|_| used.count(last));
        assert_eq!(used.remaining(quota, LONG_AGO, last), 0);
        assert_eq!(used.remaining(quota, LONG_AGO, first), 3);
    }

    #[test]
    fn the_offset_is_subtracted_in_the_first_period_only_d() {
        let used = Used::default();
        let quota = quota(10, Period::Week, 4);
        let attached = day(date!(2026 - 11 - 25));
        assert_eq!(used.remaining(quota, attached, day(date!(2026 - 11 - 28))), 6);
        assert_eq!(used.remaining(quota, attached, day(date!(2026 - 11 - 29))), 10);
    }

    #[test]
    fn what_is_given_by_hand_ends_with_the_period_d() {
        let mut used = Used::default();
        let quota = quota(2, Period::Day, 0);
        let today = day(date!(2026 - 11 - 25));
        (0..2).for_each(|_| used.count(today));
        used.set_remaining(quota, LONG_AGO, today, 5);
        assert_eq!(used.remaining(quota, LONG_AGO, today), 5);
        used.count(today);
        assert_eq!(used.remaining(quota, LONG_AGO, today), 4);
        assert_eq!(used.remaining(quota, LONG_AGO, Day(today.0 + 1)), 2);
        used.set_remaining(quota, LONG_AGO, today, 0);
        assert_eq!(used.remaining(quota, LONG_AGO, today), 0);
    }

    #[test]
    fn a_changed_quota_counts_what_was_used_before() {
        let mut used = Used::default();
        let (yesterday, today) = (day(date!(2026 - 11 - 24)), day(date!(2026 - 11 - 25)));
        (0..4).for_each(|_| used.count(yesterday));
        used.count(today);
        assert_eq!(used.remaining(quota(10, Period::Month, 0), LONG_AGO, today), 5);
        assert_eq!(used.remaining(quota(10, Period::Day, 0), LONG_AGO, today), 9);
        assert_eq!(used.remaining(quota(4, Period::Month, 0), LONG_AGO, today), 0);
        assert_eq!(used.remaining(quota(40, Period::Month, 0), LONG_AGO, today), 35);
    }

    #[test]
    fn time_that_runs_backwards_frees_no_quota() {
        let mut used = Used::default();
        let quota = quota(3, Period::Day, 0);
        let (today, before) = (day(date!(2026 - 11 - 25)), day(date!(2026 - 11 - 01)));
        (0..2).for_each(|_| used.count(today));
        assert_eq!(used.remaining(quota, LONG_AGO, before), 1);
        used.count(before);
        assert_eq!(used.remaining(quota, LONG_AGO, before), 0);
        assert_eq!(used.remaining(quota, LONG_AGO, today), 0);
    }

    proptest! {
        #[test]
        fn a_quota_lets_exactly_its_requests_through_in_each_period_whatever_period_that_is_from_now_on(
            limit in 0..40_u64,
            steps in prop::collection::vec(
                (0..9_u32, prop_oneof![Just(Period::Day), Just(Period::Week), Just(Period::Month)]), 1..200),
        ) {
            let mut used = Used::default();
            let mut all = std::collections::BTreeMap::<Day, u64>::new();
            let mut today = day(date!(2026 - 01 - 01));
            for (gap, period) in steps {
                today = Day(today.0 + gap);
                let counted: u64 = all.range(today.period_start(period)..).map(|(_, count)| count).sum();
                let remaining = used.remaining(quota(limit, period, 0), LONG_AGO, today);
                prop_assert_eq!(remaining, limit.saturating_sub(counted), "{:?}", period);
                if remaining > 0 {
                    used.count(today);
                    *all.entry(today).or_default() += 1;
                    prop_assert_eq!(used.last_day(), (today, all[&today]));
                }
            }
        }
    }
}
