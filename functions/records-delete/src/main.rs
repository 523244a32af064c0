//! `DELETE /records/{collection}/{id}`: deletes a record.

use contract::Problem;
use endpoint::{Reply, Request, StartError, precondition};
use tenant_store::{RecordKey, Records};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 204, 404 where this tenant has no such record, 412 where `If-Match` does not hold.
async fn handle(request: Request, records: Records) -> Result<Reply, Problem> {
    let key = RecordKey { collection: request.path("collection")?, id: request.path("id")? };
    records.delete(&key, &precondition(&request)?).await?;
    Ok(Reply::no_content())
}
