//! Writes what all keys have used of their quotas, and what their plans allow, as API Gateway reports it.
//!
//! It has no route: a schedule invokes it.

use contract::Problem;
use control_plane::{UsageSnapped, UsageSnapshot};
use endpoint::{StartError, TaskEvent};
use time::OffsetDateTime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_task(handle).await
}

/// Answers of how many plans and keys it has told.
async fn handle(
    event: TaskEvent,
    usage: UsageSnapshot,
    now: OffsetDateTime,
) -> Result<UsageSnapped, Problem> {
    if event.tenant_id.is_some() {
        return Err(Problem::bad_request("/tenant_id", "must be left out: a snapshot is one of all tenants"));
    }
    Ok(usage.take(now).await?)
}
