//! Mistakes in the file that AWS would take, or refuse only in the middle of a deployment.

use std::collections::BTreeSet;

use stack_template::{Api, Stack, Throttle, UsagePlan};

use crate::plans::model::PREFIX;

/// The largest limit of a quota that API Gateway has a place for.
const MAX_QUOTA: u64 = 2_147_483_647;

/// What is wrong with plans that could be read. What cannot be read is found by reading.
pub(crate) fn mistakes(stack: &Stack) -> Vec<String> {
    let mut found = Vec::new();
    if stack.plans.is_empty() {
        found.push("there is no plan: every key would be refused".to_owned());
    }
    for plan in &stack.plans {
        let mut mistake = |text: String| found.push(format!("{}: {text}", plan.name));
        if plan.name.strip_prefix(PREFIX).is_none_or(str::is_empty) {
            mistake(format!("a plan's name is {PREFIX} and the tier"));
        }
        match plan.throttle {
            None => {
                mistake("it has no Throttle: one key could take all that the account may ask for".to_owned());
            }
            Some(limit) if refuses_all(limit) => mistake("its Throttle refuses every request".to_owned()),
            Some(_) => {}
        }
        if let Some(quota) = plan.quota {
            if quota.limit > MAX_QUOTA {
                mistake(format!("the quota is {}; API Gateway takes at most {MAX_QUOTA}", quota.limit));
            }
            if quota.limit == 0 {
                mistake("the quota refuses every request".to_owned());
            }
        }
        for api in &stack.apis {
            stage(plan, api, &mut mistake);
        }
    }
    found
}

/// Holds a plan against the stage of an API that takes keys.
fn stage(plan: &UsagePlan, api: &Api, mistake: &mut impl FnMut(String)) {
    let metered: BTreeSet<_> = api
        .routes
        .iter()
        .filter(|route| route.api_key_required)
        .map(|route| (route.path.as_str(), route.method.as_str()))
        .collect();
    if metered.is_empty() {
        return;
    }
    let Some(stage) = plan.stages.iter().find(|stage| stage.api_id == api.api_id && stage.stage == api.stage)
    else {
        mistake(format!(
            "it does not open the stage {} of {}: its keys would be refused",
            api.stage, api.name
        ));
        return;
    };
    let rows: BTreeSet<_> = stage.routes.iter().map(|row| (row.path.as_str(), row.method.as_str())).collect();
    for (path, method) in metered.difference(&rows) {
        mistake(format!("{path}/{method} has no row: only the plan's own limit would hold for it"));
    }
    for (path, method) in rows.difference(&metered) {
        mistake(format!("{path}/{method} takes no key, so its row holds for nobody"));
    }
    for row in &stage.routes {
        let name = format!("{}/{}", row.path, row.method);
        if refuses_all(row.throttle) {
            mistake(format!("{name} refuses every request"));
        }
        if let Some(own) = plan.throttle {
            if row.throttle.rate > own.rate {
                let (rate, own) = (row.throttle.rate, own.rate);
                mistake(format!(
                    "{name} has the rate {rate}, which the plan's own of {own} never lets through"
                ));
            }
            if row.throttle.burst > own.burst {
                let (burst, own) = (row.throttle.burst, own.burst);
                mistake(format!(
                    "{name} has the burst {burst}, which the plan's own of {own} never lets through"
                ));
            }
        }
    }
}

fn refuses_all(limit: Throttle) -> bool {
    limit.burst == 0 || limit.rate <= 0.0
}
