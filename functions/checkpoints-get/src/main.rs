//! `GET /checkpoints/{name}`: one checkpoint of the calling key.

use contract::{CheckpointName, Problem};
use endpoint::{Reply, Request, StartError, if_none_match_holds};
use tenant_store::Checkpoints;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with the checkpoint and its `ETag`, 304 where the caller has it, 404 where this key has none.
async fn handle(request: Request, checkpoints: Checkpoints) -> Result<Reply, Problem> {
    let name: CheckpointName = request.path("name")?;
    let checkpoint = checkpoints.get(&name).await?;
    let reply = if if_none_match_holds(&request, checkpoint.version)? {
        Reply::json(200, &checkpoint)?
    } else {
        Reply::not_modified()
    };
    Ok(reply.with_etag(checkpoint.version))
}
