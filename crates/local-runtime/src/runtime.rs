//! The runtime: functions by name, their environments, and invocations.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::api::{self, Call};
use crate::environment::{Environment, Event, Outcome};
use crate::failure::Failure;
use crate::output::{Stream, Writer, pump};
use crate::pool::{NoRoom, Pool};
use crate::process::{Identity, Process};
use crate::{
    FunctionSpec, Invocation, InvokeError, InvokeOptions, MAX_REQUEST_BYTES, RuntimeError, RuntimeSettings,
};

/// How long a warm environment may take to fetch its event. It answered its last one, so it is either already
/// asking or of no use, and another can be tried.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a stop waits for processes and tasks to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Lambda, for the functions of one stack.
///
/// Dropping it stops it, as [`stop`](Self::stop) does, without waiting.
#[derive(Debug)]
pub struct Runtime {
    shared: Arc<Shared>,
}

/// What invocations, environments and the Runtime API have in common.
#[derive(Debug)]
struct Shared {
    settings: RuntimeSettings,
    address: SocketAddr,
    functions: Mutex<HashMap<String, Arc<Pool>>>,
    environments: Mutex<HashMap<String, Registration>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A live environment and the pool that it belongs to.
#[derive(Debug, Clone)]
struct Registration {
    environment: Arc<Environment>,
    pool: Arc<Pool>,
}

impl Runtime {
    /// Starts the Runtime API on a loopback port of its own. There are no functions yet.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Listen`] where no port can be had.
    pub async fn start(settings: RuntimeSettings) -> Result<Arc<Self>, RuntimeError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(RuntimeError::Listen)?;
        let address = listener.local_addr().map_err(RuntimeError::Listen)?;
        let stop = settings.shutdown.child_token();
        let shared = Arc::new(Shared {
            settings,
            address,
            functions: Mutex::default(),
            environments: Mutex::default(),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        });
        let api = Arc::clone(&shared);
        shared.tasks.spawn(local_http::serve(listener, api::limits(), stop, move |request| {
            let api = Arc::clone(&api);
            async move { api.answer(&request).await }
        }));
        Ok(Arc::new(Self { shared }))
    }

    /// Makes these the functions. Those that are unchanged keep their environments; of those that are changed or
    /// gone, idle environments end at once and running ones after their invocation.
    pub fn set_functions(&self, specs: Vec<FunctionSpec>) {
        let mut functions = lock(&self.shared.functions);
        let mut before = std::mem::take(&mut *functions);
        for spec in specs {
            let pool = match before.remove(&spec.name) {
                Some(pool) if *pool.spec() == spec => pool,
                Some(changed) => {
                    changed.retire();
                    Arc::new(Pool::new(spec))
                }
                None => Arc::new(Pool::new(spec)),
            };
            functions.insert(pool.spec().name.clone(), pool);
        }
        for gone in before.into_values() {
            gone.retire();
        }
    }

    /// Adds or replaces one function. Its environments are replaced even where the specification is the same,
    /// since its executable may not be.
    pub fn replace(&self, spec: FunctionSpec) {
        let name = spec.name.clone();
        let before = lock(&self.shared.functions).insert(name, Arc::new(Pool::new(spec)));
        if let Some(before) = before {
            before.retire();
        }
    }

    /// How many environments of a function live, idle or running.
    #[must_use]
    pub fn environments(&self, function: &str) -> usize {
        let environments = lock(&self.shared.environments);
        environments.values().filter(|registration| registration.pool.spec().name == function).count()
    }

    /// Kills every environment of a function, idle or running, with `SIGKILL`: none of them does anything more once
    /// this returns. An invocation that ran in one ends as one whose process has exited. What is returned waits,
    /// for a bounded time, until the processes have ended.
    pub fn kill(&self, function: &str) -> impl Future<Output = ()> + Send + use<> {
        let environments = lock(&self.shared.environments);
        let killed: Vec<_> = environments
            .values()
            .filter(|registration| registration.pool.spec().name == function)
            .map(|registration| Arc::clone(&registration.environment))
            .collect();
        drop(environments);
        for environment in &killed {
            environment.kill_at_once();
        }
        async move {
            for environment in killed {
                environment.terminate().await;
            }
        }
    }

    /// Invokes a function and waits for its answer.
    ///
    /// A caller that stops waiting in the queue leaves it. One that stops waiting later changes nothing: the
    /// invocation runs to its end, as it does on AWS.
    ///
    /// # Errors
    ///
    /// [`InvokeError`] where the function was not run. What it does wrong itself is told by
    /// [`Invocation::function_error`].
    pub async fn invoke(
        &self,
        function: &str,
        payload: Bytes,
        options: InvokeOptions,
    ) -> Result<Invocation, InvokeError> {
        if payload.len() > MAX_REQUEST_BYTES {
            return Err(InvokeError::RequestTooLarge { bytes: payload.len() });
        }
        let entered = self.shared.stop.run_until_cancelled(self.shared.enter(function)).await;
        let (pool, permit) = entered.ok_or(InvokeError::Stopping)??;
        let execution = Execution {
            shared: Arc::clone(&self.shared),
            pool,
            permit,
            request_id: Uuid::now_v7().to_string(),
            payload,
            options,
        };
        match self.shared.tasks.spawn(execution.run()).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_cancelled) => Err(InvokeError::Stopping),
        }
    }

    /// Kills every environment and waits, for a bounded time, until all is quiet.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        // What is left after that is a process that cannot be killed; nothing more can be done about it.
        let _ = timeout(STOP_TIMEOUT, self.shared.tasks.wait()).await;
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    /// Waits for room to run the function. Where it is replaced meanwhile, the new one is waited for.
    async fn enter(&self, function: &str) -> Result<(Arc<Pool>, OwnedSemaphorePermit), InvokeError> {
        let deadline = Instant::now() + self.settings.queue_timeout;
        loop {
            let pool = lock(&self.functions).get(function).cloned();
            let pool = pool.ok_or_else(|| InvokeError::UnknownFunction(function.to_owned()))?;
            let patience = deadline.saturating_duration_since(Instant::now());
            match pool.enter(self.settings.queue_capacity, patience).await {
                Ok(permit) => return Ok((pool, permit)),
                Err(NoRoom::Busy) => return Err(InvokeError::Throttled(function.to_owned())),
                Err(NoRoom::Retired) => {}
            }
        }
    }

    /// Starts an environment. Its process, its output and its end are looked after from here on.
    fn start_environment(self: &Arc<Self>, pool: &Arc<Pool>) -> io::Result<Arc<Environment>> {
        let id = random_hex()?;
        let date = OffsetDateTime::from((self.settings.clock)())
            .format(format_description!("[year]/[month]/[day]"))
            .unwrap_or_default();
        let log_stream = format!("{date}/[$LATEST]{}", random_hex()?);
        let identity = Identity {
            // With a scheme, unlike on AWS: the Rust client reads a URI here, which has a path only after one.
            runtime_api: &format!("http://{}/{id}", self.address),
            log_stream: &log_stream,
            region: &self.settings.region,
        };

        // Locked before the process starts, so that its first call finds it registered.
        let mut environments = lock(&self.environments);
        let (process, stdout, stderr) = Process::start(pool.spec(), &identity)?;
        let environment = Arc::new(Environment::new(id, process, self.stop.child_token()));
        let registration = Registration { environment: Arc::clone(&environment), pool: Arc::clone(pool) };
        environments.insert(environment.id().to_owned(), registration);
        drop(environments);

        let writer =
            |stream| Writer { function: pool.spec().name.clone(), environment: log_stream.clone(), stream };
        self.pass_on(pump(stdout, writer(Stream::Stdout), self.settings.output.clone()));
        self.pass_on(pump(stderr, writer(Stream::Stderr), self.settings.output.clone()));
        let (shared, pool, supervised) = (Arc::clone(self), Arc::clone(pool), Arc::clone(&environment));
        self.tasks.spawn(async move {
            supervised.supervise().await;
            lock(&shared.environments).remove(supervised.id());
            pool.forget(supervised.id());
        });
        Ok(environment)
    }

    /// Runs an output's pump until the stop: a pipe that a grandchild inherited might never end.
    fn pass_on(&self, pump: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(pump).await });
    }

    /// Answers a call of the Runtime API.
    async fn answer(&self, request: &local_http::Request) -> local_http::Response {
        let Some(call) = Call::of(request) else { return api::not_found() };
        let registration = lock(&self.environments).get(call.environment).cloned();
        let Some(Registration { environment, pool }) = registration else { return api::not_found() };
        call.answer(&environment, pool.spec(), || (self.settings.clock)(), &request.body).await
    }
}

/// An invocation that has room to run.
struct Execution {
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    permit: OwnedSemaphorePermit,
    request_id: String,
    payload: Bytes,
    options: InvokeOptions,
}

/// What came of offering the event to an environment.
enum Attempt {
    /// The function said how it ended.
    Told(Outcome, Duration),
    /// It fetched the event, or failed to start, and said nothing.
    Failed(Failure, Duration),
    /// It never fetched the event, so another environment can have it.
    Unseen,
}

impl Execution {
    async fn run(self) -> Result<Invocation, InvokeError> {
        loop {
            let (environment, cold) = match self.pool.take_idle() {
                Some(environment) => (environment, false),
                None => match self.shared.start_environment(&self.pool) {
                    Ok(environment) => (environment, true),
                    Err(error) => {
                        return Ok(self.failed(&Failure::NotStarted(error), true, Duration::ZERO));
                    }
                },
            };
            let attempt = self.attempt(&environment, cold).await;
            if self.shared.stop.is_cancelled() && !matches!(attempt, Attempt::Told(..)) {
                return Err(InvokeError::Stopping);
            }
            let invocation = match attempt {
                Attempt::Told(outcome, duration) => {
                    if matches!(outcome, Outcome::InitError(_)) {
                        environment.terminate().await;
                    } else {
                        self.pool.give_back(environment);
                    }
                    self.told(outcome, cold, duration)
                }
                Attempt::Failed(failure, duration) => {
                    environment.terminate().await;
                    self.failed(&failure, cold, duration)
                }
                Attempt::Unseen => {
                    environment.terminate().await;
                    continue;
                }
            };
            // Held until the environment is idle or gone, so that there are never more than may be.
            drop(self.permit);
            return Ok(invocation);
        }
    }

    /// Offers the event to one environment and sees it to its end.
    async fn attempt(&self, environment: &Environment, cold: bool) -> Attempt {
        let mut progress = environment.offer(Event {
            request_id: self.request_id.clone(),
            payload: self.payload.clone(),
            trace_id: self.options.trace_id.clone(),
        });
        let init_timeout = self.shared.settings.init_timeout;
        tokio::select! {
            biased;
            Ok(()) = &mut progress.fetched => {}
            Ok(outcome) = &mut progress.finished => return Attempt::Told(outcome, Duration::ZERO),
            exit = environment.exited() => {
                return if cold { Attempt::Failed(Failure::Exited(exit), Duration::ZERO) } else { Attempt::Unseen };
            }
            () = sleep(if cold { init_timeout } else { FETCH_TIMEOUT }) => {
                return if cold {
                    Attempt::Failed(Failure::InitTimedOut(init_timeout), Duration::ZERO)
                } else {
                    Attempt::Unseen
                };
            }
        }
        let fetched = Instant::now();
        let timeout = self.pool.spec().timeout;
        tokio::select! {
            // An answer that was given counts, whatever became of the process afterwards.
            biased;
            Ok(outcome) = &mut progress.finished => Attempt::Told(outcome, fetched.elapsed()),
            exit = environment.exited() => Attempt::Failed(Failure::Exited(exit), fetched.elapsed()),
            () = sleep_until(fetched + timeout) => {
                let at = (self.shared.settings.clock)();
                Attempt::Failed(Failure::TimedOut { at, after: timeout }, fetched.elapsed())
            }
        }
    }

    fn told(&self, outcome: Outcome, cold: bool, duration: Duration) -> Invocation {
        match outcome {
            Outcome::Response(payload) => self.ended(payload, false, cold, duration),
            Outcome::Error(payload) | Outcome::InitError(payload) => {
                self.ended(payload, true, cold, duration)
            }
            Outcome::ResponseTooLarge => self.failed(&Failure::ResponseTooLarge, cold, duration),
        }
    }

    fn failed(&self, failure: &Failure, cold: bool, duration: Duration) -> Invocation {
        self.ended(failure.payload(&self.request_id), true, cold, duration)
    }

    fn ended(&self, payload: Bytes, has_failed: bool, cold: bool, duration: Duration) -> Invocation {
        Invocation {
            payload,
            function_error: has_failed.then(|| "Unhandled".to_owned()),
            cold,
            duration,
            request_id: self.request_id.clone(),
        }
    }
}

/// 128 random bits in lower-case hexadecimal.
fn random_hex() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
