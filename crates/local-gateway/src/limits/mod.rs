//! Throttles and quotas: pure and deterministic in what was counted, the time, and the request.
//!
//! A request passes where every limit that applies to it has room, and is then counted by each. A refused
//! request is counted by none (A). The limits are strict; on AWS they are best effort.

mod bucket;
mod quota;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stack_template::{Api, Route, StageThrottle, Throttle, UsagePlan};

pub(crate) use bucket::{Bucket, Capacity};
pub(crate) use quota::{Day, Used};
pub use standing::{Bound, Limit, Standing};

/// What all APIs of an account in a region may take together (D).
const ACCOUNT_THROTTLE: Throttle = Throttle { rate: 10_000.0, burst: 5_000 };

/// What a plan's throttle for a route does to the plan's own. AWS does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RouteLimits {
    /// A request must pass both (A).
    #[default]
    Add,
    /// The route's throttle stands in place of the plan's.
    Replace,
}

/// What holds for every plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitRules {
    /// What a route's throttle does to its plan's.
    pub route_limits: RouteLimits,
    /// The account's throttle.
    pub account: Throttle,
}

impl Default for LimitRules {
    fn default() -> Self {
        Self { route_limits: RouteLimits::default(), account: ACCOUNT_THROTTLE }
    }
}

/// A key in a plan, as the limits see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) plan: &'a UsagePlan,
    pub(crate) key_id: &'a str,
    /// The day on which the key came into the plan.
    pub(crate) attached: Day,
}

/// A request to be measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured<'a> {
    pub(crate) api: &'a Api,
    pub(crate) route: &'a Route,
    /// The caller's key, where the method requires one.
    pub(crate) member: Option<Member<'a>>,
    pub(crate) rules: LimitRules,
    /// Microseconds since 1970.
    pub(crate) now: u64,
}

/// What the limits say to a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// Every limit that applies, in the order of the checks, as it stands after the request.
    pub(crate) standings: Vec<Standing>,
    /// The position of the one that refused it.
    pub(crate) refused_by: Option<usize>,
}

/// Everything that was counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// By plan id and key id.
    members: HashMap<Box<str>, HashMap<Box<str>, Counter>>,
    /// What a stage's method has left, by [`route_name`].
    stages: HashMap<String, Bucket>,
    account: Bucket,
    /// Routes by number, and the other way round: numbers keep a key's counter small.
    routes: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
    /// What has changed since it was last taken: members, days that are over, and the counters of no key.
    changed: Vec<(Box<str>, Box<str>)>,
    days: Vec<DayUsed>,
    shared_changed: bool,
}

/// What was counted of one key in one plan.
#[derive(Debug, Default)]
struct Counter {
    plan: Bucket,
    routes: Vec<(u32, Bucket)>,
    used: Used,
    /// Whether it has changed since it was last taken.
    has_changed: bool,
}

/// A counter as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    plan: (u64, u64),
    routes: Vec<(Arc<str>, u64, u64)>,
    pub(crate) used: Used,
}

/// A counter that has changed, to be kept.
pub(crate) struct Change {
    pub(crate) plan_id: Box<str>,
    pub(crate) key_id: Box<str>,
    pub(crate) kept: Kept,
}

/// What a key had used by the end of a day.
#[derive(Debug)]
pub(crate) struct DayUsed {
    pub(crate) plan_id: Box<str>,
    pub(crate) key_id: Box<str>,
    pub(crate) used: Used,
}

/// Everything that has changed, to be kept.
pub(crate) struct Changes {
    pub(crate) counters: Vec<Change>,
    /// Days that were over before they were kept.
    pub(crate) days: Vec<DayUsed>,
    pub(crate) shared: Option<Shared>,
}

/// The counters that belong to no key, as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shared {
    account: (u64, u64),
    stages: Vec<(String, u64, u64)>,
}

impl Counters {
    /// Decides on a request, and counts it where it passes.
    pub(crate) fn decide(&mut self, request: &Measured<'_>) -> Verdict {
        let Measured { api, route, member, rules, now } = *request;
        let today = Day::at(now);
        let name = route_name(api, route);
        let plan_route = member.and_then(|member| throttle_of(member.plan, api, route));
        let number = plan_route.map(|_| self.number(&name));

        let mut throttles: Vec<(Limit, Throttle, &mut Bucket)> = Vec::with_capacity(4);
        let mut quota = None;
        if let Some(Member { plan, key_id, attached }) = member {
            let counter = entry(entry(&mut self.members, &plan.id), key_id);
            let over = counter.unkept_day(today);
            let Counter { plan: bucket, routes, used, .. } = counter;
            if let (Some(throttle), Some(number)) = (plan_route, number) {
                throttles.push((Limit::PlanRoute, throttle, route_bucket(routes, number)));
            }
            let replaced = plan_route.is_some() && rules.route_limits == RouteLimits::Replace;
            if let Some(throttle) = plan.throttle.filter(|_| !replaced) {
                throttles.push((Limit::Plan, throttle, bucket));
            }
            quota = Some((plan, attached, used, over));
        }
        let stage = stage_throttle(&api.stage_throttles, route);
        if let Some(throttle) = stage {
            throttles.push((Limit::Stage, throttle, self.stages.entry(name).or_default()));
        }
        throttles.push((Limit::Account, rules.account, &mut self.account));

        let empty =
            throttles.iter().position(|(_, throttle, bucket)| !bucket.has_one((*throttle).into(), now));
        let used_up = quota.as_ref().and_then(|(plan, attached, used, _)| {
            let quota = plan.quota?;
            (used.remaining(quota, *attached, today) == 0).then_some(throttles.len())
        });
        let refused_by = empty.or(used_up);
        if refused_by.is_none() {
            for (_, throttle, bucket) in &mut throttles {
                bucket.take((*throttle).into(), now);
            }
        }

        let plan_name = member.map(|member| member.plan.name.as_str());
        let mut standings: Vec<Standing> = throttles
            .iter()
            .map(|(limit, throttle, bucket)| {
                Standing::throttle(*limit, *throttle, **bucket, plan_name, route, now)
            })
            .collect();
        if let Some((plan, attached, used, over)) = quota {
            if let (None, Some(member)) = (refused_by, member) {
                self.days.extend(over.map(|used| member.day_used(used)));
                used.count(today);
            }
            standings.extend(plan.quota.map(|quota| Standing::quota(quota, used, attached, plan, now)));
        }
        if let (None, Some(member)) = (refused_by, member) {
            self.touch(&member.plan.id, member.key_id);
        }
        self.shared_changed |= refused_by.is_none();
        Verdict { standings, refused_by }
    }

    /// Every limit of a key in a plan, and how it stands. It counts nothing.
    pub(crate) fn standings(&self, member: Member<'_>, apis: &[Api], now: u64) -> Vec<Standing> {
        let Member { plan, key_id, attached } = member;
        let none = Counter::default();
        let counter = self.members.get(&*plan.id).and_then(|keys| keys.get(key_id)).unwrap_or(&none);
        let mut standings = Vec::new();
        if let Some(throttle) = plan.throttle {
            standings.push(Standing::of_plan(throttle, counter.plan, &plan.name, now));
        }
        standings.extend(plan.quota.map(|quota| Standing::quota(quota, &counter.used, attached, plan, now)));
        for stage in &plan.stages {
            let open = |api: &&Api| (&api.api_id, &api.stage) == (&stage.api_id, &stage.stage);
            let Some(api) = apis.iter().find(open) else { continue };
            for route in &api.routes {
                let name = route_name(api, route);
                if let Some(throttle) = throttle_of(plan, api, route) {
                    let number = self.numbers.get(name.as_str());
                    let of_route = |(known, _): &&(u32, Bucket)| Some(known) == number;
                    let bucket =
                        counter.routes.iter().find(of_route).map(|(_, bucket)| *bucket).unwrap_or_default();
                    standings.push(Standing::throttle(
                        Limit::PlanRoute,
                        throttle,
                        bucket,
                        Some(&plan.name),
                        route,
                        now,
                    ));
                }
                if let Some(throttle) = stage_throttle(&api.stage_throttles, route) {
                    let bucket = self.stages.get(&name).copied().unwrap_or_default();
                    standings.push(Standing::throttle(Limit::Stage, throttle, bucket, None, route, now));
                }
            }
        }
        standings
    }

    /// How the account's limit stands.
    pub(crate) fn account(&self, rules: LimitRules, now: u64) -> Standing {
        Standing::of_account(rules.account, self.account, now)
    }

    /// What a key has used of a plan.
    pub(crate) fn used(&self, plan_id: &str, key_id: &str) -> Option<&Used> {
        Some(&self.members.get(plan_id)?.get(key_id)?.used)
    }

    /// Makes `remaining` what is left of the plan's quota until the end of the period.
    pub(crate) fn set_remaining(
        &mut self,
        member: Member<'_>,
        quota: stack_template::Quota,
        now: u64,
        remaining: u64,
    ) {
        let today = Day::at(now);
        let counter = entry(entry(&mut self.members, &member.plan.id), member.key_id);
        self.days.extend(counter.unkept_day(today).map(|used| member.day_used(used)));
        counter.used.set_remaining(quota, member.attached, today, remaining);
        self.touch(&member.plan.id, member.key_id);
    }

    /// Forgets a key.
    pub(crate) fn forget(&mut self, key_id: &str) {
        for keys in self.members.values_mut() {
            keys.remove(key_id);
        }
        self.days.retain(|day| *day.key_id != *key_id);
    }

    /// Empties the throttles of a key that leaves a plan. What it has used stays, or coming back would begin a
    /// new quota.
    pub(crate) fn leave(&mut self, plan_id: &str, key_id: &str) {
        if let Some(counter) = self.members.get_mut(plan_id).and_then(|keys| keys.get_mut(key_id)) {
            (counter.plan, counter.routes) = (Bucket::default(), Vec::new());
            self.touch(plan_id, key_id);
        }
    }

    /// What has changed since the last call; it counts as kept from now on.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut counters = Vec::with_capacity(self.changed.len());
        for (plan_id, key_id) in std::mem::take(&mut self.changed) {
            let counter = self.members.get_mut(&plan_id).and_then(|keys| keys.get_mut(&key_id));
            // A key that was deleted meanwhile has nothing to keep.
            if let Some(counter) = counter.filter(|counter| counter.has_changed) {
                counter.has_changed = false;
                counters.push(Change { plan_id, key_id, kept: counter.kept(&self.routes) });
            }
        }
        let shared = std::mem::take(&mut self.shared_changed).then(|| Shared {
            account: (self.account.debt, self.account.at),
            stages: self.stages.iter().map(|(name, bucket)| (name.clone(), bucket.debt, bucket.at)).collect(),
        });
        Changes { counters, days: std::mem::take(&mut self.days), shared }
    }

    /// Takes changes back that could not be kept.
    pub(crate) fn give_back(&mut self, changes: Changes) {
        for change in changes.counters {
            self.touch(&change.plan_id, &change.key_id);
        }
        self.days.splice(..0, changes.days);
        self.shared_changed |= changes.shared.is_some();
    }

    /// Takes a counter as it was kept, for a stack whose time is `now`.
    pub(crate) fn restore(&mut self, plan_id: &str, key_id: &str, kept: &Kept, now: u64) {
        let numbers: Vec<u32> = kept.routes.iter().map(|(name, ..)| self.number(name)).collect();
        let bucket = |debt, at| Bucket { debt, at }.seen_at(now);
        let buckets = kept.routes.iter().map(|(_, debt, at)| bucket(*debt, *at));
        *entry(entry(&mut self.members, plan_id), key_id) = Counter {
            plan: bucket(kept.plan.0, kept.plan.1),
            routes: numbers.into_iter().zip(buckets).collect(),
            used: kept.used,
            has_changed: false,
        };
    }

    /// Takes the shared counters as they were kept, for a stack whose time is `now`.
    pub(crate) fn restore_shared(&mut self, shared: Shared, now: u64) {
        let bucket = |debt, at| Bucket { debt, at }.seen_at(now);
        self.account = bucket(shared.account.0, shared.account.1);
        self.stages = shared.stages.into_iter().map(|(name, debt, at)| (name, bucket(debt, at))).collect();
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.routes.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        self.routes.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    fn touch(&mut self, plan_id: &str, key_id: &str) {
        let Some(counter) = self.members.get_mut(plan_id).and_then(|keys| keys.get_mut(key_id)) else {
            return;
        };
        if !std::mem::replace(&mut counter.has_changed, true) {
            self.changed.push((plan_id.into(), key_id.into()));
        }
    }
}

impl Member<'_> {
    fn day_used(&self, used: Used) -> DayUsed {
        DayUsed { plan_id: self.plan.id.as_str().into(), key_id: self.key_id.into(), used }
    }
}

impl Counter {
    /// The last day with a count, where it is over and was not kept to its end.
    fn unkept_day(&self, today: Day) -> Option<Used> {
        (self.has_changed && self.used.turns_on(today)).then_some(self.used)
    }

    fn kept(&self, names: &[Arc<str>]) -> Kept {
        let name = |number: u32| usize::try_from(number).ok().and_then(|number| names.get(number));
        let routes = self.routes.iter();
        Kept {
            plan: (self.plan.debt, self.plan.at),
            routes: routes
                .filter_map(|(number, bucket)| Some((Arc::clone(name(*number)?), bucket.debt, bucket.at)))
                .collect(),
            used: self.used,
        }
    }
}

/// A map's entry, without a copy of the name where it is there.
fn entry<'m, V: Default>(map: &'m mut HashMap<Box<str>, V>, name: &str) -> &'m mut V {
    if !map.contains_key(name) {
        map.insert(name.into(), V::default());
    }
    map.get_mut(name).expect("it was just put there")
}

fn route_bucket(routes: &mut Vec<(u32, Bucket)>, number: u32) -> &mut Bucket {
    let position = routes.iter().position(|(known, _)| *known == number).unwrap_or_else(|| {
        routes.reserve_exact(1);
        routes.push((number, Bucket::default()));
        routes.len() - 1
    });
    &mut routes[position].1
}

/// What a route is called among counters: API, stage, method and path.
fn route_name(api: &Api, route: &Route) -> String {
    format!("{}/{} {} {}", api.api_id, api.stage, route.method, route.path)
}

/// The plan's throttle for a route.
fn throttle_of(plan: &UsagePlan, api: &Api, route: &Route) -> Option<Throttle> {
    let stage = plan.stages.iter().find(|stage| stage.api_id == api.api_id && stage.stage == api.stage)?;
    let row = stage.routes.iter().find(|row| row.method == route.method && row.path == route.path)?;
    Some(row.throttle)
}

/// The stage's throttle for a route: the most specific setting that names it. Each method has a bucket of
/// its own, also where one setting names them all (D).
fn stage_throttle(settings: &[StageThrottle], route: &Route) -> Option<Throttle> {
    let path = |setting: &StageThrottle| setting.path == route.path;
    let method = |setting: &StageThrottle| setting.method == route.method;
    settings
        .iter()
        .filter(|setting| {
            (path(setting) || setting.path == "/*") && (method(setting) || setting.method == "*")
        })
        .max_by_key(|setting| (path(setting), method(setting)))
        .map(|setting| setting.throttle)
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
