//! Refusals, in the form that the clients of each service read ("Common Errors" in the services' references).

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use local_http::{Request, Response};
use serde_json::json;

use crate::random;
use crate::sigv4::SignatureError;

const JSON_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const S3_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const CRC_32: HeaderName = HeaderName::from_static("x-amz-crc32");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What the paths of the services with JSON begin with; all others are S3's.
const REST_JSON: [&str; 5] = ["2015-03-31", "apikeys", "restapis", "usageplans", "v1"];

/// How a service's clients talk to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `X-Amz-Target` and JSON, as DynamoDB.
    Json,
    /// Paths and JSON, as API Gateway and Lambda.
    RestJson,
    /// Form parameters and XML, as STS.
    Query,
    /// Paths and XML, as S3.
    S3,
}

/// Why a request reached no service.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Its signature was not accepted.
    Signature(SignatureError),
    /// Its principal may not.
    AccessDenied(String),
    /// Its service is not served here.
    UnsupportedService(String),
    /// Its service knows no such operation.
    UnknownOperation(String),
    /// Its service does not take its parameters: the service's own name for that, and what is wrong.
    Invalid(&'static str, String),
    /// Its body exceeds the service's limit.
    TooLarge,
    /// Its service has no such method.
    MethodNotAllowed,
    /// It does not tell the length of its body, which its service has to know.
    LengthRequired,
    /// The service behind the front has not answered.
    ServiceFailed(&'static str),
    /// The service behind the front is busy.
    ServiceBusy,
}

/// An error's status and its names: in JSON and in XML.
struct Name(u16, &'static str, u16, &'static str);

impl Protocol {
    /// The protocol of a service, or the one that a request looks to be in.
    pub(crate) fn of<B>(service: Option<&str>, request: &Request<B>) -> Self {
        let content_type = request.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        match service {
            Some("dynamodb") => Self::Json,
            Some("apigateway" | "lambda" | "execute-api") => Self::RestJson,
            Some("s3") => Self::S3,
            Some("sts") => Self::Query,
            _ if request.headers.contains_key("x-amz-target") => Self::Json,
            _ if content_type.is_some_and(|t| t.starts_with(b"application/x-www-form-urlencoded")) => {
                Self::Query
            }
            _ if request.uri.query().is_some_and(has_action) => Self::Query,
            _ if REST_JSON.contains(&request.uri.path().split('/').nth(1).unwrap_or_default()) => {
                Self::RestJson
            }
            _ => Self::S3,
        }
    }

    /// The answer to a request that is refused.
    pub(crate) fn answer(self, refusal: &Refusal) -> Response {
        let Name(json_status, json_name, xml_status, xml_name) = refusal.name();
        let message = refusal.message();
        let id = request_id();
        match self {
            Self::Json => {
                let body = json!({
                    "__type": format!("com.amazon.coral.service#{json_name}"),
                    "message": message,
                });
                let body = Bytes::from(body.to_string());
                let crc = crc32fast::hash(&body).to_string();
                let mut response = response(json_status, "application/x-amz-json-1.0", body);
                set(&mut response, JSON_REQUEST_ID, &id);
                set(&mut response, CRC_32, &crc);
                response
            }
            Self::RestJson => {
                // The common errors of REST services are 403 where those of DynamoDB are 400.
                let status = if json_status == 400 { 403 } else { json_status };
                rest_json_error(status_code(status), json_name, &message)
            }
            Self::Query => {
                let body = format!(
                    "<ErrorResponse><Error><Type>{}</Type><Code>{xml_name}</Code><Message>{}</Message></Error>\
                     <RequestId>{id}</RequestId></ErrorResponse>",
                    if xml_status < 500 { "Sender" } else { "Receiver" },
                    escape(&message),
                );
                let mut response = response(xml_status, "text/xml", body.into());
                set(&mut response, JSON_REQUEST_ID, &id);
                response
            }
            Self::S3 => {
                let (status, name) = refusal.s3_name().unwrap_or((xml_status, xml_name));
                s3_error(status_code(status), name, &message)
            }
        }
    }
}

impl Refusal {
    fn name(&self) -> Name {
        match self {
            Self::Signature(error) => match error {
                SignatureError::MissingAuthenticationToken => {
                    Name(400, "MissingAuthenticationTokenException", 403, "MissingAuthenticationToken")
                }
                SignatureError::UnsupportedMechanism | SignatureError::IncompleteSignature(_) => {
                    Name(400, "IncompleteSignatureException", 400, "IncompleteSignature")
                }
                SignatureError::UnrecognizedClient => {
                    Name(400, "UnrecognizedClientException", 403, "InvalidClientTokenId")
                }
                SignatureError::InvalidSignature(_)
                | SignatureError::HeaderNotSigned(_)
                | SignatureError::SignatureDoesNotMatch
                | SignatureError::SignedHeaderMissing(_)
                | SignatureError::SignatureExpired { .. }
                | SignatureError::SignatureNotYetCurrent { .. }
                | SignatureError::PayloadMismatch => {
                    Name(400, "InvalidSignatureException", 403, "SignatureDoesNotMatch")
                }
                SignatureError::RequestExpired => Name(400, "RequestExpired", 400, "RequestExpired"),
                SignatureError::ExpiredToken => Name(400, "ExpiredTokenException", 403, "ExpiredToken"),
                SignatureError::BodyTooLarge => Self::TooLarge.name(),
            },
            Self::AccessDenied(_) => Name(400, "AccessDeniedException", 403, "AccessDenied"),
            Self::UnsupportedService(_) => Name(501, "UnsupportedOperation", 501, "NotImplemented"),
            Self::UnknownOperation(_) => Name(400, "UnknownOperationException", 400, "InvalidAction"),
            Self::Invalid(name, _) => Name(400, name, 400, name),
            Self::MethodNotAllowed => Name(405, "MethodNotAllowed", 405, "MethodNotAllowed"),
            Self::LengthRequired => Name(411, "MissingContentLength", 411, "MissingContentLength"),
            Self::TooLarge => Name(413, "RequestEntityTooLarge", 413, "RequestEntityTooLarge"),
            Self::ServiceFailed(_) => Name(500, "InternalServerError", 500, "InternalFailure"),
            Self::ServiceBusy => Name(503, "ServiceUnavailableException", 503, "ServiceUnavailable"),
        }
    }

    /// S3's own status and name, where it has them ("Error responses" in the S3 API Reference).
    fn s3_name(&self) -> Option<(u16, &'static str)> {
        let Self::Signature(error) = self else { return None };
        match error {
            SignatureError::MissingAuthenticationToken
            | SignatureError::RequestExpired
            | SignatureError::HeaderNotSigned(_) => Some((403, "AccessDenied")),
            SignatureError::UnsupportedMechanism => Some((400, "InvalidRequest")),
            SignatureError::IncompleteSignature(_) | SignatureError::InvalidSignature(_) => {
                Some((400, "AuthorizationHeaderMalformed"))
            }
            SignatureError::UnrecognizedClient => Some((403, "InvalidAccessKeyId")),
            SignatureError::SignatureExpired { .. } | SignatureError::SignatureNotYetCurrent { .. } => {
                Some((403, "RequestTimeTooSkewed"))
            }
            SignatureError::PayloadMismatch => Some((400, "XAmzContentSHA256Mismatch")),
            SignatureError::ExpiredToken => Some((400, "ExpiredToken")),
            SignatureError::SignatureDoesNotMatch
            | SignatureError::SignedHeaderMissing(_)
            | SignatureError::BodyTooLarge => None,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Signature(error) => error.to_string(),
            Self::AccessDenied(message)
            | Self::UnsupportedService(message)
            | Self::UnknownOperation(message)
            | Self::Invalid(_, message) => message.clone(),
            Self::TooLarge => SignatureError::BodyTooLarge.to_string(),
            Self::MethodNotAllowed => "The specified method is not allowed against this resource.".to_owned(),
            Self::LengthRequired => "You must provide the Content-Length HTTP header.".to_owned(),
            Self::ServiceFailed(message) => (*message).to_owned(),
            Self::ServiceBusy => "The service has more requests than it can take. Try again.".to_owned(),
        }
    }
}

/// An error of a service with paths and JSON, such as Lambda: for the services that are handed in.
#[must_use]
pub fn rest_json_error(status: StatusCode, name: &'static str, message: &str) -> Response {
    let body = json!({ "message": message }).to_string();
    let mut response = response(status.as_u16(), "application/json", body.into());
    set(&mut response, JSON_REQUEST_ID, &request_id());
    set(&mut response, ERROR_TYPE, name);
    response
}

/// An error of S3.
pub(crate) fn s3_error(status: StatusCode, name: &str, message: &str) -> Response {
    let id = request_id();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{name}</Code>\
         <Message>{}</Message><RequestId>{id}</RequestId></Error>",
        escape(message),
    );
    let mut response = response(status.as_u16(), "application/xml", body.into());
    set(&mut response, S3_REQUEST_ID, &id);
    response
}

/// The answer of a query service. `result` is what stands in the operation's result element, as XML.
pub(crate) fn query_result(namespace: &str, operation: &str, result: &str) -> Response {
    let id = request_id();
    let body = format!(
        "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{operation}Response>",
    );
    let mut response = response(200, "text/xml", body.into());
    set(&mut response, JSON_REQUEST_ID, &id);
    response
}

/// Whether a query has the parameter that names a query service's operation.
fn has_action(query: &str) -> bool {
    query.split('&').any(|parameter| parameter.starts_with("Action="))
}

/// An id for one answer. Without random numbers it is the nil UUID: an error must be sent all the same.
pub(crate) fn request_id() -> String {
    let bytes = random::bytes::<16>().unwrap_or_default();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

fn response(status: u16, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status_code(status);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("ids, names and numbers are visible ASCII");
    response.headers_mut().insert(name, value);
}

/// Text as XML's character data. A character that XML 1.0 cannot hold in any spelling becomes U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A parser reads a bare one as a line feed.
            '\r' => escaped.push_str("&#xD;"),
            '\t' | '\n' => escaped.push(character),
            '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    fn text(response: &Response) -> &str {
        std::str::from_utf8(response.body()).expect("UTF-8")
    }

    #[test]
    fn dynamodb_is_told_in_json_with_a_type_an_id_and_a_checksum() {
        let answer = Protocol::Json.answer(&Refusal::Signature(SignatureError::UnrecognizedClient));
        assert_eq!(answer.status(), 400);
        let body: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
        assert_eq!(body["__type"], "com.amazon.coral.service#UnrecognizedClientException");
        assert_eq!(body["message"], "The security token included in the request is invalid.");
        assert_eq!(answer.headers()["x-amz-crc32"], crc32fast::hash(answer.body()).to_string());
        assert!(answer.headers().contains_key("x-amzn-requestid"));
    }

    #[test]
    fn rest_services_are_told_in_a_header_with_403() {
        let answer = Protocol::RestJson.answer(&Refusal::Signature(SignatureError::SignatureDoesNotMatch));
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.headers()["x-amzn-errortype"], "InvalidSignatureException");
    }

    #[test]
    fn query_services_and_s3_are_told_in_xml_that_holds_no_markup_of_the_client() {
        let refusal = Refusal::UnsupportedService("<&>".to_owned());
        let answer = Protocol::Query.answer(&refusal);
        assert_eq!(answer.status(), 501);
        assert!(text(&answer).contains("<Code>NotImplemented</Code><Message>&lt;&amp;&gt;</Message>"));
        let expired = Refusal::Signature(SignatureError::SignatureExpired {
            signed_at: String::new(),
            limit: String::new(),
            now: String::new(),
        });
        let answer = Protocol::S3.answer(&expired);
        assert_eq!(answer.status(), 403);
        assert!(text(&answer).contains("<Code>RequestTimeTooSkewed</Code>"));
    }

    #[test]
    fn text_in_xml_holds_no_character_that_xml_cannot_hold() {
        assert_eq!(escape("a\0b\u{1F}c\u{FFFF}d\te\rf\u{E9}"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}d\te&#xD;f\u{E9}");
    }

    #[test]
    fn a_query_service_answers_in_its_operations_elements() {
        let answer = query_result("https://example.com/", "Get", "<A>1</A>");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/xml");
        let id = answer.headers()["x-amzn-requestid"].to_str().expect("text");
        assert_eq!(
            text(&answer),
            format!(
                "<GetResponse xmlns=\"https://example.com/\"><GetResult><A>1</A></GetResult>\
                 <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></GetResponse>"
            )
        );
    }

    #[test]
    fn an_unsigned_request_is_answered_in_the_protocol_that_it_looks_to_be_in() {
        let of = |uri, headers: &[_]| Protocol::of(None, &request("POST", uri, headers, ""));
        assert_eq!(of("/", &[("x-amz-target", "DynamoDB_20120810.GetItem")]), Protocol::Json);
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(of("/", &[form]), Protocol::Query);
        assert_eq!(of("/?Action=GetCallerIdentity", &[]), Protocol::Query);
        assert_eq!(of("/apikeys", &[]), Protocol::RestJson);
    }
}
