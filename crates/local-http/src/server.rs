//! Accepting connections, and one request at a time on each.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::head::raw_headers;
use crate::stream::{SharedExchange, Stream};
use crate::{Body, Limits, Request, Response};

/// The pause after a failed accept. The usual cause is a lack of file descriptors, which only time cures.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 on `listener` until `shutdown`.
///
/// `handler` runs on the connection's task and is dropped when its client goes away; work that must outlive
/// the client is spawned. After `shutdown`, no connection is accepted, idle ones are closed, and running
/// requests have [`Limits::stop_timeout`] to finish. Dropping the future closes everything at once.
pub async fn serve<H, F>(listener: TcpListener, limits: Limits, shutdown: CancellationToken, handler: H)
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    while let Some(Ok(permit)) = shutdown.run_until_cancelled(Arc::clone(&room).acquire_owned()).await {
        match shutdown.run_until_cancelled(accept(&listener, &mut connections)).await {
            Some(Ok((tcp, peer))) => {
                let connection = connection(tcp, peer, limits.clone(), shutdown.clone(), handler.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            // One client's failure, or a shortage: neither ends the loop.
            Some(Err(_)) => drop(shutdown.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await),
            None => break,
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.stop_timeout, finished).await.is_err() {
        connections.shutdown().await;
    }
}

/// The next connection. Ended ones are forgotten on the way.
async fn accept(
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        tokio::select! {
            accepted = listener.accept() => return accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection<H, F>(
    tcp: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    shutdown: CancellationToken,
    handler: H,
) where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    // Answers are small and written at once; a socket that cannot do without the delay still works.
    let _ = tcp.set_nodelay(true);
    let exchange = SharedExchange::new(&limits);
    let io = TokioIo::new(Stream::new(tcp, exchange.clone(), limits.clone()));
    let service = service_fn(|request: http::Request<Incoming>| {
        // Taken before the body is asked for, since that may already write an interim answer.
        let recorded = exchange.lock().begin();
        let (exchange, handler, limits) = (exchange.clone(), handler.clone(), &limits);
        async move {
            let (parts, body) = request.into_parts();
            let (mut response, was_read) = match read(body, limits).await? {
                Some(body) => {
                    let was_read = matches!(body, Body::Whole(_));
                    (handle(handler, request_of(parts, body, &recorded, peer)).await, was_read)
                }
                None => (status(StatusCode::REQUEST_TIMEOUT), false),
            };
            if !was_read {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            exchange.lock().answered(was_read);
            Ok::<_, hyper::Error>(response.map(Full::new))
        }
    });
    // The stream keeps the deadlines: hyper's own timer does not tell an idle client from a slow head.
    let mut connection = pin!(
        http1::Builder::new()
            .max_header_size(limits.max_header_bytes)
            .header_read_timeout(None)
            .serve_connection(io, service)
    );
    // How a connection ended is the client's business; the handler has answered or was dropped.
    if shutdown.run_until_cancelled(connection.as_mut()).await.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Reads a body. `None` is one that took too long; an error is a client that broke off.
async fn read(mut body: Incoming, limits: &Limits) -> Result<Option<Body>, hyper::Error> {
    // A declared length is believed at once, so that a client that asks before sending can be refused.
    if body.size_hint().lower() > u64::try_from(limits.max_body).unwrap_or(u64::MAX) {
        return Ok(Some(Body::TooLarge));
    }
    let collect = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if data.len() > limits.max_body.saturating_sub(whole.len()) {
                return Ok(Body::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
        Ok(Body::Whole(whole.freeze()))
    };
    timeout(limits.body_timeout, collect).await.ok().transpose()
}

fn request_of(parts: Parts, body: Body, recorded: &[u8], peer: SocketAddr) -> Request {
    Request {
        raw_headers: raw_headers(recorded, &parts.headers),
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
        peer,
    }
}

async fn handle<H, F>(handler: H, request: Request) -> Response
where
    H: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    // The handler is called anew for every request, so a panic leaves nothing half-changed that is used again.
    AssertUnwindSafe(async move { handler(request).await })
        .catch_unwind()
        .await
        .unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
