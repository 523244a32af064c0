//! The time, as a dependency.

use std::time::SystemTime;

/// The two times that signatures are judged by.
///
/// Any `Fn() -> SystemTime` is a clock whose two times are the same.
pub trait Clock: Send + Sync {
    /// The real time. Clients sign with theirs, so the skew of a signature is judged by it.
    fn now(&self) -> SystemTime;

    /// The stack's own time at a real time, past or present.
    ///
    /// It runs ahead once it was moved by hand. Presigned requests and sessions expire by it.
    fn stack_time(&self, real: SystemTime) -> SystemTime {
        real
    }
}

impl<F: Fn() -> SystemTime + Send + Sync> Clock for F {
    fn now(&self) -> SystemTime {
        self()
    }
}
