#![doc = include_str!("../README.md")]
//!
//! **Invariant:** routes, functions, tables and plans come from the templates; nothing here lists them again.
//! The few names that the stack knows by itself are those that the state file promises to programs.

mod adapters;
mod bed;
mod binaries;
mod clock;
mod flags;
mod output;
mod parts;
mod run;
mod seed;
mod stack;
mod state;

pub use binaries::folder;
pub use clock::{TimeSource, TimeSourceError};
pub use flags::{Flags, Functions};
pub use output::LogFormat;
pub use run::{complain, run};
pub use stack::{LocalStack, Options, read_stack};
pub use stack_template::{Api, Stack};
pub use state::{AdminCredentials, State, TenantState};
