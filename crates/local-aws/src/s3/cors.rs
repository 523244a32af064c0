//! Cross-origin requests of browsers ("Using cross-origin resource sharing (CORS)" in the S3 User Guide).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use local_http::{Request, Response};
use stack_template::{Bucket, CorsRule};

use super::request::bucket_of_host;
use crate::protocol::s3_error;

/// The headers that a bucket's rules add to the answer to a request from another origin. None where no rule
/// allows it: the browser then keeps the answer from its page.
pub(super) fn headers(buckets: &BTreeMap<String, Bucket>, head: &Request<()>) -> HeaderMap {
    let Some(origin) = text(&head.headers, &header::ORIGIN) else { return HeaderMap::new() };
    match rules(buckets, head).iter().find(|rule| allows(rule, origin, head.method.as_str())) {
        Some(rule) => answer(rule, origin),
        None => HeaderMap::new(),
    }
}

/// Answers what a browser asks before it sends a request of another origin.
pub(super) fn preflight(buckets: &BTreeMap<String, Bucket>, head: &Request<()>) -> Response {
    let asked =
        text(&head.headers, &header::ORIGIN).zip(text(&head.headers, &header::ACCESS_CONTROL_REQUEST_METHOD));
    let Some((origin, method)) = asked else {
        let told = "Insufficient information. Origin request header needed.";
        return s3_error(StatusCode::BAD_REQUEST, "BadRequest", told);
    };
    let wanted = text(&head.headers, &header::ACCESS_CONTROL_REQUEST_HEADERS);
    let rule = rules(buckets, head).iter().find(|rule| {
        let mut wanted = wanted.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        allows(rule, origin, method)
            && wanted.all(|name| {
                rule.allowed_headers
                    .iter()
                    .any(|rule| is_like(&rule.to_ascii_lowercase(), &name.to_ascii_lowercase()))
            })
    });
    let Some(rule) = rule else {
        let told = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of \
                    Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers \
                    are not whitelisted by the resource's CORS spec.";
        return s3_error(StatusCode::FORBIDDEN, "AccessForbidden", told);
    };
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    *headers = answer(rule, origin);
    let age = rule.max_age.map(|age| age.as_secs().to_string());
    for (name, value) in
        [(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted), (header::ACCESS_CONTROL_MAX_AGE, age.as_deref())]
    {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            headers.insert(name, value);
        }
    }
    response
}

/// The rules of the bucket that a request is for. One of which none were set has none.
fn rules<'a>(buckets: &'a BTreeMap<String, Bucket>, head: &Request<()>) -> &'a [CorsRule] {
    let path = head.uri.path().strip_prefix('/').unwrap_or_default();
    let bucket =
        bucket_of_host(head).ok().flatten().unwrap_or_else(|| path.split('/').next().unwrap_or_default());
    buckets.get(bucket).map_or(&[], |bucket| &bucket.cors)
}

fn allows(rule: &CorsRule, origin: &str, method: &str) -> bool {
    rule.allowed_methods.iter().any(|allowed| allowed == method)
        && rule.allowed_origins.iter().any(|allowed| is_like(allowed, origin))
}

/// Whether a text is like a pattern that may hold one `*`.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

fn answer(rule: &CorsRule, origin: &str) -> HeaderMap {
    let is_any = rule.allowed_origins.iter().any(|allowed| allowed == "*");
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, if is_any { "*" } else { origin });
    set(header::ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
    if !rule.expose_headers.is_empty() {
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose_headers.join(", "));
    }
    set(header::VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
    headers
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
