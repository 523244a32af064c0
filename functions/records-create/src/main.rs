//! `POST /records/{collection}`: a new record under an id of ours.

use contract::{Collection, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::{Idempotency, Records};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 201 with the record, its `ETag` and its `Location`. With an `Idempotency-Key` there is one record,
/// however often the request is sent, and each answer is the first one.
async fn handle(request: Request, records: Records, idempotency: Idempotency) -> Result<Reply, Problem> {
    let collection: Collection = request.path("collection")?;
    let once = idempotency.of(request.idempotency()?);
    let made = records.create(collection, request.object()?, request.time(), once).await?;
    let record = made.thing;
    let location = format!("{}/{}", request.url_path(), record.id);
    let reply = Reply::json(201, &record)?.with_etag(record.version).with_location(&location);
    Ok(reply.with_replayed(made.is_replayed))
}
