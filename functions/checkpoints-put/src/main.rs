//! `PUT /checkpoints/{name}`: creates or replaces a checkpoint of the calling key.

use contract::{Checkpoint, CheckpointName, Problem};
use endpoint::{Reply, Request, StartError, precondition};
use tenant_store::{Checkpoints, Saved};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 201 or 200 with the checkpoint and its `ETag`, 412 where `If-Match` or `If-None-Match` do not
/// hold, 413 for more than 8 KB.
async fn handle(request: Request, checkpoints: Checkpoints) -> Result<Reply, Problem> {
    let name: CheckpointName = request.path("name")?;
    let value = request.value(Checkpoint::MAX_BYTES)?;
    let saved = checkpoints.put(&name, value, &precondition(&request)?, request.time()).await?;
    let (status, checkpoint) = match saved {
        Saved::Created(checkpoint) => (201, checkpoint),
        Saved::Replaced(checkpoint) => (200, checkpoint),
    };
    let reply = Reply::json(status, &checkpoint)?.with_etag(checkpoint.version);
    Ok(if status == 201 { reply.with_location(request.url_path()) } else { reply })
}
