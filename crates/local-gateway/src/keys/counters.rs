//! What was counted: in memory for requests, on disk for the next start and for reports.

use std::sync::MutexGuard;
use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, params};
use stack_template::{Api, UsagePlan};

use super::database::Database;
use super::model::Page;
use super::store::KeyStore;
use crate::error::Error;
use crate::exchange::micros;
use crate::limits::{
    Change, Changes, Counters, Day, DayUsed, LimitRules, Measured, Member, Standing, Used, Verdict,
};

/// Days for which usage is kept, as AWS keeps it (D).
pub(crate) const USAGE_DAYS: u32 = 90;

/// What a key used on each day of a report, and what it had left then; nothing where the plan has no quota.
pub(crate) type UsageRow = (String, Vec<(u64, Option<u64>)>);

/// Which usage is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) plan: &'a UsagePlan,
    /// One key's, or every key's.
    pub(crate) key_id: Option<&'a str>,
    pub(crate) first: Day,
    pub(crate) last: Day,
    /// The key id after which the page begins.
    pub(crate) after: Option<&'a str>,
    /// Keys in a page.
    pub(crate) limit: usize,
    pub(crate) today: Day,
}

impl KeyStore {
    /// Decides on a request by its limits, and counts it where it passes.
    pub(crate) fn measure(&self, request: &Measured<'_>) -> Verdict {
        self.counters().decide(request)
    }

    /// Puts what was counted since the last call on disk.
    ///
    /// Counts are in memory alone until then: from the last call's look at them to this one's end.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] where SQLite fails; the counts are kept for the next call then.
    pub fn keep_counters(&self, plans: &[UsagePlan]) -> Result<(), Error> {
        self.kept(plans).map(drop)
    }

    /// The same, and then a look at the disk.
    pub(super) fn kept(&self, plans: &[UsagePlan]) -> Result<MutexGuard<'_, Database>, Error> {
        let database = self.writer();
        let index = self.read();
        let mut changes = self.counters().take_changes();
        // A request that was let in before its key was deleted may have been counted after that.
        changes.counters.retain(|change| {
            let lives = index.key(&change.key_id).is_some();
            if !lives {
                self.counters().forget(&change.key_id);
            }
            lives
        });
        changes.days.retain(|day| index.key(&day.key_id).is_some());
        let remaining = |plan_id: &str, key_id: &str, used: &Used| {
            let plan = plans.iter().find(|plan| plan.id == plan_id)?;
            let attached = index.attached(plan_id, key_id).map_or(Day(0), attached_day);
            Some(used.remaining(plan.quota?, attached, used.last_day().0))
        };
        match database.keep(&changes, remaining) {
            Ok(()) => Ok(database),
            Err(error) => {
                self.counters().give_back(changes);
                Err(error)
            }
        }
    }

    /// How every limit stands that a key has.
    #[must_use]
    pub fn standings(
        &self,
        key_id: &str,
        plans: &[UsagePlan],
        apis: &[Api],
        rules: LimitRules,
        now: SystemTime,
    ) -> Vec<Standing> {
        let (index, now) = (self.read(), micros(now));
        let counters = self.counters();
        let of_plan = |plan: &UsagePlan| {
            let attached = attached_day(index.attached(&plan.id, key_id)?);
            Some(counters.standings(Member { plan, key_id, attached }, apis, now))
        };
        let mut standings: Vec<Standing> = plans.iter().filter_map(of_plan).flatten().collect();
        if !standings.is_empty() {
            standings.push(counters.account(rules, now));
        }
        standings
    }

    /// What a plan's keys used from one day to another, key by key after the position `after`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where the one key that is asked for is not in the plan.
    pub(crate) fn usage(&self, plans: &[UsagePlan], asked: &Asked<'_>) -> Result<Page<UsageRow>, Error> {
        let Asked { plan, key_id, first, last, after, limit, today } = *asked;
        let database = self.kept(plans)?;
        let index = self.read();
        let page = match key_id {
            None => index.members_page(&plan.id, "", after, limit),
            Some(key_id) => {
                index.attached(&plan.id, key_id).ok_or_else(not_of_the_plan)?;
                Page { items: index.key(key_id).cloned().into_iter().collect(), position: None }
            }
        };
        let mut items = Vec::with_capacity(page.items.len());
        for key in page.items {
            let key_id = key.id.clone();
            let attached = index.attached(&plan.id, &key_id).map_or(Day(0), attached_day);
            // What was left on a day without requests is what was left before it in its period.
            let from = plan.quota.map_or(first, |quota| first.period_start(quota.period));
            let kept = database.usage(&plan.id, &key_id, from, last)?;
            let counters = self.counters();
            let none = Used::default();
            let counted = counters.used(&plan.id, &key_id).unwrap_or(&none);
            let on = |day: Day| {
                let on_disk = || kept.iter().find(|(of, ..)| *of == day).map_or(0, |(_, used, _)| *used);
                // Enforcement goes by what is in memory, and so does the report of its last day.
                let (last, counted_then) = counted.last_day();
                let used = if day == last { counted_then } else { on_disk() };
                let remaining = plan.quota.map(|quota| {
                    if day >= today {
                        return counted.remaining(quota, attached, day);
                    }
                    let start = day.period_start(quota.period);
                    let of_period = || kept.iter().filter(|(of, ..)| (start..=day).contains(of));
                    let told = of_period().next_back().and_then(|(.., remaining)| *remaining);
                    // Where there was no quota then, nothing was told, but it was used all the same.
                    let used = || of_period().map(|(_, used, _)| used).sum::<u64>();
                    told.unwrap_or_else(|| none.remaining(quota, attached, day).saturating_sub(used()))
                });
                (used, remaining)
            };
            items.push((key_id, (first.0..=last.0).map(|day| on(Day(day))).collect()));
        }
        Ok(Page { items, position: page.position })
    }

    /// Makes `remaining` what a key has left of its plan's quota until the end of the period.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where the key is not in the plan, [`Error::Invalid`] where the plan has no quota.
    pub(crate) fn set_remaining(
        &self,
        plan: &UsagePlan,
        key_id: &str,
        remaining: u64,
        now: SystemTime,
    ) -> Result<(), Error> {
        let attached = self.read().attached(&plan.id, key_id).ok_or_else(not_of_the_plan)?;
        let quota =
            plan.quota.ok_or_else(|| Error::Invalid(format!("Usage Plan {} has no quota", plan.id)))?;
        let member = Member { plan, key_id, attached: attached_day(attached) };
        self.counters().set_remaining(member, quota, micros(now), remaining);
        Ok(())
    }
}

/// AWS's words for it, other than for a key that there is not.
fn not_of_the_plan() -> Error {
    Error::NotFound("Invalid Key identifier specified".to_owned())
}

/// The day on which a key came into its plan.
pub(crate) fn attached_day(seconds: i64) -> Day {
    Day::at(u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000_000))
}

impl Database {
    /// Reads what was kept, for a stack whose time is `now`, in microseconds since 1970.
    pub(super) fn counters(&self, now: u64) -> Result<Counters, Error> {
        let mut counters = Counters::default();
        let mut statement = self.connection.prepare("SELECT plan_id, key_id, kept FROM counters")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (plan_id, key_id, kept): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let kept = serde_json::from_str(&kept)
                .map_err(|_| Error::Corrupt(format!("counters.kept of `{key_id}` in `{plan_id}`")))?;
            counters.restore(&plan_id, &key_id, &kept, now);
        }
        let shared: Option<String> =
            self.connection.query_row("SELECT kept FROM shared_counters", [], |row| row.get(0)).optional()?;
        if let Some(shared) = shared {
            let shared = serde_json::from_str(&shared)
                .map_err(|_| Error::Corrupt("shared_counters.kept".to_owned()))?;
            counters.restore_shared(shared, now);
        }
        Ok(counters)
    }

    /// Keeps changes, all or none. `remaining` tells what was left of a key's quota at the end of its last day.
    fn keep(
        &self,
        changes: &Changes,
        remaining: impl Fn(&str, &str, &Used) -> Option<u64>,
    ) -> Result<(), Error> {
        if changes.counters.is_empty() && changes.days.is_empty() && changes.shared.is_none() {
            return Ok(());
        }
        // Counts are many and small: they are handed to the operating system, which keeps them whatever
        // becomes of this process, and are not forced to the disk one by one.
        self.connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        let kept = self.write_changes(changes, remaining);
        // Whatever became of them, a key's own writes are forced to the disk.
        let restored = self.connection.execute_batch("PRAGMA synchronous = FULL");
        kept.and(restored.map_err(Error::from))
    }

    fn write_changes(
        &self,
        changes: &Changes,
        remaining: impl Fn(&str, &str, &Used) -> Option<u64>,
    ) -> Result<(), Error> {
        // Dropped on the way out of an error, it is rolled back.
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let text = |error: serde_json::Error| Error::Corrupt(error.to_string());
        let mut usage = transaction.prepare_cached(
            "INSERT OR REPLACE INTO usage (plan_id, key_id, day, used, remaining) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut forget = transaction
            .prepare_cached("DELETE FROM usage WHERE plan_id = ?1 AND key_id = ?2 AND day < ?3")?;
        let mut tell = |plan_id: &str, key_id: &str, used: &Used| {
            let (day, count) = used.last_day();
            let left = remaining(plan_id, key_id, used).map(|left| i64::try_from(left).unwrap_or(i64::MAX));
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            usage.execute(params![plan_id, key_id, day.0, count, left])?;
            forget.execute(params![plan_id, key_id, day.0.saturating_sub(USAGE_DAYS)])
        };
        for DayUsed { plan_id, key_id, used } in &changes.days {
            tell(plan_id, key_id, used)?;
        }
        let mut counter = transaction
            .prepare_cached("INSERT OR REPLACE INTO counters (plan_id, key_id, kept) VALUES (?1, ?2, ?3)")?;
        for Change { plan_id, key_id, kept } in &changes.counters {
            tell(plan_id, key_id, &kept.used)?;
            counter.execute(params![plan_id, key_id, serde_json::to_string(kept).map_err(text)?])?;
        }
        if let Some(shared) = &changes.shared {
            let kept = serde_json::to_string(shared).map_err(text)?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO shared_counters (id, kept) VALUES (0, ?1)")?
                .execute([kept])?;
        }
        drop((usage, forget, counter));
        Ok(transaction.commit()?)
    }

    /// A key's days with a count: the day, what was used on it, and what was left of the quota then.
    fn usage(
        &self,
        plan_id: &str,
        key_id: &str,
        first: Day,
        last: Day,
    ) -> Result<Vec<(Day, u64, Option<u64>)>, Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT day, used, remaining FROM usage
             WHERE key_id = ?1 AND plan_id = ?2 AND day BETWEEN ?3 AND ?4 ORDER BY day",
        )?;
        let rows = statement.query_map(params![key_id, plan_id, first.0, last.0], |row| {
            let remaining: Option<i64> = row.get(2)?;
            let remaining = remaining.map(|left| u64::try_from(left).unwrap_or_default());
            let used: i64 = row.get(1)?;
            Ok((Day(row.get(0)?), u64::try_from(used).unwrap_or_default(), remaining))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
