//! Writing and deleting objects.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::HeaderMap;
use s3s::dto::{
    Checksum, ContentLength, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
    DeletedObject, DeletedObjects, ETag, ETagCondition, Error, Errors, Metadata, ObjectCannedACL,
    ObjectIdentifier, PutObjectInput, PutObjectOutput, ServerSideEncryption, StorageClass, StreamingBlob,
    TagSet,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, TrailingHeaders};

use super::reading::kind;
use super::{Answer, Operations, internal, not_received, only_version};
use crate::iam::s3_call;
use crate::s3::access::denied;
use crate::s3::conditions::{http_date, tag};
use crate::s3::hex;
use crate::s3::store::{Attributes, NewObject, Staged, Staging, StoredSum, WriteCondition};
use crate::s3::sums::Algorithm;

/// Bytes that are written at a time.
const CHUNK: usize = 256 * 1_024;
/// What one request uploads at most, in bytes: 5 GiB.
const MAX_UPLOAD: u64 = 5 * 1_024 * 1_024 * 1_024;
/// Bytes of all user metadata, names and values.
const MAX_METADATA: usize = 2_048;
const MAX_TAGS: usize = 10;
/// Keys of a batch.
const MAX_BATCH: usize = 1_000;

/// What a request says of the body that it brings.
pub(super) struct Claims {
    /// The checksum that is kept.
    pub(super) kept: Algorithm,
    /// A checksum that a header tells.
    told: Option<(Algorithm, String)>,
    /// A checksum that is announced to follow the body, and where it is then found.
    trailing: Option<(Algorithm, TrailingHeaders)>,
    md5: Option<[u8; 16]>,
    length: Option<u64>,
}

impl Claims {
    /// Reads them. Of a part, the upload says which checksum is kept; else it is the one that is told.
    pub(super) fn of(
        head: &HeaderMap,
        sums: &Checksum,
        trailer: Option<TrailingHeaders>,
        md5: Option<&str>,
        length: Option<ContentLength>,
        kept: Option<Algorithm>,
    ) -> S3Result<Self> {
        let mut given = Algorithm::ALL.into_iter().filter_map(|one| Some((one, one.of(sums)?.to_owned())));
        let told = given.next();
        if given.next().is_some() {
            return Err(s3s::s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        if let Some((algorithm, value)) = &told
            && STANDARD.decode(value).ok().map(|bytes| bytes.len()) != Some(algorithm.length())
        {
            return Err(s3s::s3_error!(
                InvalidRequest,
                "Value for {} header is invalid.",
                algorithm.header()
            ));
        }
        let announced = head.get("x-amz-trailer").and_then(|name| name.to_str().ok()).and_then(of_header);
        let trailing = announced.zip(trailer);
        let md5 = match md5 {
            Some(text) => {
                let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
                Some(bytes.ok_or_else(|| {
                    s3s::s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid.")
                })?)
            }
            None => None,
        };
        let kept = kept
            .or(told.as_ref().map(|(algorithm, _)| *algorithm))
            .or(trailing.as_ref().map(|(algorithm, _)| *algorithm))
            .unwrap_or(Algorithm::Crc64Nvme);
        let length = length.and_then(|length| u64::try_from(length).ok());
        Ok(Self { kept, told, trailing, md5, length })
    }

    /// The algorithm of the checksum that the client tells, if it tells one.
    pub(super) fn named(&self) -> Option<Algorithm> {
        let told = self.told.as_ref().map(|(algorithm, _)| *algorithm);
        told.or(self.trailing.as_ref().map(|(algorithm, _)| *algorithm))
    }

    /// Holds them against what has arrived. Answers the checksum that is kept.
    fn check(&self, staged: &Staged) -> S3Result<String> {
        if self.md5.is_some_and(|md5| md5 != staged.md5) {
            return Err(s3s::s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        let trailed = match &self.trailing {
            Some((algorithm, headers)) => {
                let name = algorithm.header();
                let value = headers
                    .read(|headers| Some(headers.get(&name)?.to_str().ok()?.trim().to_owned()))
                    .flatten();
                // Without it, the body may have been cut off.
                Some((*algorithm, value.ok_or_else(malformed_trailer)?))
            }
            None => None,
        };
        for (algorithm, value) in [self.told.as_ref(), trailed.as_ref()].into_iter().flatten() {
            if algorithm.of(&staged.sums) != Some(value.as_str()) {
                return Err(s3s::s3_error!(
                    BadDigest,
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.as_str()
                ));
            }
        }
        if self.length.is_some_and(|length| length != staged.size) {
            return Err(s3s::s3_error!(
                IncompleteBody,
                "You did not provide the number of bytes specified by the Content-Length HTTP header."
            ));
        }
        Ok(self.kept.of(&staged.sums).unwrap_or_default().to_owned())
    }
}

/// The algorithm of a header's name, such as `x-amz-checksum-crc32`.
fn of_header(name: &str) -> Option<Algorithm> {
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(name.trim()))
}

fn malformed_trailer() -> S3Error {
    let code = S3ErrorCode::Custom("MalformedTrailerError".into());
    let mut error = S3Error::with_message(
        code,
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    );
    error.set_status_code(http::StatusCode::BAD_REQUEST);
    error
}

impl Operations {
    /// Takes a body in, and holds it against what the request says of it. Answers its checksum, too.
    pub(super) async fn receive(
        &self,
        body: Option<StreamingBlob>,
        claims: &Claims,
    ) -> S3Result<(Staged, String)> {
        if claims.length.is_some_and(|length| length > MAX_UPLOAD) {
            return Err(too_large());
        }
        let algorithms = [Some(claims.kept), claims.named()];
        let mut staging = self
            .work(move |store| {
                let mut staging = store.stage()?;
                algorithms.into_iter().flatten().for_each(|algorithm| algorithm.begin(&mut staging.sums));
                Ok(staging)
            })
            .await?;
        let mut waiting = Vec::new();
        let mut bytes = 0;
        if let Some(mut body) = body {
            while let Some(chunk) = body.next().await {
                let chunk = chunk.map_err(|error| not_received(&error))?;
                bytes += chunk.len();
                waiting.push(chunk);
                if bytes >= CHUNK {
                    staging = written(staging, std::mem::take(&mut waiting)).await?;
                    bytes = 0;
                    if staging.size() > MAX_UPLOAD {
                        return Err(too_large());
                    }
                }
            }
        }
        let staged = written(staging, waiting).await?.finish();
        let sum = claims.check(&staged)?;
        Ok((staged, sum))
    }

    pub(super) async fn put(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let S3Request { input, trailing_headers, .. } = req;
        refuse_acl(input.acl.as_ref())?;
        let is_locked = input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some();
        if input.sse_customer_algorithm.is_some() || is_locked {
            return Err(s3s::s3_error!(
                NotImplemented,
                "The local S3 has no keys of clients' own, and no locks."
            ));
        }
        if input.write_offset_bytes.is_some() {
            return Err(s3s::s3_error!(NotImplemented, "The local S3 does not append to objects."));
        }
        let condition = write_condition(input.if_match, input.if_none_match.as_ref())?;
        let sums = told_sums!(input);
        let claims = Claims::of(
            &self.caller.head.headers,
            &sums,
            trailing_headers,
            input.content_md5.as_deref(),
            input.content_length,
            None,
        )?;
        let mut attributes = given_attributes!(input);
        self.require_bucket(input.bucket.clone()).await?;
        let (staged, sum) = self.receive(input.body, &claims).await?;
        let algorithm = claims.kept;
        attributes.sum = Some(StoredSum { algorithm, value: sum.clone(), composite: false, chosen: true });
        let (bucket, key, at) = (input.bucket, input.key, self.shared.now());
        let etag = hex(&staged.md5);
        let object = self
            .work(move |store| {
                let new = NewObject { bucket: &bucket, key: &key, etag, attributes, at };
                store.put(new, &staged, &condition)
            })
            .await?;
        let mut sums = Checksum::default();
        algorithm.set(&mut sums, sum);
        Ok(S3Response::new(with_sums!(sums => PutObjectOutput {
            checksum_type: Some(kind(false)),
            e_tag: Some(tag(&object.etag)),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..Default::default()
        })))
    }

    pub(super) async fn delete(&self, input: DeleteObjectInput) -> Answer<DeleteObjectOutput> {
        only_version(input.version_id.as_deref())?;
        if input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
            return Err(s3s::s3_error!(NotImplemented, "The local S3 knows If-Match alone."));
        }
        let DeleteObjectInput { bucket, key, if_match, .. } = input;
        self.work(move |store| store.delete(&bucket, &key, if_match.as_ref())).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    /// Deletes the keys of a batch that the caller may delete, and says of each other one why not.
    pub(super) async fn delete_batch(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> Answer<DeleteObjectsOutput> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        if delete.objects.is_empty() || delete.objects.len() > MAX_BATCH {
            return Err(s3s::s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema: \
                 a batch has 1 to {MAX_BATCH} keys."
            ));
        }
        let (mut deleted, mut errors) = (DeletedObjects::new(), Errors::new());
        for object in delete.objects {
            let ObjectIdentifier { key, version_id, e_tag, .. } = object;
            match self.delete_one(&bucket, &key, version_id.as_deref(), e_tag).await {
                Ok(()) => deleted.push(DeletedObject { key: Some(key), version_id, ..Default::default() }),
                // It is missing for the whole batch, and told to who may delete in it alone.
                Err(error) if *error.code() == S3ErrorCode::NoSuchBucket => return Err(error),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(key),
                    message: error.message().map(str::to_owned),
                    version_id,
                }),
            }
        }
        let deleted = Some(deleted).filter(|_| !delete.quiet.unwrap_or_default());
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors: Some(errors), request_charged: None }))
    }

    async fn delete_one(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        e_tag: Option<ETag>,
    ) -> S3Result<()> {
        let iam = &self.shared.iam;
        let head = &self.caller.head;
        let call = s3_call("DeleteObject", bucket, key, version, head, iam.account_id());
        iam.authorize_s3(&self.caller.principal, &call, head).map_err(denied)?;
        if e_tag.is_some() {
            let read = s3_call("GetObject", bucket, key, version, head, iam.account_id());
            iam.authorize_s3(&self.caller.principal, &read, head).map_err(denied)?;
        }
        if !(1..=1_024).contains(&key.len()) {
            return Err(s3s::s3_error!(KeyTooLongError, "A key has 1 to 1024 bytes."));
        }
        only_version(version)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let if_match = e_tag.map(ETagCondition::ETag);
        self.work(move |store| store.delete(&bucket, &key, if_match.as_ref())).await
    }

    pub(super) async fn tag(&self, bucket: &str, key: String, tags: TagSet) -> S3Result<()> {
        let pairs = tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
        let tags = checked_tags(pairs)?;
        let of = bucket.to_owned();
        self.work_on(bucket, move |store| store.edit(&of, &key, |attributes| attributes.tags = tags)).await
    }
}

/// Writes what has arrived, on a thread that may wait.
async fn written(mut staging: Staging, chunks: Vec<Bytes>) -> S3Result<Staging> {
    let write = move || {
        chunks.iter().try_for_each(|chunk| staging.write(chunk))?;
        Ok::<_, std::io::Error>(staging)
    };
    let written = tokio::task::spawn_blocking(write).await.map_err(S3Error::internal_error)?;
    written.map_err(|error| internal(&error))
}

fn too_large() -> S3Error {
    s3s::s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size of 5 GiB")
}

/// What must hold of the object that is there.
pub(super) fn write_condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<WriteCondition> {
    let must_be_new = match if_none_match {
        None => false,
        Some(ETagCondition::Any) => true,
        Some(ETagCondition::ETag(_)) => {
            return Err(s3s::s3_error!(
                NotImplemented,
                "A header you provided implies functionality that is not implemented: If-None-Match takes * alone."
            ));
        }
    };
    Ok(WriteCondition { if_match, must_be_new })
}

/// The bucket's owner has everything, so that lists of rights have no use.
pub(super) fn refuse_acl(acl: Option<&ObjectCannedACL>) -> S3Result<()> {
    let harmless = [ObjectCannedACL::BUCKET_OWNER_FULL_CONTROL, ObjectCannedACL::PRIVATE];
    match acl {
        Some(acl) if !harmless.contains(&acl.as_str()) => {
            Err(s3s::s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The class of storage that is asked for, unless it is the usual one.
pub(super) fn storage_class(asked: Option<&StorageClass>) -> S3Result<Option<String>> {
    const CLASSES: [&str; 7] = [
        StorageClass::DEEP_ARCHIVE,
        StorageClass::GLACIER,
        StorageClass::GLACIER_IR,
        StorageClass::INTELLIGENT_TIERING,
        StorageClass::ONEZONE_IA,
        StorageClass::REDUCED_REDUNDANCY,
        StorageClass::STANDARD_IA,
    ];
    match asked.map(StorageClass::as_str) {
        None | Some(StorageClass::STANDARD) => Ok(None),
        Some(class) if CLASSES.contains(&class) => Ok(Some(class.to_owned())),
        Some(_) => Err(s3s::s3_error!(InvalidStorageClass, "The storage class you specified is not valid")),
    }
}

/// The encoding without the form of the transfer, which is no property of the object.
pub(super) fn encoding(given: Option<String>) -> Option<String> {
    let given = given?;
    let names = given.split(',').map(str::trim);
    let kept: Vec<&str> = names.filter(|name| !name.is_empty() && *name != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

pub(super) fn user_metadata(given: Option<Metadata>) -> S3Result<BTreeMap<String, String>> {
    let metadata: BTreeMap<String, String> = given.unwrap_or_default().into_iter().collect();
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_METADATA {
        return Err(S3Error::with_message(
            S3ErrorCode::MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    Ok(metadata)
}

/// Tags in the form of a query, as `x-amz-tagging` has them.
pub(super) fn parse_tags(header: Option<&str>) -> S3Result<BTreeMap<String, String>> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().map(std::borrow::Cow::into_owned)
    };
    let mut pairs = Vec::new();
    for pair in header.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Ok(key), Ok(value)) = (decode(key), decode(value)) else {
            return Err(s3s::s3_error!(
                InvalidArgument,
                "The header 'x-amz-tagging' shall be encoded as UTF-8"
            ));
        };
        pairs.push((key, value));
    }
    checked_tags(pairs)
}

fn checked_tags(pairs: impl IntoIterator<Item = (String, String)>) -> S3Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for (key, value) in pairs {
        let is_right = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        if !is_right {
            return Err(s3s::s3_error!(InvalidTag, "The TagKey or TagValue you have provided is invalid"));
        }
        if tags.insert(key, value).is_some() {
            return Err(s3s::s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    if tags.len() > MAX_TAGS {
        let told = format!("Object tags cannot be greater than {MAX_TAGS}");
        let mut error = S3Error::with_message(S3ErrorCode::Custom("BadRequest".into()), told);
        error.set_status_code(http::StatusCode::BAD_REQUEST);
        return Err(error);
    }
    Ok(tags)
}
