//! What tests of several modules begin with.

use std::time::Duration;

use tenant_context::{AwsSettings, FileSizeLimits, IsolationMode, KeyLimits, Secret};

/// Settings with the least in them. Nothing listens at the address, the port of the discard service.
pub(crate) fn settings() -> AwsSettings {
    AwsSettings {
        region: "eu-central-1".into(),
        endpoint_url: Some("http://127.0.0.1:9".into()),
        access_key_id: "AKID".into(),
        secret_access_key: Secret::new("hush"),
        session_token: None,
        system_roots: false,
        context_ttl: Duration::ZERO,
        tables: Vec::new(),
        files_bucket: None,
        exports_bucket: None,
        file_size_limits: FileSizeLimits::default(),
        key_limits: KeyLimits::default(),
        key_headroom: 0,
        files_cors_origins: Vec::new(),
        account_id: None,
        isolation: IsolationMode::Application,
        roles: Vec::new(),
    }
}
