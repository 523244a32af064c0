//! The end of an export: its manifest.

use contract::{ExportCounts, TenantDetails};
use serde::Serialize;
use time::OffsetDateTime;

use super::{Leaving, Part, Step};
use crate::ControlError;
use crate::item::TenantItem;
use crate::task::{Outcome, Run};

/// The form of exports that this writes.
pub(crate) const FORMAT: &str = "tenantry-export-2";

/// What the names of copied files begin with, behind the export's prefix.
pub(crate) const FILES: &str = "files/";

/// What an export says of itself. It is written last: an export without it is not complete.
#[derive(Serialize)]
struct Manifest<'a> {
    format: &'static str,
    tenant: TenantDetails,
    api_key_ids: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    requested_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    exported_at: OffsetDateTime,
    counts: ExportCounts,
    parts: &'a [Part],
    /// What the keys of the copied files begin with, behind the export's prefix.
    files_prefix: &'static str,
}

impl Run<'_> {
    /// Writes the manifest. The tenant waits for its purge then.
    pub(super) async fn complete_export(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let manifest = Manifest {
            format: FORMAT,
            tenant: tenant.details(),
            api_key_ids: leaving.exported_keys.iter().map(ToString::to_string).collect(),
            requested_at: leaving.requested_at,
            exported_at: self.now,
            counts: leaving.counts,
            parts: &leaving.parts,
            files_prefix: FILES,
        };
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| ControlError::Unreadable("a manifest", Box::new(error)))?;
        self.put_object(leaving, "manifest.json", "application/json", text).await?;
        leaving.enter(Step::Grace);
        leaving.is_exported = true;
        leaving.parts.clear();
        leaving.exported_keys.clear();
        leaving.pace.next_at = leaving.purge_at.max(self.now);
        let ExportCounts { records, checkpoints, files, .. } = leaving.counts;
        Ok(Outcome::Change {
            after: Box::new(tenant.clone()),
            removed: Vec::new(),
            action: "tenant.export",
            detail: format!(
                "{records} records, {checkpoints} checkpoints and {files} files to {}",
                leaving.export.prefix
            ),
        })
    }
}
