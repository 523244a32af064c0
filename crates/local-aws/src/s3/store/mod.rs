//! What the local S3 keeps: metadata in SQLite, and the bytes of objects in files that are named by their
//! content.
//!
//! **Invariant:** a blob's file is whole before it has its name, and has its name before a committed row refers
//! to it. A file that no row refers to is garbage, which is removed when its last reference goes and, after a
//! crash, when the store is opened again.
//!
//! **Invariant:** rows, references and files change under one lock. A reader pins its blobs under the same lock,
//! so that what it began to read stays until it is done.

mod blobs;
mod buckets;
mod error;
mod listing;
mod objects;
mod reader;
mod snapshot;
mod uploads;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

pub(crate) use blobs::{BlobId, Staged, Staging};
pub(crate) use error::StoreError;
pub(crate) use listing::{Entry, Listed, Listing, Position};
pub(crate) use objects::{Attributes, NewObject, Object, Segment, StoredSum, WriteCondition};
pub(crate) use reader::Reader;
pub(crate) use uploads::{ClaimedPart, ListedUploads, NewUpload};

use blobs::Blobs;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS buckets (
        name TEXT PRIMARY KEY, created INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS bucket_settings (
        bucket TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (bucket, kind)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS objects (
        bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
        modified INTEGER NOT NULL, segments BLOB NOT NULL, attributes TEXT NOT NULL,
        PRIMARY KEY (bucket, key)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS uploads (
        id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, initiated INTEGER NOT NULL,
        attributes TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (bucket, key, id);
    CREATE TABLE IF NOT EXISTS parts (
        upload TEXT NOT NULL, number INTEGER NOT NULL, blob BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
        sum TEXT, modified INTEGER NOT NULL,
        PRIMARY KEY (upload, number)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS blobs (id BLOB PRIMARY KEY, refs INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// The store. Its methods block.
pub(crate) struct Store {
    inner: Mutex<Inner>,
    blobs: Blobs,
}

struct Inner {
    db: Connection,
    /// How many readers have a blob open.
    pins: HashMap<BlobId, usize>,
}

impl Store {
    /// Opens the store in a folder, which is made where it is missing, or one that ends with the process. What a
    /// crash has left behind is swept away.
    ///
    /// An acknowledged write has been handed to the operating system, which keeps it whatever becomes of this
    /// process. It is not forced to the disk, as the tables' are not.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Arc<Self>, StoreError> {
        let blobs = Blobs::open(folder)?;
        let db = match folder {
            Some(folder) => Connection::open(folder.join("metadata.db"))?,
            None => Connection::open_in_memory()?,
        };
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "OFF")?;
        db.set_prepared_statement_cache_capacity(64);
        db.execute_batch(SCHEMA)?;
        let store = Arc::new(Self { inner: Mutex::new(Inner { db, pins: HashMap::new() }), blobs });
        store.blobs.forget_staged()?;
        store.sweep()?;
        Ok(store)
    }

    /// Begins to write a blob.
    pub(crate) fn stage(&self) -> Result<Staging, StoreError> {
        Ok(self.blobs.stage()?)
    }

    /// Removes every blob that nothing refers to and nobody reads.
    fn sweep(&self) -> Result<(), StoreError> {
        let inner = self.lock();
        for id in self.blobs.all()? {
            if !inner.pins.contains_key(&id) && !is_referred_to(&inner.db, id)? {
                self.blobs.remove(id)?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads rows in one state of the store.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        work(&self.lock().db)
    }

    /// Changes rows, all or none, and removes the files of blobs that have lost their last reference.
    fn change<T>(
        &self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut inner = self.lock();
        let Inner { db, pins } = &mut *inner;
        let (done, touched) = {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut change = Change { tx, blobs: &self.blobs, touched: Vec::new() };
            let done = work(&mut change);
            let Change { tx, touched, .. } = change;
            let done = done.and_then(|done| {
                tx.commit()?;
                Ok(done)
            });
            (done, touched)
        };
        // Of a change that was not made, what it had placed; else what has lost its last reference. A file that
        // cannot be removed is left to the next sweep.
        for id in touched {
            if !pins.contains_key(&id) && matches!(is_referred_to(db, id), Ok(false)) {
                let _ = self.blobs.remove(id);
            }
        }
        done
    }
}

/// A change that is being made: the rows, and the references that they hold.
struct Change<'a> {
    tx: Transaction<'a>,
    blobs: &'a Blobs,
    /// Blobs that were placed or have lost a last reference.
    touched: Vec<BlobId>,
}

impl Change<'_> {
    /// Gives a staged file its name, and takes a reference to it.
    fn take(&mut self, staged: &Staged) -> Result<Segment, StoreError> {
        self.touched.push(staged.id);
        self.blobs.place(staged)?;
        self.refer(staged.id)?;
        Ok(Segment { blob: staged.id, size: staged.size })
    }

    /// Takes one more reference to a blob.
    fn refer(&self, id: BlobId) -> Result<(), StoreError> {
        self.tx
            .prepare_cached(
                "INSERT INTO blobs (id, refs) VALUES (?1, 1) ON CONFLICT (id) DO UPDATE SET refs = refs + 1",
            )?
            .execute(params![id.as_bytes()])?;
        Ok(())
    }

    /// Gives a reference up. References that are taken in the same change are taken before.
    fn release(&mut self, id: BlobId) -> Result<(), StoreError> {
        self.tx
            .prepare_cached("UPDATE blobs SET refs = refs - 1 WHERE id = ?1")?
            .execute(params![id.as_bytes()])?;
        let gone = self
            .tx
            .prepare_cached("DELETE FROM blobs WHERE id = ?1 AND refs <= 0")?
            .execute(params![id.as_bytes()])?;
        if gone > 0 {
            self.touched.push(id);
        }
        Ok(())
    }

    fn release_all(&mut self, segments: &[Segment]) -> Result<(), StoreError> {
        segments.iter().try_for_each(|segment| self.release(segment.blob))
    }
}

fn is_referred_to(db: &Connection, id: BlobId) -> Result<bool, StoreError> {
    Ok(db.prepare_cached("SELECT 1 FROM blobs WHERE id = ?1")?.exists(params![id.as_bytes()])?)
}

/// Requires that a bucket is there.
fn require_bucket(db: &Connection, bucket: &str) -> Result<(), StoreError> {
    let is_there = db.prepare_cached("SELECT 1 FROM buckets WHERE name = ?1")?.exists(params![bucket])?;
    if is_there { Ok(()) } else { Err(StoreError::NoSuchBucket) }
}

/// Times in rows: milliseconds since 1970, of whole seconds, which are all that S3 tells.
mod millis {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    pub(super) fn of(at: SystemTime) -> i64 {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000)
    }

    pub(super) fn time(millis: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
