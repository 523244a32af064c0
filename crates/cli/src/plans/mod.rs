//! `tenantry plans`.

mod check;
mod diff;
mod model;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::json;
use stack_template::{Inputs, ReadError, Stack};

use crate::client::{Client, query};
use crate::failure::{Failure, Outcome};
use crate::flags::{PlanFiles, PlansCommand};
use crate::plans::check::mistakes;
use crate::plans::diff::{Difference, differences, plans_to_apply};
use crate::plans::model::{PREFIX, Plan, WirePlan, limit_text, quota_text};
use crate::said::Said;
use crate::show::{plain, table};

/// What the files are read with. Neither names anything that plans refer to.
const ACCOUNT: &str = "000000000000";
const REGION: &str = "eu-central-1";
/// How long AWS takes for one plan, in seconds: `UpdateUsagePlan` has a rate of one call in that time.
const SECONDS_PER_PLAN: usize = 20;
/// AWS has at most 300 plans in an account, and a page holds up to 500.
const MAX_PAGES: usize = 20;

pub(crate) async fn run(
    client: impl FnOnce() -> Result<Client, Failure>,
    command: PlansCommand,
) -> Result<Said, Failure> {
    match command {
        PlansCommand::Show { tier } => show(&in_force(&client()?).await?, tier.as_deref()),
        PlansCommand::Diff { files, data_api_id } => {
            are_there(&files)?;
            let stack = read(&files).map_err(|error| Failure::refused(error.to_string()))?;
            let client = client()?;
            let message = match (&data_api_id, client.is_local()) {
                (None, false) => Some("--data-api-id is needed: the id that AWS has given the data API"),
                (Some(_), true) => {
                    Some("--data-api-id is for AWS: the local stack's id follows from the template")
                }
                (Some(_), false) | (None, true) => None,
            };
            if let Some(message) = message {
                return Err(Failure::Usage(message.to_owned()));
            }
            let file: Vec<_> =
                stack.plans.iter().map(|plan| Plan::of_file(plan, data_api_id.as_deref())).collect();
            Ok(diff(&differences(&file, &in_force(&client).await?)))
        }
        PlansCommand::Check { files } => {
            are_there(&files)?;
            let found = match read(&files) {
                Ok(stack) => mistakes(&stack),
                Err(error) => error.findings.iter().map(ToString::to_string).collect(),
            };
            Ok(check(&found))
        }
    }
}

/// Checks that both files can be opened: one that cannot is no mistake in it.
fn are_there(files: &PlanFiles) -> Result<(), Failure> {
    for path in [&files.template, &files.usage_plans] {
        std::fs::File::open(path).map_err(|error| {
            Failure::Usage(format!(
                "{}: {error}\n  Run it in the project's folder, or give --template and --usage-plans.",
                path.display()
            ))
        })?;
    }
    Ok(())
}

fn read(files: &PlanFiles) -> Result<Stack, ReadError> {
    stack_template::read(&Inputs {
        template: files.template.clone(),
        usage_plans: files.usage_plans.clone(),
        account_id: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        stack_name: "tenantry".to_owned(),
        parameters: BTreeMap::new(),
    })
}

#[derive(Deserialize)]
struct Page {
    item: Option<Vec<WirePlan>>,
    position: Option<String>,
}

/// Tenantry's plans that are in force, in the order of their names. Others of the account are left out.
async fn in_force(client: &Client) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::new();
    let mut position: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let query = query(&[("limit", Some("500")), ("position", position.as_deref())]);
        let page: Page = serde_json::from_value(client.management(&format!("/usageplans{query}")).await?)
            .map_err(|error| Failure::Unreachable(format!("API Gateway's plans cannot be read: {error}")))?;
        plans.extend(page.item.into_iter().flatten().filter(|plan| plan.name.starts_with(PREFIX)));
        position = page.position;
        if position.is_none() {
            return by_name(plans);
        }
    }
    Err(Failure::refused("the list of plans does not end"))
}

/// The plans in the order of their names. Two of one name, as a stack that was deleted and made again leaves
/// them, are refused: tenants are in one of them, and nothing here says in which.
fn by_name(mut plans: Vec<WirePlan>) -> Result<Vec<Plan>, Failure> {
    plans.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some([one, other]) = plans.array_windows().find(|[one, other]| one.name == other.name) {
        let (name, ids) = (plain(&one.name), [plain(&one.id), plain(&other.id)].join(" and "));
        return Err(Failure::refused(format!("two plans in force are named {name}: {ids}")));
    }
    Ok(plans.into_iter().map(Plan::from).collect())
}

fn show(plans: &[Plan], tier: Option<&str>) -> Result<Said, Failure> {
    let Some(tier) = tier else {
        let rows: Vec<Vec<String>> = plans
            .iter()
            .map(|plan| {
                let routes: usize = plan.stages.values().map(BTreeMap::len).sum();
                let limits = [limit_text(plan.throttle), quota_text(plan.quota), routes.to_string()];
                std::iter::once(plain(&plan.name)).chain(limits).collect()
            })
            .collect();
        let json = json!({ "plans": plans.iter().map(Plan::to_json).collect::<Vec<_>>() });
        return Ok(Said::done(json, table(&["PLAN", "LIMIT", "QUOTA", "ROUTES"], &rows)));
    };
    let name = format!("{PREFIX}{}", tier.strip_prefix(PREFIX).unwrap_or(tier));
    let plan = plans.iter().find(|plan| plan.name == name).ok_or_else(|| {
        let names: Vec<_> = plans.iter().map(|plan| plain(&plan.name)).collect();
        let others = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Failure::refused(format!("no plan {} is in force; those that are: {others}", plain(&name)))
    })?;
    let own = vec!["(the plan)".to_owned(), limit_text(plan.throttle), quota_text(plan.quota)];
    let routes = plan
        .stages
        .values()
        .flatten()
        .map(|(route, limit)| vec![route.to_string(), limit_text(Some(*limit)), "-".to_owned()]);
    let rows: Vec<Vec<String>> = std::iter::once(own).chain(routes).collect();
    Ok(Said::done(plan.to_json(), table(&["ROUTE", "LIMIT", "QUOTA"], &rows)))
}

fn diff(found: &[Difference]) -> Said {
    let plans = plans_to_apply(found);
    let seconds = plans * SECONDS_PER_PLAN;
    let json = json!({
        "differences": found.iter().map(Difference::to_json).collect::<Vec<_>>(),
        "plans_to_apply": plans,
        "seconds_to_apply": seconds,
    });
    if found.is_empty() {
        return Said::done(json, "The file and what is in force agree.\n".to_owned());
    }
    let rows: Vec<Vec<String>> = found.iter().map(Difference::cells).collect();
    let mut text = table(&["PLAN", "WHAT", "FILE", "IN FORCE"], &rows);
    text.push('\n');
    if plans > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "To apply: {plans} of the file's plans, about {seconds} s on AWS, which takes one every \
             {SECONDS_PER_PLAN} s."
        );
    }
    if found.iter().any(Difference::is_foreign) {
        text.push_str("A plan that is not in the file stays: plans are kept, since keys hang on them.\n");
    }
    Said { outcome: Outcome::Different, ..Said::done(json, text) }
}

fn check(found: &[String]) -> Said {
    let json = json!({ "mistakes": found });
    if found.is_empty() {
        return Said::done(json, "No mistakes.\n".to_owned());
    }
    let mut text: String = found.iter().flat_map(|line| [plain(line), "\n".to_owned()]).collect();
    let count = found.len();
    let _ = writeln!(text, "{count} {}.", if count == 1 { "mistake" } else { "mistakes" });
    Said { outcome: Outcome::Mistaken, ..Said::done(json, text) }
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
