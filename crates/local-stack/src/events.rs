//! Asynchronous invocations: events that wait for their function, and are tried again when it fails.
//!
//! An event is in memory alone and ends with the stack. One that waits while other data is loaded is dropped: it was
//! about data that is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use local_gateway::LiveStack;
use local_runtime::InvokeError;
use stack_template::Asynchronous;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::StackClock;
use crate::gate::Gate;
use crate::lambda::Lambda;
use crate::output::{Notice, Notices};
use crate::runs::Run;

/// The largest payload of an asynchronous invocation, in bytes. Source: Lambda quotas.
pub(crate) const MAX_EVENT_BYTES: usize = 1_048_576;

/// Events that wait or run.
const MAX_EVENTS: usize = 1_000;
/// Events that run.
const MAX_RUNNING: usize = 8;
/// How long an event waits before it is tried again. Lambda waits a minute before the second attempt and two before
/// the third.
const RETRY: Duration = Duration::from_secs(1);
/// How long a stop waits for what it has cancelled.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Why an event is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No function of the template has the name.
    UnknownFunction,
    /// The payload is larger than [`MAX_EVENT_BYTES`].
    TooLarge,
    /// As many events wait as may.
    Full,
}

/// Who has made an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A caller of Lambda's Invoke.
    Call,
    /// A rule of the template.
    Schedule,
}

impl By {
    /// As it is shown.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Call => "event",
            Self::Schedule => "schedule",
        }
    }
}

/// The data that an event is about: that of one time between two loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u64);

/// An event for a function.
pub(crate) struct Event {
    pub(crate) function: String,
    pub(crate) payload: Bytes,
    pub(crate) trace_id: Option<String>,
    pub(crate) by: By,
    pub(crate) generation: Generation,
}

/// The events of all functions.
pub(crate) struct Events {
    lambda: Arc<Lambda>,
    live: Arc<LiveStack>,
    gate: Gate,
    clock: Arc<StackClock>,
    notices: Notices,
    room: Arc<Semaphore>,
    running: Semaphore,
    generation: AtomicU64,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// How an attempt ended.
enum Attempt {
    Succeeded,
    Failed,
    /// The function was not run.
    NotRun,
    /// The event is of no use any more.
    Outdated,
}

impl Events {
    pub(crate) fn new(
        lambda: &Arc<Lambda>,
        live: &Arc<LiveStack>,
        gate: &Gate,
        clock: &Arc<StackClock>,
        notices: &Notices,
        stop: CancellationToken,
    ) -> Self {
        Self {
            lambda: Arc::clone(lambda),
            live: Arc::clone(live),
            gate: gate.clone(),
            clock: Arc::clone(clock),
            notices: notices.clone(),
            room: Arc::new(Semaphore::new(MAX_EVENTS)),
            running: Semaphore::new(MAX_RUNNING),
            generation: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// The data that an event of now is about. Who makes an event asks before it looks at the clock.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Drops the events that wait. Whoever has replaced the data calls it before the gate opens.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a function can be invoked.
    pub(crate) fn knows(&self, function: &str) -> bool {
        self.configuration(function).is_some()
    }

    /// How many events wait or run.
    pub(crate) fn waiting(&self) -> usize {
        MAX_EVENTS.saturating_sub(self.room.available_permits())
    }

    /// Takes an event, which is seen to from here on. `turn` is given back when it is over, however it ends.
    pub(crate) fn accept(
        self: &Arc<Self>,
        event: Event,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Refused> {
        let config = self.configuration(&event.function).ok_or(Refused::UnknownFunction)?;
        if event.payload.len() > MAX_EVENT_BYTES {
            return Err(Refused::TooLarge);
        }
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Refused::Full)?;
        let events = Arc::clone(self);
        self.tasks.spawn(async move {
            let _held = (room, turn);
            let stop = events.stop.clone();
            // Cut short, an invocation that runs goes on until its function is stopped.
            stop.run_until_cancelled(events.see_to(event, config)).await;
        });
        Ok(())
    }

    /// Drops all events and takes no more part in anything.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        // Each task ends at its next wait.
        let _ = timeout(STOP_TIMEOUT, self.tasks.wait()).await;
    }

    fn configuration(&self, function: &str) -> Option<Asynchronous> {
        let stack = self.live.current();
        stack.functions.iter().find(|known| known.name == function).map(|known| known.asynchronous)
    }

    /// Sees an event to its end: a success, its last failure, or its age.
    async fn see_to(&self, event: Event, config: Asynchronous) {
        let (accepted, begin) = (self.clock.now(), Instant::now());
        let mut failures = 0;
        loop {
            let attempt = self.attempt(&event, || {
                // A clock that stands still ages nothing; real time does.
                self.age(accepted).max(begin.elapsed()) > config.max_age
            });
            match attempt.await {
                Attempt::Succeeded => return,
                Attempt::Outdated => return self.give_up(&event, "has come too late"),
                Attempt::Failed if failures == config.max_retries => {
                    return self.give_up(&event, "has failed for the last time");
                }
                Attempt::Failed => {
                    failures += 1;
                    sleep(RETRY * failures).await;
                }
                Attempt::NotRun => sleep(RETRY).await,
            }
        }
    }

    /// Runs the function once, as a request would that comes by a gateway.
    async fn attempt(&self, event: &Event, is_too_old: impl Fn() -> bool) -> Attempt {
        // It is never closed.
        let _running = self.running.acquire().await.ok();
        let _request = self.gate.request().await;
        let pass = self.gate.function().await;
        if event.generation != self.generation() || is_too_old() {
            return Attempt::Outdated;
        }
        let (function, payload) = (&event.function, event.payload.clone());
        let at = self.clock.now();
        match self.lambda.invoke(function, payload, event.trace_id.clone(), Some(pass)).await {
            Ok(done) => {
                let failed = done.function_error.is_some();
                self.notices.send(Notice::Run(Run {
                    at,
                    function: function.clone(),
                    by: event.by,
                    failed,
                    duration: done.duration,
                    cold: done.cold,
                    request_id: done.request_id,
                }));
                if failed { Attempt::Failed } else { Attempt::Succeeded }
            }
            Err(InvokeError::Throttled(_) | InvokeError::Stopping) => Attempt::NotRun,
            Err(
                reason @ (InvokeError::Unreachable { .. }
                | InvokeError::UnknownFunction(_)
                | InvokeError::RequestTooLarge { .. }),
            ) => {
                self.notices.send(Notice::Warning(reason.to_string()));
                Attempt::Failed
            }
        }
    }

    fn age(&self, accepted: SystemTime) -> Duration {
        self.clock.now().duration_since(accepted).unwrap_or_default()
    }

    fn give_up(&self, event: &Event, why: &str) {
        let (by, function) = (event.by.as_str(), &event.function);
        self.notices.send(Notice::Warning(format!("{function}: an invocation by {by} {why} and is dropped")));
    }
}
