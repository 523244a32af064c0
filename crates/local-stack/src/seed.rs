//! Demo tenants, onboarded by the real function, with a few records, checkpoints and files each.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A tenant to play with.
pub(crate) struct Demo {
    pub(crate) tenant_id: &'static str,
    pub(crate) tier: &'static str,
    /// Collection, id and title.
    records: &'static [(&'static str, &'static str, &'static str)],
    /// Name, and whose position it keeps.
    checkpoints: &'static [(&'static str, &'static str)],
    /// Name, media type and text.
    files: &'static [(&'static str, &'static str, &'static str)],
    pub(crate) suspended: bool,
}

/// The demo tenant that has a silo, where nobody says otherwise.
pub(crate) const SILOED: &str = "initech";

/// The demo tenants. Their ids, and so their keys' ids, are fixed: the events of `events/` name them.
pub(crate) const DEMOS: &[Demo] = &[
    Demo {
        tenant_id: "acme",
        tier: "free",
        records: &[("notes", "first", "Rocket skates"), ("notes", "second", "Giant magnet")],
        checkpoints: &[("sync", "acme-shop")],
        files: &[
            ("welcome.txt", "text/plain", "Welcome to the files of acme.\n"),
            ("reports/2026/summary.csv", "text/csv", "month,orders\n2026-10,214\n2026-11,198\n"),
        ],
        suspended: false,
    },
    Demo {
        tenant_id: "globex",
        tier: "standard",
        records: &[
            ("notes", "first", "Weather machine"),
            ("notes", "second", "Hammock district"),
            ("notes", "third", "Moisture wicking"),
            ("plans", "launch", "Ours alone"),
        ],
        checkpoints: &[("sync", "globex-weather"), ("launch", "Ours alone")],
        files: &[("launch", "text/plain", "Ours alone")],
        suspended: false,
    },
    Demo {
        tenant_id: "initech",
        tier: "premium",
        records: &[("notes", "first", "TPS cover sheet")],
        checkpoints: &[("sync", "initech-ledger")],
        files: &[],
        suspended: false,
    },
    // Shows what a suspended tenant is told.
    Demo { tenant_id: "umbrella", tier: "free", records: &[], checkpoints: &[], files: &[], suspended: true },
];

/// The function that makes silos.
const RECONCILE: &str = "tenants-reconcile";
/// How often a function is asked where its answer says to try again, as on a machine that is very busy.
const ATTEMPTS: usize = 5;
/// The function that tells what keys have used.
const SNAPSHOT: &str = "usage-snapshot";
/// The pause that such an answer asks for.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The name that a tenant's first key has in API Gateway.
pub(crate) fn key_name(tenant_id: &str) -> String {
    format!("tenantry-{tenant_id}-1")
}

/// Whose a file is, and whether it has a bucket of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) tenant_id: &'a str,
    pub(crate) has_silo: bool,
}

/// What seeding needs of the stack around it.
pub(crate) trait Seedbed {
    /// Invokes a function and answers the payload.
    async fn invoke(&self, function: &str, payload: Bytes) -> anyhow::Result<Bytes>;
    /// Whether there is such a function.
    fn has(&self, function: &str) -> bool;
    /// The id of the key with a name.
    fn key_id(&self, name: &str) -> Option<String>;
    /// Writes an attribute of an item whose key is one string.
    async fn set(&self, table: &str, key: (&str, &str), attribute: (&str, &str)) -> anyhow::Result<()>;
    /// Ends the lease of a tenant that is being onboarded, if there is one.
    async fn release(&self, tenant_id: &str);
    /// Makes a file of a tenant, unless there is one.
    fn file(&self, tenant: Owner<'_>, name: &str, content_type: &str, text: &str) -> anyhow::Result<()>;
    /// Now.
    fn now(&self) -> OffsetDateTime;
}

/// Brings all demo tenants about, those of `siloed` with silos. It can be repeated after it broke off anywhere.
pub(crate) async fn seed(bed: &impl Seedbed, siloed: &[String]) -> anyhow::Result<()> {
    for demo in DEMOS {
        let has_silo = siloed.iter().any(|id| id == demo.tenant_id) && bed.has(RECONCILE);
        let body = json!({
            "tenant_id": demo.tenant_id,
            "name": demo.tenant_id,
            "email": format!("ops@{}.example", demo.tenant_id),
            "tier": demo.tier,
            "isolation": if has_silo { "siloed" } else { "pooled" },
        });
        let identity = json!({"userArn": "local-stack"});
        let event = proxy_event("POST", "/tenants", &[], &body, bed.now(), &identity, &[]);
        // Whoever held a lease on an unfinished onboarding ended with the last run of the stack, or with the
        // attempt before.
        bed.release(demo.tenant_id).await;
        let mut answer = call(bed, "admin-tenants-create", &event).await?;
        for _ in 1..ATTEMPTS {
            if answer.0 != 503 {
                break;
            }
            tokio::time::sleep(RETRY_AFTER).await;
            bed.release(demo.tenant_id).await;
            answer = call(bed, "admin-tenants-create", &event).await?;
        }
        match answer {
            // 409: an earlier run has done it.
            (201 | 202 | 409, _) => {}
            (status, body) => bail!("onboarding {} was answered {status}: {body}", demo.tenant_id),
        }
        if has_silo {
            make_silo(bed, demo.tenant_id).await?;
        }
        let key = bed
            .key_id(&key_name(demo.tenant_id))
            .with_context(|| format!("{} was onboarded without a key", demo.tenant_id))?;
        for (collection, id, title) in demo.records {
            let parameters = [("collection", *collection), ("id", *id)];
            let body = json!({"title": title});
            put(bed, "records-put", "/records/{collection}/{id}", &parameters, &body, &key).await?;
        }
        for (name, source) in demo.checkpoints {
            let body = json!({"source": source, "position": 1});
            put(bed, "checkpoints-put", "/checkpoints/{name}", &[("name", *name)], &body, &key).await?;
        }
        for (name, content_type, text) in demo.files {
            bed.file(Owner { tenant_id: demo.tenant_id, has_silo }, name, content_type, text)?;
        }
        if demo.suspended {
            bed.set("tenantry-api-keys", ("api_key_id", &key), ("status", "suspended")).await?;
            bed.set("tenantry-tenants", ("tenant_id", demo.tenant_id), ("status", "suspended")).await?;
        }
    }
    snap_usage(bed).await
}

/// Makes the silo that a demo tenant waits for, as the schedule would a little later.
async fn make_silo(bed: &impl Seedbed, tenant_id: &str) -> anyhow::Result<()> {
    run(bed, RECONCILE, json!({"tenant_id": tenant_id})).await
}

/// Makes the first snapshot of what keys have used, so that they can ask for it at once.
async fn snap_usage(bed: &impl Seedbed) -> anyhow::Result<()> {
    if !bed.has(SNAPSHOT) {
        return Ok(());
    }
    run(bed, SNAPSHOT, json!({})).await
}

/// Runs a task as its schedule does.
async fn run(bed: &impl Seedbed, task: &str, mut event: Value) -> anyhow::Result<()> {
    event["time"] = bed.now().format(&Rfc3339).context("the time cannot be written")?.into();
    let tenant_id = event["tenant_id"].as_str().map(ToOwned::to_owned);
    let event = event.to_string();
    let mut answer = Value::Null;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(RETRY_AFTER).await;
        }
        // Whoever held a lease on the tenant ended with the last run of the stack, or with the attempt before.
        if let Some(tenant_id) = &tenant_id {
            bed.release(tenant_id).await;
        }
        let payload = bed.invoke(task, Bytes::from(event.clone())).await?;
        answer = serde_json::from_slice(&payload).with_context(|| format!("{task} answered no JSON"))?;
        if answer["errorType"].is_null() {
            return Ok(());
        }
    }
    bail!("{task} failed: {answer}")
}

/// Writes something of the key's tenant. What somebody has written there meanwhile stays.
async fn put(
    bed: &impl Seedbed,
    function: &str,
    resource: &str,
    parameters: &[(&str, &str)],
    body: &Value,
    key: &str,
) -> anyhow::Result<()> {
    let identity = json!({"apiKeyId": key});
    let headers = [("If-None-Match", "*")];
    let event = proxy_event("PUT", resource, parameters, body, bed.now(), &identity, &headers);
    match call(bed, function, &event).await? {
        (201 | 412, _) => Ok(()),
        (status, body) => bail!("{function} for the key {key} was answered {status}: {body}"),
    }
}

async fn call(bed: &impl Seedbed, function: &str, event: &Value) -> anyhow::Result<(u64, String)> {
    let payload = bed.invoke(function, Bytes::from(event.to_string())).await?;
    let answer: Value =
        serde_json::from_slice(&payload).with_context(|| format!("{function} answered no JSON"))?;
    let status = answer["statusCode"].as_u64().with_context(|| format!("{function} failed: {answer}"))?;
    Ok((status, answer["body"].as_str().unwrap_or_default().to_owned()))
}

fn proxy_event(
    method: &str,
    resource: &str,
    parameters: &[(&str, &str)],
    body: &Value,
    at: OffsetDateTime,
    identity: &Value,
    headers: &[(&str, &str)],
) -> Value {
    let path = parameters
        .iter()
        .fold(resource.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    };
    json!({
        "resource": resource, "path": path, "httpMethod": method,
        "headers": Value::Object(map(headers)), "pathParameters": Value::Object(map(parameters)),
        "body": body.to_string(), "isBase64Encoded": false,
        "requestContext": {
            "requestId": "seed", "path": format!("/v1{path}"), "identity": identity,
            "requestTimeEpoch": i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
        },
    })
}
