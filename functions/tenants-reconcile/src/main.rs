//! Completes what broke off in tenants' lives, makes the tables and buckets of siloed ones, and deletes keys that are past their end.
//!
//! It has no route: a schedule invokes it for all tenants, and whoever may invoke it for one.

use contract::Problem;
use control_plane::{Reconcile, Reconciled};
use endpoint::{StartError, TaskEvent};
use tenant_context::TenantId;
use time::OffsetDateTime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    endpoint::serve_task(handle).await
}

/// Answers what was done: for one tenant where the event names it, for at most 50 that need it otherwise.
async fn handle(event: TaskEvent, tenants: Reconcile, now: OffsetDateTime) -> Result<Reconciled, Problem> {
    let Some(id) = event.tenant_id else { return Ok(tenants.all(now).await?) };
    let id: TenantId = id.parse().map_err(|_| Problem::bad_request("/tenant_id", "must be a tenant's id"))?;
    Ok(tenants.tenant(&id, now).await?)
}
