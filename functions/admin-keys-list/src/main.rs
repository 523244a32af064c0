//! `GET /tenants/{tenant_id}/keys`: all keys of a tenant.

use contract::Problem;
use control_plane::Tenants;
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 200 with the keys, never their values; 404 where there is no such tenant.
async fn handle(request: Request, tenants: Tenants) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    Reply::json(200, &tenants.keys(&id, request.time()).await?)
}
