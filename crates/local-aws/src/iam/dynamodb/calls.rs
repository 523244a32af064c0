//! From an operation and its body to the calls that IAM judges.

use std::sync::Arc;

use serde_json::Value as Json;

use super::arn::{EVERYTHING, Target};
use super::{
    KeySchema, KeySchemas, Malformed, Object, Place, administration, items, member, partiql, query,
    strict_json,
};
use crate::iam::{Call, Value};

/// Tables, items or statements in one request that are judged one by one. No operation takes more; the database
/// refuses a request that has them.
pub(super) const MAX_PARTS: usize = 100;

/// What a verified request asks of DynamoDB: at least one call, all of which must be allowed.
///
/// The operation's name is the one in `X-Amz-Target`. A request that asks for nothing that can be read is one
/// call of an action that is the operation's own name, on every resource.
///
/// # Errors
///
/// [`Malformed`] for a body that is no JSON object, or one that could be read in two ways.
pub(crate) fn calls(
    operation: &str,
    body: &[u8],
    place: &Place<'_>,
    schemas: &dyn KeySchemas,
) -> Result<Vec<Call>, Malformed> {
    let request = strict_json::parse(body)?;
    let asked = Asked { operation, request: &request, place, schemas };
    let calls = match operation {
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" => items::single(&asked),
        "BatchGetItem" | "BatchWriteItem" => items::batch(&asked),
        "TransactGetItems" | "TransactWriteItems" => items::transaction(&asked),
        "Query" | "Scan" | "SearchVectors" => query::calls(&asked),
        "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction" => partiql::calls(&asked),
        _ => administration::calls(&asked),
    };
    Ok(if calls.is_empty() { vec![asked.fallback()] } else { calls })
}

/// A request that has been parsed.
pub(super) struct Asked<'a> {
    pub(super) operation: &'a str,
    pub(super) request: &'a Object,
    pub(super) place: &'a Place<'a>,
    pub(super) schemas: &'a dyn KeySchemas,
}

impl Asked<'_> {
    pub(super) fn schema(&self, target: &Target<'_>) -> Option<Arc<KeySchema>> {
        target.name.and_then(|name| self.schemas.find(name))
    }

    /// The call that stands for what cannot be read. It may be about any item.
    pub(super) fn fallback(&self) -> Call {
        let unread = Some("the request cannot be read".to_owned());
        Call { unread, ..call(self.operation, EVERYTHING.to_owned(), Vec::new()) }
    }

    /// The condition key `dynamodb:ReturnConsumedCapacity`, where the request has the member.
    pub(super) fn capacity(&self) -> Option<(&'static str, Value)> {
        given("dynamodb:ReturnConsumedCapacity", member(self.request, "ReturnConsumedCapacity"))
    }
}

/// A call of an action of DynamoDB.
pub(super) fn call(action: &str, resource: String, keys: Vec<(&'static str, Value)>) -> Call {
    Call { action: format!("dynamodb:{action}"), resource, keys, unread: None }
}

/// A condition key that is a member's text.
pub(super) fn given(key: &'static str, member: Option<&Json>) -> Option<(&'static str, Value)> {
    let value = match member? {
        Json::String(text) => Value::One(text.clone()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Value::Unknown("the member is no text".to_owned())
        }
    };
    Some((key, value))
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
