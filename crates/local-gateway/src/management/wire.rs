//! The calls' JSON, by the names that the AWS SDKs write and read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stack_template::{Api, Quota, Throttle, UsagePlan};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Failure;
use crate::identifier::deployment_id;
use crate::keys::{ApiKey, ApiKeyValue, Asked, KeyChange, NewApiKey, Page, UsageRow};
use crate::limits::Day;

/// Longest name and description that the store takes, in bytes.
const MAX_TEXT_BYTES: usize = 1_024;

/// Most tags that a resource can have.
const MAX_TAGS: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateApiKey {
    name: Option<String>,
    value: Option<String>,
    description: Option<String>,
    enabled: Option<bool>,
    // Ids are always distinct from values, so both settings come to the same.
    #[serde(rename = "generateDistinctId")]
    _generate_distinct_id: Option<bool>,
    tags: Option<BTreeMap<String, String>>,
}

impl CreateApiKey {
    pub(super) fn into_key(self) -> Result<NewApiKey, Failure> {
        let tags = self.tags.unwrap_or_default();
        if tags.len() > MAX_TAGS {
            return Err(Failure::bad_request(format!("A key can have at most {MAX_TAGS} tags")));
        }
        for text in self.name.iter().chain(&self.description).chain(tags.keys()).chain(tags.values()) {
            bounded(text)?;
        }
        Ok(NewApiKey {
            name: self.name.unwrap_or_default(),
            value: self.value.map(ApiKeyValue::new).transpose()?,
            description: self.description,
            // A key is disabled unless it is asked to be enabled (D).
            enabled: self.enabled.unwrap_or(false),
            tags,
        })
    }
}

/// The body of every update: what is to be replaced.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Patch {
    // AWS's own samples use both names.
    #[serde(default, alias = "patchOperation")]
    patch_operations: Vec<PatchOperation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchOperation {
    op: String,
    path: String,
    value: Option<String>,
}

impl Patch {
    /// Paths and their new values.
    fn replacements(self) -> Result<Vec<(String, String)>, Failure> {
        let replacement = |PatchOperation { op, path, value }| {
            if op != "replace" {
                return Err(Failure::bad_request(
                    "Invalid patch operation specified. Must be one of: [replace]",
                ));
            }
            let value = value.ok_or_else(|| Failure::bad_request("Invalid patch operation: no value"))?;
            bounded(&value)?;
            Ok((path, value))
        };
        self.patch_operations.into_iter().map(replacement).collect()
    }

    pub(super) fn into_change(self) -> Result<KeyChange, Failure> {
        let mut change = KeyChange::default();
        for (path, value) in self.replacements()? {
            match path.as_str() {
                "/name" => change.name = Some(value),
                "/description" => change.description = Some(value),
                "/enabled" => {
                    let enabled = value.to_ascii_lowercase().parse();
                    change.enabled =
                        Some(enabled.map_err(|_| Failure::bad_request("/enabled must be true or false"))?);
                }
                _ => return Err(no_such_path("/name, /description, /enabled")),
            }
        }
        Ok(change)
    }

    pub(super) fn into_remaining(self) -> Result<u64, Failure> {
        let mut remaining = None;
        for (path, value) in self.replacements()? {
            if path != "/remaining" {
                return Err(no_such_path("/remaining"));
            }
            let number = value.parse::<u32>().ok().map(u64::from);
            remaining = Some(number.ok_or_else(|| {
                Failure::bad_request(format!("/remaining must be a whole number from 0 to {}", u32::MAX))
            })?);
        }
        remaining.ok_or_else(|| Failure::bad_request("Invalid patch operation: /remaining is missing"))
    }
}

fn no_such_path(paths: &str) -> Failure {
    Failure::bad_request(format!("Invalid patch path: must be one of {paths}"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateUsagePlanKey {
    key_id: String,
    key_type: String,
}

impl CreateUsagePlanKey {
    pub(super) fn into_key_id(self) -> Result<String, Failure> {
        match self.key_type.as_str() {
            "API_KEY" => Ok(self.key_id),
            _ => Err(Failure::bad_request("keyType must be API_KEY")),
        }
    }
}

fn bounded(text: &str) -> Result<(), Failure> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Failure::bad_request(format!("A text exceeds {MAX_TEXT_BYTES} bytes")));
    }
    Ok(())
}

/// A key.
pub(super) fn key(key: &ApiKey, with_value: bool) -> Value {
    let mut object = json!({
        "id": key.id,
        "name": key.name,
        "enabled": key.enabled,
        "createdDate": key.created,
        "lastUpdatedDate": key.updated,
        "stageKeys": [],
    });
    if let Some(description) = &key.description {
        object["description"] = json!(description);
    }
    if !key.tags.is_empty() {
        object["tags"] = json!(key.tags);
    }
    if with_value {
        object["value"] = json!(key.value.expose());
    }
    object
}

/// A key of a plan, without its value.
pub(super) fn plan_key(key: &ApiKey) -> Value {
    json!({ "id": key.id, "type": "API_KEY", "name": key.name })
}

/// A list; its member is called `item`.
pub(super) fn list(items: Vec<Value>, position: Option<String>) -> Value {
    let mut object = Map::from_iter([("item".to_owned(), Value::Array(items))]);
    object.extend(position.map(|position| ("position".to_owned(), Value::String(position))));
    Value::Object(object)
}

/// A plan of the template.
pub(super) fn plan(plan: &UsagePlan) -> Value {
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .map(|stage| {
            let mut object = json!({ "apiId": stage.api_id, "stage": stage.stage });
            if !stage.routes.is_empty() {
                let routes = stage.routes.iter();
                let throttles: Map<String, Value> =
                    routes.map(|r| (format!("{}/{}", r.path, r.method), throttle(r.throttle))).collect();
                object["throttle"] = Value::Object(throttles);
            }
            object
        })
        .collect();
    let mut object = json!({ "id": plan.id, "name": plan.name, "apiStages": stages });
    if !plan.description.is_empty() {
        object["description"] = json!(plan.description);
    }
    if let Some(limit) = plan.throttle {
        object["throttle"] = throttle(limit);
    }
    if let Some(limit) = plan.quota {
        object["quota"] = quota(limit);
    }
    object
}

/// How the calls write days.
pub(super) const DATE: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

/// A report: for each key a pair for each day, of what was used and what was left.
pub(super) fn usage(asked: &Asked<'_>, page: Page<UsageRow>) -> Value {
    let date = |day: Day| day.date().format(DATE).unwrap_or_default();
    // Without a quota nothing is ever left (A).
    let pair = |(used, remaining): (u64, Option<u64>)| json!([used, remaining.unwrap_or(0)]);
    let row = |(key_id, days): UsageRow| (key_id, days.into_iter().map(pair).collect());
    let values: Map<String, Value> = page.items.into_iter().map(row).collect();
    let mut object = json!({
        "usagePlanId": asked.plan.id,
        "startDate": date(asked.first),
        "endDate": date(asked.last),
        "values": values,
    });
    if let Some(position) = page.position {
        object["position"] = json!(position);
    }
    object
}

/// An API of the template.
pub(super) fn rest_api(api: &Api, made: u64) -> Value {
    let mut object = json!({
        "id": api.api_id,
        "name": api.name,
        "createdDate": made,
        "apiKeySource": "HEADER",
        "endpointConfiguration": { "types": ["REGIONAL"] },
        "disableExecuteApiEndpoint": false,
    });
    if !api.binary_media_types.is_empty() {
        object["binaryMediaTypes"] = json!(api.binary_media_types);
    }
    object
}

/// An API's one stage.
pub(super) fn stage(api: &Api, made: u64) -> Value {
    let settings = api.stage_throttles.iter().map(|setting| {
        // A slash in the path is written as `~1`, as in a JSON Pointer.
        let path = setting.path.trim_start_matches('/').replace('/', "~1");
        let Throttle { rate, burst } = setting.throttle;
        let name = if path == "*" {
            format!("*/{}", setting.method)
        } else {
            format!("~1{path}/{}", setting.method)
        };
        (name, json!({ "throttlingRateLimit": rate, "throttlingBurstLimit": burst }))
    });
    json!({
        "stageName": api.stage,
        "deploymentId": deployment_id(api),
        "createdDate": made,
        "lastUpdatedDate": made,
        "cacheClusterEnabled": false,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": settings.collect::<Map<String, Value>>(),
        "tracingEnabled": false,
    })
}

fn throttle(throttle: Throttle) -> Value {
    json!({ "rateLimit": throttle.rate, "burstLimit": throttle.burst })
}

fn quota(quota: Quota) -> Value {
    json!({ "limit": quota.limit, "offset": quota.offset, "period": quota.period.as_str() })
}
