#![doc = include_str!("../README.md")]
//!
//! **Invariant:** the value of a key is made here, handed to API Gateway and to the caller, and written
//! nowhere else.

mod audit;
mod batch;
mod changes;
mod checkpoints;
mod desk;
mod digest;
mod error;
mod file_copy;
mod file_removal;
mod gateway;
mod grants;
mod hex;
mod importing;
mod item;
mod key_value;
mod keys;
mod leaving;
mod listing;
mod moving;
mod onboarding;
mod pending;
mod provisioning;
mod raw_item;
mod reading;
mod reconcile;
mod repeats;
mod room;
mod silo;
mod silo_bucket;
mod silo_table;
mod task;
mod tenants;
mod usage_figures;
mod usage_listing;
mod usage_of_tenant;
mod usage_reports;
mod usage_snapshot;
mod work;
mod writes;

pub use audit::Audit;
pub use changes::Changes;
pub use error::ControlError;
pub use grants::Grants;
pub use importing::Imports;
pub use key_value::ApiKeyValue;
pub use keys::Keys;
pub use leaving::Departures;
pub use listing::{TenantCursor, TenantCursorError, TenantListing};
pub use moving::Moves;
pub use onboarding::Onboarding;
pub use reconcile::{Reconcile, Reconciled};
pub use repeats::Answered;
pub use room::KeyRoom;
pub use tenants::Tenants;
pub use usage_listing::{NearLimits, UsageCursor, UsageCursorError, UsageListing};
pub use usage_of_tenant::TenantUsage;
pub use usage_snapshot::{UsageSnapped, UsageSnapshot};
