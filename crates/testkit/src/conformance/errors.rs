//! The gateway's own errors. Each is followed by a request that succeeds.

use aws_sdk_apigateway::types::{Op, PatchOperation};

use super::check::{
    MARK, expect_bad_gateway, expect_eq, expect_error, expect_error_type, expect_forbidden,
    expect_response_type, expect_status, expect_throttled, failed,
};
use super::target::Key;
use super::throttles::use_up;
use super::{Case, Check, Run, Tag, Target};

pub(super) const SECTION: &str = "Gateway errors";

/// The largest answer of a function, in bytes of its JSON.
const MAX_ANSWER: usize = 6_291_556;
/// The largest body that the gateway takes, in bytes.
const MAX_BODY: usize = 10_485_760;
/// Requests after which a limit must have refused one, although AWS keeps limits only as well as it can.
const ENOUGH: usize = 200;

fn case(tag: Tag, name: &'static str, run: Run) -> Case {
    Case::new(SECTION, tag, name, run)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(Tag::Measured, "A missing key is forbidden", |t| Box::pin(missing_key(t))),
        case(Tag::Measured, "An unknown key is forbidden", |t| Box::pin(unknown_key(t))),
        case(Tag::Measured, "A disabled key is forbidden", |t| Box::pin(disabled_key(t))),
        case(Tag::Documented, "A key in no plan of the stage is forbidden", |t| Box::pin(planless_key(t))),
        case(Tag::Measured, "An unknown path or method lacks an authentication token", |t| {
            Box::pin(unknown_route(t))
        }),
        case(Tag::Assumed, "A greedy parameter is never empty", |t| Box::pin(empty_greedy(t))),
        case(Tag::Measured, "A throttled request is a 429, Too Many Requests", |t| Box::pin(throttled(t))),
        case(Tag::Measured, "A used-up quota is a 429, Limit Exceeded", |t| Box::pin(used_up(t))),
        case(Tag::Assumed, "A used-up quota's error is a LimitExceededException", |t| {
            Box::pin(used_up_type(t))
        }),
        case(Tag::Measured, "An integration that takes too long is a 504", |t| Box::pin(timed_out(t))),
        case(Tag::Measured, "A function that panics is a 502", |t| Box::pin(misbehaves(t, "panic"))),
        case(Tag::Measured, "A function that exits is a 502", |t| Box::pin(misbehaves(t, "exit"))),
        case(Tag::Measured, "A function that hangs beyond its time-out is a 502", |t| {
            Box::pin(misbehaves(t, "hang"))
        }),
        case(Tag::Measured, "An answer over 6,291,556 bytes is a 502", |t| Box::pin(big_answer(t))),
        case(Tag::Measured, "A body over 10 MiB is a 413 in plain text", |t| Box::pin(over_10_mib(t))),
        case(Tag::Measured, "A body over Lambda's 6 MiB is a 413, Request Too Long", |t| {
            Box::pin(over_6_mib(t))
        }),
        case(Tag::Documented, "A customized response of the specific type goes before DEFAULT_4XX", |t| {
            Box::pin(specific(t))
        }),
        case(Tag::Documented, "DEFAULT_4XX customizes the types that have none of their own", |t| {
            Box::pin(default_4xx(t))
        }),
        case(Tag::Documented, "Without a customized response the built-in one is given", |t| {
            Box::pin(built_in(t))
        }),
        case(Tag::Measured, "The 413 for 10 MiB cannot be customized", |t| Box::pin(not_customizable(t))),
    ]
}

async fn missing_key(target: &Target) -> Check {
    let answer = target.call(None, "GET", "/fixture/echo", &[], "").await?;
    expect_forbidden("a request without a key", &answer)?;
    target.still_answers().await
}

async fn unknown_key(target: &Target) -> Check {
    let well_formed = target.fresh_value(40);
    for value in ["unknown", "", well_formed.as_str()] {
        let answer = target.call(None, "GET", "/fixture/echo", &[("x-api-key", value)], "").await?;
        expect_forbidden(&format!("the unknown key {value:?}"), &answer)?;
    }
    target.still_answers().await
}

async fn disabled_key(target: &Target) -> Check {
    let key = target.used_once("open").await?;
    let disable = PatchOperation::builder().op(Op::Replace).path("/enabled").value("false").build();
    let update = target.gateway().update_api_key().api_key(&key.id).patch_operations(disable);
    update.send().await.map_err(|error| failed("UpdateApiKey", &error))?;
    is_out_of_force(target, &key, "a disabled key").await?;
    target.still_answers().await
}

/// Waits until a key that has opened the stage is forbidden.
async fn is_out_of_force(target: &Target, key: &Key, what: &str) -> Check {
    let mut patience = target.patience();
    loop {
        match expect_forbidden(what, &target.get_once(key, "/fixture/echo").await?) {
            Ok(()) => return Ok(()),
            Err(reason) => patience.wait(|| reason).await?,
        }
    }
}

async fn planless_key(target: &Target) -> Check {
    // A key that has never opened the stage might be forbidden for being new.
    let key = target.used_once("open").await?;
    let open = target.plan("open").await?;
    let remove = target.gateway().delete_usage_plan_key().usage_plan_id(open).key_id(&key.id);
    remove.send().await.map_err(|error| failed("DeleteUsagePlanKey", &error))?;
    is_out_of_force(target, &key, "a key that was taken out of its plan").await?;
    target.attach(&key, "closed").await?;
    let answer = target.get_once(&key, "/fixture/echo").await?;
    expect_forbidden("a key in a plan that opens no stage", &answer)?;
    target.still_answers().await
}

async fn unknown_route(target: &Target) -> Check {
    for (method, path) in [("GET", "/nowhere"), ("GET", "/fixture"), ("DELETE", "/fixture/panic")] {
        leads_nowhere(target, method, path).await?;
    }
    target.still_answers().await
}

async fn empty_greedy(target: &Target) -> Check {
    leads_nowhere(target, "GET", "/all/").await?;
    target.still_answers().await
}

async fn leads_nowhere(target: &Target, method: &str, path: &str) -> Check {
    let what = format!("{method} {path}");
    let answer = target.call(Some(target.open().await?), method, path, &[], "").await?;
    expect_error(&what, &answer, 403, "Missing Authentication Token", "MissingAuthenticationTokenException")?;
    expect_response_type(&what, &answer, "MISSING_AUTHENTICATION_TOKEN")
}

async fn throttled(target: &Target) -> Check {
    let key = target.used_once("throttled").await?;
    for _ in 0..ENOUGH {
        let answer = target.get(&key, "/limited/echo").await?;
        if answer.status != 200 {
            expect_throttled("a request beyond the burst", &answer)?;
            expect_response_type("a request beyond the burst", &answer, "THROTTLED")?;
            return target.still_answers().await;
        }
    }
    Err(format!("{ENOUGH} requests passed a burst of 3"))
}

async fn used_up(target: &Target) -> Check {
    use_up(target, &mut target.limits_patience()).await?;
    target.still_answers().await
}

async fn used_up_type(target: &Target) -> Check {
    let (_, answer) = use_up(target, &mut target.limits_patience()).await?;
    expect_error_type("a request beyond the quota", &answer, "LimitExceededException")?;
    expect_response_type("a request beyond the quota", &answer, "QUOTA_EXCEEDED")?;
    target.still_answers().await
}

async fn timed_out(target: &Target) -> Check {
    let what = "a function that outlasts the gateway's patience";
    let answer = target.get(target.open().await?, "/slow/hang").await?;
    expect_error(what, &answer, 504, "Endpoint request timed out", "InternalServerErrorException")?;
    expect_response_type(what, &answer, "INTEGRATION_TIMEOUT")?;
    target.still_answers().await
}

async fn misbehaves(target: &Target, behaviour: &str) -> Check {
    let answer = target.get(target.open().await?, &format!("/fixture/{behaviour}")).await?;
    expect_bad_gateway(behaviour, &answer)?;
    target.still_answers().await
}

async fn big_answer(target: &Target) -> Check {
    let key = target.open().await?;
    let answer = target.get(key, &format!("/fixture/big?bytes={MAX_ANSWER}")).await?;
    expect_status("an answer of the largest size", &answer, 200)?;
    for bytes in [MAX_ANSWER + 1, 7 * 1024 * 1024] {
        let answer = target.get(key, &format!("/fixture/big?bytes={bytes}")).await?;
        expect_bad_gateway(&format!("an answer of {bytes} bytes"), &answer)?;
        target.still_answers().await?;
    }
    Ok(())
}

async fn over_10_mib(target: &Target) -> Check {
    // Lambda's limit is the lower one, so that the answer tells which of the two has refused.
    is_too_long(target, MAX_BODY).await?;
    let body = "x".repeat(MAX_BODY + 1);
    if let Some(answer) = target.call_too_large("POST", "/fixture/echo", &[], body).await? {
        expect_status("a body of 10,485,761 bytes", &answer, 413)?;
        expect_eq("its answer", &answer.body[..], &b"HTTP content length exceeded 10485760 bytes."[..])?;
        expect_error_type("a body of 10,485,761 bytes", &answer, "")?;
    }
    target.still_answers().await
}

async fn over_6_mib(target: &Target) -> Check {
    // The function answers with its request's body, whose spaces it leaves away. Around the body, the event
    // holds less than the hundred thousand bytes that there are to Lambda's limit.
    let mut body = r#"{"statusCode":200}"#.to_owned();
    body.push_str(&" ".repeat(6_200_000 - body.len()));
    let answer = target.call(Some(target.open().await?), "POST", "/fixture/respond", &[], body).await?;
    expect_status("a body of 6,200,000 bytes", &answer, 200)?;
    is_too_long(target, 6_300_000).await?;
    target.still_answers().await
}

/// Asks for the refusal of a body that the gateway takes and Lambda does not.
async fn is_too_long(target: &Target, bytes: usize) -> Check {
    let what = format!("a body of {bytes} bytes");
    let body = "x".repeat(bytes);
    if let Some(answer) = target.call_too_large("POST", "/fixture/echo", &[], body).await? {
        expect_error(&what, &answer, 413, "Request Too Long", "BadRequestException")?;
        expect_response_type(&what, &answer, "REQUEST_TOO_LARGE")?;
    }
    Ok(())
}

async fn specific(target: &Target) -> Check {
    let answer = target.get(target.open().await?, "/closed/error").await?;
    expect_throttled("a closed route", &answer)?;
    // Of both it would have two marks.
    expect_response_type("a closed route", &answer, "THROTTLED")?;
    target.still_answers().await
}

/// The template customizes every type that a client's fault can come to on this API, except for a bad key's.
async fn default_4xx(target: &Target) -> Check {
    let answer = target.call(None, "GET", "/fixture/echo", &[], "").await?;
    expect_forbidden("a request without a key", &answer)?;
    expect_response_type("a request without a key", &answer, "DEFAULT_4XX")?;
    target.still_answers().await
}

async fn built_in(target: &Target) -> Check {
    let answer = target.get(target.open().await?, "/fixture/error").await?;
    expect_bad_gateway("an error", &answer)?;
    expect_eq(MARK, answer.header(MARK), "")?;
    target.still_answers().await
}

async fn not_customizable(target: &Target) -> Check {
    let body = "x".repeat(MAX_BODY + 1);
    if let Some(answer) = target.call_too_large("POST", "/fixture/echo", &[], body).await? {
        expect_status("a body of 10,485,761 bytes", &answer, 413)?;
        expect_eq(MARK, answer.header(MARK), "")?;
    }
    target.still_answers().await
}
