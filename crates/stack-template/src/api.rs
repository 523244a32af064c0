//! REST APIs.

use std::collections::BTreeMap;

use crate::model::{Api, Authorization, GatewayResponse, Route, StageThrottle};
use crate::node::Node;
use crate::properties::{Notes, Properties};
use crate::scope::derived_id;

const TYPE: &str = "AWS::Serverless::Api";
/// Types that API Gateway customizes ("Gateway response types").
const RESPONSE_TYPES: &[&str] = &[
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
];

/// An API and what its routes inherit.
pub(crate) struct Declared {
    pub(crate) api: Api,
    pub(crate) api_key_required: bool,
    pub(crate) authorization: Authorization,
    /// Lines of the API's stage throttles, in their order.
    pub(crate) throttle_lines: Vec<usize>,
}

impl Declared {
    /// Refuses throttles of the stage for what is none of its routes, once those are known.
    pub(crate) fn check_throttles(&self, notes: &Notes) {
        for (setting, line) in self.api.stage_throttles.iter().zip(&self.throttle_lines) {
            let names = |route: &Route| {
                (setting.path == "/*" || setting.path == route.path)
                    && (setting.method == "*" || setting.method == route.method)
            };
            if !self.api.routes.iter().any(names) {
                let message =
                    format!("there is no route {} {} to be throttled", setting.method, setting.path);
                notes.refuse(&self.api.logical_id, *line, message);
            }
        }
    }
}

/// An API whose properties could not be resolved.
pub(crate) fn unread(logical_id: &str) -> Declared {
    let api = Api {
        logical_id: logical_id.to_owned(),
        api_id: derived_id(logical_id, 10),
        name: String::new(),
        stage: String::new(),
        binary_media_types: Vec::new(),
        routes: Vec::new(),
        gateway_responses: BTreeMap::new(),
        stage_throttles: Vec::new(),
    };
    Declared { api, api_key_required: false, authorization: Authorization::None, throttle_lines: Vec::new() }
}

pub(crate) fn read(notes: &Notes, logical_id: &str, node: &Node) -> Declared {
    let properties = Properties::of(notes, logical_id, TYPE, node);
    let stage = properties.required("StageName");
    let name = properties.text("Name").unwrap_or_else(|| logical_id.to_owned());
    let (mut api_key_required, mut authorization) = (false, Authorization::None);
    if let Some(auth) = properties.map("Auth") {
        api_key_required = auth.flag("ApiKeyRequired").unwrap_or_default();
        if let Some(authorizer) = auth.get("DefaultAuthorizer") {
            authorization = read_authorizer(&auth, authorizer);
        }
        check_invoke_role(&auth, authorization);
        // Whether a preflight needs a key is deployment's matter: no API here has preflights.
        auth.pass(&["AddApiKeyRequiredToCorsPreflight", "AddDefaultAuthorizerToCorsPreflight"]);
        auth.finish();
    }
    let mut throttle_lines = Vec::new();
    let stage_throttles = properties.list("MethodSettings").iter().filter_map(|node| {
        let setting = Properties::of(notes, logical_id, format!("{TYPE}/MethodSettings"), node);
        let (path, method) = (setting.required("ResourcePath"), setting.required("HttpMethod"));
        let limited =
            setting.get("ThrottlingRateLimit").is_some() || setting.get("ThrottlingBurstLimit").is_some();
        let throttle = limited.then(|| setting.throttle("ThrottlingRateLimit", "ThrottlingBurstLimit"));
        setting.ignore(&["LoggingLevel", "MetricsEnabled", "DataTraceEnabled"]);
        setting.finish();
        throttle.map(|throttle| {
            throttle_lines.push(node.line);
            StageThrottle { path: stage_path(&path), method, throttle }
        })
    });
    let api = Api {
        logical_id: logical_id.to_owned(),
        api_id: derived_id(logical_id, 10),
        name,
        stage,
        binary_media_types: properties
            .list("BinaryMediaTypes")
            .iter()
            .filter_map(Node::text)
            .map(|media_type| media_type.replace("~1", "/"))
            .collect(),
        routes: Vec::new(),
        gateway_responses: gateway_responses(notes, logical_id, &properties),
        stage_throttles: stage_throttles.collect(),
    };
    properties.pass(&["OpenApiVersion", "EndpointConfiguration", "Description", "AlwaysDeploy"]);
    properties.ignore(&["AccessLogSetting", "TracingEnabled", "Tags", "MinimumCompressionSize"]);
    properties.finish();
    Declared { api, api_key_required, authorization, throttle_lines }
}

/// The authorizer of an API or a route.
pub(crate) fn read_authorizer(properties: &Properties<'_>, node: &Node) -> Authorization {
    match node.text().as_deref() {
        Some("AWS_IAM") => Authorization::AwsIam,
        Some("NONE") => Authorization::None,
        _ => {
            properties.refuse(node.line, "an authorizer must be AWS_IAM or NONE");
            Authorization::AwsIam
        }
    }
}

/// Without `InvokeRole: NONE`, SAM makes the caller invoke the function with rights of its own: whoever may
/// call the API could then go round it.
pub(crate) fn check_invoke_role(auth: &Properties<'_>, authorization: Authorization) {
    let role = auth.get("InvokeRole");
    if authorization == Authorization::AwsIam && role.and_then(Node::text).as_deref() != Some("NONE") {
        let line = role.or_else(|| auth.get("DefaultAuthorizer")).map_or(auth.line, |node| node.line);
        auth.refuse(line, "AWS_IAM needs InvokeRole: NONE, or callers need the right to invoke the function");
    }
}

/// The path of a stage's method setting, in which `~1` stands for the slashes behind the first.
fn stage_path(encoded: &str) -> String {
    let path = encoded.replace("~1", "/");
    path.strip_prefix("//").map_or_else(|| path.clone(), |path| format!("/{path}"))
}

fn gateway_responses(
    notes: &Notes,
    logical_id: &str,
    properties: &Properties<'_>,
) -> BTreeMap<String, GatewayResponse> {
    let mut responses = BTreeMap::new();
    let Some(node) = properties.get("GatewayResponses") else { return responses };
    let Some(entries) = node.entries() else {
        properties.refuse(node.line, "GatewayResponses must be a map");
        return responses;
    };
    for entry in entries {
        if !RESPONSE_TYPES.contains(&entry.key.as_str()) {
            properties.refuse(entry.line, format!("API Gateway has no response type {}", entry.key));
        }
        let place = format!("{TYPE}/GatewayResponses/{}", entry.key);
        let response = Properties::of(notes, logical_id, place, &entry.value);
        let mut headers = BTreeMap::new();
        if let Some(parameters) = response.map("ResponseParameters") {
            for (name, value) in parameters.texts("Headers") {
                // A static value stands in single quotes.
                match value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
                    Some(value) => {
                        headers.insert(name, value.to_owned());
                    }
                    None => parameters
                        .refuse(parameters.line, format!("the value of {name} must stand in single quotes")),
                }
            }
            parameters.finish();
        }
        let templates = response.texts("ResponseTemplates");
        let status = response.number("StatusCode", 100..=599).and_then(|status| u16::try_from(status).ok());
        responses.insert(entry.key.clone(), GatewayResponse { status, headers, templates });
        response.finish();
    }
    responses
}
