//! A function that behaves as it is told, for this crate's own tests.
//!
//! `FUNCTION_MODE` chooses what the process does; without it, each event says what to do. The modes speak the
//! Runtime API by hand where a well-behaved client library would not do what is to be tried out.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, exit};

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

fn main() -> Result<(), Error> {
    let environment = environment();
    match environment.get("FUNCTION_MODE").map(String::as_str) {
        None => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(service_fn(act)))
        }
        Some("init-exit") => exit(3),
        Some("init-hang") => hang(),
        Some(mode) => by_hand(mode, &Api::of(&environment)),
    }
}

async fn act(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = event.into_parts();
    match event["act"].as_str() {
        Some("environment") => return Ok(json!(environment())),
        Some("error") => return Err("as it was told".into()),
        Some("exit") => exit(1),
        Some("hang") => hang(),
        Some("kill") => {
            Command::new("kill").args(["-9", &std::process::id().to_string()]).status()?;
            hang();
        }
        Some("large") => {
            let bytes = event["bytes"].as_u64().ok_or("bytes are missing")?;
            return Ok(Value::String("x".repeat(usize::try_from(bytes)?)));
        }
        Some("panic") => panic!("as it was told"),
        Some("print") => {
            std::io::stdout().write_all(b"to stdout\n")?;
            std::io::stderr().write_all(b"to stderr\n")?;
        }
        Some("wait") => {
            let port = u16::try_from(event["port"].as_u64().ok_or("the port is missing")?)?;
            let mut gate = TcpStream::connect(("127.0.0.1", port))?;
            writeln!(gate, "{}", event["n"])?;
            gate.read_exact(&mut [0])?;
        }
        Some(_) | None => {}
    }
    Ok(json!({
        "pid": std::process::id(),
        "n": event["n"],
        "request_id": context.request_id,
        "deadline": context.deadline,
        "arn": context.invoked_function_arn,
        "trace_id": context.xray_trace_id,
    }))
}

/// Fetches events and answers them without a client library.
fn by_hand(mode: &str, api: &Api) -> Result<(), Error> {
    if mode == "init-error" {
        api.call("POST", "/runtime/init/error", r#"{"errorType":"Own.Init","errorMessage":"no luck"}"#)?;
        exit(1);
    }
    loop {
        let (head, _) = api.call("GET", "/runtime/invocation/next", "")?;
        let id = head
            .lines()
            .find_map(|line| line.strip_prefix("lambda-runtime-aws-request-id: "))
            .ok_or("the event has no id")?;
        let response = format!("/runtime/invocation/{id}/response");
        match mode {
            "garbage" => drop(api.call("POST", &response, "not { JSON")?),
            "leave" => {
                api.call("POST", &response, "{}")?;
                exit(0);
            }
            "protocol" => {
                let status = |(head, _): (String, String)| head.split(' ').nth(1).map(str::to_owned);
                let statuses = json!({
                    "next while running": status(api.call("GET", "/runtime/invocation/next", "")?),
                    "unknown id": status(api.call("POST", "/runtime/invocation/another/response", "{}")?),
                    "late init error": status(api.call("POST", "/runtime/init/error", "{}")?),
                    "no such call": status(api.call("GET", "/runtime/nothing", "")?),
                    "another's path": status(Api { path: String::new(), ..api.clone() }.call("GET", "/runtime/invocation/next", "")?),
                });
                api.call("POST", &response, &statuses.to_string())?;
            }
            _ => return Err("an unknown mode".into()),
        }
    }
}

#[derive(Clone)]
struct Api {
    host: String,
    path: String,
}

impl Api {
    fn of(environment: &BTreeMap<String, String>) -> Self {
        let address = environment["AWS_LAMBDA_RUNTIME_API"].strip_prefix("http://").expect("a scheme");
        let (host, path) = address.split_once('/').expect("a path");
        Self { host: host.to_owned(), path: format!("/{path}") }
    }

    /// One call on a connection of its own: the answer's head and body.
    fn call(&self, method: &str, path: &str, body: &str) -> Result<(String, String), Error> {
        let mut stream = TcpStream::connect(&self.host)?;
        write!(
            stream,
            "{method} {}/2018-06-01{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.path,
            self.host,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer has no end")?;
        Ok((head.to_owned(), body.to_owned()))
    }
}

fn environment() -> BTreeMap<String, String> {
    #[expect(clippy::disallowed_methods, reason = "what a function finds in its environment is under test")]
    std::env::vars().collect()
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}
