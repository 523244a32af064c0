//! One line of JSON per request.

use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;

/// What is known of a request when it is over. Bodies, key values and personal data have no place here.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) level: &'static str,
    pub(crate) function: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) tenant_id: Option<&'a str>,
    pub(crate) api_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operator: Option<&'a str>,
    pub(crate) route: String,
    pub(crate) status: u16,
    pub(crate) duration_ms: f64,
    pub(crate) cold: bool,
    pub(crate) consumed_capacity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
}

impl Line<'_> {
    /// Milliseconds with microseconds behind the point.
    pub(crate) fn milliseconds(duration: Duration) -> f64 {
        (duration.as_secs_f64() * 1e6).round() / 1e3
    }

    pub(crate) fn write(&self) {
        if let Ok(mut line) = serde_json::to_vec(self) {
            line.push(b'\n');
            // A log that cannot be written must not fail the request.
            let _ = std::io::stdout().write_all(&line);
        }
    }
}
