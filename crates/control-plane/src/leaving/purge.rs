//! The purge: what a tenant has is deleted, kind by kind.

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use tenant_context::{ApiKeyId, AwsFailure};

use super::{Leaving, Step};
use crate::ControlError;
use crate::batch::Batches;
use crate::item::TenantItem;
use crate::task::{Outcome, Partition, Run};

/// Items that are read at once, to be deleted.
const ITEMS: i32 = 250;
/// Uploads that are given up in one step.
const UPLOADS: i32 = 100;

impl Run<'_> {
    /// Deletes the tenant's keys at the gateway. They leave their plans with it.
    pub(super) async fn purge_gateway(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        for key in self.desk.gateway.keys_of(&tenant.tenant_id).await? {
            self.desk.gateway.delete_key(&key).await?;
        }
        leaving.enter(Step::PurgeRecords);
        Ok(Outcome::Progress)
    }

    pub(super) async fn purge_records(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        if self.purge(&self.records(tenant), "BatchWriteItem on the records table").await? {
            leaving.enter(Step::PurgeRequests);
        }
        Ok(Outcome::Progress)
    }

    /// Deletes what is known of the tenant's own requests with an `Idempotency-Key`.
    pub(super) async fn purge_requests(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        if self.purge(&self.requests(tenant), "BatchWriteItem on the idempotency table").await? {
            leaving.enter(Step::PurgeUploads);
        }
        Ok(Outcome::Progress)
    }

    /// Gives up unfinished uploads.
    pub(super) async fn purge_uploads(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let page = self
            .stores
            .s3
            .list_multipart_uploads()
            .bucket(&self.stores.files)
            .prefix(Self::prefix(tenant))
            .max_uploads(UPLOADS)
            .send()
            .await
            .map_err(AwsFailure::of("ListMultipartUploads on the files bucket"))?;
        for upload in page.uploads() {
            let given_up = self
                .stores
                .s3
                .abort_multipart_upload()
                .bucket(&self.stores.files)
                .key(upload.key().unwrap_or_default())
                .upload_id(upload.upload_id().unwrap_or_default())
                .send()
                .await;
            match given_up {
                Ok(_) => {}
                Err(error)
                    if error.as_service_error().and_then(|error| error.code()) == Some("NoSuchUpload") => {}
                Err(error) => {
                    return Err(AwsFailure::of("AbortMultipartUpload on the files bucket")(error).into());
                }
            }
        }
        if page.is_truncated() != Some(true) {
            leaving.enter(Step::PurgeFiles);
        }
        Ok(Outcome::Progress)
    }

    /// Deletes a listing's worth of files.
    pub(super) async fn purge_files(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let page = self
            .stores
            .s3
            .list_objects_v2()
            .bucket(&self.stores.files)
            .prefix(Self::prefix(tenant))
            .send()
            .await
            .map_err(AwsFailure::of("ListObjectsV2 on the files bucket"))?;
        let objects: Result<Vec<_>, _> = page
            .contents()
            .iter()
            .map(|object| ObjectIdentifier::builder().key(object.key().unwrap_or_default()).build())
            .collect();
        let objects = objects.map_err(unwritable)?;
        if !objects.is_empty() {
            let deletion = Delete::builder().set_objects(Some(objects)).quiet(true).build();
            let deleted = self
                .stores
                .s3
                .delete_objects()
                .bucket(&self.stores.files)
                .delete(deletion.map_err(unwritable)?)
                .send()
                .await
                .map_err(AwsFailure::of("DeleteObjects on the files bucket"))?;
            if !deleted.errors().is_empty() {
                return Err(ControlError::Incomplete("files: S3 has not deleted them all"));
            }
        }
        if page.is_truncated() != Some(true) {
            leaving.enter(Step::PurgeKeys);
        }
        Ok(Outcome::Progress)
    }

    /// Deletes what belongs to the keys of a page of the audit: checkpoints, usage, contexts.
    pub(super) async fn purge_keys(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let (keys, next) = self.keys_behind(tenant, leaving).await?;
        for key in &keys {
            self.desk.checkpoints.delete(key).await?;
            let usage = self.usage(key);
            while !self.purge(&usage, "BatchWriteItem on the usage table").await? {}
            if self.has_context(tenant, key).await? {
                let delete = self.desk.delete_context(&tenant.tenant_id, key)?;
                self.desk.transact(&tenant.tenant_id, vec![delete]).await?;
            }
        }
        leaving.pace.cursor = next;
        if leaving.pace.cursor.is_none() {
            leaving.enter(Step::ScrubAudit);
        }
        Ok(Outcome::Progress)
    }

    /// Whether a key opens anything of the tenant's.
    pub(super) async fn has_context(
        &self,
        tenant: &TenantItem,
        key: &ApiKeyId,
    ) -> Result<bool, ControlError> {
        let with_key = TenantItem { keys: vec![key.clone()], ..tenant.clone() };
        Ok(!self.desk.keys(&with_key).await?.is_empty())
    }

    /// The tenant's partition of the requests with an `Idempotency-Key`.
    pub(super) fn requests<'a>(&'a self, tenant: &'a TenantItem) -> Partition<'a> {
        Partition {
            table: self.desk.requests(),
            key: ("tenant_id", tenant.tenant_id.as_str()),
            sort_key: "route_key",
            operation: "Query on the idempotency table",
        }
    }

    /// A key's partition of the usage.
    pub(super) fn usage<'a>(&'a self, key: &'a ApiKeyId) -> Partition<'a> {
        Partition {
            table: &self.stores.usage,
            key: ("api_key_id", key.as_str()),
            sort_key: "day",
            operation: "Query on the usage table",
        }
    }

    /// Deletes a page of a partition. Answers whether it was the last.
    async fn purge(&self, partition: &Partition<'_>, operation: &'static str) -> Result<bool, ControlError> {
        let (items, next) = partition.page(self, None, ITEMS).await?;
        let mut writes = Vec::with_capacity(items.len());
        for item in &items {
            let sort_key = item.get(partition.sort_key).and_then(|value| value.as_s().ok());
            let place = partition.place(sort_key.map_or("", String::as_str));
            let delete = DeleteRequest::builder().set_key(Some(place)).build();
            let delete = delete.map_err(crate::writes::unwritable)?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        let batches = Batches {
            dynamodb: &self.desk.reader.dynamodb,
            table: partition.table,
            meter: &self.desk.reader.meter,
            operation,
            incomplete: "purge: DynamoDB has not deleted it all",
        };
        batches.write(writes).await?;
        Ok(next.is_none())
    }
}

fn unwritable(error: aws_sdk_s3::error::BuildError) -> ControlError {
    ControlError::Unreadable("a deletion", Box::new(error))
}
