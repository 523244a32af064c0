//! How a limit stands, for people and programs: which one it is, what is left, and when there is more.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stack_template::{Quota, Route, Throttle, UsagePlan};

use super::{Bucket, Capacity, Day, Used};

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The plan's throttle for one route, per key.
    PlanRoute,
    /// The plan's own throttle, per key.
    Plan,
    /// The stage's throttle for one method, for all callers together.
    Stage,
    /// The account's throttle, for all APIs together.
    Account,
    /// The plan's quota, per key.
    Quota,
}

/// What a limit allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// So many requests per second, and so many at once.
    Throttle(Throttle),
    /// So many requests in a period.
    Quota(Quota),
}

/// How a limit stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Which limit.
    pub limit: Limit,
    /// The plan's name, where it is a plan's.
    pub plan: Option<String>,
    /// Method and path, where it is a route's.
    pub route: Option<String>,
    /// What it allows.
    pub bound: Bound,
    /// Requests that are left.
    pub left: f64,
    /// When there is room for a request: now, later, or never.
    pub next_at: Option<SystemTime>,
    /// When all of it is there again: when the bucket is full, or the period is over.
    pub full_at: Option<SystemTime>,
}

impl Limit {
    /// Its name for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlanRoute => "plan_route",
            Self::Plan => "plan",
            Self::Stage => "stage",
            Self::Account => "account",
            Self::Quota => "quota",
        }
    }
}

impl Standing {
    pub(super) fn throttle(
        limit: Limit,
        throttle: Throttle,
        bucket: Bucket,
        plan: Option<&str>,
        route: &Route,
        now: u64,
    ) -> Self {
        let of_plan = matches!(limit, Limit::PlanRoute | Limit::Plan);
        let of_route = matches!(limit, Limit::PlanRoute | Limit::Stage);
        Self {
            plan: plan.filter(|_| of_plan).map(str::to_owned),
            route: of_route.then(|| format!("{} {}", route.method, route.path)),
            ..Self::of_bucket(limit, throttle, bucket, now)
        }
    }

    pub(super) fn of_plan(throttle: Throttle, bucket: Bucket, plan: &str, now: u64) -> Self {
        Self { plan: Some(plan.to_owned()), ..Self::of_bucket(Limit::Plan, throttle, bucket, now) }
    }

    pub(super) fn of_account(throttle: Throttle, bucket: Bucket, now: u64) -> Self {
        Self::of_bucket(Limit::Account, throttle, bucket, now)
    }

    fn of_bucket(limit: Limit, throttle: Throttle, bucket: Bucket, now: u64) -> Self {
        let capacity = Capacity::from(throttle);
        let after = |wait: Option<u64>| wait.and_then(|wait| moment(now.saturating_add(wait)));
        Self {
            limit,
            plan: None,
            route: None,
            bound: Bound::Throttle(throttle),
            left: bucket.left(capacity, now),
            next_at: after(bucket.until_one(capacity, now)),
            full_at: after(bucket.until_full(capacity, now)),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "it is shown to people; enforcement counts whole requests"
    )]
    pub(super) fn quota(quota: Quota, used: &Used, attached: Day, plan: &UsagePlan, now: u64) -> Self {
        let today = Day::at(now);
        let left = used.remaining(quota, attached, today);
        let over = moment(today.period_end(quota.period).begins());
        Self {
            limit: Limit::Quota,
            plan: Some(plan.name.clone()),
            route: None,
            bound: Bound::Quota(quota),
            left: left as f64,
            next_at: if left > 0 { moment(now) } else { over.filter(|_| quota.limit > 0) },
            full_at: over,
        }
    }
}

/// `route GET /tenant of tenantry-free (rate 5, burst 10): 0.40 left`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Limit::PlanRoute => f.write_str("route")?,
            Limit::Plan => f.write_str("plan")?,
            Limit::Stage => f.write_str("stage")?,
            Limit::Account => f.write_str("account")?,
            Limit::Quota => f.write_str("quota")?,
        }
        if let Some(route) = &self.route {
            write!(f, " {route}")?;
        }
        if let Some(plan) = &self.plan {
            write!(f, " of {plan}")?;
        }
        match self.bound {
            Bound::Throttle(Throttle { rate, burst }) => {
                write!(f, " (rate {rate}, burst {burst}): {:.2} left", self.left)?;
            }
            Bound::Quota(Quota { limit, period, .. }) => {
                write!(f, " ({limit} a {}): {:.0} left", period.as_str().to_lowercase(), self.left)?;
            }
        }
        Ok(())
    }
}

fn moment(micros: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_micros(micros))
}
