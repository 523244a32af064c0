//! One environment: a process, the event that it is offered, and the invocation that it runs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::failure::Exit;
use crate::process::Process;

/// How long a killed process may take to end. Only one that hangs in the kernel takes any time.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// An event for an environment.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    pub(crate) trace_id: Option<String>,
}

/// How an invocation ended, as far as its function said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered.
    Response(Bytes),
    /// It reported an error; the environment goes on.
    Error(Bytes),
    /// It answered too much; the environment goes on.
    ResponseTooLarge,
    /// It reported that it cannot start; the environment is of no use.
    InitError(Bytes),
}

/// What becomes of an offered event.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Completes when the function has fetched the event.
    pub(crate) fetched: oneshot::Receiver<()>,
    /// Completes when the function has answered, or has said that it never will.
    pub(crate) finished: oneshot::Receiver<Outcome>,
}

/// Why a call of the Runtime API is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The environment is not in a state for this call.
    InvalidState,
    /// The request id is not that of the running invocation.
    InvalidRequestId,
}

#[derive(Debug)]
struct Offer {
    event: Event,
    fetched: oneshot::Sender<()>,
    finished: oneshot::Sender<Outcome>,
}

#[derive(Debug)]
struct Running {
    request_id: String,
    finished: oneshot::Sender<Outcome>,
}

#[derive(Debug, Default)]
struct State {
    has_initialized: bool,
    init_error: Option<Bytes>,
    offer: Option<Offer>,
    running: Option<Running>,
}

/// An environment. It ends with its process.
#[derive(Debug)]
pub(crate) struct Environment {
    /// What the process proves itself by: nobody else can guess it.
    id: String,
    process: Process,
    state: Mutex<State>,
    offered: Notify,
    killed: CancellationToken,
    exit: watch::Sender<Option<Exit>>,
}

impl Environment {
    /// `killed` ends the environment, be it alone or with the whole runtime.
    pub(crate) fn new(id: String, process: Process, killed: CancellationToken) -> Self {
        Self {
            id,
            process,
            state: Mutex::default(),
            offered: Notify::new(),
            killed,
            exit: watch::Sender::new(None),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the process lives, as the operating system knows it.
    pub(crate) fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Sees the process to its end. It is run once, on a task of its own.
    pub(crate) async fn supervise(&self) {
        let exit = tokio::select! {
            exit = self.process.wait() => exit,
            () = self.killed.cancelled() => {
                self.process.kill();
                self.process.wait().await
            }
        };
        self.exit.send_replace(Some(exit));
    }

    /// Waits for the process to end.
    pub(crate) async fn exited(&self) -> Exit {
        let mut exit = self.exit.subscribe();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit(None)),
            Err(_) => Exit(None),
        }
    }

    /// Has the process killed, without waiting for its end.
    pub(crate) fn kill(&self) {
        self.killed.cancel();
    }

    /// Kills the process before this returns, without waiting for its end.
    pub(crate) fn kill_at_once(&self) {
        self.process.kill();
        self.kill();
    }

    /// Kills the process and waits for its end.
    pub(crate) async fn terminate(&self) {
        self.kill();
        // One that cannot even be killed has lost its address here, and is left to the kernel.
        let _ = timeout(KILL_TIMEOUT, self.exited()).await;
    }

    /// Offers an event. The caller makes sure that no other one is offered or running.
    pub(crate) fn offer(&self, event: Event) -> Progress {
        let (fetched, was_fetched) = oneshot::channel();
        let (finished, has_finished) = oneshot::channel();
        let mut state = self.state();
        match state.init_error.take() {
            Some(payload) => drop(finished.send(Outcome::InitError(payload))),
            None => state.offer = Some(Offer { event, fetched, finished }),
        }
        drop(state);
        self.offered.notify_waiters();
        Progress { fetched: was_fetched, finished: has_finished }
    }

    /// The next event, which runs from then on: `GET /runtime/invocation/next`.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidState`] while an invocation runs, or where the process has ended.
    pub(crate) async fn next(&self) -> Result<Event, Refusal> {
        loop {
            let mut offered = std::pin::pin!(self.offered.notified());
            // Registered before the look, so that an offer in between wakes it.
            offered.as_mut().enable();
            if let Some(event) = self.fetch()? {
                return Ok(event);
            }
            offered.await;
        }
    }

    fn fetch(&self) -> Result<Option<Event>, Refusal> {
        let mut state = self.state();
        state.has_initialized = true;
        if state.running.is_some() {
            return Err(Refusal::InvalidState);
        }
        // The connection of a process that has just died looks alive for a moment. Its event must not go there.
        if state.offer.is_some() && !self.process.is_running() {
            return Err(Refusal::InvalidState);
        }
        let Some(Offer { event, fetched, finished }) = state.offer.take() else { return Ok(None) };
        state.running = Some(Running { request_id: event.request_id.clone(), finished });
        // Whoever invoked may have given up. Its function runs all the same and finds nobody to answer.
        let _ = fetched.send(());
        Ok(Some(event))
    }

    /// Ends the running invocation: `POST /runtime/invocation/{id}/response` and `…/error`.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidRequestId`] where another invocation runs, or none.
    pub(crate) fn finish(&self, request_id: &str, outcome: Outcome) -> Result<(), Refusal> {
        let mut state = self.state();
        let running = state.running.take_if(|running| running.request_id == request_id);
        let running = running.ok_or(Refusal::InvalidRequestId)?;
        running.finished.send(outcome).map_err(|_| Refusal::InvalidRequestId)
    }

    /// Takes note that the function cannot start: `POST /runtime/init/error`.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidState`] once it has asked for an event.
    pub(crate) fn fail_init(&self, payload: Bytes) -> Result<(), Refusal> {
        let mut state = self.state();
        if state.has_initialized {
            return Err(Refusal::InvalidState);
        }
        match state.offer.take() {
            Some(offer) => drop(offer.finished.send(Outcome::InitError(payload))),
            None => state.init_error = Some(payload),
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
