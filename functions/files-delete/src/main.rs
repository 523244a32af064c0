//! `DELETE /files/{name+}`: deletes a file of the calling tenant.

use contract::{FileName, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::Files;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 204, whether or not there was such a file: S3 does not say.
async fn handle(request: Request, files: Files) -> Result<Reply, Problem> {
    let name: FileName = request.path("name")?;
    files.delete(&name).await?;
    Ok(Reply::no_content())
}
