#![doc = include_str!("../README.md")]
//!
//! **Invariant:** every call carries the partition key or the object prefix of the bound tenant's context, and
//! no method takes one. There is no Scan and no `PartiQL`.
//!
//! **Invariant:** in session mode no store of tenants' data holds the function's own client: it reaches a tenant's
//! data in the tenant's session, or not at all. What keys have used is the control plane's data, which a tenant's
//! session does not reach. A session's tags come from the bound context, and a warm function keeps
//! sessions by all that the tags say.

mod access;
mod checkpoints;
mod clients;
mod condition;
mod credentials;
mod cursor;
mod error;
mod exported;
mod files;
#[cfg(test)]
mod fixture;
mod form;
mod idempotency;
mod item;
mod partition;
mod precondition;
mod records;
mod sessions;
mod usage;

pub use checkpoints::Checkpoints;
pub use credentials::Credentials;
pub use cursor::{Cursor, CursorError, ListScope, Order};
pub use error::StoreError;
pub use exported::{Exported, exported_checkpoint, exported_record, imported_checkpoint, imported_record};
pub use files::{FileCursor, FileListing, Files, listed_key};
pub use idempotency::{Idempotency, Made, Once};
pub use partition::Saved;
pub use precondition::Precondition;
pub use records::{RecordKey, Records};
pub use usage::Usage;
