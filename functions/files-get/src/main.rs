//! `GET /files/{name+}`: one file of the calling tenant, with a presigned download.

use contract::{FileName, Problem};
use endpoint::{Reply, Request, StartError};
use tenant_store::Files;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with the file and its download, 307 to the download where the bytes are asked for, 404 where this
/// tenant has none.
async fn handle(request: Request, files: Files) -> Result<Reply, Problem> {
    let name: FileName = request.path("name")?;
    let file = files.get(&name, request.time()).await?;
    let reply = if asks_for_bytes(&request) {
        Reply::temporary_redirect(file.download.url.as_str())
    } else {
        Reply::json(200, &file)?
    };
    Ok(reply.with_no_store())
}

/// Whether `Accept` names bytes and nothing else: `*/*` and lists get the JSON.
fn asks_for_bytes(request: &Request) -> bool {
    request
        .header("accept")
        .is_some_and(|accept| accept.trim().eq_ignore_ascii_case("application/octet-stream"))
}
