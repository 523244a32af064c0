//! The environments of one function: how many, which next, and who waits for one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

use crate::FunctionSpec;
use crate::environment::Environment;

/// Why there is no room to run an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// All environments are busy, and stay so for too long.
    Busy,
    /// The function was replaced; the new one is asked instead.
    Retired,
}

/// One function as it is configured now. Another configuration is another pool.
#[derive(Debug)]
pub(crate) struct Pool {
    spec: FunctionSpec,
    /// A permit for every environment that may run; its waiters are served in order.
    room: Arc<Semaphore>,
    queued: AtomicUsize,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The most recently used is last.
    environments: Vec<Arc<Environment>>,
    retired: bool,
}

impl Pool {
    pub(crate) fn new(spec: FunctionSpec) -> Self {
        let room = Semaphore::new(spec.max_environments.min(Semaphore::MAX_PERMITS));
        Self { spec, room: Arc::new(room), queued: AtomicUsize::new(0), idle: Mutex::default() }
    }

    pub(crate) fn spec(&self) -> &FunctionSpec {
        &self.spec
    }

    /// Waits for the right to run one invocation, behind those who asked before.
    pub(crate) async fn enter(
        &self,
        capacity: usize,
        patience: Duration,
    ) -> Result<OwnedSemaphorePermit, NoRoom> {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(NoRoom::Retired),
            Err(TryAcquireError::NoPermits) if self.spec.max_environments == 0 => return Err(NoRoom::Busy),
            Err(TryAcquireError::NoPermits) => {}
        }
        let _place = Place::take(&self.queued, capacity).ok_or(NoRoom::Busy)?;
        match timeout(patience, Arc::clone(&self.room).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_closed)) => Err(NoRoom::Retired),
            Err(_elapsed) => Err(NoRoom::Busy),
        }
    }

    /// The most recently used environment that lives.
    pub(crate) fn take_idle(&self) -> Option<Arc<Environment>> {
        let mut idle = self.idle();
        while let Some(environment) = idle.environments.pop() {
            if environment.is_running() {
                return Some(environment);
            }
        }
        None
    }

    /// Takes an environment back that has finished its invocation. It is called before the permit is given up,
    /// so that whoever gets that finds the environment.
    pub(crate) fn give_back(&self, environment: Arc<Environment>) {
        let mut idle = self.idle();
        if idle.retired {
            environment.kill();
        } else {
            idle.environments.push(environment);
        }
    }

    /// Forgets an environment whose process has ended.
    pub(crate) fn forget(&self, id: &str) {
        self.idle().environments.retain(|environment| environment.id() != id);
    }

    /// Ends the idle environments, sends the waiting on, and lets running invocations finish.
    pub(crate) fn retire(&self) {
        self.room.close();
        let mut idle = self.idle();
        idle.retired = true;
        for environment in idle.environments.drain(..) {
            environment.kill();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, free again when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(queued: &'a AtomicUsize, capacity: usize) -> Option<Self> {
        let place = Self(queued);
        // Dropping the place on the way out undoes the count.
        (queued.fetch_add(1, Ordering::Relaxed) < capacity).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_after_use_and_after_refusal() {
        let queued = AtomicUsize::new(0);
        let first = Place::take(&queued, 1).expect("room for one");
        assert!(Place::take(&queued, 1).is_none());
        drop(first);
        assert!(Place::take(&queued, 1).is_some());
        assert_eq!(queued.load(Ordering::Relaxed), 0);
    }
}
