//! Buckets.

use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, ListBucketsInput,
    ListBucketsOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result};

use super::{Answer, Operations, refused};
use crate::s3::store::StoreError;

/// Most buckets that a page shows.
const MAX_BUCKETS: i32 = 10_000;

impl Operations {
    pub(super) async fn require_bucket(&self, name: String) -> S3Result<()> {
        if self.work(move |store| store.has_bucket(&name)).await? {
            Ok(())
        } else {
            Err(refused(&StoreError::NoSuchBucket))
        }
    }

    pub(super) async fn make_bucket(&self, input: CreateBucketInput) -> Answer<CreateBucketOutput> {
        let CreateBucketInput { bucket, create_bucket_configuration, .. } = input;
        let constraint = create_bucket_configuration.and_then(|asked| asked.location_constraint);
        let asked = constraint.as_ref().map_or("us-east-1", BucketLocationConstraint::as_str);
        if asked != self.shared.region {
            return Err(S3Error::with_message(
                S3ErrorCode::IllegalLocationConstraintException,
                format!(
                    "The {asked} location constraint is incompatible for the region specific endpoint this \
                     request was sent to: LocationConstraint must be {}.",
                    self.shared.region
                ),
            ));
        }
        let (name, at) = (bucket.clone(), self.shared.now());
        self.work(move |store| store.create_bucket(&name, at)).await?;
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{bucket}")) }))
    }

    pub(super) async fn list_all_buckets(&self, input: ListBucketsInput) -> Answer<ListBucketsOutput> {
        let ListBucketsInput { continuation_token, max_buckets, prefix, .. } = input;
        let limit = max_buckets.unwrap_or(MAX_BUCKETS);
        if !(1..=MAX_BUCKETS).contains(&limit) {
            return Err(s3s::s3_error!(InvalidArgument, "max-buckets must be from 1 to {MAX_BUCKETS}"));
        }
        let limit = usize::try_from(limit).unwrap_or_default();
        let all = self.work(|store| store.buckets()).await?;
        let start = prefix.clone().unwrap_or_default();
        let after = continuation_token.unwrap_or_default();
        let mut buckets: Vec<Bucket> = all
            .into_iter()
            .filter(|(name, _)| name.starts_with(&start) && *name > after)
            .map(|(name, created)| Bucket {
                bucket_region: Some(self.shared.region.clone()),
                creation_date: Some(created.into()),
                name: Some(name),
            })
            .collect();
        let is_cut = buckets.len() > limit;
        buckets.truncate(limit);
        let continuation_token = buckets.last().filter(|_| is_cut).and_then(|bucket| bucket.name.clone());
        let owner = Some(self.owner());
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), continuation_token, owner, prefix }))
    }
}
