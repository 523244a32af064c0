//! DynamoDB: dynoxide's database and server, and the calls that reach it.

mod backups;
mod forward;
mod server;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dynoxide::Database;
use futures_util::future::BoxFuture;
use local_http::{Request, Response};
use serde_json::Value;
use stack_template::Table;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::front::Service;
use crate::iam::DatabaseSchemas;
use crate::principals::Principal;
use forward::Forward;
use server::Server;

/// The local DynamoDB.
///
/// Its calls are synchronous and take turns at one database connection. They run on threads of their own, so
/// that a slow one holds up other calls to the database and nothing else.
pub struct Dynamo {
    database: Database,
    server: Server,
    forward: Arc<Forward>,
    schemas: Arc<DatabaseSchemas>,
}

impl Dynamo {
    /// Opens the database in a file, which is made where it is missing, or in memory, and starts its server.
    ///
    /// An acknowledged write has been handed to the operating system, which keeps it whatever becomes of this
    /// process. It is not forced to the disk: doing so costs two milliseconds a write, and would protect
    /// development data from the loss of power alone.
    ///
    /// This blocks for the time that opening takes.
    ///
    /// # Errors
    ///
    /// [`Error::Open`], [`Error::Server`], [`Error::Random`].
    pub fn open(path: Option<&Path>) -> Result<Self, Error> {
        let database = open_database(path)?;
        let server = Server::start(database.clone())?;
        let forward = Arc::new(Forward::new(server.address()));
        let schemas = Arc::new(DatabaseSchemas::new(database.clone()));
        Ok(Self { database, server, forward, schemas })
    }

    /// Makes the tables that are missing, and sets each one's time to live as its template says.
    ///
    /// # Errors
    ///
    /// [`Error::TableDiffers`] for a table with another key schema or index, which is left as it is;
    /// [`Error::Table`] for one that cannot be made.
    pub fn ensure_tables(&self, tables: &[Table]) -> Result<(), Error> {
        tables.iter().try_for_each(|table| tables::ensure(&self.database, table))
    }

    /// Copies all tables into a file, which must not be there. This blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        self.database.vacuum_into(text(path)?).map_err(|error| snapshot(path, error.into()))
    }

    /// Takes all tables from a file that [`Self::save`] has written, in place of its own, and makes those of
    /// the template that are missing. This blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`]; [`Error::TableDiffers`] and [`Error::Table`] as [`Self::ensure_tables`]. Its own
    /// tables are as they were then.
    pub fn load(&self, path: &Path, tables: &[Table]) -> Result<(), Error> {
        // What the file lacks is made there, before anything of the running database changes.
        let saved = Database::new(text(path)?).map_err(|error| snapshot(path, error.into()))?;
        tables.iter().try_for_each(|table| tables::ensure(&saved, table))?;
        drop(saved);
        let restored = self.database.restore_from(text(path)?);
        self.schemas.forget_all();
        restored.map_err(|error| snapshot(path, error.into()))
    }

    /// The tables' key schemas, which conditions on keys are judged with.
    pub(crate) fn schemas(&self) -> Arc<DatabaseSchemas> {
        Arc::clone(&self.schemas)
    }

    /// Makes a call of the stack's own, such as a seed's: the operation's name and its JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with DynamoDB's answer.
    pub async fn call(&self, operation: &str, body: &Value) -> Result<Value, Error> {
        let response = self.forward.own_call(operation, body).await;
        let answer = serde_json::from_slice(response.body()).ok().filter(|_| response.status().is_success());
        answer.ok_or_else(|| Error::Refused {
            operation: operation.to_owned(),
            answer: String::from_utf8_lossy(response.body()).into_owned(),
        })
    }

    /// Deletes expired items every so often, until `shutdown`. AWS takes up to a few days for that.
    ///
    /// A sweep that fails is left to the next one: expired items are no error, and readers must not rely on
    /// their absence.
    pub async fn sweep_expired(&self, every: Duration, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let database = self.database.clone();
            let sweep = tokio::task::spawn_blocking(move || database.sweep_ttl());
            drop(shutdown.run_until_cancelled(sweep).await);
        }
    }

    /// Stops the server and waits until requests that are running have ended, or five seconds.
    ///
    /// Without it, dropping stops the server too, and does not wait.
    pub async fn stop(&self) {
        self.server.stop().await;
    }
}

impl Service for Dynamo {
    fn call(&self, request: Request, _: Arc<Principal>) -> BoxFuture<'_, Response> {
        Box::pin(async move {
            if backups::is_meant(&request) {
                return backups::update(&self.forward, &request).await;
            }
            if !forward::changes_a_table(&request) {
                return self.forward.call(request).await;
            }
            // It is carried out also when its client has left, and what was known of the table is old then.
            let (forward, schemas) = (Arc::clone(&self.forward), Arc::clone(&self.schemas));
            let call = tokio::spawn(async move {
                let response = forward.call(request).await;
                schemas.forget_all();
                response
            });
            call.await.unwrap_or_else(|_| forward::failed())
        })
    }
}

fn text(path: &Path) -> Result<&str, Error> {
    path.to_str().ok_or_else(|| snapshot(path, "the path is not UTF-8".into()))
}

fn snapshot(path: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Snapshot { path: path.to_owned(), source }
}

fn open_database(path: Option<&Path>) -> Result<Database, Error> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Open {
        path: path.map_or_else(|| PathBuf::from(":memory:"), Path::to_owned),
        source,
    };
    let Some(path) = path else { return Database::memory().map_err(|error| failed(error.into())) };
    let file = path.to_str().ok_or_else(|| failed("the path is not UTF-8".into()))?;
    let database = Database::new(file).map_err(|error| failed(error.into()))?;
    // Its name is from its purpose in dynoxide; what it sets is `synchronous = OFF` and larger caches.
    database.enable_bulk_loading().map_err(|error| failed(error.into()))?;
    Ok(database)
}

#[cfg(test)]
#[path = "dynamo_tests.rs"]
mod tests;
