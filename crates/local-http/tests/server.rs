//! The server, driven over real sockets.

#[path = "server/streams.rs"]
mod streams;

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use local_http::{Body, Limits, Request, Response, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here should take.
const LONG: Duration = Duration::from_secs(30);

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, limits, shutdown.clone(), describe));
        Self { address, shutdown, serving }
    }

    async fn connect(&self) -> Client {
        Client { tcp: TcpStream::connect(self.address).await.expect("listening"), read: Vec::new() }
    }
}

/// Answers with the names of the headers and the body's length and last bytes; some paths misbehave.
async fn describe(request: Request) -> Response {
    match request.uri.path() {
        "/panic" => panic!("as the test asked"),
        "/hang" => pending().await,
        "/large" => return Response::new(Bytes::from(vec![b'x'; 64 << 20])),
        _ => {}
    }
    let names: Vec<_> = request.raw_headers.iter().map(|(name, _)| name.as_str()).collect();
    let body = match &request.body {
        Body::Whole(bytes) => format!("{} {}", bytes.len(), String::from_utf8_lossy(bytes).escape_debug()),
        Body::TooLarge => "too large".to_owned(),
    };
    Response::new(format!("{} {} [{}] {body}", request.method, request.uri, names.join(",")).into())
}

struct Client {
    tcp: TcpStream,
    read: Vec<u8>,
}

impl Client {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.tcp.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    /// The next answer: its head and its body.
    async fn answer(&mut self) -> (String, String) {
        loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.read[..end]).to_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse::<usize>().expect("a length"));
                if self.read.len() >= end + 4 + length {
                    let rest = self.read.split_off(end + 4 + length);
                    let body = String::from_utf8_lossy(&self.read[end + 4..]).into_owned();
                    self.read = rest;
                    return (head, body);
                }
            }
            let read =
                timeout(LONG, self.tcp.read_buf(&mut self.read)).await.expect("in time").expect("no reset");
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.send(bytes).await;
        self.answer().await.1
    }

    /// Waits for the server to close the connection.
    async fn closed(&mut self) {
        let mut rest = Vec::new();
        let ended = timeout(LONG, self.tcp.read_to_end(&mut rest)).await.expect("in time");
        assert!(ended.is_err() || rest.is_empty(), "an answer came: {:?}", String::from_utf8_lossy(&rest));
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[tokio::test]
async fn every_request_on_a_connection_keeps_its_own_casing() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    assert_eq!(
        client.ask("GET /a?b=%20 HTTP/1.1\r\nHost: h\r\nX-API-Key: k\r\n\r\n").await,
        "GET /a?b=%20 [Host,X-API-Key] 0 "
    );
    assert_eq!(client.ask("GET /b HTTP/1.1\r\nhOST: h\r\nx-Two: 2\r\n\r\n").await, "GET /b [hOST,x-Two] 0 ");
    assert_eq!(client.ask("GET /c HTTP/1.1\r\nHOST: h\r\n\r\n").await, "GET /c [HOST] 0 ");
}

#[tokio::test]
async fn a_body_that_looks_like_a_head_is_only_a_body() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    let body = "\r\n\r\nGET /x HTTP/1.1\r\nX-Evil: 1\r\n\r\n";
    for _ in 0..3 {
        let head = format!("POST /p HTTP/1.1\r\nHost: h\r\nContent-LENGTH: {}\r\n\r\n", body.len());
        let expected = format!("POST /p [Host,Content-LENGTH] {} {}", body.len(), body.escape_debug());
        assert_eq!(client.ask(head.clone() + body).await, expected);
        client.send(head).await;
        assert_eq!(client.ask(body).await, expected);
    }
}

#[tokio::test]
async fn chunked_bodies_arrive_whole_and_the_next_head_keeps_its_casing() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    let chunked = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   4\r\n\r\n\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for _ in 0..2 {
        assert_eq!(client.ask(chunked).await, "POST /p [Host,Transfer-Encoding] 7 \\r\\n\\r\\nabc");
    }
    assert_eq!(client.ask("GET /n HTTP/1.1\r\nHoSt: h\r\n\r\n").await, "GET /n [HoSt] 0 ");
}

#[tokio::test]
async fn a_head_may_be_split_at_every_byte() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.tcp.set_nodelay(true).expect("a socket");
    let request = "POST /s HTTP/1.1\r\nHoSt: h\r\nX-Odd: 1\r\nContent-Length: 2\r\n\r\nhi";
    for split in 1..request.len() {
        client.send(&request[..split]).await;
        tokio::task::yield_now().await;
        assert_eq!(client.ask(&request[split..]).await, "POST /s [HoSt,X-Odd,Content-Length] 2 hi");
    }
    for byte in request.as_bytes() {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.1, "POST /s [HoSt,X-Odd,Content-Length] 2 hi");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_with_the_right_headers() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .send("GET /1 HTTP/1.1\r\nHost: h\r\nX-One: 1\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\nX-Two: 2\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.1, "GET /1 [Host,X-One] 0 ");
    assert_eq!(client.answer().await.1.to_lowercase(), "get /2 [host,x-two] 0 ");
    assert_eq!(client.answer().await.1.to_lowercase(), "get /3 [host] 0 ");
    assert_eq!(
        client.ask("GET /4 HTTP/1.1\r\nHost: h\r\nX-Four: 4\r\n\r\n").await,
        "GET /4 [Host,X-Four] 0 "
    );
}

#[tokio::test]
async fn an_expected_continue_is_sent_and_the_casing_survives_it() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.send("PUT /e HTTP/1.1\r\nHost: h\r\nEXPECT: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    assert!(client.answer().await.0.starts_with("http/1.1 100"));
    assert_eq!(client.ask("hi").await, "PUT /e [Host,EXPECT,Content-Length] 2 hi");
    assert_eq!(client.ask("GET /n HTTP/1.1\r\nHoSt: h\r\n\r\n").await, "GET /n [HoSt] 0 ");
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_although_the_client_is_still_sending() {
    let server = Server::start(Limits { max_body: 1_000, ..Limits::default() }).await;
    for head in [
        "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n".to_owned(),
        format!("POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", 8_000_000),
    ] {
        let mut client = server.connect().await;
        client.send(head).await;
        client.send(vec![b'x'; 8_000_000]).await;
        let (head, body) = client.answer().await;
        assert!(body.ends_with("too large"), "{body}");
        assert!(head.contains("connection: close"), "{head}");
        client.tcp.shutdown().await.expect("a socket");
        client.closed().await;
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_whole() {
    let server = Server::start(Limits { max_body: 4, ..Limits::default() }).await;
    let mut client = server.connect().await;
    let answer = client.ask("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n1234").await;
    assert_eq!(answer, "POST /b [Host,Content-Length] 4 1234");
    assert!(
        client
            .ask("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345")
            .await
            .ends_with("too large")
    );
}

#[tokio::test]
async fn a_client_that_never_stops_sending_is_cut_off() {
    let limits = Limits { max_body: 10, max_drain: 100_000, ..Limits::default() };
    let server = Server::start(limits).await;
    let mut client = server.connect().await;
    client.send("POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let endless = async { while client.tcp.write_all(b"4\r\nabcd\r\n").await.is_ok() {} };
    timeout(LONG, endless).await.expect("the server closes");
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(11_000))).await;
    assert!(client.answer().await.0.starts_with("http/1.1 431"));
}

#[tokio::test]
async fn a_panicking_handler_answers_500_and_the_server_lives() {
    let server = Server::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(client.answer().await.0.starts_with("http/1.1 500"));
    assert_eq!(client.ask("GET /n HTTP/1.1\r\nHost: h\r\n\r\n").await, "GET /n [Host] 0 ");
}

#[tokio::test]
async fn slow_heads_bodies_readers_and_idle_connections_are_closed() {
    let soon = Duration::from_millis(30);
    let server = Server::start(Limits {
        header_timeout: soon,
        body_timeout: soon,
        idle_timeout: soon,
        write_timeout: soon,
        ..Limits::default()
    })
    .await;

    let mut idle = server.connect().await;
    idle.closed().await;

    let mut head = server.connect().await;
    head.send("GET / HTT").await;
    head.closed().await;

    let mut body = server.connect().await;
    body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n1").await;
    assert!(body.answer().await.0.starts_with("http/1.1 408"));

    // The answer does not fit the sockets' buffers. The client takes none of it until the server has given up.
    let mut reader = server.connect().await;
    reader.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let gone = async {
        while reader.tcp.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, gone).await.expect("the server closes");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_room() {
    let server = Server::start(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut first = server.connect().await;
    assert_eq!(first.ask("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n").await, "GET /1 [Host] 0 ");
    let mut second = server.connect().await;
    second.send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(first.ask("GET /3 HTTP/1.1\r\nHost: h\r\n\r\n").await, "GET /3 [Host] 0 ");
    drop(first);
    assert_eq!(second.answer().await.1, "GET /2 [Host] 0 ");
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_is_bounded_for_busy_ones() {
    let server = Server::start(Limits { stop_timeout: Duration::from_millis(50), ..Limits::default() }).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.ask("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n").await, "GET /1 [Host] 0 ");
    let mut busy = server.connect().await;
    busy.send("GET /hang HTTP/1.1\r\nHost: h\r\n\r\n").await;
    server.shutdown.cancel();
    idle.closed().await;
    timeout(LONG, server.serving).await.expect("bounded").expect("no panic");
    busy.closed().await;
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_runs_when_the_stop_comes_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let serving = tokio::spawn(serve(listener, Limits::default(), shutdown, move |_| {
        let stop = stop.clone();
        async move {
            stop.cancel();
            tokio::task::yield_now().await;
            Response::new(Bytes::from_static(b"done"))
        }
    }));
    let mut client = Client { tcp: TcpStream::connect(address).await.expect("listening"), read: Vec::new() };
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await, "done");
    timeout(LONG, serving).await.expect("bounded").expect("no panic");
}
