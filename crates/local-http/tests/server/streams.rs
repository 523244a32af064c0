//! Bodies that are read while they arrive, and answers that are made while they are sent.

use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use local_http::{AnswerError, BodyError, Stream, StreamedResponse, serve_streams, streamed};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

/// What a handler has seen of a body: each piece as it came, and the end.
type Seen = Result<String, BodyError>;

/// A server whose handler reads bodies as they arrive; some paths misbehave.
async fn start_streams(limits: Limits) -> (Server, UnboundedReceiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let shutdown = CancellationToken::new();
    let (tell, seen) = unbounded_channel();
    let handler = move |request| follow(request, tell.clone());
    let serving = tokio::spawn(serve_streams(listener, limits, shutdown.clone(), handler));
    (Server { address, shutdown, serving }, seen)
}

async fn follow(request: Request<Stream>, tell: UnboundedSender<Seen>) -> StreamedResponse {
    match request.uri.path() {
        "/early" => return streamed(Response::new(Bytes::from_static(b"early"))),
        "/broken" => {
            let failed = || AnswerError("as the test asked".into());
            let pieces = [Ok(Frame::data(Bytes::from_static(b"a part"))), Err(failed())];
            return StreamedResponse::new(StreamBody::new(stream::iter(pieces)).boxed_unsync());
        }
        _ => {}
    }
    let mut body = request.body;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let piece = frame.map(|frame| frame.into_data().unwrap_or_default());
        length += piece.as_ref().map_or(0, Bytes::len);
        let is_last = piece.is_err();
        let _ = tell.send(piece.map(|piece| String::from_utf8_lossy(&piece).into_owned()));
        if is_last {
            return streamed(Response::new(Bytes::from_static(b"not all of it")));
        }
    }
    streamed(Response::new(format!("{length} bytes").into()))
}

async fn next(seen: &mut UnboundedReceiver<Seen>) -> Seen {
    timeout(LONG, seen.recv()).await.expect("in time").expect("the server lives")
}

#[tokio::test]
async fn a_body_arrives_in_pieces_and_the_next_request_follows() {
    let (server, mut seen) = start_streams(Limits::default()).await;
    let mut client = server.connect().await;
    for head in ["Content-Length: 6\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
        client.send(format!("PUT /p HTTP/1.1\r\nHost: h\r\n{head}")).await;
        for piece in ["one", "two"] {
            let is_chunked = head.starts_with('T');
            client.send(if is_chunked { format!("3\r\n{piece}\r\n") } else { piece.to_owned() }).await;
            assert_eq!(next(&mut seen).await.expect("a piece"), piece);
        }
        client.send(if head.starts_with('T') { "0\r\n\r\n" } else { "" }).await;
        let (head, body) = client.answer().await;
        assert_eq!(body, "6 bytes");
        assert!(!head.contains("connection: close"), "{head}");
    }
    assert_eq!(client.ask("GET /n HTTP/1.1\r\nHost: h\r\n\r\n").await, "0 bytes");
}

#[tokio::test]
async fn a_body_may_take_longer_altogether_than_it_may_pause() {
    let limits = Limits { body_timeout: Duration::from_millis(1_500), ..Limits::default() };
    let (server, mut seen) = start_streams(limits).await;
    let mut client = server.connect().await;
    client.send("PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n").await;
    for _ in 0..4 {
        client.send("x").await;
        assert_eq!(next(&mut seen).await.expect("a piece"), "x");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(client.ask("x").await, "5 bytes");
}

#[tokio::test]
async fn a_body_that_pauses_too_long_is_an_error_and_ends_the_connection() {
    let limits = Limits { body_timeout: Duration::from_millis(30), ..Limits::default() };
    let (server, mut seen) = start_streams(limits).await;
    let mut client = server.connect().await;
    client.send("PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nha").await;
    let mut last = next(&mut seen).await;
    while last.is_ok() {
        last = next(&mut seen).await;
    }
    assert!(matches!(last, Err(BodyError::TimedOut)));
    let (head, body) = client.answer().await;
    assert_eq!(body, "not all of it");
    assert!(head.contains("connection: close"), "{head}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_no_shorter_body() {
    let (server, mut seen) = start_streams(Limits::default()).await;
    for head in ["Content-Length: 6\r\n\r\none", "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n"] {
        let mut client = server.connect().await;
        client.send(format!("PUT /p HTTP/1.1\r\nHost: h\r\n{head}")).await;
        assert_eq!(next(&mut seen).await.expect("a piece"), "one");
        client.tcp.shutdown().await.expect("a socket");
        assert!(matches!(next(&mut seen).await, Err(BodyError::Broken(_))));
    }
}

#[tokio::test]
async fn a_request_that_is_answered_before_it_is_read_ends_the_connection_and_not_the_answer() {
    let (server, _seen) = start_streams(Limits::default()).await;
    let mut client = server.connect().await;
    client.send("PUT /early HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n").await;
    client.send(vec![b'x'; 8_000_000]).await;
    let (head, body) = client.answer().await;
    assert_eq!(body, "early");
    assert!(head.contains("connection: close"), "{head}");
    client.tcp.shutdown().await.expect("a socket");
    client.closed().await;
}

#[tokio::test]
async fn an_answer_that_fails_ends_the_connection_and_does_not_look_whole() {
    let (server, _seen) = start_streams(Limits::default()).await;
    let mut client = server.connect().await;
    client.send("GET /broken HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut all = Vec::new();
    // Whether the connection is closed or reset: it ends without the end of the body.
    let _ = timeout(LONG, client.tcp.read_to_end(&mut all)).await.expect("it ends");
    let all = String::from_utf8_lossy(&all);
    assert!(!all.ends_with("0\r\n\r\n") && !all.to_lowercase().contains("content-length"), "{all}");
}
