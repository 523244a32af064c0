//! What an import has made, counted as the export has counted it.

use tenant_store::exported_record;
use time::Duration;

use super::{Importing, Step};
use crate::ControlError;
use crate::file_copy::Listed;
use crate::item::TenantItem;
use crate::task::{Listing, Outcome, Partition, Run};

/// Items of one query.
const PAGE: i32 = 500;
/// After how long it is counted again where it differs.
const AGAIN: Duration = Duration::hours(1);

impl Run<'_> {
    /// Counts a page of the records. The cursor is the sort key that the next begins behind.
    pub(super) async fn compare_import(
        &self,
        tenant: &TenantItem,
        importing: &mut Importing,
    ) -> Result<Outcome, ControlError> {
        let table = self.stores.home(tenant)?.records;
        let records = Partition::records(&table, &tenant.tenant_id);
        let (items, next) = records.page(self, importing.pace.cursor.as_deref(), PAGE).await?;
        for item in items {
            let exported = exported_record(item);
            importing.found.records += u64::from(exported.line.is_some());
            importing.found.raw_records += u64::from(exported.raw.is_some());
            if let Some(line) = &exported.line {
                importing.found_digest.add_line(line);
            }
            if let Some(raw) = &exported.raw {
                importing.found_digest.add_owned(raw);
            }
        }
        importing.pace.cursor = next;
        if importing.pace.cursor.is_none() {
            importing.enter(Step::CompareFiles);
        }
        Ok(Outcome::Progress)
    }

    /// Counts a page of the files. The cursor is the key that the next begins behind. Behind the last the import is
    /// done, if all that was exported is there.
    pub(super) async fn compare_imported_files(
        &self,
        tenant: &TenantItem,
        importing: &mut Importing,
    ) -> Result<Outcome, ControlError> {
        let bucket = self.stores.home(tenant)?.files;
        let Listing { files, next } =
            self.files_behind(&bucket, tenant, importing.pace.cursor.as_deref()).await?;
        let prefix = Self::prefix(tenant);
        for object in &files {
            let Listed { etag, size } = Listed::of(object);
            let name = object.key().and_then(|key| key.strip_prefix(&prefix)).unwrap_or_default();
            importing.found.files += 1;
            importing.found.bytes += u64::try_from(size).unwrap_or_default();
            importing.found_digest.add_file(name, size, &etag);
        }
        importing.pace.cursor = next;
        if importing.pace.cursor.is_some() {
            return Ok(Outcome::Progress);
        }
        let manifest = match self.manifest(importing).await? {
            Ok(manifest) => manifest,
            Err(reason) => return Ok(Outcome::Standstill(reason)),
        };
        let (mut there, exported) = (importing.found, manifest.counts);
        // Checkpoints are read by their keys alone. What has been written of them is there: nobody else writes any.
        (there.checkpoints, there.raw_checkpoints) = if importing.keys.is_empty() {
            (exported.checkpoints, exported.raw_checkpoints)
        } else {
            (importing.counts.checkpoints, importing.counts.raw_checkpoints)
        };
        let differs: Vec<_> = [
            ("records", there.records, exported.records),
            ("items that a record does not tell all of", there.raw_records, exported.raw_records),
            ("checkpoints", there.checkpoints, exported.checkpoints),
            ("items that a checkpoint does not tell all of", there.raw_checkpoints, exported.raw_checkpoints),
            ("files", there.files, exported.files),
            ("bytes of files", there.bytes, exported.bytes),
        ]
        .into_iter()
        .filter(|(_, there, exported)| there != exported)
        .map(|(what, there, exported)| format!("{there} {what} for {exported}"))
        .collect();
        let difference = if !differs.is_empty() {
            Some(format!("the tenant has {} of the export", differs.join(", ")))
        } else if importing.found_digest != importing.imported {
            Some(
                "the tenant's records and files are as many as the export's, but are not the same".to_owned(),
            )
        } else {
            None
        };
        if let Some(difference) = difference {
            importing.compare();
            importing.pace.next_at = self.now + AGAIN;
            importing.pace.standstill = Some(format!(
                "{difference}, though writes wait: something writes past the API; give the import up"
            ));
            return Ok(Outcome::Progress);
        }
        let checkpoints = importing.counts.checkpoints;
        let what = format!(
            "{} records, {checkpoints} checkpoints and {} files from",
            exported.records, exported.files
        );
        Ok(importing.end(Step::Done, ("tenant.imported", &what), self, tenant))
    }
}
