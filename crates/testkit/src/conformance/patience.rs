//! Waiting for a change to come into force.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Check;

/// How often it is looked whether the change is in force.
const EVERY: Duration = Duration::from_secs(1);

/// What is left of the time for a change to come into force.
pub(super) struct Patience {
    until: Option<Instant>,
}

impl Patience {
    /// There is nothing to wait for.
    pub(super) const NONE: Self = Self { until: None };

    /// It begins to run out now.
    pub(super) fn of(time: Duration) -> Self {
        Self { until: Some(Instant::now() + time) }
    }

    /// Waits a little, or fails where there is no time left.
    pub(super) async fn wait(&mut self, otherwise: impl FnOnce() -> String) -> Check {
        if self.has_waited().await { Ok(()) } else { Err(otherwise()) }
    }

    /// Waits a little, and tells whether there was time left to do so.
    pub(super) async fn has_waited(&mut self) -> bool {
        let is_left = self.until.is_some_and(|until| Instant::now() < until);
        if is_left {
            sleep(EVERY).await;
        }
        is_left
    }
}
