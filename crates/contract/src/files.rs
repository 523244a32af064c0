//! Files: how they are uploaded, completed, listed and downloaded.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use time::OffsetDateTime;

use crate::members::Refusals;
use crate::{ContentType, FileName, FilePrefix, Json, PartTag, Problem, UploadId};

/// `POST /files`: the file that is to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// Its name.
    pub name: FileName,
    /// Its size in bytes. An upload in one piece has to have it; one in parts can leave parts out.
    pub size: u64,
    /// Its media type, which the upload has to have.
    pub content_type: ContentType,
    /// The SHA-256 of its bytes, which S3 checks where it is given.
    pub sha256: Option<Sha256Digest>,
    /// Whether a file of the name may be there already and is replaced; not where it is left out.
    pub overwrite: bool,
}

impl FileRequest {
    /// Largest file in bytes that is uploaded in one piece: 64 MiB. A larger one is uploaded in parts.
    pub const SINGLE_MAX: u64 = 64 * 1024 * 1024;

    /// Reads the members of a body, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken, or is missing.
    pub fn read(members: &[(String, Json)]) -> Result<Self, Problem> {
        let mut refusals = Refusals::default();
        let (mut name, mut size, mut content_type) = (None, None, None);
        let (mut sha256, mut overwrite) = (None, false);
        for (member, value) in members {
            let at = [member.as_str()];
            match at[0] {
                "name" => name = refusals.take(&at, parsed(value)),
                "size" => size = refusals.take(&at, whole_number(value)),
                "content_type" => content_type = refusals.take(&at, parsed(value)),
                "sha256" => sha256 = refusals.take(&at, parsed(value)),
                "overwrite" => overwrite = refusals.take(&at, truth(value)).unwrap_or_default(),
                _ => refusals.add(
                    &at,
                    "is no member of this request: name, size, content_type, sha256 and overwrite are",
                ),
            }
        }
        refusals.require(&[], members, &["name", "size", "content_type"]);
        if sha256.is_some() && size > Some(Self::SINGLE_MAX) {
            refusals.add(
                &["sha256"],
                format!(
                    "can be checked for files of at most {} bytes: S3 checks the parts of a larger one each by itself",
                    Self::SINGLE_MAX
                ),
            );
        }
        let whole = name.zip(size).zip(content_type);
        refusals.or(whole.map(|((name, size), content_type)| Self {
            name,
            size,
            content_type,
            sha256,
            overwrite,
        }))
    }
}

/// `PUT /files/{name+}`: the parts that a file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCompletion {
    /// The upload, as [`MultipartUpload`] names it.
    pub upload_id: UploadId,
    /// Its parts, in the order of their numbers.
    pub parts: Vec<CompletedPart>,
    /// Whether a file of the name may be there by now and is replaced; not where it is left out.
    pub overwrite: bool,
    /// The bytes that the parts have to make up. Without it, parts may be left out.
    pub size: Option<u64>,
}

impl FileCompletion {
    /// Most parts of one file.
    pub const MAX_PARTS: u16 = 1_000;

    /// Reads the members of a body, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken, or is missing.
    pub fn read(members: &[(String, Json)]) -> Result<Self, Problem> {
        let mut refusals = Refusals::default();
        let (mut upload_id, mut parts, mut overwrite, mut size) = (None, Vec::new(), false, None);
        for (member, value) in members {
            let at = [member.as_str()];
            match (at[0], value) {
                ("upload_id", value) => upload_id = refusals.take(&at, parsed(value)),
                ("parts", Json::Array(items))
                    if (1..=usize::from(Self::MAX_PARTS)).contains(&items.len()) =>
                {
                    let items = items.iter().enumerate();
                    parts = items
                        .filter_map(|(index, part)| CompletedPart::read(&mut refusals, index, part))
                        .collect();
                }
                ("parts", _) => {
                    refusals.add(&at, format!("must be an array of 1 to {} parts", Self::MAX_PARTS));
                }
                ("overwrite", value) => {
                    overwrite = refusals.take(&at, truth(value)).unwrap_or_default();
                }
                ("size", value) => size = refusals.take(&at, whole_number(value)),
                _ => refusals
                    .add(&at, "is no member of this request: upload_id, parts, overwrite and size are"),
            }
        }
        refusals.require(&[], members, &["upload_id", "parts"]);
        refusals.or(upload_id.map(|upload_id| Self { upload_id, parts, overwrite, size }))
    }
}

/// One part of a file, as it was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number, from 1.
    pub number: u16,
    /// The `ETag` that S3 has answered to its upload.
    pub etag: PartTag,
}

impl CompletedPart {
    fn read(refusals: &mut Refusals, index: usize, part: &Json) -> Option<Self> {
        let index = index.to_string();
        let Json::Object(members) = part else {
            refusals.add(&["parts", &index], "must be an object with number and etag");
            return None;
        };
        let (mut number, mut etag) = (None, None);
        for (member, value) in members {
            let at = ["parts", &index, member.as_str()];
            match at[2] {
                "number" => number = refusals.take(&at, part_number(value)),
                "etag" => etag = refusals.take(&at, parsed(value)),
                _ => refusals.add(&at, "is no member of a part: number and etag are"),
            }
        }
        refusals.require(&["parts", &index], members, &["number", "etag"]);
        number.zip(etag).map(|(number, etag)| Self { number, etag })
    }
}

/// A SHA-256, written as 64 hexadecimal digits of either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256Digest([u8; 32]);

/// A text that is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hexadecimal digits")]
pub struct Sha256Error;

impl Sha256Digest {
    /// The digest itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256Digest {
    type Err = Sha256Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A sign is no digit, though numbers may begin with one.
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Sha256Error);
        }
        let mut digest = [0; 32];
        for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| Sha256Error)?;
        }
        Ok(Self(digest))
    }
}

/// A presigned URL. Who has it needs no key, so that it is never shown.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PresignedUrl(String);

impl PresignedUrl {
    /// Wraps the URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The answer to `POST /files`: how the file is uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileUpload {
    /// The file's name.
    pub name: FileName,
    /// In one piece, or in parts.
    #[serde(flatten)]
    pub plan: UploadPlan,
}

/// How a file is uploaded, as the one member that stands beside its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum UploadPlan {
    /// In one piece.
    #[serde(rename = "upload")]
    Single(SingleUpload),
    /// In parts, which `PUT /files/{name+}` puts together.
    #[serde(rename = "multipart")]
    Multipart(MultipartUpload),
}

/// The one request that uploads a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SingleUpload {
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: PresignedUrl,
    /// The headers that are signed, by lower-case name. S3 refuses a request without one of them.
    pub headers: BTreeMap<String, String>,
    /// From when on S3 refuses it.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// The requests that upload a file in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MultipartUpload {
    /// The upload, for [`FileCompletion`].
    pub upload_id: UploadId,
    /// The size of each part but the last in bytes.
    pub part_size: u64,
    /// The parts.
    pub parts: Vec<PartUpload>,
    /// From when on S3 refuses their requests.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// The request that uploads one part: a PUT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartUpload {
    /// The part's number, from 1.
    pub number: u16,
    /// The request's URL.
    pub url: PresignedUrl,
    /// The headers that are signed, by lower-case name.
    pub headers: BTreeMap<String, String>,
}

/// `GET /files/{name+}`: a file and how it is downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its name.
    pub name: FileName,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// Its entity tag as S3 answers it, quotes included.
    pub etag: String,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub last_modified: OffsetDateTime,
    /// The request that downloads it: a GET.
    pub download: Download,
}

/// The request that downloads a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Download {
    /// Its URL.
    pub url: PresignedUrl,
    /// From when on S3 refuses it.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// `GET /files`: a page of the tenant's files in the order of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FilePage {
    /// The files.
    pub items: Vec<FileItem>,
    /// What the folded names begin with, up to and with the delimiter.
    pub prefixes: Vec<FilePrefix>,
    /// Continues behind the last item or prefix; `null` at the end.
    pub next_cursor: Option<String>,
}

/// A file in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileItem {
    /// Its name.
    pub name: FileName,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub last_modified: OffsetDateTime,
}

fn parsed<T: FromStr<Err: fmt::Display>>(value: &Json) -> Result<T, String> {
    match value {
        Json::String(text) => text.parse().map_err(|error: T::Err| error.to_string()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Err("must be a string".to_owned())
        }
    }
}

fn whole_number(value: &Json) -> Result<u64, String> {
    let number = if let Json::Number(number) = value { number.as_str().parse().ok() } else { None };
    number.ok_or_else(|| "must be a whole number of bytes, from 0".to_owned())
}

fn part_number(value: &Json) -> Result<u16, String> {
    let number = if let Json::Number(number) = value { number.as_str().parse().ok() } else { None };
    number
        .filter(|number| (1..=FileCompletion::MAX_PARTS).contains(number))
        .ok_or_else(|| format!("must be a whole number from 1 to {}", FileCompletion::MAX_PARTS))
}

fn truth(value: &Json) -> Result<bool, String> {
    if let Json::Bool(truth) = value { Ok(*truth) } else { Err("must be true or false".to_owned()) }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
