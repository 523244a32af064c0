//! `DELETE /tenants/{tenant_id}`: offboards a tenant.

use contract::{GraceSeconds, Problem};
use control_plane::Departures;
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 202 with the tenant, which is not served any more; the same where it leaves already or is gone. 404 where
/// there is none, 409 while it is being onboarded, has a silo, or another request is at work.
async fn handle(request: Request, departures: Departures) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    let grace: GraceSeconds = request.query("grace_seconds")?.unwrap_or_default();
    let answer = departures.begin(&id, grace, request.time()).await?;
    Ok(Reply::json(202, &answer)?.with_etag(answer.tenant.version))
}
