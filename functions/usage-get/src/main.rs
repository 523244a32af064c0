//! `GET /usage`: what the calling key has used, and what it may use.

use contract::Problem;
use endpoint::{Reply, Request, StartError};
use tenant_store::Usage;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve(handle).await
}

/// Answers 200 with what the last snapshot tells; 503 before the first one of the key's plan.
async fn handle(_: Request, usage: Usage) -> Result<Reply, Problem> {
    Reply::json(200, &usage.get().await?)
}
