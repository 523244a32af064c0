//! Copies of the whole store.

use std::path::Path;

use rusqlite::MAIN_DB;

use super::blobs::{make_folder, path_in};
use super::{SCHEMA, Store, StoreError};

const METADATA: &str = "metadata.db";

impl Store {
    /// Copies everything into a folder, which is made. Files are linked where that can be: blobs never change.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), StoreError> {
        let inner = self.lock();
        make_folder(folder)?;
        inner.db.backup(MAIN_DB, folder.join(METADATA), None)?;
        for id in self.blobs.all()? {
            let copy = path_in(folder, id);
            if let Some(parent) = copy.parent() {
                make_folder(parent)?;
            }
            link(&self.blobs.path(id), &copy)?;
        }
        Ok(())
    }

    /// Takes everything from a folder that [`Self::save`] has written, in place of its own. One that was saved
    /// before there were buckets holds nothing.
    pub(crate) fn load(&self, folder: &Path) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if folder.is_dir() {
            // The bytes come first, so that no row is without them wherever this breaks off.
            for entry in std::fs::read_dir(folder.join("blobs")).into_iter().flatten() {
                for file in std::fs::read_dir(entry?.path())? {
                    self.blobs.adopt(&file?.path())?;
                }
            }
            inner.db.restore(MAIN_DB, folder.join(METADATA), None::<fn(_)>)?;
            // It may have been saved before there was one of the tables.
            inner.db.execute_batch(SCHEMA)?;
        } else {
            let tables = ["buckets", "bucket_settings", "objects", "uploads", "parts", "blobs"];
            let tx = inner.db.transaction()?;
            for table in tables {
                tx.execute(&format!("DELETE FROM {table}"), [])?;
            }
            tx.commit()?;
        }
        drop(inner);
        self.sweep()
    }
}

/// Links a file, or copies it where it cannot be linked. One that is there is the same.
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() || std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map(drop)
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
