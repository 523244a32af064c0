//! `POST /files`: a presigned upload for a file of the calling tenant.

use contract::{FileRequest, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::{Files, Idempotency};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 201 with the URL to send the bytes to, or one for each part of a large file, and the headers that go
/// along; 409 where there is a file of the name and `overwrite` does not say otherwise. With an
/// `Idempotency-Key` a large file has one upload, however often the request is sent, and its URLs are new.
async fn handle(request: Request, files: Files, idempotency: Idempotency) -> Result<Reply, Problem> {
    let asked = FileRequest::read(&request.members()?)?;
    let once = idempotency.of(request.idempotency()?);
    let upload = files.begin(&asked, request.time(), once).await?;
    Ok(Reply::json(201, &upload.thing)?.with_no_store().with_replayed(upload.is_replayed))
}
