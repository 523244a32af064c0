//! `POST /credentials`: temporary AWS credentials for the tenant's own programs.

use contract::{CredentialsRequest, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::Credentials;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 201 with credentials, which are shown this once, and the tables, bucket and prefix that they
/// reach.
async fn handle(request: Request, credentials: Credentials) -> Result<Reply, Problem> {
    let CredentialsRequest { access, lifetime } = CredentialsRequest::read(&request.members()?)?;
    let issued = credentials.issue(access, lifetime).await?;
    Ok(Reply::json(201, &issued)?.with_no_store())
}
