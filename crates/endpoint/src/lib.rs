#![doc = include_str!("../README.md")]
//!
//! **Invariant:** a handler runs after its caller is known, and never before. A request without one is
//! refused here, in one place.
//!
//! **Invariant:** the environment is read in [`Settings`] alone, and once.

mod conditions;
mod event;
mod log;
mod reply;
mod request;
mod serve;
mod settings;
mod task;

pub use conditions::{etag, if_none_match_holds, precondition};
pub use reply::Reply;
pub use request::{Limit, Request};
pub use serve::{Handler, StartError, serve, serve_operator};
pub use settings::{Settings, SettingsError};
pub use task::{TaskEvent, serve_task};
