//! Each call: how it is recognized, and what it does.

use std::time::SystemTime;

use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stack_template::{Api, Stack, UsagePlan};
use time::Date;

use super::wire::{self, CreateApiKey, CreateUsagePlanKey, DATE, Patch};
use super::{Failure, decode};
use crate::error::Error;
use crate::exchange::micros;
use crate::keys::{
    Asked, KeyChange, KeyStore, NewApiKey, USAGE_DAYS, no_such_key, no_such_member, no_such_plan,
};
use crate::limits::Day;

/// Items in a page where the caller does not say, and at most.
const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 500;

/// A call with its input.
pub(super) enum Call {
    CreateApiKey(NewApiKey),
    GetApiKey { id: String, with_value: bool },
    GetApiKeys { prefix: String, list: List, with_values: bool },
    UpdateApiKey { id: String, change: KeyChange },
    DeleteApiKey { id: String },
    GetUsagePlan { id: String },
    GetUsagePlans { key_id: Option<String>, list: List },
    CreateUsagePlanKey { plan_id: String, key_id: String },
    GetUsagePlanKey { plan_id: String, key_id: String },
    GetUsagePlanKeys { plan_id: String, prefix: String, list: List },
    DeleteUsagePlanKey { plan_id: String, key_id: String },
    GetUsage { plan_id: String, key_id: Option<String>, days: (Day, Day), list: List },
    UpdateUsage { plan_id: String, key_id: String, remaining: u64 },
    GetRestApis { list: List },
    GetStages { api_id: String },
}

/// Which part of a list is asked for.
pub(super) struct List {
    position: Option<String>,
    limit: usize,
}

/// A call that was carried out. A null body is none.
pub(super) struct Done {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Call {
    /// Recognizes a call; nothing where it is none of these.
    pub(super) fn route(
        method: &Method,
        segments: &[&str],
        query: &str,
        body: &[u8],
    ) -> Result<Option<Self>, Failure> {
        let query = Query::read(query)?;
        let owned = |text: &str| text.to_owned();
        Ok(Some(match (method.as_str(), segments) {
            ("POST", ["apikeys"]) if query.get("mode").is_none() => {
                Self::CreateApiKey(parse::<CreateApiKey>(body)?.into_key()?)
            }
            ("GET", ["apikeys"]) => {
                query.refuse("customerId")?;
                Self::GetApiKeys {
                    prefix: query.text("name"),
                    list: query.list()?,
                    with_values: query.flag("includeValues")?,
                }
            }
            ("GET", ["apikeys", id]) => {
                Self::GetApiKey { id: owned(id), with_value: query.flag("includeValue")? }
            }
            ("PATCH", ["apikeys", id]) => {
                Self::UpdateApiKey { id: owned(id), change: parse::<Patch>(body)?.into_change()? }
            }
            ("DELETE", ["apikeys", id]) => Self::DeleteApiKey { id: owned(id) },
            ("GET", ["usageplans"]) => {
                Self::GetUsagePlans { key_id: query.get("keyId").map(owned), list: query.list()? }
            }
            ("GET", ["usageplans", id]) => Self::GetUsagePlan { id: owned(id) },
            ("POST", ["usageplans", plan_id, "keys"]) => {
                let key_id = parse::<CreateUsagePlanKey>(body)?.into_key_id()?;
                Self::CreateUsagePlanKey { plan_id: owned(plan_id), key_id }
            }
            ("GET", ["usageplans", plan_id, "keys"]) => Self::GetUsagePlanKeys {
                plan_id: owned(plan_id),
                prefix: query.text("name"),
                list: query.list()?,
            },
            ("GET", ["usageplans", plan_id, "keys", key_id]) => {
                Self::GetUsagePlanKey { plan_id: owned(plan_id), key_id: owned(key_id) }
            }
            ("DELETE", ["usageplans", plan_id, "keys", key_id]) => {
                Self::DeleteUsagePlanKey { plan_id: owned(plan_id), key_id: owned(key_id) }
            }
            ("GET", ["usageplans", plan_id, "usage"]) => Self::GetUsage {
                plan_id: owned(plan_id),
                key_id: query.get("keyId").map(owned),
                days: query.days()?,
                list: query.list()?,
            },
            ("PATCH", ["usageplans", plan_id, "keys", key_id, "usage"]) => Self::UpdateUsage {
                plan_id: owned(plan_id),
                key_id: owned(key_id),
                remaining: parse::<Patch>(body)?.into_remaining()?,
            },
            ("GET", ["restapis"]) => Self::GetRestApis { list: query.list()? },
            ("GET", ["restapis", api_id, "stages"]) => {
                query.refuse("deploymentId")?;
                Self::GetStages { api_id: owned(api_id) }
            }
            _ => return Ok(None),
        }))
    }
}

/// Does what a call asks for. `made` is when the stages were deployed, in seconds since 1970.
pub(super) fn carry_out(
    call: Call,
    keys: &KeyStore,
    stack: &Stack,
    at: SystemTime,
    made: u64,
) -> Result<Done, Error> {
    Ok(match call {
        Call::CreateApiKey(new) => {
            let key = keys.create(new, at)?;
            Done { status: StatusCode::CREATED, body: wire::key(&key, true) }
        }
        Call::GetApiKey { id, with_value } => {
            ok(wire::key(&*keys.get(&id).ok_or_else(no_such_key)?, with_value))
        }
        Call::GetApiKeys { prefix, list, with_values } => {
            let page = keys.list(&prefix, list.position.as_deref(), list.limit);
            let items = page.items.iter().map(|key| wire::key(key, with_values)).collect();
            ok(wire::list(items, page.position))
        }
        Call::UpdateApiKey { id, change } => ok(wire::key(&*keys.update(&id, change, at)?, false)),
        Call::DeleteApiKey { id } => {
            keys.delete(&id)?;
            accepted()
        }
        Call::GetUsagePlan { id } => ok(wire::plan(plan(stack, &id)?)),
        Call::GetUsagePlans { key_id, list } => ok(plans(keys, stack, key_id.as_deref(), &list)),
        Call::CreateUsagePlanKey { plan_id, key_id } => {
            let key = keys.attach(&stack.plans, &plan_id, &key_id, at)?;
            Done { status: StatusCode::CREATED, body: wire::plan_key(&key) }
        }
        Call::GetUsagePlanKey { plan_id, key_id } => {
            plan(stack, &plan_id)?;
            ok(wire::plan_key(&*keys.member(&plan_id, &key_id).ok_or_else(no_such_member)?))
        }
        Call::GetUsagePlanKeys { plan_id, prefix, list } => {
            plan(stack, &plan_id)?;
            let page = keys.members(&plan_id, &prefix, list.position.as_deref(), list.limit);
            ok(wire::list(page.items.iter().map(|key| wire::plan_key(key)).collect(), page.position))
        }
        Call::DeleteUsagePlanKey { plan_id, key_id } => {
            // The plan may be gone from the template; its memberships can still be cleared away.
            keys.detach(&plan_id, &key_id)?;
            accepted()
        }
        Call::GetUsage { plan_id, key_id, days, list } => {
            let asked = Asked {
                plan: plan(stack, &plan_id)?,
                key_id: key_id.as_deref(),
                first: days.0,
                last: days.1,
                after: list.position.as_deref(),
                limit: list.limit,
                today: Day::at(micros(at)),
            };
            ok(wire::usage(&asked, keys.usage(&stack.plans, &asked)?))
        }
        Call::UpdateUsage { plan_id, key_id, remaining } => {
            let plan = plan(stack, &plan_id)?;
            keys.set_remaining(plan, &key_id, remaining, at)?;
            let today = Day::at(micros(at));
            let key_id = Some(key_id.as_str());
            let asked = Asked { plan, key_id, first: today, last: today, after: None, limit: 1, today };
            ok(wire::usage(&asked, keys.usage(&stack.plans, &asked)?))
        }
        Call::GetRestApis { list } => {
            let mut apis: Vec<&Api> = stack.apis.iter().collect();
            apis.sort_by(|one, other| one.api_id.cmp(&other.api_id));
            let (apis, position) = cut(apis, &list, |api| &api.api_id);
            ok(wire::list(apis.into_iter().map(|api| wire::rest_api(api, made)).collect(), position))
        }
        Call::GetStages { api_id } => {
            let api = stack.apis.iter().find(|api| api.api_id == api_id).ok_or_else(|| {
                let account_id = &stack.account_id;
                Error::NotFound(format!("Invalid API identifier specified {account_id}:{api_id}"))
            })?;
            ok(wire::list(vec![wire::stage(api, made)], None))
        }
    })
}

fn ok(body: Value) -> Done {
    Done { status: StatusCode::OK, body }
}

fn accepted() -> Done {
    Done { status: StatusCode::ACCEPTED, body: Value::Null }
}

fn plan<'s>(stack: &'s Stack, id: &str) -> Result<&'s UsagePlan, Error> {
    stack.plans.iter().find(|plan| plan.id == id).ok_or_else(no_such_plan)
}

/// Plans in the order of their ids, which a position can continue from when the template changes.
fn plans(keys: &KeyStore, stack: &Stack, key_id: Option<&str>, list: &List) -> Value {
    let of_key = |plan: &&UsagePlan| key_id.is_none_or(|key| keys.member(&plan.id, key).is_some());
    let mut plans: Vec<&UsagePlan> = stack.plans.iter().filter(of_key).collect();
    plans.sort_by(|one, other| one.id.cmp(&other.id));
    let (plans, position) = cut(plans, list, |plan| &plan.id);
    wire::list(plans.into_iter().map(wire::plan).collect(), position)
}

/// The part of a sorted list that is asked for, and where the next one begins.
fn cut<'s, T>(mut all: Vec<&'s T>, list: &List, id: impl Fn(&T) -> &String) -> (Vec<&'s T>, Option<String>) {
    all.retain(|item| list.position.as_ref().is_none_or(|position| id(item) > position));
    let more = all.len() > list.limit;
    all.truncate(list.limit);
    let position = all.last().filter(|_| more).map(|item| id(item).clone());
    (all, position)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let object = json!({});
    let parsed = if body.is_empty() { serde_json::from_value(object) } else { serde_json::from_slice(body) };
    // What serde says can repeat the input, and that may hold a key's value.
    parsed.map_err(|error| {
        Failure::bad_request(format!(
            "Invalid request body: an unknown, missing or wrongly typed member near line {}, column {}",
            error.line(),
            error.column()
        ))
    })
}

/// A query's parameters, decoded.
struct Query(Vec<(String, String)>);

impl Query {
    fn read(text: &str) -> Result<Self, Failure> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(&value.replace('+', " "))?))
        });
        let pairs = pairs.collect::<Option<_>>();
        pairs.map(Self).ok_or_else(|| Failure::bad_request("The query is not UTF-8"))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Failure::bad_request(format!("{name} must be true or false"))),
        }
    }

    fn list(&self) -> Result<List, Failure> {
        let limit = match self.get("limit") {
            None => Some(DEFAULT_LIMIT),
            Some(text) => text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)),
        };
        let limit =
            limit.ok_or_else(|| Failure::bad_request(format!("limit must be from 1 to {MAX_LIMIT}")))?;
        Ok(List { position: self.get("position").map(str::to_owned), limit })
    }

    /// The days from `startDate` to `endDate`, both included.
    fn days(&self) -> Result<(Day, Day), Failure> {
        let day = |name: &str| {
            let date = self.get(name).and_then(|text| Date::parse(text, DATE).ok());
            date.and_then(Day::of).ok_or_else(|| {
                Failure::bad_request(format!("{name} must be a date of the form yyyy-mm-dd from 1970 on"))
            })
        };
        let (first, last) = (day("startDate")?, day("endDate")?);
        if last < first {
            return Err(Failure::bad_request("Usage end date must be after start date"));
        }
        if last.0 - first.0 >= USAGE_DAYS {
            return Err(Failure::bad_request(format!("A report holds at most {USAGE_DAYS} days")));
        }
        Ok((first, last))
    }

    /// A filter that is not supported must not be skipped: the answer would hold too much.
    fn refuse(&self, name: &str) -> Result<(), Failure> {
        match self.get(name) {
            None => Ok(()),
            Some(_) => Err(Failure::bad_request(format!("The local API Gateway does not support {name}"))),
        }
    }
}
