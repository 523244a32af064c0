//! A request written byte by byte. HTTP libraries send names in lower case, and connections' own headers only
//! as they see fit.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::check::TIMED_OUT;
use crate::Answer;

/// The cases that need this can run against the local stack alone.
pub(super) const REASON: &str = "its request is written byte by byte, over plain HTTP";

const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends the headers as they are, and the body as it stands on the wire. `Host` and `Connection: close` are
/// added, and nothing else.
pub(super) async fn exchange(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    let (Some(authority), Some(path)) = (uri.authority(), uri.path_and_query()) else {
        return Err(format!("{url} has no host or no path"));
    };
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(name);
        request.push_str(": ");
        request.push_str(value);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request.push_str(body);
    let exchange = async {
        let mut stream = TcpStream::connect(authority.as_str()).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await?;
        Ok::<_, std::io::Error>(response)
    };
    let response = tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| TIMED_OUT.to_owned())?;
    read(&response.map_err(|error| error.to_string())?)
}

fn read(mut response: &[u8]) -> Result<Answer, String> {
    loop {
        let end = response.windows(4).position(|four| four == b"\r\n\r\n").ok_or("the answer has no head")?;
        let head = std::str::from_utf8(&response[..end]).map_err(|error| error.to_string())?;
        response = &response[end + 4..];
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status: u16 = status.and_then(|status| status.parse().ok()).ok_or("the answer has no status")?;
        // An interim answer says that the body may be sent, which it was already.
        if status < 200 {
            continue;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let name: HeaderName = name.parse().map_err(|error| format!("{name}: {error}"))?;
            let value: HeaderValue = value.trim().parse().map_err(|error| format!("{name}: {error}"))?;
            headers.append(name, value);
        }
        return Ok(Answer { status, headers, body: Bytes::copy_from_slice(response) });
    }
}
