//! Verified calls, on their way to dynoxide's server and back.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use local_http::{Body, Request, Response};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::protocol::{Protocol, Refusal};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Requests, and so connections, at one time. The database answers one at a time anyway.
const MAX_CONNECTIONS: usize = 32;
/// How long a request waits for its turn, before it is answered that the service is busy.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take: as long as API Gateway waits for the function that asks.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(29);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer. DynamoDB's own hold 16 MB of items, which JSON and base64 make larger.
const MAX_ANSWER: usize = 64 * 1_024 * 1_024;

/// What dynoxide asks of every request: that there is something like a signature. Nothing of the caller's own
/// credentials goes on.
const STAND_IN_AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=verified, SignedHeaders=host, Signature=verified";
const STAND_IN_DATE: &str = "20000101T000000Z";

/// The headers of an answer that clients read.
const ANSWER_HEADERS: [HeaderName; 3] = [
    header::CONTENT_TYPE,
    HeaderName::from_static("x-amz-crc32"),
    HeaderName::from_static("x-amzn-requestid"),
];

/// A client of dynoxide's server.
pub(super) struct Forward {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
    turns: Semaphore,
}

impl Forward {
    pub(super) fn new(server: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_CONNECTIONS)
            .build(connector);
        let uri = format!("http://{server}/").parse().expect("a socket's address makes a URI");
        Self { client, uri, turns: Semaphore::new(MAX_CONNECTIONS) }
    }

    /// Passes a verified call on. It names one operation, which the front has made sure of.
    pub(super) async fn call(&self, request: Request) -> Response {
        match request.body {
            Body::Whole(body) => self.exchange(inner_request(&self.uri, &request.headers, body)).await,
            Body::TooLarge => Protocol::Json.answer(&Refusal::TooLarge),
        }
    }

    /// Makes a call that no client has asked for.
    pub(super) async fn own_call(&self, operation: &str, body: &Value) -> Response {
        let Ok(target) = HeaderValue::from_str(&format!("DynamoDB_20120810.{operation}")) else {
            return Protocol::Json.answer(&Refusal::UnknownOperation(operation.to_owned()));
        };
        let content_type = HeaderValue::from_static("application/x-amz-json-1.0");
        let headers = HeaderMap::from_iter([(TARGET, target), (header::CONTENT_TYPE, content_type)]);
        self.exchange(inner_request(&self.uri, &headers, body.to_string().into())).await
    }

    async fn exchange(&self, request: http::Request<Full<Bytes>>) -> Response {
        let answer = async {
            let Ok(Ok(_turn)) = timeout(QUEUE_TIMEOUT, self.turns.acquire()).await else {
                return Err(Refusal::ServiceBusy);
            };
            self.send(request).await
        };
        answer.await.unwrap_or_else(|refusal| Protocol::Json.answer(&refusal))
    }

    async fn send(&self, request: http::Request<Full<Bytes>>) -> Result<Response, Refusal> {
        let exchange = async {
            let answer = self.client.request(request).await;
            let (parts, body) =
                answer.map_err(|_| Refusal::ServiceFailed("The database cannot be reached."))?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body =
                body.map_err(|_| Refusal::ServiceFailed("The database's answer broke off."))?.to_bytes();
            let mut response = Response::new(body);
            *response.status_mut() = parts.status;
            for name in ANSWER_HEADERS {
                if let Some(value) = parts.headers.get(&name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            Ok(response)
        };
        timeout(ANSWER_TIMEOUT, exchange)
            .await
            .unwrap_or(Err(Refusal::ServiceFailed("The database has not answered in time.")))
    }
}

/// The answer to a call that ended without one.
pub(super) fn failed() -> Response {
    Protocol::Json.answer(&Refusal::ServiceFailed("The database has not answered."))
}

/// Whether a call may change what tables there are, or their keys.
pub(super) fn changes_a_table(request: &Request) -> bool {
    let target = request.headers.get(TARGET).map(HeaderValue::as_bytes).unwrap_or_default();
    let operation = target.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    matches!(operation, b"CreateTable" | b"DeleteTable" | b"UpdateTable" | b"ImportTable")
        || operation.starts_with(b"RestoreTable")
}

/// A new request, of the parts that decide the call alone.
fn inner_request(uri: &Uri, sent: &HeaderMap, body: Bytes) -> http::Request<Full<Bytes>> {
    let mut request = http::Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let headers = request.headers_mut();
    for name in [TARGET, header::CONTENT_TYPE] {
        if let Some(value) = sent.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static(STAND_IN_AUTHORIZATION));
    headers.insert("x-amz-date", HeaderValue::from_static(STAND_IN_DATE));
    request
}
