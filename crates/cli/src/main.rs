#![doc = include_str!("../README.md")]
//!
//! **Invariant:** everything that changes a tenant goes through the control API; the management calls of API
//! Gateway are only read from here.

mod client;
mod confirm;
mod duration;
mod failure;
mod flags;
mod ids;
mod keys;
mod place;
mod plans;
mod said;
mod show;
mod tenants;

use std::process::ExitCode;

use clap::Parser as _;

use crate::client::Client;
use crate::failure::Failure;
use crate::flags::{Command, Flags, PlaceFlags};
use crate::place::Place;
use crate::said::Said;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Flags { place, json, command } = match Flags::try_parse() {
        Ok(flags) => flags,
        // A program that asked for JSON gets it for its own mistakes too.
        Err(error) if error.use_stderr() && std::env::args_os().any(|word| word == "--json") => {
            return Failure::Usage(error.to_string()).report(true);
        }
        Err(error) => error.exit(),
    };
    match run(&place, command).await.and_then(|said| said.write(json)) {
        Ok(outcome) => outcome.into(),
        Err(failure) => failure.report(json),
    }
}

async fn run(place: &PlaceFlags, command: Command) -> Result<Said, Failure> {
    let client = || Place::open(place).map(Client::new);
    match command {
        Command::Tenants(command) => tenants::run(&client()?, command).await,
        Command::Keys(command) => keys::run(&client()?, command).await,
        Command::Plans(command) => plans::run(client, command).await,
        Command::Audit { tenant_id } => tenants::audit(&client()?, &tenant_id).await,
    }
}
