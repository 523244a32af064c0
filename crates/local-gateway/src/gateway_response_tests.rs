use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::testing::{self, get, header, now};

fn customized(
    name: &str,
    status: Option<u16>,
    headers: &[(&str, &str)],
    templates: &[(&str, &str)],
) -> BTreeMap<String, GatewayResponse> {
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    BTreeMap::from([(
        name.to_owned(),
        GatewayResponse { status, headers: map(headers), templates: map(templates) },
    )])
}

fn exchange() -> Exchange {
    Exchange {
        at: now(),
        request_id: "8f0f1e0c-0000-4000-8000-000000000001".to_owned(),
        extended_request_id: "AAAAAAAAAAAAAAA=".to_owned(),
        trace_id: "Root=1-67891233-abcdef012345678912345678".to_owned(),
    }
}

fn render(error: &GatewayError, custom: &BTreeMap<String, GatewayResponse>) -> Response {
    error.render(custom, &get("/v1/open", &[]), &exchange())
}

fn denied(denial: Denial) -> GatewayError {
    GatewayError::from(Denied { denial, message: "not \"you\"".to_owned() })
}

/// Tagged per row as in the reference: M for the key, route, time-out, size and 502 rows, A for the rest.
#[test]
fn built_in_answers_are_those_of_the_table_m() {
    let table = [
        (GatewayError::invalid_api_key(), 403, "Forbidden", "ForbiddenException", "INVALID_API_KEY"),
        (
            GatewayError::missing_authentication_token(),
            403,
            "Missing Authentication Token",
            "MissingAuthenticationTokenException",
            "MISSING_AUTHENTICATION_TOKEN",
        ),
        (
            GatewayError::integration_timeout(),
            504,
            "Endpoint request timed out",
            "InternalServerErrorException",
            "INTEGRATION_TIMEOUT",
        ),
        (
            GatewayError::bad_gateway(),
            502,
            "Internal server error",
            "InternalServerErrorException",
            "DEFAULT_5XX",
        ),
        (
            GatewayError::internal(),
            500,
            "Internal server error",
            "InternalServerErrorException",
            "DEFAULT_5XX",
        ),
        (
            GatewayError::api_configuration_error(),
            500,
            "Internal server error",
            "InternalServerErrorException",
            "API_CONFIGURATION_ERROR",
        ),
        (
            GatewayError::request_too_large(),
            413,
            "Request Too Long",
            "BadRequestException",
            "REQUEST_TOO_LARGE",
        ),
    ];
    for (error, status, message, error_type, response_type) in table {
        let response = render(&error, &BTreeMap::new());
        assert_eq!(response.status(), status, "{response_type}");
        assert_eq!(testing::json(&response), json!({ "message": message }), "{response_type}");
        assert_eq!(header(&response, "x-amzn-ErrorType"), Some(error_type), "{response_type}");
        assert_eq!(header(&response, "content-type"), Some("application/json"));
        assert_eq!(header(&response, "x-amzn-RequestId"), Some("8f0f1e0c-0000-4000-8000-000000000001"));
        assert_eq!(header(&response, "x-amz-apigw-id"), Some("AAAAAAAAAAAAAAA="));
        assert_eq!(error.response_type.as_str(), response_type);
    }
}

#[test]
fn a_denied_caller_is_told_why_a() {
    let table = [
        (Denial::IncompleteSignature, "INVALID_SIGNATURE", "IncompleteSignatureException"),
        (Denial::UnrecognizedClient, "INVALID_SIGNATURE", "UnrecognizedClientException"),
        (Denial::InvalidSignature, "INVALID_SIGNATURE", "InvalidSignatureException"),
        (Denial::ExpiredToken, "EXPIRED_TOKEN", "ExpiredTokenException"),
    ];
    for (denial, response_type, error_type) in table {
        let response = render(&denied(denial), &BTreeMap::new());
        assert_eq!(response.status(), 403);
        assert_eq!(testing::json(&response), json!({ "message": "not \"you\"" }));
        assert_eq!(header(&response, "x-amzn-errortype"), Some(error_type));
        assert_eq!(denied(denial).response_type.as_str(), response_type);
    }
    let response = render(&denied(Denial::AccessDenied), &BTreeMap::new());
    assert_eq!(testing::json(&response), json!({ "Message": "not \"you\"" }));
    assert_eq!(denied(Denial::MissingAuthenticationToken), GatewayError::missing_authentication_token());
}

#[test]
fn the_specific_type_beats_the_default_and_the_default_the_built_in_d() {
    let mut custom = customized("DEFAULT_4XX", None, &[], &[("application/json", "\"default\"")]);
    custom.extend(customized("INVALID_API_KEY", Some(401), &[], &[("application/json", "\"specific\"")]));
    let response = render(&GatewayError::invalid_api_key(), &custom);
    assert_eq!((response.status().as_u16(), testing::json(&response)), (401, json!("specific")));
    let response = render(&GatewayError::missing_authentication_token(), &custom);
    assert_eq!((response.status().as_u16(), testing::json(&response)), (403, json!("default")));
    let response = render(&GatewayError::bad_gateway(), &custom);
    assert_eq!(testing::json(&response), json!({ "message": "Internal server error" }));
}

#[test]
fn context_variables_are_filled_in_and_escaped_d() {
    let template = concat!(
        r#"{"m":$context.error.messageString,"raw":"$context.error.message.","#,
        r#""t":"$context.error.responseType","#,
        r#""id":"$context.requestId","x":"$context.extendedRequestId"}"#
    );
    let custom = customized("ACCESS_DENIED", None, &[], &[("application/problem+json", template)]);
    let response = render(&denied(Denial::AccessDenied), &custom);
    assert_eq!(
        testing::json(&response),
        json!({
            "m": "not \"you\"", "raw": "not \"you\".", "t": "ACCESS_DENIED",
            "id": "8f0f1e0c-0000-4000-8000-000000000001", "x": "AAAAAAAAAAAAAAA=",
        })
    );
    assert_eq!(header(&response, "content-type"), Some("application/problem+json"));
    assert_eq!(header(&response, "x-amzn-errortype"), Some("AccessDeniedException"));
}

#[test]
fn an_unknown_variable_becomes_nothing_a() {
    let template = r#"{"a":"<$context.identity.apiKey>","b":"$context.","c":"$input.body"}"#;
    let custom = customized("DEFAULT_4XX", None, &[], &[("application/json", template)]);
    let body = testing::json(&render(&GatewayError::invalid_api_key(), &custom));
    assert_eq!(body, json!({ "a": "<>", "b": "", "c": "$input.body" }));
}

#[test]
fn custom_headers_are_set_over_the_built_in_ones_d() {
    let headers = [
        ("Access-Control-Allow-Origin", "*"),
        ("Content-Type", "application/problem+json"),
        ("X-Id", "$context.requestId"),
        ("bad name", "x"),
    ];
    let custom = customized("DEFAULT_5XX", None, &headers, &[]);
    let response = render(&GatewayError::bad_gateway(), &custom);
    assert_eq!(header(&response, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&response, "content-type"), Some("application/problem+json"));
    assert_eq!(header(&response, "x-id"), Some("8f0f1e0c-0000-4000-8000-000000000001"));
    assert_eq!(testing::json(&response), json!({ "message": "Internal server error" }));
}

#[test]
fn the_template_is_chosen_by_the_first_accepted_type_a() {
    let templates = [("application/json", "json"), ("application/xml", "xml")];
    let custom = customized("DEFAULT_4XX", None, &[], &templates);
    let body = |accept| {
        let request = get("/v1/open", &[("accept", accept)]);
        GatewayError::invalid_api_key().render(&custom, &request, &exchange()).into_body()
    };
    assert_eq!(body("application/xml, */*"), "xml");
    assert_eq!(body("*/*"), "json");
    assert_eq!(body("text/html"), "json");
}
