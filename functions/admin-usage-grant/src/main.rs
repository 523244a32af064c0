//! `POST /tenants/{tenant_id}/usage/grants`: more quota for a key, in the present period.

use contract::{Problem, QuotaGrant};
use control_plane::{Answered, Grants};
use endpoint::{Reply, Request, StartError};
use tenant_context::TenantId;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 201 with what the key has left; 404 where there is no such tenant or key, 409 where the key's plan has no
/// quota or another request is at work, 422 where the key has to be named. A repeated request with an
/// `Idempotency-Key` grants nothing more.
async fn handle(request: Request, grants: Grants) -> Result<Reply, Problem> {
    let id: TenantId = request.path("tenant_id")?;
    let (asked, once) = (QuotaGrant::read(&request.members()?)?, request.idempotency()?);
    match grants.grant(&id, &asked, once.as_ref(), request.time()).await? {
        Answered::First(granted) => Reply::json(201, &granted),
        Answered::Again { body, .. } => Ok(Reply::replayed(201, body)),
    }
}
