//! The keys on disk.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Progress;
use rusqlite::{Connection, MAIN_DB, Row, params};

use super::index::Index;
use super::model::{ApiKey, ApiKeyValue};
use crate::error::Error;

const SCHEMA_VERSION: i64 = 2;

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
";

/// When a key came into its plan, and what was counted since.
const COUNTERS: &str = "
    ALTER TABLE plan_keys ADD COLUMN attached INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE counters (
        key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
        plan_id TEXT NOT NULL,
        kept TEXT NOT NULL,
        PRIMARY KEY (key_id, plan_id)
    ) STRICT;
    CREATE TABLE shared_counters (id INTEGER PRIMARY KEY CHECK (id = 0), kept TEXT NOT NULL) STRICT;
    CREATE TABLE usage (
        key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
        plan_id TEXT NOT NULL,
        day INTEGER NOT NULL,
        used INTEGER NOT NULL,
        remaining INTEGER,
        PRIMARY KEY (key_id, plan_id, day)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 2;
";

/// The connection. Each write is one statement, so it is done or not done.
pub(super) struct Database {
    pub(super) connection: Connection,
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
        match version(&connection)? {
            0 => {
                connection.execute_batch(SCHEMA)?;
                connection.execute_batch(COUNTERS)?;
            }
            1 => connection.execute_batch(COUNTERS)?,
            SCHEMA_VERSION => {}
            found => return Err(Error::Schema { found, expected: SCHEMA_VERSION }),
        }
        connection.execute_batch("COMMIT")?;
        Ok(Self { connection })
    }

    /// Copies everything into a file, which must not be there.
    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        create_private(path)?;
        Ok(self.connection.backup(MAIN_DB, path, None)?)
    }

    /// Opens such a file to be read, brought forward to this build's schema.
    pub(super) fn saved(path: &Path) -> Result<Self, Error> {
        // Without this, SQLite would make a file that is not there.
        std::fs::metadata(path)?;
        Self::prepare(Connection::open(path)?)
    }

    /// Takes everything from such a file, in place of what is here.
    pub(super) fn replace(&mut self, path: &Path) -> Result<(), Error> {
        Ok(self.connection.restore(MAIN_DB, path, None::<fn(Progress)>)?)
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
        let mut members = self.connection.prepare("SELECT plan_id, key_id, attached FROM plan_keys")?;
        let mut rows = members.query([])?;
        while let Some(row) = rows.next()? {
            index.attach(row.get(0)?, row.get(1)?, row.get(2)?);
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

    pub(super) fn attach(&self, plan_id: &str, key_id: &str, attached: i64) -> Result<(), Error> {
        self.connection.execute(
            "INSERT INTO plan_keys (plan_id, key_id, attached) VALUES (?1, ?2, ?3)",
            params![plan_id, key_id, attached],
        )?;
        Ok(())
    }

    pub(super) fn detach(&self, plan_id: &str, key_id: &str) -> Result<(), Error> {
        self.connection
            .execute("DELETE FROM plan_keys WHERE plan_id = ?1 AND key_id = ?2", [plan_id, key_id])?;
        Ok(())
    }
}

fn version(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
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
