//! Reading objects.

use std::ops::Range as ByteRange;

use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use s3s::dto::{
    Checksum, ChecksumMode, ChecksumType, GetObjectAttributesInput, GetObjectAttributesOutput,
    GetObjectAttributesParts, GetObjectInput, GetObjectOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    HeadObjectInput, HeadObjectOutput, MaxParts, ObjectAttributes, ObjectPart, PartNumber, PartNumberMarker,
    Range, ServerSideEncryption, StorageClass, StreamingBlob, Tag, Timestamp, TimestampFormat,
};
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Error, S3ErrorCode, S3Response, S3Result, StdError};

use super::{Answer, Operations, only_version, signed};
use crate::s3::conditions::{ReadConditions, tag};
use crate::s3::store::{Object, Reader};
use crate::s3::sums::Algorithm;

/// Objects of at most so many bytes are read at once.
const READ_AT_ONCE: u64 = 256 * 1_024;

/// What of an object is answered.
struct Asked {
    range: ByteRange<u64>,
    /// `Content-Range`, where it is a part.
    content_range: Option<String>,
    /// Whether it is the whole object, whose checksum is then told.
    is_whole: bool,
}

impl Operations {
    pub(super) async fn get(&self, input: GetObjectInput) -> Answer<GetObjectOutput> {
        only_version(input.version_id.as_deref())?;
        let GetObjectInput { bucket, key, .. } = &input;
        let (of, name) = (bucket.clone(), key.clone());
        let (object, pinned) = self.work_on(bucket, move |store| store.pinned(&of, &name)).await?;
        let conditions = ReadConditions {
            matching: input.if_match,
            matching_not: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        conditions.check(&object)?;
        let asked = Asked::of(&object, input.range, input.part_number)?;
        let bytes = asked.range.end - asked.range.start;
        let mut reader = Reader::new(pinned, &object.segments, &asked.range);
        let body = if bytes <= READ_AT_ONCE {
            let read = move |_: &_| {
                let mut whole = Vec::new();
                while let Some(chunk) = reader.next()? {
                    whole.extend_from_slice(&chunk);
                }
                Ok(whole)
            };
            StreamingBlob::from(s3s::Body::from(self.work(read).await?))
        } else {
            StreamingBlob::new(Sized { stream: Box::pin(chunks(reader)), left: bytes })
        };
        let head = described(&object, &asked, input.checksum_mode.as_ref());
        Ok(S3Response::new(with_sums!(head => GetObjectOutput {
            accept_ranges: head.accept_ranges,
            body: Some(body),
            cache_control: head.cache_control,
            checksum_type: head.checksum_type,
            content_disposition: head.content_disposition,
            content_encoding: head.content_encoding,
            content_language: head.content_language,
            content_length: head.content_length,
            content_range: head.content_range,
            content_type: head.content_type,
            e_tag: head.e_tag,
            expires: head.expires,
            last_modified: head.last_modified,
            metadata: head.metadata,
            parts_count: head.parts_count.filter(|_| input.part_number.is_some()),
            server_side_encryption: head.server_side_encryption,
            storage_class: head.storage_class,
            tag_count: i32::try_from(object.attributes.tags.len()).ok().filter(|count| *count > 0),
            ..Default::default()
        })))
    }

    pub(super) async fn head(&self, input: HeadObjectInput) -> Answer<HeadObjectOutput> {
        only_version(input.version_id.as_deref())?;
        let HeadObjectInput { bucket, key, .. } = &input;
        let (of, name) = (bucket.clone(), key.clone());
        let object = self.work_on(bucket, move |store| store.object(&of, &name)).await?;
        let conditions = ReadConditions {
            matching: input.if_match,
            matching_not: input.if_none_match,
            modified_since: input.if_modified_since,
            unmodified_since: input.if_unmodified_since,
        };
        conditions.check(&object)?;
        let asked = Asked::of(&object, input.range, input.part_number)?;
        let mut head = described(&object, &asked, input.checksum_mode.as_ref());
        head.parts_count = head.parts_count.filter(|_| input.part_number.is_some());
        let overridden = [
            (header::CACHE_CONTROL, input.response_cache_control),
            (header::CONTENT_DISPOSITION, input.response_content_disposition),
            (header::CONTENT_ENCODING, input.response_content_encoding),
            (header::CONTENT_LANGUAGE, input.response_content_language),
            (header::CONTENT_TYPE, input.response_content_type),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in overridden {
            let Some(value) = value else { continue };
            let value = HeaderValue::from_str(&value)
                .map_err(|_| s3s::s3_error!(InvalidArgument, "Invalid value for {name}"))?;
            headers.insert(name, value);
        }
        Ok(S3Response::with_headers(head, headers))
    }

    pub(super) async fn attributes(
        &self,
        input: GetObjectAttributesInput,
    ) -> Answer<GetObjectAttributesOutput> {
        let GetObjectAttributesInput {
            bucket, key, object_attributes, max_parts, part_number_marker, ..
        } = input;
        only_version(input.version_id.as_deref())?;
        let (of, name) = (bucket.clone(), key);
        let object = self.work_on(&bucket, move |store| store.object(&of, &name)).await?;
        let wants = |attribute: &str| {
            // Several stand in one header, with commas between them.
            let mut named = object_attributes.iter().flat_map(|named| named.as_str().split(','));
            named.any(|named| named.trim() == attribute)
        };
        let mut output =
            GetObjectAttributesOutput { last_modified: Some(object.modified.into()), ..Default::default() };
        if wants(ObjectAttributes::ETAG) {
            output.e_tag = Some(tag(&object.etag));
        }
        if wants(ObjectAttributes::OBJECT_SIZE) {
            output.object_size = Some(signed(object.size));
        }
        if wants(ObjectAttributes::STORAGE_CLASS) {
            let class = object.attributes.storage_class.clone();
            output.storage_class =
                Some(StorageClass::from(class.unwrap_or_else(|| StorageClass::STANDARD.to_owned())));
        }
        if wants(ObjectAttributes::CHECKSUM) {
            output.checksum = object.attributes.sum.as_ref().map(|sum| {
                let mut checksum = Checksum::default();
                sum.algorithm.set(&mut checksum, sum.value.clone());
                checksum.checksum_type = Some(kind(sum.composite));
                checksum
            });
        }
        if wants(ObjectAttributes::OBJECT_PARTS) && object.attributes.parts.is_some() {
            output.object_parts = Some(object_parts(&object, max_parts, part_number_marker)?);
        }
        Ok(S3Response::new(output))
    }

    pub(super) async fn tags(&self, input: GetObjectTaggingInput) -> Answer<GetObjectTaggingOutput> {
        let GetObjectTaggingInput { bucket, key, version_id, .. } = input;
        only_version(version_id.as_deref())?;
        let of = bucket.clone();
        let object = self.work_on(&bucket, move |store| store.object(&of, &key)).await?;
        let tags = object.attributes.tags.into_iter();
        let tag_set = tags.map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect();
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id: None }))
    }
}

impl Asked {
    fn of(object: &Object, range: Option<Range>, part: Option<PartNumber>) -> S3Result<Self> {
        let whole = 0..object.size;
        let range = match (range, part) {
            (None, None) => return Ok(Self { range: whole, content_range: None, is_whole: true }),
            (Some(_), Some(_)) => {
                return Err(s3s::s3_error!(
                    InvalidRequest,
                    "Cannot specify both Range header and partNumber query parameter"
                ));
            }
            (Some(range), None) => range.check(object.size).map_err(|_| not_satisfiable(object))?,
            (None, Some(number)) => part_range(object, number)?,
        };
        let is_whole = range == whole;
        let content_range = if range.is_empty() {
            None
        } else {
            Some(format!("bytes {}-{}/{}", range.start, range.end - 1, object.size))
        };
        Ok(Self { range, content_range, is_whole })
    }
}

fn part_range(object: &Object, number: PartNumber) -> S3Result<ByteRange<u64>> {
    let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let Some(at) = at.filter(|at| *at < 10_000) else {
        return Err(s3s::s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000"));
    };
    if object.attributes.parts.is_none() && at == 0 {
        return Ok(0..object.size);
    }
    let part = object.segments.get(at).filter(|_| object.attributes.parts.is_some());
    let part = part.ok_or_else(|| {
        let mut error = S3Error::with_message(
            S3ErrorCode::Custom("InvalidPartNumber".into()),
            "The requested partnumber is not satisfiable",
        );
        error.set_status_code(http::StatusCode::RANGE_NOT_SATISFIABLE);
        error
    })?;
    let start: u64 = object.segments.iter().take(at).map(|segment| segment.size).sum();
    Ok(start..start + part.size)
}

fn not_satisfiable(object: &Object) -> S3Error {
    let mut error = s3s::s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{}", object.size)) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    error.set_headers(headers);
    error
}

/// What is told of an object.
fn described(object: &Object, asked: &Asked, checksum_mode: Option<&ChecksumMode>) -> HeadObjectOutput {
    let attributes = &object.attributes;
    let metadata = attributes.metadata.iter().map(|(name, value)| (name.clone(), value.clone()));
    let mut sums = Checksum::default();
    if let Some(sum) = attributes.sum.as_ref().filter(|_| checksum_mode.is_some() && asked.is_whole) {
        sum.algorithm.set(&mut sums, sum.value.clone());
        sums.checksum_type = Some(kind(sum.composite));
    }
    let expires = attributes.expires.as_deref();
    with_sums!(sums => HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: attributes.cache_control.clone(),
        checksum_type: sums.checksum_type,
        content_disposition: attributes.content_disposition.clone(),
        content_encoding: attributes.content_encoding.clone(),
        content_language: attributes.content_language.clone(),
        content_length: Some(signed(asked.range.end - asked.range.start)),
        content_range: asked.content_range.clone(),
        content_type: Some(
            attributes.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned()),
        ),
        e_tag: Some(tag(&object.etag)),
        expires: expires.and_then(|text| Timestamp::parse(TimestampFormat::HttpDate, text).ok()),
        last_modified: Some(object.modified.into()),
        metadata: Some(metadata.collect()),
        parts_count: attributes.parts.map(i32::from),
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
        storage_class: attributes.storage_class.clone().map(StorageClass::from),
        ..Default::default()
    })
}

fn object_parts(
    object: &Object,
    max_parts: Option<MaxParts>,
    marker: Option<PartNumberMarker>,
) -> S3Result<GetObjectAttributesParts> {
    let after = usize::try_from(marker.unwrap_or_default()).unwrap_or_default();
    let limit = usize::try_from(max_parts.unwrap_or(1_000))
        .map_err(|_| s3s::s3_error!(InvalidArgument, "max-parts must not be negative"))?
        .min(1_000);
    let sums = &object.attributes.part_sums;
    let algorithm = object.attributes.sum.as_ref().map_or(Algorithm::Crc64Nvme, |sum| sum.algorithm);
    let parts: Vec<ObjectPart> = object
        .segments
        .iter()
        .enumerate()
        .skip(after)
        .take(limit)
        .map(|(at, segment)| {
            let mut checksum = Checksum::default();
            if let Some(sum) = sums.get(at) {
                algorithm.set(&mut checksum, sum.clone());
            }
            with_sums!(checksum => ObjectPart {
                part_number: i32::try_from(at + 1).ok(),
                size: Some(signed(segment.size)),
            })
        })
        .collect();
    let last = after + parts.len();
    let is_truncated = last < object.segments.len();
    Ok(GetObjectAttributesParts {
        is_truncated: Some(is_truncated),
        max_parts: i32::try_from(limit).ok(),
        next_part_number_marker: i32::try_from(last).ok(),
        part_number_marker: i32::try_from(after).ok(),
        // S3 tells single parts only of objects whose parts have checksums that the client has chosen.
        parts: Some(parts).filter(|parts| !parts.is_empty() && !sums.is_empty()),
        total_parts_count: object.attributes.parts.map(i32::from),
    })
}

pub(super) fn kind(composite: bool) -> ChecksumType {
    ChecksumType::from_static(if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

/// The bytes of a reader, piece by piece, read on threads that may wait.
fn chunks(reader: Reader) -> impl futures_util::Stream<Item = Result<bytes::Bytes, StdError>> + Send + Sync {
    stream::try_unfold(reader, |mut reader| async move {
        let read = tokio::task::spawn_blocking(move || reader.next().map(|chunk| (chunk, reader)));
        let (chunk, reader) = read.await.map_err(StdError::from)?.map_err(StdError::from)?;
        Ok(chunk.map(|chunk| (chunk, reader)))
    })
}

/// A stream whose length is known.
struct Sized<S> {
    stream: std::pin::Pin<Box<S>>,
    left: u64,
}

impl<S> futures_util::Stream for Sized<S>
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, StdError>>,
{
    type Item = Result<bytes::Bytes, StdError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(cx);
        if let std::task::Poll::Ready(Some(Ok(chunk))) = &polled {
            let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.left = self.left.saturating_sub(bytes);
        }
        polled
    }
}

impl<S> ByteStream for Sized<S>
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, StdError>>,
{
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.left).map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
