#![doc = include_str!("../README.md")]
//!
//! **Invariant:** routes, functions, tables and plans come from the templates; nothing here lists them again.
//! The few names that the stack knows by itself are those that the state file promises to programs.

mod account;
mod adapters;
mod bed;
mod binaries;
mod cargo_lambda;
mod clock;
mod counters;
mod events;
mod faults;
mod flags;
mod gate;
mod iam_api;
mod lambda;
mod local_api;
mod output;
mod parts;
mod run;
mod runs;
mod schedules;
mod seed;
mod serve;
mod shared;
mod snapshots;
mod sources;
mod stack;
mod state;
mod templates;

pub use binaries::folder;
pub use clock::{TimeSource, TimeSourceError};
pub use faults::{Crash, Failing};
pub use flags::{Flags, Functions, RouteLimits, Switch};
pub use local_aws::{DecisionRecord, Iam};
pub use local_gateway::LimitRules;
pub use output::{LogFormat, Record};
pub use run::{complain, run};
pub use stack::{LocalStack, Options};
pub use stack_template::{Api, Stack};
pub use state::{AdminCredentials, State, TenantState};
pub use templates::read_stack;
