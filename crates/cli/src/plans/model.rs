//! A plan as the file has it, and as it is in force.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};
use stack_template::{Period, Quota, Throttle, UsagePlan};

use crate::show::plain;

/// What the names of Tenantry's plans begin with; the tier follows.
pub(crate) const PREFIX: &str = "tenantry-";

/// A plan, from wherever.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) quota: Option<Quota>,
    /// The stages that it opens, with each route's own throttle.
    pub(crate) stages: BTreeMap<StageId, BTreeMap<Route, Throttle>>,
}

/// A stage of an API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StageId {
    pub(crate) api_id: String,
    pub(crate) stage: String,
}

/// A method of an API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) method: String,
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", plain(&self.api_id), plain(&self.stage))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", plain(&self.method), plain(&self.path))
    }
}

impl Plan {
    /// The file's plan. The file names the data API by a parameter: `api_id` is what it stands for on AWS, and
    /// without it the local stack's id stands.
    pub(crate) fn of_file(plan: &UsagePlan, api_id: Option<&str>) -> Self {
        let stages = plan.stages.iter().map(|stage| {
            let api_id = api_id.unwrap_or(&stage.api_id).to_owned();
            let routes = stage.routes.iter().map(|route| {
                (Route { path: route.path.clone(), method: route.method.clone() }, route.throttle)
            });
            (StageId { api_id, stage: stage.stage.clone() }, routes.collect())
        });
        Self { name: plan.name.clone(), throttle: plan.throttle, quota: plan.quota, stages: stages.collect() }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let stages: Vec<_> = self
            .stages
            .iter()
            .map(|(id, routes)| {
                let routes: Vec<_> = routes
                    .iter()
                    .map(|(Route { path, method }, Throttle { rate, burst })| {
                        json!({ "method": method, "path": path, "rate": rate, "burst": burst })
                    })
                    .collect();
                json!({ "api_id": id.api_id, "stage": id.stage, "routes": routes })
            })
            .collect();
        json!({
            "name": self.name,
            "throttle": self.throttle.map(|Throttle { rate, burst }| json!({ "rate": rate, "burst": burst })),
            "quota": self.quota.map(|Quota { limit, period, offset }| {
                json!({ "limit": limit, "period": period.as_str(), "offset": offset })
            }),
            "stages": stages,
        })
    }
}

/// A limit for people.
pub(crate) fn limit_text(throttle: Option<Throttle>) -> String {
    throttle.map_or_else(|| "none".to_owned(), |Throttle { rate, burst }| format!("{rate}/s, burst {burst}"))
}

/// A quota for people.
pub(crate) fn quota_text(quota: Option<Quota>) -> String {
    let Some(Quota { limit, period, offset }) = quota else { return "none".to_owned() };
    let period = match period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    };
    if offset == 0 { format!("{limit} a {period}") } else { format!("{limit} a {period}, offset {offset}") }
}

/// A plan in API Gateway's answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WirePlan {
    #[serde(default)]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    throttle: Option<WireThrottle>,
    quota: Option<WireQuota>,
    api_stages: Option<Vec<WireStage>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStage {
    api_id: String,
    stage: String,
    throttle: Option<BTreeMap<String, WireThrottle>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireThrottle {
    #[serde(default)]
    rate_limit: f64,
    #[serde(default)]
    burst_limit: u32,
}

#[derive(Debug, Deserialize)]
struct WireQuota {
    limit: u64,
    #[serde(default)]
    offset: u64,
    period: WirePeriod,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum WirePeriod {
    Day,
    Week,
    Month,
}

impl From<WireThrottle> for Throttle {
    fn from(wire: WireThrottle) -> Self {
        Self { rate: wire.rate_limit, burst: wire.burst_limit }
    }
}

impl From<WireQuota> for Quota {
    fn from(wire: WireQuota) -> Self {
        let period = match wire.period {
            WirePeriod::Day => Period::Day,
            WirePeriod::Week => Period::Week,
            WirePeriod::Month => Period::Month,
        };
        Self { limit: wire.limit, period, offset: wire.offset }
    }
}

impl From<WirePlan> for Plan {
    fn from(wire: WirePlan) -> Self {
        let stages = wire.api_stages.into_iter().flatten().map(|stage| {
            let routes = stage.throttle.unwrap_or_default().into_iter().map(|(key, throttle)| {
                // A row such as `/tenant/GET`; the root resource's is `//GET`.
                let (path, method) = key.rsplit_once('/').unwrap_or((key.as_str(), ""));
                (Route { path: path.to_owned(), method: method.to_owned() }, throttle.into())
            });
            (StageId { api_id: stage.api_id, stage: stage.stage }, routes.collect())
        });
        Self {
            name: wire.name,
            throttle: wire.throttle.map(Throttle::from),
            quota: wire.quota.map(Quota::from),
            stages: stages.collect(),
        }
    }
}
