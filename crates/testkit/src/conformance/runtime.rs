//! Lambda, as a function sees it.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::check::{expect, expect_bad_gateway, expect_eq, expect_status, json_of};
use super::{Case, Check, Run, Tag, Target};

pub(super) const SECTION: &str = "Lambda Runtime API";

/// What every function finds in its environment.
const VARIABLES: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_TASK_ROOT",
    "TZ",
    "_HANDLER",
];
/// The fixture function's time-out in milliseconds.
const TIMEOUT_MILLIS: u64 = 3_000;
/// Requests that are sent at once.
const AT_ONCE: usize = 4;
/// How often they are. One of them may come so late that the environment of another is free again.
const TRIES: usize = 3;

fn case(tag: Tag, name: &'static str, run: Run) -> Case {
    Case::new(SECTION, tag, name, run)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(Tag::Documented, "An invocation comes with an id, a deadline and the function's ARN", |t| {
            Box::pin(context(t))
        }),
        case(Tag::Documented, "An invocation belongs to the trace of its request", |t| Box::pin(trace(t))),
        case(Tag::Documented, "An answer that is given is told 202 and OK", |t| Box::pin(accepted(t))),
        case(Tag::Documented, "An answer that is too large is told 413", |t| Box::pin(too_large(t)))
            .local("a server may break a large upload off before its answer is read"),
        case(Tag::Documented, "A function's environment has Lambda's variables", |t| Box::pin(variables(t))),
        case(Tag::Documented, "The variables name the function, its region and its version", |t| {
            Box::pin(values(t))
        }),
        case(Tag::Assumed, "AWS_EXECUTION_ENV names provided.al2023", |t| Box::pin(execution_env(t)))
            .local("AWS's page says that runtimes without a language do not get the variable"),
        case(Tag::Documented, "AWS_ENDPOINT_URL leads to the local services", |t| Box::pin(endpoint_url(t)))
            .local("on AWS there is none"),
        case(Tag::Documented, "An environment runs one invocation at a time", |t| Box::pin(one_at_a_time(t))),
    ]
}

async fn ask(target: &Target, path: &str) -> Result<Value, String> {
    let answer = target.get(target.open().await?, path).await?;
    expect_status(path, &answer, 200)?;
    json_of(&answer)
}

async fn context(target: &Target) -> Check {
    let (one, other) = (ask(target, "/fixture/context").await?, ask(target, "/fixture/context").await?);
    for told in [&one, &other] {
        let id = told["request_id"].as_str().unwrap_or_default();
        expect(id.parse::<uuid::Uuid>().is_ok(), || format!("the id is {id:?}"))?;
        let left = told["left_millis"].as_u64().unwrap_or_default();
        expect((1..=TIMEOUT_MILLIS).contains(&left), || format!("the deadline is {left} ms ahead"))?;
        let arn = told["function_arn"].as_str().unwrap_or_default();
        let begins = format!("arn:aws:lambda:{}:", target.region());
        expect(arn.starts_with(&begins) && arn.contains(":function:fixture"), || {
            format!("the ARN is {arn}")
        })?;
    }
    expect(one["request_id"] != other["request_id"], || "two invocations have one id".to_owned())
}

async fn trace(target: &Target) -> Check {
    let answer = target.get(target.open().await?, "/fixture/context").await?;
    let told = json_of(&answer)?;
    let told = told["trace_id"].as_str().unwrap_or_default();
    let root = answer.header("x-amzn-trace-id").split(';').next().unwrap_or_default();
    expect(root.starts_with("Root=1-") && told.starts_with(root), || {
        format!("the request's trace is {root:?}, the function's {told:?}")
    })
}

/// What the Runtime API told the function that gave an answer of so many bytes by hand. The environment that
/// was used last is the next one's, so that it is asked at once; another one remembers nothing.
async fn told(target: &Target, bytes: usize, wanted: u16) -> Result<Value, String> {
    for _ in 0..5 {
        let answer = target.get(target.open().await?, &format!("/fixture/answer?bytes={bytes}")).await?;
        if wanted < 300 {
            expect_status("an answer by hand", &answer, 200)?;
        } else {
            expect_bad_gateway("an answer by hand", &answer)?;
        }
        let told = ask(target, "/fixture/remembered").await?;
        if !told.is_null() {
            return Ok(told);
        }
    }
    Err("no environment remembers what it was told".to_owned())
}

async fn accepted(target: &Target) -> Check {
    let told = told(target, 100, 202).await?;
    expect_eq("the status", &told["status"], &json!(202))?;
    let body: Value = serde_json::from_str(told["body"].as_str().unwrap_or_default()).unwrap_or_default();
    expect_eq("the body", &body, &json!({ "status": "OK" }))
}

async fn too_large(target: &Target) -> Check {
    let told = told(target, 7 * 1024 * 1024, 413).await?;
    expect_eq("the status", &told["status"], &json!(413))
}

async fn variables(target: &Target) -> Check {
    let told = ask(target, "/fixture/env").await?;
    let names: Vec<_> = told["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let missing: Vec<_> = VARIABLES.into_iter().filter(|name| !names.contains(name)).collect();
    expect(missing.is_empty(), || format!("there is no {}", missing.join(", ")))
}

async fn values(target: &Target) -> Check {
    let told = ask(target, "/fixture/env").await?;
    for (name, wanted) in [
        ("AWS_DEFAULT_REGION", target.region()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_NAME", "fixture"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/fixture"),
        ("AWS_REGION", target.region()),
        ("TZ", ":UTC"),
        ("_HANDLER", "bootstrap"),
    ] {
        expect_eq(name, &told["values"][name], wanted)?;
    }
    let stream = told["values"]["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap_or_default();
    expect(stream.contains("[$LATEST]"), || format!("AWS_LAMBDA_LOG_STREAM_NAME is {stream:?}"))
}

async fn execution_env(target: &Target) -> Check {
    let told = ask(target, "/fixture/env").await?;
    expect_eq("AWS_EXECUTION_ENV", &told["values"]["AWS_EXECUTION_ENV"], "AWS_Lambda_provided.al2023")
}

async fn endpoint_url(target: &Target) -> Check {
    let told = ask(target, "/fixture/env").await?;
    let url = told["values"]["AWS_ENDPOINT_URL"].as_str().unwrap_or_default();
    expect(url.starts_with("http://127.0.0.1:"), || format!("AWS_ENDPOINT_URL is {url:?}"))
}

async fn one_at_a_time(target: &Target) -> Check {
    // Made ready first, so that the requests are sent at once.
    target.open().await?;
    let mut environments = BTreeSet::new();
    for _ in 0..TRIES {
        environments.clear();
        let answers = join_all((0..AT_ONCE).map(|_| ask(target, "/fixture/nap"))).await;
        for told in answers {
            let told = told?;
            expect_eq("invocations at once in one environment", &told["at_once"], &json!(1))?;
            // Each environment has a log stream of its own.
            let stream = told["log_stream"].as_str().ok_or("the function has no log stream")?;
            environments.insert(stream.to_owned());
        }
        if environments.len() == AT_ONCE {
            return Ok(());
        }
    }
    Err(format!("{AT_ONCE} requests at once were run by {} environments", environments.len()))
}
