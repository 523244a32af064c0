//! What is made of the template before anything runs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use local_aws::{Principals, Secret};
use local_runtime::{Credentials, FunctionSpec};
use stack_template::Stack;

use crate::state::{AdminCredentials, State, write_private};

/// Environments of one function at one time: enough to try out concurrency, few enough for a laptop.
const MAX_ENVIRONMENTS: usize = 8;
/// The tables that programs are told of, by what follows `tenantry-` in their names.
const TABLES: &[&str] = &["api-keys", "tenants", "records", "checkpoints", "usage", "idempotency"];

/// The functions with their binaries, environments and own credentials.
pub(crate) fn specs(
    stack: &Stack,
    principals: &Principals,
    binaries: &Path,
    aws_endpoint_url: &str,
) -> anyhow::Result<Vec<FunctionSpec>> {
    let mut specs = Vec::with_capacity(stack.functions.len());
    for function in &stack.functions {
        let binary = binaries.join(&function.name);
        if !binary.is_file() {
            bail!("{} has no binary: run `cargo build --workspace --bins`", function.name);
        }
        let principal = principals
            .issue_for_role(&function.role, &function.name)
            .context("a function's credentials cannot be made")?;
        let mut environment = function.environment.clone();
        environment.insert("AWS_ENDPOINT_URL".to_owned(), aws_endpoint_url.to_owned());
        let reserved = function.reserved_concurrency.and_then(|count| usize::try_from(count).ok());
        specs.push(FunctionSpec {
            name: function.name.clone(),
            binary,
            arn: function.arn.clone(),
            timeout: function.timeout,
            memory_mb: function.memory_mb,
            environment,
            credentials: Credentials {
                access_key_id: principal.access_key_id.clone(),
                secret_access_key: principal.secret.expose().to_owned(),
                session_token: principal.session_token.as_ref().map(|token| token.expose().to_owned()),
            },
            max_environments: reserved.map_or(MAX_ENVIRONMENTS, |reserved| reserved.min(MAX_ENVIRONMENTS)),
        });
    }
    Ok(specs)
}

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
