//! The parts, wired.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use local_aws::{Dynamo, Iam, Principal, S3};
use local_gateway::{KeyStore, LimitRules, LiveStack};
use local_runtime::{OutputLine, Runtime, RuntimeSettings};
use stack_template::{Api, Authorization, Stack};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::bed::demo_tenants;
use crate::binaries::Binaries;
use crate::cargo_lambda;
use crate::clock::{StackClock, TimeSource, real};
use crate::counters::Keeper;
use crate::events::Events;
use crate::faults::{Crash, Failing, Faults};
use crate::flags::Functions;
use crate::gate::Gate;
use crate::lambda::Lambda;
use crate::local_api::{LocalApi, Refusals};
use crate::output::{Notice, Notices, Record};
use crate::parts::{describe, fill, make_folder, open_keys};
use crate::schedules;
use crate::seed::SILOED;
use crate::serve::{Gateways, Ports};
use crate::shared::Shared;
use crate::snapshots::Snapshots;
use crate::sources;
use crate::state::State;
use crate::templates::{REGION, Templates};

/// Lines of functions' output that may wait to be shown.
const OUTPUT_BACKLOG: usize = 1_024;
/// How often expired items and uploads are swept away.
const SWEEP: Duration = Duration::from_mins(1);

/// What a stack is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SAM template.
    pub template: PathBuf,
    /// The usage plans.
    pub usage_plans: PathBuf,
    /// Parameters of either.
    pub parameters: Vec<(String, String)>,
    /// Ports of the data API, the control API and the AWS services; 0 for any.
    pub ports: [u16; 3],
    /// Where data is kept; in memory without.
    pub data_dir: Option<PathBuf>,
    /// Who runs the functions.
    pub functions: Functions,
    /// Port of the `cargo lambda watch` that is started, if one is.
    pub lambda_port: u16,
    /// Where the functions' binaries are.
    pub binaries: PathBuf,
    /// The workspace whose sources are watched, if any are.
    pub watch: Option<PathBuf>,
    /// Whether demo tenants are made.
    pub seed: bool,
    /// The demo tenants that are given silos.
    pub siloed: Vec<String>,
    /// The stack's time.
    pub time: TimeSource,
    /// What holds for every plan's limits.
    pub limits: LimitRules,
    /// Whether the published rates of management calls are enforced.
    pub management_rates: bool,
    /// Whether functions run on the template's schedules.
    pub schedules: bool,
    /// Where programs are told, if anywhere.
    pub state_file: Option<PathBuf>,
    pub(crate) notices: Notices,
}

impl Options {
    /// On free ports, in memory, silent, without schedules, with the binaries beside this executable.
    #[must_use]
    pub fn ephemeral(template: PathBuf, usage_plans: PathBuf) -> Self {
        Self {
            template,
            usage_plans,
            parameters: Vec::new(),
            ports: [0; 3],
            data_dir: None,
            functions: Functions::Built,
            lambda_port: 0,
            binaries: crate::binaries::folder().unwrap_or_default(),
            watch: None,
            seed: true,
            siloed: vec![SILOED.to_owned()],
            time: TimeSource::Real,
            limits: LimitRules::default(),
            management_rates: false,
            schedules: false,
            state_file: None,
            notices: Notices::silent(),
        }
    }
}

impl Options {
    /// Keeps everything that the stack will have shown, for tests to search.
    #[must_use]
    pub fn record(&mut self) -> Record {
        let record = Record::default();
        self.notices = Notices::recorded(&record);
        record
    }
}

/// A running stack. Dropping it stops it, without waiting.
pub struct LocalStack {
    state: State,
    shared: Arc<Shared>,
    state_file: Option<PathBuf>,
    /// Stops the APIs, and then the AWS services, which functions use until their last request is answered.
    stop_apis: CancellationToken,
    stop_front: CancellationToken,
    apis: Vec<JoinHandle<()>>,
    front: JoinHandle<()>,
    cargo_lambda: Option<cargo_lambda::Watch>,
    /// Keeps what was counted once more when it is dropped.
    keeper: Keeper,
    _guard: tokio_util::sync::DropGuard,
}

impl LocalStack {
    /// Starts a stack; it answers when this returns.
    ///
    /// # Errors
    /// With a way out: a port that is taken, a template that cannot be used, a folder that cannot be
    /// written to, a binary that is missing.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let (templates, stack) =
            Templates::read(options.template.clone(), options.usage_plans.clone(), &options.parameters)?;
        let ports = Ports::bind(options.ports).await?;
        Self::start_on(ports, templates, stack, options).await
    }

    pub(crate) async fn start_on(
        ports: Ports,
        templates: Templates,
        stack: Stack,
        options: Options,
    ) -> anyhow::Result<Self> {
        let (templates, stack) = (Arc::new(templates), Arc::new(stack));
        let shutdown = CancellationToken::new();
        let guard = shutdown.clone().drop_guard();
        let (stop_apis, stop_front) = (shutdown.child_token(), shutdown.child_token());
        let address = |listener: &TcpListener| listener.local_addr().context("a port has no address");
        let aws_endpoint_url = format!("http://{}", address(&ports.aws)?);

        let data = options.data_dir.as_deref();
        make_folder(data)?;
        let clock = Arc::new(StackClock::open(options.time, data)?);
        let keys = Arc::new(open_keys(data, clock.now())?);
        if let Some(file) = &options.state_file {
            // Ports and data are ours now, so what an earlier stack has told is not true any more.
            let _ = std::fs::remove_file(file);
        }
        let dynamo = Arc::new(Dynamo::open(data.map(|folder| folder.join("dynamodb.db")).as_deref())?);
        dynamo.ensure_tables(&stack.tables)?;

        let shares_developers = !matches!(options.functions, Functions::Built);
        let account =
            Account::open(data, &stack.roles, &dynamo, &clock, shares_developers, &options.notices)?;
        let s3 = Arc::new(account.s3(data, &stack.buckets, &clock)?);
        sweep(&dynamo, &s3, &shutdown);
        let (lambda, mut cargo_lambda) =
            functions(&options, &stack, &account, &aws_endpoint_url, &shutdown).await?;
        let (lambda, gate) = (Arc::new(lambda), Gate::default());
        let live = Arc::new(LiveStack::new(Arc::clone(&stack)));
        let events = Events::new(&lambda, &live, &gate, &clock, &options.notices, shutdown.child_token());
        let shared = Arc::new(Shared {
            faults: Arc::new(Faults::new(Arc::clone(&lambda))),
            events: Arc::new(events),
            live,
            keys,
            dynamo,
            s3,
            lambda,
            clock,
            iam: Arc::clone(&account.iam),
            rules: options.limits,
            gate,
            changing: Mutex::default(),
            notices: options.notices.clone(),
        });
        shared.lambda.update(&stack)?;
        let keeper =
            Keeper::start(Arc::clone(&shared.keys), Arc::clone(&shared.live), options.notices.clone())
                .context("the thread that keeps counters cannot be started")?;

        let control =
            |api: &&Api| api.routes.iter().any(|route| route.authorization == Authorization::AwsIam);
        let Some(data_api) = stack.apis.iter().find(|api| !control(api)) else {
            bail!("the template has no API for tenants");
        };
        let control_api = stack.apis.iter().find(control);
        let api_url = format!("http://{}/{}", address(&ports.api)?, data_api.stage);
        let admin_url = match control_api {
            Some(api) => format!("http://{}/{}", address(&ports.admin)?, api.stage),
            None => String::new(),
        };

        let front = account.serve(ports.aws, &shared, options.management_rates, stop_front.clone());
        if let (true, Lambda::CargoLambda { url, .. }) = (options.seed, &*shared.lambda) {
            cargo_lambda::wait_for(url, cargo_lambda.as_mut()).await?;
        }
        let snapshots = Arc::new(Snapshots::open(data)?);
        snapshots.finish(&shared)?;
        fill(&shared, &snapshots, options.seed.then_some(&options.siloed[..]), data).await?;

        let refusals = Arc::new(Refusals::new(options.notices.clone()));
        let local =
            LocalApi::new(Arc::clone(&shared), Arc::clone(&templates), snapshots, Arc::clone(&refusals));
        let gateways = Gateways {
            shared: Arc::clone(&shared),
            verifier: account.verifier,
            observer: refusals,
            shutdown: stop_apis.clone(),
        };
        let mut apis = vec![gateways.serve(ports.api, data_api, Some(Arc::new(local)))?];
        if let Some(api) = control_api {
            apis.push(gateways.serve(ports.admin, api, None)?);
        }
        attend(&options, &templates, &shared, &shutdown);
        remind_of_the_clock(&shared);
        let mut state = describe(&stack, [api_url, admin_url, aws_endpoint_url], account.admin);
        if options.seed {
            state.tenants = demo_tenants(&shared.keys, &shared.dynamo).await;
        }
        let running = Self {
            state,
            shared,
            state_file: options.state_file,
            stop_apis,
            stop_front,
            apis,
            front,
            cargo_lambda,
            keeper,
            _guard: guard,
        };
        running.tell()?;
        Ok(running)
    }

    fn tell(&self) -> anyhow::Result<()> {
        let Some(file) = &self.state_file else { return Ok(()) };
        self.state.write(file).with_context(|| format!("the state file {} cannot be written", file.display()))
    }

    /// What programs are told.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The templates in force.
    #[must_use]
    pub fn stack(&self) -> Arc<Stack> {
        self.shared.live.current()
    }

    /// IAM: the policies in force, and what they have decided.
    #[must_use]
    pub fn iam(&self) -> &Iam {
        &self.shared.iam
    }

    /// The values of the keys that there are, for tests to search places where none may be.
    #[must_use]
    pub fn key_values(&self) -> Vec<String> {
        let keys = self.shared.keys.list("", None, usize::MAX).items;
        keys.iter().map(|key| key.value.expose().to_owned()).collect()
    }

    /// The database itself, behind no signature and no policy, to measure what those cost.
    #[must_use]
    pub fn database(&self) -> Arc<Dynamo> {
        Arc::clone(&self.shared.dynamo)
    }

    /// The objects themselves, behind no signature and no policy, to make many of them at once.
    #[must_use]
    pub fn objects(&self) -> Arc<S3> {
        Arc::clone(&self.shared.s3)
    }

    /// The keys themselves, behind no management call, to make many of them at once.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyStore> {
        Arc::clone(&self.shared.keys)
    }

    /// The credentials that a function of the template runs with, to try what they open; none under `cargo lambda
    /// watch`.
    ///
    /// # Errors
    /// Where there is no such function.
    pub fn credentials_of(&self, function: &str) -> anyhow::Result<Option<Arc<Principal>>> {
        let stack = self.stack();
        let found = stack.functions.iter().find(|known| known.name == function);
        self.shared.lambda.credentials(found.with_context(|| format!("there is no function {function}"))?)
    }

    /// Invokes a function and answers its payload, be it an answer or an error.
    ///
    /// # Errors
    /// Where it was not run.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> anyhow::Result<Bytes> {
        Ok(self.shared.lambda.invoke(function, payload, None, None).await?.payload)
    }

    /// How many asynchronous invocations wait, run, or will be tried again: those that callers have asked for and
    /// those of schedules.
    #[must_use]
    pub fn waiting_events(&self) -> usize {
        self.shared.events.waiting()
    }

    /// Lets a function die right behind the `n`-th call (from 1) by which it changes something at AWS from now on: the
    /// call is carried out, every process of the function is killed, and the call is not answered. Calls of the
    /// function's role count, those of sessions that it assumes do not; under cargo lambda none does. It is off again
    /// when what is returned is dropped.
    #[must_use]
    pub fn crash_after(&self, function: &str, n: usize) -> Crash {
        self.shared.faults.crash_after(function, n)
    }

    /// Makes calls of a function to AWS fail with a fault of the service's (500), without an effect, until what is
    /// returned is dropped. `calls` names them as [`Crash::seen`] does, reading ones as well; with `*` at its end, all
    /// that begin so, such as `apigateway:*`.
    #[must_use]
    pub fn fail_calls(&self, function: &str, calls: &str) -> Failing {
        self.shared.faults.fail_calls(function, calls)
    }

    /// Stops: no new requests, running ones end within a bound, and only then the functions, the AWS services
    /// that they use, and the tables.
    pub async fn stop(self) {
        if let Some(file) = &self.state_file {
            // Another stack may have told its own story there meanwhile.
            self.state.forget(file);
        }
        self.stop_apis.cancel();
        for api in self.apis {
            // A server that failed is stopped as well.
            let _ = api.await;
        }
        self.shared.events.stop().await;
        self.shared.lambda.stop().await;
        if let Some(watch) = self.cargo_lambda {
            watch.stop().await;
        }
        self.stop_front.cancel();
        let _ = self.front.await;
        self.shared.dynamo.stop().await;
        drop(self.keeper);
    }
}

/// Sweeps away what has expired, until the stack stops.
fn sweep(dynamo: &Arc<Dynamo>, s3: &Arc<S3>, shutdown: &CancellationToken) {
    let (dynamo, stop) = (Arc::clone(dynamo), shutdown.clone());
    tokio::spawn(async move { dynamo.sweep_expired(SWEEP, stop).await });
    let (s3, stop) = (Arc::clone(s3), shutdown.clone());
    tokio::spawn(async move { s3.abort_old_uploads(SWEEP, stop).await });
}

/// Does what nobody asks for by a request, until the stack stops: edits, schedules and builds.
fn attend(options: &Options, templates: &Arc<Templates>, shared: &Arc<Shared>, shutdown: &CancellationToken) {
    tokio::spawn(Arc::clone(templates).watch(Arc::clone(shared), shutdown.clone()));
    if options.schedules {
        tokio::spawn(schedules::run(Arc::clone(shared), shutdown.clone()));
    }
    if let Some(workspace) = options.watch.clone() {
        let binaries = options.binaries.clone();
        tokio::spawn(sources::watch(workspace, binaries, Arc::clone(shared), shutdown.clone()));
    }
}

fn remind_of_the_clock(shared: &Shared) {
    let ahead = shared.clock.ahead();
    if !ahead.is_zero() {
        let ahead = crate::clock::in_words(ahead);
        let said = format!("the clock is {ahead} ahead, as it was left; POST /_local/reset sets it back");
        shared.notices.send(Notice::Info(said));
    }
}

/// Who runs the functions, and the `cargo lambda watch` that does, if one does.
async fn functions(
    options: &Options,
    stack: &Stack,
    account: &Account,
    aws_endpoint_url: &str,
    shutdown: &CancellationToken,
) -> anyhow::Result<(Lambda, Option<cargo_lambda::Watch>)> {
    let url = match &options.functions {
        Functions::Built => {
            let (output, lines) = mpsc::channel(OUTPUT_BACKLOG);
            tokio::spawn(show(lines, options.notices.clone()));
            let settings = RuntimeSettings::new(REGION, Arc::new(real), output, shutdown.clone());
            let binaries = match options.watch {
                Some(_) => Binaries::watched(options.binaries.clone())?,
                None => Binaries::new(options.binaries.clone()),
            };
            let runtime = Runtime::start(settings).await?;
            let principals = Arc::clone(&account.principals);
            return Ok((Lambda::built(runtime, binaries, principals, aws_endpoint_url.to_owned()), None));
        }
        Functions::CargoLambda(url) => url,
    };
    let variables = cargo_lambda::variables(stack)?;
    let environment = cargo_lambda::environment(&variables, &account.admin, aws_endpoint_url);
    if let Some(url) = url {
        let file = cargo_lambda::write_environment(&environment, options.state_file.as_deref())?;
        return Ok((
            Lambda::cargo_lambda(url.clone(), variables),
            Some(cargo_lambda::Watch::elsewhere(file)),
        ));
    }
    let watch = cargo_lambda::Watch::start(&environment, options.lambda_port, &options.binaries).await?;
    Ok((Lambda::cargo_lambda(watch.url(), variables), Some(watch)))
}

async fn show(mut lines: mpsc::Receiver<OutputLine>, notices: Notices) {
    while let Some(line) = lines.recv().await {
        notices.send(Notice::Function(line));
    }
}
