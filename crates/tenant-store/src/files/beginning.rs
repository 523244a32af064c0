//! How the upload of a file begins.

use contract::{FileRequest, FileUpload, UploadId, UploadPlan};
use tenant_context::AwsFailure;
use time::OffsetDateTime;

use super::signed::Place;
use super::{Files, head};
use crate::StoreError;
use crate::access::Work;
use crate::idempotency::{Made, Once, Turn};

/// An upload's id, by the name that an earlier request's item has for it.
const UPLOAD_ID: &str = "upload_id";

impl Files {
    /// Says how the file is uploaded: by one request, or in parts, which [`Self::complete`] puts together.
    ///
    /// What `once` has begun before is signed anew, for the same upload where it is one in parts. Whether there
    /// is a file of the name by now, or no such upload any more, is not asked then: S3 says so to the uploader.
    ///
    /// # Errors
    /// [`StoreError::NoFiles`] and [`StoreError::FileTooLarge`] by the tenant's tier;
    /// [`StoreError::FileExists`] where nothing is to be replaced; [`StoreError::Held`]; [`StoreError::Aws`];
    /// with `once` [`StoreError::KeyReused`], [`StoreError::KeyInUse`].
    pub async fn begin(
        &self,
        request: &FileRequest,
        at: OffsetDateTime,
        once: Option<Once>,
    ) -> Result<Made<FileUpload>, StoreError> {
        self.access.allow(Work::HandOut)?;
        let limit = self.limits.of(self.access.context().tier()).ok_or(StoreError::NoFiles)?;
        if request.size > limit {
            return Err(StoreError::FileTooLarge(limit));
        }
        let s3 =
            if is_single(request) { self.access.s3().await? } else { self.access.s3_for_an_hour().await? };
        let place = self.place(&s3, &request.name);
        let Some(once) = once else {
            let upload_id = start(&place, request).await?;
            return Ok(Made::first(signed(&place, request, upload_id, at).await?));
        };
        if let Turn::Again(earlier) = Box::pin(once.claim(&self.access)).await? {
            let upload_id = earlier.made(UPLOAD_ID).and_then(|id| id.parse().ok());
            return Ok(Made::again(signed(&place, request, upload_id, at).await?));
        }
        let upload_id = match start(&place, request).await {
            Ok(upload_id) => upload_id,
            Err(error) => {
                Box::pin(once.release(&self.access)).await;
                return Err(error);
            }
        };
        let once = match &upload_id {
            Some(upload_id) => once.making(UPLOAD_ID, upload_id.as_str()),
            None => once,
        };
        // A claim that cannot be completed ends with its lease: whether the item is written is not known.
        Box::pin(once.complete(&self.access)).await?;
        Ok(Made::first(signed(&place, request, upload_id, at).await?))
    }
}

/// Whether the file is small enough to be uploaded by one request.
fn is_single(request: &FileRequest) -> bool {
    request.size <= FileRequest::SINGLE_MAX
}

/// Does what is done once for an upload. Answers the upload's id, where it is one in parts.
async fn start(place: &Place<'_>, request: &FileRequest) -> Result<Option<UploadId>, StoreError> {
    if !request.overwrite && head(place).await?.is_some() {
        return Err(StoreError::FileExists);
    }
    if is_single(request) { Ok(None) } else { Ok(Some(create(place, request).await?)) }
}

/// Signs what an upload takes.
async fn signed(
    place: &Place<'_>,
    request: &FileRequest,
    upload_id: Option<UploadId>,
    at: OffsetDateTime,
) -> Result<FileUpload, StoreError> {
    let plan = if is_single(request) {
        UploadPlan::Single(place.put(request, at).await?)
    } else {
        let upload_id = upload_id.ok_or(StoreError::Incomplete("a repeated request"))?;
        UploadPlan::Multipart(place.parts(upload_id, request.size, at).await?)
    };
    Ok(FileUpload { name: request.name.clone(), plan })
}

/// Begins an upload in parts.
async fn create(place: &Place<'_>, request: &FileRequest) -> Result<UploadId, StoreError> {
    let call = place
        .s3
        .client
        .create_multipart_upload()
        .bucket(place.bucket)
        .key(&place.key)
        .content_type(request.content_type.as_str())
        .send();
    let created =
        Box::pin(call).await.map_err(AwsFailure::of("CreateMultipartUpload on the files bucket"))?;
    let upload_id = created.upload_id().and_then(|id| id.parse().ok());
    upload_id.ok_or(StoreError::Incomplete("CreateMultipartUpload"))
}
