//! The whole service over a socket, for tests.

use std::net::SocketAddr;
use std::sync::Mutex;

use iam_policy::{Kind, Named, Policy};
use local_http::{Limits, Stream};
use serde_json::json;
use stack_template::Role;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::DropGuard;

use super::*;
use crate::Dynamo;
use crate::front::{Front, Service, Services};
use crate::principals::Principals;
use crate::sigv4::Verifier;
use crate::testing::{REGION, Signer, request};

const ACCOUNT: &str = "123456789012";
/// Longer than anything here should take.
pub(super) const LONG: Duration = Duration::from_secs(30);
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The real time, which s3s judges the signatures of bodies in chunks by.
#[expect(clippy::disallowed_methods, reason = "s3s judges by the real clock, which it reads itself")]
pub(super) fn real() -> SystemTime {
    SystemTime::now()
}

/// The real clock, with a stack's time that can be moved ahead.
#[derive(Default)]
pub(super) struct Jumped(pub(super) Mutex<Option<(SystemTime, Duration)>>);

impl Clock for Jumped {
    fn now(&self) -> SystemTime {
        real()
    }

    fn stack_time(&self, at: SystemTime) -> SystemTime {
        match *self.0.lock().expect("no panic") {
            Some((since, by)) if at >= since => at + by,
            Some(_) | None => at,
        }
    }
}

/// The services that nobody asks here.
struct Nothing;

impl Service for Nothing {
    fn call(&self, _: Request, _: Arc<Principal>) -> BoxFuture<'_, Response> {
        panic!("only S3 is asked here")
    }
}

pub(super) struct Server {
    folder: TempDir,
    pub(super) principals: Arc<Principals>,
    admin: Arc<Principal>,
    pub(super) clock: Arc<Jumped>,
    address: SocketAddr,
    _stop: DropGuard,
}

/// A role that may put and get the objects of one tenant, and list nothing.
fn tenant() -> Role {
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
    }});
    let own = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": "arn:aws:s3:::files/t/acme/*",
    }});
    Role {
        logical_id: "Tenant".to_owned(),
        name: "tenant".to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:role/tenant"),
        trust: Policy::parse(&trust, Kind::Trust).expect("a trust policy"),
        policies: vec![Named {
            name: "own".to_owned(),
            policy: Policy::parse(&own, Kind::Identity).expect("a policy"),
        }],
        max_session: Duration::from_hours(1),
    }
}

impl Server {
    pub(super) async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let clock = Arc::new(Jumped::default());
        let principals = Arc::new(Principals::new(ACCOUNT));
        let admin = principals.issue_admin().expect("random numbers");
        let dynamo = Dynamo::open(None).expect("memory");
        let iam = Arc::new(Iam::new(ACCOUNT, REGION, &dynamo, Arc::clone(&clock) as _));
        iam.set_roles(&[tenant()]);
        let s3 = S3::open(Some(folder.path()), Arc::clone(&iam), Arc::clone(&clock) as _, REGION);
        let s3 = s3.expect("an empty folder");
        let bucket = Bucket {
            logical_id: "FilesBucket".to_owned(),
            name: "files".to_owned(),
            cors: Vec::new(),
            abort_uploads_after: None,
        };
        s3.ensure_buckets(&[bucket]).expect("a new bucket");
        let verifier = Verifier::new(Arc::clone(&principals), REGION, Arc::clone(&clock) as _);
        let nothing: Arc<dyn Service> = Arc::new(Nothing);
        let services = Services {
            dynamodb: Arc::clone(&nothing),
            api_gateway: Arc::clone(&nothing),
            lambda: Arc::clone(&nothing),
            sts: nothing,
            s3: Arc::new(s3),
        };
        let front = Arc::new(Front::new(Arc::new(verifier.expect("random numbers")), iam, services));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let limits = Limits { max_header_bytes: 32_768, ..Limits::default() };
        tokio::spawn(local_http::serve_streams(
            listener,
            limits,
            stop.clone(),
            move |request: Request<Stream>| {
                let front = Arc::clone(&front);
                async move { front.handle(request).await }
            },
        ));
        Self { folder, principals, admin, clock, address, _stop: stop.drop_guard() }
    }

    pub(super) fn signer(&self) -> Signer {
        Signer { at: real(), ..Signer::of(&self.admin, "s3") }
    }

    /// Sends a head, and what is given of its body. The client then waits.
    pub(super) async fn send(&self, request: &Request, length: usize, body: &[u8]) -> TcpStream {
        let Request { method, uri, headers, .. } = request;
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}\r\n", value.to_str().expect("text"))
        };
        let headers: Vec<String> = headers.iter().map(line).collect();
        let headers = headers.concat();
        let head = format!(
            "{method} {uri} HTTP/1.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        let mut tcp = TcpStream::connect(self.address).await.expect("listening");
        tcp.write_all(&[head.as_bytes(), body].concat()).await.expect("the server reads");
        tcp
    }

    pub(super) async fn ask(&self, request: &Request, body: &[u8]) -> Answer {
        let mut tcp = self.send(request, body.len(), body).await;
        let mut all = Vec::new();
        timeout(LONG, tcp.read_to_end(&mut all)).await.expect("in time").expect("no reset");
        let end = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head, body: all.split_off(end + 4) }
    }

    /// Asks the administrator's way, without a body.
    pub(super) async fn admin(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let request = signed(&self.signer(), request(method, target, headers, ""), UNSIGNED);
        self.ask(&request, b"").await
    }

    /// How many files are being written, and how many blobs there are.
    fn files(&self) -> (usize, usize) {
        let count = |folder: &Path| std::fs::read_dir(folder).expect("a folder").count();
        let blobs = std::fs::read_dir(self.folder.path().join("blobs")).expect("a folder");
        let blobs = blobs.map(|folder| count(&folder.expect("an entry").path())).sum();
        (count(&self.folder.path().join("staging")), blobs)
    }

    /// Waits until there are so many files.
    pub(super) async fn until(&self, files: (usize, usize)) {
        let wait = async {
            while self.files() != files {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, wait).await.unwrap_or_else(|_| panic!("there are {:?}", self.files()));
    }

    /// Requires that nothing at all was kept.
    pub(super) async fn holds_nothing(&self) {
        self.until((0, 0)).await;
        let listed = self.admin("GET", "/files?list-type=2", &[]).await;
        assert!(listed.text().contains("<KeyCount>0</KeyCount>"), "{}", listed.text());
    }
}

/// An answer, as it came.
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The status, and the error's code.
    pub(super) fn code(&self) -> (u16, String) {
        let text = self.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        (self.status, code.map_or_else(|| text.clone(), |(code, _)| code.to_owned()))
    }
}

/// A request that says this of its body: nothing, its hash, or its form.
pub(super) fn signed(signer: &Signer, mut request: Request, payload: &str) -> Request {
    request.headers.insert("x-amz-content-sha256", payload.parse().expect("text"));
    signer.sign(request)
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    use s3s::crypto::{Checksum as _, Sha256};
    hex(&Sha256::checksum(bytes))
}
