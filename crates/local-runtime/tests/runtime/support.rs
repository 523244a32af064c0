//! A runtime with one function, and a gate that holds invocations until they are let through.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use local_runtime::{
    Credentials, FunctionSpec, Invocation, InvokeError, InvokeOptions, OutputLine, Runtime, RuntimeSettings,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longer than anything here should take.
pub(crate) const LONG: Duration = Duration::from_mins(1);

pub(crate) struct Stack {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) output: mpsc::Receiver<OutputLine>,
    pub(crate) shutdown: CancellationToken,
}

impl Stack {
    pub(crate) async fn start(spec: FunctionSpec) -> Self {
        Self::start_with(spec, |_| {}).await
    }

    pub(crate) async fn start_with(spec: FunctionSpec, adjust: impl FnOnce(&mut RuntimeSettings)) -> Self {
        let (sink, output) = mpsc::channel(10_000);
        let shutdown = CancellationToken::new();
        let mut settings = RuntimeSettings::new("eu-central-1", Arc::new(now), sink, shutdown.clone());
        adjust(&mut settings);
        let runtime = Runtime::start(settings).await.expect("a free port");
        runtime.set_functions(vec![spec]);
        Self { runtime, output, shutdown }
    }

    pub(crate) async fn invoke(&self, payload: Value) -> Result<Invocation, InvokeError> {
        invoke(&self.runtime, payload).await
    }

    /// Invokes and expects an answer, which is parsed.
    pub(crate) async fn answer(&self, payload: Value) -> (Invocation, Value) {
        let invocation = self.invoke(payload).await.expect("run");
        let value = serde_json::from_slice(&invocation.payload).expect("JSON");
        (invocation, value)
    }

    /// Invokes and expects a failure: its type and message.
    pub(crate) async fn failure(&self, payload: Value) -> (Invocation, String, String) {
        let (invocation, value) = self.answer(payload).await;
        assert_eq!(invocation.function_error.as_deref(), Some("Unhandled"), "{value}");
        let text = |key: &str| value[key].as_str().expect("a string").to_owned();
        (invocation, text("errorType"), text("errorMessage"))
    }

    /// The function still answers.
    pub(crate) async fn assert_works(&self) -> Invocation {
        let (invocation, value) = self.answer(json!({ "n": 42 })).await;
        assert_eq!((invocation.function_error.as_deref(), &value["n"]), (None, &json!(42)));
        invocation
    }
}

pub(crate) async fn invoke(runtime: &Runtime, payload: Value) -> Result<Invocation, InvokeError> {
    let payload = Bytes::from(payload.to_string());
    timeout(LONG, runtime.invoke("function", payload, InvokeOptions::default())).await.expect("in time")
}

#[expect(clippy::disallowed_methods, reason = "the processes judge their deadlines by the real clock")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn spec(max_environments: usize) -> FunctionSpec {
    FunctionSpec {
        name: "function".into(),
        binary: binary(),
        arn: "arn:aws:lambda:eu-central-1:000000000000:function:function".into(),
        timeout: Duration::from_secs(30),
        memory_mb: 128,
        environment: BTreeMap::new(),
        credentials: Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "role-secret".into(),
            session_token: Some("role-token".into()),
        },
        max_environments,
    }
}

/// The function in one of the modes that `examples/function.rs` describes.
pub(crate) fn mode(mode: &str) -> FunctionSpec {
    FunctionSpec { environment: BTreeMap::from([("FUNCTION_MODE".into(), mode.into())]), ..spec(2) }
}

/// Cargo builds examples with the tests, beside the folder that the tests are in.
fn binary() -> PathBuf {
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.extend(["examples", "function"]);
    assert!(path.exists(), "{} is missing: `cargo build -p local-runtime --examples`", path.display());
    path
}

/// Where functions that were told to `wait` report and are held.
pub(crate) struct Gate {
    listener: TcpListener,
}

impl Gate {
    pub(crate) async fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    /// A payload that waits here, with a number to be told by.
    pub(crate) fn wait(&self, n: u64) -> Value {
        json!({ "act": "wait", "n": n, "port": self.listener.local_addr().expect("bound").port() })
    }

    /// The next invocation that has arrived, held.
    pub(crate) async fn arrival(&self) -> Held {
        let (stream, _) = timeout(LONG, self.listener.accept()).await.expect("in time").expect("a socket");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a number");
        Held { n: line.trim().parse().expect("a number"), stream }
    }
}

pub(crate) struct Held {
    pub(crate) n: u64,
    stream: BufReader<TcpStream>,
}

impl Held {
    pub(crate) async fn release(mut self) {
        self.stream.write_all(b"x").await.expect("the function waits");
    }
}

/// Waits until something becomes true that nothing announces.
pub(crate) async fn eventually(mut is_true: impl FnMut() -> bool) {
    let wait = async {
        while !is_true() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, wait).await.expect("in time");
}
