//! Requests over TLS, with the SDK's own client.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use tokio::time::timeout;

use super::check::{TIMED_OUT, failed};
use crate::Answer;

/// No request takes longer.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Sends a request.
pub(super) async fn send_securely(
    connector: &Connector,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Answer, String> {
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(SdkBody::from(body)).map_err(|error| error.to_string())?;
    let request = HttpRequest::try_from(request).map_err(|error| error.to_string())?;
    let exchange = async {
        let response = connector.call(request).await.map_err(|error| failed(url, &error))?;
        let response = response.try_into_http1x().map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = ByteStream::new(body).collect().await.map_err(|error| error.to_string())?.into_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    };
    timeout(TIMEOUT, exchange).await.map_err(|_| TIMED_OUT.to_owned())?
}
