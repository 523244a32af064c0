//! `POST /tenants/{tenant_id}/keys`: a further key, or one in the place of another.

use contract::{KeyRequest, Problem};
use control_plane::Keys;
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 201 with the key, whose value is shown this once; 404 where there is no such tenant or no such key to
/// replace, 409 where the tenant has as many keys as it may, is not active, or another request is at work.
async fn handle(request: Request, keys: Keys) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    let asked = KeyRequest::read(&request.members()?)?;
    let made = keys.create(&id, &asked, request.time()).await?;
    let location = format!("{}/{}", request.url_path(), made.api_key.api_key_id);
    Ok(Reply::json(201, &made)?.with_location(&location).with_no_store())
}
