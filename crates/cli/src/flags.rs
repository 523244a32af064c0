//! The command line.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use contract::{Isolation, OutOfRange, QuotaPercent, TenantStatus, UsageDays};

use crate::duration;
use crate::ids::{ApiKeyId, TenantId};

/// The heading of the options that all commands have.
const GLOBAL: &str = "Global options";
/// The most requests of one grant.
const MAX_GRANT: u32 = 1_000_000_000;

/// The platform team's command line: tenants, their keys, and the usage plans.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "tenantry",
    version,
    after_help = "Exit codes: 0 done; 1 refused, or mistakes in the plans; 2 a command line that cannot be carried \
                  out, or plans that differ; 3 out of reach, or done and a new key's value lost."
)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) place: PlaceFlags,
    /// Answer in JSON, for programs.
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the calls go: to the local stack, unless an address, a region or a profile is given. Then the credentials
/// are those of the profile, or without one those of the environment: `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, and else those of the profile that `AWS_PROFILE` names.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PlaceFlags {
    /// What the local stack tells programs.
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        default_value = ".local/stack.json",
        value_name = "PATH"
    )]
    pub(crate) state_file: PathBuf,
    /// The control API on AWS, with its stage, such as `https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1`.
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "URL")]
    pub(crate) api_url: Option<String>,
    /// The region on AWS, where neither the address nor the profile names it.
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) region: Option<String>,
    /// The profile of AWS's shared files whose credentials are used on AWS.
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(crate) profile: Option<String>,
}

impl PlaceFlags {
    /// Whether AWS is meant, and not the local stack. Variables do not say so: a developer has them set for other
    /// tools.
    pub(crate) fn mean_aws(&self) -> bool {
        self.api_url.is_some() || self.region.is_some() || self.profile.is_some()
    }
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
    /// Show what keys have used, and who is near a quota.
    #[command(subcommand)]
    Usage(UsageCommand),
    /// Compare and check the usage plans.
    #[command(subcommand)]
    Plans(PlansCommand),
    /// Show who has changed a tenant, newest first.
    #[command(after_help = "Example: tenantry audit acme")]
    Audit {
        /// The tenant.
        tenant_id: TenantId,
    },
    /// Print what makes a shell complete this command line.
    #[command(
        after_help = "Example: tenantry completions bash > ~/.local/share/bash-completion/completions/tenantry"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How a command can be repeated.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OnceFlag {
    /// Makes it once, however often the command is given with this key within 24 hours: 1 to 255 visible ASCII
    /// characters. After a failure, give it again.
    #[arg(long, value_name = "KEY", value_parser = once)]
    pub(crate) idempotency_key: Option<String>,
}

/// What to do with tenants.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum TenantsCommand {
    /// Onboard a tenant; its first key's value is shown this once.
    #[command(
        after_help = "Example: tenantry tenants create --name Acme --email ops@acme.example --tier free --contact \
                      phone=+15550100"
    )]
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
        #[command(flatten)]
        once: OnceFlag,
    },
    /// List tenants, a page at a time.
    #[command(after_help = "Example: tenantry tenants list --tier free --all")]
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
    #[command(after_help = "Example: tenantry tenants show acme")]
    Show {
        /// The tenant.
        tenant_id: TenantId,
    },
    /// Change what is known of a tenant, or its tier.
    #[command(
        group = clap::ArgGroup::new("change").required(true).multiple(true),
        after_help = "Example: tenantry tenants update acme --tier standard"
    )]
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
        /// Remove all contact details.
        #[arg(long, group = "change", conflicts_with = "contact")]
        no_contact: bool,
        /// Tier: the tenant's keys move to its usage plan.
        #[arg(long, group = "change")]
        tier: Option<String>,
        /// Refuse unless this is the tenant's version.
        #[arg(long)]
        if_version: Option<u64>,
    },
    /// Refuse a tenant's requests until it is resumed.
    #[command(after_help = "Example: tenantry tenants suspend acme --reason unpaid")]
    Suspend {
        /// The tenant.
        tenant_id: TenantId,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Serve a suspended tenant again.
    #[command(after_help = "Example: tenantry tenants resume acme")]
    Resume {
        /// The tenant.
        tenant_id: TenantId,
    },
    /// Offboard a tenant: it is not served any more, what it has is exported, and deleted after the grace. Until the
    /// deletion begins, resume undoes it.
    #[command(after_help = "Example: tenantry tenants delete acme --grace 30d")]
    Delete {
        /// The tenant.
        tenant_id: TenantId,
        /// For how long it can be undone, such as `12h` or `30d`, at most `90d`.
        #[arg(long, default_value = "30d", value_name = "DURATION", value_parser = duration::grace)]
        grace: u32,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Move a tenant from the pool into a table and a bucket of its own, or tell where its move stands. It goes on for
    /// more than an hour, in which nothing is handed out that could change the data; near its end writes wait for some
    /// minutes.
    #[command(after_help = "Example: tenantry tenants move-to-silo acme")]
    MoveToSilo {
        /// The tenant.
        tenant_id: TenantId,
        /// For how long the tenant's writes may wait, from 10m to 24h; 15m where it is not said. A move that does not come
        /// to its end in the time lets them go on, and tries again an hour later.
        #[arg(long, value_name = "DURATION", value_parser = duration::pause, conflicts_with = "abandon")]
        longest_pause: Option<u32>,
        /// Give the move up, which is possible until the tenant reads its silo.
        #[arg(long)]
        abandon: bool,
    },
    /// Import the export of an offboarded tenant into one that has nothing yet. Its writes wait until all of it is
    /// there.
    #[command(
        after_help = "Example: tenantry tenants import acme2 --from acme/000004/ --key k3dnxw3c8n=9dd8zbvt6x"
    )]
    Import {
        /// The tenant.
        tenant_id: TenantId,
        /// The export, as the offboarding shows it, or its prefix alone.
        #[arg(long, value_name = "EXPORT", value_parser = export, required_unless_present = "abandon", conflicts_with = "abandon")]
        from: Option<String>,
        /// An exported key, and the tenant's key that gets its checkpoints; may be repeated. It can be left out where
        /// there is one of each.
        #[arg(long = "key", value_name = "OLD=NEW", value_parser = pair, conflicts_with = "abandon")]
        keys: Vec<(String, String)>,
        /// Leave the checkpoints out.
        #[arg(long, conflicts_with_all = ["keys", "abandon"])]
        without_checkpoints: bool,
        /// Give the import up, which is possible until it is done: what it has written is deleted.
        #[arg(long)]
        abandon: bool,
    },
}

/// What to do with keys.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a further key; its value is shown this once.
    #[command(after_help = "Example: tenantry keys create acme --idempotency-key second-key")]
    Create {
        /// The tenant.
        tenant_id: TenantId,
        #[command(flatten)]
        once: OnceFlag,
    },
    /// List a tenant's keys, never their values.
    #[command(after_help = "Example: tenantry keys list acme")]
    List {
        /// The tenant.
        tenant_id: TenantId,
    },
    /// Put a new key in a key's place; its value is shown this once.
    #[command(after_help = "Example: tenantry keys rotate acme k3dnxw3c8n --overlap 7d")]
    Rotate {
        /// The tenant.
        tenant_id: TenantId,
        /// The key that ends.
        api_key_id: ApiKeyId,
        /// How long the old key still works, such as `12h` or `7d`, at most `30d`.
        #[arg(
            long,
            default_value = "0",
            value_name = "DURATION",
            value_parser = duration::overlap,
            allow_hyphen_values = true
        )]
        overlap: u32,
        /// Do not ask, where the old key ends at once.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        once: OnceFlag,
    },
    /// Delete a key.
    #[command(after_help = "Example: tenantry keys revoke acme k3dnxw3c8n")]
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

/// What to show of usage. It is as old as the last snapshot, which a schedule makes every five minutes.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum UsageCommand {
    /// Show what the keys that the tenant has now have used of their quotas, and on which days.
    #[command(after_help = "Example: tenantry usage show acme --days 7")]
    Show {
        /// The tenant.
        tenant_id: TenantId,
        /// How many days, today's included, at most 92; 31 without it.
        #[arg(long)]
        days: Option<UsageDays>,
    },
    /// Give a key more requests, for what is left of its quota's period.
    #[command(after_help = "Example: tenantry usage grant acme --requests 500")]
    Grant {
        /// The tenant.
        tenant_id: TenantId,
        /// How many requests more.
        #[arg(long, value_name = "NUMBER", value_parser = requests, allow_hyphen_values = true)]
        requests: u32,
        /// The key; it can be left out where the tenant has one working key.
        #[arg(long, value_name = "API_KEY_ID")]
        api_key_id: Option<ApiKeyId>,
        #[command(flatten)]
        once: OnceFlag,
    },
    /// List the keys that have used much of their quotas, the most first, and when each is used up at the present
    /// pace.
    #[command(after_help = "Example: tenantry usage near-limit --at 90% --all")]
    NearLimit {
        /// The least part of the quota that is gone.
        #[arg(long, default_value = "80%", value_name = "PERCENT", value_parser = percent)]
        at: QuotaPercent,
        /// Keys in a page.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
        limit: Option<u8>,
        /// Where to go on: the cursor that the page before ended with.
        #[arg(long)]
        cursor: Option<String>,
        /// Every page from here on.
        #[arg(long)]
        all: bool,
    },
}

/// What to do with usage plans.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum PlansCommand {
    /// Show the plans that are in force, or one of them route by route.
    #[command(after_help = "Example: tenantry plans show free")]
    Show {
        /// The tier whose plan is shown: its name without `tenantry-`.
        tier: Option<String>,
    },
    /// Show where the file and what is in force differ; exit code 2 where they do.
    #[command(after_help = "Example: tenantry plans diff")]
    Diff {
        #[command(flatten)]
        files: PlanFiles,
        /// The data API's id on AWS.
        #[arg(long, value_name = "ID")]
        data_api_id: Option<String>,
    },
    /// Find mistakes in the file before AWS does; exit code 1 where there are any.
    #[command(after_help = "Example: tenantry plans check --usage-plans new-plans.yaml")]
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

/// A part in percent, with or without its sign.
fn percent(text: &str) -> Result<QuotaPercent, OutOfRange> {
    text.strip_suffix('%').unwrap_or(text).parse()
}

fn requests(text: &str) -> Result<u32, String> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let number = number.filter(|number| (1..=MAX_GRANT).contains(number));
    number.ok_or_else(|| format!("must be a whole number from 1 to {MAX_GRANT}"))
}

fn once(text: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 255 visible ASCII characters".to_owned())
    }
}

/// The prefix of an export, which may stand behind its bucket: there is one bucket of exports in a deployment.
fn export(text: &str) -> Result<String, String> {
    let Some(place) = text.strip_prefix("s3://") else { return Ok(text.to_owned()) };
    match place.split_once('/') {
        Some((bucket, prefix)) if bucket.starts_with("tenantry-exports-") => Ok(prefix.to_owned()),
        _ => Err("must be in the bucket tenantry-exports-…".to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
#[path = "flags_tests.rs"]
mod tests;
