//! Seeding a running stack.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use local_aws::{Dynamo, S3};
use local_gateway::KeyStore;
use serde_json::{Value, json};
use stack_template::Function;
use time::OffsetDateTime;

use crate::clock::StackClock;
use crate::lambda::Lambda;
use crate::seed::{DEMOS, Demo, Owner, Seedbed, key_name, seed};
use crate::state::TenantState;

/// The parts of the stack that seeds go through.
pub(crate) struct Bed<'a> {
    pub(crate) lambda: &'a Lambda,
    /// The template's functions.
    pub(crate) functions: &'a [Function],
    pub(crate) keys: &'a KeyStore,
    pub(crate) dynamo: &'a Dynamo,
    pub(crate) s3: &'a S3,
    /// The bucket of pooled files, where the template has one.
    pub(crate) files: Option<&'a str>,
    pub(crate) account_id: &'a str,
    pub(crate) region: &'a str,
    /// The demo tenants that are to have silos.
    pub(crate) siloed: &'a [String],
    pub(crate) clock: &'a StackClock,
}

impl Seedbed for Bed<'_> {
    async fn invoke(&self, function: &str, payload: Bytes) -> anyhow::Result<Bytes> {
        Ok(self.lambda.invoke(function, payload, None, None).await?.payload)
    }

    fn has(&self, function: &str) -> bool {
        self.functions.iter().any(|known| known.name == function)
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

    fn file(&self, owner: Owner<'_>, name: &str, content_type: &str, text: &str) -> anyhow::Result<()> {
        let Some(pooled) = self.files else { return Ok(()) };
        let Owner { tenant_id, has_silo } = owner;
        // The name that the functions make of the tenant's id.
        let silo = format!("tenantry-silo-{tenant_id}-{}-{}", self.account_id, self.region);
        let bucket = if has_silo { &silo } else { pooled };
        Ok(self.s3.seed(bucket, &format!("{tenant_id}/{name}"), content_type, text.as_bytes())?)
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now().into()
    }
}

/// The file that tells of data that was seeded: what people have changed since stays as it is.
fn marker(data: &Path) -> PathBuf {
    data.join("seeded")
}

/// Whether this data was seeded before.
pub(crate) fn is_seeded(data: Option<&Path>) -> bool {
    data.is_some_and(|data| marker(data).is_file())
}

/// Makes the demo tenants. It can be repeated after it broke off anywhere.
pub(crate) async fn plant(bed: &Bed<'_>) -> anyhow::Result<()> {
    seed(bed, bed.siloed).await.context("the demo tenants could not be made (--no-seed starts without)")
}

/// Takes note that this data was seeded.
pub(crate) fn note_seeded(data: Option<&Path>) -> anyhow::Result<()> {
    let Some(marker) = data.map(marker) else { return Ok(()) };
    std::fs::write(&marker, b"").with_context(|| format!("{} cannot be written", marker.display()))
}

/// The demo tenants that can be played with, with their keys' values.
pub(crate) async fn demo_tenants(keys: &KeyStore, dynamo: &Dynamo) -> Vec<TenantState> {
    let of = |demo: &Demo, isolation: String| {
        let name = key_name(demo.tenant_id);
        let key = keys.list(&name, None, 10).items.into_iter().find(|key| key.name == name)?;
        Some(TenantState {
            tenant_id: demo.tenant_id.to_owned(),
            name: demo.tenant_id.to_owned(),
            tier: demo.tier.to_owned(),
            isolation,
            api_key_id: key.id.clone(),
            api_key: key.value.expose().to_owned(),
        })
    };
    let mut tenants = Vec::new();
    for demo in DEMOS.iter().filter(|demo| !demo.suspended) {
        tenants.extend(of(demo, isolation(dynamo, demo.tenant_id).await));
    }
    tenants
}

/// Where a demo tenant's data lies. Data that was seeded by an earlier version of the stack stays where it is.
async fn isolation(dynamo: &Dynamo, tenant_id: &str) -> String {
    let body = json!({
        "TableName": "tenantry-tenants",
        "Key": {"tenant_id": {"S": tenant_id}},
        "ProjectionExpression": "#i",
        "ExpressionAttributeNames": {"#i": "isolation"},
    });
    let read = dynamo.call("GetItem", &body).await.unwrap_or_default();
    read.pointer("/Item/isolation/S").and_then(Value::as_str).unwrap_or("pooled").to_owned()
}
