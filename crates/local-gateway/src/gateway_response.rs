//! The gateway's own answers: what is built in, and what the template makes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use local_http::{Request, Response};
use serde_json::json;
use stack_template::GatewayResponse;

use crate::exchange::{ERROR_TYPE, Exchange, header_value};
use crate::media_type;
use crate::ports::{Denial, Denied};

const JSON: &str = "application/json";
const INTERNAL: &str = "InternalServerErrorException";

/// The types that this gateway answers with (AWS: "Gateway response types").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseType {
    AccessDenied,
    ApiConfigurationError,
    Default5xx,
    ExpiredToken,
    IntegrationTimeout,
    InvalidApiKey,
    InvalidSignature,
    MissingAuthenticationToken,
    QuotaExceeded,
    RequestTooLarge,
    Throttled,
}

impl ResponseType {
    /// The name that a template customizes it under.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "ACCESS_DENIED",
            Self::ApiConfigurationError => "API_CONFIGURATION_ERROR",
            Self::Default5xx => "DEFAULT_5XX",
            Self::ExpiredToken => "EXPIRED_TOKEN",
            Self::IntegrationTimeout => "INTEGRATION_TIMEOUT",
            Self::InvalidApiKey => "INVALID_API_KEY",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::MissingAuthenticationToken => "MISSING_AUTHENTICATION_TOKEN",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::RequestTooLarge => "REQUEST_TOO_LARGE",
            Self::Throttled => "THROTTLED",
        }
    }
}

/// An answer of the gateway itself, which the template can customize.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatewayError {
    pub(crate) response_type: ResponseType,
    /// What a developer needs to know and the client is not told.
    pub(crate) detail: Option<Cow<'static, str>>,
    status: StatusCode,
    error_type: &'static str,
    message: Cow<'static, str>,
}

impl GatewayError {
    fn new(
        response_type: ResponseType,
        status: StatusCode,
        error_type: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { response_type, detail: None, status, error_type, message: message.into() }
    }

    pub(crate) fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    pub(crate) fn invalid_api_key() -> Self {
        Self::new(ResponseType::InvalidApiKey, StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden")
    }

    pub(crate) fn missing_authentication_token() -> Self {
        Self::new(
            ResponseType::MissingAuthenticationToken,
            StatusCode::FORBIDDEN,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
    }

    pub(crate) fn throttled() -> Self {
        Self::new(
            ResponseType::Throttled,
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Too Many Requests",
        )
    }

    pub(crate) fn quota_exceeded() -> Self {
        Self::new(
            ResponseType::QuotaExceeded,
            StatusCode::TOO_MANY_REQUESTS,
            "LimitExceededException",
            "Limit Exceeded",
        )
    }

    pub(crate) fn request_too_large() -> Self {
        Self::new(
            ResponseType::RequestTooLarge,
            StatusCode::PAYLOAD_TOO_LARGE,
            "BadRequestException",
            "Request Too Long",
        )
    }

    pub(crate) fn integration_timeout() -> Self {
        Self::new(
            ResponseType::IntegrationTimeout,
            StatusCode::GATEWAY_TIMEOUT,
            INTERNAL,
            "Endpoint request timed out",
        )
    }

    /// The function failed, or its answer is no proxy response.
    pub(crate) fn bad_gateway() -> Self {
        Self::new(ResponseType::Default5xx, StatusCode::BAD_GATEWAY, INTERNAL, "Internal server error")
    }

    /// The function could not be invoked now.
    pub(crate) fn internal() -> Self {
        Self::new(
            ResponseType::Default5xx,
            StatusCode::INTERNAL_SERVER_ERROR,
            INTERNAL,
            "Internal server error",
        )
    }

    /// The function that the method names does not exist.
    pub(crate) fn api_configuration_error() -> Self {
        Self::new(
            ResponseType::ApiConfigurationError,
            StatusCode::INTERNAL_SERVER_ERROR,
            INTERNAL,
            "Internal server error",
        )
    }

    /// The answer: by the specific type's customization, else by that of `DEFAULT_4XX` or
    /// `DEFAULT_5XX`, else as built in.
    pub(crate) fn render(
        &self,
        custom: &BTreeMap<String, GatewayResponse>,
        request: &Request,
        exchange: &Exchange,
    ) -> Response {
        let default = if self.status.is_client_error() { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
        let custom = custom.get(self.response_type.as_str()).or_else(|| custom.get(default));

        let template = custom.and_then(|custom| choose(&custom.templates, request));
        let (media_type, body) = match template {
            Some((media_type, template)) => {
                (media_type, self.substitute(template, exchange, media_type::is_json(media_type)))
            }
            None => (JSON, self.built_in_body()),
        };

        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = custom
            .and_then(|custom| custom.status)
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(self.status);
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(media_type) {
            headers.insert(header::CONTENT_TYPE, value);
        }
        headers.insert(ERROR_TYPE, header_value(self.error_type));
        exchange.stamp(headers);
        for (name, value) in custom.map(|custom| &custom.headers).into_iter().flatten() {
            let value = HeaderValue::from_str(&self.substitute(value, exchange, false));
            // A name or value that HTTP cannot carry is left out, as a broken answer helps nobody.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
                headers.insert(name, value);
            }
        }
        response
    }

    fn built_in_body(&self) -> String {
        // IAM's refusals are spelled with a capital letter (A).
        let member = if self.response_type == ResponseType::AccessDenied { "Message" } else { "message" };
        json!({ member: self.message }).to_string()
    }

    /// Replaces `$context.…` in a template. This is not VTL: there are no other expressions, and an
    /// unknown variable becomes nothing (A).
    fn substitute(&self, template: &str, exchange: &Exchange, escape: bool) -> String {
        const PREFIX: &str = "$context.";
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find(PREFIX) {
            text.push_str(&rest[..start]);
            rest = &rest[start + PREFIX.len()..];
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
                .unwrap_or(rest.len());
            // A full stop after a variable ends a sentence and is not the variable's.
            let name = rest[..end].trim_end_matches('.');
            rest = &rest[name.len()..];
            match name {
                "error.messageString" => text.push_str(&json_string(&self.message)),
                "error.message" if escape => {
                    let quoted = json_string(&self.message);
                    text.push_str(&quoted[1..quoted.len() - 1]);
                }
                "error.message" => text.push_str(&self.message),
                "error.responseType" => text.push_str(self.response_type.as_str()),
                "requestId" => text.push_str(&exchange.request_id),
                "extendedRequestId" => text.push_str(&exchange.extended_request_id),
                _ => {}
            }
        }
        text.push_str(rest);
        text
    }
}

impl From<Denied> for GatewayError {
    fn from(Denied { denial, message }: Denied) -> Self {
        let refused = |response_type, error_type| {
            Self::new(response_type, StatusCode::FORBIDDEN, error_type, message.clone())
        };
        match denial {
            Denial::MissingAuthenticationToken => Self::missing_authentication_token(),
            Denial::IncompleteSignature => {
                refused(ResponseType::InvalidSignature, "IncompleteSignatureException")
            }
            Denial::UnrecognizedClient => {
                refused(ResponseType::InvalidSignature, "UnrecognizedClientException")
            }
            Denial::InvalidSignature => refused(ResponseType::InvalidSignature, "InvalidSignatureException"),
            Denial::ExpiredToken => refused(ResponseType::ExpiredToken, "ExpiredTokenException"),
            Denial::AccessDenied => refused(ResponseType::AccessDenied, "AccessDeniedException"),
        }
    }
}

/// The template for what the client accepts first, else the one for JSON, else the first one (A).
fn choose<'t>(templates: &'t BTreeMap<String, String>, request: &Request) -> Option<(&'t str, &'t str)> {
    let accepted = media_type::accepted(&request.headers).unwrap_or_default();
    templates
        .get_key_value(&accepted)
        .or_else(|| templates.get_key_value(JSON))
        .or_else(|| templates.first_key_value())
        .map(|(media_type, template)| (media_type.as_str(), template.as_str()))
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The answer to a body over the gateway's own limit. No template can change it, and it is text (M).
pub(crate) fn content_too_long(exchange: &Exchange) -> Response {
    let mut response = Response::new(Bytes::from_static(b"HTTP content length exceeded 10485760 bytes."));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    exchange.stamp(response.headers_mut());
    response
}

/// The answer outside of any stage, where there are no customizations (A).
pub(crate) fn unknown_stage(request: &Request, exchange: &Exchange) -> Response {
    GatewayError::invalid_api_key().render(&BTreeMap::new(), request, exchange)
}

#[cfg(test)]
#[path = "gateway_response_tests.rs"]
mod tests;
