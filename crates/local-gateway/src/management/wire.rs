//! The calls' JSON, by the names that the AWS SDKs write and read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stack_template::{Period, Quota, Throttle, UsagePlan};

use super::Failure;
use crate::keys::{ApiKey, ApiKeyValue, KeyChange, NewApiKey};

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateApiKey {
    #[serde(default)]
    patch_operations: Vec<PatchOperation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchOperation {
    op: String,
    path: String,
    value: Option<String>,
}

impl UpdateApiKey {
    pub(super) fn into_change(self) -> Result<KeyChange, Failure> {
        let mut change = KeyChange::default();
        for PatchOperation { op, path, value } in self.patch_operations {
            if op != "replace" {
                return Err(Failure::bad_request("Invalid patch operation: op must be replace"));
            }
            let value = value.ok_or_else(|| Failure::bad_request("Invalid patch operation: no value"))?;
            bounded(&value)?;
            match path.as_str() {
                "/name" => change.name = Some(value),
                "/description" => change.description = Some(value),
                "/enabled" => {
                    let enabled = value.to_ascii_lowercase().parse();
                    change.enabled =
                        Some(enabled.map_err(|_| Failure::bad_request("/enabled must be true or false"))?);
                }
                _ => {
                    return Err(Failure::bad_request(
                        "Invalid patch path: must be one of /name, /description, /enabled",
                    ));
                }
            }
        }
        Ok(change)
    }
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

fn throttle(throttle: Throttle) -> Value {
    json!({ "rateLimit": throttle.rate, "burstLimit": throttle.burst })
}

fn quota(quota: Quota) -> Value {
    let period = match quota.period {
        Period::Day => "DAY",
        Period::Week => "WEEK",
        Period::Month => "MONTH",
    };
    json!({ "limit": quota.limit, "offset": quota.offset, "period": period })
}
