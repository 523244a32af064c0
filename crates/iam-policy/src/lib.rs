#![doc = include_str!("../README.md")]
//!
//! **Invariant:** this crate does no I/O, reads no clock and knows no AWS service.
//!
//! **Invariant:** a statement that denies wins over every one that allows; what is not known never allows.
//!
//! **Invariant:** text that comes from a request is never read as a pattern.

mod arn;
mod condition;
mod context;
mod document;
mod error;
mod evaluate;
mod json;
mod key;
mod operator;
mod pattern;
mod principal;
mod statement;
mod tri;
mod value;
mod verdict;

pub use context::Context;
pub use document::{Kind, Policy};
pub use error::{Place, PolicyError};
pub use evaluate::{Named, Principal, Request, evaluate, evaluate_trust};
pub use statement::{Effect, Statement};
pub use verdict::{By, Decision, Layer, TrustVerdict, Verdict};
