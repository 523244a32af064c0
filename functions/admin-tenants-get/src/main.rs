//! `GET /tenants/{tenant_id}`: a tenant with its keys.

use contract::Problem;
use control_plane::{Audit, Tenants};
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 200 with the tenant, its keys, never their values, and what was last done to it; 404 where there is
/// none.
async fn handle(request: Request, tenants: Tenants, audit: Audit) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    Reply::json(200, &tenants.get(&id, &audit, request.time()).await?)
}
