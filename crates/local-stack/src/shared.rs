//! What the parts of a running stack share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use local_aws::{Dynamo, Iam, S3};
use local_gateway::{KeyStore, LimitRules, LiveStack};

use crate::clock::StackClock;
use crate::events::Events;
use crate::faults::Faults;
use crate::gate::Gate;
use crate::lambda::Lambda;
use crate::output::Notices;

/// The state behind all addresses.
pub(crate) struct Shared {
    pub(crate) live: Arc<LiveStack>,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) dynamo: Arc<Dynamo>,
    pub(crate) s3: Arc<S3>,
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) events: Arc<Events>,
    pub(crate) clock: Arc<StackClock>,
    pub(crate) iam: Arc<Iam>,
    pub(crate) rules: LimitRules,
    pub(crate) gate: Gate,
    /// Held by whoever changes what is in force: an edit, a build, a snapshot that is loaded, a move of the clock.
    pub(crate) changing: Mutex<()>,
    pub(crate) notices: Notices,
}

impl Shared {
    /// Waits until nobody else changes what is in force. This blocks.
    pub(crate) fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
