//! The files of one tenant.

mod beginning;
mod listing;
mod parts;
mod signed;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, EncodingType};
use contract::{File, FileCompletion, FileName, FilePage, UploadId};
use tenant_context::{Aws, AwsFailure, Bound, FileSizeLimits, OpenError, TenantContext};
use time::OffsetDateTime;

pub use listing::{FileCursor, FileListing, listed_key};

use crate::StoreError;
use crate::access::{self, Access, Work};
use crate::clients::S3;
use signed::Place;

/// How long S3 may take to put a file together, in one attempt: a second one would find the upload gone, or
/// the file there. The function has little longer.
const COMPLETION: Duration = Duration::from_secs(20);
/// What a file is taken for where S3 does not say (RFC 9110, section 8.3).
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The files of the tenant that the request is for.
///
/// Bytes pass through no function: a file is uploaded and downloaded by requests to S3 that are signed here.
#[derive(Debug)]
pub struct Files {
    access: Access,
    limits: Arc<FileSizeLimits>,
    bucket: String,
    /// What the keys of the tenant's objects begin with.
    prefix: String,
}

/// What the files of all tenants share.
#[derive(Debug)]
pub struct Opened {
    access: access::Opened,
    limits: Arc<FileSizeLimits>,
}

impl Bound<TenantContext> for Files {
    type Opened = Opened;

    async fn open(aws: &Aws) -> Result<Opened, OpenError> {
        aws.require_files()?;
        let limits = Arc::new(aws.file_size_limits().clone());
        Ok(Opened { access: Access::open(aws).await?.with_s3(), limits })
    }

    fn bind(opened: &Opened, context: &Arc<TenantContext>, at: OffsetDateTime) -> Self {
        Self {
            access: Access::bind(&opened.access, context, at),
            limits: Arc::clone(&opened.limits),
            bucket: context.files_bucket(),
            prefix: context.object_prefix().as_str().to_owned(),
        }
    }
}

impl Files {
    /// Puts a file together from its parts, and answers it as [`Self::get`] does. Where that was done before, and
    /// nothing has come in between, it is answered again: the first answer may have been lost.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such upload of this file; [`StoreError::FileExists`] where
    /// nothing is to be replaced; [`StoreError::Parts`]; [`StoreError::Held`]; [`StoreError::Aws`].
    pub async fn complete(
        &self,
        name: &FileName,
        completion: &FileCompletion,
        at: OffsetDateTime,
    ) -> Result<File, StoreError> {
        self.access.allow(Work::Write)?;
        let s3 = self.access.s3().await?;
        let place = self.place(&s3, name);
        let parts = completion.parts.iter().map(|part| {
            CompletedPart::builder().part_number(part.number.into()).e_tag(part.etag.as_str()).build()
        });
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(COMPLETION)
            .operation_attempt_timeout(COMPLETION)
            .build();
        let call = s3
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&place.key)
            .upload_id(completion.upload_id.as_str())
            .multipart_upload(parts)
            .set_if_none_match((!completion.overwrite).then(|| "*".to_owned()))
            .set_mpu_object_size(completion.size.and_then(|size| i64::try_from(size).ok()))
            .customize()
            .config_override(
                aws_sdk_s3::config::Builder::new()
                    .timeout_config(timeouts)
                    .retry_config(RetryConfig::disabled()),
            )
            .send();
        let Err(error) = Box::pin(call).await else { return self.found(&place, name, at).await };
        match error.code() {
            Some("NoSuchUpload") => {
                let there = head(&place).await?;
                let etag = there.as_ref().and_then(|there| there.e_tag());
                if etag.is_some() && etag == parts::etag(&completion.parts).as_deref() {
                    return self.found(&place, name, at).await;
                }
            }
            // Of all that is sent, S3 says so of the size alone.
            Some("InvalidRequest") if completion.size.is_some() => return Err(StoreError::OtherSize),
            Some(_) | None => {}
        }
        Err(error
            .code()
            .and_then(refused)
            .unwrap_or_else(|| AwsFailure::of("CompleteMultipartUpload on the files bucket")(error).into()))
    }

    /// Gives an upload in parts up, with the parts that were sent.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such upload of this file; [`StoreError::Held`];
    /// [`StoreError::Aws`].
    pub async fn abandon(&self, name: &FileName, upload_id: &UploadId) -> Result<(), StoreError> {
        self.access.allow(Work::Write)?;
        let s3 = self.access.s3().await?;
        let place = self.place(&s3, name);
        let call = s3.client.abort_multipart_upload().bucket(place.bucket).key(&place.key);
        Box::pin(call.upload_id(upload_id.as_str()).send()).await.map_err(|error| {
            let known = error.code().and_then(refused);
            known.unwrap_or_else(|| AwsFailure::of("AbortMultipartUpload on the files bucket")(error).into())
        })?;
        Ok(())
    }

    /// The file, if the tenant has it, and how it is downloaded.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Aws`].
    pub async fn get(&self, name: &FileName, at: OffsetDateTime) -> Result<File, StoreError> {
        let s3 = self.access.s3().await?;
        self.found(&self.place(&s3, name), name, at).await
    }

    /// A page of the tenant's files in the order of their names' bytes.
    ///
    /// A page holds fewer items than `limit` where names are folded or are outside the grammar;
    /// `next_cursor` alone tells whether there are more.
    ///
    /// # Errors
    /// [`StoreError::Cursor`], [`StoreError::Aws`].
    pub async fn list(&self, listing: FileListing) -> Result<FilePage, StoreError> {
        let FileListing { prefix, delimiter, limit, cursor } = listing;
        let start_after =
            cursor.map(|cursor| cursor.start_after(&self.prefix).ok_or(StoreError::Cursor)).transpose()?;
        let s3 = self.access.s3().await?;
        let call = s3
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}{prefix}", self.prefix))
            .set_delimiter(delimiter.as_ref().map(ToString::to_string))
            .max_keys(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_start_after(start_after)
            // XML has no way to write some characters.
            .encoding_type(EncodingType::Url)
            .send();
        let page = Box::pin(call).await.map_err(AwsFailure::of("ListObjectsV2 on the files bucket"))?;
        let tenant = self.prefix.as_str();
        let next_cursor = if page.is_truncated() == Some(true) {
            let end = listing::end(&page, tenant, &prefix).ok_or(StoreError::Incomplete("ListObjectsV2"))?;
            Some(FileCursor::behind(&prefix, delimiter.as_ref(), &end).to_string())
        } else {
            None
        };
        Ok(FilePage {
            items: page.contents().iter().filter_map(|object| listing::item(object, tenant)).collect(),
            prefixes: page
                .common_prefixes()
                .iter()
                .filter_map(|prefix| listing::folded(prefix, tenant))
                .collect(),
            next_cursor,
        })
    }

    /// Deletes the file, if there is one: S3 does not tell.
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::Aws`].
    pub async fn delete(&self, name: &FileName) -> Result<(), StoreError> {
        self.access.allow(Work::Write)?;
        let s3 = self.access.s3().await?;
        let place = self.place(&s3, name);
        let call = s3.client.delete_object().bucket(place.bucket).key(&place.key).send();
        Box::pin(call).await.map_err(AwsFailure::of("DeleteObject on the files bucket"))?;
        Ok(())
    }

    fn place<'a>(&'a self, s3: &'a S3, name: &FileName) -> Place<'a> {
        Place { s3, bucket: &self.bucket, key: format!("{}{name}", self.prefix) }
    }

    async fn found(
        &self,
        place: &Place<'_>,
        name: &FileName,
        at: OffsetDateTime,
    ) -> Result<File, StoreError> {
        let found = head(place).await?.ok_or(StoreError::NotFound)?;
        let lacks = || StoreError::Incomplete("HeadObject");
        Ok(File {
            name: name.clone(),
            size: size(found.content_length()).ok_or_else(lacks)?,
            content_type: found.content_type().unwrap_or(UNKNOWN_TYPE).to_owned(),
            etag: found.e_tag().ok_or_else(lacks)?.to_owned(),
            last_modified: time(found.last_modified()).ok_or_else(lacks)?,
            download: place.get(at).await?,
        })
    }
}

/// What S3 knows of an object, if it is there.
async fn head(place: &Place<'_>) -> Result<Option<HeadObjectOutput>, StoreError> {
    let call = place.s3.client.head_object().bucket(place.bucket).key(&place.key).send();
    let error = match Box::pin(call).await {
        Ok(found) => return Ok(Some(found)),
        Err(error) => error,
    };
    match error.raw_response().map(|response| response.status().as_u16()) {
        // To whom it grants no listing, S3 says 403 of what is not there.
        Some(403 | 404) => Ok(None),
        // An answer to HEAD has no body that would name the error.
        status => {
            let busy = status.is_some_and(|status| status >= 500);
            Err(AwsFailure::of("HeadObject on the files bucket")(error).or_busy(busy).into())
        }
    }
}

/// What S3 means by refusing to put a file together, where that is the caller's to know.
fn refused(code: &str) -> Option<StoreError> {
    Some(match code {
        "NoSuchUpload" => StoreError::NotFound,
        "PreconditionFailed" => StoreError::FileExists,
        "ConditionalRequestConflict" => StoreError::FileChanged,
        "InvalidPart" => StoreError::Parts("must be uploaded, each with the etag that S3 has answered to it"),
        "InvalidPartOrder" => StoreError::Parts("must stand in the order of their numbers, each once"),
        "EntityTooSmall" => StoreError::Parts("must have at least 5 MiB each, but for the last"),
        _ => return None,
    })
}

/// A size in S3's answers.
fn size(bytes: Option<i64>) -> Option<u64> {
    u64::try_from(bytes?).ok()
}

/// A time in S3's answers.
fn time(time: Option<&DateTime>) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(time?.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use contract::Problem;

    use super::*;

    #[test]
    fn what_s3_refuses_to_put_together_is_the_callers_to_know() {
        for (code, status, pointer) in [
            ("NoSuchUpload", 404, None),
            ("PreconditionFailed", 409, None),
            ("ConditionalRequestConflict", 409, None),
            ("InvalidPart", 422, Some("/parts")),
            ("InvalidPartOrder", 422, Some("/parts")),
            ("EntityTooSmall", 422, Some("/parts")),
        ] {
            let document = Problem::from(refused(code).unwrap()).document("r-1");
            let found = document.errors.first().map(|error| error.pointer.as_str());
            assert_eq!((document.status, found), (status, pointer), "{code}");
        }
        for code in ["AccessDenied", "NoSuchBucket", "InternalError", ""] {
            assert!(refused(code).is_none(), "{code}");
        }
    }

    #[test]
    fn a_refused_size_names_its_limit_in_bytes() {
        let document = Problem::from(StoreError::FileTooLarge(104_857_600)).document("r-1");
        assert_eq!((document.status, document.errors[0].pointer.as_str()), (422, "/size"));
        assert!(document.errors[0].detail.contains("104857600"), "{document:?}");
        let document = Problem::from(StoreError::NoFiles).document("r-1");
        assert_eq!((document.status, document.errors[0].pointer.as_str()), (422, "/size"));
    }

    #[test]
    fn a_cursor_that_no_page_can_end_with_is_the_callers_mistake() {
        let document = Problem::from(StoreError::Cursor).document("r-1");
        assert_eq!((document.status, document.errors[0].pointer.as_str()), (400, "/query/cursor"));
    }

    #[test]
    fn what_s3_cannot_mean_is_no_size_and_no_time() {
        assert_eq!([size(Some(0)), size(Some(-1)), size(None)], [Some(0), None, None]);
        assert_eq!(time(Some(&DateTime::from_secs(0))), Some(OffsetDateTime::UNIX_EPOCH));
        assert_eq!(time(Some(&DateTime::from_secs(i64::MAX))), None);
        assert_eq!(time(None), None);
    }
}
