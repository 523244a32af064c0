//! One API's address: the order in which a request is checked, and what it is answered.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use local_http::{Body, Request, Response};
use stack_template::{Api, Authorization, Route, Stack};
use tokio::time::{Instant, timeout};

use crate::error::Error;
use crate::event;
use crate::exchange::{Exchange, micros};
use crate::gateway_response::{self, GatewayError};
use crate::identifier::deployment_id;
use crate::keys::{Admission, KeyStore, attached_day};
use crate::limits::{Limit, LimitRules, Measured, Member, Standing};
use crate::live::LiveStack;
use crate::media_type;
use crate::ports::{Authorizer, Caller, Clock, InvokeFailure, Invoker, Observer, RequestRecord};
use crate::proxy_response::{self, Malformed};
use crate::router::{Match, Router};

/// The largest body that API Gateway takes, in bytes: the limit for the address's server.
pub const MAX_BODY_BYTES: usize = 10_485_760;

/// The largest event that Lambda takes, in bytes of its JSON.
const MAX_EVENT_BYTES: usize = 6_291_456;

/// What a gateway is made of.
pub struct GatewaySettings {
    /// The template in force.
    pub stack: Arc<LiveStack>,
    /// The logical id of the API that this address serves.
    pub api: String,
    /// `requestContext.domainName`, without a port.
    pub domain_name: String,
    /// The keys, and what was counted of them.
    pub keys: Arc<KeyStore>,
    /// What holds for every plan's limits.
    pub limits: LimitRules,
    /// Invokes the functions.
    pub invoker: Arc<dyn Invoker>,
    /// Judges callers of methods with `AWS_IAM` authorization.
    pub authorizer: Arc<dyn Authorizer>,
    /// The stack's time.
    pub clock: Clock,
    /// Hears of every request.
    pub observer: Arc<dyn Observer>,
}

/// One API's address.
pub struct Gateway {
    settings: GatewaySettings,
    deployed: RwLock<Option<Arc<Deployed>>>,
}

/// An API of one template, with what is made of it once.
struct Deployed {
    stack: Arc<Stack>,
    api: Api,
    router: Router,
    deployment_id: String,
}

/// What becomes known of a request on its way.
#[derive(Default)]
struct Trail {
    resource: Option<String>,
    function: Option<String>,
    cold: Option<bool>,
    api_key_id: Option<String>,
    key_name: Option<String>,
    gateway_response: Option<&'static str>,
    detail: Option<Cow<'static, str>>,
    limits: Vec<Standing>,
    refused_by: Option<usize>,
}

impl Gateway {
    /// Makes a gateway for an API of the template in force.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownApi`] where the template does not declare it.
    pub fn new(settings: GatewaySettings) -> Result<Self, Error> {
        let gateway = Self { settings, deployed: RwLock::new(None) };
        match gateway.deployed() {
            Some(_) => Ok(gateway),
            None => Err(Error::UnknownApi(gateway.settings.api)),
        }
    }

    /// For tests: other settings than those it was made with.
    #[cfg(test)]
    pub(crate) fn settings_mut(&mut self) -> &mut GatewaySettings {
        &mut self.settings
    }

    /// Answers a request as API Gateway would.
    pub async fn handle(&self, request: Request) -> Response {
        let started = Instant::now();
        let exchange = Exchange::new((self.settings.clock)(), &request.headers);
        let mut trail = Trail::default();
        let response = self.answer(&request, &exchange, &mut trail).await;
        self.settings.observer.observe(RequestRecord {
            at: exchange.at,
            api: self.settings.api.clone(),
            method: request.method.to_string(),
            path: request.uri.path().to_owned(),
            resource: trail.resource,
            status: response.status().as_u16(),
            duration: started.elapsed(),
            cold: trail.cold,
            api_key_id: trail.api_key_id,
            key_name: trail.key_name,
            function: trail.function,
            gateway_response: trail.gateway_response,
            detail: trail.detail,
            limits: trail.limits,
            refused_by: trail.refused_by,
            request_id: exchange.request_id,
        });
        response
    }

    async fn answer(&self, request: &Request, exchange: &Exchange, trail: &mut Trail) -> Response {
        let Some(body) = whole(&request.body) else {
            trail.detail = Some("the body exceeds 10485760 bytes".into());
            return gateway_response::content_too_long(exchange);
        };
        let staged = self.deployed().and_then(|deployed| Some((deployed.path(request)?, deployed)));
        let Some((path, deployed)) = staged else {
            trail.detail = Some("the path begins with no stage of this API".into());
            return gateway_response::unknown_stage(request, exchange);
        };
        match self.integrate(&deployed, path, request, body, exchange, trail).await {
            Ok(mut response) => {
                exchange.stamp(response.headers_mut());
                exchange.stamp_trace(response.headers_mut());
                response
            }
            Err(error) => {
                trail.gateway_response = Some(error.response_type.as_str());
                trail.detail.clone_from(&error.detail);
                error.render(&deployed.api.gateway_responses, request, exchange)
            }
        }
    }

    /// The checks in their order, and then the function.
    async fn integrate(
        &self,
        deployed: &Deployed,
        path: &str,
        request: &Request,
        body: &Bytes,
        exchange: &Exchange,
        trail: &mut Trail,
    ) -> Result<Response, GatewayError> {
        let matched = deployed
            .router
            .find(&request.method, path)
            .ok_or_else(|| GatewayError::missing_authentication_token().with_detail("no such route"))?;
        trail.resource = Some(matched.resource.path.clone());
        trail.function = Some(matched.route.function.clone());

        let caller = self.authorize(deployed, &matched, path, request)?;
        let admission = self.admit(deployed, matched.route, request, trail)?;
        let key = admission.as_ref().map(|admission| &*admission.key);
        trail.api_key_id = key.map(|key| key.id.clone());
        trail.key_name = key.map(|key| key.name.clone());
        self.measure(deployed, matched.route, admission.as_ref(), exchange, trail)?;

        let payload = event::build(&event::Source {
            request,
            body,
            exchange,
            account_id: &deployed.stack.account_id,
            api: &deployed.api,
            deployment_id: &deployed.deployment_id,
            domain_name: &self.settings.domain_name,
            matched: &matched,
            path,
            key,
            caller: caller.as_ref(),
        })
        .map_err(|error| GatewayError::internal().with_detail(error.to_string()))?;
        if payload.len() > MAX_EVENT_BYTES {
            return Err(GatewayError::request_too_large().with_detail("the event exceeds 6291456 bytes"));
        }
        self.invoke(&deployed.api, matched.route, request, payload, exchange, trail).await
    }

    fn authorize(
        &self,
        deployed: &Deployed,
        matched: &Match<'_, '_>,
        path: &str,
        request: &Request,
    ) -> Result<Option<Caller>, GatewayError> {
        match matched.route.authorization {
            Authorization::None => Ok(None),
            Authorization::AwsIam => {
                let arn = format!(
                    "arn:aws:execute-api:{}:{}:{}/{}/{}{path}",
                    deployed.stack.region,
                    deployed.stack.account_id,
                    deployed.api.api_id,
                    deployed.api.stage,
                    request.method,
                );
                Ok(Some(self.settings.authorizer.authorize(request, &arn)?))
            }
        }
    }

    fn admit<'d>(
        &self,
        deployed: &'d Deployed,
        route: &Route,
        request: &Request,
        trail: &mut Trail,
    ) -> Result<Option<Admission<'d>>, GatewayError> {
        if !route.api_key_required {
            return Ok(None);
        }
        let mut values = request.headers.get_all("x-api-key").iter();
        let refused = |detail: String| GatewayError::invalid_api_key().with_detail(detail);
        let value = match (values.next(), values.next()) {
            (None, _) => return Err(refused("no x-api-key header".to_owned())),
            (Some(_), Some(_)) => return Err(refused("more than one x-api-key header".to_owned())),
            (Some(value), None) => value.as_bytes(),
        };
        let Deployed { stack, api, .. } = deployed;
        let admission = self.settings.keys.admit(value, &stack.plans, &api.api_id, &api.stage);
        admission.map(Some).map_err(|rejection| {
            trail.api_key_id = rejection.key().map(|key| key.id.clone());
            trail.key_name = rejection.key().map(|key| key.name.clone());
            refused(rejection.to_string())
        })
    }

    /// The throttles and the quota: the request is counted by all of them or refused by one.
    fn measure(
        &self,
        deployed: &Deployed,
        route: &Route,
        admission: Option<&Admission<'_>>,
        exchange: &Exchange,
        trail: &mut Trail,
    ) -> Result<(), GatewayError> {
        let verdict = self.settings.keys.measure(&Measured {
            api: &deployed.api,
            route,
            member: admission.map(|admission| Member {
                plan: admission.plan,
                key_id: &admission.key.id,
                attached: attached_day(admission.attached),
            }),
            rules: self.settings.limits,
            now: micros(exchange.at),
        });
        trail.limits = verdict.standings;
        trail.refused_by = verdict.refused_by;
        let Some(standing) = verdict.refused_by.and_then(|position| trail.limits.get(position)) else {
            return Ok(());
        };
        let error = match standing.limit {
            Limit::Quota => GatewayError::quota_exceeded(),
            Limit::PlanRoute | Limit::Plan | Limit::Stage | Limit::Account => GatewayError::throttled(),
        };
        Err(error.with_detail(standing.to_string()))
    }

    async fn invoke(
        &self,
        api: &Api,
        route: &Route,
        request: &Request,
        payload: Bytes,
        exchange: &Exchange,
        trail: &mut Trail,
    ) -> Result<Response, GatewayError> {
        let invocation = self.settings.invoker.invoke(&route.function, payload, &exchange.trace_id);
        let invoked = match timeout(route.timeout, invocation).await {
            Err(_) => return Err(GatewayError::integration_timeout()),
            Ok(Err(failure)) => return Err(failure.into()),
            Ok(Ok(invoked)) => invoked,
        };
        trail.cold = Some(invoked.cold);
        if invoked.function_error {
            return Err(GatewayError::bad_gateway().with_detail("the function failed"));
        }
        let accepts_binary = media_type::accepts_binary(&api.binary_media_types, &request.headers);
        proxy_response::parse(&invoked.payload, accepts_binary)
            .map_err(|Malformed(reason)| GatewayError::bad_gateway().with_detail(reason))
    }

    /// The API of the template in force, made ready once for each template.
    fn deployed(&self) -> Option<Arc<Deployed>> {
        let stack = self.settings.stack.current();
        let ready = self.deployed.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ready) = ready.filter(|ready| Arc::ptr_eq(&ready.stack, &stack)) {
            return Some(ready);
        }
        let api = stack.apis.iter().find(|api| api.logical_id == self.settings.api)?.clone();
        let deployed =
            Arc::new(Deployed { router: Router::new(&api), deployment_id: deployment_id(&api), api, stack });
        *self.deployed.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&deployed));
        Some(deployed)
    }
}

impl Deployed {
    /// The request's path without the stage, as it was sent.
    fn path<'r>(&self, request: &'r Request) -> Option<&'r str> {
        let rest = request.uri.path().strip_prefix('/')?.strip_prefix(self.api.stage.as_str())?;
        match rest {
            "" => Some("/"),
            _ => rest.starts_with('/').then_some(rest),
        }
    }
}

impl From<InvokeFailure> for GatewayError {
    fn from(failure: InvokeFailure) -> Self {
        match failure {
            InvokeFailure::Unknown => Self::api_configuration_error().with_detail("no such function"),
            InvokeFailure::TooLarge => {
                Self::request_too_large().with_detail("the event exceeds Lambda's limit")
            }
            // Lambda's 429 is none of the client's: it says nothing about the client's own limits (A).
            InvokeFailure::Throttled => Self::internal().with_detail("the function's concurrency is used up"),
            InvokeFailure::Unavailable => Self::internal().with_detail("the function is unavailable"),
        }
    }
}

fn whole(body: &Body) -> Option<&Bytes> {
    match body {
        Body::Whole(bytes) if bytes.len() <= MAX_BODY_BYTES => Some(bytes),
        Body::Whole(_) | Body::TooLarge => None,
    }
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
