//! A function that behaves as the last segment of its route says, well or badly.
//!
//! It stands behind the fixture template's routes, so that the conformance cases see what the gateway and the
//! runtime make of every kind of answer, with a real process and the real client library.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lambda_runtime::{Context, Error, LambdaEvent, run, service_fn};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// How long `nap` takes: long enough for requests that are sent at once to meet.
const NAP: Duration = Duration::from_secs(1);
/// How long the Runtime API may take for an answer that is given by hand.
const BY_HAND: Duration = Duration::from_secs(2);
/// The variables whose values `env` tells. None of them is a secret.
const TOLD: [&str; 13] = [
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_REGION",
    "LAMBDA_TASK_ROOT",
    "TZ",
    "_HANDLER",
];

/// Invocations that this environment runs now.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// What the Runtime API said to the last answer that was given by hand.
static REMEMBERED: Mutex<Value> = Mutex::new(Value::Null);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(behave)).await
}

async fn behave(event: LambdaEvent<Value>) -> Result<Box<RawValue>, Error> {
    let (event, context) = event.into_parts();
    if let Some(address) = event["report"].as_str() {
        report(address)?;
    }
    let resource = event["resource"].as_str().ok_or("the event names no resource")?;
    let response = match resource.rsplit('/').next() {
        // The root resource echoes as well, and the one whose last segment is a parameter.
        Some("echo" | "" | "{rest+}") => told(&event),
        // Kept as text, so that the order of fields and the form of numbers stay the test's own.
        Some("respond") => {
            let body = event["body"].as_str().ok_or("the request has no body")?;
            return Ok(RawValue::from_string(body.to_owned())?);
        }

        Some("binary") => json!({
            "statusCode": 200,
            "headers": { "content-type": "image/png" },
            "isBase64Encoded": true,
            "body": "AAECA/8=",
        }),
        Some("context") => told(&tell_context(&context)),
        Some("env") => told(&tell_environment()),
        Some("nap") => {
            let at_once = nap().await;
            told(&json!({ "at_once": at_once, "log_stream": variable("AWS_LAMBDA_LOG_STREAM_NAME") }))
        }

        Some("answer") => {
            let said = answer_by_hand(&context.request_id, &sized(bytes(&event)?))?;
            *REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner) = said;
            // The invocation is over: this second answer is refused, which the library survives.
            told(&Value::Null)
        }
        Some("remembered") => {
            told(&std::mem::take(&mut *REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner)))
        }

        Some("big") => return Ok(RawValue::from_string(sized(bytes(&event)?))?),

        Some("error") => return Err("the fixture was asked to fail".into()),
        Some("exit") => std::process::exit(1),
        Some("hang") => std::future::pending().await,
        Some("panic") => panic!("the fixture was asked to panic"),
        Some(_) | None => return Err(format!("the fixture does not know how to behave at {resource}").into()),
    };
    Ok(to_raw_value(&response)?)
}

/// Lets a test that has sent an event know that it runs. No request through a gateway can ask for it.
fn report(address: &str) -> Result<(), Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(BY_HAND))?;
    Ok(stream.write_all(b"running")?)
}

/// A response whose body is JSON.
fn told(body: &Value) -> Value {
    json!({
        "statusCode": 200,
        "headers": { "content-type": "application/json" },
        "body": body.to_string(),
    })
}

fn tell_context(context: &Context) -> Value {
    // A deadline that lies ahead has not elapsed yet, and the error says by how much.
    let left = context.deadline().elapsed().err().map(|ahead| ahead.duration().as_millis());
    json!({
        "request_id": context.request_id,
        "left_millis": left.and_then(|left| u64::try_from(left).ok()),
        "function_arn": context.invoked_function_arn,
        "trace_id": context.xray_trace_id,
    })
}

/// The names of all variables, and the values of those that are no secrets.
fn tell_environment() -> Value {
    let mut names: Vec<_> =
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    names.sort();
    let values: BTreeMap<_, _> = TOLD.into_iter().map(|name| (name, variable(name))).collect();
    json!({ "names": names, "values": values })
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// How many invocations there are in this environment, this one included.
async fn nap() -> usize {
    let at_once = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
    tokio::time::sleep(NAP).await;
    RUNNING.fetch_sub(1, Ordering::SeqCst);
    at_once
}

/// The size that the request asks for.
fn bytes(event: &Value) -> Result<usize, Error> {
    let asked = event["queryStringParameters"]["bytes"].as_str().ok_or("the request asks for no size")?;
    Ok(asked.parse()?)
}

/// A proxy response whose JSON has exactly so many bytes.
fn sized(bytes: usize) -> String {
    let (before, after) = (r#"{"statusCode":200,"body":""#, r#""}"#);
    let filling = "x".repeat(bytes.saturating_sub(before.len() + after.len()));
    format!("{before}{filling}{after}")
}

/// Answers an invocation past the library, and gives the Runtime API's status and body.
fn answer_by_hand(request_id: &str, response: &str) -> Result<Value, Error> {
    let api = variable("AWS_LAMBDA_RUNTIME_API").ok_or("there is no Runtime API")?;
    // On AWS it is a host and a port; locally a whole address with the environment's own path.
    let address = api.strip_prefix("http://").unwrap_or(&api);
    let (host, folder) = address.split_at(address.find('/').unwrap_or(address.len()));
    let head = format!(
        "POST {folder}/2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\n\
         Host: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        response.len()
    );
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(BY_HAND))?;
    stream.set_write_timeout(Some(BY_HAND))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(response.as_bytes())?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    let status: u16 = said.split(' ').nth(1).ok_or("the Runtime API says nothing")?.parse()?;
    let body = said.split_once("\r\n\r\n").map(|(_, body)| body);
    Ok(json!({ "status": status, "body": body }))
}
