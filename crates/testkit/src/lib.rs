#![doc = include_str!("../README.md")]
//!
//! **Invariant:** nothing here stands in for a part of the product.

pub mod conformance;
mod http_client;
mod process;
mod stack;

pub use http_client::{Answer, request, signed};
pub use process::StackProcess;
pub use stack::{Stack, workspace};
