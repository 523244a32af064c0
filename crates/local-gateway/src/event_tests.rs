use http::Method;
use serde_json::{Value, json};

use crate::testing::{Harness, VALUE, get, request, stack};

async fn event(request: local_http::Request) -> Value {
    let harness = Harness::answering("{}");
    harness.seed_key(true);
    assert_eq!(harness.send(request).await.status(), 200);
    harness.event()
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_event_has_exactly_the_members_of_payload_format_one_m() {
    let event = event(get("/v1/open", &[])).await;
    let mut names = members(&event);
    names.sort_unstable();
    assert_eq!(
        names,
        [
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
        ]
    );
    for null in [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ] {
        assert_eq!(event[null], Value::Null, "{null}");
    }
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["resource"], "/open");
    assert_eq!(event["httpMethod"], "GET");
}

#[tokio::test]
async fn the_context_and_identity_have_exactly_their_members_m() {
    let event = event(get("/v1/open", &[("User-Agent", "curl/8")])).await;
    let mut context = event["requestContext"].clone();
    let mut identity = context["identity"].take();
    for (name, length) in
        [("requestId", 36), ("extendedRequestId", 16), ("deploymentId", 6), ("resourceId", 6)]
    {
        assert_eq!(context[name].as_str().expect(name).len(), length, "{name}");
        context[name].take();
    }
    assert_eq!(
        context,
        json!({
            "accountId": "123456789012", "apiId": "dataapi001", "deploymentId": null,
            "domainName": "dataapi001.execute-api.localhost", "domainPrefix": "dataapi001",
            "extendedRequestId": null, "httpMethod": "GET", "identity": null, "path": "/v1/open",
            "protocol": "HTTP/1.1", "requestId": null, "requestTime": "24/Nov/2026:12:01:01 +0000",
            "requestTimeEpoch": 1_795_521_661_042_u64, "resourceId": null, "resourcePath": "/open",
            "stage": "v1",
        })
    );
    assert_eq!(identity["sourceIp"].take(), "203.0.113.7");
    assert_eq!(identity["userAgent"].take(), "curl/8");
    assert_eq!(
        identity,
        json!({
            "accessKey": null, "accountId": null, "caller": null, "cognitoAuthenticationProvider": null,
            "cognitoAuthenticationType": null, "cognitoIdentityId": null, "cognitoIdentityPoolId": null,
            "principalOrgId": null, "sourceIp": null, "user": null, "userAgent": null, "userArn": null,
        })
    );
}

#[tokio::test]
async fn the_key_and_its_id_are_in_the_identity_where_a_key_is_required_only_m() {
    let harness = Harness::answering("{}");
    let id = harness.seed_key(true);
    harness.send(get("/v1/tenant", &[("X-Api-Key", VALUE)])).await;
    let event = harness.event();
    assert_eq!(event["requestContext"]["identity"]["apiKey"], VALUE);
    assert_eq!(event["requestContext"]["identity"]["apiKeyId"], id);
    assert_eq!(event["headers"]["X-Api-Key"], VALUE);
    assert_eq!(event["multiValueHeaders"]["X-Api-Key"], json!([VALUE]));

    let open = Harness::answering("{}");
    open.seed_key(true);
    open.send(get("/v1/open", &[("X-Api-Key", VALUE)])).await;
    let identity = &open.event()["requestContext"]["identity"];
    assert!(!members(identity).iter().any(|name| name.starts_with("apiKey")));
}

#[tokio::test]
async fn a_signed_caller_is_in_the_identity_d() {
    let event = event(get("/v1/admin/7", &[])).await;
    let identity = &event["requestContext"]["identity"];
    assert_eq!(identity["accessKey"], "AKIDEXAMPLE");
    assert_eq!(identity["accountId"], "123456789012");
    assert_eq!(identity["caller"], "AIDAEXAMPLE");
    assert_eq!(identity["user"], "AIDAEXAMPLE");
    assert_eq!(identity["userArn"], "arn:aws:iam::123456789012:user/operator");
}

#[tokio::test]
async fn the_path_excludes_the_stage_and_keeps_a_trailing_slash_m() {
    let event = event(get("/v1/open/a%2Bb/c%20d/e/", &[])).await;
    assert_eq!(event["path"], "/open/a%2Bb/c%20d/e/");
    assert_eq!(event["requestContext"]["path"], "/v1/open/a%2Bb/c%20d/e/");
    assert_eq!(event["pathParameters"], json!({ "id": "a%2Bb", "rest": "c%20d/e" }));
    assert_eq!(event["resource"], "/open/{id}/{rest+}");
}

#[tokio::test]
async fn query_values_are_decoded_and_the_last_one_is_the_single_one_m() {
    let event = event(get("/v1/open?a=1&a=b+c%2Bd&%C3%BC=%C3%A4&empty&&x=a=b", &[])).await;
    assert_eq!(event["queryStringParameters"], json!({ "a": "b c+d", "ü": "ä", "empty": "", "x": "a=b" }));
    assert_eq!(
        event["multiValueQueryStringParameters"],
        json!({ "a": ["1", "b c+d"], "ü": ["ä"], "empty": [""], "x": ["a=b"] })
    );
}

#[tokio::test]
async fn header_names_keep_the_clients_casing_and_the_last_value_is_the_single_one_m() {
    let event =
        event(get("/v1/open", &[("X-CuStOm", "1"), ("x-custom", "2"), ("Host", "127.0.0.1:8080")])).await;
    assert_eq!(event["headers"]["X-CuStOm"], "2");
    assert_eq!(event["multiValueHeaders"]["X-CuStOm"], json!(["1", "2"]));
    assert_eq!(event["headers"]["x-custom"], Value::Null);
    assert_eq!(event["headers"]["Host"], "127.0.0.1:8080");
}

#[tokio::test]
async fn the_connections_own_headers_are_dropped_s() {
    let sent: Vec<(&str, &str)> = super::DROPPED.iter().map(|name| (*name, "x")).collect();
    let event = event(get("/v1/open", &sent)).await;
    assert_eq!(
        members(&event["headers"]),
        ["X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"]
    );
}

#[tokio::test]
async fn forwarding_headers_are_the_gateways_own_a() {
    let sent = [
        ("host", "127.0.0.1:8080"),
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-proto", "gopher"),
        ("X-Forwarded-Port", "70"),
    ];
    let event = event(get("/v1/open", &sent)).await;
    let headers = &event["headers"];
    assert_eq!(headers["X-Forwarded-For"], "198.51.100.1, 203.0.113.7");
    assert_eq!(headers["X-Forwarded-Proto"], "http");
    assert_eq!(headers["X-Forwarded-Port"], "8080");
    assert!(headers["X-Amzn-Trace-Id"].as_str().expect("a trace").starts_with("Root=1-"));
    assert_eq!(headers["x-forwarded-proto"], Value::Null);
}

async fn body(content_type: &str, bytes: &[u8]) -> (Value, Value) {
    let sent = request(Method::POST, "/v1/open", &[("content-type", content_type)], bytes);
    let mut event = event(sent).await;
    (event["body"].take(), event["isBase64Encoded"].take())
}

#[tokio::test]
async fn a_text_body_arrives_unchanged_m() {
    let text = "{ \"n\": 1.10,\r\n \"s\": \"ü\\u0000\" }";
    assert_eq!(body("application/json", text.as_bytes()).await, (json!(text), json!(false)));
}

#[tokio::test]
async fn a_body_of_a_binary_type_arrives_as_base64_m() {
    assert_eq!(body("image/PNG; x=y", b"abc").await, (json!("YWJj"), json!(true)));
}

/// AWS damages such a body; this is a difference by choice.
#[tokio::test]
async fn a_body_that_is_not_utf8_arrives_as_base64() {
    assert_eq!(body("text/plain", b"\xff\xfe").await, (json!("//4="), json!(true)));
}

#[tokio::test]
async fn an_empty_body_is_null_m() {
    assert_eq!(body("image/png", b"").await, (Value::Null, json!(false)));
}

#[tokio::test]
async fn ids_of_resource_and_deployment_do_not_change_between_starts() {
    let ids = |event: Value| {
        (event["requestContext"]["resourceId"].clone(), event["requestContext"]["deploymentId"].clone())
    };
    let one = ids(event(get("/v1/open", &[])).await);
    assert_eq!(one, ids(event(get("/v1/open", &[])).await));
    assert_eq!(stack().apis[0].api_id, "dataapi001");
}
