//! Preconditions as condition expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use contract::Collection;

use crate::Precondition;
use crate::item::{Item, to_record};

/// Holds for an item that is a record, as far as a condition can tell.
const IS_RECORD: &str = "attribute_type(#data, :map) \
    AND (attribute_not_exists(#version) OR (attribute_type(#version, :number) AND #version >= :zero)) \
    AND (attribute_not_exists(#created_at) OR attribute_type(#created_at, :string))";

/// A condition expression with the names and values that it uses; DynamoDB refuses unused ones.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, AttributeValue>,
}

impl Condition {
    /// For a write that creates or replaces.
    pub(crate) fn to_put(precondition: &Precondition) -> Self {
        match precondition {
            Precondition::Absent => Self::no_item(),
            Precondition::Exists | Precondition::VersionIn(_) => Self::record(precondition),
            Precondition::None | Precondition::VersionNotIn(_) => {
                let mut condition = Self::record(precondition);
                condition.expression = format!("attribute_not_exists(#sk) OR ({})", condition.expression);
                condition.names.insert("#sk".to_owned(), "sk".to_owned());
                condition
            }
        }
    }

    /// For a write that needs a record: it is there, and as the precondition requires.
    pub(crate) fn record(precondition: &Precondition) -> Self {
        let name = |name: &str| (format!("#{name}"), name.to_owned());
        let mut condition = Self {
            expression: IS_RECORD.to_owned(),
            names: HashMap::from([name("data"), name("version"), name("created_at")]),
            values: HashMap::from([
                (":map".to_owned(), AttributeValue::S("M".to_owned())),
                (":number".to_owned(), AttributeValue::S("N".to_owned())),
                (":string".to_owned(), AttributeValue::S("S".to_owned())),
                (":zero".to_owned(), AttributeValue::N("0".to_owned())),
            ]),
        };
        match precondition {
            Precondition::None | Precondition::Exists | Precondition::Absent => {}
            // No version is below zero: the list is empty, and the condition never holds.
            Precondition::VersionIn(versions) if versions.is_empty() => {
                condition.expression.push_str(" AND #version < :zero");
            }
            Precondition::VersionIn(versions) => {
                let list = condition.list(versions);
                // A missing version counts as 0.
                let missing = if versions.contains(&0) { " OR attribute_not_exists(#version)" } else { "" };
                condition.expression =
                    format!("{} AND (#version IN ({list}){missing})", condition.expression);
            }
            Precondition::VersionNotIn(versions) if versions.is_empty() => {}
            Precondition::VersionNotIn(versions) => {
                let list = condition.list(versions);
                let missing = if versions.contains(&0) { " AND attribute_exists(#version)" } else { "" };
                condition.expression =
                    format!("{} AND NOT (#version IN ({list})){missing}", condition.expression);
            }
        }
        condition
    }

    /// For a write to an empty place.
    pub(crate) fn no_item() -> Self {
        Self {
            expression: "attribute_not_exists(#sk)".to_owned(),
            names: HashMap::from([("#sk".to_owned(), "sk".to_owned())]),
            values: HashMap::new(),
        }
    }

    fn list(&mut self, versions: &[u64]) -> String {
        let mut names = Vec::with_capacity(versions.len());
        for (index, version) in versions.iter().enumerate() {
            let name = format!(":v{index}");
            self.values.insert(name.clone(), AttributeValue::N(version.to_string()));
            names.push(name);
        }
        names.join(", ")
    }
}

/// What stands in the place where a condition did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Present {
    Nothing,
    /// An item that counts as none.
    NoRecord,
    Record,
}

impl Present {
    /// Judges the item that DynamoDB returns with the failed condition.
    pub(crate) fn of(item: Option<&Item>, collection: &Collection) -> Self {
        match item {
            None => Self::Nothing,
            Some(item) if to_record(collection, item.clone()).is_some() => Self::Record,
            Some(_) => Self::NoRecord,
        }
    }
}
