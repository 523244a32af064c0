//! From the event to the answer.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use contract::Problem;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use tenant_context::{ApiKeyId, Aws, Bound, Contexts, OpenError, Operator, TenantContext};

use crate::event::Event;
use crate::log::Line;
use crate::{Reply, Request, Settings, SettingsError};

/// Why a function cannot start, or stops.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment is incomplete.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Something that the handler asks for cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The Lambda runtime ended.
    #[error("the Lambda runtime ended: {0}")]
    Runtime(lambda_runtime::Error),
}

/// An async function of a request and up to three things bound to its caller `C`.
pub trait Handler<C, Arguments> {
    /// What the arguments are bound from.
    type Opened;

    /// Opens what the arguments need, once.
    fn open(aws: &Aws) -> impl Future<Output = Result<Self::Opened, OpenError>>;

    /// Handles one request of the caller.
    fn handle(
        &self,
        request: Request,
        opened: &Self::Opened,
        caller: &Arc<C>,
    ) -> impl Future<Output = Result<Reply, Problem>>;
}

macro_rules! handler {
    ($($argument:ident $index:tt),+) => {
        impl<C, F, Fut, $($argument,)+> Handler<C, (Request, $($argument,)+)> for F
        where
            F: Fn(Request, $($argument,)+) -> Fut,
            Fut: Future<Output = Result<Reply, Problem>>,
            $($argument: Bound<C>,)+
        {
            type Opened = ($($argument::Opened,)+);

            async fn open(aws: &Aws) -> Result<Self::Opened, OpenError> {
                Ok(($($argument::open(aws).await?,)+))
            }

            async fn handle(
                &self,
                request: Request,
                opened: &Self::Opened,
                caller: &Arc<C>,
            ) -> Result<Reply, Problem> {
                let at = request.time();
                self(request, $($argument::bind(&opened.$index, caller, at),)+).await
            }
        }
    };
}

handler!(T1 0);
handler!(T1 0, T2 1);
handler!(T1 0, T2 1, T3 2);

/// Finds out who is calling.
trait Gate {
    type Caller;

    async fn admit(&self, request: &Request) -> Result<Arc<Self::Caller>, Problem>;

    /// Tenant, or operator, for the log.
    fn name(caller: &Self::Caller) -> (Option<&str>, Option<&str>);
}

impl Gate for Contexts {
    type Caller = TenantContext;

    async fn admit(&self, request: &Request) -> Result<Arc<TenantContext>, Problem> {
        let id = request.event().request_context.identity.api_key_id.as_deref();
        let id: ApiKeyId = id
            .ok_or_else(|| Problem::forbidden().with_cause("the event names no API key"))?
            .parse()
            .map_err(|error| Problem::forbidden().with_cause(error))?;
        Ok(self.find(&id, request.time()).await?)
    }

    fn name(caller: &TenantContext) -> (Option<&str>, Option<&str>) {
        (Some(caller.tenant_id().as_str()), None)
    }
}

/// Admits whom API Gateway has authenticated with IAM.
struct Signed;

impl Gate for Signed {
    type Caller = Operator;

    async fn admit(&self, request: &Request) -> Result<Arc<Operator>, Problem> {
        let arn = request.event().request_context.identity.user_arn.as_deref();
        match arn.filter(|arn| !arn.is_empty()) {
            Some(arn) => Ok(Arc::new(Operator::new(arn))),
            None => Err(Problem::forbidden().with_cause("the event names no IAM principal")),
        }
    }

    fn name(caller: &Operator) -> (Option<&str>, Option<&str>) {
        (None, Some(caller.arn()))
    }
}

/// Runs a tenant's handler until the environment ends.
///
/// # Errors
/// [`StartError`], after which the process should exit.
pub async fn serve<A, H: Handler<TenantContext, A>>(handler: H) -> Result<(), StartError> {
    let settings = Settings::from_environment()?;
    let aws = Aws::new(&settings.aws);
    let contexts = Contexts::open(&aws).await?;
    run(&settings, &aws, &contexts, &handler).await
}

/// Runs an operator's handler until the environment ends.
///
/// # Errors
/// [`StartError`], after which the process should exit.
pub async fn serve_operator<A, H: Handler<Operator, A>>(handler: H) -> Result<(), StartError> {
    let settings = Settings::from_environment()?;
    let aws = Aws::new(&settings.aws);
    run(&settings, &aws, &Signed, &handler).await
}

async fn run<A, G, H>(settings: &Settings, aws: &Aws, gate: &G, handler: &H) -> Result<(), StartError>
where
    G: Gate,
    H: Handler<G::Caller, A>,
{
    let opened = &H::open(aws).await?;
    // What the start consumed belongs to no request.
    let _ = aws.meter().take();
    let cold = &Cell::new(true);
    let service = service_fn(|event: LambdaEvent<Event>| async move {
        let cold = cold.replace(false);
        Ok::<_, Diagnostic>(answer(settings, aws, gate, handler, opened, event.payload, cold).await)
    });
    lambda_runtime::run(service).await.map_err(StartError::Runtime)
}

async fn answer<A, G, H>(
    settings: &Settings,
    aws: &Aws,
    gate: &G,
    handler: &H,
    opened: &H::Opened,
    event: Event,
    cold: bool,
) -> ApiGatewayProxyResponse
where
    G: Gate,
    H: Handler<G::Caller, A>,
{
    let begin = Instant::now();
    let route = format!("{} {}", event.http_method, event.resource);
    let request_id = event.request_context.request_id.clone();
    let api_key_id = event.request_context.identity.api_key_id.clone();
    let request = Request::new(event);
    let (caller, result) = match gate.admit(&request).await {
        Ok(caller) => {
            // The SDK's futures nest deeply; boxed, a handler's does not make the outer ones deeper still.
            let result = Box::pin(handler.handle(request, opened, &caller)).await;
            (Some(caller), result)
        }
        Err(problem) => (None, Err(problem)),
    };
    let problem = result.as_ref().err();
    let (kind, cause) = (problem.map(Problem::kind), problem.and_then(Problem::cause));
    let reply = result.unwrap_or_else(|problem| Reply::problem(&problem, &request_id));
    let (tenant_id, operator) = caller.as_deref().map_or((None, None), G::name);
    let status = reply.status();
    Line {
        level: if status >= 500 { "error" } else { "info" },
        function: &settings.function,
        request_id: &request_id,
        tenant_id,
        api_key_id: api_key_id.as_deref(),
        operator,
        route,
        status,
        duration_ms: Line::milliseconds(begin.elapsed()),
        cold,
        consumed_capacity: aws.meter().take(),
        problem: kind.map(contract::Kind::urn),
        cause,
    }
    .write();
    reply.into_response()
}
