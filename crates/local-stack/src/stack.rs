//! The parts, wired.

use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use local_aws::{
    AllowVerified, Dynamo, Front, MAX_BODY_BYTES as MAX_AWS_BODY, Principals, Services, Verifier,
};
use local_gateway::{Gateway, GatewaySettings, KeyStore, LiveStack, MAX_BODY_BYTES, Management};
use local_http::{Limits, Request};
use local_runtime::{InvokeOptions, OutputLine, Runtime, RuntimeSettings};
use stack_template::{Api, Authorization, Inputs, Stack};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::adapters::{ApiGatewayCalls, Functions, LambdaCalls, Signatures};
use crate::bed::{Bed, demo_tenants, seed_once};
use crate::clock::{TimeSource, real};
use crate::output::{Notice, Notices};
use crate::parts::{admin, describe, specs};
use crate::state::State;

/// The account that names and ARNs are made with.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region.
const REGION: &str = "us-east-1";
/// The deployed stack's name.
const STACK_NAME: &str = "tenantry";
/// Lines of functions' output that may wait to be shown.
const OUTPUT_BACKLOG: usize = 1_024;
/// How often expired items are swept away.
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
    /// Where the functions' binaries are.
    pub binaries: PathBuf,
    /// Whether demo tenants are made.
    pub seed: bool,
    /// The stack's time.
    pub time: TimeSource,
    /// Where programs are told, if anywhere.
    pub state_file: Option<PathBuf>,
    pub(crate) notices: Notices,
}

impl Options {
    /// On free ports, in memory, silent, with the binaries beside this executable.
    #[must_use]
    pub fn ephemeral(template: PathBuf, usage_plans: PathBuf) -> Self {
        Self {
            template,
            usage_plans,
            parameters: Vec::new(),
            ports: [0; 3],
            data_dir: None,
            binaries: crate::binaries::folder().unwrap_or_default(),
            seed: true,
            time: TimeSource::Real,
            state_file: None,
            notices: Notices::silent(),
        }
    }
}

/// A running stack. Dropping it stops it, without waiting.
pub struct LocalStack {
    state: State,
    stack: Arc<Stack>,
    runtime: Arc<Runtime>,
    dynamo: Arc<Dynamo>,
    state_file: Option<PathBuf>,
    /// Stops the APIs, and then the AWS services, which functions use until their last request is answered.
    stop_apis: CancellationToken,
    stop_front: CancellationToken,
    apis: Vec<JoinHandle<()>>,
    front: JoinHandle<()>,
    _guard: tokio_util::sync::DropGuard,
}

/// Reads the templates as the local stack does.
///
/// # Errors
/// All findings, one a line.
pub fn read_stack(
    template: &Path,
    usage_plans: &Path,
    parameters: &[(String, String)],
) -> anyhow::Result<Stack> {
    let inputs = Inputs {
        template: template.to_owned(),
        usage_plans: usage_plans.to_owned(),
        account_id: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        stack_name: STACK_NAME.to_owned(),
        parameters: parameters.iter().cloned().collect(),
    };
    stack_template::read(&inputs).map_err(|error| anyhow::anyhow!("the templates cannot be used:\n{error}"))
}

/// A port that is bound before anything else is made.
pub(crate) struct Ports {
    api: TcpListener,
    admin: TcpListener,
    aws: TcpListener,
}

impl Ports {
    pub(crate) async fn bind([api, admin, aws]: [u16; 3]) -> anyhow::Result<Self> {
        Ok(Self {
            api: bind(api, "data API", "--api-port").await?,
            admin: bind(admin, "control API", "--admin-port").await?,
            aws: bind(aws, "AWS services", "--aws-port").await?,
        })
    }
}

async fn bind(port: u16, what: &str, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(|| {
        format!("the port {port} for the {what} cannot be had: stop what uses it, or give another with {flag} (0: any free one)")
    })
}

impl LocalStack {
    /// Starts a stack; it answers when this returns.
    ///
    /// # Errors
    /// With a way out: a port that is taken, a template that cannot be used, a folder that cannot be
    /// written to, a binary that is missing.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let stack = read_stack(&options.template, &options.usage_plans, &options.parameters)?;
        let ports = Ports::bind(options.ports).await?;
        Self::start_on(ports, stack, options).await
    }

    pub(crate) async fn start_on(ports: Ports, stack: Stack, options: Options) -> anyhow::Result<Self> {
        let stack = Arc::new(stack);
        let shutdown = CancellationToken::new();
        let guard = shutdown.clone().drop_guard();
        let (stop_apis, stop_front) = (shutdown.child_token(), shutdown.child_token());
        let clock = options.time.clock();
        let real_clock: Arc<dyn Fn() -> SystemTime + Send + Sync> = Arc::new(real);
        let address = |listener: &TcpListener| listener.local_addr().context("a port has no address");
        let aws_endpoint_url = format!("http://{}", address(&ports.aws)?);

        let data = options.data_dir.as_deref();
        let keys = Arc::new(open_keys(data)?);
        if let Some(file) = &options.state_file {
            // Ports and data are ours now, so what an earlier stack has told is not true any more.
            let _ = std::fs::remove_file(file);
        }
        let dynamo = Dynamo::open(data.map(|folder| folder.join("dynamodb.db")).as_deref())?;
        dynamo.ensure_tables(&stack.tables)?;
        let dynamo = Arc::new(dynamo);
        let (swept, stop) = (Arc::clone(&dynamo), shutdown.clone());
        tokio::spawn(async move { swept.sweep_expired(SWEEP, stop).await });

        let principals = Arc::new(Principals::new(ACCOUNT));
        let admin = admin(data, &principals)?;
        let signing_clock = Arc::clone(&real_clock);
        let verifier = Verifier::new(Arc::clone(&principals), REGION, Arc::new(move || signing_clock()))?;
        let verifier = Arc::new(verifier);

        let (output, lines) = mpsc::channel(OUTPUT_BACKLOG);
        tokio::spawn(show(lines, options.notices.clone()));
        let runtime =
            Runtime::start(RuntimeSettings::new(REGION, real_clock, output, shutdown.clone())).await?;
        runtime.set_functions(specs(&stack, &principals, &options.binaries, &aws_endpoint_url)?);

        let live = Arc::new(LiveStack::new(Arc::clone(&stack)));
        let gateways = Gateways {
            stack: Arc::clone(&live),
            keys: Arc::clone(&keys),
            runtime: Arc::clone(&runtime),
            verifier: Arc::clone(&verifier),
            clock: Arc::clone(&clock),
            notices: options.notices.clone(),
            shutdown: stop_apis.clone(),
        };
        let control =
            |api: &&Api| api.routes.iter().any(|route| route.authorization == Authorization::AwsIam);
        let Some(data_api) = stack.apis.iter().find(|api| !control(api)) else {
            bail!("the template has no API for tenants");
        };
        let control_api = stack.apis.iter().find(control);
        let management = Arc::new(Management::new(Arc::clone(&keys), Arc::clone(&live), Arc::clone(&clock)));
        let services = Services {
            dynamodb: Arc::clone(&dynamo) as _,
            api_gateway: Arc::new(ApiGatewayCalls(management)),
            lambda: Arc::new(LambdaCalls(Arc::clone(&runtime))),
        };
        let front = Arc::new(Front::new(Arc::clone(&verifier), Arc::new(AllowVerified), services));

        let api_url = format!("http://{}/{}", address(&ports.api)?, data_api.stage);
        let admin_url = match control_api {
            Some(api) => format!("http://{}/{}", address(&ports.admin)?, api.stage),
            None => String::new(),
        };
        let mut apis = Vec::new();
        apis.push(gateways.serve(ports.api, data_api)?);
        if let Some(api) = control_api {
            apis.push(gateways.serve(ports.admin, api)?);
        }
        let limits = Limits { max_body: MAX_AWS_BODY, max_header_bytes: 32_768, ..Limits::default() };
        let front = tokio::spawn(local_http::serve(
            ports.aws,
            limits,
            stop_front.clone(),
            move |request: Request| {
                let front = Arc::clone(&front);
                async move { front.handle(request).await }
            },
        ));

        let mut running = Self {
            state: describe(&stack, [api_url, admin_url, aws_endpoint_url], admin),
            stack,
            runtime,
            dynamo: Arc::clone(&dynamo),
            state_file: options.state_file,
            stop_apis,
            stop_front,
            apis,
            front,
            _guard: guard,
        };
        if options.seed {
            let bed = Bed { runtime: &running.runtime, keys: &keys, dynamo: &dynamo, clock: &*clock };
            seed_once(&bed, data).await?;
            running.state.tenants = demo_tenants(&keys);
        }
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

    /// The templates as they were read.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Lambda.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Invokes a function and answers its payload, be it an answer or an error.
    ///
    /// # Errors
    /// Where it was not run.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> anyhow::Result<Bytes> {
        Ok(self.runtime.invoke(function, payload, InvokeOptions::default()).await?.payload)
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
        self.runtime.stop().await;
        self.stop_front.cancel();
        let _ = self.front.await;
        self.dynamo.stop().await;
    }
}

/// What the gateways of all APIs share.
struct Gateways {
    stack: Arc<LiveStack>,
    keys: Arc<KeyStore>,
    runtime: Arc<Runtime>,
    verifier: Arc<Verifier>,
    clock: local_gateway::Clock,
    notices: Notices,
    shutdown: CancellationToken,
}

impl Gateways {
    /// Serves an API on a port.
    fn serve(&self, listener: TcpListener, api: &Api) -> anyhow::Result<JoinHandle<()>> {
        let gateway = Arc::new(Gateway::new(GatewaySettings {
            stack: Arc::clone(&self.stack),
            api: api.logical_id.clone(),
            domain_name: "127.0.0.1".to_owned(),
            keys: Arc::clone(&self.keys),
            invoker: Arc::new(Functions(Arc::clone(&self.runtime))),
            authorizer: Arc::new(Signatures(Arc::clone(&self.verifier))),
            clock: Arc::clone(&self.clock),
            observer: Arc::new(self.notices.clone()),
        })?);
        let limits = Limits { max_body: MAX_BODY_BYTES, ..Limits::default() };
        Ok(tokio::spawn(local_http::serve(
            listener,
            limits,
            self.shutdown.clone(),
            move |request: Request| {
                let gateway = Arc::clone(&gateway);
                async move { gateway.handle(request).await }
            },
        )))
    }
}

/// The keys, in a folder that is made where it is missing.
fn open_keys(data: Option<&Path>) -> anyhow::Result<KeyStore> {
    let Some(folder) = data else { return Ok(KeyStore::in_memory()?) };
    // It holds keys and tenants' data: a new folder is its owner's alone.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
    // The file is locked while it is open: a second stack on the same data ends here.
    KeyStore::open(&folder.join("gateway.db")).context(
        "the keys cannot be opened: is another stack running on the same data? (--data-dir, --ephemeral)",
    )
}

async fn show(mut lines: mpsc::Receiver<OutputLine>, notices: Notices) {
    while let Some(line) = lines.recv().await {
        notices.send(Notice::Function(line));
    }
}
