//! The template in force.

use std::sync::{Arc, PoisonError, RwLock};

use stack_template::Stack;

/// The template in force, shared by every gateway and the management calls, replaced as a whole.
///
/// A request takes one [`LiveStack::current`] and keeps to it, so it never sees half of two templates.
#[derive(Debug)]
pub struct LiveStack {
    current: RwLock<Arc<Stack>>,
}

impl LiveStack {
    /// Puts a template in force.
    #[must_use]
    pub fn new(stack: Arc<Stack>) -> Self {
        Self { current: RwLock::new(stack) }
    }

    /// The template in force now.
    #[must_use]
    pub fn current(&self) -> Arc<Stack> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another template in force for the requests that come from now on.
    pub fn replace(&self, stack: Arc<Stack>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = stack;
    }
}
