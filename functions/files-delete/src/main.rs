//! `DELETE /files/{name+}`: deletes a file of the calling tenant, or gives an upload in parts up.

use contract::{FileName, Problem, UploadId};
use endpoint::{Reply, Request, StartError};
use tenant_store::Files;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 204, whether or not there was such a file: S3 does not say. With `upload_id` it is the upload that goes,
/// and not the file; 404 where this tenant has no such upload under the name.
async fn handle(request: Request, files: Files) -> Result<Reply, Problem> {
    let name: FileName = request.path("name")?;
    match request.query::<UploadId>("upload_id")? {
        Some(upload_id) => files.abandon(&name, &upload_id).await?,
        None => files.delete(&name).await?,
    }
    Ok(Reply::no_content())
}
