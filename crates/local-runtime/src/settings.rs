//! What a runtime is started with.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::OutputLine;

/// Gives the wall clock's time, from which functions' deadlines are told.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What a runtime is started with.
#[derive(Clone)]
pub struct RuntimeSettings {
    /// The functions' `AWS_REGION`.
    pub region: String,
    /// The real time: functions subtract their own from the deadlines that are made of it.
    pub clock: Clock,
    /// Takes what functions write. A full channel holds the writing functions up, so that no line is lost; a
    /// closed one lets lines go unread.
    pub output: mpsc::Sender<OutputLine>,
    /// Stops the runtime and kills its environments when cancelled.
    pub shutdown: CancellationToken,
    /// How long a new environment may take until it asks for its first event. Lambda: 10 s.
    pub init_timeout: Duration,
    /// Requests that may wait for an environment, for each function.
    pub queue_capacity: usize,
    /// How long each of them waits.
    pub queue_timeout: Duration,
}

impl RuntimeSettings {
    /// Settings with Lambda's init limit, and a queue of 1,000 requests that wait as long as API Gateway does.
    #[must_use]
    pub fn new(
        region: impl Into<String>,
        clock: Clock,
        output: mpsc::Sender<OutputLine>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            region: region.into(),
            clock,
            output,
            shutdown,
            init_timeout: Duration::from_secs(10),
            queue_capacity: 1_000,
            queue_timeout: Duration::from_secs(29),
        }
    }
}

impl fmt::Debug for RuntimeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeSettings")
            .field("region", &self.region)
            .field("init_timeout", &self.init_timeout)
            .field("queue_capacity", &self.queue_capacity)
            .field("queue_timeout", &self.queue_timeout)
            .finish_non_exhaustive()
    }
}
