//! `GET /records/{collection}/{id}`: one record of the calling tenant.

use contract::Problem;
use endpoint::{Reply, Request, StartError, if_none_match_holds};
use tenant_store::{RecordKey, Records};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with the record and its `ETag`, 304 where the caller has it, 404 where this tenant has none.
async fn handle(request: Request, records: Records) -> Result<Reply, Problem> {
    let key = RecordKey { collection: request.path("collection")?, id: request.path("id")? };
    let record = records.get(&key).await?;
    let reply = if if_none_match_holds(&request, record.version)? {
        Reply::json(200, &record)?
    } else {
        Reply::not_modified()
    };
    Ok(reply.with_etag(record.version))
}
