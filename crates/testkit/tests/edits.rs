//! Edits of the templates and the sources while requests are running.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Stack, StackProcess, request, workspace};

/// No edit may take longer until it is in force or refused.
const PATIENCE: Duration = Duration::from_secs(30);

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The templates of a test, with acme's `GET /tenant` as the route whose burst is edited: it never refills, so
/// each request that a larger burst lets through can be counted.
struct Edited {
    template: String,
    plans: String,
    memory: u64,
    burst: u64,
}

impl Edited {
    fn template(&self) -> String {
        self.template.replace("MemorySize: 256", &format!("MemorySize: {}", self.memory))
    }

    fn plans(&self) -> String {
        let row =
            format!(r#""/tenant/GET":                       {{ RateLimit: 0, BurstLimit: {} }}"#, self.burst);
        self.plans
            .replacen(r#""/tenant/GET":                       { RateLimit: 5, BurstLimit: 10 }"#, &row, 1)
            .replace(
                "Throttle: { RateLimit: 5, BurstLimit: 10 }",
                "Throttle: { RateLimit: 9000, BurstLimit: 9000 }",
            )
    }

    /// A text that must be refused.
    fn broken(&self, dice: &mut Dice) -> (bool, String) {
        let plans = self.plans();
        match dice.roll(7) {
            0 => (false, plans.replace("BurstLimit", "BurstLmit")),
            1 => (false, plans.replace("/tenant/GET", "/tenants/GET")),
            2 => (false, plans.replace("RateLimit: 0", "RateLimit: -1")),
            3 => (false, plans.replace("Resources:", "Resources: [")),
            4 => (false, String::new()),
            5 => (true, self.template().replace("Timeout: 10", "Timeout: soon")),
            _ => (
                true,
                self.template().replace("  records-get", "\trecords-get").replace("Globals:", "Globals: &"),
            ),
        }
    }
}

async fn status(stack: &Stack) -> Value {
    stack.local("GET", "templates", "").await.json()
}

/// Waits until what the stack says of its templates is as it must become.
async fn until(stack: &Stack, is_so: impl Fn(&Value) -> bool) -> Value {
    let begin = Instant::now();
    loop {
        let now = status(stack).await;
        if is_so(&now) {
            return now;
        }
        assert!(begin.elapsed() < PATIENCE, "the edit is not judged: {now}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Writes both files as they should be and waits until they are in force.
async fn put_in_force(stack: &Stack, edited: &Edited, files: [&Path; 2]) {
    let before = status(stack).await;
    std::fs::write(files[0], edited.template()).expect("written");
    std::fs::write(files[1], edited.plans()).expect("written");
    let is_new = |now: &Value| now["in_force_since"] != before["in_force_since"] && now["refused"].is_null();
    until(stack, is_new).await;
}

#[tokio::test]
async fn two_hundred_edits_under_load_drop_no_request_lose_no_count_and_never_leave_wrong_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let infra =
        |name: &str| std::fs::read_to_string(workspace().join("infra").join(name)).expect("a template");
    let mut edited =
        Edited { template: infra("template.yaml"), plans: infra("usage-plans.yaml"), memory: 256, burst: 0 };
    let (template, plans) = (folder.path().join("template.yaml"), folder.path().join("usage-plans.yaml"));
    std::fs::write(&template, edited.template()).expect("written");
    std::fs::write(&plans, edited.plans()).expect("written");
    let stack = Arc::new(
        Stack::with(|options| (options.template, options.usage_plans) = (template.clone(), plans.clone()))
            .await,
    );

    let (over, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..2)
        .map(|_| {
            let (stack, over, served) = (Arc::clone(&stack), Arc::clone(&over), Arc::clone(&served));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let answer = stack.as_tenant("globex", "GET", "/records/notes/first", "").await;
                    match answer.status {
                        200 => drop(served.fetch_add(1, Ordering::Relaxed)),
                        429 => tokio::time::sleep(Duration::from_millis(5)).await,
                        _ => panic!("a request was dropped: {answer:?}"),
                    }
                }
            })
        })
        .collect();

    let mut dice = Dice(0x7e7a_7217);
    let mut refused_edits = 0;
    let mut passed_of_acme = 0;
    for edit in 0..200 {
        let mut expected = 0;
        match dice.roll(5) {
            0 | 1 => {
                if !status(&stack).await["refused"].is_null() {
                    put_in_force(&stack, &edited, [&template, &plans]).await;
                }
                let before = status(&stack).await;
                let (in_template, text) = edited.broken(&mut dice);
                std::fs::write(if in_template { &template } else { &plans }, &text).expect("written");
                let told = until(&stack, |now| !now["refused"].is_null()).await;
                let finding = told["refused"]["findings"][0].as_str().unwrap_or_default().to_owned();
                let file = if in_template { "template.yaml:" } else { "usage-plans.yaml:" };
                assert!(finding.contains(file), "edit {edit} is refused by file and line: {told}\n{text}");
                assert_eq!(told["in_force_since"], before["in_force_since"]);
                refused_edits += 1;
            }
            2 => {
                edited.memory = 256 + (edited.memory + 1) % 8;
                put_in_force(&stack, &edited, [&template, &plans]).await;
            }
            _ => {
                expected = 1 + usize::try_from(dice.roll(3)).expect("small");
                edited.burst += u64::try_from(expected).expect("small");
                put_in_force(&stack, &edited, [&template, &plans]).await;
            }
        }
        let mut passed = 0;
        for _ in 0..expected + 2 {
            let answer = stack.as_tenant("acme", "GET", "/tenant", "").await;
            assert!(matches!(answer.status, 200 | 429), "{answer:?}");
            passed += usize::from(answer.status == 200);
        }
        assert_eq!(passed, expected, "edit {edit} leaves a burst of {}", edited.burst);
        passed_of_acme += passed;
    }
    over.store(true, Ordering::Relaxed);
    for client in load {
        client.await.expect("no request was dropped");
    }
    assert!(refused_edits > 40 && passed_of_acme > 100, "{refused_edits} {passed_of_acme}");

    for (tenant, counted, quota) in
        [("globex", served.load(Ordering::Relaxed), 1_000_000), ("acme", passed_of_acme, 10_000)]
    {
        let key_id = &stack.tenant(tenant).api_key_id;
        let told = stack.local("GET", &format!("limits?api_key_id={key_id}"), "").await.json();
        let limits = told["limits"].as_array().expect("limits");
        let left = limits.iter().find(|limit| limit["limit"] == "quota").expect("a quota")["left"].as_f64();
        let left = format!("{:.0}", left.expect("a number")).parse::<usize>().expect("a count");
        assert_eq!(quota - left, counted, "{tenant}");
    }
}

#[tokio::test]
async fn a_new_route_works_within_a_second_of_its_edit() {
    let folder = tempfile::tempdir().expect("a folder");
    let template = folder.path().join("template.yaml");
    let text = std::fs::read_to_string(workspace().join("infra/template.yaml")).expect("the template");
    std::fs::write(&template, &text).expect("written");
    let stack = Stack::with(|options| options.template.clone_from(&template)).await;
    let ask = async |path| stack.as_tenant("globex", "GET", path, "").await.status;
    // A cold start is no part of the edit's time.
    assert_eq!((ask("/tenant").await, ask("/whoami").await), (200, 403));
    let route =
        r#"Route: { Type: Api, Properties: { RestApiId: !Ref DataApi, Method: GET, Path: "/tenant" } }"#;
    let further = route.replace("Route:", "Further:").replace("/tenant", "/whoami");
    let changed = text.replace(route, &format!("{route}\n        {further}"));
    assert_ne!(changed, text);
    let edit = Instant::now();
    std::fs::write(&template, changed).expect("written");
    while ask("/whoami").await != 200 {
        assert!(edit.elapsed() < PATIENCE, "{}", status(&stack).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(edit.elapsed() < Duration::from_secs(1), "{:?}", edit.elapsed());
}

#[tokio::test]
async fn a_template_that_cannot_change_while_running_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let template = folder.path().join("template.yaml");
    let text = std::fs::read_to_string(workspace().join("infra/template.yaml")).expect("the template");
    std::fs::write(&template, &text).expect("written");
    let stack = Stack::with(|options| options.template.clone_from(&template)).await;
    for (from, to, said) in [
        ("StageName: v1", "StageName: v2", "stage v1"),
        ("  DataApi:", "  OtherApi:", "DataApi"),
        ("FunctionName: tenant-get", "FunctionName: tenant-got", "tenant-got has no binary"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&template, text.replace(from, to)).expect("written");
        until(&stack, |now| {
            now["refused"]["findings"][0].as_str().is_some_and(|finding| finding.contains(said))
        })
        .await;
        assert_eq!(stack.as_tenant("globex", "GET", "/tenant", "").await.status, 200);
    }
}

/// A function that needs nothing but the standard library, so that building it takes a second.
const FUNCTION: &str = r##"
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn main() {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let (host, id) = api.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let base = format!("/{id}/2018-06-01/runtime/invocation");
    loop {
        write!(stream, "GET {base}/next HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let (request_id, _) = answer(&mut reader);
        std::thread::sleep(std::time::Duration::from_millis(20));
        let body = r#"{"statusCode":200,"body":"VERSION"}"#;
        let length = body.len();
        write!(stream, "POST {base}/{request_id}/response HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        answer(&mut reader);
    }
}

fn answer(reader: &mut BufReader<TcpStream>) -> (String, Vec<u8>) {
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 { std::process::exit(0); }
        let line = line.trim();
        if line.is_empty() { break; }
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "lambda-runtime-aws-request-id" => id = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (id, body)
}
"##;

const TEMPLATE: &str = r"
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Resources:
  EchoApi:
    Type: AWS::Serverless::Api
    Properties: { StageName: v1, OpenApiVersion: 3.0.1, EndpointConfiguration: { Type: REGIONAL } }
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: echo
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: .
      Timeout: 5
      Events:
        Get: { Type: Api, Properties: { RestApiId: !Ref EchoApi, Method: GET, Path: /echo } }
";

fn write(workspace: &Path, path: &str, text: &str) {
    let path = workspace.join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, text).expect("written");
}

#[tokio::test]
async fn a_change_of_sources_is_built_and_served_without_dropping_a_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = folder.path().join("workspace");
    write(&workspace, "Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"functions/*\"]\n");
    write(
        &workspace,
        "functions/echo/Cargo.toml",
        "[package]\nname = \"echo\"\nversion = \"0.0.0\"\nedition = \"2021\"\n",
    );
    let version = |version: &str| FUNCTION.replace("VERSION", version);
    write(&workspace, "functions/echo/src/main.rs", &version("one"));
    write(&workspace, "infra/template.yaml", TEMPLATE);
    write(&workspace, "infra/usage-plans.yaml", "Resources: {}\n");
    let binaries = workspace.join("target/debug");
    let flags = ["--ephemeral", "--no-seed", "--watch", "--binaries", &binaries.to_string_lossy()];
    let stack = StackProcess::start_in(&workspace, folder.path(), &flags).await;
    let log = folder.path().join("stack.log");
    let url = format!("{}/echo", stack.state.api_url);

    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (url, over) = (url.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let mut served = 0;
                while !over.load(Ordering::Relaxed) {
                    let answer = request("GET", &url, &[], "").await.expect("an answer");
                    assert_eq!(answer.status, 200, "{answer:?}");
                    served += 1;
                }
                served
            })
        })
        .collect();
    let serves = async |version: &str| {
        let begin = Instant::now();
        while request("GET", &url, &[], "").await.expect("an answer").body != version.as_bytes() {
            assert!(begin.elapsed() < PATIENCE, "version {version} is not served");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    serves("one").await;
    for change in ["two", "three", "four"] {
        write(&workspace, "functions/echo/src/main.rs", &version(change));
        serves(change).await;
    }
    // What does not compile changes nothing.
    write(&workspace, "functions/echo/src/main.rs", "fn main() { does not compile }");
    let begin = Instant::now();
    while !std::fs::read_to_string(&log).expect("the stack's log").contains("the build failed") {
        assert!(begin.elapsed() < PATIENCE, "nothing is said of the failed build");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    serves("four").await;
    write(&workspace, "functions/echo/src/main.rs", &version("five"));
    serves("five").await;
    over.store(true, Ordering::Relaxed);
    for client in load {
        assert!(client.await.expect("no request was dropped") > 10);
    }
    stack.kill().await;
}
