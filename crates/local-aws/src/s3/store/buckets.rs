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
            change.tx.execute("DELETE FROM bucket_settings WHERE bucket = ?1", params![name])?;
            let deleted = change.tx.execute("DELETE FROM buckets WHERE name = ?1", params![name])?;
            if deleted == 0 { Err(StoreError::NoSuchBucket) } else { Ok(()) }
        })
    }

    /// Keeps a setting of a bucket, in place of the one of its kind that there is.
    pub(crate) fn set_bucket(&self, name: &str, kind: &str, value: &str) -> Result<(), StoreError> {
        self.change(|change| {
            super::require_bucket(&change.tx, name)?;
            change.tx.execute(
                "INSERT OR REPLACE INTO bucket_settings (bucket, kind, value) VALUES (?1, ?2, ?3)",
                params![name, kind, value],
            )?;
            Ok(())
        })
    }

    /// All settings of buckets: the bucket, the kind and the value.
    pub(crate) fn bucket_settings(&self) -> Result<Vec<(String, String, String)>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT bucket, kind, value FROM bucket_settings")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
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
