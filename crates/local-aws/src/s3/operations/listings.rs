//! Listings of objects.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, CommonPrefixList, EncodingType, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass, Owner,
};
use s3s::{S3Response, S3Result};

use super::{Answer, Operations, signed};
use crate::s3::conditions::tag;
use crate::s3::store::{Entry, Listed, Listing, Position};

/// Most entries of a page.
const MAX_KEYS: i32 = 1_000;
/// What S3 leaves as it is in names that are asked for in URL encoding.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// How names are shown.
#[derive(Clone, Copy)]
pub(super) struct Names {
    encoded: bool,
}

impl Names {
    pub(super) fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self { encoded: false }),
            Some(EncodingType::URL) => Ok(Self { encoded: true }),
            Some(_) => Err(s3s::s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    /// A name that need not be one that XML can hold.
    pub(super) fn show(self, name: &str) -> String {
        if self.encoded {
            utf8_percent_encode(name, PLAIN).to_string().replace("%20", "+")
        } else {
            name.to_owned()
        }
    }

    pub(super) fn prefixes(self, prefixes: Vec<String>) -> CommonPrefixList {
        prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(self.show(&prefix)) }).collect()
    }
}

impl Operations {
    pub(super) async fn list_v2(&self, input: ListObjectsV2Input) -> Answer<ListObjectsV2Output> {
        let names = Names::of(input.encoding_type.as_ref())?;
        let limit = page_size(input.max_keys)?;
        let from = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Some(read_token(token)?),
            (None, Some(start)) => Some(Position::After(start.clone().into_bytes())),
            (None, None) => None,
        };
        let page =
            self.page(&input.bucket, input.prefix.as_ref(), input.delimiter.as_ref(), from, limit).await?;
        let owner = input.fetch_owner.unwrap_or_default().then(|| self.owner());
        let key_count = i32::try_from(page.entries.len() + page.prefixes.len()).ok();
        let objects = |entry| object(entry, names, owner.clone());
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(names.show(&input.prefix.unwrap_or_default())),
            max_keys: Some(limit),
            key_count,
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_ref().map(write_token),
            contents: Some(page.entries.into_iter().map(objects).collect()),
            common_prefixes: Some(names.prefixes(page.prefixes)),
            delimiter: input.delimiter.map(|delimiter| names.show(&delimiter)),
            encoding_type: input.encoding_type,
            start_after: input.start_after.map(|start| names.show(&start)),
            request_charged: None,
        }))
    }

    pub(super) async fn list_v1(&self, input: ListObjectsInput) -> Answer<ListObjectsOutput> {
        let names = Names::of(input.encoding_type.as_ref())?;
        let limit = page_size(input.max_keys)?;
        let from = marker(input.marker.as_deref(), input.prefix.as_deref(), input.delimiter.as_deref());
        let page =
            self.page(&input.bucket, input.prefix.as_ref(), input.delimiter.as_ref(), from, limit).await?;
        let is_truncated = page.next.is_some();
        // S3 tells the next marker only where there is a delimiter: it is the last key otherwise.
        let next_marker = page.last.filter(|_| is_truncated && input.delimiter.is_some());
        let owner = self.owner();
        let objects = |entry| object(entry, names, Some(owner.clone()));
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(names.show(&input.prefix.unwrap_or_default())),
            marker: Some(names.show(&input.marker.unwrap_or_default())),
            max_keys: Some(limit),
            is_truncated: Some(is_truncated),
            contents: Some(page.entries.into_iter().map(objects).collect()),
            common_prefixes: Some(names.prefixes(page.prefixes)),
            delimiter: input.delimiter.map(|delimiter| names.show(&delimiter)),
            next_marker: next_marker.map(|marker| names.show(&marker)),
            encoding_type: input.encoding_type,
            request_charged: None,
        }))
    }

    /// Versions in a bucket that has none: each object's only one.
    pub(super) async fn list_versions(
        &self,
        input: ListObjectVersionsInput,
    ) -> Answer<ListObjectVersionsOutput> {
        let names = Names::of(input.encoding_type.as_ref())?;
        let limit = page_size(input.max_keys)?;
        let from = marker(input.key_marker.as_deref(), input.prefix.as_deref(), input.delimiter.as_deref());
        let page =
            self.page(&input.bucket, input.prefix.as_ref(), input.delimiter.as_ref(), from, limit).await?;
        let is_truncated = page.next.is_some();
        let next_key_marker = page.last.filter(|_| is_truncated).map(|last| names.show(&last));
        let owner = self.owner();
        let version = |entry: Entry| {
            let sum = entry.attributes.sum;
            ObjectVersion {
                checksum_algorithm: sum
                    .map(|sum| vec![ChecksumAlgorithm::from_static(sum.algorithm.as_str())]),
                e_tag: Some(tag(&entry.etag)),
                is_latest: Some(true),
                key: Some(names.show(&entry.key)),
                last_modified: Some(entry.modified.into()),
                owner: Some(owner.clone()),
                size: Some(signed(entry.size)),
                storage_class: Some(ObjectVersionStorageClass::from_static(
                    ObjectVersionStorageClass::STANDARD,
                )),
                version_id: Some("null".to_owned()),
                ..Default::default()
            }
        };
        Ok(S3Response::new(ListObjectVersionsOutput {
            common_prefixes: Some(names.prefixes(page.prefixes)),
            delimiter: input.delimiter.map(|delimiter| names.show(&delimiter)),
            encoding_type: input.encoding_type,
            is_truncated: Some(is_truncated),
            key_marker: Some(names.show(&input.key_marker.unwrap_or_default())),
            max_keys: Some(limit),
            name: Some(input.bucket),
            next_version_id_marker: next_key_marker.is_some().then(|| "null".to_owned()),
            next_key_marker,
            prefix: Some(names.show(&input.prefix.unwrap_or_default())),
            version_id_marker: input.version_id_marker,
            versions: Some(page.entries.into_iter().map(version).collect()),
            ..Default::default()
        }))
    }

    async fn page(
        &self,
        bucket: &str,
        prefix: Option<&String>,
        delimiter: Option<&String>,
        from: Option<Position>,
        limit: i32,
    ) -> S3Result<Listed> {
        let (bucket, prefix, delimiter) =
            (bucket.to_owned(), prefix.cloned().unwrap_or_default(), delimiter.cloned().unwrap_or_default());
        let limit = usize::try_from(limit).unwrap_or_default();
        self.work(move |store| {
            let (bucket, prefix, delimiter) = (&*bucket, &*prefix, &*delimiter);
            let mut page = store.list(&Listing { bucket, prefix, delimiter, from, limit })?;
            if limit == 0 {
                // A page of nothing says nothing of a next one.
                page.next = None;
            }
            Ok(page)
        })
        .await
    }
}

fn object(entry: Entry, names: Names, owner: Option<Owner>) -> Object {
    let sum = entry.attributes.sum;
    let algorithm = sum.as_ref().map(|sum| vec![ChecksumAlgorithm::from_static(sum.algorithm.as_str())]);
    Object {
        checksum_algorithm: algorithm,
        checksum_type: sum.map(|sum| super::reading::kind(sum.composite)),
        e_tag: Some(tag(&entry.etag)),
        key: Some(names.show(&entry.key)),
        last_modified: Some(entry.modified.into()),
        owner,
        restore_status: None,
        size: Some(signed(entry.size)),
        storage_class: Some(ObjectStorageClass::from(
            entry.attributes.storage_class.unwrap_or_else(|| ObjectStorageClass::STANDARD.to_owned()),
        )),
    }
}

fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(MAX_KEYS) {
        negative if negative < 0 => Err(s3s::s3_error!(
            InvalidArgument,
            "Argument maxKeys must be an integer between 0 and 2147483647"
        )),
        asked => Ok(asked.min(MAX_KEYS)),
    }
}

/// Where a listing goes on behind a marker. One that is a common prefix stands for all that it holds.
fn marker(marker: Option<&str>, prefix: Option<&str>, delimiter: Option<&str>) -> Option<Position> {
    let marker = marker.filter(|marker| !marker.is_empty())?;
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
    let rest = marker.strip_prefix(prefix.unwrap_or_default());
    let is_prefix = rest.zip(delimiter).is_some_and(|(rest, delimiter)| {
        rest.strip_suffix(delimiter).is_some_and(|name| !name.contains(delimiter))
    });
    Some(if is_prefix {
        Position::behind(marker.as_bytes())
    } else {
        Position::After(marker.as_bytes().to_vec())
    })
}

/// A continuation token: opaque to clients, which only hand it back.
fn write_token(position: &Position) -> String {
    let (kind, key) = match position {
        Position::After(key) => (b'>', key),
        Position::At(key) => (b'=', key),
    };
    URL_SAFE_NO_PAD.encode([&[kind], key.as_slice()].concat())
}

fn read_token(token: &str) -> S3Result<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
    match bytes.split_first() {
        Some((b'>', key)) => Ok(Position::After(key.to_vec())),
        Some((b'=', key)) => Ok(Position::At(key.to_vec())),
        _ => Err(s3s::s3_error!(InvalidArgument, "The continuation token provided is incorrect")),
    }
}
