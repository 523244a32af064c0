//! The way to AWS.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::ConsumedCapacity;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use contract::Problem;

use crate::names::{Pool, SiloNames};
use crate::{FileSizeLimits, IsolationMode, KeyLimits, OpenError, Role, TenantId};

/// The roots that AWS endpoints chain to.
const ROOTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/aws-roots.pem"));
/// All attempts of one call together.
const CALL_TIMEOUT: Duration = Duration::from_secs(6);
/// One attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// Making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The first attempt and two more.
const ATTEMPTS: u32 = 3;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident = $variable:literal,)*) => {
        /// The pooled tables.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Table {
            $($(#[$doc])* $table,)*
        }

        impl Table {
            /// Every table.
            pub const ALL: &[Self] = &[$(Self::$table,)*];

            /// The environment variable that holds its name.
            #[must_use]
            pub const fn variable(self) -> &'static str {
                match self { $(Self::$table => $variable,)* }
            }
        }
    };
}

tables! {
    /// Contexts by key id.
    ApiKeys = "API_KEYS_TABLE",
    /// Tenants.
    Tenants = "TENANTS_TABLE",
    /// Pooled records.
    Records = "RECORDS_TABLE",
    /// Keys' checkpoints.
    Checkpoints = "CHECKPOINTS_TABLE",
    /// What was done to tenants.
    Audit = "AUDIT_TABLE",
    /// What keys have used of their quotas.
    Usage = "USAGE_TABLE",
    /// First answers to repeated requests.
    Idempotency = "IDEMPOTENCY_TABLE",
}

/// What a function's environment says about AWS.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// The region.
    pub region: String,
    /// In place of AWS's own addresses: `http://host:port`.
    pub endpoint_url: Option<String>,
    /// The function's credentials.
    pub access_key_id: String,
    /// Their secret.
    pub secret_access_key: Secret,
    /// Their session token.
    pub session_token: Option<Secret>,
    /// Whether the system's root certificates are trusted in place of AWS's.
    pub system_roots: bool,
    /// How long a context is kept.
    pub context_ttl: Duration,
    /// Names of tables, as far as the function was given them.
    pub tables: Vec<(Table, String)>,
    /// Name of the pooled bucket, where the function was given it.
    pub files_bucket: Option<String>,
    /// Name of the bucket that tenants who leave are exported to, where the function was given it.
    pub exports_bucket: Option<String>,
    /// The largest file of each tier, as far as the function was given them.
    pub file_size_limits: FileSizeLimits,
    /// Most working keys of a tenant, by its tier.
    pub key_limits: KeyLimits,
    /// API keys that the account is to have room for when no further ones are made.
    pub key_headroom: u32,
    /// The origins whose pages may use presigned URLs, where the function was given them.
    pub files_cors_origins: Vec<String>,
    /// The account, twelve digits, where the function was given it.
    pub account_id: Option<String>,
    /// Whose credentials a tenant's data is reached with.
    pub isolation: IsolationMode,
    /// ARNs of roles, as far as the function was given them.
    pub roles: Vec<(Role, String)>,
}

/// Clients and names that everything in a function shares.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    dynamodb: aws_sdk_dynamodb::Client,
    tables: Vec<(Table, String)>,
    isolation: IsolationMode,
    roles: Vec<(Role, String)>,
    pool: Arc<Pool>,
    exports_bucket: Option<String>,
    file_size_limits: FileSizeLimits,
    key_limits: KeyLimits,
    key_headroom: u32,
    files_cors_origins: Arc<[String]>,
    context_ttl: Duration,
    meter: Meter,
}

impl Aws {
    /// Makes the clients. No call is made.
    #[must_use]
    pub fn new(settings: &AwsSettings) -> Self {
        let credentials = Credentials::new(
            &settings.access_key_id,
            settings.secret_access_key.expose(),
            settings.session_token.as_ref().map(|token| token.expose().to_owned()),
            None,
            "environment",
        );
        let mut config = SdkConfig::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(credentials))
            .http_client(http_client(settings.system_roots))
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(aws_smithy_async::time::SystemTimeSource::new())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_timeout(CALL_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .connect_timeout(CONNECT_TIMEOUT)
                    .build(),
            );
        if let Some(url) = &settings.endpoint_url {
            config = config.endpoint_url(url);
        }
        let config = config.build();
        let name =
            |table| settings.tables.iter().find(|(given, _)| *given == table).map(|(_, name)| name.clone());
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            config,
            pool: Arc::new(Pool {
                records: name(Table::Records).unwrap_or_default(),
                files: settings.files_bucket.clone().unwrap_or_default(),
                account_id: settings.account_id.clone().unwrap_or_default(),
                region: settings.region.clone(),
            }),
            tables: settings.tables.clone(),
            exports_bucket: settings.exports_bucket.clone(),
            file_size_limits: settings.file_size_limits.clone(),
            key_limits: settings.key_limits.clone(),
            key_headroom: settings.key_headroom,
            files_cors_origins: settings.files_cors_origins.clone().into(),
            isolation: settings.isolation,
            roles: settings.roles.clone(),
            context_ttl: settings.context_ttl,
            meter: Meter::default(),
        }
    }

    /// What clients of further services are made with.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The DynamoDB client.
    #[must_use]
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        &self.dynamodb
    }

    /// The name of a pooled table.
    ///
    /// # Errors
    /// [`OpenError::NoTable`] where the function was not given it.
    pub fn table(&self, table: Table) -> Result<&str, OpenError> {
        self.tables
            .iter()
            .find_map(|(given, name)| (*given == table).then_some(name.as_str()))
            .ok_or(OpenError::NoTable(table))
    }

    /// Requires the bucket, and the account that the names of silos' buckets end with.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where the function was not given them.
    pub fn require_files(&self) -> Result<(), OpenError> {
        for (variable, value) in [("FILES_BUCKET", &self.pool.files), ("ACCOUNT_ID", &self.pool.account_id)] {
            if value.is_empty() {
                return Err(OpenError::Missing(variable));
            }
        }
        Ok(())
    }

    /// The name of the pooled bucket.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where the function was not given it.
    pub fn pooled_files(&self) -> Result<&str, OpenError> {
        self.require_files()?;
        Ok(&self.pool.files)
    }

    /// The bucket that tenants who leave are exported to.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where the function was not given it.
    pub fn exports_bucket(&self) -> Result<&str, OpenError> {
        self.exports_bucket.as_deref().ok_or(OpenError::Missing("EXPORTS_BUCKET"))
    }

    /// How large files can be.
    #[must_use]
    pub fn file_size_limits(&self) -> &FileSizeLimits {
        &self.file_size_limits
    }

    /// Most working keys of a tenant, by its tier.
    #[must_use]
    pub fn key_limits(&self) -> &KeyLimits {
        &self.key_limits
    }

    /// API keys that the account is to have room for when no further ones are made.
    #[must_use]
    pub fn key_headroom(&self) -> u32 {
        self.key_headroom
    }

    /// The ARN of a role that the function may assume.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where the function was not given it.
    pub fn role(&self, role: Role) -> Result<&str, OpenError> {
        self.roles
            .iter()
            .find_map(|(given, arn)| (*given == role).then_some(arn.as_str()))
            .ok_or(OpenError::Missing(role.variable()))
    }

    /// The names of what a siloed tenant has to itself.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where the function was not given the account.
    pub fn silo_of(&self, tenant: &TenantId) -> Result<SiloNames, OpenError> {
        self.account_id()?;
        Ok(self.pool.silo(tenant))
    }

    /// The account, twelve digits.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where the function was not given it.
    pub fn account_id(&self) -> Result<&str, OpenError> {
        Some(&*self.pool.account_id).filter(|id| !id.is_empty()).ok_or(OpenError::Missing("ACCOUNT_ID"))
    }

    /// The origins whose pages may use presigned URLs.
    ///
    /// # Errors
    /// [`OpenError::Missing`] where the function was not given them.
    pub fn files_cors_origins(&self) -> Result<&[String], OpenError> {
        let given = Some(&*self.files_cors_origins).filter(|origins| !origins.is_empty());
        given.ok_or(OpenError::Missing("FILES_CORS_ORIGINS"))
    }

    /// Whose credentials a tenant's data is to be reached with.
    #[must_use]
    pub fn isolation(&self) -> IsolationMode {
        self.isolation
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.pool.region
    }

    /// Counts what calls consume.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn pool(&self) -> Arc<Pool> {
        Arc::clone(&self.pool)
    }

    /// How long functions keep a context.
    #[must_use]
    pub fn context_ttl(&self) -> Duration {
        self.context_ttl
    }
}

fn http_client(system_roots: bool) -> SharedHttpClient {
    let roots =
        if system_roots { TrustStore::default() } else { TrustStore::empty().with_pem_certificate(ROOTS) };
    // The context is refused only where a certificate is not PEM, and these were made by the build.
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

/// Counts the capacity that a request's calls consume. Clones count together.
///
/// One environment serves one request at a time, so what is taken after a request is that request's.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Adds what a call reports.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "capacity is positive and a call's is far below 2^53"
    )]
    pub fn add(&self, consumed: Option<&ConsumedCapacity>) {
        if let Some(units) = consumed.and_then(ConsumedCapacity::capacity_units) {
            self.0.fetch_add((units * 1000.0).round() as u64, Ordering::Relaxed);
        }
    }

    /// The units since it was last asked.
    #[expect(clippy::cast_precision_loss, reason = "a request's capacity is far below 2^53")]
    #[must_use]
    pub fn take(&self) -> f64 {
        self.0.swap(0, Ordering::Relaxed) as f64 / 1000.0
    }
}

/// A call to AWS that failed for a reason that is not the caller's.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct AwsFailure {
    operation: &'static str,
    busy: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl AwsFailure {
    /// Turns an SDK error into a failure of the named operation, for `map_err`.
    pub fn of<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        move |error| Self {
            operation,
            busy: match &error {
                SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
                SdkError::ServiceError(error) => error.err().code().is_some_and(is_busy),
                // A request that cannot be made, and what the open enum may get later, do not pass by themselves.
                SdkError::ConstructionFailure(_) | _ => false,
            },
            source: Box::new(error),
        }
    }

    /// Whether the failure is one that passes by itself.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// The same failure, which passes by itself where `busy` says so. It is for answers that name no error,
    /// as those to `HEAD`.
    #[must_use]
    pub fn or_busy(mut self, busy: bool) -> Self {
        self.busy |= busy;
        self
    }
}

/// Whether the error is one that passes by itself.
fn is_busy(code: &str) -> bool {
    matches!(
        code,
        "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "LimitExceededException"
            | "OperationAborted"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "RequestTimeout"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException"
            | "TransactionConflictException"
            | "TransactionInProgressException"
    )
}

impl From<AwsFailure> for Problem {
    fn from(failure: AwsFailure) -> Self {
        if failure.busy { Problem::unavailable(failure) } else { Problem::internal(failure) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> AwsSettings {
        AwsSettings {
            region: "eu-central-1".into(),
            // Nothing listens on the port of the discard service.
            endpoint_url: Some("https://127.0.0.1:9".into()),
            access_key_id: "AKID".into(),
            secret_access_key: Secret::new("hush"),
            session_token: None,
            system_roots: false,
            context_ttl: Duration::from_secs(30),
            tables: vec![(Table::ApiKeys, "tenantry-api-keys".into())],
            files_bucket: None,
            exports_bucket: None,
            file_size_limits: FileSizeLimits::default(),
            key_limits: KeyLimits::default(),
            key_headroom: 0,
            files_cors_origins: Vec::new(),
            account_id: None,
            isolation: IsolationMode::Session,
            roles: vec![(Role::TenantAccess, "arn:aws:iam::123456789012:role/access".into())],
        }
    }

    #[test]
    fn the_roots_are_the_five_that_aws_endpoints_chain_to() {
        let text = std::str::from_utf8(ROOTS).expect("PEM is text");
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 5);
    }

    #[tokio::test]
    async fn the_tls_library_takes_the_roots_and_a_dead_address_is_a_busy_service() {
        let aws = Aws::new(&settings());
        let call = aws.dynamodb().list_tables().send().await;
        let failure = call.map_err(AwsFailure::of("ListTables")).expect_err("nobody answers");
        let problem = Problem::from(failure);
        assert_eq!((problem.kind().status(), problem.retry_after()), (503, Some(1)));
    }

    #[test]
    fn a_table_that_was_not_given_is_named_by_its_variable() {
        let error = Aws::new(&settings()).table(Table::Records).expect_err("not given");
        assert!(error.to_string().contains("RECORDS_TABLE"), "{error}");
    }

    #[test]
    fn what_was_not_given_is_named_by_its_variable() {
        let aws = Aws::new(&settings());
        assert!(aws.role(Role::TenantAccess).is_ok());
        let role = aws.role(Role::TenantFunction).expect_err("not given");
        assert!(role.to_string().contains("TENANT_FUNCTION_ROLE_ARN"), "{role}");
        let files = aws.require_files().expect_err("not given");
        assert!(files.to_string().contains("FILES_BUCKET"), "{files}");
        let named = AwsSettings { files_bucket: Some("files".into()), ..settings() };
        let account = Aws::new(&named).require_files().expect_err("not given");
        assert!(account.to_string().contains("ACCOUNT_ID"), "{account}");
        let exports = aws.exports_bucket().expect_err("not given");
        assert!(exports.to_string().contains("EXPORTS_BUCKET"), "{exports}");
    }

    #[test]
    fn a_requests_capacity_is_taken_once() {
        let meter = Meter::default();
        meter.clone().add(Some(&ConsumedCapacity::builder().capacity_units(0.5).build()));
        meter.add(Some(&ConsumedCapacity::builder().capacity_units(1.0).build()));
        assert!((meter.take() - 1.5).abs() < f64::EPSILON);
        assert!(meter.take().abs() < f64::EPSILON);
    }
}
