#![doc = include_str!("../README.md")]
//!
//! **Invariant:** every call carries the partition key of the bound tenant's context, and no method takes
//! one. There is no Scan and no `PartiQL`.

mod condition;
mod cursor;
mod error;
mod item;
mod precondition;
mod records;

pub use cursor::{Cursor, CursorError, Order};
pub use error::StoreError;
pub use precondition::Precondition;
pub use records::{RecordKey, Records, Saved};
