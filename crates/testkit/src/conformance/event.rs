//! The event that a function is given.

use std::net::IpAddr;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::check::{expect, expect_eq, expect_status, json_of, names};
use super::{Case, Check, Run, Tag, Target, raw};

pub(super) const SECTION: &str = "Lambda proxy event";

const COMMON_LOG: &[BorrowedFormatItem<'static>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// What API Gateway keeps to itself of a request's headers, as far as a client can send it in one request.
const DROPPED: [(&str, &str); 10] = [
    ("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="),
    ("Expect", "100-continue"),
    ("Max-Forwards", "3"),
    ("Proxy-Authenticate", "Basic"),
    ("Server", "mine"),
    ("TE", "trailers"),
    ("Trailer", "X-Later"),
    ("Transfer-Encoding", "chunked"),
    ("Upgrade", "h2c"),
    ("WWW-Authenticate", "Basic"),
];

fn case(tag: Tag, name: &'static str, run: Run) -> Case {
    Case::new(SECTION, tag, name, run)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(Tag::Measured, "The event has twelve members and no version", |t| Box::pin(members(t))),
        case(Tag::Measured, "Empty maps and an empty body are null", |t| Box::pin(empty(t))),
        case(Tag::Measured, "requestContext has sixteen members", |t| Box::pin(context(t))),
        case(Tag::Measured, "requestContext names the route, the stage and the caller", |t| {
            Box::pin(context_values(t))
        }),
        case(Tag::Measured, "The identity holds the key where the method requires one", |t| {
            Box::pin(identity(t))
        }),
        case(Tag::Measured, "The identity holds no key where the method requires none", |t| {
            Box::pin(identity_without_key(t))
        }),
        case(Tag::Measured, "The key's value stands in both maps of headers and in the identity", |t| {
            Box::pin(key_in_three_places(t))
        }),
        case(Tag::Measured, "path is without the stage and requestContext.path with it", |t| {
            Box::pin(paths(t))
        }),
        case(Tag::Measured, "A trailing slash stays in path and is in no path parameter", |t| {
            Box::pin(trailing_slash(t))
        }),
        case(Tag::Measured, "Path parameters are not decoded", |t| Box::pin(path_parameters(t))),
        case(Tag::Measured, "Query values are decoded, and the single map keeps the last", |t| {
            Box::pin(query(t))
        }),
        case(Tag::Measured, "A header's name keeps the client's casing", |t| Box::pin(casing(t)))
            .local(raw::REASON),
        case(Tag::Seen, "Headers that belong to one connection are dropped", |t| Box::pin(dropped(t)))
            .local(raw::REASON),
        case(Tag::Measured, "requestTime is in the common log format", |t| Box::pin(request_time(t))),
        case(Tag::Documented, "The event's request ids are those of the response", |t| Box::pin(ids(t))),
        case(Tag::Documented, "The type that tutorials use reads the event", |t| Box::pin(typed(t))),
    ]
}

async fn echo(target: &Target) -> Result<Value, String> {
    target.event(target.open().await?, "GET", "/fixture/echo", &[], "").await
}

async fn members(target: &Target) -> Check {
    let event = echo(target).await?;
    let wanted = [
        "body",
        "headers",
        "httpMethod",
        "isBase64Encoded",
        "multiValueHeaders",
        "multiValueQueryStringParameters",
        "path",
        "pathParameters",
        "queryStringParameters",
        "requestContext",
        "resource",
        "stageVariables",
    ];
    expect_eq("the event's members", &names(&event)[..], &wanted[..])
}

async fn empty(target: &Target) -> Check {
    let event = echo(target).await?;
    for name in [
        "body",
        "multiValueQueryStringParameters",
        "pathParameters",
        "queryStringParameters",
        "stageVariables",
    ] {
        expect_eq(name, &event[name], &Value::Null)?;
    }
    expect_eq("isBase64Encoded", &event["isBase64Encoded"], &json!(false))
}

async fn context(target: &Target) -> Check {
    let event = echo(target).await?;
    let wanted = [
        "accountId",
        "apiId",
        "deploymentId",
        "domainName",
        "domainPrefix",
        "extendedRequestId",
        "httpMethod",
        "identity",
        "path",
        "protocol",
        "requestId",
        "requestTime",
        "requestTimeEpoch",
        "resourceId",
        "resourcePath",
        "stage",
    ];
    expect_eq("requestContext's members", &names(&event["requestContext"])[..], &wanted[..])
}

async fn context_values(target: &Target) -> Check {
    let event = target.event(target.open().await?, "GET", "/fixture/one/echo", &[], "").await?;
    let context = &event["requestContext"];
    for (name, wanted) in [("resourcePath", "/fixture/{item}/echo"), ("httpMethod", "GET")] {
        expect_eq(name, &context[name], wanted)?;
    }
    // With AWS, client and gateway agree on a version; the local stack speaks one.
    let protocol = context["protocol"].as_str().unwrap_or_default();
    expect(protocol.starts_with("HTTP/"), || format!("protocol is {protocol:?}"))?;
    if target.is_local() {
        expect_eq("protocol", protocol, "HTTP/1.1")?;
    }
    expect_eq("resource", &event["resource"], "/fixture/{item}/echo")?;
    expect_eq("httpMethod", &event["httpMethod"], "GET")?;
    expect_eq("stage", &context["stage"], target.stage_path().trim_start_matches('/'))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let account = text(&context["accountId"]);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    expect(is_account, || format!("accountId is {account:?}, not twelve digits"))?;
    if target.is_local() {
        expect_eq("accountId", account.as_str(), "123456789012")?;
    }
    let address = text(&context["identity"]["sourceIp"]);
    expect(address.parse::<IpAddr>().is_ok(), || format!("sourceIp is {address:?}"))?;
    let domain = text(&context["domainName"]);
    let prefix = domain.split('.').next().unwrap_or_default();
    expect_eq("domainPrefix", &context["domainPrefix"], prefix)
}

async fn identity(target: &Target) -> Check {
    let key = target.open().await?;
    let event = target.event(key, "GET", "/fixture/echo", &[], "").await?;
    let identity = &event["requestContext"]["identity"];
    let wanted = [
        "accessKey",
        "accountId",
        "apiKey",
        "apiKeyId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "sourceIp",
        "user",
        "userAgent",
        "userArn",
    ];
    expect_eq("the identity's members", &names(identity)[..], &wanted[..])?;
    expect_eq("apiKeyId", &identity["apiKeyId"], key.id.as_str())
}

async fn identity_without_key(target: &Target) -> Check {
    // A key is sent along: the method decides, not the request.
    let event = target.event(target.open().await?, "OPTIONS", "/preflight/echo", &[], "").await?;
    let identity = &event["requestContext"]["identity"];
    expect(identity["sourceIp"].is_string(), || "there is no identity".to_owned())?;
    for name in ["apiKey", "apiKeyId"] {
        expect(identity.get(name).is_none(), || format!("the identity has a member {name}"))?;
    }
    Ok(())
}

async fn key_in_three_places(target: &Target) -> Check {
    let key = target.open().await?;
    let event = target.event(key, "GET", "/fixture/echo", &[], "").await?;
    // The values are secrets, so that a difference is told without them.
    let is_value = |value: &Value| value == key.value.as_str();
    let header = |map: &str| event[map].get("x-api-key").cloned().unwrap_or_default();
    expect(is_value(&header("headers")), || "headers hold no x-api-key with the value".to_owned())?;
    expect(is_value(&header("multiValueHeaders")[0]), || {
        "multiValueHeaders hold no x-api-key with the value".to_owned()
    })?;
    expect(is_value(&event["requestContext"]["identity"]["apiKey"]), || {
        "identity.apiKey is not the value".to_owned()
    })
}

async fn paths(target: &Target) -> Check {
    let event = echo(target).await?;
    expect_eq("path", &event["path"], "/fixture/echo")?;
    let whole = format!("{}/fixture/echo", target.stage_path());
    expect_eq("requestContext.path", &event["requestContext"]["path"], whole.as_str())
}

async fn trailing_slash(target: &Target) -> Check {
    let event = target.event(target.open().await?, "GET", "/all/one/echo/", &[], "").await?;
    expect_eq("path", &event["path"], "/all/one/echo/")?;
    expect_eq("pathParameters", &event["pathParameters"], &json!({ "rest": "one/echo" }))
}

async fn path_parameters(target: &Target) -> Check {
    let event = target.event(target.open().await?, "GET", "/fixture/a%2Bb/echo", &[], "").await?;
    expect_eq("path", &event["path"], "/fixture/a%2Bb/echo")?;
    let whole = format!("{}/fixture/a%2Bb/echo", target.stage_path());
    expect_eq("requestContext.path", &event["requestContext"]["path"], whole.as_str())?;
    expect_eq("pathParameters", &event["pathParameters"], &json!({ "item": "a%2Bb" }))
}

async fn query(target: &Target) -> Check {
    let path = "/fixture/echo?q=1&q=a+b&code=%C3%A9&empty=";
    let event = target.event(target.open().await?, "GET", path, &[], "").await?;
    expect_eq(
        "queryStringParameters",
        &event["queryStringParameters"],
        &json!({ "q": "a b", "code": "é", "empty": "" }),
    )?;
    expect_eq(
        "multiValueQueryStringParameters",
        &event["multiValueQueryStringParameters"],
        &json!({ "q": ["1", "a b"], "code": ["é"], "empty": [""] }),
    )
}

async fn casing(target: &Target) -> Check {
    let key = target.open().await?;
    let headers = [("X-API-Key", key.value.as_str()), ("X-oDD-Case", "one"), ("x-lower", "two")];
    let answer = raw::exchange("GET", &target.url("/fixture/echo"), &headers, "").await?;
    expect_status("an odd casing", &answer, 200)?;
    let event = json_of(&answer)?;
    for (name, value) in &headers[1..] {
        expect_eq(name, &event["headers"][*name], *value)?;
        expect_eq(name, &event["multiValueHeaders"][*name], &json!([value]))?;
    }
    expect(event["headers"].get("X-API-Key").is_some(), || "there is no X-API-Key".to_owned())
}

async fn dropped(target: &Target) -> Check {
    let key = target.open().await?;
    let url = target.url("/fixture/echo");
    let kept = [("x-api-key", key.value.as_str()), ("X-Kept", "yes")];
    let chunked: Vec<_> = kept.into_iter().chain(DROPPED).collect();
    let answer = raw::exchange("POST", &url, &chunked, "5\r\nhello\r\n0\r\n\r\n").await?;
    only_kept(&answer)?;
    let sized: Vec<_> = kept.into_iter().chain([("Content-Length", "5")]).collect();
    only_kept(&raw::exchange("POST", &url, &sized, "hello").await?)
}

fn only_kept(answer: &crate::Answer) -> Check {
    expect_status("a request with connections' headers", answer, 200)?;
    let event = json_of(answer)?;
    expect_eq("body", &event["body"], "hello")?;
    expect_eq("X-Kept", &event["headers"]["X-Kept"], "yes")?;
    let mine = ["connection", "content-length"];
    for map in ["headers", "multiValueHeaders"] {
        for name in names(&event[map]) {
            let lower = name.to_ascii_lowercase();
            let known = DROPPED.iter().any(|(dropped, _)| dropped.eq_ignore_ascii_case(name));
            expect(!known && !mine.contains(&lower.as_str()), || format!("{map} holds {name}"))?;
        }
    }
    Ok(())
}

async fn request_time(target: &Target) -> Check {
    let event = echo(target).await?;
    let context = &event["requestContext"];
    let millis = context["requestTimeEpoch"].as_i64().ok_or("requestTimeEpoch is no whole number")?;
    let at = OffsetDateTime::from_unix_timestamp(millis / 1000).map_err(|error| error.to_string())?;
    let wanted = at.format(COMMON_LOG).map_err(|error| error.to_string())?;
    expect_eq("requestTime", &context["requestTime"], wanted.as_str())
}

async fn ids(target: &Target) -> Check {
    let answer = target.get(target.open().await?, "/fixture/echo").await?;
    expect_status("an echo", &answer, 200)?;
    let event = json_of(&answer)?;
    let context = &event["requestContext"];
    let id = answer.header("x-amzn-requestid");
    expect(id.parse::<uuid::Uuid>().is_ok(), || format!("x-amzn-RequestId is {id:?}"))?;
    expect_eq("requestId", &context["requestId"], id)?;
    expect_eq("extendedRequestId", &context["extendedRequestId"], answer.header("x-amz-apigw-id"))
}

async fn typed(target: &Target) -> Check {
    let key = target.open().await?;
    let event = target.event(key, "GET", "/fixture/one/echo?q=1", &[], "").await?;
    // What the library says may repeat the input, which holds the key's value.
    let typed: ApiGatewayProxyRequest =
        serde_json::from_value(event).map_err(|_| "the event is none for aws_lambda_events".to_owned())?;
    let id = typed.request_context.identity.api_key_id;
    expect_eq("api_key_id", &id.as_deref(), &Some(key.id.as_str()))
}
