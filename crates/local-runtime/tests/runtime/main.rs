//! The runtime with real processes, which are built from `examples/function.rs`.

mod concurrency;
mod failures;
mod support;
