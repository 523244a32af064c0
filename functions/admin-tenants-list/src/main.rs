//! `GET /tenants`: a page of the tenants of one status.

use contract::{Problem, TenantStatus, is_tier_name};
use control_plane::{TenantCursor, TenantListing, Tenants};
use endpoint::{Limit, Reply, Request, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 200 with up to `limit` tenants in the order of their ids, and the cursor of the next page. They are
/// the active ones unless `status` says otherwise, and those of one tier where `tier` names it.
async fn handle(request: Request, tenants: Tenants) -> Result<Reply, Problem> {
    let status = request.query::<TenantStatus>("status")?.unwrap_or(TenantStatus::Active);
    let limit = request.query::<Limit>("limit")?.unwrap_or_default().get();
    let tier = request.query_text("tier").map(str::to_owned);
    if tier.as_deref().is_some_and(|tier| !is_tier_name(tier)) {
        return Err(Problem::bad_request("/query/tier", "must be the name of a tier"));
    }
    let cursor = request
        .query_text("cursor")
        .map(|text| TenantCursor::parse(text, status, tier.as_deref()))
        .transpose()
        .map_err(|error| Problem::bad_request("/query/cursor", error.to_string()))?;
    Reply::json(200, &tenants.list(TenantListing { status, tier, limit, cursor }).await?)
}
