//! The real SDK's clients for a stack.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use local_stack::State;
use tenant_context::{Aws, AwsSettings, FileSizeLimits, IsolationMode, KeyLimits, Role, Secret, Table};

/// The way to a stack's AWS services by an address, with the administrator's credentials.
pub(crate) fn aws(state: &State, url: &str) -> Aws {
    let table = |name: &str| state.tables.get(name).cloned().unwrap_or_default();
    Aws::new(&AwsSettings {
        region: state.region.clone(),
        endpoint_url: Some(url.to_owned()),
        access_key_id: state.admin.access_key_id.clone(),
        secret_access_key: Secret::new(&state.admin.secret_access_key),
        session_token: None,
        system_roots: false,
        context_ttl: Duration::from_secs(30),
        tables: vec![
            (Table::ApiKeys, table("api-keys")),
            (Table::Tenants, table("tenants")),
            (Table::Records, table("records")),
            (Table::Checkpoints, table("checkpoints")),
            (Table::Usage, table("usage")),
            (Table::Idempotency, table("idempotency")),
            // Programs have no business with it, so the state does not name it.
            (Table::Audit, "tenantry-audit".to_owned()),
        ],
        files_bucket: state.buckets.get("files").cloned(),
        exports_bucket: state.buckets.get("exports").cloned(),
        file_size_limits: FileSizeLimits::default(),
        key_limits: KeyLimits::default(),
        key_headroom: 0,
        files_cors_origins: Vec::new(),
        account_id: Some(state.account_id.clone()),
        isolation: IsolationMode::Application,
        roles: vec![(Role::TenantAccess, state.tenant_role_arn.clone())],
    })
}

/// The S3 client for a stack, of the administrator or with other credentials.
#[must_use]
pub fn s3_client(state: &State, credentials: Option<Credentials>) -> aws_sdk_s3::Client {
    let aws = aws(state, &state.aws_endpoint_url);
    let mut config = aws_sdk_s3::config::Builder::from(aws.config());
    config.set_force_path_style(Some(true));
    if let Some(credentials) = credentials {
        config.set_credentials_provider(Some(SharedCredentialsProvider::new(credentials)));
    }
    aws_sdk_s3::Client::from_conf(config.build())
}
