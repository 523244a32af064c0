//! `POST /credentials`: temporary AWS credentials for the tenant's own programs.

use contract::{CredentialsRequest, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::{Credentials, Idempotency};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 201 with credentials, which are shown this once, and the tables, bucket and prefix that they
/// reach. A request that is repeated with its `Idempotency-Key` is answered with others.
async fn handle(
    request: Request,
    credentials: Credentials,
    idempotency: Idempotency,
) -> Result<Reply, Problem> {
    let CredentialsRequest { access, lifetime } = CredentialsRequest::read(&request.members()?)?;
    let once = idempotency.of(request.idempotency()?);
    let issued = credentials.issue(access, lifetime, once).await?;
    Ok(Reply::json(201, &issued.thing)?.with_no_store().with_replayed(issued.is_replayed))
}
