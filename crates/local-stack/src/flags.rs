//! The binary's flags.

use std::path::PathBuf;
use std::str::FromStr;

use crate::clock::TimeSource;
use crate::output::LogFormat;

/// Runs Tenantry on this machine: both APIs, the functions, and the AWS services that they use.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "local-stack", version, args_override_self = true)]
pub struct Flags {
    /// Port of the data API; 0 takes any free one.
    #[arg(long, default_value_t = 8080)]
    pub api_port: u16,
    /// Port of the control API.
    #[arg(long, default_value_t = 8081)]
    pub admin_port: u16,
    /// Port of the AWS services.
    #[arg(long, default_value_t = 4566)]
    pub aws_port: u16,
    /// Folder that keeps tables, keys and plans between runs.
    #[arg(long, default_value = ".local/data", conflicts_with = "ephemeral")]
    pub data_dir: PathBuf,
    /// Keep everything in memory and forget it at the end.
    #[arg(long)]
    pub ephemeral: bool,
    /// Where the functions come from. `built`: binaries beside this one, built first where sources are here.
    #[arg(long, default_value = "built")]
    pub functions: Functions,
    /// Where to tell programs what the table tells people.
    #[arg(long, default_value = ".local/stack.json")]
    pub state_file: PathBuf,
    /// Start without demo tenants.
    #[arg(long)]
    pub no_seed: bool,
    /// The stack's time: `real`, or `fixed:` and an RFC 3339 time.
    #[arg(long, default_value = "real")]
    pub time: TimeSource,
    /// A parameter of the template; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub parameters: Vec<(String, String)>,
    /// How requests and functions' output are shown.
    #[arg(long, default_value = "pretty")]
    pub log: LogFormat,
    /// The SAM template.
    #[arg(long, default_value = "infra/template.yaml")]
    pub template: PathBuf,
    /// The usage plans.
    #[arg(long, default_value = "infra/usage-plans.yaml")]
    pub usage_plans: PathBuf,
}

/// Where functions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Functions {
    /// Binaries beside the stack's own.
    Built,
}

impl FromStr for Functions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "built" => Ok(Self::Built),
            _ => Err("must be built".to_owned()),
        }
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}
