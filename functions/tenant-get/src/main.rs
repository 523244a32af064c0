//! `GET /tenant`: the caller's own tenant.

use contract::Problem;
use endpoint::{Reply, Request, StartError};
use tenant_context::Caller;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with what the key's context says; no further read is made.
async fn handle(_: Request, caller: Caller) -> Result<Reply, Problem> {
    Reply::json(200, &caller.view())
}
