//! A function that behaves as the last segment of its route says, well or badly.
//!
//! It stands behind the fixture template's routes, so that tests see what the gateway and the runtime make of
//! every kind of answer, with a real process and the real client library.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

/// More than Lambda lets a function answer with: 6 MiB and 100 bytes.
const TOO_MANY_BYTES: usize = 7 * 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(behave)).await
}

async fn behave(event: LambdaEvent<Value>) -> Result<Box<RawValue>, Error> {
    let event = event.payload;
    let resource = event["resource"].as_str().ok_or("the event names no resource")?;
    let response = match resource.rsplit('/').next() {
        Some("echo") => json!({
            "statusCode": 200,
            "headers": { "content-type": "application/json" },
            "body": event.to_string(),
        }),
        // Kept as text, so that the order of fields and the form of numbers stay the test's own.
        Some("respond") => {
            let body = event["body"].as_str().ok_or("the request has no body")?;
            return Ok(RawValue::from_string(body.to_owned())?);
        }

        Some("binary") => json!({
            "statusCode": 200,
            "headers": { "content-type": "application/octet-stream" },
            "isBase64Encoded": true,
            "body": "AAECA/8=",
        }),
        Some("boolean-header") => {
            json!({ "statusCode": 200, "headers": { "x-boolean": true }, "body": "{}" })
        }
        Some("headers") => json!({
            "statusCode": 200,
            "headers": { "x-single": "single", "x-both": "single" },
            "multiValueHeaders": { "X-Multi": ["first", "second"], "X-Both": ["first", "second"] },
            "body": "{}",
        }),
        Some("no-status") => json!({ "body": "{}" }),
        Some("string-status") => json!({ "statusCode": "201", "body": "{}" }),

        Some("big") => json!({ "statusCode": 200, "body": "x".repeat(TOO_MANY_BYTES) }),
        Some("garbage") => json!("not a proxy response"),
        Some("unknown-field") => json!({ "statusCode": 200, "body": "{}", "surprise": true }),

        Some("error") => return Err("the fixture was asked to fail".into()),
        Some("exit") => std::process::exit(1),
        Some("hang") => std::future::pending().await,
        Some("panic") => panic!("the fixture was asked to panic"),
        Some(_) | None => return Err(format!("the fixture does not know how to behave at {resource}").into()),
    };
    Ok(to_raw_value(&response)?)
}
