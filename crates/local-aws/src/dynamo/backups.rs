//! Point-in-time recovery, which the database does not have: who asks for it is answered as by DynamoDB, and nothing is
//! kept.

use http::HeaderName;
use local_http::{Body, Request, Response};
use serde_json::{Value, json};

use super::forward::Forward;
use crate::protocol::{Protocol, Refusal};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Whether the request is `UpdateContinuousBackups`.
pub(super) fn is_meant(request: &Request) -> bool {
    let target = request.headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
    target.rsplit('.').next() == Some("UpdateContinuousBackups")
}

/// Answers it, if the table is there.
pub(super) async fn update(forward: &Forward, request: &Request) -> Response {
    let body: Value = match &request.body {
        Body::Whole(body) => serde_json::from_slice(body).unwrap_or_default(),
        Body::TooLarge => return Protocol::Json.answer(&Refusal::TooLarge),
    };
    let described = forward.own_call("DescribeTable", &json!({"TableName": body["TableName"]})).await;
    if !described.status().is_success() {
        return described;
    }
    let is_wanted = &body["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
    let state = if is_wanted == true { "ENABLED" } else { "DISABLED" };
    let told = json!({"ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": state},
    }});
    let mut response = Response::new(told.to_string().into());
    let content_type = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}
