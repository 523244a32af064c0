//! `POST /tenants`: onboards a tenant.

use contract::{Isolation, OnboardRequest, Problem};
use control_plane::{Answered, KeyRoom, Onboarding};
use endpoint::{Reply, Request, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 201 with the tenant and its first key, whose value is shown this once, or 202 where the tenant waits for
/// its silo; 409 where the tenant exists. A repeated request with an `Idempotency-Key` gets the first answer without the value.
async fn handle(request: Request, onboarding: Onboarding, room: KeyRoom) -> Result<Reply, Problem> {
    let (asked, once) = (request.json::<OnboardRequest>()?, request.idempotency()?);
    let status = match asked.isolation {
        Isolation::Pooled => 201,
        Isolation::Siloed => 202,
    };
    let (reply, id) = match onboarding.onboard(&asked, once.as_ref(), &room, request.time()).await? {
        Answered::First(onboarded) => (Reply::json(status, &onboarded)?, onboarded.tenant.tenant_id),
        Answered::Again { body, id } => (Reply::replayed(status, body), id),
    };
    Ok(reply.with_location(&format!("{}/{id}", request.url_path())).with_no_store())
}
