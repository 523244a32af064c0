//! An import that was given up: what it has written is deleted.

use super::{Importing, Step};
use crate::ControlError;
use crate::item::TenantItem;
use crate::leaving::Emptied;
use crate::task::{Outcome, Partition, Run};

impl Run<'_> {
    /// Deletes a page of the records.
    pub(super) async fn undo_items(
        &self,
        tenant: &TenantItem,
        importing: &mut Importing,
    ) -> Result<Outcome, ControlError> {
        let table = self.stores.home(tenant)?.records;
        let partition = Partition::records(&table, &tenant.tenant_id);
        let records = Emptied { partition, deletion: "BatchWriteItem on a table of records" };
        if self.purge(&records).await? {
            importing.enter(Step::UndoCheckpoints);
        }
        Ok(Outcome::Progress)
    }

    /// Deletes a page of the checkpoints of the keys that were to get some: they had none.
    pub(super) async fn undo_checkpoints(&self, importing: &mut Importing) -> Result<Outcome, ControlError> {
        for key in importing.keys.values() {
            let [checkpoints, _] = self.of_key(key);
            if !self.purge(&checkpoints).await? {
                return Ok(Outcome::Progress);
            }
        }
        importing.enter(Step::UndoUploads);
        Ok(Outcome::Progress)
    }

    /// Gives up copies that were not finished.
    pub(super) async fn undo_uploads(
        &self,
        tenant: &TenantItem,
        importing: &mut Importing,
    ) -> Result<Outcome, ControlError> {
        let (bucket, prefix) = (self.stores.home(tenant)?.files, Self::prefix(tenant));
        if self.contents(&bucket, &prefix).give_up_uploads().await? {
            importing.enter(Step::UndoFiles);
        }
        Ok(Outcome::Progress)
    }

    /// Deletes a listing's worth of files. Behind the last, writes go on.
    pub(super) async fn undo_files(
        &self,
        tenant: &TenantItem,
        importing: &mut Importing,
    ) -> Result<Outcome, ControlError> {
        let (bucket, prefix) = (self.stores.home(tenant)?.files, Self::prefix(tenant));
        if !self.contents(&bucket, &prefix).delete_versions().await? {
            return Ok(Outcome::Progress);
        }
        // A copy that was under way may have ended behind the listing.
        if self.contents(&bucket, &prefix).has_any().await? {
            importing.enter(Step::UndoUploads);
            return Ok(Outcome::Progress);
        }
        let what = "nothing is left of the import from";
        Ok(importing.end(Step::Abandoned, ("tenant.import-undone", what), self, tenant))
    }
}
