//! Tries the conformance cases and prints what became of each.
//!
//! Without flags it starts the local stack of the fixture template in this process. With `--target` the same
//! cases are aimed at a real API of the same template; CONTRIBUTING.md tells how to make it.
//!
//! Credentials are taken from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`. They must
//! allow `apigateway:GET`, `POST`, `PATCH` and `DELETE` on `/apikeys` and `/usageplans`, and `GET` on
//! `/restapis`. Every key that a case makes is deleted at its end. Cases that need limits that are kept
//! exactly, or a clock that can be moved, are skipped there; one about a quota waits for AWS's counts for up to
//! four minutes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tenant_context::{Aws, AwsSettings, FileSizeLimits, IsolationMode, KeyLimits, Secret};
use testkit::Stack;
use testkit::conformance::{Case, Outcome, Tag, Target, run};

/// Tries what Tenantry takes for facts about API Gateway and Lambda.
#[derive(clap::Parser)]
#[command(name = "conformance", version)]
struct Flags {
    /// The stage's address, `https://…/v1`; without it, the local stack is started and tried.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// The API's region.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// Where the management calls go, instead of AWS's own address.
    #[arg(long, value_name = "URL", requires = "target")]
    management_url: Option<String>,
    /// Better given in the environment than here.
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    access_key_id: Option<String>,
    /// Better given in the environment than here.
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: Option<String>,
    /// Better given in the environment than here.
    #[arg(long, env = "AWS_SESSION_TOKEN", hide_env_values = true)]
    session_token: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match tried(Flags::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Without an error output there is nobody to tell.
            let _ = writeln!(std::io::stderr().lock(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no case failed.
async fn tried(flags: Flags) -> Result<bool, String> {
    match flags.target.clone() {
        None => {
            let stack = Stack::fixture().await;
            told(&Target::of(&stack)?).await
        }
        Some(url) => told(&Target::new(&url, &aws(flags)?, false)?).await,
    }
}

fn aws(flags: Flags) -> Result<Aws, String> {
    let (Some(access_key_id), Some(secret)) = (flags.access_key_id, flags.secret_access_key) else {
        return Err("--target needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned());
    };
    Ok(Aws::new(&AwsSettings {
        region: flags.region,
        endpoint_url: flags.management_url,
        access_key_id,
        secret_access_key: Secret::new(secret),
        // An empty variable is as good as none.
        session_token: flags.session_token.filter(|token| !token.is_empty()).map(Secret::new),
        system_roots: true,
        context_ttl: Duration::ZERO,
        tables: Vec::new(),
        files_bucket: None,
        exports_bucket: None,
        file_size_limits: FileSizeLimits::default(),
        key_limits: KeyLimits::default(),
        key_headroom: 0,
        files_cors_origins: Vec::new(),
        account_id: None,
        isolation: IsolationMode::Application,
        roles: Vec::new(),
    }))
}

/// Runs the cases and prints a line for each. A case that failed has its reason in a line below.
async fn told(target: &Target) -> Result<bool, String> {
    let mut counts: BTreeMap<(char, &'static str), usize> = BTreeMap::new();
    let mut section = "";
    let mut printed = Ok(());
    let deleted = run(target, |case, outcome| {
        let word = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        };
        *counts.entry((case.tag.letter(), word)).or_default() += 1;
        let first = section != case.section;
        section = case.section;
        if printed.is_ok() {
            printed = print(case, outcome, word, first);
        }
    })
    .await;
    printed
        .and_then(|()| summary(&counts))
        .map_err(|error| format!("the table cannot be printed: {error}"))?;
    deleted.map_err(|error| format!("keys are left behind: {error}"))?;
    Ok(!counts.keys().any(|(_, word)| *word == "FAILED"))
}

fn print(case: &Case, outcome: &Outcome, word: &str, first: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if first {
        writeln!(out, "\n{}", case.section)?;
    }
    let tag = case.tag.letter();
    match outcome {
        Outcome::Passed => writeln!(out, "  {tag}  {word:<8} {}", case.name),
        Outcome::Failed(reason) => writeln!(out, "  {tag}  {word:<8} {}\n              {reason}", case.name),
        Outcome::Skipped(reason) => writeln!(out, "  {tag}  {word:<8} {} ({reason})", case.name),
    }?;
    out.flush()
}

/// One line: each outcome with its cases by tag.
fn summary(counts: &BTreeMap<(char, &'static str), usize>) -> std::io::Result<()> {
    let parts = ["passed", "FAILED", "skipped"].map(|word| {
        let of = |tag: &Tag| counts.get(&(tag.letter(), word)).copied().unwrap_or_default();
        let tags: Vec<_> = Tag::ALL.iter().map(|tag| format!("{} {}", of(tag), tag.word())).collect();
        format!("{} {word} ({})", Tag::ALL.iter().map(of).sum::<usize>(), tags.join(", "))
    });
    writeln!(std::io::stdout().lock(), "\n{}", parts.join("; "))
}
