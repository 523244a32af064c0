//! Buckets.

use std::time::SystemTime;

use rusqlite::params;

use super::{Store, StoreError, millis};

impl Store {
    /// Makes a bucket.
    pub(crate) fn create_bucket(&self, name: &str, at: SystemTime) -> Result<(), StoreError> {
        self.change(|change| {
            let made = change.tx.execute(
                "INSERT INTO buckets (name, created) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![name, millis::of(at)],
            )?;
            if made == 0 { Err(StoreError::BucketExists) } else { Ok(()) }
        })
    }

    /// Deletes a bucket that holds nothing.
    pub(crate) fn delete_bucket(&self, name: &str) -> Result<(), StoreError> {
        self.change(|change| {
            for table in ["objects", "uploads"] {
                let holds = format!("SELECT 1 FROM {table} WHERE bucket = ?1 LIMIT 1");
                if change.tx.prepare(&holds)?.exists(params![name])? {
                    return Err(StoreError::BucketNotEmpty);
                }
            }
            let deleted = change.tx.execute("DELETE FROM buckets WHERE name = ?1", params![name])?;
            if deleted == 0 { Err(StoreError::NoSuchBucket) } else { Ok(()) }
        })
    }

    /// Whether there is such a bucket.
    pub(crate) fn has_bucket(&self, name: &str) -> Result<bool, StoreError> {
        match self.read(|db| super::require_bucket(db, name)) {
            Ok(()) => Ok(true),
            Err(StoreError::NoSuchBucket) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All buckets with the times at which they were made, by name.
    pub(crate) fn buckets(&self) -> Result<Vec<(String, SystemTime)>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT name, created FROM buckets ORDER BY name")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, millis::time(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
