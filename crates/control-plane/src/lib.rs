#![doc = include_str!("../README.md")]
//!
//! **Invariant:** the value of a key is made here, handed to API Gateway and to the caller, and written
//! nowhere else.

mod audit;
mod changes;
mod checkpoints;
mod desk;
mod error;
mod gateway;
mod item;
mod key_value;
mod keys;
mod listing;
mod onboarding;
mod pending;
mod reading;
mod reconcile;
mod tenants;
mod work;

pub use audit::Audit;
pub use changes::Changes;
pub use error::ControlError;
pub use key_value::ApiKeyValue;
pub use keys::{Keys, MAX_ACTIVE_KEYS};
pub use listing::{TenantCursor, TenantCursorError, TenantListing};
pub use onboarding::Onboarding;
pub use reconcile::{Reconcile, Reconciled};
pub use tenants::Tenants;
