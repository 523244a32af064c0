//! `POST /tenants/{tenant_id}/import`: imports an export into a new tenant, or gives that up.

use contract::{ImportRequest, Problem};
use control_plane::Imports;
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 202 with the tenant, whose writes wait until the import is done; the same where it is under way. 404 where
/// there is no tenant, 409 where it is not onboarded, leaves, has data, or something else is under way, 422 for an
/// export that cannot be imported and for keys that do not fit.
async fn handle(request: Request, imports: Imports) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    let answer = match ImportRequest::read(&request.members()?)? {
        ImportRequest::Begin(asked) => imports.begin(&id, &asked, request.time()).await?,
        ImportRequest::Abandon => imports.abandon(&id, request.time()).await?,
    };
    Ok(Reply::json(202, &answer)?.with_etag(answer.tenant.version))
}
