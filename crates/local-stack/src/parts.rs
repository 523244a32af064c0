//! What is made of the template and the data before anything runs.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use local_aws::{Principals, Secret};
use local_gateway::KeyStore;
use stack_template::Stack;

use crate::bed::{Bed, is_seeded, note_seeded, plant};
use crate::shared::Shared;
use crate::snapshots::Snapshots;
use crate::state::{AdminCredentials, State, write_private};

/// The tables that programs are told of, by what follows `tenantry-` in their names.
const TABLES: &[&str] = &["api-keys", "tenants", "records", "checkpoints", "usage", "idempotency"];

/// The admin's access key, kept with the data so that a shell's exported one outlives a restart.
pub(crate) fn admin(data: Option<&Path>, principals: &Principals) -> anyhow::Result<AdminCredentials> {
    let path = data.map(|folder| folder.join("admin.json"));
    if let Some(path) = path.as_ref().filter(|path| path.is_file()) {
        let damaged = || format!("{} is damaged; `make reset` empties the local stack", path.display());
        let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let admin: AdminCredentials = serde_json::from_slice(&text).with_context(damaged)?;
        let secret = Secret::new(admin.secret_access_key.as_str());
        principals.restore_admin(&admin.access_key_id, secret).with_context(damaged)?;
        return Ok(admin);
    }
    let issued = principals.issue_admin().context("the admin's credentials cannot be made")?;
    let admin = AdminCredentials {
        access_key_id: issued.access_key_id.clone(),
        secret_access_key: issued.secret.expose().to_owned(),
    };
    if let Some(path) = path {
        write_private(&path, &serde_json::to_vec(&admin)?)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(admin)
}

/// Names of tables by what programs call them.
fn tables(stack: &Stack) -> BTreeMap<String, String> {
    let named =
        |table: &&str| stack.tables.iter().find(|given| given.name.strip_prefix("tenantry-") == Some(*table));
    TABLES.iter().filter_map(|table| Some(((*table).to_owned(), named(table)?.name.clone()))).collect()
}

/// What programs call buckets, and what the template does.
const BUCKETS: &[(&str, &str)] = &[("files", "FilesBucket"), ("exports", "ExportsBucket")];

/// Names of buckets by what programs call them.
fn buckets(stack: &Stack) -> BTreeMap<String, String> {
    let named = |id: &str| stack.buckets.iter().find(|bucket| bucket.logical_id == id);
    BUCKETS.iter().filter_map(|(name, id)| Some(((*name).to_owned(), named(id)?.name.clone()))).collect()
}

/// What programs are told of a stack, before it has tenants.
pub(crate) fn describe(
    stack: &Stack,
    [api_url, admin_url, aws_endpoint_url]: [String; 3],
    admin: AdminCredentials,
) -> State {
    State {
        api_url,
        admin_url,
        aws_endpoint_url,
        region: stack.region.clone(),
        account_id: stack.account_id.clone(),
        admin,
        tenants: Vec::new(),
        tables: tables(stack),
        buckets: buckets(stack),
        tenant_role_arn: stack.outputs.get("TenantRoleArn").cloned().unwrap_or_default(),
    }
}

/// Makes the demo tenants where they are wanted, with the silos that are named, and keeps the state that new data begins with.
pub(crate) async fn fill(
    shared: &Shared,
    snapshots: &Snapshots,
    siloed: Option<&[String]>,
    data: Option<&Path>,
) -> anyhow::Result<()> {
    let Shared { lambda, keys, dynamo, s3, clock, .. } = shared;
    if is_seeded(data) {
        return Ok(());
    }
    if let Some(siloed) = siloed {
        let stack = shared.live.current();
        let files = stack.buckets.iter().find(|bucket| bucket.logical_id == "FilesBucket");
        let files = files.map(|bucket| bucket.name.as_str());
        let (account_id, region) = (&*stack.account_id, &*stack.region);
        let functions = &stack.functions;
        plant(&Bed { lambda, functions, keys, dynamo, s3, files, account_id, region, siloed, clock }).await?;
        snapshots.save_first(shared)?;
        // Last: what broke off before this is done again.
        note_seeded(data)?;
    } else if !snapshots.has_first() {
        snapshots.save_first(shared)?;
    }
    Ok(())
}

/// Makes the folder that keeps the data.
pub(crate) fn make_folder(data: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = data else { return Ok(()) };
    // It holds keys and tenants' data: a new folder is its owner's alone.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the data folder {} cannot be made", folder.display()))
}

/// Opens the keys and their counters.
pub(crate) fn open_keys(data: Option<&Path>, now: SystemTime) -> anyhow::Result<KeyStore> {
    let Some(folder) = data else { return Ok(KeyStore::in_memory()?) };
    // The file is locked while it is open: a second stack on the same data ends here.
    KeyStore::open(&folder.join("gateway.db"), now).context(
        "the keys cannot be opened: is another stack running on the same data? (--data-dir, --ephemeral)",
    )
}
