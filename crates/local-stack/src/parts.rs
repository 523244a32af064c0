//! What is made of the template before anything runs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use local_aws::{Principals, Secret};
use stack_template::Stack;

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

/// Names of buckets by what programs call them.
fn buckets(stack: &Stack) -> BTreeMap<String, String> {
    let files = stack.buckets.iter().find(|bucket| bucket.logical_id == "FilesBucket");
    files.map(|bucket| ("files".to_owned(), bucket.name.clone())).into_iter().collect()
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
