//! A caller: one connection that stays open, and one request that is sent again and again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use testkit::Signing;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request that hangs is a failure, not a slow request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The request, and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    authority: String,
    uri: Uri,
    headers: HeaderMap,
}

impl Target {
    /// A GET with the headers that curl sends, and a key.
    pub(crate) fn new(url: &str, api_key: &str) -> anyhow::Result<Self> {
        let mut target = Self::plain(url)?;
        let mut key = HeaderValue::from_str(api_key).context("the key is no header value")?;
        key.set_sensitive(true);
        target.headers.insert(HeaderName::from_static("x-api-key"), key);
        Ok(target)
    }

    /// The same with the headers of a signature.
    pub(crate) fn signed(url: &str, signing: &Signing) -> anyhow::Result<Self> {
        let mut target = Self::plain(url)?;
        for (name, value) in signing.headers("GET", url, "") {
            target.headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        Ok(target)
    }

    fn plain(url: &str) -> anyhow::Result<Self> {
        let url: Uri = url.parse().with_context(|| format!("{url} is no address"))?;
        let authority = url.authority().context("the address names no host")?.to_string();
        let path = url.path_and_query().context("the address has no path")?.clone();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(&authority)?);
        headers.insert(USER_AGENT, HeaderValue::from_static("curl/8.5.0"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        Ok(Self { authority, uri: Uri::from(path), headers })
    }

    /// The same request to another server.
    pub(crate) fn at(&self, address: SocketAddr) -> anyhow::Result<Self> {
        let mut same = self.clone();
        same.authority = address.to_string();
        same.headers.insert(HOST, HeaderValue::from_str(&same.authority)?);
        Ok(same)
    }

    /// Opens a connection and sends the request once, so that what is measured on it is warm.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        let socket = TcpStream::connect(&self.authority)
            .await
            .with_context(|| format!("{} cannot be reached", self.authority))?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        // It ends when its sender is dropped; how it ended, the sender's requests have told.
        tokio::spawn(connection);
        let mut client = Client { target: self.clone(), sender };
        client.send().await?;
        Ok(client)
    }
}

/// An open connection.
pub(crate) struct Client {
    target: Target,
    sender: SendRequest<Empty<Bytes>>,
}

impl Client {
    /// Sends the request and reads the whole answer, which must be a 200: anything else would be measured
    /// as a fast success.
    pub(crate) async fn send(&mut self) -> anyhow::Result<Response<Bytes>> {
        timeout(TIMEOUT, self.exchange()).await.context("an answer took too long")?
    }

    /// How long that took, from the first byte of the request to the last of the answer.
    pub(crate) async fn timed(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.send().await?;
        Ok(began.elapsed())
    }

    /// The same for another request to the same server, with the answer.
    pub(crate) async fn ask(&mut self, target: Target) -> anyhow::Result<(Duration, Response<Bytes>)> {
        self.target = target;
        let began = Instant::now();
        let answer = self.send().await?;
        Ok((began.elapsed(), answer))
    }

    async fn exchange(&mut self) -> anyhow::Result<Response<Bytes>> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.target.uri.clone();
        *request.headers_mut() = self.target.headers.clone();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status != StatusCode::OK {
            bail!("{} was answered {}: {}", self.target.uri, head.status, String::from_utf8_lossy(&body));
        }
        Ok(Response::from_parts(head, body))
    }
}
