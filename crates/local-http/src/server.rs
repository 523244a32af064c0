//! Accepting connections, and one request at a time on each.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONNECTION, EXPECT};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::body::{BodyError, Stream, StreamedResponse, streamed};
use crate::head::raw_headers;
use crate::stream::{Connection, SharedExchange};
use crate::{Limits, Request, Response};

/// The pause after a failed accept. The usual cause is a lack of file descriptors, which only time cures.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 on `listener` until `shutdown`.
///
/// `handler` is called with whole requests. It runs on the connection's task and is dropped when its client
/// goes away; work that must outlive the client is spawned. After `shutdown`, no connection is accepted, idle
/// ones are closed, and running requests have [`Limits::stop_timeout`] to finish. Dropping the future closes
/// everything at once.
pub async fn serve<H, F>(listener: TcpListener, limits: Limits, shutdown: CancellationToken, handler: H)
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let max_body = limits.max_body;
    let whole = move |request: Request<Stream>| {
        let handler = handler.clone();
        async move {
            let (request, body) = request.without_body();
            Ok(streamed(handler(request.with_body(body.whole(max_body).await?)).await))
        }
    };
    accept_all(listener, limits, shutdown, whole).await;
}

/// Serves as [`serve`] does, with bodies that are still arriving and answers that are still being made.
///
/// A body is not limited in its length, and each of its pauses by [`Limits::body_timeout`]. A request that was
/// answered before it was read to its end ends its connection.
pub async fn serve_streams<H, F>(
    listener: TcpListener,
    limits: Limits,
    shutdown: CancellationToken,
    handler: H,
) where
    H: Fn(Request<Stream>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = StreamedResponse> + Send + 'static,
{
    let never_fails = move |request| {
        let answer = handler(request);
        async move { Ok(answer.await) }
    };
    accept_all(listener, limits, shutdown, never_fails).await;
}

async fn accept_all<H, F>(listener: TcpListener, limits: Limits, shutdown: CancellationToken, handler: H)
where
    H: Fn(Request<Stream>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<StreamedResponse, BodyError>> + Send + 'static,
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
    H: Fn(Request<Stream>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<StreamedResponse, BodyError>> + Send + 'static,
{
    // Answers are small and written at once; a socket that cannot do without the delay still works.
    let _ = tcp.set_nodelay(true);
    let exchange = SharedExchange::new(&limits);
    let io = TokioIo::new(Connection::new(tcp, exchange.clone(), limits.clone()));
    let service = service_fn(|request: http::Request<Incoming>| {
        // Taken before the body is asked for, since that may already write an interim answer.
        let recorded = exchange.lock().begin();
        let (exchange, handler, patience) = (exchange.clone(), handler.clone(), limits.body_timeout);
        async move {
            let (parts, body) = request.into_parts();
            let (body, finished) = Stream::new(body, patience);
            // Who waits for an interim answer, and gets none since there is no body to wait for, may take the answer
            // itself for the interim one and keep that in mind for the connection's next.
            let waits_in_vain = parts.headers.contains_key(EXPECT) && finished.get();
            let answer = handle(handler, request_of(parts, body, &recorded, peer)).await;
            let mut response = match answer {
                Ok(response) => response,
                Err(BodyError::TimedOut) => status(StatusCode::REQUEST_TIMEOUT),
                Err(BodyError::Broken(error)) => return Err(error),
            };
            let was_read = finished.get();
            if !was_read || waits_in_vain {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            exchange.lock().answered(was_read);
            Ok::<_, hyper::Error>(response)
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

fn request_of(parts: Parts, body: Stream, recorded: &[u8], peer: SocketAddr) -> Request<Stream> {
    Request {
        raw_headers: raw_headers(recorded, &parts.headers),
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
        peer,
    }
}

async fn handle<H, F>(handler: H, request: Request<Stream>) -> Result<StreamedResponse, BodyError>
where
    H: Fn(Request<Stream>) -> F,
    F: Future<Output = Result<StreamedResponse, BodyError>>,
{
    // The handler is called anew for every request, so a panic leaves nothing half-changed that is used again.
    AssertUnwindSafe(async move { handler(request).await })
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Ok(status(StatusCode::INTERNAL_SERVER_ERROR)))
}

fn status(status: StatusCode) -> StreamedResponse {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    streamed(response)
}
