//! What the two files say, resolved: no intrinsic is left, every reference is a name, an ARN or an id.

use std::collections::BTreeMap;
use std::time::Duration;

use iam_policy::{Named, Policy};
use serde_json::Value;

/// Everything that the templates declare and the local stack acts on.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The account that ARNs and names are made with, twelve digits.
    pub account_id: String,
    /// The region that ARNs and names are made with.
    pub region: String,
    /// REST APIs in the order of the file.
    pub apis: Vec<Api>,
    /// Functions in the order of the file.
    pub functions: Vec<Function>,
    /// DynamoDB tables in the order of the file.
    pub tables: Vec<Table>,
    /// S3 buckets in the order of the file.
    pub buckets: Vec<Bucket>,
    /// IAM roles: declared ones and those that SAM makes for functions.
    pub roles: Vec<Role>,
    /// Usage plans in the order of their file.
    pub plans: Vec<UsagePlan>,
    /// The template's outputs, resolved.
    pub outputs: BTreeMap<String, String>,
    /// What the files say that has no meaning on a laptop; each is listed once.
    pub ignored: Vec<Ignored>,
}

/// One REST API with its single stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// Logical id in the template.
    pub logical_id: String,
    /// Physical id: ten characters of `[a-z0-9]`, derived from the logical id.
    pub api_id: String,
    /// The API's name.
    pub name: String,
    /// The stage's name, the first segment of every request's path.
    pub stage: String,
    /// Media types that pass through as base64.
    pub binary_media_types: Vec<String>,
    /// Methods in the order of the file.
    pub routes: Vec<Route>,
    /// Customized gateway responses by type, such as `THROTTLED` or `DEFAULT_4XX`.
    pub gateway_responses: BTreeMap<String, GatewayResponse>,
    /// The stage's own method settings.
    pub stage_throttles: Vec<StageThrottle>,
}

/// A method of an API and the function behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Upper-case method, or `ANY`.
    pub method: String,
    /// Resource path with its parameters, such as `/records/{collection}` or `/files/{name+}`.
    pub path: String,
    /// The function's name.
    pub function: String,
    /// Who may call.
    pub authorization: Authorization,
    /// Whether a key of one of the stage's plans is required.
    pub api_key_required: bool,
    /// How long the gateway waits for the function: 50 ms to 29 s.
    pub timeout: Duration,
}

/// How a method authorizes its caller, besides the API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// Anyone.
    None,
    /// A SigV4 signature by a principal with `execute-api:Invoke`.
    AwsIam,
}

/// A customized answer of the gateway itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayResponse {
    /// Status in place of the type's own.
    pub status: Option<u16>,
    /// Header name to value, unquoted; `$context.…` is substituted.
    pub headers: BTreeMap<String, String>,
    /// Media type to body template; only `$context.…` is substituted.
    pub templates: BTreeMap<String, String>,
}

/// A throttle that the stage itself sets (`MethodSettings`), above every plan.
#[derive(Debug, Clone, PartialEq)]
pub struct StageThrottle {
    /// Resource path, or `/*` for all.
    pub path: String,
    /// Method, or `*` for all.
    pub method: String,
    /// The limit.
    pub throttle: Throttle,
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Logical id in the template.
    pub logical_id: String,
    /// Function name, which is also the name of its binary.
    pub name: String,
    /// ARN, without a version.
    pub arn: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Memory in MB.
    pub memory_mb: u32,
    /// Environment variables, resolved.
    pub environment: BTreeMap<String, String>,
    /// Name of the role that it runs as, one of [`Stack::roles`].
    pub role: String,
    /// `ReservedConcurrentExecutions`, where set.
    pub reserved_concurrency: Option<u32>,
    /// What becomes of events that it is invoked with asynchronously.
    pub asynchronous: Asynchronous,
    /// When it is invoked without being asked, in the order of the file. Those that are switched off are left out.
    pub schedules: Vec<Schedule>,
}

/// What becomes of the events of asynchronous invocations (`EventInvokeConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asynchronous {
    /// How old an event may be when its function runs: a minute to six hours.
    pub max_age: Duration,
    /// How often it is tried again when the function fails: at most twice.
    pub max_retries: u32,
}

/// Lambda's defaults: six hours, and twice.
impl Default for Asynchronous {
    fn default() -> Self {
        Self { max_age: Duration::from_hours(6), max_retries: 2 }
    }
}

/// A rule that invokes a function at a rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// ARN of the rule.
    pub rule_arn: String,
    /// From one invocation to the next, and until the first one: whole minutes.
    pub every: Duration,
    /// The JSON that the function is invoked with; without it, a `Scheduled Event`.
    pub input: Option<String>,
}

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Logical id in the template.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// ARN in the stack's account and region.
    pub arn: String,
    /// The body of the `CreateTable` call that makes it.
    pub create: Value,
    /// The attribute that holds the time to live, where enabled.
    pub ttl_attribute: Option<String>,
}

/// An S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Logical id in the template.
    pub logical_id: String,
    /// Physical name.
    pub name: String,
    /// What pages of other origins may do, in the order of the file: the first rule that matches decides.
    pub cors: Vec<CorsRule>,
    /// How long an unfinished upload in parts is kept, in whole days, where a lifecycle rule says so.
    pub abort_uploads_after: Option<Duration>,
}

/// A rule for requests from pages of other origins (CORS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsRule {
    /// Upper-case methods: `GET`, `PUT`, `POST`, `DELETE`, `HEAD`.
    pub allowed_methods: Vec<String>,
    /// Origins; one `*` in each stands for any characters.
    pub allowed_origins: Vec<String>,
    /// Names of headers that a request may have, in any case; one `*` in each stands for any characters.
    pub allowed_headers: Vec<String>,
    /// Names of headers of the answer that a page may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer to its preflight request, in whole seconds.
    pub max_age: Option<Duration>,
}

/// An IAM role.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Logical id in the template, or that of the function that SAM makes it for with `Role` behind it.
    pub logical_id: String,
    /// Role name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Who may assume it.
    pub trust: Policy,
    /// What it may do.
    pub policies: Vec<Named>,
    /// `MaxSessionDuration`.
    pub max_session: Duration,
}

/// A usage plan.
#[derive(Debug, Clone, PartialEq)]
pub struct UsagePlan {
    /// Logical id in its file.
    pub logical_id: String,
    /// Physical id: six characters of `[a-z0-9]`, derived from the logical id.
    pub id: String,
    /// Plan name, `tenantry-<tier>`.
    pub name: String,
    /// One sentence about the plan, or empty.
    pub description: String,
    /// The plan's own throttle, per key.
    pub throttle: Option<Throttle>,
    /// The plan's quota, per key.
    pub quota: Option<Quota>,
    /// The stages that the plan opens, with each route's throttle.
    pub stages: Vec<PlanStage>,
}

/// A stage that a plan opens.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanStage {
    /// The API's physical id.
    pub api_id: String,
    /// The stage's name.
    pub stage: String,
    /// Throttles of single methods, at most twenty.
    pub routes: Vec<RouteThrottle>,
}

/// A plan's throttle of one method.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteThrottle {
    /// Upper-case method.
    pub method: String,
    /// Resource path as in [`Route::path`].
    pub path: String,
    /// The limit.
    pub throttle: Throttle,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// Requests per second that flow back; fractions are allowed.
    pub rate: f64,
    /// Capacity.
    pub burst: u32,
}

/// A quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in a period.
    pub limit: u64,
    /// The period.
    pub period: Period,
    /// Requests subtracted in the first period.
    pub offset: u64,
}

/// A quota's period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A day, from 00:00 UTC.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
}

impl Period {
    /// Its name in templates and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
        }
    }
}

/// Something that the files declare and the local stack has no part in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ignored {
    /// `AWS::CloudWatch::Alarm`, or `AWS::DynamoDB::Table/PointInTimeRecoverySpecification`.
    pub what: String,
}
