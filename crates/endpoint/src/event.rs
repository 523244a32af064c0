//! The part of API Gateway's proxy event (REST, payload format 1.0) that endpoints use.
//!
//! The whole event, as `aws_lambda_events` types it, costs a seventh of a warm request's instructions.

use std::collections::HashMap;

use serde::Deserialize;

/// The event. It has no `Debug`: its headers hold the key's value, its body the tenant's data.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) resource: String,
    pub(crate) http_method: String,
    #[serde(default)]
    pub(crate) headers: Option<HashMap<String, String>>,
    #[serde(default)]
    pub(crate) multi_value_headers: Option<HashMap<String, Vec<String>>>,
    #[serde(default)]
    pub(crate) query_string_parameters: Option<HashMap<String, String>>,
    #[serde(default)]
    pub(crate) path_parameters: Option<HashMap<String, String>>,
    #[serde(default)]
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) is_base64_encoded: bool,
    pub(crate) request_context: RequestContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestContext {
    pub(crate) request_id: String,
    /// The path with stage and base path, as the client used it.
    #[serde(default)]
    pub(crate) path: String,
    /// Milliseconds since 1970.
    pub(crate) request_time_epoch: i64,
    pub(crate) identity: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    /// There where the method requires a key, and the key is good.
    #[serde(default)]
    pub(crate) api_key_id: Option<String>,
    /// There where the method requires IAM, and the signature is good.
    #[serde(default)]
    pub(crate) user_arn: Option<String>,
}
