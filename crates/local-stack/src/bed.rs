//! Seeding a running stack.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use bytes::Bytes;
use local_aws::Dynamo;
use local_gateway::KeyStore;
use local_runtime::{InvokeOptions, Runtime};
use serde_json::json;
use time::OffsetDateTime;

use crate::seed::{DEMOS, Demo, Seedbed, key_name, seed};
use crate::state::TenantState;

/// The parts of the stack that seeds go through.
pub(crate) struct Bed<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) keys: &'a KeyStore,
    pub(crate) dynamo: &'a Dynamo,
    pub(crate) clock: &'a (dyn Fn() -> SystemTime + Send + Sync),
}

impl Seedbed for Bed<'_> {
    async fn invoke(&self, function: &str, payload: Bytes) -> anyhow::Result<Bytes> {
        Ok(self.runtime.invoke(function, payload, InvokeOptions::default()).await?.payload)
    }

    fn key_id(&self, name: &str) -> Option<String> {
        self.keys.list(name, None, 10).items.iter().find(|key| key.name == name).map(|key| key.id.clone())
    }

    async fn set(&self, table: &str, key: (&str, &str), attribute: (&str, &str)) -> anyhow::Result<()> {
        let body = json!({
            "TableName": table,
            "Key": {key.0: {"S": key.1}},
            "UpdateExpression": "SET #a = :v",
            "ExpressionAttributeNames": {"#a": attribute.0},
            "ExpressionAttributeValues": {":v": {"S": attribute.1}},
        });
        self.dynamo.call("UpdateItem", &body).await?;
        Ok(())
    }

    async fn release(&self, tenant_id: &str) {
        let body = json!({
            "TableName": "tenantry-tenants",
            "Key": {"tenant_id": {"S": tenant_id}},
            "UpdateExpression": "SET lease_until = :past",
            "ConditionExpression": "attribute_exists(lease_until)",
            "ExpressionAttributeValues": {":past": {"S": "1970-01-01T00:00:00Z"}},
        });
        // It is refused where there is no lease.
        let _ = self.dynamo.call("UpdateItem", &body).await;
    }

    fn now(&self) -> OffsetDateTime {
        (self.clock)().into()
    }
}

/// Seeds unless this data was seeded before: what people have changed since stays as it is.
pub(crate) async fn seed_once(bed: &Bed<'_>, data: Option<&Path>) -> anyhow::Result<()> {
    let done = data.map(|folder| folder.join("seeded"));
    if done.as_ref().is_some_and(|done| done.is_file()) {
        return Ok(());
    }
    seed(bed).await.context("the demo tenants could not be made (--no-seed starts without)")?;
    if let Some(done) = done {
        std::fs::write(&done, b"").with_context(|| format!("{} cannot be written", done.display()))?;
    }
    Ok(())
}

/// The demo tenants that can be played with, with their keys' values.
pub(crate) fn demo_tenants(keys: &KeyStore) -> Vec<TenantState> {
    let of = |demo: &Demo| {
        let name = key_name(demo.tenant_id);
        let key = keys.list(&name, None, 10).items.into_iter().find(|key| key.name == name)?;
        Some(TenantState {
            tenant_id: demo.tenant_id.to_owned(),
            name: demo.tenant_id.to_owned(),
            tier: demo.tier.to_owned(),
            isolation: "pooled".to_owned(),
            api_key_id: key.id.clone(),
            api_key: key.value.expose().to_owned(),
        })
    };
    DEMOS.iter().filter(|demo| !demo.suspended).filter_map(of).collect()
}
