//! `GET /usage` of the control API: keys that have used much of their quotas.

use contract::{Problem, QuotaPercent};
use control_plane::{NearLimits, UsageCursor, UsageListing};
use endpoint::{Limit, Reply, Request, StartError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_operator(handle).await
}

/// Answers 200 with up to `limit` keys of which at least `at` percent of the quota are gone, the most first, and
/// the cursor of the next page.
async fn handle(request: Request, usage: NearLimits) -> Result<Reply, Problem> {
    let at = request.query::<QuotaPercent>("at")?.unwrap_or_default();
    let limit = request.query::<Limit>("limit")?.unwrap_or_default().get();
    let cursor = request
        .query_text("cursor")
        .map(|text| UsageCursor::parse(text, at))
        .transpose()
        .map_err(|error| Problem::bad_request("/query/cursor", error.to_string()))?;
    Reply::json(200, &usage.list(UsageListing { at, limit, cursor }, request.time()).await?)
}
