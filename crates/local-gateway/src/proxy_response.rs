//! What a function's answer becomes: the rules of the Lambda proxy integration's output.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use local_http::Response;
use serde_json::{Map, Value};

/// The largest answer that a function can give, in bytes of its JSON.
const MAX_PAYLOAD_BYTES: usize = 6_291_556;

/// What the function cannot set, and finds again under `x-amzn-remapped-` (S).
const REMAPPED: [&str; 4] = ["connection", "content-length", "date", "server"];

/// What belongs to one connection, and is not passed on (A).
const DROPPED: [&str; 5] = ["keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Why an answer is no proxy response. Clients are told nothing of it; developers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) Cow<'static, str>);

impl Malformed {
    const fn because(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

/// Turns a function's answer into a response, without the gateway's own headers.
///
/// `accepts_binary` says whether a base64 body is decoded, which the request's `Accept` decides.
pub(crate) fn parse(payload: &[u8], accepts_binary: bool) -> Result<Response, Malformed> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(Malformed::because("the answer exceeds 6291556 bytes"));
    }
    let fields: Map<String, Value> =
        serde_json::from_slice(payload).map_err(|_| Malformed::because("the answer is no JSON object"))?;

    let mut status = StatusCode::OK;
    let (mut single, mut multi) = (None, None);
    let mut body = String::new();
    let mut is_base64_encoded = false;
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("statusCode", value) => status = parse_status(&value)?,
            (_, Value::Null) if is_known(&name) => {}
            ("headers", Value::Object(headers)) => single = Some(headers),
            ("multiValueHeaders", Value::Object(headers)) => multi = Some(headers),
            ("body", Value::String(text)) => body = text,
            ("isBase64Encoded", Value::Bool(encoded)) => is_base64_encoded = encoded,
            (known, _) if is_known(known) => {
                return Err(Malformed(format!("`{known}` has a value of the wrong type").into()));
            }
            (unknown, _) => return Err(Malformed(format!("`{unknown}` is no field of a response").into())),
        }
    }

    let body = if is_base64_encoded && accepts_binary {
        let decoded = STANDARD.decode(&body).map_err(|_| Malformed::because("`body` is no base64"))?;
        Bytes::from(decoded)
    } else {
        Bytes::from(body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = merge(single.unwrap_or_default(), multi.unwrap_or_default())?;
    response
        .headers_mut()
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    Ok(response)
}

fn is_known(name: &str) -> bool {
    matches!(name, "statusCode" | "headers" | "multiValueHeaders" | "body" | "isBase64Encoded")
}

/// A number or a string of digits. `null` counts as absent. What HTTP has no final status for is
/// refused (A): an interim status would leave the client waiting for another answer.
fn parse_status(value: &Value) -> Result<StatusCode, Malformed> {
    let number = match value {
        Value::Null => return Ok(StatusCode::OK),
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Value::String(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number
        .filter(|number| (200..=599).contains(number))
        .and_then(|number| u16::try_from(number).ok())
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or(Malformed::because("`statusCode` is no status"))
}

/// Joins both maps: of one name, the multi values come first and the single one last, unless it is
/// among them already (D).
fn merge(single: Map<String, Value>, multi: Map<String, Value>) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::new();
    for (name, values) in multi {
        let Value::Array(values) = values else {
            return Err(Malformed::because("a value of `multiValueHeaders` is no list"));
        };
        for value in values {
            append(&mut headers, &name, value, false)?;
        }
    }
    for (name, value) in single {
        append(&mut headers, &name, value, true)?;
    }
    Ok(headers)
}

fn append(headers: &mut HeaderMap, name: &str, value: Value, once: bool) -> Result<(), Malformed> {
    let text = match value {
        Value::String(text) => text,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null => return Ok(()),
        Value::Array(_) | Value::Object(_) => return Err(Malformed::because("a header's value is no text")),
    };
    let lower = name.to_ascii_lowercase();
    if DROPPED.contains(&lower.as_str()) {
        return Ok(());
    }
    let name = if REMAPPED.contains(&lower.as_str()) { format!("x-amzn-remapped-{lower}") } else { lower };
    let name = HeaderName::try_from(name).map_err(|_| Malformed::because("a header's name is no token"))?;
    let value = HeaderValue::try_from(text.into_bytes())
        .map_err(|_| Malformed::because("a header's value holds a control character"))?;
    if !(once && headers.get_all(&name).iter().any(|known| *known == value)) {
        headers.append(name, value);
    }
    Ok(())
}

#[cfg(test)]
#[path = "proxy_response_tests.rs"]
mod tests;
