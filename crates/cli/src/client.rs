//! Signed requests.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::failure::Failure;
use crate::flags::OnceFlag;
use crate::place::Place;

/// A request in all. The gateway itself gives a function up after 29 seconds.
const TIMEOUT: Duration = Duration::from_secs(40);
/// The largest answer that is read, in bytes. API Gateway has none above 10 MiB.
const MAX_ANSWER: usize = 16 << 20;
/// Making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Names of services in signatures.
const CONTROL_API: &str = "execute-api";
const MANAGEMENT: &str = "apigateway";

/// Asks the control API, and API Gateway's management calls.
pub(crate) struct Client {
    place: Place,
    connector: Connector,
}

impl Client {
    /// Makes the client. No call is made.
    pub(crate) fn new(place: Place) -> Self {
        // The local stack speaks no TLS, and a machine without root certificates reaches it all the same.
        let roots = if place.state_file.is_some() { TrustStore::empty() } else { TrustStore::default() };
        let tls = TlsContext::builder()
            .with_trust_store(roots)
            .build()
            .expect("no certificate is given that could be refused");
        let connector = Connector::builder()
            .connector_settings(HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build())
            .sleep_impl(TokioSleep::new())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls)
            .build();
        Self { place, connector }
    }

    /// Whether this is the local stack, whose ids follow from the template.
    pub(crate) fn is_local(&self) -> bool {
        self.place.state_file.is_some()
    }

    /// Asks the control API. The path begins with a slash behind the stage; a body is JSON.
    pub(crate) async fn control(
        &self,
        method: &str,
        path: &str,
        if_version: Option<u64>,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        self.ask(method, path, if_version, None, body).await
    }

    /// Asks the control API to make something, once where a key says that it is to be made once.
    pub(crate) async fn make(&self, path: &str, once: &OnceFlag, body: &Value) -> Result<Value, Failure> {
        self.ask("POST", path, None, once.idempotency_key.as_deref(), Some(body)).await
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        if_version: Option<u64>,
        once: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.place.control_url()?);
        let if_match = if_version.map(|version| format!("\"{version}\""));
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend(body.map(|_| ("content-type", "application/json")));
        headers.extend(once.map(|key| ("idempotency-key", key)));
        headers.extend(if_match.as_deref().map(|version| ("if-match", version)));
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(CONTROL_API, method, &url, &headers, body).await
    }

    /// Reads from API Gateway's management.
    pub(crate) async fn management(&self, path: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.place.management_url);
        // Without it API Gateway answers in another form (HAL).
        self.send(MANAGEMENT, "GET", &url, &[("accept", "application/json")], String::new()).await
    }

    async fn send(
        &self,
        service: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Value, Failure> {
        let request = self.sign(service, method, url, headers, body)?;
        let exchange = async {
            let response =
                self.connector.call(request).await.map_err(|error| self.nobody(unreachable(url, &error)))?;
            let status = response.status().as_u16();
            let mut stream = ByteStream::new(response.into_body());
            let mut body = Vec::new();
            while let Some(chunk) = stream.next().await {
                body.extend_from_slice(
                    &chunk.map_err(|error| Failure::Unreachable(unreachable(url, &error)))?,
                );
                if body.len() > MAX_ANSWER {
                    return Err(Failure::Unreachable(format!("{url} answers more than an API does")));
                }
            }
            Ok::<_, Failure>((status, body))
        };
        let late = |_| {
            let seconds = TIMEOUT.as_secs();
            Failure::Unreachable(format!("{url} has not answered within {seconds} seconds"))
        };
        let (status, body) = tokio::time::timeout(TIMEOUT, exchange).await.map_err(late)??;
        answer(status, &body)
    }

    /// The same with what a state file that leads to nobody means.
    fn nobody(&self, message: String) -> Failure {
        Failure::Unreachable(match &self.place.state_file {
            Some(path) => format!(
                "{message}\n  {} is left from a stack that runs no more; `make run` starts one.",
                path.display()
            ),
            None => message,
        })
    }

    fn sign(
        &self,
        service: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<HttpRequest, Failure> {
        #[expect(clippy::disallowed_methods, reason = "a signature's time is the real one")]
        let now = SystemTime::now();
        let identity = self.place.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.place.region)
            .name(service)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .expect("all parameters are given")
            .into();
        let unusable =
            |error: &dyn std::error::Error| Failure::Usage(format!("{url} cannot be asked: {error}"));
        let payload = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new(method, url, headers.iter().copied(), payload)
            .map_err(|error| unusable(&error))?;
        let (signature, _) = sign(signable, &parameters).map_err(|error| unusable(&error))?.into_parts();
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers.iter().copied().chain(signature.headers()) {
            request = request.header(name, value);
        }
        let request = request.body(SdkBody::from(body)).map_err(|error| unusable(&error))?;
        HttpRequest::try_from(request).map_err(|error| unusable(&error))
    }
}

/// A query with its question mark, of those members that have a value.
pub(crate) fn query(members: &[(&str, Option<&str>)]) -> String {
    let mut query = String::new();
    for (name, value) in members {
        if let Some(value) = value {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str(name);
            query.push('=');
            query.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
    }
    query
}

fn answer(status: u16, body: &[u8]) -> Result<Value, Failure> {
    let document = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
    match (status, document) {
        (200..=299, Ok(document)) => Ok(document),
        // What it says is not shown: a success can hold a key's value.
        (200..=299, Err(_)) => {
            Err(Failure::Unreachable("the answer is no JSON: another program has answered".to_owned()))
        }
        (status, document) => Err(Failure::answered(status, document.unwrap_or_default())),
    }
}

/// That no answer came, with every cause down to the last, which names the reason.
fn unreachable(url: &str, error: &dyn std::error::Error) -> String {
    let mut message = format!("{url} cannot be reached: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::PlaceFlags;

    /// A client of a stack that does not run: nothing listens on the port of the discard service.
    fn client() -> Client {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stack.json");
        let state = r#"{"admin_url":"http://127.0.0.1:9/v1","aws_endpoint_url":"http://127.0.0.1:9",
            "region":"eu-central-1","admin":{"access_key_id":"AKID","secret_access_key":"hush"}}"#;
        std::fs::write(&path, state).unwrap();
        let flags = PlaceFlags { state_file: path, api_url: None, region: None, profile: None };
        Client::new(Place::open(&flags, None).unwrap())
    }

    #[test]
    fn a_query_holds_what_is_given_and_nothing_else() {
        assert_eq!(query(&[("a", None), ("b", None)]), "");
        assert_eq!(query(&[("a", None), ("b", Some("x&y=ä")), ("c", Some("1"))]), "?b=x%26y%3D%C3%A4&c=1");
    }

    #[test]
    fn an_answer_that_is_no_success_is_a_refusal_and_one_that_is_no_json_is_nobodys() {
        assert_eq!(answer(204, b"").unwrap(), Value::Null);
        assert!(matches!(answer(409, br#"{"detail":"no"}"#), Err(Failure::Refused { .. })));
        assert!(matches!(answer(404, b"<html>"), Err(Failure::Refused { .. })));
        assert!(matches!(answer(200, b"<html>"), Err(Failure::Unreachable(_))));
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_out_of_reach_and_is_named() {
        let failure = client().control("GET", "/tenants/acme", None, None).await.unwrap_err();
        let said = failure.to_string();
        assert!(matches!(failure, Failure::Unreachable(_)), "{said}");
        assert!(said.contains("127.0.0.1:9") && !said.contains("hush"), "{said}");
        assert!(said.ends_with("stack.json is left from a stack that runs no more; `make run` starts one."));
    }

    #[test]
    fn every_header_is_signed_and_the_secret_is_not_sent() {
        let headers = [("content-type", "application/json"), ("if-match", "\"3\"")];
        let url = "http://127.0.0.1:9/v1/tenants/acme";
        let request = client().sign(CONTROL_API, "PATCH", url, &headers, "{}".to_owned()).unwrap();
        let signature = request.headers().get("authorization").expect("it is signed");
        assert!(signature.contains("/eu-central-1/execute-api/aws4_request"), "{signature}");
        assert!(signature.contains("SignedHeaders=content-type;host;if-match;x-amz-date"), "{signature}");
        assert_eq!(request.headers().get("if-match"), Some("\"3\""));
        assert!(!format!("{request:?}").contains("hush"));
    }
}
