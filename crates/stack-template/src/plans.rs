//! Usage plans.

use crate::model::{Api, Period, PlanStage, Quota, RouteThrottle, UsagePlan};
use crate::node::{Entry, Node};
use crate::properties::{Notes, Properties};
use crate::scope::derived_id;

const TYPE: &str = "AWS::ApiGateway::UsagePlan";
/// API Gateway's quota of method throttles for a stage of a plan.
const MAX_THROTTLES: usize = 20;

/// Reads a plan. `apis` is `None` where they could not be read themselves: then nothing is held against them.
pub(crate) fn read(notes: &Notes, logical_id: &str, node: &Node, apis: Option<&[Api]>) -> UsagePlan {
    let properties = Properties::of(notes, logical_id, TYPE, node);
    let throttle = properties.map("Throttle").map(|throttle| {
        let limit = throttle.throttle("RateLimit", "BurstLimit");
        throttle.finish();
        limit
    });
    let quota = properties.map("Quota").map(|quota| {
        // With the largest Offset that API Gateway takes for it: it would refuse another at deployment.
        let (period, most) = match quota.required("Period").as_str() {
            "DAY" => (Period::Day, 0),
            "WEEK" => (Period::Week, 6),
            "MONTH" => (Period::Month, 27),
            _ => {
                quota.refuse(quota.line, "Period must be DAY, WEEK or MONTH");
                (Period::Month, u64::MAX)
            }
        };
        if quota.get("Limit").is_none() {
            quota.refuse(quota.line, "Limit is missing");
        }
        let limit = quota.number("Limit", 0..=i64::MAX as u64).unwrap_or_default();
        let offset = quota.number("Offset", 0..=i64::MAX as u64).unwrap_or_default();
        if offset > most {
            let line = quota.get("Offset").map_or(quota.line, |node| node.line);
            quota.refuse(line, format!("Offset is {offset}; with this Period it must be at most {most}"));
        }
        quota.finish();
        Quota { limit, period, offset }
    });
    let mut stages: Vec<PlanStage> = Vec::new();
    for node in properties.list("ApiStages") {
        let stage = Properties::of(notes, logical_id, format!("{TYPE}/ApiStages"), node);
        if let Some(read) = plan_stage(&stage, throttle.is_some(), apis) {
            if stages.iter().any(|other| (&other.api_id, &other.stage) == (&read.api_id, &read.stage)) {
                stage.refuse(stage.line, format!("the stage {} stands twice", read.stage));
            }
            stages.push(read);
        }
        stage.finish();
    }
    let plan = UsagePlan {
        logical_id: logical_id.to_owned(),
        id: derived_id(logical_id, 6),
        name: properties.required("UsagePlanName"),
        description: properties.text("Description").unwrap_or_default(),
        throttle,
        quota,
        stages,
    };
    properties.ignore(&["Tags"]);
    properties.finish();
    plan
}

fn plan_stage(stage: &Properties<'_>, plan_has_throttle: bool, apis: Option<&[Api]>) -> Option<PlanStage> {
    let (api_id, name) = (stage.required("ApiId"), stage.required("Stage"));
    let throttles = stage.get("Throttle");
    let api = apis.map(|apis| apis.iter().find(|api| api.api_id == api_id && api.stage == name));
    if api == Some(None) {
        stage.refuse(stage.line, format!("there is no API {api_id} with a stage {name}"));
        return None;
    }
    let mut routes: Vec<RouteThrottle> = Vec::new();
    if let Some(node) = throttles {
        let Some(entries) = node.entries() else {
            stage.refuse(node.line, "Throttle must be a map of routes");
            return None;
        };
        if entries.len() > MAX_THROTTLES {
            stage.refuse(
                node.line,
                format!(
                    "{} method throttles; a plan takes at most {MAX_THROTTLES} for a stage",
                    entries.len()
                ),
            );
        }
        if !plan_has_throttle && !entries.is_empty() {
            stage.refuse(node.line, "method throttles need a Throttle of the plan itself");
        }
        routes.extend(entries.iter().filter_map(|entry| route_throttle(stage, entry, api.flatten())));
    }
    Some(PlanStage { api_id, stage: name, routes })
}

/// A row such as `/records/{collection}/GET`; the root resource's is `//GET`.
fn route_throttle(stage: &Properties<'_>, entry: &Entry, api: Option<&Api>) -> Option<RouteThrottle> {
    let Some((path, method)) = entry.key.rsplit_once('/').filter(|(path, _)| path.starts_with('/')) else {
        stage.refuse(entry.line, format!("{} must be a path and a method, such as /tenant/GET", entry.key));
        return None;
    };
    if let Some(api) = api
        && !api.routes.iter().any(|route| route.path == path && route.method == method)
    {
        let nearest = api
            .routes
            .iter()
            .map(|route| format!("{}/{}", route.path, route.method))
            .min_by_key(|route| distance(route, &entry.key));
        let hint = nearest.map_or_else(String::new, |route| format!("; did you mean {route}?"));
        stage.refuse(entry.line, format!("there is no route {}{hint}", entry.key));
    }
    let limit =
        Properties::of(stage.notes(), stage.resource(), format!("{TYPE}/{}", entry.key), &entry.value);
    let throttle = limit.throttle("RateLimit", "BurstLimit");
    limit.finish();
    Some(RouteThrottle { method: method.to_owned(), path: path.to_owned(), throttle })
}

/// Levenshtein's distance of two short texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
