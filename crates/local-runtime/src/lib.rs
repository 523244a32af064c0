#![doc = include_str!("../README.md")]
//!
//! **Invariant:** idle and running environments of one function together never exceed its bound. A permit of
//! the pool is held while one runs, and a new one starts only where none is idle.
//!
//! **Invariant:** an event is handed to one environment at most once; it is offered to another only where the
//! first never fetched it.
//!
//! **Invariant:** a function's process inherits nothing of this process's environment.

mod api;
mod cargo_lambda;
mod environment;
mod error;
mod failure;
mod invocation;
mod output;
mod pool;
mod process;
mod runtime;
mod settings;
mod spec;

pub use cargo_lambda::CargoLambda;
pub use error::{InvokeError, RuntimeError};
pub use invocation::{Invocation, InvokeOptions, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES};
pub use output::{MAX_LINE_BYTES, OutputLine, Stream};
pub use runtime::Runtime;
pub use settings::{Clock, RuntimeSettings};
pub use spec::{Credentials, FunctionSpec};
