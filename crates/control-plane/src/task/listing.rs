//! A tenant's files as S3 lists them.

use aws_sdk_s3::types::{EncodingType, Object};
use tenant_context::AwsFailure;
use tenant_store::listed_key;

use super::Run;
use crate::ControlError;
use crate::item::TenantItem;

/// Files of one listing.
const PAGE: i32 = 100;

/// A page of files.
#[derive(Debug)]
pub(crate) struct Listing {
    /// With their whole keys, as they are.
    pub(crate) files: Vec<Object>,
    /// The key behind which there are more.
    pub(crate) next: Option<String>,
}

impl Run<'_> {
    /// The tenant's files in a bucket behind a key.
    pub(crate) async fn files_behind(
        &self,
        bucket: &str,
        tenant: &TenantItem,
        behind: Option<&str>,
    ) -> Result<Listing, ControlError> {
        let page = self
            .stores
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .prefix(Self::prefix(tenant))
            // Programs of tenants' own may use names that XML cannot hold.
            .encoding_type(EncodingType::Url)
            .set_start_after(behind.map(str::to_owned))
            .max_keys(PAGE)
            .send()
            .await
            .map_err(AwsFailure::of("ListObjectsV2 on a bucket of files"))?;
        let is_last = page.is_truncated() != Some(true);
        let mut files = page.contents.unwrap_or_default();
        for file in &mut files {
            let key = file.key().and_then(listed_key).ok_or(ControlError::Incomplete("key of a file"))?;
            file.key = Some(key);
        }
        let next = files.last().filter(|_| !is_last).and_then(|last| last.key()).map(str::to_owned);
        Ok(Listing { files, next })
    }
}
