//! The operations that are served. All others are S3's `NotImplemented`.

/// The checksums that a request tells in its headers.
macro_rules! told_sums {
    ($input:ident) => {
        s3s::dto::Checksum {
            checksum_crc32: $input.checksum_crc32,
            checksum_crc32c: $input.checksum_crc32c,
            checksum_crc64nvme: $input.checksum_crc64nvme,
            checksum_sha1: $input.checksum_sha1,
            checksum_sha256: $input.checksum_sha256,
            checksum_type: None,
        }
    };
}

/// An answer with the checksums among its members.
macro_rules! with_sums {
    ($sums:ident => $output:ident { $($rest:tt)* }) => {
        $output {
            checksum_crc32: $sums.checksum_crc32,
            checksum_crc32c: $sums.checksum_crc32c,
            checksum_crc64nvme: $sums.checksum_crc64nvme,
            checksum_sha1: $sums.checksum_sha1,
            checksum_sha256: $sums.checksum_sha256,
            $($rest)*
        }
    };
}

/// What a request says is to be kept with its object.
macro_rules! given_attributes {
    ($input:ident) => {
        Attributes {
            content_type: $input.content_type,
            cache_control: $input.cache_control,
            content_disposition: $input.content_disposition,
            content_encoding: encoding($input.content_encoding),
            content_language: $input.content_language,
            expires: $input.expires.map(|at| http_date(time::OffsetDateTime::from(at).into())),
            storage_class: storage_class($input.storage_class.as_ref())?,
            metadata: user_metadata($input.metadata)?,
            tags: parse_tags($input.tagging.as_deref())?,
            ..Attributes::default()
        }
    };
}

mod buckets;
mod copying;
mod listings;
mod reading;
mod settings;
mod uploads;
mod writing;

use std::sync::Arc;

use async_trait::async_trait;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, BucketLocationConstraint,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput,
    CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    DeleteBucketInput, DeleteBucketOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectTaggingInput,
    DeleteObjectTaggingOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectAttributesInput,
    GetObjectAttributesOutput, GetObjectInput, GetObjectOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, Owner, PutBucketCorsInput,
    PutBucketCorsOutput, PutBucketEncryptionInput, PutBucketEncryptionOutput,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
    PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput, PutBucketPolicyInput,
    PutBucketPolicyOutput, PutObjectInput, PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
    PutPublicAccessBlockInput, PutPublicAccessBlockOutput, TagSet, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, StdError};

use super::conditions::precondition_failed;
use super::store::{Store, StoreError};
use super::{Caller, Shared};
use crate::iam::s3_list_call;

/// The operations of [`Operations`], by the names that S3 gives them.
pub(super) const SERVED: &[&str] = &[
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "GetBucketLocation",
    "GetBucketVersioning",
    "GetObject",
    "GetObjectAttributes",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutBucketCors",
    "PutBucketEncryption",
    "PutBucketLifecycleConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutObject",
    "PutObjectTagging",
    "PutPublicAccessBlock",
    "UploadPart",
    "UploadPartCopy",
];

/// The operations for one request.
pub(super) struct Operations {
    pub(super) shared: Arc<Shared>,
    pub(super) caller: Arc<Caller>,
}

type Answer<T> = S3Result<S3Response<T>>;

impl Operations {
    /// Works on the store, on a thread that may wait.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Store>) -> Result<T, StoreError> + Send + 'static,
    ) -> S3Result<T> {
        let store = Arc::clone(&self.shared.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(S3Error::internal_error)?.map_err(|error| refused(&error))
    }

    /// As [`Self::work`], on an object of a bucket. Who may not list the bucket is not told whether an object is
    /// missing or is kept from them.
    async fn work_on<T: Send + 'static>(
        &self,
        bucket: &str,
        work: impl FnOnce(&Arc<Store>) -> Result<T, StoreError> + Send + 'static,
    ) -> S3Result<T> {
        self.work(work).await.map_err(|error| self.unless_listed(bucket, error))
    }

    fn unless_listed(&self, bucket: &str, error: S3Error) -> S3Error {
        let Caller { principal, head } = &*self.caller;
        let iam = &self.shared.iam;
        let call = s3_list_call(bucket, head, iam.account_id());
        if *error.code() != S3ErrorCode::NoSuchKey || iam.would_allow_s3(principal, &call, head) {
            return error;
        }
        let arn = &principal.arn;
        s3s::s3_error!(
            AccessDenied,
            "User: {arn} is not authorized to perform: s3:ListBucket on resource: \"arn:aws:s3:::{bucket}\", \
             without which S3 tells nobody that an object is missing"
        )
    }

    fn owner(&self) -> Owner {
        let id = self.shared.iam.account_id().to_owned();
        Owner { display_name: None, id: Some(id) }
    }
}

/// What the client is told.
fn refused(error: &StoreError) -> S3Error {
    let message = error.to_string();
    let code = match error {
        StoreError::NoSuchBucket => {
            return s3s::s3_error!(NoSuchBucket, "The specified bucket does not exist");
        }
        StoreError::NoSuchKey => return s3s::s3_error!(NoSuchKey, "The specified key does not exist."),
        StoreError::NoSuchUpload => {
            return s3s::s3_error!(
                NoSuchUpload,
                "The specified multipart upload does not exist. The upload ID may be invalid, or the upload \
                 may have been aborted or completed."
            );
        }
        StoreError::PreconditionFailed(condition) => return precondition_failed(condition),
        StoreError::BucketExists => S3ErrorCode::BucketAlreadyOwnedByYou,
        StoreError::BucketNotEmpty => S3ErrorCode::BucketNotEmpty,
        StoreError::InvalidPart(_) => S3ErrorCode::InvalidPart,
        StoreError::PartTooSmall(_) => S3ErrorCode::EntityTooSmall,
        StoreError::TooLarge => S3ErrorCode::EntityTooLarge,
        StoreError::BadDigest => S3ErrorCode::BadDigest,
        StoreError::OtherSize(_) | StoreError::SourceTooLarge => S3ErrorCode::InvalidRequest,
        // The stack is its developer's own: what went wrong is theirs to know.
        StoreError::Database(error) => return internal(error),
        StoreError::Io(error) => return internal(error),
        StoreError::Damaged(error) => return internal(error),
    };
    S3Error::with_message(code, message)
}

fn internal(error: &dyn std::error::Error) -> S3Error {
    s3s::s3_error!(InternalError, "The local S3's store failed: {error}")
}

/// A failure while a body arrived.
fn not_received(error: &StdError) -> S3Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(at) = cause {
        if let Some(rejected) = at.downcast_ref::<super::body::Rejected>() {
            return match rejected {
                super::body::Rejected::NotTheSignedOne => {
                    let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
                    let told = "The provided 'x-amz-content-sha256' header does not match what was computed.";
                    let mut error = S3Error::with_message(code, told);
                    error.set_status_code(http::StatusCode::BAD_REQUEST);
                    error
                }
                super::body::Rejected::Chunk => s3s::s3_error!(InvalidRequest, "{rejected}"),
                super::body::Rejected::Body(error) => broke_off(error),
            };
        }
        if let Some(error) = at.downcast_ref::<local_http::BodyError>() {
            return broke_off(error);
        }
        cause = at.source();
    }
    // s3s names its failures of bodies in chunks in text alone.
    let text = error.to_string();
    if text.contains("SignatureMismatch") {
        return s3s::s3_error!(
            SignatureDoesNotMatch,
            "The signature of a chunk is not the one that its bytes have."
        );
    }
    s3s::s3_error!(IncompleteBody, "The request's body is not of the length or form that it has declared.")
}

fn broke_off(error: &local_http::BodyError) -> S3Error {
    match error {
        local_http::BodyError::Broken(_) => s3s::s3_error!(
            IncompleteBody,
            "You did not provide the number of bytes specified by the Content-Length HTTP header."
        ),
        local_http::BodyError::TimedOut => s3s::s3_error!(
            RequestTimeout,
            "Your socket connection to the server was not read from or written to within the timeout period."
        ),
    }
}

/// A number of S3's, which has them signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The one version that an object of a bucket without versions has.
fn only_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(s3s::s3_error!(InvalidArgument, "Invalid version id specified")),
    }
}

#[async_trait]
impl S3 for Operations {
    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        self.abort_upload(req.input).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        self.complete_upload(req.input).await
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        self.copy(req.input).await
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        self.make_bucket(req.input).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        self.create_upload(req.input).await
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        let name = req.input.bucket;
        self.work(move |store| store.delete_bucket(&name)).await?;
        self.reread_settings().await?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        self.delete(req.input).await
    }

    async fn delete_object_tagging(
        &self,
        req: S3Request<DeleteObjectTaggingInput>,
    ) -> Answer<DeleteObjectTaggingOutput> {
        let DeleteObjectTaggingInput { bucket, key, version_id, .. } = req.input;
        only_version(version_id.as_deref())?;
        self.tag(&bucket, key, TagSet::new()).await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        self.delete_batch(req).await
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        self.require_bucket(req.input.bucket).await?;
        // The oldest region is the one that has no name here.
        let region = Some(self.shared.region.clone()).filter(|region| region != "us-east-1");
        let location_constraint = region.map(BucketLocationConstraint::from);
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        self.require_bucket(req.input.bucket).await?;
        Ok(S3Response::new(GetBucketVersioningOutput::default()))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        self.get(req.input).await
    }

    async fn get_object_attributes(
        &self,
        req: S3Request<GetObjectAttributesInput>,
    ) -> Answer<GetObjectAttributesOutput> {
        self.attributes(req.input).await
    }

    async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> Answer<GetObjectTaggingOutput> {
        self.tags(req.input).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.require_bucket(req.input.bucket).await?;
        let bucket_region = Some(self.shared.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..Default::default() }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        self.head(req.input).await
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        self.list_all_buckets(req.input).await
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        self.list_uploads(req.input).await
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> Answer<ListObjectVersionsOutput> {
        self.list_versions(req.input).await
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        self.list_v1(req.input).await
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        self.list_v2(req.input).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        self.parts(req.input).await
    }

    async fn put_bucket_cors(&self, req: S3Request<PutBucketCorsInput>) -> Answer<PutBucketCorsOutput> {
        self.set_cors(req.input).await
    }

    async fn put_bucket_encryption(
        &self,
        req: S3Request<PutBucketEncryptionInput>,
    ) -> Answer<PutBucketEncryptionOutput> {
        self.set_encryption(req.input).await
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        req: S3Request<PutBucketLifecycleConfigurationInput>,
    ) -> Answer<PutBucketLifecycleConfigurationOutput> {
        self.set_lifecycle(req.input).await
    }

    async fn put_bucket_ownership_controls(
        &self,
        req: S3Request<PutBucketOwnershipControlsInput>,
    ) -> Answer<PutBucketOwnershipControlsOutput> {
        self.set_ownership(req.input).await
    }

    async fn put_bucket_policy(&self, req: S3Request<PutBucketPolicyInput>) -> Answer<PutBucketPolicyOutput> {
        self.set_policy(req.input).await
    }

    async fn put_public_access_block(
        &self,
        req: S3Request<PutPublicAccessBlockInput>,
    ) -> Answer<PutPublicAccessBlockOutput> {
        self.require_bucket(req.input.bucket).await?;
        Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        self.put(req).await
    }

    async fn put_object_tagging(
        &self,
        req: S3Request<PutObjectTaggingInput>,
    ) -> Answer<PutObjectTaggingOutput> {
        let PutObjectTaggingInput { bucket, key, tagging, version_id, .. } = req.input;
        only_version(version_id.as_deref())?;
        self.tag(&bucket, key, tagging.tag_set).await?;
        Ok(S3Response::new(PutObjectTaggingOutput::default()))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        self.put_part(req).await
    }

    async fn upload_part_copy(&self, req: S3Request<UploadPartCopyInput>) -> Answer<UploadPartCopyOutput> {
        self.copy_part(req.input).await
    }
}
