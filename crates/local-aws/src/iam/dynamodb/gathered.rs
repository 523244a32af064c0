//! The condition keys of one call, gathered from its items.

use serde_json::Value as Json;

use super::attributes::Attributes;
use super::leading_keys::{LeadingKeys, partition_value};
use super::{KeySchema, Known, Object, member};
use crate::iam::Value;

/// What a call reads, which decides what its `Select` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Items by their keys. There is no member `Select`: one that is sent means nothing.
    Items,
    /// A table, by `Query` or `Scan`.
    Table,
    /// An index, by `Query` or `Scan`.
    Index,
}

/// Condition keys in the making.
pub(super) struct Gathered {
    leading: Option<LeadingKeys>,
    pub(super) attributes: Attributes,
    select: Option<Known<String>>,
}

impl Gathered {
    /// For an operation that has leading keys.
    pub(super) fn keyed() -> Self {
        Self { leading: Some(LeadingKeys::new()), ..Self::keyless() }
    }

    /// For an operation that has none.
    pub(super) fn keyless() -> Self {
        Self { leading: None, attributes: Attributes::new(), select: None }
    }

    /// Adds a partition key value.
    pub(super) fn partition(&mut self, value: Known<String>) {
        if let Some(leading) = &mut self.leading {
            leading.add(value);
        }
    }

    /// Adds the partition key value of an item or a key.
    pub(super) fn item(&mut self, schema: Option<&KeySchema>, item: Option<&Json>) {
        self.partition(partition_value(schema, item));
    }

    /// Notes that something of the call cannot be read.
    pub(super) fn unreadable(&mut self, reason: &str) {
        self.partition(Err(reason.to_owned()));
        self.attributes.unknown(reason);
    }

    /// Adds what a request returns of the items. Of requests that differ in that, one call returns whole items.
    pub(super) fn reads(&mut self, request: &Object, read: Read) {
        let select = select(request, read);
        self.select = Some(match self.select.take() {
            None => select,
            Some(Err(reason)) => Err(reason),
            Some(Ok(before)) => {
                select.map(|now| if now == before { now } else { "ALL_ATTRIBUTES".to_owned() })
            }
        });
    }

    pub(super) fn into_keys(self) -> Vec<(&'static str, Value)> {
        let mut keys = Vec::with_capacity(6);
        if let Some(leading) = self.leading {
            keys.push(("dynamodb:LeadingKeys", leading.into_value()));
        }
        if let Some(attributes) = self.attributes.into_value() {
            keys.push(("dynamodb:Attributes", attributes));
        }
        if let Some(select) = self.select {
            keys.push(("dynamodb:Select", select.map_or_else(Value::Unknown, Value::One)));
        }
        keys
    }
}

fn select(request: &Object, read: Read) -> Known<String> {
    let has_list = member(request, "AttributesToGet")
        .is_some_and(|list| list.as_array().is_none_or(|names| !names.is_empty()));
    let is_projected = has_list || member(request, "ProjectionExpression").is_some();
    let given = member(request, "Select").filter(|_| read != Read::Items);
    let select = match given {
        // Without a projection the database refuses it; if it did not, all attributes would be returned.
        Some(Json::String(given)) if is_projected || given != "SPECIFIC_ATTRIBUTES" => given.as_str(),
        Some(_) => return Err("Select cannot be read".to_owned()),
        None if is_projected => "SPECIFIC_ATTRIBUTES",
        None if read == Read::Index => "ALL_PROJECTED_ATTRIBUTES",
        None => "ALL_ATTRIBUTES",
    };
    Ok(select.to_owned())
}
