//! `POST /tenants/{tenant_id}/move`: moves a tenant from the pool into a silo, or gives that up.

use contract::{MoveRequest, Problem};
use control_plane::Moves;
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 202 with the tenant, whose `move` tells where it stands; the same where that was asked for before. 404 where
/// there is no such tenant, 409 where it is not onboarded, leaves, has had a silo from its onboarding on, has nothing
/// to give up, or another request is at work.
async fn handle(request: Request, moves: Moves) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    let asked = MoveRequest::read(&request.members()?)?;
    let answer = if asked.abandon {
        moves.abandon(&id, request.time()).await?
    } else {
        moves.begin(&id, asked.longest_pause, request.time()).await?
    };
    Ok(Reply::json(202, &answer)?.with_etag(answer.tenant.version))
}
