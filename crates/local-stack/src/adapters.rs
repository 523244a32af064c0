//! Each part asks for what it needs by a trait of its own; here they are answered by the others.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, StatusCode};
use local_aws::{
    Dynamo, Iam, Principal, PrincipalKind, Service, SignatureError, Verifier, lambda_function,
    rest_json_error,
};
use local_gateway::{Authorizer, Caller, Denial, Denied, InvokeFailure, Invoked, Invoker, Management};
use local_http::{Body, Request, Response};
use local_runtime::InvokeError;
use uuid::Uuid;

use crate::events::{By, Event, Events, MAX_EVENT_BYTES, Refused};
use crate::gate::{Gate, Pass};
use crate::lambda::Lambda;
use crate::output::{ManagementCall, Notice, Notices};

/// Characters of the shortest value that a key can have.
const MIN_VALUE: usize = 20;

/// Lambda for API Gateway.
pub(crate) struct Functions(pub(crate) Arc<Lambda>, pub(crate) Gate, pub(crate) Notices);

impl Invoker for Functions {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
        trace_id: &'a str,
    ) -> BoxFuture<'a, Result<Invoked, InvokeFailure>> {
        Box::pin(async move {
            let pass = Some(self.1.function().await);
            match self.0.invoke(function, payload, Some(trace_id.to_owned()), pass).await {
                Ok(done) => Ok(Invoked {
                    payload: done.payload,
                    function_error: done.function_error.is_some(),
                    cold: done.cold,
                }),
                Err(InvokeError::UnknownFunction(_)) => Err(InvokeFailure::Unknown),
                Err(InvokeError::RequestTooLarge { .. }) => Err(InvokeFailure::TooLarge),
                Err(InvokeError::Throttled(_)) => Err(InvokeFailure::Throttled),
                Err(reason @ InvokeError::Unreachable { .. }) => {
                    self.2.send(Notice::Warning(reason.to_string()));
                    Err(InvokeFailure::Unavailable)
                }
                Err(InvokeError::Stopping) => Err(InvokeFailure::Unavailable),
            }
        })
    }
}

/// IAM for API Gateway.
pub(crate) struct Signatures(pub(crate) Arc<Verifier>, pub(crate) Arc<Iam>);

impl Authorizer for Signatures {
    fn authorize(&self, request: &Request, resource_arn: &str) -> Result<Caller, Denied> {
        let verified = self.0.verify(request, Some("execute-api")).map_err(|error| Denied {
            denial: match error {
                // A key or another scheme's token is no signature at all.
                SignatureError::MissingAuthenticationToken | SignatureError::UnsupportedMechanism => {
                    Denial::MissingAuthenticationToken
                }
                SignatureError::IncompleteSignature(_) => Denial::IncompleteSignature,
                SignatureError::UnrecognizedClient => Denial::UnrecognizedClient,
                SignatureError::ExpiredToken => Denial::ExpiredToken,
                SignatureError::InvalidSignature(_)
                | SignatureError::HeaderNotSigned(_)
                | SignatureError::SignatureDoesNotMatch
                | SignatureError::SignedHeaderMissing(_)
                | SignatureError::SignatureExpired { .. }
                | SignatureError::SignatureNotYetCurrent { .. }
                | SignatureError::RequestExpired
                | SignatureError::PayloadMismatch
                | SignatureError::BodyTooLarge => Denial::InvalidSignature,
            },
            message: error.to_string(),
        })?;
        let principal = verified.principal;
        self.1
            .authorize_action(&principal, "execute-api:Invoke", resource_arn, request)
            .map_err(|local_aws::Denied { message }| Denied { denial: Denial::AccessDenied, message })?;
        Ok(Caller {
            access_key_id: principal.access_key_id.clone(),
            account_id: principal.account_id.clone(),
            user_arn: principal.arn.clone(),
            user_id: principal.user_id.clone(),
            caller: principal.user_id.clone(),
        })
    }
}

/// API Gateway's management calls behind the AWS address. Those by which
/// somebody changes something by hand, and refused ones, are shown.
pub(crate) struct ApiGatewayCalls(pub(crate) Arc<Management>, pub(crate) Gate, pub(crate) Notices);

impl Service for ApiGatewayCalls {
    fn call(&self, request: Request, caller: Arc<Principal>) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            let pass = self.1.data().await;
            let (method, path) = (request.method.clone(), shown(request.uri.path()));
            let management = Arc::clone(&self.0);
            // A call is carried out also when its client has left, and has passed the gate until then.
            let call = tokio::spawn(async move {
                let _pass = pass;
                management.handle(request).await
            });
            let response = call.await.unwrap_or_else(|_| {
                rest_json_error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "Internal server error")
            });
            // What a function changes is told by its own request's line.
            let by_hand = caller.kind == PrincipalKind::Admin && method != http::Method::GET;
            if by_hand || !response.status().is_success() {
                self.2.send(Notice::Management(ManagementCall {
                    principal: caller.arn.clone(),
                    method: method.to_string(),
                    path,
                    status: response.status().as_u16(),
                    error: response
                        .headers()
                        .get("x-amzn-errortype")
                        .and_then(|value| value.to_str().ok())
                        .map(str::to_owned),
                }));
            }
            response
        })
    }
}

/// A path as it may be shown. Ids are short; what is as long as a key's value may be one that was taken for an id.
fn shown(path: &str) -> String {
    let shown = |segment| if str::len(segment) < MIN_VALUE { segment } else { "…" };
    path.split('/').map(shown).collect::<Vec<_>>().join("/")
}

/// DynamoDB behind the AWS address.
pub(crate) struct DynamoCalls(pub(crate) Arc<Dynamo>, pub(crate) Gate);

impl Service for DynamoCalls {
    fn call(&self, request: Request, caller: Arc<Principal>) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            let _open = self.1.data().await;
            Service::call(&*self.0, request, caller).await
        })
    }
}

/// Lambda's Invoke behind the AWS address.
pub(crate) struct LambdaCalls {
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) events: Arc<Events>,
    pub(crate) gate: Gate,
}

impl Service for LambdaCalls {
    fn call(&self, request: Request, caller: Arc<Principal>) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            // A function that invokes another one has passed the gates already, and must not wait before one
            // that waits for itself.
            let of_function = match &caller.kind {
                PrincipalKind::Admin => false,
                PrincipalKind::FunctionRole { .. } => true,
                PrincipalKind::Session(facts) => facts.chained,
            };
            let (_request, function) = if of_function {
                (None, None)
            } else {
                (Some(self.gate.request().await), Some(self.gate.function().await))
            };
            self.invoke(request, function).await
        })
    }
}

impl LambdaCalls {
    /// `POST /2015-03-31/functions/{name}/invocations`.
    async fn invoke(&self, request: Request, pass: Option<Pass>) -> Response {
        let name = lambda_function(request.uri.path());
        let (Some(name), &http::Method::POST) = (name, &request.method) else {
            return error(501, "NotImplemented", "Of Lambda, only Invoke is served here.");
        };
        let kind = request.headers.get("x-amz-invocation-type").and_then(|value| value.to_str().ok());
        let payload = match request.body {
            Body::Whole(body) if body.is_empty() => Bytes::from_static(b"{}"),
            Body::Whole(body) => body,
            Body::TooLarge => return error(413, "RequestTooLargeException", "The payload is too large."),
        };
        if serde_json::from_slice::<serde::de::IgnoredAny>(&payload).is_err() {
            return error(400, "InvalidRequestContentException", "The payload is not JSON.");
        }
        let trace_id = request.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
        let trace_id = trace_id.map(str::to_owned);
        match kind {
            None | Some("RequestResponse") => {}
            Some("Event") => return self.accept(name, payload, trace_id),
            Some("DryRun") if self.events.knows(&name) => return empty(StatusCode::NO_CONTENT),
            Some("DryRun") => return unknown_function(&name),
            Some(_) => {
                let said = "The invocation type must be RequestResponse, Event or DryRun.";
                return error(400, "InvalidParameterValueException", said);
            }
        }
        match self.lambda.invoke(&name, payload, trace_id, pass).await {
            Ok(done) => {
                let mut response = Response::new(done.payload);
                *response.status_mut() = StatusCode::OK;
                let mut set = |name: &'static str, value: &str| {
                    if let Ok(value) = HeaderValue::from_str(value) {
                        response.headers_mut().insert(HeaderName::from_static(name), value);
                    }
                };
                set("content-type", "application/json");
                set("x-amz-executed-version", "$LATEST");
                set("x-amzn-requestid", &done.request_id);
                if let Some(kind) = &done.function_error {
                    set("x-amz-function-error", kind);
                }
                response
            }
            Err(InvokeError::UnknownFunction(name)) => unknown_function(&name),
            Err(reason @ InvokeError::RequestTooLarge { .. }) => {
                error(413, "RequestTooLargeException", &reason.to_string())
            }
            Err(reason @ InvokeError::Throttled(_)) => {
                error(429, "TooManyRequestsException", &reason.to_string())
            }
            Err(reason @ (InvokeError::Unreachable { .. } | InvokeError::Stopping)) => {
                error(503, "ServiceException", &reason.to_string())
            }
        }
    }
}

impl LambdaCalls {
    /// Takes an event whose function runs after the answer.
    fn accept(&self, function: String, payload: Bytes, trace_id: Option<String>) -> Response {
        let generation = self.events.generation();
        let name = function.clone();
        let event = Event { function, payload, trace_id, by: By::Call, generation };
        match self.events.accept(event, None) {
            Ok(()) => empty(StatusCode::ACCEPTED),
            Err(Refused::UnknownFunction) => unknown_function(&name),
            Err(Refused::TooLarge) => {
                let said = format!("An event has {MAX_EVENT_BYTES} bytes at most.");
                error(413, "RequestTooLargeException", &said)
            }
            Err(Refused::Full) => error(429, "TooManyRequestsException", "Too many events wait already."),
        }
    }
}

fn error(status: u16, code: &'static str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    rest_json_error(status, code, message)
}

fn unknown_function(name: &str) -> Response {
    error(404, "ResourceNotFoundException", &format!("Function not found: {name}"))
}

/// An answer of Lambda's without a body. Its id is none that a function sees.
fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    if let Ok(id) = HeaderValue::from_str(&Uuid::now_v7().to_string()) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_keys_value_is_not_shown() {
        assert_eq!(
            shown("/usageplans/ey9vk6/keys/k3dnxw3c8n/usage"),
            "/usageplans/ey9vk6/keys/k3dnxw3c8n/usage"
        );
        assert_eq!(shown("/apikeys/tntAcmeKeyValue012345"), "/apikeys/…");
    }
}
