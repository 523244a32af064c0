//! Plain and signed HTTP requests.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use local_stack::State;
use serde_json::Value;

use crate::secrets;

/// No request of a test takes longer.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What a request was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` for an empty one.
    ///
    /// # Panics
    /// Where it is something else.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header's value, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All that may not differ between two answers that must not be told apart: status, headers and body
    /// without request ids and times.
    #[must_use]
    pub fn likeness(&self) -> (u16, Vec<(String, String)>, String) {
        let own = ["x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id", "date", "x-amzn-remapped-date"];
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        let body = String::from_utf8_lossy(&self.body).replace(self.header("x-amzn-requestid"), "<id>");
        (self.status, headers, body)
    }
}

/// Sends bytes as an upload of `POST /files`, or a part of one, says.
///
/// # Panics
/// Where it is no upload, or is not answered.
pub async fn upload(plan: &Value, bytes: impl Into<Bytes>) -> Answer {
    let headers = plan["headers"].as_object().expect("headers").iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.as_str(), value.as_str().expect("a text"))).collect();
    let url = plan["url"].as_str().expect("a URL");
    request("PUT", url, &headers, bytes).await.expect("an answer")
}

/// Sends a request on a connection of its own.
///
/// # Errors
/// Where no whole answer came, as when the stack was killed.
pub async fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer, String> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).map_err(|error| error.to_string())?;
    let exchange = async {
        let response: Response<_> = client.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let answer = Answer { status: head.status.as_u16(), headers: head.headers, body };
        secrets::note(&answer);
        Ok(answer)
    };
    tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| "timed out".to_owned())?
}

/// What a signature is made with and for.
#[derive(Debug, Clone)]
pub struct Signing {
    /// Whose it is. `Debug` masks the secrets.
    pub credentials: Credentials,
    /// The region.
    pub region: String,
    /// The service, such as `execute-api`.
    pub service: &'static str,
    /// How long ago it was made, by its own date.
    pub age: Duration,
}

impl Signing {
    /// A signature of now for a stack's APIs.
    #[must_use]
    pub fn new(state: &State, credentials: Credentials) -> Self {
        Self { credentials, region: state.region.clone(), service: "execute-api", age: Duration::ZERO }
    }

    /// The headers of a request's signature.
    ///
    /// # Panics
    /// Where the request cannot be signed.
    #[must_use]
    pub fn headers(&self, method: &str, url: &str, body: &str) -> Vec<(String, String)> {
        self.sign(method, url, &[], body)
    }

    /// Sends a request with further headers, all of it signed.
    ///
    /// # Errors
    /// As [`request`].
    ///
    /// # Panics
    /// Where the request cannot be signed.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, String> {
        let signature = self.sign(method, url, headers, body);
        let signature = signature.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<_> = headers.iter().copied().chain(signature).collect();
        request(method, url, &headers, body.to_owned()).await
    }

    fn sign(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Vec<(String, String)> {
        let identity = self.credentials.clone().into();
        #[expect(clippy::disallowed_methods, reason = "a signature's time is the real one")]
        let now = SystemTime::now();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(now - self.age)
            .settings(SigningSettings::default())
            .build()
            .expect("all parameters are given")
            .into();
        let method: Method = method.parse().expect("a method");
        let signable = SignableRequest::new(
            method.as_str(),
            url,
            headers.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .expect("the request can be signed");
        let (instructions, _) = sign(signable, &parameters).expect("the request can be signed").into_parts();
        instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// Sends a request to the control API, signed with an access key.
///
/// # Errors
/// As [`request`].
///
/// # Panics
/// Where the request cannot be signed.
pub async fn signed(
    state: &State,
    (access_key_id, secret): (&str, &str),
    method: &str,
    path: &str,
    body: &str,
) -> Result<Answer, String> {
    let url = format!("{}{path}", state.admin_url);
    let credentials = Credentials::new(access_key_id, secret, None, None, "test");
    Signing::new(state, credentials).send(method, &url, &[], body).await
}

/// Calls a path beside the data API's stage.
pub(crate) async fn local(state: &State, method: &str, path: &str, body: &str) -> Answer {
    let (root, _stage) = state.api_url.rsplit_once('/').expect("the URL ends with the stage");
    request(method, &format!("{root}/_local/{path}"), &[], body.to_owned()).await.expect("an answer")
}
