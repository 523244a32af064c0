#![doc = include_str!("../README.md")]
//!
//! **Invariant:** nothing here stands in for a part of the product.

pub mod conformance;
mod http_client;
mod process;
mod sdk;
mod secrets;
mod stack;
mod vended;

pub use http_client::{Answer, Signing, request, signed, upload};
pub use process::StackProcess;
pub use sdk::s3_client;
pub use stack::{Stack, workspace};
pub use vended::{Vended, own_calls};

/// Makes a test of each function for each isolation mode, which the function is given.
#[macro_export]
macro_rules! in_both_modes {
    ($($test:ident),* $(,)?) => {
        mod application {
            $(#[tokio::test] async fn $test() { super::$test("application").await; })*
        }

        mod session {
            $(#[tokio::test] async fn $test() { super::$test("session").await; })*
        }
    };
}
