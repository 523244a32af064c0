//! The Lambda proxy event, payload format 1.0.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header;
use local_http::Request;
use percent_encoding::percent_decode;
use serde::Serialize;
use stack_template::Api;

use crate::exchange::Exchange;
use crate::keys::ApiKey;
use crate::media_type;
use crate::ports::Caller;
use crate::router::Match;

/// What API Gateway keeps to itself of a request's headers (S).
const DROPPED: [&str; 12] = [
    "connection",
    "content-length",
    "content-md5",
    "expect",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// What the gateway sets itself, whatever the client sends.
const SET: [&str; 4] = ["X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"];

/// Everything that an event is made of.
pub(crate) struct Source<'a> {
    pub(crate) request: &'a Request,
    pub(crate) body: &'a Bytes,
    pub(crate) exchange: &'a Exchange,
    pub(crate) account_id: &'a str,
    pub(crate) api: &'a Api,
    pub(crate) deployment_id: &'a str,
    pub(crate) domain_name: &'a str,
    pub(crate) matched: &'a Match<'a, 'a>,
    /// The path without the stage.
    pub(crate) path: &'a str,
    /// The key, where the method requires one.
    pub(crate) key: Option<&'a ApiKey>,
    /// The principal, where the method requires a signature.
    pub(crate) caller: Option<&'a Caller>,
}

// Neither of these types is `Debug`: they hold the caller's key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: Option<BTreeMap<&'a str, &'a str>>,
    multi_value_headers: Option<BTreeMap<&'a str, &'a [String]>>,
    query_string_parameters: Option<BTreeMap<&'a str, &'a str>>,
    multi_value_query_string_parameters: Option<BTreeMap<&'a str, &'a [String]>>,
    path_parameters: Option<BTreeMap<&'a str, &'a str>>,
    stage_variables: Option<BTreeMap<&'a str, &'a str>>,
    request_context: Context<'a>,
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'a str,
    api_id: &'a str,
    deployment_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    extended_request_id: &'a str,
    http_method: &'a str,
    identity: Identity<'a>,
    path: &'a str,
    protocol: &'static str,
    request_id: &'a str,
    request_time: String,
    request_time_epoch: u64,
    resource_id: &'a str,
    resource_path: &'a str,
    stage: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    access_key: Option<&'a str>,
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<&'a str>,
    caller: Option<&'a str>,
    cognito_authentication_provider: Option<&'a str>,
    cognito_authentication_type: Option<&'a str>,
    cognito_identity_id: Option<&'a str>,
    cognito_identity_pool_id: Option<&'a str>,
    principal_org_id: Option<&'a str>,
    source_ip: String,
    user: Option<&'a str>,
    user_agent: Option<&'a str>,
    user_arn: Option<&'a str>,
}

/// Serializes the event.
///
/// # Errors
///
/// Where `serde_json` fails, which it does for none of these types.
pub(crate) fn build(source: &Source<'_>) -> Result<Bytes, serde_json::Error> {
    let Source { request, exchange, api, matched, .. } = source;
    let headers = headers(request, exchange);
    let query = query(request.uri.query().unwrap_or_default());
    let (body, is_base64_encoded) = body(source);
    let method = request.method.as_str();
    let event = Event {
        resource: &matched.resource.path,
        path: source.path,
        http_method: method,
        headers: last_values(&headers),
        multi_value_headers: all_values(&headers),
        query_string_parameters: last_values(&query),
        multi_value_query_string_parameters: all_values(&query),
        path_parameters: (!matched.parameters.is_empty())
            .then(|| matched.parameters.iter().copied().collect()),
        stage_variables: None,
        request_context: Context {
            account_id: source.account_id,
            api_id: &api.api_id,
            deployment_id: source.deployment_id,
            domain_name: source.domain_name,
            domain_prefix: source.domain_name.split('.').next().unwrap_or_default(),
            extended_request_id: &exchange.extended_request_id,
            http_method: method,
            identity: identity(source),
            path: request.uri.path(),
            protocol: "HTTP/1.1",
            request_id: &exchange.request_id,
            request_time: exchange.common_log_time(),
            request_time_epoch: exchange.epoch_millis(),
            resource_id: &matched.resource.id,
            resource_path: &matched.resource.path,
            stage: &api.stage,
        },
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event).map(Bytes::from)
}

fn identity<'a>(source: &Source<'a>) -> Identity<'a> {
    let (key, caller) = (source.key, source.caller);
    Identity {
        access_key: caller.map(|caller| caller.access_key_id.as_str()),
        account_id: caller.map(|caller| caller.account_id.as_str()),
        api_key: key.map(|key| key.value.expose()),
        api_key_id: key.map(|key| key.id.as_str()),
        caller: caller.map(|caller| caller.caller.as_str()),
        cognito_authentication_provider: None,
        cognito_authentication_type: None,
        cognito_identity_id: None,
        cognito_identity_pool_id: None,
        principal_org_id: None,
        source_ip: source.request.peer.ip().to_canonical().to_string(),
        user: caller.map(|caller| caller.user_id.as_str()),
        user_agent: source.request.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()),
        user_arn: caller.map(|caller| caller.user_arn.as_str()),
    }
}

/// Text arrives as it is, what is binary by its type or its bytes as base64, and nothing as null.
fn body<'a>(source: &Source<'a>) -> (Option<Cow<'a, str>>, bool) {
    let body: &'a [u8] = source.body;
    if body.is_empty() {
        return (None, false);
    }
    let binary = media_type::is_binary_request(&source.api.binary_media_types, &source.request.headers);
    match std::str::from_utf8(body) {
        Ok(text) if !binary => (Some(Cow::Borrowed(text)), false),
        Ok(_) | Err(_) => (Some(Cow::Owned(STANDARD.encode(body))), true),
    }
}

/// Names and their values, in the order in which they came.
type Values = Vec<(String, Vec<String>)>;

fn last_values(values: &Values) -> Option<BTreeMap<&str, &str>> {
    let last = values.iter().filter_map(|(name, values)| Some((name.as_str(), values.last()?.as_str())));
    (!values.is_empty()).then(|| last.collect())
}

fn all_values(values: &Values) -> Option<BTreeMap<&str, &[String]>> {
    (!values.is_empty())
        .then(|| values.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect())
}

/// The client's headers in its own casing, and those that the gateway adds.
fn headers(request: &Request, exchange: &Exchange) -> Values {
    let mut headers = Values::new();
    // Positions by lower-case name keep this linear: a client can send many names.
    let mut positions = BTreeMap::new();
    for (name, value) in &request.raw_headers {
        let lower = name.to_ascii_lowercase();
        if DROPPED.contains(&lower.as_str()) || SET.iter().any(|set| set.eq_ignore_ascii_case(name)) {
            continue;
        }
        // Names that differ in casing only are one header, under the first one's casing (A). A value
        // that is not ASCII is read as Latin-1, as header values were before UTF-8 (A).
        let text = value.as_bytes().iter().copied().map(char::from).collect();
        let position = *positions.entry(lower).or_insert(headers.len());
        match headers.get_mut(position) {
            Some((_, values)) => values.push(text),
            None => headers.push((name.clone(), vec![text])),
        }
    }
    let set = [exchange.trace_id.clone(), forwarded_for(request), host_port(request), "http".to_owned()];
    headers.extend(SET.into_iter().zip(set).map(|(name, value)| (name.to_owned(), vec![value])));
    headers
}

/// The addresses that the client names, and then its own (A).
fn forwarded_for(request: &Request) -> String {
    let named = request.headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let own = request.peer.ip().to_canonical().to_string();
    named.map(str::to_owned).chain([own]).collect::<Vec<_>>().join(", ")
}

fn host_port(request: &Request) -> String {
    let host = request.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    authority.and_then(|authority| authority.port_u16()).unwrap_or(80).to_string()
}

/// Names and values are decoded, `+` is a space, and a name without `=` has an empty value.
fn query(text: &str) -> Values {
    let mut parameters = Values::new();
    let mut positions = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        let position = *positions.entry(name.clone()).or_insert(parameters.len());
        match parameters.get_mut(position) {
            Some((_, values)) => values.push(value),
            None => parameters.push((name, vec![value])),
        }
    }
    parameters
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
