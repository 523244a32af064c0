//! Objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use s3s::dto::ETagCondition;
use serde::{Deserialize, Serialize};

use super::blobs::{BlobId, Staged};
use super::{Change, Store, StoreError, millis, require_bucket};
use crate::s3::sums::Algorithm;

/// A run of bytes of an object: a whole blob.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) blob: BlobId,
    /// Bytes.
    pub(crate) size: u64,
}

impl Segment {
    const BYTES: usize = BlobId::BYTES + 8;

    fn write_all(segments: &[Self]) -> Vec<u8> {
        segments
            .iter()
            .flat_map(|segment| [segment.blob.as_bytes(), &segment.size.to_be_bytes()].concat())
            .collect()
    }

    pub(super) fn read_all(bytes: &[u8]) -> Vec<Self> {
        let read = |bytes: &[u8]| {
            let (id, size) = bytes.split_at_checked(BlobId::BYTES)?;
            let size = u64::from_be_bytes(size.try_into().ok()?);
            Some(Self { blob: BlobId::from_bytes(id)?, size })
        };
        bytes.chunks_exact(Self::BYTES).filter_map(read).collect()
    }
}

/// A checksum that is kept with an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredSum {
    pub(crate) algorithm: Algorithm,
    /// In base 64; with `-` and the number of parts where it is one of the parts' checksums.
    pub(crate) value: String,
    /// Whether it is one of the parts' checksums.
    pub(crate) composite: bool,
    /// Whether the client has chosen the algorithm.
    pub(crate) chosen: bool,
}

/// What is kept with an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    /// `Expires`, as an HTTP date.
    pub(crate) expires: Option<String>,
    /// Where it is not `STANDARD`. It is told, and changes nothing.
    pub(crate) storage_class: Option<String>,
    /// User metadata, by the names after `x-amz-meta-`.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) sum: Option<StoredSum>,
    /// The number of parts, of an object that was uploaded in parts.
    pub(crate) parts: Option<u16>,
    /// The parts' checksums, in their order, where there are any.
    pub(crate) part_sums: Vec<String>,
}

/// An object.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) modified: SystemTime,
    /// The bytes, in order. An object in parts has one for each part.
    pub(crate) segments: Vec<Segment>,
    pub(crate) attributes: Attributes,
}

/// What an object is made with.
pub(crate) struct NewObject<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) etag: String,
    pub(crate) attributes: Attributes,
    pub(crate) at: SystemTime,
}

/// What must hold of the object that is there, for a write to take place.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteCondition {
    pub(crate) if_match: Option<ETagCondition>,
    /// `If-None-Match: *`.
    pub(crate) must_be_new: bool,
}

impl WriteCondition {
    pub(super) fn check(&self, existing: Option<&str>) -> Result<(), StoreError> {
        match (&self.if_match, existing) {
            (Some(_), None) => return Err(StoreError::NoSuchKey),
            (Some(ETagCondition::ETag(wanted)), Some(etag)) if wanted.as_strong() != Some(etag) => {
                return Err(StoreError::PreconditionFailed("If-Match"));
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
        if self.must_be_new && existing.is_some() {
            return Err(StoreError::PreconditionFailed("If-None-Match"));
        }
        Ok(())
    }
}

impl Store {
    /// The object under a key.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Result<Object, StoreError> {
        self.read(|db| object_in(db, bucket, key))
    }

    /// The object under a key, its bytes pinned: they stay readable whatever becomes of the object.
    pub(crate) fn pinned(
        self: &Arc<Self>,
        bucket: &str,
        key: &str,
    ) -> Result<(Object, super::reader::Pinned), StoreError> {
        let mut inner = self.lock();
        let object = object_in(&inner.db, bucket, key)?;
        for segment in &object.segments {
            *inner.pins.entry(segment.blob).or_default() += 1;
        }
        drop(inner);
        let pinned = super::reader::Pinned::new(Arc::clone(self), &object.segments);
        Ok((object, pinned))
    }

    /// Makes an object of staged bytes, in place of the one that is there.
    pub(crate) fn put(
        &self,
        new: NewObject<'_>,
        staged: &Staged,
        condition: &WriteCondition,
    ) -> Result<Object, StoreError> {
        self.change(|change| {
            change.check(new.bucket, new.key, condition)?;
            let segment = change.take(staged)?;
            change.replace(new, vec![segment])
        })
    }

    /// Makes an object of another one's bytes, which are shared. `make` is given the other one.
    pub(crate) fn copy<'a>(
        &self,
        from: (&str, &str),
        condition: &WriteCondition,
        to: (&str, &str),
        make: impl FnOnce(&Object) -> Result<NewObject<'a>, StoreError>,
    ) -> Result<Object, StoreError> {
        self.change(|change| {
            let source = object_in(&change.tx, from.0, from.1)?;
            change.check(to.0, to.1, condition)?;
            for segment in &source.segments {
                change.refer(segment.blob)?;
            }
            let new = make(&source)?;
            change.replace(new, source.segments)
        })
    }

    /// Changes what is kept with an object beside its bytes.
    pub(crate) fn edit(
        &self,
        bucket: &str,
        key: &str,
        edit: impl FnOnce(&mut Attributes),
    ) -> Result<(), StoreError> {
        self.change(|change| {
            let mut object = object_in(&change.tx, bucket, key)?;
            edit(&mut object.attributes);
            change.tx.execute(
                "UPDATE objects SET attributes = ?3 WHERE bucket = ?1 AND key = ?2",
                params![bucket, key.as_bytes(), serde_json::to_string(&object.attributes)?],
            )?;
            Ok(())
        })
    }

    /// Deletes an object, where there is one.
    pub(crate) fn delete(
        &self,
        bucket: &str,
        key: &str,
        if_match: Option<&ETagCondition>,
    ) -> Result<(), StoreError> {
        self.change(|change| {
            require_bucket(&change.tx, bucket)?;
            let condition = WriteCondition { if_match: if_match.cloned(), must_be_new: false };
            change.check(bucket, key, &condition)?;
            change.remove(bucket, key)
        })
    }
}

impl Change<'_> {
    pub(super) fn check(
        &self,
        bucket: &str,
        key: &str,
        condition: &WriteCondition,
    ) -> Result<(), StoreError> {
        require_bucket(&self.tx, bucket)?;
        let etag: Option<String> = self
            .tx
            .prepare_cached("SELECT etag FROM objects WHERE bucket = ?1 AND key = ?2")?
            .query_row(params![bucket, key.as_bytes()], |row| row.get(0))
            .optional()?;
        condition.check(etag.as_deref())
    }

    /// Puts an object in place of the one that is there. The references to its segments are taken already.
    pub(super) fn replace(
        &mut self,
        new: NewObject<'_>,
        segments: Vec<Segment>,
    ) -> Result<Object, StoreError> {
        self.remove(new.bucket, new.key)?;
        let size = segments.iter().map(|segment| segment.size).sum::<u64>();
        let modified = millis::of(new.at);
        self.tx
            .prepare_cached(
                "INSERT INTO objects (bucket, key, size, etag, modified, segments, attributes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                new.bucket,
                new.key.as_bytes(),
                i64::try_from(size).map_err(|_| StoreError::TooLarge)?,
                new.etag,
                modified,
                Segment::write_all(&segments),
                serde_json::to_string(&new.attributes)?,
            ])?;
        let NewObject { etag, attributes, .. } = new;
        Ok(Object { size, etag, modified: millis::time(modified), segments, attributes })
    }

    fn remove(&mut self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let segments: Option<Vec<u8>> = self
            .tx
            .prepare_cached("DELETE FROM objects WHERE bucket = ?1 AND key = ?2 RETURNING segments")?
            .query_row(params![bucket, key.as_bytes()], |row| row.get(0))
            .optional()?;
        self.release_all(&Segment::read_all(&segments.unwrap_or_default()))
    }
}

pub(super) fn object_in(db: &Connection, bucket: &str, key: &str) -> Result<Object, StoreError> {
    require_bucket(db, bucket)?;
    let found = db
        .prepare_cached(
            "SELECT size, etag, modified, segments, attributes FROM objects WHERE bucket = ?1 AND key = ?2",
        )?
        .query_row(params![bucket, key.as_bytes()], |row: &Row<'_>| {
            let segments: Vec<u8> = row.get(3)?;
            let attributes: String = row.get(4)?;
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, Segment::read_all(&segments), attributes))
        })
        .optional()?;
    let (size, etag, modified, segments, attributes) = found.ok_or(StoreError::NoSuchKey)?;
    Ok(Object {
        size: u64::try_from(size).unwrap_or_default(),
        etag,
        modified: millis::time(modified),
        segments,
        attributes: serde_json::from_str(&attributes)?,
    })
}
