//! Uploads in parts.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CopyPartResult,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, Initiator, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Part, PartNumber, Range,
    ServerSideEncryption, StorageClass, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result};

use super::listings::Names;
use super::reading::kind;
use super::writing::{
    Claims, encoding, parse_tags, refuse_acl, storage_class, user_metadata, write_condition,
};
use super::{Answer, Operations, internal, only_version, signed};
use crate::random::{self, BASE_32};
use crate::s3::access::bucket_source;
use crate::s3::conditions::{ReadConditions, http_date, tag};
use crate::s3::store::{Attributes, ClaimedPart, ListedUploads, NewUpload, Reader, StoreError, StoredSum};
use crate::s3::sums::{Algorithm, PartSum};

const MAX_PARTS: i32 = 10_000;
/// Most entries of a page.
const PAGE: i32 = 1_000;

impl Operations {
    pub(super) async fn create_upload(
        &self,
        input: CreateMultipartUploadInput,
    ) -> Answer<CreateMultipartUploadOutput> {
        refuse_acl(input.acl.as_ref())?;
        let is_locked = input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some();
        if input.sse_customer_algorithm.is_some() || is_locked {
            return Err(s3s::s3_error!(
                NotImplemented,
                "The local S3 has no keys of clients' own, and no locks."
            ));
        }
        let chosen = match &input.checksum_algorithm {
            Some(named) => Some(Algorithm::parse(named.as_str()).ok_or_else(|| {
                s3s::s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported.")
            })?),
            None => None,
        };
        let algorithm = chosen.unwrap_or(Algorithm::Crc64Nvme);
        let composite = match input.checksum_type.as_ref().map(ChecksumType::as_str) {
            None => !algorithm.is_of_whole_objects(),
            Some(ChecksumType::COMPOSITE) if !algorithm.is_of_whole_objects() => true,
            Some(ChecksumType::FULL_OBJECT) if algorithm.can_be_combined() => false,
            Some(asked) => {
                return Err(s3s::s3_error!(
                    InvalidRequest,
                    "The {asked} checksum type cannot be used with the {} checksum algorithm.",
                    algorithm.as_str()
                ));
            }
        };
        let attributes = Attributes {
            sum: Some(StoredSum { algorithm, value: String::new(), composite, chosen: chosen.is_some() }),
            ..given_attributes!(input)
        };
        let id = random::text::<64, 32>(BASE_32).map_err(|error| internal(&error))?;
        let (bucket, key, at) = (input.bucket.clone(), input.key.clone(), self.shared.now());
        let upload_id = id.clone();
        self.work(move |store| {
            let new = NewUpload { bucket: &bucket, key: &key, id: &id, attributes: &attributes, at };
            store.create_upload(&new)
        })
        .await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            checksum_algorithm: chosen.map(|one| ChecksumAlgorithm::from_static(one.as_str())),
            checksum_type: chosen.map(|_| kind(composite)),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..Default::default()
        }))
    }

    pub(super) async fn put_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let S3Request { input, trailing_headers, .. } = req;
        let number = part_number(input.part_number)?;
        let (algorithm, is_chosen) = self.algorithm(&input.bucket, &input.key, &input.upload_id).await?;
        let sums = told_sums!(input);
        let claims = Claims::of(
            &self.caller.head.headers,
            &sums,
            trailing_headers,
            input.content_md5.as_deref(),
            input.content_length,
            Some(algorithm),
        )?;
        if let Some(told) = claims.named().filter(|told| is_chosen && *told != algorithm) {
            return Err(s3s::s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                algorithm.as_str().to_ascii_lowercase(),
                told.as_str().to_ascii_lowercase()
            ));
        }
        let (staged, sum) = self.receive(input.body, &claims).await?;
        let computed = staged.sums.clone();
        let (bucket, key, id, at) = (input.bucket, input.key, input.upload_id, self.shared.now());
        let kept = sum.clone();
        let part = self
            .work(move |store| store.put_part((&bucket, &key, &id), number, &staged, Some(&kept), at))
            .await?;
        // The client is told the checksum that it has told, and else the one that is kept.
        let mut sums = Checksum::default();
        match claims.named().and_then(|named| Some((named, named.of(&computed)?.to_owned()))) {
            Some((named, value)) => named.set(&mut sums, value),
            None => algorithm.set(&mut sums, sum),
        }
        Ok(S3Response::new(with_sums!(sums => UploadPartOutput {
            e_tag: Some(tag(&part.etag)),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..Default::default()
        })))
    }

    pub(super) async fn copy_part(&self, input: UploadPartCopyInput) -> Answer<UploadPartCopyOutput> {
        let number = part_number(input.part_number)?;
        let (from_bucket, from_key, version) = bucket_source(&input.copy_source)?;
        only_version(version)?;
        let (algorithm, _) = self.algorithm(&input.bucket, &input.key, &input.upload_id).await?;
        let (of, name) = (from_bucket.to_owned(), from_key.to_owned());
        let (source, pinned) = self.work_on(from_bucket, move |store| store.pinned(&of, &name)).await?;
        let conditions = ReadConditions {
            matching: input.copy_source_if_match,
            matching_not: input.copy_source_if_none_match,
            modified_since: input.copy_source_if_modified_since,
            unmodified_since: input.copy_source_if_unmodified_since,
        };
        conditions.check_source(&source)?;
        let range = copied_range(input.copy_source_range.as_deref(), source.size)?;
        let mut reader = Reader::new(pinned, &source.segments, &range);
        let (bucket, key, id, at) = (input.bucket, input.key, input.upload_id, self.shared.now());
        let part = self
            .work(move |store| {
                let mut staging = store.stage()?;
                algorithm.begin(&mut staging.sums);
                while let Some(chunk) = reader.next()? {
                    staging.write(&chunk)?;
                }
                let staged = staging.finish();
                let sum = algorithm.of(&staged.sums).map(str::to_owned);
                store.put_part((&bucket, &key, &id), number, &staged, sum.as_deref(), at)
            })
            .await?;
        let mut sums = Checksum::default();
        algorithm.set(&mut sums, part.sum.unwrap_or_default());
        let copy_part_result = Some(with_sums!(sums => CopyPartResult {
            e_tag: Some(tag(&part.etag)),
            last_modified: Some(part.modified.into()),
        }));
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result, ..Default::default() }))
    }

    pub(super) async fn complete_upload(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let condition = write_condition(input.if_match, input.if_none_match.as_ref())?;
        let (algorithm, _) = self.algorithm(&input.bucket, &input.key, &input.upload_id).await?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let claimed = claimed(named, algorithm)?;
        let whole = told_sums!(input);
        let told = algorithm.of(&whole).map(str::to_owned);
        let size = input.mpu_object_size.and_then(|size| u64::try_from(size).ok());
        let (bucket, key, id, at) =
            (input.bucket.clone(), input.key.clone(), input.upload_id, self.shared.now());
        let object = self
            .work(move |store| {
                store.complete((&bucket, &key, &id), &claimed, &condition, at, |attributes, parts, bytes| {
                    if size.is_some_and(|size| size != bytes) {
                        return Err(StoreError::OtherSize(bytes));
                    }
                    seal(attributes, parts, told.as_deref())
                })
            })
            .await?;
        let mut sums = Checksum::default();
        if let Some(sum) = &object.attributes.sum {
            sum.algorithm.set(&mut sums, sum.value.clone());
            sums.checksum_type = Some(kind(sum.composite));
        }
        let host = self.caller.head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let location = format!("http://{}/{}/{}", host.unwrap_or_default(), input.bucket, input.key);
        Ok(S3Response::new(with_sums!(sums => CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            checksum_type: sums.checksum_type,
            e_tag: Some(tag(&object.etag)),
            key: Some(input.key),
            location: Some(location),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..Default::default()
        })))
    }

    pub(super) async fn abort_upload(
        &self,
        input: AbortMultipartUploadInput,
    ) -> Answer<AbortMultipartUploadOutput> {
        let AbortMultipartUploadInput { bucket, key, upload_id, .. } = input;
        self.work(move |store| store.abort(&bucket, &key, &upload_id)).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub(super) async fn parts(&self, input: ListPartsInput) -> Answer<ListPartsOutput> {
        let limit = page_size(input.max_parts)?;
        let after = u16::try_from(input.part_number_marker.unwrap_or_default())
            .map_err(|_| s3s::s3_error!(InvalidArgument, "part-number-marker must be from 0 to 65535"))?;
        let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
        let (upload, mut parts) = self
            .work(move |store| {
                let upload = store.upload(&bucket, &key, &id)?;
                Ok((upload, store.parts(&id, after, limit + 1)?))
            })
            .await?;
        let is_truncated = parts.len() > limit;
        parts.truncate(limit);
        let sum = upload.attributes.sum.as_ref();
        let next = parts.last().map(|part| i32::from(part.number));
        let parts = parts.into_iter().map(|part| {
            let mut sums = Checksum::default();
            if let (Some(sum), Some(value)) = (sum, part.sum) {
                sum.algorithm.set(&mut sums, value);
            }
            with_sums!(sums => Part {
                e_tag: Some(tag(&part.etag)),
                last_modified: Some(part.modified.into()),
                part_number: Some(i32::from(part.number)),
                size: Some(signed(part.size)),
            })
        });
        let owner = self.owner();
        Ok(S3Response::new(ListPartsOutput {
            parts: Some(parts.collect()),
            bucket: Some(input.bucket),
            checksum_algorithm: sum.map(|sum| ChecksumAlgorithm::from_static(sum.algorithm.as_str())),
            checksum_type: sum.map(|sum| kind(sum.composite)),
            initiator: Some(Initiator { display_name: None, id: owner.id.clone() }),
            is_truncated: Some(is_truncated),
            key: Some(input.key),
            max_parts: i32::try_from(limit).ok(),
            next_part_number_marker: next,
            owner: Some(owner),
            part_number_marker: Some(i32::from(after)),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            upload_id: Some(input.upload_id),
            ..Default::default()
        }))
    }

    pub(super) async fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> Answer<ListMultipartUploadsOutput> {
        let names = Names::of(input.encoding_type.as_ref())?;
        let limit = page_size(input.max_uploads)?;
        let text = |given: &Option<String>| given.clone().unwrap_or_default();
        let (bucket, prefix, delimiter) = (input.bucket.clone(), text(&input.prefix), text(&input.delimiter));
        let (key_marker, id_marker) = (text(&input.key_marker), text(&input.upload_id_marker));
        let ListedUploads { uploads, prefixes, is_truncated, last } = self
            .work(move |store| {
                store.uploads(&bucket, (&prefix, &delimiter), (&key_marker, &id_marker), limit)
            })
            .await?;
        let owner = self.owner();
        let uploads = uploads.into_iter().map(|upload| {
            let sum = upload.attributes.sum.as_ref();
            MultipartUpload {
                checksum_algorithm: sum.map(|sum| ChecksumAlgorithm::from_static(sum.algorithm.as_str())),
                checksum_type: sum.map(|sum| kind(sum.composite)),
                initiated: Some(upload.initiated.into()),
                initiator: Some(Initiator { display_name: None, id: owner.id.clone() }),
                key: Some(names.show(&upload.key)),
                owner: Some(owner.clone()),
                storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                upload_id: Some(upload.id),
            }
        });
        let (next_key, next_id) = match last.filter(|_| is_truncated) {
            Some((key, id)) => (Some(names.show(&key)), Some(id).filter(|id| !id.is_empty())),
            None => (None, None),
        };
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            bucket: Some(input.bucket),
            common_prefixes: Some(names.prefixes(prefixes)),
            delimiter: input.delimiter.map(|delimiter| names.show(&delimiter)),
            encoding_type: input.encoding_type,
            is_truncated: Some(is_truncated),
            key_marker: Some(names.show(&text(&input.key_marker))),
            max_uploads: i32::try_from(limit).ok(),
            next_key_marker: next_key,
            next_upload_id_marker: next_id,
            prefix: Some(names.show(&text(&input.prefix))),
            request_charged: None,
            upload_id_marker: input.upload_id_marker,
        }))
    }

    /// The algorithm of an upload's checksums, and whether the client has chosen it.
    async fn algorithm(&self, bucket: &str, key: &str, id: &str) -> S3Result<(Algorithm, bool)> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        let upload = self.work(move |store| store.upload(&bucket, &key, &id)).await?;
        Ok(upload.attributes.sum.map_or((Algorithm::Crc64Nvme, false), |sum| (sum.algorithm, sum.chosen)))
    }
}

/// What the object of an upload is kept with.
fn seal(mut attributes: Attributes, parts: &[PartSum], told: Option<&str>) -> Result<Attributes, StoreError> {
    let Some(sum) = &mut attributes.sum else { return Ok(attributes) };
    let value = if sum.composite { sum.algorithm.composite(parts) } else { sum.algorithm.combined(parts) };
    let value = value.unwrap_or_default();
    // Of a checksum of checksums, clients may leave the number of parts out.
    let bare = value.split_once('-').map_or(value.as_str(), |(bare, _)| bare);
    if told.is_some_and(|told| told != value && told != bare) {
        return Err(StoreError::BadDigest);
    }
    sum.value = value;
    attributes.part_sums =
        if sum.chosen { parts.iter().filter_map(|part| part.sum.clone()).collect() } else { Vec::new() };
    Ok(attributes)
}

/// The parts that a client names, in ascending order.
fn claimed(named: Vec<CompletedPart>, algorithm: Algorithm) -> S3Result<Vec<ClaimedPart>> {
    if named.is_empty() {
        return Err(s3s::s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema: no \
             part is named."
        ));
    }
    let mut claimed: Vec<ClaimedPart> = Vec::with_capacity(named.len());
    for part in named {
        let number = part_number(part.part_number.unwrap_or_default())?;
        if claimed.last().is_some_and(|before| before.number >= number) {
            return Err(s3s::s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. The parts list must be specified in order by \
                 part number."
            ));
        }
        let sums = told_sums!(part);
        let etag = part.e_tag.map(ETag::into_value).unwrap_or_default();
        claimed.push(ClaimedPart { number, etag, sum: algorithm.of(&sums).map(str::to_owned) });
    }
    Ok(claimed)
}

fn part_number(number: PartNumber) -> S3Result<u16> {
    let is_right = (1..=MAX_PARTS).contains(&number);
    u16::try_from(number).ok().filter(|_| is_right).ok_or_else(|| {
        s3s::s3_error!(InvalidArgument, "Part number must be an integer between 1 and {MAX_PARTS}, inclusive")
    })
}

fn page_size(asked: Option<i32>) -> S3Result<usize> {
    usize::try_from(asked.unwrap_or(PAGE).min(PAGE))
        .map_err(|_| s3s::s3_error!(InvalidArgument, "The size of a page must not be negative"))
}

/// The range of a copy's source: both ends are named, and within it.
fn copied_range(header: Option<&str>, size: u64) -> S3Result<std::ops::Range<u64>> {
    let Some(header) = header else { return Ok(0..size) };
    let refused = || -> S3Error {
        s3s::s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are \
             the zero-based offsets of the first and last bytes to copy"
        )
    };
    match Range::parse(header) {
        Ok(Range::Int { first, last: Some(last) }) if last < size => Ok(first..last + 1),
        Ok(Range::Int { last: Some(_), .. }) => Err(s3s::s3_error!(
            InvalidRange,
            "The specified copy source range is not within the object, which has {size} bytes"
        )),
        Ok(_) | Err(_) => Err(refused()),
    }
}
