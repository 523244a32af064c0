#![doc = include_str!("../README.md")]
//!
//! **Invariant:** no service sees a request before its signature was verified, its service was found in the
//! signed credential scope, and [`Authorize`] has allowed its action.
//!
//! **Invariant:** secrets and session tokens are compared in constant time and are in no `Debug` output, no
//! error and no answer.
//!
//! **Invariant:** what DynamoDB's server is sent is made of the verified request: one operation, one body, and
//! no header that was not looked at.

mod authorize;
mod clock;
mod dynamo;
mod error;
mod front;
mod iam;
mod principals;
mod protocol;
mod random;
mod s3;
mod secret;
mod sessions;
mod sigv4;
mod sts;
mod tap;
#[cfg(test)]
mod testing;

pub use authorize::{Authorize, Denied};
pub use clock::Clock;
pub use dynamo::Dynamo;
pub use error::Error;
pub use front::{Front, Service, Services, Signed, StreamService};
pub use iam::{DecisionRecord, Iam, lambda_function};
pub use principals::{MAX_PRINCIPALS, Principal, PrincipalKind, Principals};
pub use protocol::rest_json_error;
pub use s3::S3;
pub use secret::Secret;
pub use sessions::{Session, SessionFacts, Sessions};
pub use sigv4::{SignatureError, Verified, Verifier};
pub use sts::{Roles, Sts};
pub use tap::{Call, Fate, Tap};
