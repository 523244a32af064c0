//! One address for several services.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use local_http::{Body, Request, Response};

use crate::authorize::{Authorize, Denied, ServiceName};
use crate::iam::Tell;
use crate::principals::Principal;
use crate::protocol::{Protocol, Refusal};
use crate::sigv4::{Verifier, claimed_service};

/// The longest body that any of the services takes, DynamoDB's 16 MiB: the limit to listen with.
pub const MAX_BODY_BYTES: usize = 16 * 1_024 * 1_024;

/// A service behind the front.
pub trait Service: Send + Sync {
    /// Answers a request that `caller` has signed and may make. Its body is whole.
    fn call(&self, request: Request, caller: Arc<Principal>) -> BoxFuture<'_, Response>;
}

/// The services by the names in credential scopes.
#[derive(Clone)]
pub struct Services {
    /// `dynamodb`: [`Dynamo`](crate::Dynamo).
    pub dynamodb: Arc<dyn Service>,
    /// `apigateway`: API Gateway's management calls.
    pub api_gateway: Arc<dyn Service>,
    /// `lambda`: Invoke.
    pub lambda: Arc<dyn Service>,
    /// `sts`: [`Sts`](crate::Sts).
    pub sts: Arc<dyn Service>,
}

/// Verifies, authorizes and dispatches the requests of one address.
pub struct Front {
    verifier: Arc<Verifier>,
    authorize: Arc<dyn Authorize>,
    services: Services,
    /// Told the reason of each signature that is not accepted.
    on_unsigned: Option<Tell>,
}

/// A request that may go to its service.
struct Admitted {
    service: ServiceName,
    caller: Arc<Principal>,
}

impl Front {
    /// A front for these services.
    pub fn new(verifier: Arc<Verifier>, authorize: Arc<dyn Authorize>, services: Services) -> Self {
        Self { verifier, authorize, services, on_unsigned: None }
    }

    /// Tells somebody why a signature was not accepted, in the sentence that its sender is told.
    #[must_use]
    pub fn on_unsigned(self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { on_unsigned: Some(Box::new(tell)), ..self }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Response {
        match self.admit(&request) {
            Ok(Admitted { service, caller }) => self.service(service).call(request, caller).await,
            Err(refusal) => {
                if let (Refusal::Signature(error), Some(tell)) = (&refusal, &self.on_unsigned) {
                    let service = claimed_service(&request).unwrap_or_else(|| "AWS".to_owned());
                    tell(&format!("a call to {service} was not accepted: {error}"));
                }
                Protocol::of(claimed_service(&request).as_deref(), &request).answer(&refusal)
            }
        }
    }

    fn admit(&self, request: &Request) -> Result<Admitted, Refusal> {
        // Before all else: a body that was not kept cannot be under a verified signature.
        if matches!(request.body, Body::TooLarge) {
            return Err(Refusal::TooLarge);
        }
        let verified = self.verifier.verify(request, None).map_err(Refusal::Signature)?;
        let service = ServiceName::in_scope(&verified.service).ok_or_else(|| {
            let served = ServiceName::ALL.map(ServiceName::as_str).join(", ");
            let asked = &verified.service;
            Refusal::UnsupportedService(format!("This address serves {served}; it does not serve {asked}."))
        })?;
        let action = service.action(request).ok_or_else(|| {
            let name = service.as_str();
            Refusal::UnknownOperation(format!("The local stack knows no such operation of {name}."))
        })?;
        let caller = verified.principal;
        self.authorize
            .authorize(&caller, service.as_str(), &action, request)
            .map_err(|Denied { message }| Refusal::AccessDenied(message))?;
        Ok(Admitted { service, caller })
    }

    fn service(&self, name: ServiceName) -> &dyn Service {
        let services = &self.services;
        match name {
            ServiceName::DynamoDb => services.dynamodb.as_ref(),
            ServiceName::ApiGateway => services.api_gateway.as_ref(),
            ServiceName::Lambda => services.lambda.as_ref(),
            ServiceName::Sts => services.sts.as_ref(),
        }
    }
}

#[cfg(test)]
#[path = "front_tests.rs"]
mod tests;
