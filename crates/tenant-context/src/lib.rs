#![doc = include_str!("../README.md")]
//!
//! **Invariant:** a [`TenantContext`] comes from [`Contexts`] alone. It has no public constructor and no
//! `Deserialize`, so that no request can bring one along.
//!
//! **Invariant:** the names of two tenants never meet, whatever their ids: ids hold neither `#`, `/` nor
//! `-`, and every name ends the id with one of these or stands for it alone.

mod aws;
mod bound;
mod cache;
mod context;
mod idempotency;
mod ids;
mod isolation;
mod item;
mod limits;
mod lookup;
mod names;
mod usage;

pub use aws::{Aws, AwsFailure, AwsSettings, Meter, Secret, Table};
pub use bound::{Bound, OpenError, Operator};
pub use cache::Cache;
pub use context::{Caller, TenantContext};
pub use idempotency::{IdempotencyItem, IdempotentRequest};
pub use ids::{ApiKeyId, IdError, TenantId};
pub use isolation::{IsolationMode, Role};
pub use item::{Held, KeyItem};
pub use limits::{FileSizeLimits, KeyLimits, TierLimitsError};
pub use lookup::{ContextError, Contexts};
pub use names::{KeyPartition, ObjectPrefix, PartitionKey, SiloNames};
pub use usage::{PlanItem, QuotaNow, UsageDayItem, UsageItem};
