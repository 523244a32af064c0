//! What the stack tells programs.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The state file: addresses, credentials and names, written once everything answers.
///
/// Its members are a contract with other programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// The data API, stage included.
    pub api_url: String,
    /// The control API, stage included; empty where the template has none.
    pub admin_url: String,
    /// The AWS services.
    pub aws_endpoint_url: String,
    /// The region.
    pub region: String,
    /// The account, twelve digits.
    pub account_id: String,
    /// The platform team's credentials.
    pub admin: AdminCredentials,
    /// The demo tenants.
    pub tenants: Vec<TenantState>,
    /// Physical names of tables.
    pub tables: BTreeMap<String, String>,
    /// Physical names of buckets.
    pub buckets: BTreeMap<String, String>,
    /// The role of credentials that are handed out to tenants; empty where the template has none.
    pub tenant_role_arn: String,
}

/// An access key that may do everything in the local stack.
#[derive(Clone, Serialize, Deserialize)]
pub struct AdminCredentials {
    /// Its id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

impl std::fmt::Debug for AdminCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminCredentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A demo tenant.
#[derive(Clone, Serialize, Deserialize)]
pub struct TenantState {
    /// Its id.
    pub tenant_id: String,
    /// Its name.
    pub name: String,
    /// Its tier.
    pub tier: String,
    /// Where its data lies.
    pub isolation: String,
    /// Its key's id.
    pub api_key_id: String,
    /// Its key's value.
    pub api_key: String,
}

impl std::fmt::Debug for TenantState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantState")
            .field("tenant_id", &self.tenant_id)
            .field("api_key_id", &self.api_key_id)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Writes the file in one step, readable by its owner alone.
    ///
    /// # Errors
    /// Where the folder cannot be made or written to.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_private(path, self.text()?.as_bytes())
    }

    /// Removes the file if it still tells of this stack.
    pub(crate) fn forget(&self, path: &Path) {
        if self.text().is_ok_and(|text| std::fs::read_to_string(path).is_ok_and(|found| found == text)) {
            // What cannot be removed is overwritten by the next stack.
            let _ = std::fs::remove_file(path);
        }
    }

    fn text(&self) -> io::Result<String> {
        let mut text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        text.push('\n');
        Ok(text)
    }
}

/// Writes a file that holds secrets: whole or not at all, for its owner alone.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
