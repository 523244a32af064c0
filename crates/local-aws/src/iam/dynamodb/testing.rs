//! Requests on three tables, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{KeySchema, KeySchemas, Malformed, Place, calls};
use crate::iam::{Call, Value};

pub(super) const PLACE: Place<'static> = Place { region: "eu-central-1", account_id: "123456789012" };

/// The start of the tables' ARNs.
pub(super) const TABLES: &str = "arn:aws:dynamodb:eu-central-1:123456789012:table/";

/// `records`, whose partition key is `tenant_id`, and `readings`, whose partition key is `number`. `records` has an
/// index by `owner`, and one of the tenant's own items by time.
pub(super) struct Tables;

impl KeySchemas for Tables {
    fn find(&self, table: &str) -> Option<Arc<KeySchema>> {
        let schema = |partition: &str, indexes: &[(&str, &str)]| KeySchema {
            partition: partition.to_owned(),
            indexes: indexes
                .iter()
                .map(|(name, partition)| ((*name).to_owned(), (*partition).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        };
        match table {
            "records" => {
                Some(Arc::new(schema("tenant_id", &[("by-owner", "owner"), ("by-time", "tenant_id")])))
            }
            "readings" => Some(Arc::new(schema("number", &[]))),
            _ => None,
        }
    }
}

pub(super) fn ask(operation: &str, body: &Json) -> Result<Vec<Call>, Malformed> {
    calls(operation, body.to_string().as_bytes(), &PLACE, &Tables)
}

/// The calls of a request, each as its action without the service, its resource without [`TABLES`], and its
/// leading keys.
pub(super) fn asked(operation: &str, body: &Json) -> Vec<String> {
    let calls = ask(operation, body).expect("one meaning");
    let shown = |call: &Call| {
        let action = call.action.strip_prefix("dynamodb:").expect("an action of DynamoDB");
        let resource = call.resource.strip_prefix(TABLES).unwrap_or(&call.resource);
        format!("{action} {resource} {}", key(call, "dynamodb:LeadingKeys"))
    };
    calls.iter().map(shown).collect()
}

/// A condition key's value: `-` where it is absent, `?` where it is unknown, as all are of what cannot be read.
pub(super) fn key(call: &Call, name: &str) -> String {
    let mut values = call.keys.iter().filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = values.next();
    assert!(values.next().is_none(), "{name} stands twice");
    match value {
        None if call.unread.is_some() => "?".to_owned(),
        None => "-".to_owned(),
        Some(Value::One(value)) => value.clone(),
        Some(Value::Many(values)) => values.join(","),
        Some(Value::Unknown(reason)) => {
            assert!(!reason.is_empty(), "{name} has no reason");
            "?".to_owned()
        }
    }
}

/// A query of `records` with an expression, its names and its values, which are strings.
pub(super) fn query(expression: &str, names: &[(&str, &str)], values: &[(&str, &str)]) -> Json {
    let mut query = json!({"TableName": "records", "KeyConditionExpression": expression});
    if !names.is_empty() {
        query["ExpressionAttributeNames"] =
            names.iter().map(|(name, to)| ((*name).to_owned(), json!(to))).collect();
    }
    if !values.is_empty() {
        query["ExpressionAttributeValues"] =
            values.iter().map(|(name, value)| ((*name).to_owned(), json!({"S": value}))).collect();
    }
    query
}
