#![doc = include_str!("../README.md")]
//!
//! **Invariant:** nothing is skipped in silence. A type or a property is acted on, listed as ignored, or an
//! error.
//!
//! **Invariant:** besides reading its two files, this crate does no I/O.

mod api;
mod data;
mod error;
mod function;
mod model;
mod node;
mod parameters;
mod plans;
mod properties;
mod read;
mod resources;
mod schedule;
mod scope;

pub use error::{Finding, Inputs, ReadError, Sources};
pub use model::*;
pub use read::{read, read_sources};
