//! Functions that the template invokes at a rate, by the stack's clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;
use stack_template::{Schedule, Stack};
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::events::{By, Event, Generation};
use crate::shared::Shared;
use crate::templates::rfc3339;

/// How often the clock is looked at, in real time: it may be moved ahead at any moment.
const LOOK: Duration = Duration::from_millis(200);

/// A schedule of a function of the template.
type Name = (String, String);

/// When each schedule is due.
#[derive(Default)]
struct Timetable {
    generation: Option<Generation>,
    entries: BTreeMap<Name, Entry>,
}

struct Entry {
    schedule: Schedule,
    next: SystemTime,
    /// One run at a time.
    turn: Arc<Semaphore>,
}

/// Runs the schedules of the template in force until the stop. A schedule runs for the first time when one period has
/// passed since it came into the template, the stack started or other data was loaded. Periods that passed while the
/// clock was moved, or while the function ran, make one run.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut timetable = Timetable::default();
    loop {
        timetable.look(&shared);
        if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            return;
        }
    }
}

impl Timetable {
    fn look(&mut self, shared: &Shared) {
        // The generation before the clock: a load that comes in between makes the events outdated.
        let generation = shared.events.generation();
        let (now, stack) = (shared.clock.now(), shared.live.current());
        if self.generation != Some(generation) {
            self.generation = Some(generation);
            self.entries.clear();
        }
        self.follow(&stack, now);
        for ((function, _), entry) in &mut self.entries {
            if now < entry.next {
                continue;
            }
            // One that still runs is due as soon as it has ended.
            let Ok(turn) = Arc::clone(&entry.turn).try_acquire_owned() else { continue };
            let payload = match &entry.schedule.input {
                Some(input) => input.clone(),
                None => scheduled(&entry.schedule, &stack.account_id, &stack.region, now),
            };
            let event = Event {
                function: function.clone(),
                payload: Bytes::from(payload),
                trace_id: None,
                by: By::Schedule,
                generation,
            };
            let accepted = shared.events.accept(event, Some(turn));
            // Where there is no room, the next look tries again.
            if accepted.is_ok() {
                entry.next = after(entry.next, entry.schedule.every, now);
            }
        }
    }

    /// Takes over what the template says now. What is unchanged keeps its time.
    fn follow(&mut self, stack: &Stack, now: SystemTime) {
        let schedules = stack.functions.iter().flat_map(|function| {
            let name = |schedule: &Schedule| (function.name.clone(), schedule.rule_arn.clone());
            function.schedules.iter().map(move |schedule| (name(schedule), schedule))
        });
        let mut before = std::mem::take(&mut self.entries);
        for (name, schedule) in schedules {
            let first = now + schedule.every;
            let old = before.remove(&name);
            let turn = old.as_ref().map_or_else(|| Arc::new(Semaphore::new(1)), |old| Arc::clone(&old.turn));
            // Also where the system's clock was set back, nothing is farther than a period.
            let next = old
                .filter(|old| old.schedule.every == schedule.every && old.next <= first)
                .map_or(first, |old| old.next);
            self.entries.insert(name, Entry { schedule: schedule.clone(), next, turn });
        }
    }
}

/// The first time behind `now` that lies whole periods behind `due`.
fn after(due: SystemTime, every: Duration, now: SystemTime) -> SystemTime {
    let late = now.duration_since(due).unwrap_or_default();
    let missed = late.as_secs().checked_div(every.as_secs()).unwrap_or_default();
    let missed = Duration::from_secs(missed.saturating_mul(every.as_secs()));
    due + missed + every
}

/// The event that AWS makes when the rule of a schedule is due.
fn scheduled(schedule: &Schedule, account: &str, region: &str, now: SystemTime) -> String {
    let whole = OffsetDateTime::from(now).replace_nanosecond(0).map_or(now, SystemTime::from);
    json!({
        "version": "0",
        "id": Uuid::now_v7().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": rfc3339(whole),
        "region": region,
        "resources": [schedule.rule_arn],
        "detail": {},
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_mins(5);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_due_schedule_makes_the_event_that_aws_makes() {
        let rule_arn = "arn:aws:events:us-east-1:123456789012:rule/r".to_owned();
        let schedule = Schedule { rule_arn: rule_arn.clone(), every: PERIOD, input: None };
        let noon = at(1_795_521_600) + Duration::from_millis(700);
        let event = scheduled(&schedule, "123456789012", "us-east-1", noon);
        let mut event: serde_json::Value = serde_json::from_str(&event).unwrap();
        let id = event.as_object_mut().unwrap().remove("id").unwrap();
        assert_eq!(id.as_str().map(str::len), Some(36));
        let due = json!({
            "version": "0",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-11-24T12:00:00Z",
            "region": "us-east-1",
            "resources": [rule_arn],
            "detail": {},
        });
        assert_eq!(event, due);
    }

    #[test]
    fn missed_periods_make_one_run_and_the_beat_is_kept() {
        assert_eq!(after(at(300), PERIOD, at(300)), at(600));
        assert_eq!(after(at(300), PERIOD, at(599)), at(600));
        assert_eq!(after(at(300), PERIOD, at(600)), at(900));
        assert_eq!(after(at(300), PERIOD, at(7_450)), at(7_500));
    }
}
