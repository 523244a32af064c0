//! `GET /tenants/{tenant_id}/usage`: what the keys of a tenant have used.

use contract::{Problem, UsageDays};
use control_plane::TenantUsage;
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 200 with what each present key has used of its quota, and on which of the last `days`; 404 where there
/// is no such tenant.
async fn handle(request: Request, usage: TenantUsage) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    let days = request.query::<UsageDays>("days")?.unwrap_or_default();
    Reply::json(200, &usage.of(&id, days, request.time()).await?)
}
