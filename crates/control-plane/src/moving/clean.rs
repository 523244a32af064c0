//! What a move leaves behind: the pool's copy, or the silo of one that was given up.

use time::Duration;

use super::{Moving, Step};
use crate::ControlError;
use crate::item::TenantItem;
use crate::leaving::Emptied;
use crate::silo::Removed;
use crate::task::{Outcome, Partition, Run};

/// After how long a silo is looked at again that AWS is deleting: the next run does it.
const REMOVAL: Duration = Duration::seconds(30);

impl Run<'_> {
    /// Deletes a page of the tenant's records in the pool.
    pub(super) async fn clean_items(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let pooled = Emptied {
            partition: Partition::records(&self.stores.records, &tenant.tenant_id),
            deletion: "BatchWriteItem on the records table",
        };
        if self.purge(&pooled).await? {
            moving.enter(Step::CleanUploads);
        }
        Ok(Outcome::Progress)
    }

    /// Gives up the tenant's unfinished uploads in the pool: they were begun before the move.
    pub(super) async fn clean_uploads(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        if self.contents(&self.stores.files, &Self::prefix(tenant)).give_up_uploads().await? {
            moving.enter(Step::CleanFiles);
        }
        Ok(Outcome::Progress)
    }

    /// Deletes a page of the tenant's files in the pool.
    pub(super) async fn clean_files(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        if self.contents(&self.stores.files, &Self::prefix(tenant)).delete_versions().await? {
            moving.enter(Step::Count);
        }
        Ok(Outcome::Progress)
    }

    /// Looks for what is left in the pool. Where there is nothing, the move is done.
    pub(super) async fn count_pool(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        if Partition::records(&self.stores.records, &tenant.tenant_id).holds_any(self).await?
            || self.contents(&self.stores.files, &Self::prefix(tenant)).has_any().await?
        {
            moving.enter(Step::CleanItems);
            return Ok(Outcome::Progress);
        }
        moving.enter(Step::Done);
        moving.pace.lease_until = None;
        Ok(Outcome::Change {
            after: Box::new(tenant.clone()),
            removed: Vec::new(),
            action: "tenant.moved",
            detail: "nothing is left in the pool".to_owned(),
        })
    }

    /// Removes the silo of a move that was given up.
    pub(super) async fn remove_abandoned(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let stays = |moving: &mut Moving, detail: String| {
            moving.enter(Step::Abandoned);
            moving.pace.lease_until = None;
            Outcome::Change {
                after: Box::new(tenant.clone()),
                removed: Vec::new(),
                action: "tenant.stay",
                detail,
            }
        };
        // What was there before is somebody else's.
        if !moving.is_made
            && let Some(reason) = self.silos.left_over(&tenant.tenant_id).await?
        {
            return Ok(stays(moving, format!("nothing is deleted: {reason}")));
        }
        match self.silos.remove(&tenant.tenant_id, self.budget).await? {
            Removed::Gone => Ok(stays(moving, "the silo is gone".to_owned())),
            Removed::NotYet => {
                moving.pace.next_at = self.now + REMOVAL;
                Ok(Outcome::Progress)
            }
        }
    }
}
