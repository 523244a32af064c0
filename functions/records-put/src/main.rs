//! `PUT /records/{collection}/{id}`: creates or replaces a record under the caller's id.

use contract::Problem;
use endpoint::{Reply, Request, StartError, precondition};
use tenant_store::{RecordKey, Records, Saved};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 201 or 200 with the record and its `ETag`, 412 where `If-Match` or `If-None-Match` do not hold.
async fn handle(request: Request, records: Records) -> Result<Reply, Problem> {
    let key = RecordKey { collection: request.path("collection")?, id: request.path("id")? };
    let saved = records.put(&key, request.object()?, &precondition(&request)?, request.time()).await?;
    let (status, record) = match saved {
        Saved::Created(record) => (201, record),
        Saved::Replaced(record) => (200, record),
    };
    let reply = Reply::json(status, &record)?.with_etag(record.version);
    Ok(if status == 201 { reply.with_location(request.url_path()) } else { reply })
}
