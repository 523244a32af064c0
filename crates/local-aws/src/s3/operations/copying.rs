//! Copies.

use http::{HeaderName, header};
use s3s::checksum::ChecksumHasher;
use s3s::dto::{
    Checksum, CopyObjectInput, CopyObjectOutput, CopyObjectResult, ETagCondition, MetadataDirective,
    TaggingDirective,
};
use s3s::{S3Response, S3Result};

use super::reading::kind;
use super::writing::{encoding, parse_tags, refuse_acl, storage_class, user_metadata, write_condition};
use super::{Answer, Operations, only_version};
use crate::s3::access::bucket_source;
use crate::s3::conditions::{ReadConditions, http_date, tag};
use crate::s3::store::{Attributes, NewObject, Object, Reader, StoreError, StoredSum};
use crate::s3::sums::Algorithm;

/// What one request copies at most, in bytes: 5 GiB.
const MAX_COPY: u64 = 5 * 1_024 * 1_024 * 1_024;

impl Operations {
    pub(super) async fn copy(&self, input: CopyObjectInput) -> Answer<CopyObjectOutput> {
        refuse_acl(input.acl.as_ref())?;
        if input.sse_customer_algorithm.is_some() || input.copy_source_sse_customer_algorithm.is_some() {
            return Err(s3s::s3_error!(NotImplemented, "The local S3 has no keys of clients' own."));
        }
        let (from_bucket, from_key, version) = bucket_source(&input.copy_source)?;
        only_version(version)?;
        let (from_bucket, from_key) = (from_bucket.to_owned(), from_key.to_owned());
        let replaces = |directive: Option<&str>| match directive {
            None | Some("COPY") => Ok(false),
            Some("REPLACE") => Ok(true),
            Some(_) => Err(s3s::s3_error!(InvalidArgument, "Unknown metadata or tagging directive.")),
        };
        let new_metadata = replaces(input.metadata_directive.as_ref().map(MetadataDirective::as_str))?;
        let new_tags = replaces(input.tagging_directive.as_ref().map(TaggingDirective::as_str))?;
        let is_same = from_bucket == input.bucket && from_key == input.key;
        if is_same && !new_metadata && input.storage_class.is_none() {
            return Err(s3s::s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without \
                 changing the object's metadata, storage class, website redirect location or encryption \
                 attributes."
            ));
        }
        let given = given_attributes!(input);
        // s3s leaves these two out of what it reads.
        let if_match = self.condition(&header::IF_MATCH)?;
        let condition = write_condition(if_match, self.condition(&header::IF_NONE_MATCH)?.as_ref())?;
        let conditions = ReadConditions {
            matching: input.copy_source_if_match,
            matching_not: input.copy_source_if_none_match,
            modified_since: input.copy_source_if_modified_since,
            unmodified_since: input.copy_source_if_unmodified_since,
        };
        let algorithm = match &input.checksum_algorithm {
            Some(named) => Some(Algorithm::parse(named.as_str()).ok_or_else(|| {
                s3s::s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported.")
            })?),
            None => None,
        };
        let sum = match algorithm {
            Some(algorithm) => Some(self.sum_of(&from_bucket, &from_key, algorithm).await?),
            None => None,
        };
        let (bucket, key, at) = (input.bucket, input.key, self.shared.now());
        let of = from_bucket.clone();
        let object = self
            .work_on(&from_bucket, move |store| {
                store.copy((&of, &from_key), &condition, (&bucket, &key), |source| {
                    check_source(source, &conditions)?;
                    let kept = &source.attributes;
                    let mut attributes = if new_metadata { given.clone() } else { kept.clone() };
                    attributes.storage_class = given.storage_class;
                    attributes.tags = if new_tags { given.tags } else { kept.tags.clone() };
                    (attributes.sum, attributes.part_sums) = match sum {
                        // What was computed is of another object, which came in between.
                        Some((etag, _)) if etag != source.etag => {
                            return Err(StoreError::PreconditionFailed("x-amz-copy-source"));
                        }
                        Some((_, sum)) => (Some(sum), Vec::new()),
                        None => (kept.sum.clone(), kept.part_sums.clone()),
                    };
                    attributes.parts = kept.parts;
                    let etag = source.etag.clone();
                    Ok(NewObject { bucket: &bucket, key: &key, etag, attributes, at })
                })
            })
            .await?;
        let mut sums = Checksum::default();
        if let Some(sum) = &object.attributes.sum {
            sum.algorithm.set(&mut sums, sum.value.clone());
            sums.checksum_type = Some(kind(sum.composite));
        }
        let copy_object_result = Some(with_sums!(sums => CopyObjectResult {
            checksum_type: sums.checksum_type,
            e_tag: Some(tag(&object.etag)),
            last_modified: Some(object.modified.into()),
        }));
        Ok(S3Response::new(CopyObjectOutput { copy_object_result, ..Default::default() }))
    }

    /// The entity tag of an object, and a checksum that is computed of its bytes.
    async fn sum_of(&self, bucket: &str, key: &str, algorithm: Algorithm) -> S3Result<(String, StoredSum)> {
        let (of, name) = (bucket.to_owned(), key.to_owned());
        self.work_on(bucket, move |store| {
            let (object, pinned) = store.pinned(&of, &name)?;
            let mut reader = Reader::new(pinned, &object.segments, &(0..object.size));
            let mut sums = ChecksumHasher::default();
            algorithm.begin(&mut sums);
            while let Some(chunk) = reader.next()? {
                sums.update(&chunk);
            }
            let value = algorithm.of(&sums.finalize()).unwrap_or_default().to_owned();
            Ok((object.etag, StoredSum { algorithm, value, composite: false, chosen: true }))
        })
        .await
    }

    fn condition(&self, name: &HeaderName) -> S3Result<Option<ETagCondition>> {
        let Some(value) = self.caller.head.headers.get(name) else { return Ok(None) };
        let condition = ETagCondition::parse_http_header(value.as_bytes());
        condition.map(Some).map_err(|_| s3s::s3_error!(InvalidArgument, "Invalid value for {name}"))
    }
}

/// Whether the source is what the request says, and small enough.
fn check_source(source: &Object, conditions: &ReadConditions) -> Result<(), StoreError> {
    if source.size > MAX_COPY {
        return Err(StoreError::SourceTooLarge);
    }
    conditions.check_source(source).map_err(|_| StoreError::PreconditionFailed("x-amz-copy-source"))
}
