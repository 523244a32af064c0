//! `GET /checkpoints`: a page of the calling key's checkpoints in the order of names.

use contract::Problem;
use endpoint::{Limit, Reply, Request, StartError};
use tenant_store::{Checkpoints, Cursor, ListScope, Order};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with up to `limit` checkpoints, values included, and the cursor of the next page.
async fn handle(request: Request, checkpoints: Checkpoints) -> Result<Reply, Problem> {
    let order = request.query::<Order>("order")?.unwrap_or_default();
    let limit = request.query::<Limit>("limit")?.unwrap_or_default();
    let cursor = request
        .query_text("cursor")
        .map(|text| Cursor::parse(text, ListScope::checkpoints(), order))
        .transpose()
        .map_err(|error| Problem::bad_request("/query/cursor", error.to_string()))?;
    Reply::json(200, &checkpoints.list(order, limit.get(), cursor).await?)
}
