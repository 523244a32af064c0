//! What a function's answer becomes. The route `/fixture/respond` answers what it was sent.

use serde_json::{Value, json};

use super::check::{expect, expect_bad_gateway, expect_eq, expect_status, json_of};
use super::{Case, Check, Run, Tag, Target};
use crate::Answer;

pub(super) const SECTION: &str = "Proxy response";

/// What `/fixture/binary` answers, and the form in which it hands that to the gateway.
const DECODED: &[u8] = &[0, 1, 2, 3, 255];
const ENCODED: &[u8] = b"AAECA/8=";

fn case(tag: Tag, name: &'static str, run: Run) -> Case {
    Case::new(SECTION, tag, name, run)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(Tag::Measured, "An unknown top-level member is a 502", |t| Box::pin(unknown_member(t))),
        case(Tag::Measured, "An answer that is no object is a 502", |t| Box::pin(no_object(t))),
        case(Tag::Measured, "A value of multiValueHeaders that is no list is a 502", |t| {
            Box::pin(no_list(t))
        }),
        case(Tag::Measured, "A statusCode that is not numeric is a 502", |t| Box::pin(no_status(t))),
        case(Tag::Measured, "A function's error is a 502", |t| Box::pin(function_error(t))),
        case(Tag::Measured, "Without a statusCode the status is 200", |t| Box::pin(default_status(t))),
        case(Tag::Measured, "A statusCode may be a text of digits", |t| Box::pin(text_status(t))),
        case(Tag::Measured, "headers may be null", |t| Box::pin(null_headers(t))),
        case(Tag::Measured, "A header's value may be a boolean", |t| Box::pin(boolean_header(t))),
        case(Tag::Measured, "Both maps of headers merge, the single value last", |t| Box::pin(merged(t))),
        case(Tag::Measured, "base64 is decoded where the first Accept is a binary media type", |t| {
            Box::pin(binary(t))
        }),
        case(Tag::Measured, "The content type is application/json unless the function says another", |t| {
            Box::pin(content_type(t))
        }),
        case(Tag::Measured, "Every answer has two request ids and a trace", |t| Box::pin(added(t))),
        case(Tag::Seen, "Connection, Content-Length, Date and Server are renamed", |t| Box::pin(remapped(t))),
    ]
}

/// Has the function answer this.
async fn respond(target: &Target, answer: &Value) -> Result<Answer, String> {
    target.call(Some(target.open().await?), "POST", "/fixture/respond", &[], answer.to_string()).await
}

async fn refused(target: &Target, answers: &[Value]) -> Check {
    for answer in answers {
        expect_bad_gateway(&answer.to_string(), &respond(target, answer).await?)?;
        target.still_answers().await?;
    }
    Ok(())
}

/// Has the function answer this and asks for a status.
async fn accepted(target: &Target, answer: &Value, status: u16) -> Result<Answer, String> {
    let got = respond(target, answer).await?;
    expect_status(&answer.to_string(), &got, status)?;
    Ok(got)
}

async fn unknown_member(target: &Target) -> Check {
    refused(target, &[json!({ "statusCode": 200, "extra": 1 })]).await
}

async fn no_object(target: &Target) -> Check {
    refused(target, &[json!([]), json!("a text"), json!(200)]).await
}

async fn no_list(target: &Target) -> Check {
    refused(target, &[json!({ "statusCode": 200, "multiValueHeaders": { "a": "b" } })]).await
}

async fn no_status(target: &Target) -> Check {
    refused(target, &[json!({ "statusCode": "ok" })]).await
}

async fn function_error(target: &Target) -> Check {
    let answer = target.get(target.open().await?, "/fixture/error").await?;
    expect_bad_gateway("an error", &answer)?;
    target.still_answers().await
}

async fn default_status(target: &Target) -> Check {
    let answer = accepted(target, &json!({ "body": "x" }), 200).await?;
    expect_eq("the body", &answer.body[..], &b"x"[..])
}

async fn text_status(target: &Target) -> Check {
    accepted(target, &json!({ "statusCode": "201" }), 201).await.map(drop)
}

async fn null_headers(target: &Target) -> Check {
    accepted(target, &json!({ "statusCode": 200, "headers": null }), 200).await.map(drop)
}

async fn boolean_header(target: &Target) -> Check {
    let answer = accepted(target, &json!({ "statusCode": 200, "headers": { "x-flag": true } }), 200).await?;
    expect_eq("x-flag", answer.header("x-flag"), "true")
}

async fn merged(target: &Target) -> Check {
    let merged = json!({
        "statusCode": 200,
        "headers": { "X-A": "3", "x-single": "one" },
        "multiValueHeaders": { "x-a": ["1", "2"] },
    });
    let answer = accepted(target, &merged, 200).await?;
    // Proxies may join values of one name with a comma, which says the same.
    let values: Vec<_> =
        answer.headers.get_all("x-a").iter().filter_map(|value| value.to_str().ok()).collect();
    expect_eq("x-a", values.join(",").replace(' ', "").as_str(), "1,2,3")?;
    expect_eq("x-single", answer.header("x-single"), "one")
}

async fn binary(target: &Target) -> Check {
    let key = target.open().await?;
    for (accept, wanted) in [
        (Some("image/png"), DECODED),
        (Some("image/png, text/html"), DECODED),
        (Some("text/html, image/png"), ENCODED),
        (None, ENCODED),
    ] {
        let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
        let answer = target.call(Some(key), "GET", "/fixture/binary", &headers, "").await?;
        expect_status("a binary answer", &answer, 200)?;
        expect_eq(&format!("the body for the Accept header {accept:?}"), &answer.body[..], wanted)?;
    }
    Ok(())
}

async fn content_type(target: &Target) -> Check {
    let answer = accepted(target, &json!({ "statusCode": 200, "body": "{}" }), 200).await?;
    expect_eq("the default content type", answer.header("content-type"), "application/json")?;
    expect_eq("the body", &json_of(&answer)?, &json!({}))?;
    let html = json!({ "statusCode": 200, "headers": { "Content-Type": "text/html" }, "body": "<p>" });
    let answer = accepted(target, &html, 200).await?;
    expect_eq("the function's content type", answer.header("content-type"), "text/html")
}

async fn added(target: &Target) -> Check {
    let answer = accepted(target, &json!({ "statusCode": 200 }), 200).await?;
    for name in ["x-amzn-requestid", "x-amz-apigw-id"] {
        expect(!answer.header(name).is_empty(), || format!("there is no {name}"))?;
    }
    let trace = answer.header("x-amzn-trace-id");
    expect(trace.to_ascii_lowercase().contains("root=1-"), || format!("X-Amzn-Trace-Id is {trace:?}"))
}

async fn remapped(target: &Target) -> Check {
    let mine = [
        ("Connection", "close"),
        ("Content-Length", "99"),
        ("Date", "Tue, 24 Nov 2026 12:00:00 GMT"),
        ("Server", "mine"),
    ];
    let headers: serde_json::Map<String, Value> =
        mine.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let answer =
        accepted(target, &json!({ "statusCode": 200, "headers": headers, "body": "four" }), 200).await?;
    expect_eq("the body", &answer.body[..], &b"four"[..])?;
    for (name, value) in mine {
        let remapped = format!("x-amzn-remapped-{}", name.to_ascii_lowercase());
        expect_eq(&remapped, answer.header(&remapped), value)?;
    }
    expect(answer.header("server") != "mine", || "Server is the function's".to_owned())
}
