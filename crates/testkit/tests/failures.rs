//! What the gateway answers where something is wrong, with real binaries on the fixture template. The tag in
//! a name says how sure the fact is: measured on AWS, documented by AWS, or assumed.

use serde_json::{Value, json};
use testkit::{Answer, Stack, request};

const FORBIDDEN: &str = r#"{"message":"Forbidden"}"#;

/// A key's id and value, made through the real SDK, in the named plan.
async fn key(stack: &Stack, name: &str, plan: Option<&str>, enabled: bool) -> (String, String) {
    let client = stack.api_gateway();
    let key = client.create_api_key().name(name).enabled(enabled).send().await.expect("a key");
    let (id, value) = (key.id.expect("an id"), key.value.expect("a value"));
    if let Some(plan) = plan {
        let plans = client.get_usage_plans().send().await.expect("plans");
        let plan = plans.items().iter().find(|given| given.name() == Some(plan)).and_then(|plan| plan.id());
        let put = client
            .create_usage_plan_key()
            .usage_plan_id(plan.expect("the plan"))
            .key_id(&id)
            .key_type("API_KEY");
        put.send().await.expect("the key is in the plan");
    }
    (id, value)
}

async fn open(stack: &Stack) -> String {
    key(stack, "open", Some("open"), true).await.1
}

fn assert_error(answer: &Answer, status: u16, body: &str, error_type: &str) {
    assert_eq!((answer.status, answer.json()), (status, serde_json::from_str::<Value>(body).expect("JSON")));
    assert_eq!(answer.header("x-amzn-errortype"), error_type);
    assert!(!answer.header("x-amzn-requestid").is_empty());
}

async fn next_request_succeeds(stack: &Stack, key: &str) {
    let answer = stack.call(key, "GET", "/fixture/echo", &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn measured_a_missing_unknown_or_disabled_key_is_forbidden() {
    let stack = Stack::fixture().await;
    let good = open(&stack).await;
    let disabled = key(&stack, "disabled", Some("open"), false).await.1;
    let url = format!("{}/fixture/echo", stack.state().api_url);
    let missing = request("GET", &url, &[], "").await.expect("an answer");
    assert_error(&missing, 403, FORBIDDEN, "ForbiddenException");
    for value in ["unknown", disabled.as_str(), ""] {
        let answer = stack.call(value, "GET", "/fixture/echo", &[], "").await;
        assert_error(&answer, 403, FORBIDDEN, "ForbiddenException");
    }
    next_request_succeeds(&stack, &good).await;
}

#[tokio::test]
async fn documented_a_key_in_no_plan_of_the_stage_is_forbidden() {
    let stack = Stack::fixture().await;
    let good = open(&stack).await;
    for value in
        [key(&stack, "planless", None, true).await.1, key(&stack, "closed", Some("closed"), true).await.1]
    {
        let answer = stack.call(&value, "GET", "/fixture/echo", &[], "").await;
        assert_error(&answer, 403, FORBIDDEN, "ForbiddenException");
    }
    next_request_succeeds(&stack, &good).await;
}

#[tokio::test]
async fn measured_an_unknown_route_or_method_lacks_an_authentication_token() {
    let stack = Stack::fixture().await;
    let good = open(&stack).await;
    for (method, path) in
        [("GET", "/nowhere"), ("GET", "/fixture"), ("DELETE", "/fixture/panic"), ("GET", "/all/")]
    {
        let answer = stack.call(&good, method, path, &[], "").await;
        let body = r#"{"message":"Missing Authentication Token"}"#;
        assert_error(&answer, 403, body, "MissingAuthenticationTokenException");
    }
    next_request_succeeds(&stack, &good).await;
}

#[tokio::test]
async fn measured_a_body_over_10_mib_and_one_over_6_mib_are_refused_each_in_its_way() {
    let stack = Stack::fixture().await;
    let good = open(&stack).await;
    let over_10 = stack.call(&good, "POST", "/fixture/echo", &[], &"x".repeat(10_485_761)).await;
    assert_eq!(over_10.status, 413);
    assert_eq!(over_10.body, "HTTP content length exceeded 10485760 bytes.");
    assert_eq!(over_10.header("x-amzn-errortype"), "");
    let over_6 = stack.call(&good, "POST", "/fixture/echo", &[], &"x".repeat(6_300_000)).await;
    assert_error(&over_6, 413, r#"{"message":"Request Too Long"}"#, "BadRequestException");
    next_request_succeeds(&stack, &good).await;
}

#[tokio::test]
async fn measured_a_function_that_panics_exits_hangs_fails_or_answers_garbage_is_a_502() {
    let stack = Stack::fixture().await;
    let good = open(&stack).await;
    for behaviour in ["panic", "exit", "hang", "error", "garbage", "big"] {
        let answer = stack.call(&good, "GET", &format!("/fixture/{behaviour}"), &[], "").await;
        assert_error(&answer, 502, r#"{"message":"Internal server error"}"#, "InternalServerErrorException");
        next_request_succeeds(&stack, &good).await;
    }
}

#[tokio::test]
async fn measured_a_function_that_outlasts_the_gateways_patience_is_a_504() {
    let stack = Stack::fixture().await;
    let good = open(&stack).await;
    let answer = stack.call(&good, "GET", "/slow/hang", &[], "").await;
    assert_error(&answer, 504, r#"{"message":"Endpoint request timed out"}"#, "InternalServerErrorException");
    next_request_succeeds(&stack, &good).await;
}

#[tokio::test]
async fn measured_malformed_answers_are_502_and_loose_ones_are_accepted() {
    let stack = Stack::fixture().await;
    let good = open(&stack).await;
    for (answer, status) in [
        (json!({"statusCode": 200, "extra": 1}), 502),
        (json!([]), 502),
        (json!({"statusCode": 200, "multiValueHeaders": {"a": "b"}}), 502),
        (json!({"statusCode": "ok"}), 502),
        (json!({"body": "x"}), 200),
        (json!({"statusCode": "201"}), 201),
        (json!({"statusCode": 200, "headers": null}), 200),
        (json!({"statusCode": 200, "headers": {"x-flag": true}}), 200),
    ] {
        let got = stack.call(&good, "POST", "/fixture/respond", &[], &answer.to_string()).await;
        assert_eq!(got.status, status, "{answer}");
    }
    let merged =
        json!({"statusCode": 200, "headers": {"X-A": "3"}, "multiValueHeaders": {"x-a": ["1", "2"]}});
    let got = stack.call(&good, "POST", "/fixture/respond", &[], &merged.to_string()).await;
    let values: Vec<_> = got.headers.get_all("x-a").iter().collect();
    assert_eq!(values, ["1", "2", "3"]);
}

#[tokio::test]
async fn measured_the_event_is_api_gateways() {
    let stack = Stack::fixture().await;
    let (id, value) = key(&stack, "open", Some("open"), true).await;
    let path = "/fixture/a%2Bb/echo?q=1&q=a+b&empty";
    let event = stack.call(&value, "GET", path, &[("X-Odd-Case", "one")], "").await.json();
    assert!(event.get("version").is_none());
    assert_eq!(event["resource"], "/fixture/{item}/echo");
    assert_eq!(event["path"], "/fixture/a%2Bb/echo");
    assert_eq!(event["requestContext"]["path"], "/v1/fixture/a%2Bb/echo");
    assert_eq!(event["pathParameters"], json!({"item": "a%2Bb"}));
    assert_eq!(event["queryStringParameters"]["q"], "a b");
    assert_eq!(event["multiValueQueryStringParameters"]["q"], json!(["1", "a b"]));
    assert_eq!((&event["body"], &event["stageVariables"]), (&Value::Null, &Value::Null));
    assert_eq!(event["requestContext"]["identity"]["apiKeyId"], id.as_str());
    assert_eq!(event["requestContext"]["identity"]["apiKey"], value.as_str());
    assert_eq!(event["requestContext"]["accountId"], "123456789012");
    // The library that functions are given in tutorials reads it.
    let typed: aws_lambda_events::apigw::ApiGatewayProxyRequest =
        serde_json::from_value(event).expect("the type");
    assert_eq!(typed.request_context.identity.api_key_id.as_deref(), Some(id.as_str()));
}

#[test]
fn every_event_of_the_project_is_one_of_api_gateways() {
    let mut count = 0;
    for folder in std::fs::read_dir(testkit::workspace().join("events")).expect("events") {
        let function = folder.expect("a folder").file_name().to_string_lossy().into_owned();
        for (case, path) in Stack::cases(&function) {
            let text = std::fs::read(&path).expect("an event");
            let event: aws_lambda_events::apigw::ApiGatewayProxyRequest =
                serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{function}/{case}: {error}"));
            assert!(event.request_context.request_id.is_some(), "{function}/{case}");
            count += 1;
        }
    }
    assert!(count > 40);
}
