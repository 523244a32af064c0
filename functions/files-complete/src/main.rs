//! `PUT /files/{name+}`: makes a file of the parts that were uploaded.

use contract::{FileCompletion, FileName, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::Files;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with the file and a presigned download, 404 where this tenant has no such upload under the name,
/// 409 where there is a file of the name by now and `overwrite` does not say otherwise.
async fn handle(request: Request, files: Files) -> Result<Reply, Problem> {
    let name: FileName = request.path("name")?;
    let completion = FileCompletion::read(&request.members()?)?;
    let file = files.complete(&name, &completion, request.time()).await?;
    Ok(Reply::json(200, &file)?.with_no_store())
}
