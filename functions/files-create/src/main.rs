//! `POST /files`: a presigned upload for a file of the calling tenant.

use contract::{FileRequest, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::Files;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 201 with the URL to send the bytes to, or one for each part of a large file, and the headers that go
/// along; 409 where there is a file of the name and `overwrite` does not say otherwise.
async fn handle(request: Request, files: Files) -> Result<Reply, Problem> {
    let asked = FileRequest::read(&request.members()?)?;
    let upload = files.begin(&asked, request.time()).await?;
    Ok(Reply::json(201, &upload)?.with_no_store())
}
