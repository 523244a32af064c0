//! `POST /tenants/{tenant_id}/keys`: a further key, or one in the place of another.

use contract::{KeyRequest, Problem};
use control_plane::{Answered, KeyRoom, Keys};
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 201 with the key, whose value is shown this once; 404 where there is no such tenant or no such key to
/// replace, 409 where the tenant has as many keys as it may, is not active, or another request is at work. A
/// repeated request with an `Idempotency-Key` gets the first answer without the value.
async fn handle(request: Request, keys: Keys, room: KeyRoom) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    let (asked, once) = (KeyRequest::read(&request.members()?)?, request.idempotency()?);
    let (reply, key) = match keys.create(&id, &asked, once.as_ref(), &room, request.time()).await? {
        Answered::First(made) => (Reply::json(201, &made)?, made.api_key.api_key_id),
        Answered::Again { body, id } => (Reply::replayed(201, body), id),
    };
    Ok(reply.with_location(&format!("{}/{key}", request.url_path())).with_no_store())
}
