#![doc = include_str!("../README.md")]
//!
//! **Invariant:** a key's value stands in the event and in the answers of calls that ask for it. It is
//! in no `Debug` output, no [`RequestRecord`] and no error.
//!
//! **Invariant:** every acknowledged write to the [`KeyStore`] is on disk. What requests look up is in
//! memory, is bounded by the number of keys, and changes after the disk has.
//!
//! **Invariant:** what a limit decides follows from the counters, the stack's time and the request alone. Of
//! concurrent requests, each is decided on what the ones before it have left.
//!
//! **Invariant:** paths are matched as they were sent. `..`, `//` and encoded slashes are neither decoded
//! nor normalised, so nothing can be smuggled past a route or a policy by spelling it differently (A).

mod error;
mod event;
mod exchange;
mod gateway;
mod gateway_response;
mod identifier;
mod keys;
mod limits;
mod live;
mod management;
mod media_type;
mod ports;
mod proxy_response;
mod router;
#[cfg(test)]
mod testing;

pub use error::Error;
pub use gateway::{Gateway, GatewaySettings, MAX_BODY_BYTES};
pub use identifier::api_key_id;
pub use keys::{Admission, ApiKey, ApiKeyValue, KeyChange, KeyStore, MAX_KEYS, NewApiKey, Page, Rejection};
pub use limits::{Bound, Limit, LimitRules, RouteLimits, Standing};
pub use live::LiveStack;
pub use management::Management;
pub use ports::{
    Authorizer, Caller, Clock, Denial, Denied, InvokeFailure, Invoked, Invoker, Observer, RequestRecord,
};
