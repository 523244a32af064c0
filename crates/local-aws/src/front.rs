//! One address for several services.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, header};
use local_http::{Body, BodyError, Request, Response, Stream, StreamedResponse, streamed};

use crate::authorize::{Authorize, Denied, ServiceName};
use crate::iam::Tell;
use crate::principals::Principal;
use crate::protocol::{Protocol, Refusal};
use crate::s3::{NO_FORMS, is_form};
use crate::sigv4::{Payload, Verifier, claimed_service};
use crate::tap::{Call, Fate, Tap};

/// The longest body that any of the services but S3 takes: DynamoDB's 16 MiB.
const MAX_BODY_BYTES: usize = 16 * 1_024 * 1_024;

/// What the caller of a call is told that a [`Tap`] makes fail.
const FAILED: Refusal = Refusal::ServiceFailed("The local stack was told to let this call fail.");

/// A service behind the front.
pub trait Service: Send + Sync {
    /// Answers a request that `caller` has signed and may make. Its body is whole.
    fn call(&self, request: Request, caller: Arc<Principal>) -> BoxFuture<'_, Response>;
}

/// A request to S3 as its principal has signed it. Its body may still be arriving.
pub struct Signed {
    pub(crate) request: Request<Stream>,
    pub(crate) principal: Arc<Principal>,
    pub(crate) payload: Payload,
}

/// The service behind the front whose bodies come and go in streams: S3. It judges by itself what its callers
/// may do.
pub trait StreamService: Send + Sync {
    /// Answers a request.
    fn call(&self, request: Signed) -> BoxFuture<'_, StreamedResponse>;

    /// Answers a browser that asks, without a signature, what a page of another origin may do.
    fn preflight(&self, request: &Request<()>) -> Response;

    /// The headers by which a page of another origin may read the answer to its request, be it a refusal.
    fn cross_origin(&self, request: &Request<()>) -> HeaderMap;
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
    /// `s3`: [`S3`](crate::S3).
    pub s3: Arc<dyn StreamService>,
}

/// Verifies, authorizes and dispatches the requests of one address.
pub struct Front {
    verifier: Arc<Verifier>,
    authorize: Arc<dyn Authorize>,
    services: Services,
    /// Told the reason of each signature that is not accepted.
    on_unsigned: Option<Tell>,
    tap: Option<Arc<dyn Tap>>,
}

/// A request that may go to its service.
struct Admitted {
    service: ServiceName,
    caller: Arc<Principal>,
    action: String,
}

impl Front {
    /// A front for these services.
    pub fn new(verifier: Arc<Verifier>, authorize: Arc<dyn Authorize>, services: Services) -> Self {
        Self { verifier, authorize, services, on_unsigned: None, tap: None }
    }

    /// Lets somebody decide what becomes of calls.
    #[must_use]
    pub fn tapped(self, tap: Arc<dyn Tap>) -> Self {
        Self { tap: Some(tap), ..self }
    }

    /// Tells somebody why a signature was not accepted, in the sentence that its sender is told.
    #[must_use]
    pub fn on_unsigned(self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { on_unsigned: Some(Box::new(tell)), ..self }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Stream>) -> StreamedResponse {
        let (head, body) = request.without_body();
        if head.method == Method::OPTIONS && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return streamed(self.services.s3.preflight(&head));
        }
        match claimed_service(&head) {
            Some(service) if service == "s3" => self.handle_s3(head, body).await,
            claimed @ Some(_) => streamed(match body.whole(MAX_BODY_BYTES).await {
                Ok(body) => self.handle_whole(head.with_body(body)).await,
                Err(error) => self.refuse(claimed.as_deref(), &head, &late(&error)),
            }),
            None if is_form(&head) => {
                streamed(Protocol::S3.answer(&Refusal::UnsupportedService(NO_FORMS.to_owned())))
            }
            // Without a signature, nobody has to wait for the body.
            None => streamed(self.handle_whole(head.with_body(Body::Whole(Bytes::new()))).await),
        }
    }

    async fn handle_s3(&self, head: Request<()>, body: Stream) -> StreamedResponse {
        let cross_origin = self.services.s3.cross_origin(&head);
        let mut response = match self.verifier.verify_s3(&head) {
            Ok((verified, payload)) => {
                let principal = verified.principal;
                match &self.tap {
                    None => self.serve_s3(head, body, principal, payload).await,
                    Some(tap) => self.serve_s3_tapped(&**tap, head, body, principal, payload).await,
                }
            }
            Err(error) => streamed(self.refuse(Some("s3"), &head, &Refusal::Signature(error))),
        };
        response.headers_mut().extend(cross_origin);
        response
    }

    async fn serve_s3(
        &self,
        head: Request<()>,
        body: Stream,
        principal: Arc<Principal>,
        payload: Payload,
    ) -> StreamedResponse {
        self.services.s3.call(Signed { request: head.with_body(body), principal, payload }).await
    }

    async fn serve_s3_tapped(
        &self,
        tap: &dyn Tap,
        head: Request<()>,
        body: Stream,
        principal: Arc<Principal>,
        payload: Payload,
    ) -> StreamedResponse {
        let (method, path, caller) =
            (head.method.clone(), head.uri.path().to_owned(), Arc::clone(&principal));
        let action = format!("s3:{method}");
        let call = Call { caller: &caller, action: &action, method: &method, path: &path };
        let fate = tap.meet(&call);
        if fate == Fate::Failed {
            return streamed(Protocol::S3.answer(&FAILED));
        }
        let response = self.serve_s3(head, body, principal, payload).await;
        if fate == Fate::Lost {
            tap.lose(&call).await;
        }
        response
    }

    /// Answers a whole request to one of the services but S3.
    pub(crate) async fn handle_whole(&self, request: Request) -> Response {
        match self.admit(&request) {
            Ok(admitted) => match &self.tap {
                None => self.service(admitted.service).call(request, admitted.caller).await,
                Some(tap) => self.serve_tapped(&**tap, request, admitted).await,
            },
            Err(refusal) => self.refuse(claimed_service(&request).as_deref(), &request, &refusal),
        }
    }

    async fn serve_tapped(&self, tap: &dyn Tap, request: Request, admitted: Admitted) -> Response {
        let Admitted { service, caller, action } = admitted;
        let (method, path) = (request.method.clone(), request.uri.path().to_owned());
        let call = Call { caller: &caller, action: &action, method: &method, path: &path };
        let fate = tap.meet(&call);
        if fate == Fate::Failed {
            return Protocol::of(Some(service.as_str()), &request).answer(&FAILED);
        }
        let response = self.service(service).call(request, Arc::clone(&caller)).await;
        if fate == Fate::Lost {
            tap.lose(&call).await;
        }
        response
    }

    fn refuse<B>(&self, claimed: Option<&str>, request: &Request<B>, refusal: &Refusal) -> Response {
        if let (Refusal::Signature(error), Some(tell)) = (refusal, &self.on_unsigned) {
            let service = claimed.unwrap_or("AWS");
            tell(&format!("a call to {service} was not accepted: {error}"));
        }
        Protocol::of(claimed, request).answer(refusal)
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
        Ok(Admitted { service, caller, action })
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

/// A body that did not arrive.
fn late(error: &BodyError) -> Refusal {
    Refusal::Invalid("RequestTimeout", format!("{error}."))
}

#[cfg(test)]
#[path = "front_tests.rs"]
mod tests;
