//! `bench-stack`: how fast the local stack answers, what its gateway and its checks add, what its limits keep in
//! memory, what many tenants cost, and what listings and large objects cost.
//!
//! Callers, stack and functions share this machine's processors, so what is shown holds for the whole of
//! them. It ends with 1 where a budget is exceeded, and with 2 where something could not be measured.

#[path = "../bench/checks.rs"]
mod checks;
#[path = "../bench/client.rs"]
mod client;
#[path = "../bench/cost.rs"]
mod cost;
#[path = "../bench/load.rs"]
mod load;
#[path = "../bench/memory.rs"]
mod memory;
#[path = "../bench/objects.rs"]
mod objects;
#[path = "../bench/tenants.rs"]
mod tenants;

use std::io::{Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Parser as _;
use serde::Serialize;
use serde_json::{Value, json};
use testkit::{Stack, workspace};
use tokio::runtime::Builder;

use crate::checks::Checks;
use crate::client::Target;
use crate::cost::Cost;
use crate::load::{Load, ROUNDS};
use crate::memory::Memory;
use crate::objects::Objects;
use crate::tenants::{Question, Tenants};

/// Whose request it is: the premium tier's, which has no quota.
const TENANT: &str = "initech";

/// What is asked for, behind the API's address.
const PATH: &str = "/records/notes/first";

/// What every limit of the templates becomes, as text and as the number that it must be read as.
const UNLIMITED: (&str, u32) = ("1000000", 1_000_000);

/// Measures the local stack.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "bench-stack", version)]
struct Flags {
    /// Requests in a round.
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    requests: u32,
    /// Show one JSON object in place of the table.
    #[arg(long)]
    json: bool,
    /// Measure what many tenants cost, and nothing else.
    #[arg(long)]
    tenants: bool,
    /// Measure memory in this process: what the program calls itself with.
    #[arg(long, hide = true)]
    memory_probe: bool,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Report {
    profile: &'static str,
    request: String,
    requests_per_round: u32,
    rounds: u32,
    load: Vec<Load>,
    gateway: Cost,
    checks: Checks,
    memory: Memory,
    tenants: Tenants,
    objects: Objects,
    passed: bool,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // Where not even that can be said, the status says it.
            let _ = writeln!(stderr().lock(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether every budget was kept.
fn run(flags: &Flags) -> anyhow::Result<bool> {
    if flags.memory_probe {
        // On one thread, for which the allocator has one arena.
        let memory = Builder::new_current_thread().enable_all().build()?.block_on(memory::probe())?;
        writeln!(stdout().lock(), "{}", serde_json::to_string(&memory)?)?;
        return Ok(true);
    }
    if flags.tenants {
        let tenants = Builder::new_multi_thread().enable_all().build()?.block_on(many_tenants())?;
        writeln!(stdout().lock(), "{}", serde_json::to_string(&tenants)?)?;
        return Ok(tenants.passed);
    }
    let report = Builder::new_multi_thread().enable_all().build()?.block_on(report(flags.requests))?;
    let mut out = stdout().lock();
    if flags.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        show(&report, &mut out)?;
    }
    Ok(report.passed)
}

async fn report(requests: u32) -> anyhow::Result<Report> {
    // First, with the machine to itself: where memory cannot be read, nothing else is measured in vain.
    let memory = memory::measure().await?;
    let folder = tempfile::tempdir()?;
    let stack = Arc::new(unlimited_stack(folder.path(), &[]).await?);
    let tenant = stack.tenant(TENANT);
    let target = Target::new(&format!("{}{PATH}", stack.state().api_url), &tenant.api_key)?;
    let event = event(&tenant.api_key_id, &tenant.api_key)?;

    let load = load::measure(&target, requests).await?;
    // As a task, because the stack's are: a caller on a thread of its own would be woken on another processor.
    let running = Arc::clone(&stack);
    let measured = async move { cost::measure(&running, &target, &event, requests).await };
    let gateway = tokio::spawn(measured).await??;
    let running = Arc::clone(&stack);
    let checks = tokio::spawn(async move { checks::measure(&running, TENANT, requests).await }).await??;

    let tenants = many_tenants().await?;

    let objects = objects::measure(&stack).await?;

    Ok(Report {
        profile: if cfg!(debug_assertions) { "dev" } else { "release" },
        request: format!("GET {PATH}"),
        requests_per_round: requests,
        rounds: ROUNDS,
        passed: gateway.passed && checks.passed && memory.passed && tenants.passed && objects.passed,
        load,
        gateway,
        checks,
        memory,
        tenants,
        objects,
    })
}

/// What many tenants cost, on stacks of their own.
async fn many_tenants() -> anyhow::Result<Tenants> {
    let folder = tempfile::tempdir()?;
    let uncached = [("TenantContextTtl", "0")];
    let small = unlimited_stack(&folder.path().join("few"), &uncached).await?;
    let large = unlimited_stack(&folder.path().join("many"), &uncached).await?;
    tokio::spawn(async move { tenants::measure([&small, &large]).await }).await?
}

/// A stack of the project's own templates, whose limits are out of reach.
async fn unlimited_stack(folder: &Path, parameters: &[(&str, &str)]) -> anyhow::Result<Stack> {
    std::fs::create_dir_all(folder)?;
    for name in ["template.yaml", "usage-plans.yaml"] {
        let path = workspace().join("infra").join(name);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        std::fs::write(folder.join(name), unlimited(&text))?;
    }
    let stack = Stack::with(|options| {
        options.template = folder.join("template.yaml");
        options.usage_plans = folder.join("usage-plans.yaml");
        let given = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        options.parameters.extend(given);
    })
    .await;
    for plan in &stack.inner().stack().plans {
        let rows = plan.stages.iter().flat_map(|stage| &stage.routes).map(|row| row.throttle);
        let mut throttles = plan.throttle.into_iter().chain(rows);
        let is_unlimited = plan.quota.is_none() && throttles.all(|throttle| throttle.burst == UNLIMITED.1);
        ensure!(is_unlimited, "a limit of {} could not be raised", plan.name);
    }
    Ok(stack)
}

/// A template without quotas, and with every rate and burst out of reach. A limit in a form that this does not
/// know makes a template that cannot be read.
fn unlimited(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("Quota:"));
    let raised = lines.map(|line| raise(&raise(line, "RateLimit: "), "BurstLimit: ") + "\n");
    raised.collect()
}

/// The line with another number behind each `name`.
fn raise(line: &str, name: &str) -> String {
    let mut parts = line.split(name);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |raised, part| {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        raised + name + UNLIMITED.0 + rest
    })
}

/// The event that the gateway makes of the request.
fn event(api_key_id: &str, api_key: &str) -> anyhow::Result<Bytes> {
    let path = workspace().join("events/records-get/ok.json");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    // The value stands where the event of the repository says that it was taken out.
    let mut event: Value = serde_json::from_str(&text.replace("redacted", api_key))?;
    event["requestContext"]["identity"]["apiKeyId"] = json!(api_key_id);
    Ok(event.to_string().into())
}

/// The table for people.
fn show(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let Report {
        profile,
        request,
        requests_per_round,
        rounds,
        load,
        gateway,
        checks,
        memory,
        tenants,
        objects,
        passed: _,
    } = report;
    writeln!(out, "{request}, {profile} profile, {rounds} rounds of {requests_per_round} requests")?;
    writeln!(out)?;
    writeln!(out, "{:>7}  {:>10}  {:>8}  {:>8}", "clients", "requests/s", "p50 ms", "p99 ms")?;
    for Load { clients, requests_per_second, p50_ms, p99_ms } in load {
        writeln!(out, "{clients:>7}  {requests_per_second:>10.0}  {p50_ms:>8.3}  {p99_ms:>8.3}")?;
    }
    writeln!(out)?;
    writeln!(out, "{:<26} {:>8.3} ms", "through the gateway", gateway.through_ms)?;
    writeln!(out, "{:<26} {:>8.3} ms", "straight at the function", gateway.direct_ms)?;
    writeln!(
        out,
        "{:<26} {:>8.3} ms, of which {:.3} ms is the HTTP exchange itself (at most {} ms: {})",
        "the gateway adds",
        gateway.added_ms,
        gateway.http_ms,
        gateway.budget_ms,
        verdict(gateway.passed)
    )?;
    writeln!(out)?;
    writeln!(out, "{:<26} {:>8.3} ms", "GetItem through the stack", checks.checked_ms)?;
    writeln!(out, "{:<26} {:>8.3} ms", "without any check", checks.unchecked_ms)?;
    writeln!(
        out,
        "{:<26} {:>8.1} % of it (at most {} %: {})",
        "signature and policies are",
        checks.share_percent,
        checks.budget_percent,
        verdict(checks.passed)
    )?;
    writeln!(out)?;
    writeln!(out, "{} keys with {} routes each", memory.keys, memory.routes)?;
    writeln!(
        out,
        "{:<26} {:>8} bytes (at most {}: {})",
        "a key's counters",
        memory.counters_bytes,
        memory.budget_bytes,
        verdict(memory.passed)
    )?;
    writeln!(out, "{:<26} {:>8} bytes", "the key and its counters", memory.total_bytes)?;
    writeln!(out)?;
    show_tenants(tenants, out)?;
    writeln!(out)?;
    show_objects(objects, out)
}

fn show_tenants(tenants: &Tenants, out: &mut impl Write) -> std::io::Result<()> {
    let Tenants { few, many, questions, budget, passed: _ } = tenants;
    for Question { what, few_ms, many_ms, ratio, passed } in questions {
        writeln!(out, "{what:<26} {few_ms:>8.3} ms with {few} tenants")?;
        writeln!(
            out,
            "{:<26} {many_ms:>8.3} ms with {many}, {ratio:.2} times that (at most {budget}: {})",
            "",
            verdict(*passed)
        )?;
    }
    Ok(())
}

fn show_objects(objects: &Objects, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{:<26} {:>8.3} ms", format!("a page of {} objects", objects.few), objects.few_ms)?;
    writeln!(
        out,
        "{:<26} {:>8.3} ms, {:.2} times that (at most {}: {})",
        format!("a page of {} objects", objects.many),
        objects.many_ms,
        objects.page_ratio,
        objects.page_budget,
        verdict(objects.page_ratio <= objects.page_budget)
    )?;
    writeln!(out, "{:<26} {:>8.0} MiB/s up", "1 GiB through S3", objects.upload_mib_s)?;
    writeln!(out, "{:<26} {:>8.0} MiB/s down", "", objects.download_mib_s)?;
    writeln!(
        out,
        "{:<26} {:>8} MiB (at most {}: {})",
        "its memory meanwhile",
        objects.memory_mib,
        objects.memory_budget_mib,
        verdict(objects.memory_mib <= objects.memory_budget_mib)
    )
}

fn verdict(passed: bool) -> &'static str {
    if passed { "pass" } else { "FAIL" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_a_template_is_out_of_reach() {
        let limited =
            "Throttle: { RateLimit: 0.5, BurstLimit: 10 }\n  Quota: { Limit: 1, Period: DAY }\nStage: v1\n";
        let free = "Throttle: { RateLimit: 1000000, BurstLimit: 1000000 }\nStage: v1\n";
        assert_eq!(unlimited(limited), free);
    }
}
