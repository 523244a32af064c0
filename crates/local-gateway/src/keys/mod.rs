//! API keys and the usage plans that they belong to.

mod counters;
mod database;
mod index;
mod model;
mod store;

pub(crate) use counters::{Asked, USAGE_DAYS, UsageRow, attached_day};
pub use model::{Admission, ApiKey, ApiKeyValue, KeyChange, NewApiKey, Page, Rejection};
pub use store::{KeyStore, MAX_KEYS};
pub(crate) use store::{no_such_key, no_such_member, no_such_plan};
