//! Uploads in parts.

use std::time::SystemTime;

use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, params};
use s3s::crypto::{Checksum as _, Md5};

use super::blobs::{BlobId, Staged};
use super::listing::{end_of, rolled_up};
use super::objects::{Attributes, NewObject, Object, Segment, WriteCondition};
use super::{Change, Store, StoreError, millis, require_bucket};
use crate::s3::hex;
use crate::s3::sums::PartSum;

/// What all parts but the last have at least, in bytes.
const MIN_PART: u64 = 5 * 1_024 * 1_024;
/// What an object has at most, in bytes: 5 TiB.
const MAX_OBJECT: u64 = 5 * 1_024 * 1_024 * 1_024 * 1_024;

/// What an upload is begun with.
pub(crate) struct NewUpload<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) id: &'a str,
    /// Its checksum has the algorithm and the kind, and no value yet.
    pub(crate) attributes: &'a Attributes,
    pub(crate) at: SystemTime,
}

/// An upload that is not complete.
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) initiated: SystemTime,
    pub(crate) attributes: Attributes,
}

/// A page of uploads.
#[derive(Default)]
pub(crate) struct ListedUploads {
    pub(crate) uploads: Vec<Upload>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) is_truncated: bool,
    /// The last upload of the page by key and id, or the last prefix without an id.
    pub(crate) last: Option<(String, String)>,
}

/// A part that was uploaded.
pub(crate) struct Part {
    pub(crate) number: u16,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    /// In base 64, by the upload's algorithm.
    pub(crate) sum: Option<String>,
    pub(crate) modified: SystemTime,
    blob: BlobId,
}

/// A part as the client that completes an upload names it.
pub(crate) struct ClaimedPart {
    pub(crate) number: u16,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) sum: Option<String>,
}

impl Store {
    pub(crate) fn create_upload(&self, new: &NewUpload<'_>) -> Result<(), StoreError> {
        self.change(|change| {
            require_bucket(&change.tx, new.bucket)?;
            change.tx.execute(
                "INSERT INTO uploads (id, bucket, key, initiated, attributes) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    new.id,
                    new.bucket,
                    new.key.as_bytes(),
                    millis::of(new.at),
                    serde_json::to_string(new.attributes)?,
                ],
            )?;
            Ok(())
        })
    }

    /// An upload of this very key.
    pub(crate) fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, StoreError> {
        self.read(|db| {
            require_bucket(db, bucket)?;
            upload_in(db, bucket, key, id)
        })
    }

    /// Keeps a part, in place of one with the same number.
    pub(crate) fn put_part(
        &self,
        (bucket, key, id): (&str, &str, &str),
        number: u16,
        staged: &Staged,
        sum: Option<&str>,
        at: SystemTime,
    ) -> Result<Part, StoreError> {
        self.change(|change| {
            require_bucket(&change.tx, bucket)?;
            upload_in(&change.tx, bucket, key, id)?;
            let Segment { blob, .. } = change.take(staged)?;
            change.forget_part(id, number)?;
            let (etag, modified) = (hex(&staged.md5), millis::of(at));
            change
                .tx
                .prepare_cached(
                    "INSERT INTO parts (upload, number, blob, size, etag, sum, modified)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    id,
                    number,
                    blob.as_bytes(),
                    i64::try_from(staged.size).map_err(|_| StoreError::TooLarge)?,
                    etag,
                    sum,
                    modified,
                ])?;
            let (size, sum, modified) = (staged.size, sum.map(str::to_owned), millis::time(modified));
            Ok(Part { number, size, etag, sum, modified, blob })
        })
    }

    /// The parts of an upload behind a number, at most so many.
    pub(crate) fn parts(&self, id: &str, after: u16, limit: usize) -> Result<Vec<Part>, StoreError> {
        self.read(|db| parts_in(db, id, after, limit))
    }

    /// Makes an object of the parts that are claimed, and forgets the upload. `seal` is given the parts and
    /// answers what the object is kept with.
    pub(crate) fn complete(
        &self,
        (bucket, key, id): (&str, &str, &str),
        claimed: &[ClaimedPart],
        condition: &WriteCondition,
        at: SystemTime,
        seal: impl FnOnce(Attributes, &[PartSum], u64) -> Result<Attributes, StoreError>,
    ) -> Result<Object, StoreError> {
        self.change(|change| {
            require_bucket(&change.tx, bucket)?;
            let upload = upload_in(&change.tx, bucket, key, id)?;
            let kept = parts_in(&change.tx, id, 0, usize::MAX)?;
            let parts = chosen(&kept, claimed)?;
            let size = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.size));
            let size = size.filter(|size| *size <= MAX_OBJECT).ok_or(StoreError::TooLarge)?;
            change.check(bucket, key, condition)?;
            let sums: Vec<PartSum> =
                parts.iter().map(|part| PartSum { size: part.size, sum: part.sum.clone() }).collect();
            let mut attributes = seal(upload.attributes, &sums, size)?;
            attributes.parts = u16::try_from(parts.len()).ok();
            let segments: Vec<Segment> =
                parts.iter().map(|part| Segment { blob: part.blob, size: part.size }).collect();
            for segment in &segments {
                change.refer(segment.blob)?;
            }
            change.forget_upload(id)?;
            let new = NewObject { bucket, key, etag: etag(&parts), attributes, at };
            change.replace(new, segments)
        })
    }

    /// Gives an upload up, with its parts.
    pub(crate) fn abort(&self, bucket: &str, key: &str, id: &str) -> Result<(), StoreError> {
        self.change(|change| {
            require_bucket(&change.tx, bucket)?;
            upload_in(&change.tx, bucket, key, id)?;
            change.forget_upload(id)
        })
    }

    /// Gives up the uploads of a bucket that were begun before a time.
    pub(crate) fn abort_older(&self, bucket: &str, than: SystemTime) -> Result<(), StoreError> {
        self.change(|change| {
            let old: Vec<String> = change
                .tx
                .prepare_cached("SELECT id FROM uploads WHERE bucket = ?1 AND initiated < ?2")?
                .query_map(params![bucket, millis::of(than)], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            old.iter().try_for_each(|id| change.forget_upload(id))
        })
    }

    /// The uploads of a bucket that are not complete, by key and then by id: those of a prefix, behind a key
    /// and an id. Rolled up at a delimiter, as listings of objects are.
    pub(crate) fn uploads(
        &self,
        bucket: &str,
        (prefix, delimiter): (&str, &str),
        after: (&str, &str),
        limit: usize,
    ) -> Result<ListedUploads, StoreError> {
        self.read(|db| {
            require_bucket(db, bucket)?;
            let end = end_of(prefix.as_bytes());
            let mut statement = db.prepare_cached(
                "SELECT key, id, initiated, attributes FROM uploads
                 WHERE bucket = ?1 AND key >= ?2 AND (?3 = x'' OR key < ?3)
                   AND (key > ?4 OR (key = ?4 AND ?5 <> '' AND id > ?5))
                 ORDER BY key, id",
            )?;
            let mut rows =
                statement.query(params![bucket, prefix.as_bytes(), end, after.0.as_bytes(), after.1])?;
            let mut page = ListedUploads::default();
            while let Some(row) = rows.next()? {
                let key: Vec<u8> = row.get(0)?;
                let rolled = rolled_up(&key, prefix.as_bytes(), delimiter.as_bytes())
                    .map(|length| String::from_utf8_lossy(&key[..length]).into_owned());
                // A marker that is a rolled up prefix stands for all that it holds.
                if rolled.is_some()
                    && (page.prefixes.last() == rolled.as_ref() || rolled.as_deref() == Some(after.0))
                {
                    continue;
                }
                if page.uploads.len() + page.prefixes.len() >= limit {
                    page.is_truncated = true;
                    return Ok(page);
                }
                if let Some(rolled) = rolled {
                    page.last = Some((rolled.clone(), String::new()));
                    page.prefixes.push(rolled);
                    continue;
                }
                let attributes: String = row.get(3)?;
                page.uploads.push(Upload {
                    key: String::from_utf8_lossy(&key).into_owned(),
                    id: row.get(1)?,
                    initiated: millis::time(row.get(2)?),
                    attributes: serde_json::from_str(&attributes)?,
                });
                page.last = page.uploads.last().map(|upload| (upload.key.clone(), upload.id.clone()));
            }
            Ok(page)
        })
    }
}

impl Change<'_> {
    fn forget_part(&mut self, id: &str, number: u16) -> Result<(), StoreError> {
        let blob: Option<Vec<u8>> = self
            .tx
            .prepare_cached("DELETE FROM parts WHERE upload = ?1 AND number = ?2 RETURNING blob")?
            .query_row(params![id, number], |row| row.get(0))
            .optional()?;
        blob.and_then(|bytes| BlobId::from_bytes(&bytes)).map_or(Ok(()), |blob| self.release(blob))
    }

    fn forget_upload(&mut self, id: &str) -> Result<(), StoreError> {
        let blobs: Vec<Vec<u8>> = self
            .tx
            .prepare_cached("DELETE FROM parts WHERE upload = ?1 RETURNING blob")?
            .query_map(params![id], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for blob in blobs.iter().filter_map(|bytes| BlobId::from_bytes(bytes)) {
            self.release(blob)?;
        }
        self.tx.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute(params![id])?;
        Ok(())
    }
}

/// The parts that are claimed, if each is there as it is claimed, and all but the last are large enough.
fn chosen<'a>(kept: &'a [Part], claimed: &[ClaimedPart]) -> Result<Vec<&'a Part>, StoreError> {
    let mut parts = Vec::with_capacity(claimed.len());
    for claim in claimed {
        let part = kept.binary_search_by_key(&claim.number, |part| part.number).ok().map(|at| &kept[at]);
        let same = |part: &&Part| {
            part.etag == claim.etag && (claim.sum.is_none() || claim.sum.as_deref() == part.sum.as_deref())
        };
        parts.push(part.filter(same).ok_or(StoreError::InvalidPart(claim.number))?);
    }
    let all_but_the_last = parts.iter().take(parts.len().saturating_sub(1));
    match all_but_the_last.into_iter().find(|part| part.size < MIN_PART) {
        Some(small) => Err(StoreError::PartTooSmall(small.number)),
        None => Ok(parts),
    }
}

/// The entity tag of an object in parts: the MD5 of the parts' MD5, with their number.
fn etag(parts: &[&Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        let digits = part.etag.as_bytes().chunks(2);
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let bytes: Vec<u8> =
            digits.filter_map(|pair| Some(value(*pair.first()?)? << 4 | value(*pair.get(1)?)?)).collect();
        md5.update(&bytes);
    }
    format!("{}-{}", hex(&md5.finalize()), parts.len())
}

fn upload_in(db: &rusqlite::Connection, bucket: &str, key: &str, id: &str) -> Result<Upload, StoreError> {
    let found: Option<(i64, String)> = db
        .prepare_cached(
            "SELECT initiated, attributes FROM uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3",
        )?
        .query_row(params![id, bucket, key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (initiated, attributes) = found.ok_or(StoreError::NoSuchUpload)?;
    Ok(Upload {
        key: key.to_owned(),
        id: id.to_owned(),
        initiated: millis::time(initiated),
        attributes: serde_json::from_str(&attributes)?,
    })
}

fn parts_in(db: &rusqlite::Connection, id: &str, after: u16, limit: usize) -> Result<Vec<Part>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT number, size, etag, sum, modified, blob FROM parts
         WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![id, after, limit], |row| {
        let blob: Vec<u8> = row.get(5)?;
        let damaged = || rusqlite::Error::InvalidColumnType(5, "blob".to_owned(), Type::Blob);
        Ok(Part {
            number: row.get(0)?,
            size: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
            etag: row.get(2)?,
            sum: row.get(3)?,
            modified: millis::time(row.get(4)?),
            blob: BlobId::from_bytes(&blob).ok_or_else(damaged)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
#[path = "uploads_tests.rs"]
mod tests;
