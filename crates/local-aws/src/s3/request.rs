//! A verified request in the form that s3s takes.

use http::{HeaderName, Method, Uri, header};
use local_http::Request;
use s3s::dto::{Range, Timestamp, TimestampFormat};
use s3s::path::check_bucket_name;

use crate::protocol::Refusal;
use crate::sigv4::is_parameter_of_signature;

/// The host of buckets that stand in the host's name, as SDKs write them for a name that is no address.
const HOST: &str = ".localhost";
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What is said to an upload of a form, whose signature stands in its fields.
pub(crate) const NO_FORMS: &str = "The local S3 takes no uploads of forms.";

/// Whether a request is an upload of a form.
pub(crate) fn is_form<B>(request: &Request<B>) -> bool {
    let content_type = request.headers.get(header::CONTENT_TYPE);
    request.method == Method::POST
        && content_type.is_some_and(|value| {
            value.as_bytes().to_ascii_lowercase().trim_ascii_start().starts_with(b"multipart/form-data")
        })
}

/// The request without its signature, which was verified; of a body in chunks, with the signature that its
/// chunks go on from.
///
/// Uploads of forms are refused: their fields would be read, and held, before anybody is asked.
pub(super) fn of(head: &Request<()>, body: s3s::Body, is_chunked: bool) -> Result<s3s::HttpRequest, Refusal> {
    if is_form(head) {
        return Err(Refusal::UnsupportedService(NO_FORMS.to_owned()));
    }
    if ![Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE].contains(&head.method)
        || head.method == Method::POST && head.uri.query().is_none()
    {
        return Err(Refusal::MethodNotAllowed);
    }
    let bucket = bucket_of_host(head)?;
    let mut request = http::Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.headers_mut() = head.headers.clone();
    if is_chunked {
        *request.uri_mut() = head.uri.clone();
        if bucket.is_some() {
            let told =
                "The local S3 takes bodies in chunks under a path alone: http://127.0.0.1:4566/bucket/key.";
            return Err(Refusal::UnsupportedService(told.to_owned()));
        }
    } else {
        *request.uri_mut() = uri(head, bucket)?;
        request.headers_mut().remove(header::AUTHORIZATION);
        request.headers_mut().remove(TOKEN);
    }
    // What cannot be read of these counts as if it were not there (RFC 9110, sections 13.1 and 14.2).
    for name in [header::RANGE, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        let text = request.headers().get(&name).map(|value| value.to_str().unwrap_or_default());
        let is_readable = |text: &str| {
            if name == header::RANGE {
                Range::parse(text).is_ok()
            } else {
                Timestamp::parse(TimestampFormat::HttpDate, text).is_ok()
            }
        };
        if text.is_some_and(|text| !is_readable(text)) {
            request.headers_mut().remove(name);
        }
    }
    Ok(request)
}

/// The path with its bucket, and the parameters that are not the signature's.
fn uri(head: &Request<()>, bucket: Option<&str>) -> Result<Uri, Refusal> {
    let path = head.uri.path();
    let mut target = match bucket {
        Some(bucket) => format!("/{bucket}{path}"),
        None => path.to_owned(),
    };
    let parameters = head.uri.query().unwrap_or_default().split('&');
    let kept: Vec<&str> =
        parameters.filter(|text| !text.is_empty() && !is_parameter_of_signature(text)).collect();
    if !kept.is_empty() {
        target.push('?');
        target.push_str(&kept.join("&"));
    }
    target.parse().map_err(|_| Refusal::Invalid("InvalidURI", "The path cannot be read.".to_owned()))
}

/// The bucket in the name of the host, which is under the signature. A name that no bucket can have is refused:
/// what else it holds would become a part of the path or of the query.
pub(super) fn bucket_of_host(head: &Request<()>) -> Result<Option<&str>, Refusal> {
    let Some(host) = head.headers.get(header::HOST) else { return Ok(None) };
    let refused = || Refusal::Invalid("InvalidBucketName", "The host names no valid bucket.".to_owned());
    let host = host.to_str().map_err(|_| refused())?;
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    match name.strip_suffix(HOST) {
        None => Ok(None),
        Some(bucket) if check_bucket_name(bucket) => Ok(Some(bucket)),
        Some(_) => Err(refused()),
    }
}
