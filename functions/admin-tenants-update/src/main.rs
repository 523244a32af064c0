//! `PATCH /tenants/{tenant_id}`: changes a tenant, its tier, or whether it is served.

use contract::{Problem, TenantChange};
use control_plane::Changes;
use endpoint::{Reply, Request, StartError, precondition};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 200 with the tenant and its keys; 404 where there is none, 409 for a step that a tenant's life does
/// not have or where another request is at work, 412 where `If-Match` does not hold.
async fn handle(request: Request, changes: Changes) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    let change = TenantChange::read(&request.members()?)?;
    let required = precondition(&request)?;
    let holds = |version| required.holds(Some(version));
    let answer = changes.update(&id, &change, holds, request.time()).await?;
    Ok(Reply::json(200, &answer)?.with_etag(answer.tenant.version))
}
