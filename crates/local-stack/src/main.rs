//! `local-stack`: the whole backend on one machine.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use local_stack::{Flags, run};

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(flags, Path::new(".")).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            local_stack::complain(&error);
            ExitCode::FAILURE
        }
    }
}
