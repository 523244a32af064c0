//! The limits through a gateway: which apply, in which order, and to whom.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stack_template::{Period, Quota, RouteThrottle, Stack, StageThrottle};

use super::*;
use crate::testing::{Harness, VALUE, get, header, json as body, route, stack};

const OTHER: &str = "tntGlobexKeyValue0123456789";

/// The test's stack with two keyed routes, and limits of the plan `free00` as given.
fn limited(plan: Option<Throttle>, tenant: Option<Throttle>, quota: Option<Quota>) -> Stack {
    let mut stack = stack();
    stack.apis[0].routes.push(Route { api_key_required: true, ..route("GET", "/other") });
    stack.plans[0].throttle = plan;
    stack.plans[0].quota = quota;
    stack.plans[0].stages[0].routes = tenant
        .map(|throttle| RouteThrottle { method: "GET".to_owned(), path: "/tenant".to_owned(), throttle })
        .into_iter()
        .collect();
    stack
}

fn throttle(rate: f64, burst: u32) -> Throttle {
    Throttle { rate, burst }
}

fn harness(stack: Stack) -> Harness {
    let harness = Harness::over(stack, "{}");
    harness.seed_key(true);
    harness.key("tenantry-globex-1", OTHER, "free00", true);
    harness
}

#[tokio::test]
async fn twenty_requests_at_once_get_the_burst_and_a_second_later_the_rate_d() {
    let harness = harness(limited(Some(throttle(100.0, 100)), Some(throttle(2.0, 3)), None));
    assert_eq!(harness.let_through(20, "/v1/tenant", VALUE).await, 3);
    harness.advance(Duration::from_secs(1));
    assert_eq!(harness.let_through(20, "/v1/tenant", VALUE).await, 2);
    // Neither another route of the key nor another key has lost anything.
    assert_eq!(harness.let_through(20, "/v1/other", VALUE).await, 20);
    assert_eq!(harness.let_through(20, "/v1/tenant", OTHER).await, 3);
    assert_eq!(harness.invocations(), 28);
}

#[tokio::test]
async fn rates_can_be_fractions_and_zero_d() {
    let half = harness(limited(Some(throttle(100.0, 100)), Some(throttle(0.5, 1)), None));
    assert_eq!(half.let_through(5, "/v1/tenant", VALUE).await, 1);
    half.advance(Duration::from_secs(1));
    assert_eq!(half.let_through(5, "/v1/tenant", VALUE).await, 0);
    half.advance(Duration::from_secs(1));
    assert_eq!(half.let_through(5, "/v1/tenant", VALUE).await, 1);

    let none = harness(limited(Some(throttle(100.0, 100)), Some(throttle(0.0, 2)), None));
    assert_eq!(none.let_through(5, "/v1/tenant", VALUE).await, 2);
    none.advance(Duration::from_secs(1_000_000));
    assert_eq!(none.let_through(5, "/v1/tenant", VALUE).await, 0);

    let closed = harness(limited(Some(throttle(100.0, 100)), Some(throttle(0.0, 0)), None));
    assert_eq!(closed.let_through(5, "/v1/tenant", VALUE).await, 0);
}

#[tokio::test]
async fn a_routes_limit_adds_to_the_plans_or_replaces_it_as_the_switch_says_a() {
    let stack = || limited(Some(throttle(0.0, 4)), Some(throttle(0.0, 10)), None);
    let adds = harness(stack());
    assert_eq!(adds.let_through(20, "/v1/tenant", VALUE).await, 4);
    // The plan's own limit has been used up by the route.
    assert_eq!(adds.let_through(20, "/v1/other", VALUE).await, 0);

    let mut replaces = harness(stack());
    replaces.gateway.settings_mut().limits.route_limits = RouteLimits::Replace;
    assert_eq!(replaces.let_through(20, "/v1/tenant", VALUE).await, 10);
    assert_eq!(replaces.let_through(20, "/v1/other", VALUE).await, 4);
}

#[tokio::test]
async fn a_throttled_request_is_told_so_and_the_record_says_by_what_m() {
    let harness = harness(limited(Some(throttle(100.0, 100)), Some(throttle(2.0, 1)), None));
    harness.send(get("/v1/tenant", &[("x-api-key", VALUE)])).await;
    let response = harness.send(get("/v1/tenant", &[("x-api-key", VALUE)])).await;
    assert_eq!(response.status(), 429);
    assert_eq!(body(&response), json!({ "message": "Too Many Requests" }));
    assert_eq!(header(&response, "x-amzn-errortype"), Some("TooManyRequestsException"));
    let record = harness.last_record();
    assert_eq!(record.gateway_response, Some("THROTTLED"));
    let detail = record.detail.expect("a detail");
    assert_eq!(detail, "route GET /tenant of tenantry-free00 (rate 2, burst 1): 0.00 left");
    assert_eq!(record.refused_by, Some(0));
    let limits: Vec<_> = record.limits.iter().map(|standing| standing.limit).collect();
    assert_eq!(limits, [Limit::PlanRoute, Limit::Plan, Limit::Account]);
    let next = record.limits[0].next_at.expect("there will be room");
    assert_eq!(next.duration_since(record.at).expect("later"), Duration::from_millis(500));
    assert!((record.limits[1].left - 99.0).abs() < 1e-9);
}

#[tokio::test]
async fn the_last_request_of_a_quota_passes_and_the_next_period_frees_it_m() {
    let quota = Quota { limit: 3, period: Period::Month, offset: 0 };
    let harness = harness(limited(None, None, Some(quota)));
    assert_eq!(harness.let_through(5, "/v1/tenant", VALUE).await, 3);
    let response = harness.send(get("/v1/tenant", &[("x-api-key", VALUE)])).await;
    assert_eq!(body(&response), json!({ "message": "Limit Exceeded" }));
    assert_eq!(header(&response, "x-amzn-errortype"), Some("LimitExceededException"));
    assert_eq!(harness.last_record().gateway_response, Some("QUOTA_EXCEEDED"));
    // It is 2026-11-24; the month ends in less than a week.
    harness.advance(Duration::from_hours(7 * 24));
    assert_eq!(harness.let_through(5, "/v1/tenant", VALUE).await, 3);
    assert_eq!(harness.let_through(5, "/v1/tenant", OTHER).await, 3);
}

#[tokio::test]
async fn a_refused_request_is_counted_by_no_limit_a() {
    let quota = Quota { limit: 100, period: Period::Day, offset: 0 };
    let harness = harness(limited(Some(throttle(0.0, 50)), Some(throttle(0.0, 2)), Some(quota)));
    assert_eq!(harness.let_through(30, "/v1/tenant", VALUE).await, 2);
    let limits = harness.last_record().limits;
    let left: Vec<_> = limits.iter().map(|standing| (standing.limit, standing.left)).collect();
    assert_eq!(
        left,
        [(Limit::PlanRoute, 0.0), (Limit::Plan, 48.0), (Limit::Account, 4998.0), (Limit::Quota, 98.0)]
    );
}

#[tokio::test]
async fn the_stages_limits_hold_for_all_callers_and_each_method_by_itself_d() {
    let mut stack = limited(None, None, None);
    let setting = |path: &str, method: &str, burst| StageThrottle {
        path: path.to_owned(),
        method: method.to_owned(),
        throttle: Throttle { rate: 0.0, burst },
    };
    stack.apis[0].stage_throttles = vec![setting("/*", "*", 5), setting("/tenant", "GET", 3)];
    let harness = harness(stack);
    assert_eq!(harness.let_through(2, "/v1/tenant", VALUE).await, 2);
    assert_eq!(harness.let_through(9, "/v1/tenant", OTHER).await, 1);
    assert_eq!(harness.let_through(9, "/v1/other", OTHER).await, 5);
    // A method without a key is held by the stage as well.
    assert_eq!(harness.let_through(9, "/v1/open", OTHER).await, 5);
}

#[tokio::test]
async fn a_stage_limit_of_zero_closes_a_method_m() {
    let mut stack = limited(None, None, None);
    let throttle = Throttle { rate: 0.0, burst: 0 };
    stack.apis[0].stage_throttles =
        vec![StageThrottle { path: "/open".to_owned(), method: "GET".to_owned(), throttle }];
    let harness = harness(stack);
    let response = harness.send(get("/v1/open", &[])).await;
    assert_eq!((response.status().as_u16(), harness.invocations()), (429, 0));
}

#[tokio::test]
async fn the_accounts_limit_holds_for_everything_together_d() {
    let mut harness = harness(limited(None, None, None));
    harness.gateway.settings_mut().limits.account = Throttle { rate: 1.0, burst: 4 };
    assert_eq!(harness.let_through(3, "/v1/tenant", VALUE).await, 3);
    assert_eq!(harness.let_through(3, "/v1/open", OTHER).await, 1);
    assert_eq!(harness.last_record().detail.expect("a detail"), "account (rate 1, burst 4): 0.00 left");
}

#[tokio::test]
async fn a_key_that_opens_nothing_uses_no_limit_a() {
    let harness = harness(limited(Some(throttle(0.0, 1)), None, None));
    for _ in 0..5 {
        harness.send(get("/v1/tenant", &[("x-api-key", "unknownunknownunknown")])).await;
        harness.send(get("/v1/nowhere", &[("x-api-key", VALUE)])).await;
    }
    assert_eq!(harness.let_through(5, "/v1/tenant", VALUE).await, 1);
}

#[tokio::test]
async fn edited_limits_hold_from_the_next_request_on_and_keep_what_was_counted() {
    let quota = |limit| Some(Quota { limit, period: Period::Month, offset: 0 });
    let harness = harness(limited(Some(throttle(0.0, 10)), Some(throttle(0.0, 10)), quota(10)));
    assert_eq!(harness.let_through(6, "/v1/tenant", VALUE).await, 6);
    harness.live.replace(Arc::new(limited(Some(throttle(0.0, 8)), Some(throttle(0.0, 100)), quota(7))));
    assert_eq!(harness.let_through(9, "/v1/tenant", VALUE).await, 1);
    assert_eq!(harness.last_record().gateway_response, Some("QUOTA_EXCEEDED"));
    harness.live.replace(Arc::new(limited(Some(throttle(0.0, 8)), Some(throttle(0.0, 100)), quota(70))));
    assert_eq!(harness.let_through(9, "/v1/tenant", VALUE).await, 1);
    assert_eq!(harness.last_record().gateway_response, Some("THROTTLED"));
}

#[tokio::test]
async fn every_limit_of_a_key_is_told_without_counting() {
    let quota = Quota { limit: 10, period: Period::Week, offset: 0 };
    let harness = harness(limited(Some(throttle(1.0, 5)), Some(throttle(2.0, 3)), Some(quota)));
    assert_eq!(harness.let_through(2, "/v1/tenant", VALUE).await, 2);
    let live = harness.live.current();
    let id = crate::api_key_id("tenantry-acme-1");
    let told = || {
        let at = harness.last_record().at;
        harness.keys.standings(&id, &live.plans, &live.apis, LimitRules::default(), at)
    };
    let left: Vec<_> = told().iter().map(|standing| (standing.limit, standing.left)).collect();
    assert_eq!(
        left,
        [(Limit::Plan, 3.0), (Limit::Quota, 8.0), (Limit::PlanRoute, 1.0), (Limit::Account, 4998.0)]
    );
    assert_eq!(told(), told());
    assert!(
        harness
            .keys
            .standings("nobody", &live.plans, &live.apis, LimitRules::default(), crate::testing::now())
            .is_empty()
    );
}
