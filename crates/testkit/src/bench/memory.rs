//! What the limits of many keys keep in memory.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use local_gateway::{
    ApiKeyValue, Authorizer, Caller, Denial, Denied, Gateway, GatewaySettings, InvokeFailure, Invoked,
    Invoker, KeyStore, LimitRules, LiveStack, NewApiKey, Observer, RequestRecord,
};
use local_http::{Body, Request};
use serde::{Deserialize, Serialize};
use stack_template::{
    Api, Authorization, Period, PlanStage, Quota, Route, RouteThrottle, Stack, Throttle, UsagePlan,
};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// Keys: all that an account can have.
const KEYS: u64 = 10_000;

/// Routes with a throttle of their own: all that a plan can have.
const ROUTES: u64 = 20;

/// What one key's counters may keep, in bytes.
const BUDGET_BYTES: u64 = 1_024;

/// Requests after which the counts are put on disk: what a busy stack takes between two times.
const KEPT_EVERY: u64 = 250;

/// How long the probe may take.
const TIMEOUT: Duration = Duration::from_mins(10);

const API_ID: &str = "benchapi01";
const STAGE: &str = "v1";
const PLAN_ID: &str = "bench0";

/// Limits that none of the probe's requests meets, however fast they come.
const ENDLESS: Throttle = Throttle { rate: 1e9, burst: u32::MAX };

/// Bytes for each key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) keys: u64,
    pub(crate) routes: u64,
    /// The counters alone.
    pub(crate) counters_bytes: u64,
    /// The key, its membership and the counters.
    pub(crate) total_bytes: u64,
    pub(crate) budget_bytes: u64,
    pub(crate) passed: bool,
}

/// Measures in a process of its own, whose memory nothing else has used before.
pub(crate) async fn measure() -> anyhow::Result<Memory> {
    let itself = std::env::current_exe().context("this program's place is unknown")?;
    let probe = Command::new(itself).arg("--memory-probe").stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(TIMEOUT, probe).await.context("the memory probe took too long")??;
    ensure!(
        output.status.success(),
        "the memory probe failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    serde_json::from_slice(&output.stdout).context("the memory probe gave no measurement")
}

/// What runs in that process.
pub(crate) async fn probe() -> anyhow::Result<Memory> {
    // In a file, because the pages of a database in memory would be counted as well. A file's are in a cache
    // of two megabytes, which the keys have filled before the counters are measured.
    let folder = folder()?;
    let keys = Arc::new(KeyStore::open(&folder.path().join("gateway.db"), now())?);
    let stack = Arc::new(template());
    let gateway = gateway(&stack, &keys)?;

    let empty = used_bytes()?;
    for number in 0..KEYS {
        let name = format!("tenantry-tenant{number}-1");
        let value = Some(ApiKeyValue::new(value(number))?);
        let key = keys.create(NewApiKey { name, value, enabled: true, ..NewApiKey::default() }, now())?;
        keys.attach(&stack.plans, PLAN_ID, &key.id, now())?;
    }
    let keyed = used_bytes()?;
    // The keys take turns, as tenants do: what a counter grows by lies apart from what it has.
    for route in 0..ROUTES {
        let uri: Uri = format!("/{STAGE}{}", path(route)).parse()?;
        for number in 0..KEYS {
            let response = gateway.handle(request(&uri, &value(number))?).await;
            ensure!(response.status() == StatusCode::OK, "{uri} was answered {}", response.status());
            if number.is_multiple_of(KEPT_EVERY) {
                keys.keep_counters(&stack.plans)?;
            }
        }
    }
    keys.keep_counters(&stack.plans)?;
    let counted = used_bytes()?;

    let counters_bytes = counted.saturating_sub(keyed) / KEYS;
    Ok(Memory {
        keys: KEYS,
        routes: ROUTES,
        counters_bytes,
        total_bytes: counted.saturating_sub(empty) / KEYS,
        budget_bytes: BUDGET_BYTES,
        passed: counters_bytes <= BUDGET_BYTES,
    })
}

/// Memory that this process has written to, with all that the allocator keeps beside what it was asked for.
///
/// It is the resident set without the pages of files, which grow as code is run for the first time. The sum
/// over all mappings is exact, whereas `statm` and `status` lag behind by some pages for each processor.
/// Where transparent huge pages are set to `always`, it moves in steps of two megabytes.
fn used_bytes() -> anyhow::Result<u64> {
    anonymous_bytes(Path::new("/proc/self/smaps_rollup"))
}

/// The same of the process whose `smaps_rollup` it is.
pub(crate) fn anonymous_bytes(file: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read: memory is measured on Linux only", file.display()))?;
    let file = file.display();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("{file} has no line of anonymous memory"))? * 1_024)
}

/// A folder in memory where the system has one: each key is forced to the disk twice, which would take
/// minutes. Files there are not this process's memory.
fn folder() -> std::io::Result<TempDir> {
    let in_memory = Path::new("/dev/shm");
    if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() }
}

/// One moment: the counts of one day.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_521_601)
}

/// A key's value. It follows from the number, so that the probe itself keeps none.
fn value(number: u64) -> String {
    format!("bench{number:035}")
}

fn path(route: u64) -> String {
    format!("/route{route:02}")
}

fn request(uri: &Uri, key: &str) -> anyhow::Result<Request> {
    let key = HeaderValue::from_str(key)?;
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-api-key"), key.clone());
    Ok(Request {
        method: Method::GET,
        uri: uri.clone(),
        headers,
        raw_headers: vec![("x-api-key".to_owned(), key)],
        body: Body::Whole(Bytes::new()),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 4_242)),
    })
}

/// One API with as many keyed routes as a plan can limit, and the plan.
fn template() -> Stack {
    let route = |route| Route {
        method: "GET".to_owned(),
        path: path(route),
        function: "answer".to_owned(),
        authorization: Authorization::None,
        api_key_required: true,
        timeout: Duration::from_secs(29),
    };
    let row = |route| RouteThrottle { method: "GET".to_owned(), path: path(route), throttle: ENDLESS };
    Stack {
        account_id: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        apis: vec![Api {
            logical_id: "BenchApi".to_owned(),
            api_id: API_ID.to_owned(),
            name: "bench".to_owned(),
            stage: STAGE.to_owned(),
            binary_media_types: Vec::new(),
            routes: (0..ROUTES).map(route).collect(),
            gateway_responses: BTreeMap::new(),
            stage_throttles: Vec::new(),
        }],
        functions: Vec::new(),
        tables: Vec::new(),
        buckets: Vec::new(),
        roles: Vec::new(),
        plans: vec![UsagePlan {
            logical_id: "BenchPlan".to_owned(),
            id: PLAN_ID.to_owned(),
            name: "tenantry-bench".to_owned(),
            description: String::new(),
            throttle: Some(ENDLESS),
            quota: Some(Quota { limit: 1_000_000_000, period: Period::Month, offset: 0 }),
            stages: vec![PlanStage {
                api_id: API_ID.to_owned(),
                stage: STAGE.to_owned(),
                routes: (0..ROUTES).map(row).collect(),
            }],
        }],
        outputs: BTreeMap::new(),
        ignored: Vec::new(),
    }
}

fn gateway(stack: &Arc<Stack>, keys: &Arc<KeyStore>) -> anyhow::Result<Gateway> {
    let surroundings = Arc::new(Surroundings);
    Ok(Gateway::new(GatewaySettings {
        stack: Arc::new(LiveStack::new(Arc::clone(stack))),
        api: "BenchApi".to_owned(),
        domain_name: "127.0.0.1".to_owned(),
        keys: Arc::clone(keys),
        limits: LimitRules { account: ENDLESS, ..LimitRules::default() },
        invoker: surroundings.clone(),
        authorizer: surroundings.clone(),
        clock: Arc::new(now),
        observer: surroundings,
    })?)
}

/// What a gateway needs around it, and keeps no memory: only the gateway's own is of interest.
struct Surroundings;

impl Invoker for Surroundings {
    fn invoke<'a>(
        &'a self,
        _function: &'a str,
        _payload: Bytes,
        _trace_id: &'a str,
    ) -> BoxFuture<'a, Result<Invoked, InvokeFailure>> {
        let payload = Bytes::from_static(br#"{"statusCode":200}"#);
        Box::pin(std::future::ready(Ok(Invoked { payload, function_error: false, cold: false })))
    }
}

impl Authorizer for Surroundings {
    fn authorize(&self, _request: &Request, _resource_arn: &str) -> Result<Caller, Denied> {
        Err(Denied { denial: Denial::AccessDenied, message: "no route is signed".to_owned() })
    }
}

impl Observer for Surroundings {
    fn observe(&self, _record: RequestRecord) {}
}
