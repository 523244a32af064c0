#![doc = include_str!("../README.md")]
//!
//! **Invariant:** the value of a key is made here, handed to API Gateway and to the caller, and written
//! nowhere else.

mod error;
mod gateway;
mod item;
mod key_value;
mod onboarding;
mod tenants;

pub use error::ControlError;
pub use key_value::ApiKeyValue;
pub use onboarding::Onboarding;
pub use tenants::Tenants;
