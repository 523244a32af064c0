//! What is left of a tenant: nothing, or it is purged again.

use tenant_context::AwsFailure;

use super::{Leaving, Step, buried};
use crate::ControlError;
use crate::item::TenantItem;
use crate::task::{Outcome, Run};

impl Run<'_> {
    /// Looks for what is left of the keys of a page of the audit.
    pub(super) async fn count_keys(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let (keys, next) = self.keys_behind(tenant, leaving).await?;
        for key in &keys {
            if self.checkpoints(key).holds_any(self).await?
                || self.usage(key).holds_any(self).await?
                || self.has_context(tenant, key).await?
            {
                return Ok(again(leaving));
            }
        }
        leaving.pace.cursor = next;
        if leaving.pace.cursor.is_none() {
            leaving.enter(Step::Count);
        }
        Ok(Outcome::Progress)
    }

    /// Looks for what is left of the tenant itself. Where there is nothing, it becomes its tombstone.
    pub(super) async fn count(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        if self.records(tenant).holds_any(self).await?
            || self.requests(tenant).holds_any(self).await?
            || self.has_files(tenant).await?
            || self.has_uploads(tenant).await?
            || !self.desk.gateway.keys_of(&tenant.tenant_id).await?.is_empty()
        {
            return Ok(again(leaving));
        }
        buried(tenant, leaving)
    }

    async fn has_files(&self, tenant: &TenantItem) -> Result<bool, ControlError> {
        let files = &self.stores.files;
        let page = self.stores.s3.list_objects_v2().bucket(files).prefix(Self::prefix(tenant)).max_keys(1);
        let page = page.send().await.map_err(AwsFailure::of("ListObjectsV2 on the files bucket"))?;
        Ok(!page.contents().is_empty())
    }

    async fn has_uploads(&self, tenant: &TenantItem) -> Result<bool, ControlError> {
        let files = &self.stores.files;
        let uploads = self.stores.s3.list_multipart_uploads().bucket(files).prefix(Self::prefix(tenant));
        let page = uploads.max_uploads(1).send().await;
        let page = page.map_err(AwsFailure::of("ListMultipartUploads on the files bucket"))?;
        Ok(!page.uploads().is_empty())
    }
}

/// Something is left: the purge begins again.
fn again(leaving: &mut Leaving) -> Outcome {
    leaving.recounts += 1;
    leaving.enter(Step::PurgeGateway);
    Outcome::Progress
}
