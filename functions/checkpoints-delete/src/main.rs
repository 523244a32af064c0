//! `DELETE /checkpoints/{name}`: deletes a checkpoint of the calling key.

use contract::{CheckpointName, Problem};
use endpoint::{Reply, Request, StartError, precondition};
use tenant_store::Checkpoints;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 204, 404 where this key has no such checkpoint, 412 where `If-Match` does not hold.
async fn handle(request: Request, checkpoints: Checkpoints) -> Result<Reply, Problem> {
    let name: CheckpointName = request.path("name")?;
    checkpoints.delete(&name, &precondition(&request)?).await?;
    Ok(Reply::no_content())
}
