//! `POST /tenants`: onboards a tenant.

use contract::{OnboardRequest, Problem};
use control_plane::Onboarding;
use endpoint::{Reply, Request, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 201 with the tenant and its first key, whose value is shown this once; 409 where the tenant
/// exists.
async fn handle(request: Request, onboarding: Onboarding) -> Result<Reply, Problem> {
    let onboarded = onboarding.onboard(&request.json::<OnboardRequest>()?, request.time()).await?;
    let location = format!("{}/{}", request.url_path(), onboarded.tenant.tenant_id);
    Ok(Reply::json(201, &onboarded)?.with_location(&location).with_no_store())
}
