//! `GET /records/{collection}`: a page of a collection in the order of ids.

use contract::{Collection, Problem};
use endpoint::{Limit, Reply, Request, StartError};
use tenant_store::{Cursor, Order, Records};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with up to `limit` records and the cursor of the next page. A collection that was never
/// written to is empty.
async fn handle(request: Request, records: Records) -> Result<Reply, Problem> {
    let collection: Collection = request.path("collection")?;
    let order = request.query::<Order>("order")?.unwrap_or_default();
    let limit = request.query::<Limit>("limit")?.unwrap_or_default();
    let cursor = request
        .query_text("cursor")
        .map(|text| Cursor::parse(text, &collection, order))
        .transpose()
        .map_err(|error| Problem::bad_request("/query/cursor", error.to_string()))?;
    Reply::json(200, &records.list(&collection, order, limit.get(), cursor).await?)
}
