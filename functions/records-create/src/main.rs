//! `POST /records/{collection}`: a new record under an id of ours.

use contract::{Collection, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::Records;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 201 with the record, its `ETag` and its `Location`.
async fn handle(request: Request, records: Records) -> Result<Reply, Problem> {
    let collection: Collection = request.path("collection")?;
    let record = records.create(collection, request.object()?, request.time()).await?;
    let location = format!("{}/{}", request.url_path(), record.id);
    Ok(Reply::json(201, &record)?.with_etag(record.version).with_location(&location))
}
