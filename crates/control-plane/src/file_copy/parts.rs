//! A copy in parts, with the boundaries of the source's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, EncodingType, MultipartUpload, ServerSideEncryption,
};
use tenant_context::AwsFailure;
use tenant_store::listed_key;
use tokio::task::JoinSet;

use super::{Attempt, Copier, Listed, Place, plain_tag, refused, source_gone, status, within};
use crate::ControlError;
use crate::task::Budget;

/// Parts of a file that are copied at once.
const AT_ONCE: usize = 8;
/// Most parts of a file.
const MOST_PARTS: i64 = 10_000;
/// Bytes of a part where S3 does not tell the source's.
const PART: i64 = 512 << 20;

/// What is said of a file beside its bytes.
#[derive(Debug, PartialEq, Eq)]
struct Described {
    cache_control: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    content_type: Option<String>,
    expires: Option<String>,
    metadata: HashMap<String, String>,
}

/// Where a source's parts end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Boundaries {
    /// Where those ended that it was uploaded in: so many of them.
    Known(i32),
    /// Every so many bytes. S3 does not tell them.
    Chosen(i64),
}

/// A copy that is under way.
#[derive(Debug)]
struct Work {
    copier: Copier,
    from: Place,
    to: Place,
    source: Listed,
    upload_id: String,
    boundaries: Boundaries,
    budget: Budget,
}

/// What has come of one part.
enum Piece {
    Copied(i32, Part),
    /// Why none of the file's can be.
    Ends(Attempt),
}

/// A part of the copy.
#[derive(Debug, Clone)]
struct Part {
    etag: String,
    size: i64,
}

impl Described {
    fn of(head: &HeadObjectOutput) -> Self {
        let text = |value: Option<&str>| value.map(str::to_owned);
        Self {
            cache_control: text(head.cache_control()),
            content_disposition: text(head.content_disposition()),
            content_encoding: text(head.content_encoding()),
            content_language: text(head.content_language()),
            content_type: text(head.content_type()),
            expires: text(head.expires_string()),
            metadata: head.metadata().cloned().unwrap_or_default(),
        }
    }
}

impl Boundaries {
    fn of(head: Option<&HeadObjectOutput>, size: i64) -> Self {
        match head.and_then(HeadObjectOutput::parts_count) {
            Some(count) if count > 0 => Self::Known(count),
            Some(_) | None => Self::Chosen(PART.max((size + MOST_PARTS - 1) / MOST_PARTS)),
        }
    }

    fn parts(self, size: i64) -> i32 {
        match self {
            Self::Known(count) => count,
            Self::Chosen(bytes) => i32::try_from(((size + bytes - 1) / bytes).max(1)).unwrap_or(i32::MAX),
        }
    }
}

impl Copier {
    /// Copies a file in parts, as many as there is time for, beside those that an earlier attempt has copied where it
    /// `goes_on` with them.
    pub(super) async fn in_parts(
        &self,
        (from, to): (&Place, &Place),
        source: &Listed,
        goes_on: bool,
        budget: Budget,
    ) -> Result<Attempt, ControlError> {
        let (whole, is_told) = match self.part_of(from, source, 1).await? {
            Look::There(head) => (head, true),
            Look::Ends(attempt) => return Ok(attempt),
            Look::NoSuchPart => match self.look(from).await? {
                Some(head) => (Box::new(head), false),
                None => return Ok(Attempt::Gone),
            },
        };
        let boundaries = Boundaries::of(Some(&whole).filter(|_| is_told).map(|head| &**head), source.size);
        let described = Described::of(&whole);
        if goes_on && self.is_there(to, source, &described).await? {
            return Ok(Attempt::Done(source.etag.clone()));
        }
        let upload = self.upload_of(to, &whole, goes_on).await?;
        let is_resumed = upload.is_some();
        let upload_id = match upload {
            Some(id) => id,
            None => self.begin(to, described).await?,
        };
        let work = Arc::new(Work {
            copier: self.clone(),
            from: from.clone(),
            to: to.clone(),
            source: source.clone(),
            upload_id,
            boundaries,
            budget,
        });
        let mut parts = if is_resumed { work.parts_there().await? } else { BTreeMap::new() };
        parts.retain(|number, _| *number <= boundaries.parts(source.size));
        if let Some(end) = work.copy_missing(&mut parts).await? {
            if matches!(end, Attempt::Gone | Attempt::Changed | Attempt::Refused(_)) {
                self.abort(to, &work.upload_id).await?;
            }
            return Ok(end);
        }
        if parts.values().map(|part| part.size).sum::<i64>() != source.size {
            self.abort(to, &work.upload_id).await?;
            return Ok(Attempt::Spoilt);
        }
        let Some(etag) = work.complete(parts).await? else { return Ok(Attempt::Unfinished) };
        // Without a key of KMS, a tag is computed of the parts' bytes.
        let is_computed = !matches!(
            whole.server_side_encryption(),
            Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse)
        );
        let is_other = matches!(boundaries, Boundaries::Known(_)) && is_computed && etag != source.etag;
        Ok(if is_other && is_resumed { Attempt::Spoilt } else { Attempt::Done(etag) })
    }

    /// Looks at a part of a source.
    async fn part_of(&self, from: &Place, source: &Listed, number: i32) -> Result<Look, ControlError> {
        let head = self.s3.head_object().bucket(&from.bucket).key(&from.key).part_number(number);
        match head.if_match(source.tag()).send().await {
            Ok(head) => Ok(Look::There(Box::new(head))),
            Err(error) => match status(&error) {
                Some(404) => Ok(Look::Ends(Attempt::Gone)),
                Some(412) => Ok(Look::Ends(Attempt::Changed)),
                Some(416) => Ok(Look::NoSuchPart),
                Some(_) | None => refused("HeadObject of a part of a file", error).map(Look::Ends),
            },
        }
    }

    /// Whether the copy has been made, by a run that has not told so.
    async fn is_there(
        &self,
        to: &Place,
        source: &Listed,
        described: &Described,
    ) -> Result<bool, ControlError> {
        let head = self.s3.head_object().bucket(&to.bucket).key(&to.key).send().await;
        match head {
            Ok(head) => {
                let is_same = plain_tag(head.e_tag()) == source.etag
                    && head.content_length() == Some(source.size)
                    && Described::of(&head) == *described;
                Ok(is_same)
            }
            Err(error) if matches!(status(&error), Some(403 | 404)) => Ok(false),
            Err(error) => Err(AwsFailure::of("HeadObject of a copy")(error).into()),
        }
    }

    /// The upload that an earlier attempt has begun, if the source is no younger than it. All others of the copy's
    /// key are given up.
    async fn upload_of(
        &self,
        to: &Place,
        source: &HeadObjectOutput,
        goes_on: bool,
    ) -> Result<Option<String>, ControlError> {
        // Those of a key come before those of longer ones.
        let page = self.s3.list_multipart_uploads().bucket(&to.bucket).prefix(&to.key);
        let page = page.encoding_type(EncodingType::Url).send().await;
        let page = page.map_err(AwsFailure::of("ListMultipartUploads of a copy"))?;
        let mut uploads: Vec<_> = page.uploads().iter().filter(|upload| is_of(upload, &to.key)).collect();
        uploads.sort_by_key(|upload| (upload.initiated().map(nanos), upload.upload_id()));
        let is_usable = |upload: &&MultipartUpload| {
            goes_on && upload.initiated().map(nanos) >= source.last_modified().map(nanos)
        };
        let newest = uploads.pop_if(|upload| is_usable(upload));
        for upload in uploads {
            self.abort(to, upload.upload_id().unwrap_or_default()).await?;
        }
        Ok(newest.and_then(|upload| upload.upload_id().map(str::to_owned)))
    }

    async fn begin(&self, to: &Place, described: Described) -> Result<String, ControlError> {
        let expires = described.expires.as_deref();
        let expires = expires.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
        let begun = self
            .s3
            .create_multipart_upload()
            .bucket(&to.bucket)
            .key(&to.key)
            .set_cache_control(described.cache_control)
            .set_content_disposition(described.content_disposition)
            .set_content_encoding(described.content_encoding)
            .set_content_language(described.content_language)
            .set_content_type(described.content_type)
            .set_expires(expires)
            .set_metadata(Some(described.metadata))
            .send()
            .await
            .map_err(AwsFailure::of("CreateMultipartUpload of a copy"))?;
        begun.upload_id.ok_or(ControlError::Incomplete("id of an upload"))
    }

    async fn abort(&self, to: &Place, upload_id: &str) -> Result<(), ControlError> {
        let abort = self.s3.abort_multipart_upload().bucket(&to.bucket).key(&to.key).upload_id(upload_id);
        match abort.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_no_such_upload(&error) => Ok(()),
            Err(error) => Err(AwsFailure::of("AbortMultipartUpload of a copy")(error).into()),
        }
    }
}

/// What a look at a part has shown.
enum Look {
    There(Box<HeadObjectOutput>),
    NoSuchPart,
    Ends(Attempt),
}

impl Work {
    /// The parts that an earlier attempt has copied.
    async fn parts_there(&self) -> Result<BTreeMap<i32, Part>, ControlError> {
        let mut parts = BTreeMap::new();
        let mut behind = None;
        loop {
            let page = self
                .copier
                .s3
                .list_parts()
                .bucket(&self.to.bucket)
                .key(&self.to.key)
                .upload_id(&self.upload_id)
                .set_part_number_marker(behind)
                .send()
                .await
                .map_err(AwsFailure::of("ListParts of a copy"))?;
            parts.extend(page.parts().iter().map(|part| {
                let etag = plain_tag(part.e_tag());
                (part.part_number().unwrap_or_default(), Part { etag, size: part.size().unwrap_or_default() })
            }));
            behind = page.next_part_number_marker.filter(|_| page.is_truncated == Some(true));
            if behind.is_none() {
                return Ok(parts);
            }
        }
    }

    /// Copies parts that are not there yet, several at once. Answers why it has ended before the last of them.
    async fn copy_missing(
        self: &Arc<Self>,
        parts: &mut BTreeMap<i32, Part>,
    ) -> Result<Option<Attempt>, ControlError> {
        let all = 1..=self.boundaries.parts(self.source.size);
        let mut missing =
            all.filter(|number| !parts.contains_key(number)).collect::<Vec<_>>().into_iter().peekable();
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < AT_ONCE && missing.peek().is_some() && !self.budget.is_spent() {
                let (work, number) = (Arc::clone(self), missing.next().unwrap_or_default());
                tasks.spawn(async move { work.copy_part(number).await });
            }
            let Some(copied) = tasks.join_next().await else { break };
            let copied =
                copied.map_err(|error| ControlError::Unreadable("the copy of a part", Box::new(error)))?;
            match copied? {
                Piece::Copied(number, part) => parts.insert(number, part),
                Piece::Ends(attempt) => return Ok(Some(attempt)),
            };
        }
        Ok(missing.peek().is_some().then_some(Attempt::Unfinished))
    }

    async fn copy_part(&self, number: i32) -> Result<Piece, ControlError> {
        let (range, size) = match self.boundaries {
            Boundaries::Chosen(bytes) => {
                let begin = i64::from(number - 1) * bytes;
                let end = (begin + bytes).min(self.source.size);
                (Some(format!("bytes={begin}-{}", end - 1)), end - begin)
            }
            Boundaries::Known(_) => match self.copier.part_of(&self.from, &self.source, number).await? {
                Look::There(head) => (range_of(&head), head.content_length().unwrap_or_default()),
                Look::NoSuchPart => return Ok(Piece::Ends(Attempt::Changed)),
                Look::Ends(attempt) => return Ok(Piece::Ends(attempt)),
            },
        };
        if size == 0 {
            return self.put_nothing(number).await;
        }
        // Of a file of one part, which may be small, S3 copies no range.
        let range = range.filter(|_| self.boundaries.parts(self.source.size) > 1);
        let copied = self
            .copier
            .s3
            .upload_part_copy()
            .copy_source(self.from.source())
            .copy_source_if_match(self.source.tag())
            .set_copy_source_range(range)
            .bucket(&self.to.bucket)
            .key(&self.to.key)
            .upload_id(&self.upload_id)
            .part_number(number)
            .customize()
            .config_override(within(self.budget.time_for_a_call()))
            .send()
            .await;
        match copied {
            Ok(copied) => {
                let etag = plain_tag(copied.copy_part_result().and_then(|result| result.e_tag()));
                Ok(Piece::Copied(number, Part { etag, size }))
            }
            Err(error) if is_no_such_upload(&error) => Ok(Piece::Ends(Attempt::Unfinished)),
            Err(error) => match source_gone(&error) {
                Some(attempt) => Ok(Piece::Ends(attempt)),
                None => refused("UploadPartCopy of a file", error).map(Piece::Ends),
            },
        }
    }

    /// The only part of a file that holds nothing, which S3 copies no range of.
    async fn put_nothing(&self, number: i32) -> Result<Piece, ControlError> {
        let put = self.copier.s3.upload_part().bucket(&self.to.bucket).key(&self.to.key);
        let put = put.upload_id(&self.upload_id).part_number(number).body(ByteStream::from_static(b""));
        let put = put.send().await.map_err(AwsFailure::of("UploadPart of a copy"))?;
        Ok(Piece::Copied(number, Part { etag: plain_tag(put.e_tag()), size: 0 }))
    }

    /// Makes the file of its parts. Answers its entity tag, and none where the upload has been given up meanwhile.
    async fn complete(&self, parts: BTreeMap<i32, Part>) -> Result<Option<String>, ControlError> {
        let parts = parts.into_iter().map(|(number, part)| {
            CompletedPart::builder().part_number(number).e_tag(format!("\"{}\"", part.etag)).build()
        });
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        let completed = self
            .copier
            .s3
            .complete_multipart_upload()
            .bucket(&self.to.bucket)
            .key(&self.to.key)
            .upload_id(&self.upload_id)
            .multipart_upload(parts)
            .send()
            .await;
        match completed {
            Ok(completed) => Ok(Some(plain_tag(completed.e_tag()))),
            Err(error) if is_no_such_upload(&error) => Ok(None),
            Err(error) => Err(AwsFailure::of("CompleteMultipartUpload of a copy")(error).into()),
        }
    }
}

/// The range of a source that one of its parts is.
fn range_of(head: &HeadObjectOutput) -> Option<String> {
    let (range, _) = head.content_range()?.strip_prefix("bytes ")?.split_once('/')?;
    Some(format!("bytes={range}"))
}

fn is_no_such_upload<E, R>(error: &aws_sdk_s3::error::SdkError<E, R>) -> bool
where
    E: aws_sdk_s3::error::ProvideErrorMetadata,
{
    error.as_service_error().and_then(|error| error.code()) == Some("NoSuchUpload")
}

/// Whether an upload, as a listing tells of it, is one of the key.
fn is_of(upload: &MultipartUpload, key: &str) -> bool {
    upload.key().and_then(listed_key).as_deref() == Some(key)
}

fn nanos(time: &DateTime) -> i128 {
    time.as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_that_s3_does_not_tell_make_no_more_parts_than_it_takes() {
        let of = |size: i64| Boundaries::of(None, size);
        assert_eq!((of(0).parts(0), of(PART).parts(PART), of(PART + 1).parts(PART + 1)), (1, 1, 2));
        let largest = 50 << 40;
        assert!(i64::from(of(largest).parts(largest)) <= MOST_PARTS);
        let told = HeadObjectOutput::builder().parts_count(3).build();
        assert_eq!(Boundaries::of(Some(&told), largest).parts(largest), 3);
    }

    #[test]
    fn a_parts_range_is_taken_from_where_s3_says_that_it_lies() {
        let head = HeadObjectOutput::builder().content_range("bytes 5242880-5242889/5242890").build();
        assert_eq!(range_of(&head).as_deref(), Some("bytes=5242880-5242889"));
        assert_eq!(range_of(&HeadObjectOutput::builder().build()), None);
    }
}
