#![doc = include_str!("../README.md")]
//!
//! **Invariant:** everything that changes a tenant goes through the control API; the management calls of API
//! Gateway are only read from here.

mod asker;
mod audit;
mod client;
mod completions;
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
mod usage;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use crate::asker::Asker;
use crate::client::Client;
use crate::failure::Failure;
use crate::flags::{Command, Flags, PlaceFlags};
use crate::place::Place;
use crate::said::Said;
use crate::words::Words;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Flags { place, json, command } = match Flags::try_parse() {
        Ok(flags) => flags,
        // A program that asked for JSON gets it for its own mistakes too.
        Err(error) if error.use_stderr() && std::env::args_os().any(|word| word == "--json") => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            return Failure::Usage(text.to_owned()).report(true);
        }
        Err(error) => error.exit(),
    };
    let words = Words::of(&command);
    let said = run(&place, command).await.map_err(|failure| failure.in_words(words));
    match said.and_then(|said| said.write(json)) {
        Ok(outcome) => outcome.into(),
        Err(failure) => failure.report(json),
    }
}

async fn run(place: &PlaceFlags, command: Command) -> Result<Said, Failure> {
    // What is wrong with it matters to commands that ask somebody, and to no others.
    let asker = Asker::find(place).await;
    let client = || Place::open(place, asker?).map(Client::new);
    match command {
        Command::Tenants(command) => tenants::run(&client()?, command).await,
        Command::Keys(command) => keys::run(&client()?, command).await,
        Command::Usage(command) => usage::run(&client()?, command).await,
        Command::Plans(command) => plans::run(client, command).await,
        Command::Audit { tenant_id } => audit::run(&client()?, &tenant_id).await,
        Command::Completions { shell } => completions::run(shell),
    }
}
