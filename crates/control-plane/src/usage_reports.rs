//! What API Gateway reports of plans and of what their keys have used.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::UsagePlan;
use contract::{PlanQuota, RequestRate, RouteRate};
use tenant_context::{Aws, AwsFailure, UsageDayItem};
use time::Date;

use crate::ControlError;
use crate::gateway::{PREFIX, quota};
use crate::usage_figures::DayFigures;

/// The most that API Gateway answers in one page.
const PAGE: i32 = 500;
/// Pages of one list or report at most: an account has 10,000 keys and 300 plans.
pub(crate) const MAX_PAGES: usize = 40;

/// The calls that a snapshot needs. None of them changes anything.
#[derive(Debug)]
pub(crate) struct UsageReports {
    client: Client,
}

/// The plan of a tier.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TierPlan {
    pub(crate) id: String,
    pub(crate) tier: String,
    pub(crate) quota: Option<PlanQuota>,
    pub(crate) throttle: Option<RequestRate>,
    pub(crate) routes: Vec<RouteRate>,
}

/// Keys with what each has used day by day, the last day last.
pub(crate) type Report = Vec<(String, Vec<DayFigures>)>;

impl UsageReports {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self { client: crate::gateway::client(aws) }
    }

    /// The plans of all tiers.
    pub(crate) async fn plans(&self) -> Result<Vec<TierPlan>, ControlError> {
        let mut found = Vec::new();
        let mut position = None;
        for _ in 0..MAX_PAGES {
            let plans = self.client.get_usage_plans().limit(PAGE).set_position(position).send().await;
            let plans = plans.map_err(AwsFailure::of("GetUsagePlans"))?;
            position = plans.position;
            for plan in plans.items.unwrap_or_default() {
                found.extend(tier_plan(&plan)?);
            }
            if position.is_none() {
                return Ok(found);
            }
        }
        Err(ControlError::Incomplete("end of the usage plans"))
    }

    /// How many keys the account has, those of others included.
    pub(crate) async fn count_keys(&self) -> Result<u32, ControlError> {
        let (mut keys, mut position) = (0, None);
        for _ in 0..MAX_PAGES {
            let page = self.client.get_api_keys().limit(PAGE).set_position(position).send().await;
            let page = page.map_err(AwsFailure::of("GetApiKeys"))?;
            keys += u32::try_from(page.items().len()).unwrap_or(u32::MAX);
            position = page.position;
            if position.is_none() {
                return Ok(keys);
            }
        }
        Err(ControlError::Incomplete("end of the keys"))
    }

    /// A page of what the keys of a plan have used from one day to another, both included, and where the next
    /// page begins.
    pub(crate) async fn page(
        &self,
        plan: &str,
        (first, last): (Date, Date),
        position: Option<String>,
    ) -> Result<(Report, Option<String>), ControlError> {
        let report = self
            .client
            .get_usage()
            .usage_plan_id(plan)
            .start_date(UsageDayItem::text(first))
            .end_date(UsageDayItem::text(last))
            .limit(PAGE)
            .set_position(position)
            .send()
            .await
            .map_err(AwsFailure::of("GetUsage"))?;
        let keys = report.items.unwrap_or_default().into_iter();
        Ok((
            keys.map(|(key, days)| (key, days.iter().map(|pair| figures(pair)).collect())).collect(),
            report.position,
        ))
    }
}

/// What was used on a day, and what was left.
fn figures(pair: &[i64]) -> DayFigures {
    let number =
        |index: usize| pair.get(index).and_then(|number| u64::try_from(*number).ok()).unwrap_or_default();
    DayFigures { used: number(0), remaining: number(1) }
}

/// The plan, where it is that of a tier.
fn tier_plan(plan: &UsagePlan) -> Result<Option<TierPlan>, ControlError> {
    let Some(tier) = plan.name().and_then(|name| name.strip_prefix(PREFIX)).map(str::to_owned) else {
        return Ok(None);
    };
    let quota = quota(plan)?;
    let throttle = plan
        .throttle()
        .map(|limits| RequestRate { rate: limits.rate_limit(), burst: burst(limits.burst_limit()) });
    let mut routes = Vec::new();
    for stage in plan.api_stages() {
        for (route, limits) in stage.throttle().into_iter().flatten() {
            // The path has slashes, the method none.
            let Some((path, method)) = route.rsplit_once('/') else { continue };
            routes.push(RouteRate {
                method: method.to_owned(),
                path: path.to_owned(),
                rate: limits.rate_limit(),
                burst: burst(limits.burst_limit()),
            });
        }
    }
    routes.sort_by(|one, other| (&one.path, &one.method).cmp(&(&other.path, &other.method)));
    let id = plan.id.clone().ok_or(ControlError::Incomplete("plan id"))?;
    Ok(Some(TierPlan { id, tier, quota, throttle, routes }))
}

fn burst(limit: i32) -> u32 {
    u32::try_from(limit).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigateway::types::{ApiStage, QuotaPeriodType, QuotaSettings, ThrottleSettings};
    use contract::QuotaPeriod;

    use super::*;

    fn plan(name: &str, period: QuotaPeriodType) -> UsagePlan {
        let limits = |rate, burst| ThrottleSettings::builder().rate_limit(rate).burst_limit(burst).build();
        let stage = ApiStage::builder()
            .throttle("/files/{name+}/GET", limits(5.0, 10))
            .throttle("/files/GET", limits(0.5, 1))
            .throttle("//GET", limits(1.0, 1));
        UsagePlan::builder()
            .id("p1")
            .name(name)
            .quota(QuotaSettings::builder().limit(10_000).period(period).build())
            .throttle(limits(5.0, 10))
            .api_stages(stage.build())
            .build()
    }

    #[test]
    fn a_tiers_plan_is_read_with_its_routes_in_order() {
        let read = tier_plan(&plan("tenantry-free", QuotaPeriodType::Month)).unwrap().unwrap();
        assert_eq!((read.id.as_str(), read.tier.as_str()), ("p1", "free"));
        assert_eq!(read.quota, Some(PlanQuota { limit: 10_000, period: QuotaPeriod::Month }));
        assert_eq!(read.throttle, Some(RequestRate { rate: 5.0, burst: 10 }));
        let routes: Vec<_> = read
            .routes
            .iter()
            .map(|route| (route.method.as_str(), route.path.as_str(), route.burst))
            .collect();
        assert_eq!(routes, [("GET", "/", 1), ("GET", "/files", 1), ("GET", "/files/{name+}", 10)]);
    }

    #[test]
    fn a_plan_of_somebody_elses_is_passed_over_and_an_unknown_period_is_an_error() {
        assert_eq!(tier_plan(&plan("partners", QuotaPeriodType::Day)).unwrap(), None);
        let unknown = tier_plan(&plan("tenantry-free", QuotaPeriodType::from("YEAR")));
        assert!(matches!(unknown, Err(ControlError::Incomplete(_))), "{unknown:?}");
    }

    #[test]
    fn a_pair_that_lacks_a_number_counts_as_nothing() {
        assert_eq!(figures(&[3, 7]), DayFigures { used: 3, remaining: 7 });
        assert_eq!(figures(&[-1]), DayFigures { used: 0, remaining: 0 });
    }
}
