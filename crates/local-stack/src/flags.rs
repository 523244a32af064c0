//! The binary's flags.

use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

use crate::clock::TimeSource;
use crate::output::LogFormat;

/// Runs Tenantry on this machine: both APIs, the functions, and the AWS services that they use.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "local-stack", version, args_override_self = true)]
#[expect(clippy::struct_excessive_bools, reason = "a switch of a command line is there or not")]
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
    /// `cargo-lambda`: a `cargo lambda watch` that is started and stopped with the stack. `cargo-lambda=URL`: one
    /// that runs elsewhere.
    #[arg(long, default_value = "built", value_name = "built|cargo-lambda[=URL]")]
    pub functions: Functions,
    /// Port of the `cargo lambda watch` that is started.
    #[arg(long, default_value_t = 9000)]
    pub lambda_port: u16,
    /// Build again on every change of sources, and run the functions as soon as they are built.
    #[arg(long)]
    pub watch: bool,
    /// Folder of the functions' binaries: this one's own, unless told otherwise.
    #[arg(long, value_name = "DIR")]
    pub binaries: Option<PathBuf>,
    /// Where to tell programs what the table tells people.
    #[arg(long, default_value = ".local/stack.json")]
    pub state_file: PathBuf,
    /// Start without demo tenants.
    #[arg(long)]
    pub no_seed: bool,
    /// The stack's time: `real`, or `fixed:` and an RFC 3339 time.
    #[arg(long, default_value = "real")]
    pub time: TimeSource,
    /// What a plan's throttle for a route does to the plan's own: AWS does not say.
    #[arg(long, default_value = "add", value_enum)]
    pub route_limits: RouteLimits,
    /// Refuse API Gateway's management calls beyond the rates that AWS publishes.
    #[arg(long)]
    pub management_rates: bool,
    /// Whether functions run on the template's schedules, by the stack's time.
    #[arg(long, default_value = "on", value_enum)]
    pub schedules: Switch,
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

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// What a plan's throttle for a route does to the plan's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RouteLimits {
    /// A request must pass both.
    Add,
    /// The route's throttle stands in place of the plan's.
    Replace,
}

impl From<RouteLimits> for local_gateway::RouteLimits {
    fn from(given: RouteLimits) -> Self {
        match given {
            RouteLimits::Add => Self::Add,
            RouteLimits::Replace => Self::Replace,
        }
    }
}

/// Where functions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Functions {
    /// Binaries beside the stack's own.
    Built,
    /// `cargo lambda watch`: one that is started with the stack, or the one at an address.
    CargoLambda(Option<Uri>),
}

impl FromStr for Functions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            None if text == "built" => Ok(Self::Built),
            None if text == "cargo-lambda" => Ok(Self::CargoLambda(None)),
            Some(("cargo-lambda", url)) => {
                let url = url.parse::<Uri>().ok().filter(|url| {
                    url.scheme_str() == Some("http") && url.authority().is_some() && url.path() == "/"
                });
                url.map(|url| Self::CargoLambda(Some(url)))
                    .ok_or_else(|| "the URL must be like http://127.0.0.1:9000".to_owned())
            }
            None | Some(_) => Err("must be built, cargo-lambda or cargo-lambda=URL".to_owned()),
        }
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_functions_come_from_is_read_or_refused() {
        assert_eq!("built".parse(), Ok(Functions::Built));
        assert_eq!("cargo-lambda".parse(), Ok(Functions::CargoLambda(None)));
        let url = Uri::from_static("http://[::1]:9000");
        assert_eq!("cargo-lambda=http://[::1]:9000".parse(), Ok(Functions::CargoLambda(Some(url))));
        for text in
            ["", "build", "cargo-lambda=", "cargo-lambda=https://h:1", "cargo-lambda=http://h/x", "built=x"]
        {
            assert!(text.parse::<Functions>().is_err(), "{text}");
        }
    }
}
