//! The stack's clock.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::state::write_private;

/// What time it is for the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeSource {
    /// The system's time.
    #[default]
    Real,
    /// One moment, for repeatable runs.
    Fixed(OffsetDateTime),
}

/// A text that names no [`TimeSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSourceError;

impl fmt::Display for TimeSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be real, or fixed: and a time from 1970 to 9000 such as fixed:2026-11-24T12:00:00Z")
    }
}

impl std::error::Error for TimeSourceError {}

impl FromStr for TimeSource {
    type Err = TimeSourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("fixed:") {
            None if text == "real" => Ok(Self::Real),
            None => Err(TimeSourceError),
            Some(moment) => {
                let moment = OffsetDateTime::parse(moment, &Rfc3339).map_err(|_| TimeSourceError)?;
                YEARS
                    .contains(&moment.to_offset(UtcOffset::UTC).year())
                    .then_some(Self::Fixed(moment))
                    .ok_or(TimeSourceError)
            }
        }
    }
}

/// Farthest that the clock can be moved ahead: a century, which every quota and expiry lies within.
const MAX_AHEAD: Duration = Duration::from_hours(24 * 36_525);

/// The years that a fixed time can be in. Days are counted from 1970, and dates end with the year 9999.
const YEARS: RangeInclusive<i32> = 1970..=9000;

/// Most moves that are remembered.
const MAX_JUMPS: usize = 1_000;

/// One move of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Jump {
    /// The real time at which it was made.
    at: SystemTime,
    /// How far.
    by: Duration,
}

/// The stack's clock: the real time or a fixed one, and the moves that were made by hand. It never goes back
/// but with a snapshot or a reset of the whole stack. Who moves it or sets it holds [`Shared::change`].
///
/// [`Shared::change`]: crate::shared::Shared::change
#[derive(Debug)]
pub(crate) struct StackClock {
    source: TimeSource,
    jumps: RwLock<Vec<Jump>>,
    /// Where the moves are kept between runs.
    file: Option<PathBuf>,
}

impl StackClock {
    /// A clock with the moves of earlier runs on the same data.
    pub(crate) fn open(source: TimeSource, data: Option<&Path>) -> anyhow::Result<Self> {
        let file = data.map(|folder| folder.join("clock.json"));
        let jumps = match &file {
            Some(path) if path.is_file() => {
                let text =
                    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
                serde_json::from_slice(&text).with_context(|| {
                    format!("{} is damaged; `make reset` empties the local stack", path.display())
                })?
            }
            Some(_) | None => Vec::new(),
        };
        Ok(Self { source, jumps: RwLock::new(jumps), file })
    }

    /// The stack's time now. All moves lie behind it, also where the system's clock was set back after one.
    pub(crate) fn now(&self) -> SystemTime {
        self.source.at(real()) + self.ahead()
    }

    /// The stack's time at a real one.
    pub(crate) fn at(&self, moment: SystemTime) -> SystemTime {
        self.source.at(moment) + total(self.read().iter().filter(|jump| jump.at <= moment))
    }

    /// How far it was moved altogether.
    pub(crate) fn ahead(&self) -> Duration {
        total(self.read().iter())
    }

    /// Moves it ahead.
    pub(crate) fn advance(&self, by: Duration) -> anyhow::Result<()> {
        let mut jumps = self.jumps();
        if total(jumps.iter()).checked_add(by).is_none_or(|ahead| ahead > MAX_AHEAD) {
            bail!("the clock can be moved ahead by 100 years at most; /_local/reset sets it back");
        }
        if jumps.len() >= MAX_JUMPS {
            bail!("the clock was moved {MAX_JUMPS} times; /_local/reset sets it back");
        }
        jumps.push(Jump { at: whole_second(real()), by });
        self.set(jumps)
    }

    /// What time it would be now with other moves.
    pub(crate) fn with(&self, jumps: &[Jump]) -> SystemTime {
        self.source.at(real()) + total(jumps.iter())
    }

    /// The moves, to be kept.
    pub(crate) fn jumps(&self) -> Vec<Jump> {
        self.read().clone()
    }

    /// Takes other moves in place of its own.
    pub(crate) fn set(&self, jumps: Vec<Jump>) -> anyhow::Result<()> {
        if let Some(file) = &self.file {
            write_private(file, &serde_json::to_vec(&jumps)?)
                .with_context(|| format!("{} cannot be written", file.display()))?;
        }
        *self.jumps.write().unwrap_or_else(PoisonError::into_inner) = jumps;
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Jump>> {
        self.jumps.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource {
    /// The time without any moves, at a real one.
    fn at(self, moment: SystemTime) -> SystemTime {
        match self {
            Self::Real => moment,
            Self::Fixed(fixed) => fixed.into(),
        }
    }
}

/// Reads a time such as `31d` or `1h 30m`: whole numbers of weeks, days, hours, minutes, seconds and
/// milliseconds. Months and years have no length of their own.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let letters = unit.len() - unit.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let part = match &unit[..letters] {
            "ms" => Some(Duration::from_millis(number)),
            "s" => Some(Duration::from_secs(number)),
            "m" => number.checked_mul(60).map(Duration::from_secs),
            "h" => number.checked_mul(3_600).map(Duration::from_secs),
            "d" => number.checked_mul(86_400).map(Duration::from_secs),
            "w" => number.checked_mul(604_800).map(Duration::from_secs),
            _ => None,
        };
        total = total.checked_add(part?)?;
        rest = unit[letters..].trim_start();
    }
    Some(total)
}

/// The same, to be shown.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}"));
    parts.collect::<Vec<_>>().join(" ")
}

fn total<'j>(jumps: impl Iterator<Item = &'j Jump>) -> Duration {
    jumps.map(|jump| jump.by).sum()
}

impl local_aws::Clock for StackClock {
    fn now(&self) -> SystemTime {
        real()
    }

    fn stack_time(&self, moment: SystemTime) -> SystemTime {
        self.at(moment)
    }
}

/// The system's time: signatures are judged by it whatever the stack's clock says.
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
pub(crate) fn real() -> SystemTime {
    SystemTime::now()
}

/// The beginning of a time's second: what is signed within it counts as signed behind a move.
fn whole_second(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// How long it is to the beginning of the next second.
pub(crate) fn to_the_next_second() -> Duration {
    let since = real().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_nanos(1_000_000_000 - u64::from(since.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "fixed:2026-11-24T12:00:00Z";
    const DAY: Duration = Duration::from_hours(24);

    fn clock(source: &str, data: Option<&Path>) -> StackClock {
        StackClock::open(source.parse().unwrap(), data).unwrap()
    }

    #[test]
    fn a_fixed_clock_stands_still_until_it_is_moved() {
        let clock = clock(NOON, None);
        assert_eq!(OffsetDateTime::from(clock.now()).unix_timestamp(), 1_795_521_600);
        assert_eq!(clock.now(), clock.now());
        clock.advance(DAY).unwrap();
        assert_eq!(OffsetDateTime::from(clock.now()).unix_timestamp(), 1_795_608_000);
    }

    #[test]
    fn a_moment_before_a_move_is_mapped_without_it() {
        let clock = clock("real", None);
        let before = real();
        clock.advance(31 * DAY).unwrap();
        assert_eq!(clock.at(before - DAY), before - DAY);
        assert!(clock.now() >= before + 31 * DAY);
        assert_eq!(clock.ahead(), 31 * DAY);
    }

    #[test]
    fn moves_outlast_a_restart_and_have_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let clock = |source| clock(source, Some(folder.path()));
        let first = clock(NOON);
        first.advance(DAY).unwrap();
        assert!(first.advance(MAX_AHEAD).is_err());
        assert_eq!(clock(NOON).ahead(), DAY);
        for _ in 1..MAX_JUMPS {
            first.advance(Duration::ZERO).unwrap();
        }
        assert!(first.advance(DAY).unwrap_err().to_string().contains("/_local/reset"));
        first.set(Vec::new()).unwrap();
        assert_eq!(clock(NOON).ahead(), Duration::ZERO);
    }

    #[test]
    fn what_names_no_time_is_refused() {
        for text in [
            "",
            "fixed",
            "fixed:",
            "fixed:noon",
            "unreal",
            "fixed:1969-12-31T23:59:59Z",
            "fixed:1970-01-01T00:00:00+01:00",
            "fixed:9001-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<TimeSource>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn times_are_read_in_units_that_have_a_length() {
        for (text, seconds) in [("31d", 31 * 86_400), ("1h 30m", 5_400), ("2w1d", 15 * 86_400), ("7s", 7)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for text in
            ["", " ", "d", "3", "-1d", "1 d", "1month", "1M", "1y", "1.5h", "18446744073709551615w", "9d9"]
        {
            assert_eq!(duration(text), None, "{text:?}");
        }
        assert_eq!(in_words(Duration::from_secs(31 * 86_400 + 5_401)), "31d 1h 30m 1s");
    }
}
