//! `DELETE /tenants/{tenant_id}/keys/{api_key_id}`: revokes a key.

use contract::Problem;
use control_plane::Keys;
use endpoint::{Reply, Request, StartError};
use tenant_context::{ApiKeyId, TenantId};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 204; 404 where the tenant has no such key, 409 for its last active key without `force=true`.
async fn handle(request: Request, keys: Keys) -> Result<Reply, Problem> {
    let tenant: TenantId = request.path("tenant_id")?;
    let key: ApiKeyId = request.path("api_key_id")?;
    let force = match request.query_text("force") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::bad_request("/query/force", "must be true or false")),
    };
    keys.revoke(&tenant, &key, force, request.time()).await?;
    Ok(Reply::no_content())
}
