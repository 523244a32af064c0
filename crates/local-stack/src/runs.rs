//! How an invocation that no request waited for is shown.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::events::By;
use crate::output::{CYAN, DIM, GREEN, RED};
use crate::templates::rfc3339;

/// One attempt of an asynchronous invocation.
#[derive(Debug)]
pub(crate) struct Run {
    /// When it began, by the stack's clock.
    pub(crate) at: SystemTime,
    pub(crate) function: String,
    pub(crate) by: By,
    /// Whether the function failed.
    pub(crate) failed: bool,
    pub(crate) duration: Duration,
    pub(crate) cold: bool,
    pub(crate) request_id: String,
}

impl Run {
    /// For people, in the columns of requests.
    pub(crate) fn line(&self) -> String {
        let (hour, minute, second) = OffsetDateTime::from(self.at).to_hms();
        let (colour, said) = if self.failed { (RED, "err") } else { (GREEN, "ok ") };
        let milliseconds = self.duration.as_secs_f64() * 1e3;
        let warmth = if self.cold { format!("{CYAN}cold{CYAN:#}") } else { format!("{DIM}warm{DIM:#}") };
        format!(
            "{DIM}{hour:02}:{minute:02}:{second:02}{DIM:#}  {by:<12} {method:<6} {function:<28} \
             {colour}{said}{colour:#} {milliseconds:>8.1} ms  {warmth}",
            by = self.by.as_str(),
            method = "",
            function = self.function,
        )
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "type": "run",
            "time": rfc3339(self.at),
            "function": self.function,
            "by": self.by.as_str(),
            "failed": self.failed,
            "duration_ms": (self.duration.as_secs_f64() * 1e6).round() / 1e3,
            "cold": self.cold,
            "request_id": self.request_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_tells_who_made_it_and_whether_the_function_failed() {
        let run = |failed| Run {
            at: SystemTime::UNIX_EPOCH + Duration::from_hours(498_756),
            function: "tenants-reconcile".into(),
            by: By::Schedule,
            failed,
            duration: Duration::from_micros(12_345),
            cold: true,
            request_id: "r".into(),
        };
        let line = anstream::adapter::strip_str(&run(false).line()).to_string();
        assert_eq!(line, "12:00:00  schedule            tenants-reconcile            ok      12.3 ms  cold");
        assert!(run(true).line().contains("err"));
        let told = run(true).json();
        assert_eq!((&told["by"], &told["failed"]), (&json!("schedule"), &json!(true)));
        assert_eq!((&told["time"], &told["duration_ms"]), (&json!("2026-11-24T12:00:00Z"), &json!(12.345)));
    }
}
