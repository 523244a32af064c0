//! The keys on disk.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::index::Index;
use super::model::{ApiKey, ApiKeyValue};
use crate::error::Error;

const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        value TEXT NOT NULL UNIQUE,
        description TEXT,
        enabled INTEGER NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        tags TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE plan_keys (
        plan_id TEXT NOT NULL,
        key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
        PRIMARY KEY (plan_id, key_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX plan_keys_by_key ON plan_keys (key_id);
    PRAGMA user_version = 1;
";

/// The connection. Each write is one statement, so it is done or not done.
pub(super) struct Database {
    connection: Connection,
}

impl Database {
    /// Opens the file, makes it where there is none, and locks it for this process.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        create_private(path)?;
        Self::prepare(Connection::open(path)?)
    }

    pub(super) fn in_memory() -> Result<Self, Error> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(connection: Connection) -> Result<Self, Error> {
        connection.busy_timeout(Duration::from_secs(1))?;
        // Exclusive, because the index in memory is right only while nobody else writes. FULL syncs
        // the write-ahead log at each commit: keys are made rarely, and an acknowledged one must
        // survive even a power cut, since its value is shown only once.
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             BEGIN EXCLUSIVE;",
        )?;
        match connection.query_row("PRAGMA user_version", [], |row| row.get(0))? {
            0 => connection.execute_batch(SCHEMA)?,
            SCHEMA_VERSION => {}
            found => return Err(Error::Schema { found, expected: SCHEMA_VERSION }),
        }
        connection.execute_batch("COMMIT")?;
        Ok(Self { connection })
    }

    /// Reads everything.
    pub(super) fn load(&self) -> Result<Index, Error> {
        let mut index = Index::default();
        let mut keys = self
            .connection
            .prepare("SELECT id, name, value, description, enabled, created, updated, tags FROM api_keys")?;
        let mut rows = keys.query([])?;
        while let Some(row) = rows.next()? {
            index.put(key(row)?);
        }
        let mut members = self.connection.prepare("SELECT plan_id, key_id FROM plan_keys")?;
        let mut rows = members.query([])?;
        while let Some(row) = rows.next()? {
            index.attach(row.get(0)?, row.get(1)?);
        }
        Ok(index)
    }

    pub(super) fn insert(&self, key: &ApiKey) -> Result<(), Error> {
        self.connection.execute(
            "INSERT INTO api_keys (id, name, value, description, enabled, created, updated, tags)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                key.id,
                key.name,
                key.value.expose(),
                key.description,
                key.enabled,
                key.created,
                key.updated,
                serde_json::to_string(&key.tags).map_err(|error| Error::Corrupt(error.to_string()))?,
            ],
        )?;
        Ok(())
    }

    pub(super) fn update(&self, key: &ApiKey) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE api_keys SET name = ?2, description = ?3, enabled = ?4, updated = ?5 WHERE id = ?1",
            params![key.id, key.name, key.description, key.enabled, key.updated],
        )?;
        Ok(())
    }

    pub(super) fn delete(&self, key_id: &str) -> Result<(), Error> {
        self.connection.execute("DELETE FROM api_keys WHERE id = ?1", [key_id])?;
        Ok(())
    }

    pub(super) fn attach(&self, plan_id: &str, key_id: &str) -> Result<(), Error> {
        self.connection
            .execute("INSERT INTO plan_keys (plan_id, key_id) VALUES (?1, ?2)", [plan_id, key_id])?;
        Ok(())
    }

    pub(super) fn detach(&self, plan_id: &str, key_id: &str) -> Result<(), Error> {
        self.connection
            .execute("DELETE FROM plan_keys WHERE plan_id = ?1 AND key_id = ?2", [plan_id, key_id])?;
        Ok(())
    }
}

fn key(row: &Row<'_>) -> Result<ApiKey, Error> {
    let id: String = row.get(0)?;
    let corrupt = |column| Error::Corrupt(format!("api_keys.{column} of `{id}`"));
    let value = ApiKeyValue::new(row.get(2)?).map_err(|_| corrupt("value"))?;
    let tags: String = row.get(7)?;
    let tags = serde_json::from_str(&tags).map_err(|_| corrupt("tags"))?;
    Ok(ApiKey {
        name: row.get(1)?,
        value,
        description: row.get(3)?,
        enabled: row.get(4)?,
        created: row.get(5)?,
        updated: row.get(6)?,
        tags,
        id,
    })
}

/// Makes the file readable by its owner only, since it holds the keys' values. SQLite gives its
/// write-ahead log the same rights.
fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    Ok(())
}
