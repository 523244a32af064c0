//! `GET /files`: a page of the calling tenant's files in the order of their names.

use contract::{Delimiter, FilePrefix, Problem};
use endpoint::{Limit, Reply, Request, StartError};
use tenant_store::{FileCursor, FileListing, Files};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with up to `limit` files and folded prefixes, and the cursor of the next page. A prefix that no
/// file has is an empty list.
async fn handle(request: Request, files: Files) -> Result<Reply, Problem> {
    let prefix = request.query::<FilePrefix>("prefix")?.unwrap_or_default();
    let delimiter = request.query::<Delimiter>("delimiter")?;
    let limit = request.query::<Limit>("limit")?.unwrap_or_default().get();
    // S3 lists in one order.
    if request.query_text("order").is_some_and(|order| order != "asc") {
        return Err(Problem::bad_request("/query/order", "files are listed in ascending order alone: asc"));
    }
    let cursor = request
        .query_text("cursor")
        .map(|text| FileCursor::parse(text, &prefix, delimiter.as_ref()))
        .transpose()
        .map_err(|error| Problem::bad_request("/query/cursor", error.to_string()))?;
    Reply::json(200, &files.list(FileListing { prefix, delimiter, limit, cursor }).await?)
}
