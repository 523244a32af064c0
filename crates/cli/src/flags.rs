//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use contract::{Isolation, TenantStatus};

use crate::duration;
use crate::ids::{ApiKeyId, TenantId};

/// The platform team's command line: tenants, their keys, and the usage plans.
///
/// Exit codes: 0 done; 1 refused; 2 a command line that cannot be carried out, and plans that differ; 3 out of
/// reach.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tenantry", version)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) place: PlaceFlags,
    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the calls go: to the local stack, unless an address or a region is given. Then the credentials are those
/// of the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlaceFlags {
    /// What the local stack tells programs.
    #[arg(long, global = true, default_value = ".local/stack.json", value_name = "PATH")]
    pub(crate) state_file: PathBuf,
    /// The control API on AWS, with its stage, such as `https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1`.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) api_url: Option<String>,
    /// The region on AWS, where the address does not name it.
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
}

/// What to do.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// Onboard, look up, change, suspend and resume tenants.
    #[command(subcommand)]
    Tenants(TenantsCommand),
    /// Make, list, rotate and revoke a tenant's keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Compare and check the usage plans.
    #[command(subcommand)]
    Plans(PlansCommand),
    /// Show who has changed a tenant, newest first.
    Audit {
        /// The tenant.
        tenant_id: TenantId,
    },
}

/// What to do with tenants.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum TenantsCommand {
    /// Onboard a tenant; its first key's value is shown this once.
    Create {
        /// Display name.
        #[arg(long)]
        name: String,
        /// E-mail address of the tenant's owner.
        #[arg(long)]
        email: String,
        /// Tier: the usage plan's name without `tenantry-`.
        #[arg(long)]
        tier: String,
        /// A further contact detail; may be repeated.
        #[arg(long = "contact", value_name = "NAME=VALUE", value_parser = pair)]
        contact: Vec<(String, String)>,
        /// Where the data lies.
        #[arg(long, default_value = "pooled", value_parser = isolations())]
        isolation: Isolation,
        /// The id to give; a random one without it.
        #[arg(long)]
        tenant_id: Option<TenantId>,
    },
    /// List tenants, a page at a time.
    List {
        /// Only those of this status; `active` without it.
        #[arg(long, value_parser = statuses())]
        status: Option<TenantStatus>,
        /// Only those of this tier.
        #[arg(long)]
        tier: Option<String>,
        /// How many at most, 1 to 100.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
        limit: Option<u8>,
        /// Where to go on: the cursor that the page before ended with.
        #[arg(long)]
        cursor: Option<String>,
        /// Every page from here on.
        #[arg(long)]
        all: bool,
    },
    /// Show a tenant with its keys.
    Show {
        /// The tenant.
        tenant_id: TenantId,
    },
    /// Change what is known of a tenant, or its tier.
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Update {
        /// The tenant.
        tenant_id: TenantId,
        /// Display name.
        #[arg(long, group = "change")]
        name: Option<String>,
        /// E-mail address of the tenant's owner.
        #[arg(long, group = "change")]
        email: Option<String>,
        /// A contact detail; may be repeated. All details are replaced by those that are given.
        #[arg(long = "contact", value_name = "NAME=VALUE", value_parser = pair, group = "change")]
        contact: Vec<(String, String)>,
        /// Tier: the tenant's keys move to its usage plan.
        #[arg(long, group = "change")]
        tier: Option<String>,
        /// Refuse unless this is the tenant's version.
        #[arg(long)]
        if_version: Option<u64>,
    },
    /// Refuse a tenant's requests until it is resumed.
    Suspend {
        /// The tenant.
        tenant_id: TenantId,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Serve a suspended tenant again.
    Resume {
        /// The tenant.
        tenant_id: TenantId,
    },
}

/// What to do with keys.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a further key; its value is shown this once.
    Create {
        /// The tenant.
        tenant_id: TenantId,
    },
    /// List a tenant's keys, never their values.
    List {
        /// The tenant.
        tenant_id: TenantId,
    },
    /// Put a new key in a key's place; its value is shown this once.
    Rotate {
        /// The tenant.
        tenant_id: TenantId,
        /// The key that ends.
        api_key_id: ApiKeyId,
        /// How long the old key still works, such as `12h` or `7d`, at most `30d`.
        #[arg(long, default_value = "0", value_name = "DURATION", value_parser = duration::overlap)]
        overlap: u32,
        /// Do not ask, where the old key ends at once.
        #[arg(long)]
        yes: bool,
    },
    /// Delete a key.
    Revoke {
        /// The tenant.
        tenant_id: TenantId,
        /// The key.
        api_key_id: ApiKeyId,
        /// Even where it is the tenant's last active one.
        #[arg(long)]
        force: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// What to do with usage plans.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum PlansCommand {
    /// Show the plans that are in force, or one of them route by route.
    Show {
        /// The tier whose plan is shown: its name without `tenantry-`.
        tier: Option<String>,
    },
    /// Show where the file and what is in force differ; exit code 2 where they do.
    Diff {
        #[command(flatten)]
        files: PlanFiles,
        /// The data API's id on AWS.
        #[arg(long, value_name = "ID")]
        data_api_id: Option<String>,
    },
    /// Find mistakes in the file before AWS does; exit code 1 where there are any.
    Check {
        #[command(flatten)]
        files: PlanFiles,
    },
}

/// The files that say what the plans are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlanFiles {
    /// The SAM template, which has the routes.
    #[arg(long, default_value = "infra/template.yaml", value_name = "PATH")]
    pub(crate) template: PathBuf,
    /// The usage plans.
    #[arg(long, default_value = "infra/usage-plans.yaml", value_name = "PATH")]
    pub(crate) usage_plans: PathBuf,
}

fn statuses() -> impl TypedValueParser<Value = TenantStatus> {
    PossibleValuesParser::new(TenantStatus::ALL.iter().map(|status| status.as_str()))
        .try_map(|word| word.parse::<TenantStatus>())
}

fn isolations() -> impl TypedValueParser<Value = Isolation> {
    PossibleValuesParser::new(Isolation::ALL.iter().map(|isolation| isolation.as_str()))
        .try_map(|word| word.parse::<Isolation>())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    fn read(line: &str) -> Result<Flags, clap::Error> {
        Flags::try_parse_from(std::iter::once("tenantry").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn flags_for_all_commands_stand_before_or_behind_the_command() {
        for line in
            ["--json --state-file s.json tenants show acme", "tenants show acme --json --state-file s.json"]
        {
            let flags = read(line).unwrap();
            assert!(flags.json, "{line}");
            assert_eq!(flags.place.state_file, PathBuf::from("s.json"), "{line}");
        }
    }

    #[test]
    fn every_command_is_read() {
        for line in [
            "tenants create --name Acme --email a@b.example --tier free --contact phone=1 --contact fax=2",
            "tenants create --name Acme --email a@b.example --tier free --isolation siloed --tenant-id acme",
            "tenants list --status suspended --tier free --limit 100 --cursor abc --all",
            "tenants show acme",
            "tenants update acme --tier standard --if-version 3",
            "tenants suspend acme --reason unpaid",
            "tenants resume acme",
            "keys create acme",
            "keys list acme",
            "keys rotate acme k1 --overlap 7d",
            "keys revoke acme k1 --force --yes",
            "plans show",
            "plans show free",
            "plans diff --data-api-id a1b2c3",
            "plans check --usage-plans other.yaml --template t.yaml",
            "audit acme",
            "audit acme --api-url https://h/v1 --region eu-central-1",
        ] {
            read(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn what_is_no_command_ends_with_the_code_for_usage() {
        for line in [
            "",
            "tenants",
            "tenants show",
            "tenants show Acme",
            "tenants show acme/keys",
            "tenants create --name Acme --tier free",
            "tenants create --name A --email e --tier free --contact phone",
            "tenants create --name A --email e --tier free --isolation own",
            "tenants list --limit 0",
            "tenants list --limit 101",
            "tenants list --status gone",
            "tenants update acme",
            "tenants update acme --if-version 3",
            "keys rotate acme",
            "keys rotate acme k1 --overlap 31d",
            "keys revoke acme k/1",
        ] {
            assert_eq!(read(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }
}
