//! The addresses: their ports, and the APIs behind them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use local_aws::Verifier;
use local_gateway::{Gateway, GatewaySettings, MAX_BODY_BYTES};
use local_http::{Limits, Request};
use stack_template::Api;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::adapters::{Functions, Signatures};
use crate::local_api::{LocalApi, Refusals};
use crate::shared::Shared;

/// A port that is bound before anything else is made.
pub(crate) struct Ports {
    pub(crate) api: TcpListener,
    pub(crate) admin: TcpListener,
    pub(crate) aws: TcpListener,
}

impl Ports {
    pub(crate) async fn bind([api, admin, aws]: [u16; 3]) -> anyhow::Result<Self> {
        Ok(Self {
            api: bind(api, "data API", "--api-port").await?,
            admin: bind(admin, "control API", "--admin-port").await?,
            aws: bind(aws, "AWS services", "--aws-port").await?,
        })
    }
}

async fn bind(port: u16, what: &str, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(|| {
        format!("the port {port} for the {what} cannot be had: stop what uses it, or give another with {flag} (0: any free one)")
    })
}

/// What the gateways of all APIs share.
pub(crate) struct Gateways {
    pub(crate) shared: Arc<Shared>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) observer: Arc<Refusals>,
    pub(crate) shutdown: CancellationToken,
}

impl Gateways {
    /// Serves an API on a port, beside the local paths where they are given.
    pub(crate) fn serve(
        &self,
        listener: TcpListener,
        api: &Api,
        local: Option<Arc<LocalApi>>,
    ) -> anyhow::Result<JoinHandle<()>> {
        let (shared, clock) = (&self.shared, Arc::clone(&self.shared.clock));
        let gateway = Arc::new(Gateway::new(GatewaySettings {
            stack: Arc::clone(&shared.live),
            api: api.logical_id.clone(),
            domain_name: "127.0.0.1".to_owned(),
            keys: Arc::clone(&shared.keys),
            limits: shared.rules,
            invoker: Arc::new(Functions(
                Arc::clone(&shared.lambda),
                shared.gate.clone(),
                shared.notices.clone(),
            )),
            authorizer: Arc::new(Signatures(Arc::clone(&self.verifier), Arc::clone(&shared.iam))),
            clock: Arc::new(move || clock.now()),
            observer: Arc::clone(&self.observer) as _,
        })?);
        let gate = shared.gate.clone();
        let limits = Limits { max_body: MAX_BODY_BYTES, ..Limits::default() };
        Ok(tokio::spawn(local_http::serve(
            listener,
            limits,
            self.shutdown.clone(),
            move |request: Request| {
                let (gateway, local, gate) = (Arc::clone(&gateway), local.clone(), gate.clone());
                async move {
                    if let Some(local) = local.filter(|_| LocalApi::is_meant(&request)) {
                        return local.handle(request).await;
                    }
                    let _pass = gate.request().await;
                    gateway.handle(request).await
                }
            },
        )))
    }
}
