use std::time::Duration;

use futures_util::FutureExt as _;
use http::Method;
use serde_json::json;

use super::*;
use crate::ports::{Denial, Denied, Invoked};
use crate::testing;
use crate::testing::{Harness, VALUE, caller, get, header, request, stack};

fn failing(failure: InvokeFailure) -> Harness {
    Harness::with(stack(), Ok(caller()), Box::new(move |_| async move { Err(failure) }.boxed()))
}

fn assert_forbidden(response: &Response) {
    assert_eq!(response.status(), 403);
    assert_eq!(testing::json(response), json!({ "message": "Forbidden" }));
    assert_eq!(header(response, "x-amzn-errortype"), Some("ForbiddenException"));
}

#[tokio::test]
async fn a_functions_answer_carries_the_gateways_ids_m() {
    let answer = r#"{"statusCode":201,"headers":{"x-amzn-RequestId":"mine","X-A":"b"},"body":"done"}"#;
    let harness = Harness::answering(answer);
    let response = harness.send(get("/v1/open", &[("x-amzn-requestid", "theirs")])).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.body().as_ref(), b"done");
    assert_eq!(header(&response, "x-a"), Some("b"));
    let id = header(&response, "x-amzn-requestid").expect("an id");
    assert_eq!(harness.event()["requestContext"]["requestId"], id);
    assert_eq!(
        harness.event()["requestContext"]["extendedRequestId"],
        header(&response, "x-amz-apigw-id").expect("an id")
    );
    assert_eq!(
        harness.event()["headers"]["X-Amzn-Trace-Id"],
        header(&response, "x-amzn-trace-id").expect("a trace")
    );
    assert_eq!(harness.last_record().request_id, id);
}

#[tokio::test]
async fn an_unknown_stage_is_forbidden_a() {
    let harness = Harness::answering("{}");
    for target in ["/", "/v2/open", "/v11/open", "/V1/open", "//v1/open", "/open"] {
        assert_forbidden(&harness.send(get(target, &[])).await);
    }
    assert_eq!(harness.invocations(), 0);
}

#[tokio::test]
async fn an_unknown_path_or_method_misses_its_token_m() {
    let harness = Harness::answering("{}");
    for (method, target) in [
        (Method::GET, "/v1/nowhere"),
        (Method::GET, "/v1"),
        (Method::DELETE, "/v1/open"),
        (Method::HEAD, "/v1/open"),
        (Method::GET, "/v1/%6Fpen"),
    ] {
        let response = harness.send(request(method, target, &[], b"")).await;
        assert_eq!(response.status(), 403);
        assert_eq!(testing::json(&response), json!({ "message": "Missing Authentication Token" }));
        assert_eq!(harness.last_record().gateway_response, Some("MISSING_AUTHENTICATION_TOKEN"));
    }
    assert_eq!(harness.invocations(), 0);
}

#[tokio::test]
async fn a_missing_or_unknown_key_is_forbidden_m() {
    let harness = Harness::answering("{}");
    harness.seed_key(true);
    let longer = format!("{VALUE}x");
    for headers in [
        &[][..],
        &[("x-api-key", "")],
        &[("x-api-key", "unknownunknownunknown")],
        &[("x-api-key", &VALUE[1..])],
        &[("x-api-key", &longer)],
        &[("authorization", VALUE)],
    ] {
        assert_forbidden(&harness.send(get("/v1/tenant", headers)).await);
        assert_eq!(harness.last_record().gateway_response, Some("INVALID_API_KEY"));
    }
    assert_eq!(harness.invocations(), 0);
    assert_eq!(harness.send(get("/v1/tenant", &[("x-api-key", VALUE)])).await.status(), 200);
}

#[tokio::test]
async fn a_disabled_key_is_forbidden_m() {
    let harness = Harness::answering("{}");
    harness.seed_key(false);
    assert_forbidden(&harness.send(get("/v1/tenant", &[("x-api-key", VALUE)])).await);
    assert_eq!(harness.invocations(), 0);
}

#[tokio::test]
async fn a_key_in_no_plan_of_the_stage_is_forbidden_d() {
    let harness = Harness::answering("{}");
    let id = harness.seed_key(true);
    let sent = || get("/v1/tenant", &[("x-api-key", VALUE)]);
    harness.keys.detach("free00", &id).expect("a membership");
    assert_forbidden(&harness.send(sent()).await);
    harness.keys.attach(&stack().plans, "other0", &id, testing::now()).expect("a plan of another stage");
    assert_forbidden(&harness.send(sent()).await);
    harness.keys.attach(&stack().plans, "stand0", &id, testing::now()).expect("a plan of this stage");
    assert_eq!(harness.send(sent()).await.status(), 200);
}

#[tokio::test]
async fn two_key_headers_are_forbidden() {
    let harness = Harness::answering("{}");
    harness.seed_key(true);
    assert_forbidden(&harness.send(get("/v1/tenant", &[("x-api-key", VALUE), ("X-Api-Key", VALUE)])).await);
}

#[tokio::test]
async fn the_signature_is_judged_before_the_key_and_for_the_path_as_sent_s() {
    let denied = Denied { denial: Denial::AccessDenied, message: "no".to_owned() };
    let harness = Harness::with(stack(), Err(denied), Box::new(|_| unreachable!("nobody is let in")));
    let response = harness.send(get("/v1/both?q=1", &[])).await;
    assert_eq!(header(&response, "x-amzn-errortype"), Some("AccessDeniedException"));
    harness.send(get("/v1/admin/a%2Fb/", &[])).await;
    assert_eq!(
        harness.arns(),
        [
            "arn:aws:execute-api:eu-central-1:123456789012:dataapi001/v1/GET/both",
            "arn:aws:execute-api:eu-central-1:123456789012:dataapi001/v1/GET/admin/a%2Fb/",
        ]
    );
}

#[tokio::test]
async fn a_signature_does_not_stand_in_for_a_key_s() {
    let harness = Harness::answering("{}");
    assert_forbidden(&harness.send(get("/v1/both", &[])).await);
    assert_eq!(harness.invocations(), 0);
}

#[tokio::test]
async fn a_body_over_ten_mebibytes_is_refused_before_anything_is_looked_at_m() {
    let harness = Harness::answering("{}");
    let mut sent = get("/nowhere", &[]);
    sent.body = Body::TooLarge;
    let whole = request(Method::POST, "/v1/open", &[], &vec![b'x'; MAX_BODY_BYTES + 1]);
    for sent in [sent, whole] {
        let response = harness.send(sent).await;
        assert_eq!(response.status(), 413);
        assert_eq!(response.body().as_ref(), b"HTTP content length exceeded 10485760 bytes.");
        assert_eq!(header(&response, "x-amzn-errortype"), None);
        assert_eq!(header(&response, "content-type"), Some("text/plain"));
    }
    assert_eq!(harness.invocations(), 0);
}

#[tokio::test]
async fn an_event_over_six_mebibytes_is_refused_m() {
    let harness = Harness::answering("{}");
    let response = harness.send(request(Method::POST, "/v1/open", &[], &vec![b'x'; MAX_EVENT_BYTES])).await;
    assert_eq!(response.status(), 413);
    assert_eq!(testing::json(&response), json!({ "message": "Request Too Long" }));
    assert_eq!(header(&response, "x-amzn-errortype"), Some("BadRequestException"));
    assert_eq!(harness.invocations(), 0);
    // It is the event that counts: escaping makes it larger than the body.
    let quotes = request(Method::POST, "/v1/open", &[], &vec![b'"'; MAX_EVENT_BYTES / 2]);
    assert_eq!(harness.send(quotes).await.status(), 413);
    let fits = request(Method::POST, "/v1/open", &[], &vec![b'x'; MAX_EVENT_BYTES - 4_096]);
    assert_eq!(harness.send(fits).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_outlasts_its_time_is_a_504_m() {
    let mut stack = stack();
    stack.apis[0].routes[0].timeout = Duration::from_millis(50);
    let harness = Harness::with(stack, Ok(caller()), Box::new(|_| std::future::pending().boxed()));
    let response = harness.send(get("/v1/open", &[])).await;
    assert_eq!(response.status(), 504);
    assert_eq!(testing::json(&response), json!({ "message": "Endpoint request timed out" }));
    let record = harness.last_record();
    assert_eq!(record.gateway_response, Some("INTEGRATION_TIMEOUT"));
    assert!(record.duration >= Duration::from_millis(50));
    assert_eq!(record.cold, None);
}

#[tokio::test]
async fn a_function_error_is_a_502_m() {
    let harness = Harness::with(
        stack(),
        Ok(caller()),
        Box::new(|_| {
            let payload = Bytes::from_static(br#"{"errorType":"Secret","errorMessage":"inner"}"#);
            async { Ok(Invoked { payload, function_error: true, cold: false }) }.boxed()
        }),
    );
    let response = harness.send(get("/v1/open", &[])).await;
    assert_eq!(response.status(), 502);
    assert_eq!(testing::json(&response), json!({ "message": "Internal server error" }));
    assert_eq!(harness.last_record().cold, Some(false));
}

#[tokio::test]
async fn a_malformed_answer_is_a_502_and_the_record_says_why_m() {
    let harness = Harness::answering(r#"{"status":200}"#);
    let response = harness.send(get("/v1/open", &[])).await;
    assert_eq!(response.status(), 502);
    assert_eq!(testing::json(&response), json!({ "message": "Internal server error" }));
    assert_eq!(harness.last_record().detail.as_deref(), Some("`status` is no field of a response"));
    assert_eq!(harness.last_record().gateway_response, Some("DEFAULT_5XX"));
}

#[tokio::test]
async fn a_function_that_cannot_be_invoked_is_an_internal_error_a() {
    for failure in [InvokeFailure::Unknown, InvokeFailure::Throttled, InvokeFailure::Unavailable] {
        let response = failing(failure).send(get("/v1/open", &[])).await;
        assert_eq!(response.status(), 500, "{failure:?}");
        assert_eq!(testing::json(&response), json!({ "message": "Internal server error" }));
    }
    assert_eq!(failing(InvokeFailure::TooLarge).send(get("/v1/open", &[])).await.status(), 413);
}

#[tokio::test]
async fn customized_answers_are_those_of_the_template_d() {
    let mut stack = stack();
    let custom = stack_template::GatewayResponse {
        status: None,
        headers: [("X-Type".to_owned(), "$context.error.responseType".to_owned())].into(),
        templates: [(
            "application/problem+json".to_owned(),
            r#"{"instance":"$context.requestId"}"#.to_owned(),
        )]
        .into(),
    };
    stack.apis[0].gateway_responses.insert("DEFAULT_4XX".to_owned(), custom);
    let harness = Harness::over(stack, "{}");
    let response = harness.send(get("/v1/tenant", &[])).await;
    assert_eq!(response.status(), 403);
    assert_eq!(header(&response, "x-type"), Some("INVALID_API_KEY"));
    assert_eq!(testing::json(&response), json!({ "instance": harness.last_record().request_id }));
}

#[tokio::test]
async fn a_replaced_template_counts_from_the_next_request_on() {
    let harness = Harness::answering("{}");
    assert_eq!(harness.send(get("/v1/open", &[])).await.status(), 200);
    let mut changed = stack();
    changed.apis[0].routes.retain(|route| route.path != "/open");
    changed.apis[0].stage = "v2".to_owned();
    harness.live.replace(Arc::new(changed));
    assert_forbidden(&harness.send(get("/v1/open", &[])).await);
    let response = harness.send(get("/v2/open", &[])).await;
    assert_eq!(header(&response, "x-amzn-errortype"), Some("MissingAuthenticationTokenException"));

    let mut gone = stack();
    gone.apis.clear();
    harness.live.replace(Arc::new(gone));
    assert_forbidden(&harness.send(get("/v1/open", &[])).await);
}

#[tokio::test]
async fn a_gateway_for_an_api_that_is_not_declared_is_not_made() {
    let harness = Harness::answering("{}");
    let mut settings = harness.gateway.settings;
    settings.api = "NoApi".to_owned();
    assert!(matches!(Gateway::new(settings), Err(Error::UnknownApi(name)) if name == "NoApi"));
}

#[tokio::test]
async fn the_record_says_what_happened_and_holds_no_value() {
    let harness = Harness::answering(r#"{"statusCode":204}"#);
    let id = harness.seed_key(true);
    harness.send(get("/v1/tenant?x=y", &[("x-api-key", VALUE)])).await;
    let record = harness.last_record();
    let expected = RequestRecord {
        at: testing::now(),
        api: "DataApi".to_owned(),
        method: "GET".to_owned(),
        path: "/v1/tenant".to_owned(),
        resource: Some("/tenant".to_owned()),
        status: 204,
        duration: record.duration,
        cold: Some(true),
        api_key_id: Some(id),
        key_name: Some("tenantry-acme-1".to_owned()),
        function: Some("echo".to_owned()),
        gateway_response: None,
        detail: None,
        limits: record.limits.clone(),
        refused_by: None,
        request_id: record.request_id.clone(),
    };
    assert_eq!(record, expected);
    assert!(!format!("{record:?}").contains(VALUE));
}
