//! Functions that `cargo lambda watch` runs.
//!
//! It compiles a function when it is first called and again after an edit, and keeps one process of each
//! unless it is told otherwise. What it answers differs from Lambda's Invoke: a function's error is a 500 with
//! the error's JSON, and an unknown function a 404.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::failure::Failure;
use crate::{Invocation, InvokeError, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES};

/// How long an invocation may take. The first one of a function waits for its compilation.
const INVOKE_TIMEOUT: Duration = Duration::from_mins(10);

/// A running `cargo lambda watch`.
#[derive(Debug)]
pub struct CargoLambda {
    /// Such as `http://[::1]:9000`.
    url: Uri,
    functions: BTreeSet<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl CargoLambda {
    /// The one at an address of scheme, host and port. It runs every binary of a workspace by its name;
    /// `functions` are those that can be invoked.
    #[must_use]
    pub fn new(url: Uri, functions: impl IntoIterator<Item = String>) -> Self {
        Self {
            url,
            functions: functions.into_iter().collect(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    ///
    /// [`InvokeError`] where the function was not run.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<Invocation, InvokeError> {
        if payload.len() > MAX_REQUEST_BYTES {
            return Err(InvokeError::RequestTooLarge { bytes: payload.len() });
        }
        let unknown = || InvokeError::UnknownFunction(function.to_owned());
        // A name out of the set is also a path's segment as it stands.
        let function = self.functions.get(function).ok_or_else(unknown)?;
        let begin = Instant::now();
        let (status, payload) = match timeout(INVOKE_TIMEOUT, self.call(function, payload)).await {
            Ok(answer) => answer?,
            Err(_elapsed) => (StatusCode::REQUEST_TIMEOUT, Bytes::new()),
        };
        let request_id = Uuid::now_v7().to_string();
        let failed = |failure: Failure| failure.payload(&request_id);
        let (payload, has_failed) = match status {
            StatusCode::OK if payload.len() > MAX_RESPONSE_BYTES => (failed(Failure::ResponseTooLarge), true),
            StatusCode::OK => (payload, false),
            StatusCode::NOT_FOUND => return Err(unknown()),
            StatusCode::REQUEST_TIMEOUT => (failed(Failure::NotAnswered(begin.elapsed())), true),
            _ => (payload, true),
        };
        Ok(Invocation {
            payload,
            function_error: has_failed.then(|| "Unhandled".to_owned()),
            // Which process answered is not told.
            cold: false,
            duration: begin.elapsed(),
            request_id,
        })
    }

    async fn call(&self, function: &str, payload: Bytes) -> Result<(StatusCode, Bytes), InvokeError> {
        let unreachable = |cause: String| InvokeError::Unreachable { url: self.url.to_string(), cause };
        let base = self.url.to_string();
        let url = format!("{}/2015-03-31/functions/{function}/invocations", base.trim_end_matches('/'));
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(payload))
            .map_err(|error| unreachable(error.to_string()))?;
        let answer = self.client.request(request).await.map_err(|error| unreachable(error.to_string()))?;
        let status = answer.status();
        // One byte more than may be tells that there is too much.
        let body = Limited::new(answer.into_body(), MAX_RESPONSE_BYTES + 1).collect().await;
        match body {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Ok((status, Bytes::from(vec![0; MAX_RESPONSE_BYTES + 1])))
            }
            Err(error) => Err(unreachable(error.to_string())),
        }
    }
}
