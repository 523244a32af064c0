//! The stack's clock.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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
        f.write_str("must be real, or fixed: and a time such as fixed:2026-11-24T12:00:00Z")
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
                OffsetDateTime::parse(moment, &Rfc3339).map(Self::Fixed).map_err(|_| TimeSourceError)
            }
        }
    }
}

impl TimeSource {
    /// The clock that all parts of the stack are given.
    #[must_use]
    pub fn clock(self) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
        match self {
            Self::Real => Arc::new(real),
            Self::Fixed(moment) => Arc::new(move || moment.into()),
        }
    }
}

/// The system's time: signatures are judged by it whatever the stack's clock says.
#[expect(clippy::disallowed_methods, reason = "this is the one clock")]
pub(crate) fn real() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stands_still() {
        let clock = "fixed:2026-11-24T12:00:00Z".parse::<TimeSource>().unwrap().clock();
        assert_eq!(OffsetDateTime::from(clock()).unix_timestamp(), 1_795_521_600);
        assert_eq!(clock(), clock());
    }

    #[test]
    fn what_names_no_time_is_refused() {
        for text in ["", "fixed", "fixed:", "fixed:noon", "unreal"] {
            assert!(text.parse::<TimeSource>().is_err(), "{text:?}");
        }
    }
}
