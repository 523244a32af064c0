//! Requests come and go; now and then the stack must hold them all back for a moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::timeout;

/// How long running requests may take to end before whoever wants to close the gate gives up: as long as API
/// Gateway waits for a function.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something that has passed a gate and goes on.
pub(crate) type Pass = OwnedRwLockReadGuard<()>;

/// What everything passes that reads or changes the stack's data.
///
/// There are three gates, one behind the other, since a request makes a function run, and a running function
/// sends requests to the tables: each is closed when all that came through the one before it has ended. A
/// function has a gate of its own because it goes on when its client has left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    requests: Arc<RwLock<()>>,
    functions: Arc<RwLock<()>>,
    data: Arc<RwLock<()>>,
}

/// Nothing runs while it lives.
pub(crate) struct Closed {
    _requests: OwnedRwLockWriteGuard<()>,
    _functions: OwnedRwLockWriteGuard<()>,
    _data: OwnedRwLockWriteGuard<()>,
}

impl Gate {
    /// Lets a request in that runs functions.
    pub(crate) async fn request(&self) -> Pass {
        Arc::clone(&self.requests).read_owned().await
    }

    /// Lets a function run.
    pub(crate) async fn function(&self) -> Pass {
        Arc::clone(&self.functions).read_owned().await
    }

    /// Lets a request in that reaches data and nothing else.
    pub(crate) async fn data(&self) -> Pass {
        Arc::clone(&self.data).read_owned().await
    }

    /// Holds new requests back and waits for the running ones; nothing where they take too long.
    pub(crate) async fn close(&self) -> Option<Closed> {
        let close = async {
            let requests = Arc::clone(&self.requests).write_owned().await;
            let functions = Arc::clone(&self.functions).write_owned().await;
            let data = Arc::clone(&self.data).write_owned().await;
            Closed { _requests: requests, _functions: functions, _data: data }
        };
        timeout(PATIENCE, close).await.ok()
    }
}
