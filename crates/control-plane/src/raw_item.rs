//! Items as DynamoDB's own JSON writes them, each value with its type (developer guide, "`AttributeValue`"): what an
//! export holds of items that the API would not bring back as they are.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::task::Item;

/// The table that an item is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Of {
    /// Those of records.
    Records,
    /// That of checkpoints.
    Checkpoints,
}

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    table: Of,
    item: Map<String, Value>,
}

/// The line of an item; none for a type that is none of DynamoDB's so far.
pub(crate) fn line(table: Of, item: &Item) -> Option<String> {
    serde_json::to_string(&Line { table, item: members(item)? }).ok()
}

/// The item of a line; none where it is no such line.
pub(crate) fn read(line: &str) -> Option<(Of, Item)> {
    let Line { table, item } = serde_json::from_str(line).ok()?;
    Some((table, attributes(&item)?))
}

fn members(item: &HashMap<String, AttributeValue>) -> Option<Map<String, Value>> {
    item.iter().map(|(name, value)| Some((name.clone(), to_json(value)?))).collect()
}

fn attributes(members: &Map<String, Value>) -> Option<Item> {
    members.iter().map(|(name, value)| Some((name.clone(), to_attribute(value)?))).collect()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the SDK's enum is open: some of its variants cannot be named"
)]
fn to_json(value: &AttributeValue) -> Option<Value> {
    let texts = |texts: &[String]| Value::from(texts.to_vec());
    let (kind, value) = match value {
        AttributeValue::S(text) => ("S", Value::from(text.as_str())),
        AttributeValue::N(text) => ("N", Value::from(text.as_str())),
        AttributeValue::B(bytes) => ("B", Value::from(STANDARD.encode(bytes))),
        AttributeValue::Bool(value) => ("BOOL", Value::from(*value)),
        AttributeValue::Null(_) => ("NULL", Value::from(true)),
        AttributeValue::Ss(set) => ("SS", texts(set)),
        AttributeValue::Ns(set) => ("NS", texts(set)),
        AttributeValue::Bs(set) => ("BS", set.iter().map(|bytes| STANDARD.encode(bytes)).collect()),
        AttributeValue::L(items) => ("L", Value::Array(items.iter().map(to_json).collect::<Option<_>>()?)),
        AttributeValue::M(item) => ("M", Value::Object(members(item)?)),
        _ => return None,
    };
    Some(Value::Object(Map::from_iter([(kind.to_owned(), value)])))
}

fn to_attribute(value: &Value) -> Option<AttributeValue> {
    let mut members = value.as_object()?.iter();
    let (kind, value) = members.next().filter(|_| members.len() == 0)?;
    let text = || value.as_str().map(str::to_owned);
    let texts =
        || value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>();
    let bytes = |value: &Value| STANDARD.decode(value.as_str()?).ok().map(Blob::new);
    Some(match kind.as_str() {
        "S" => AttributeValue::S(text()?),
        "N" => AttributeValue::N(text()?),
        "B" => AttributeValue::B(bytes(value)?),
        "BOOL" => AttributeValue::Bool(value.as_bool()?),
        "NULL" => AttributeValue::Null(value.as_bool().filter(|is_null| *is_null)?),
        "SS" => AttributeValue::Ss(texts()?),
        "NS" => AttributeValue::Ns(texts()?),
        "BS" => AttributeValue::Bs(value.as_array()?.iter().map(bytes).collect::<Option<_>>()?),
        "L" => AttributeValue::L(value.as_array()?.iter().map(to_attribute).collect::<Option<_>>()?),
        "M" => AttributeValue::M(attributes(value.as_object()?)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = AttributeValue> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..6).prop_map(Blob::new);
        let leaf = prop_oneof![
            ".{0,8}".prop_map(AttributeValue::S),
            "-?[0-9]{1,38}".prop_map(AttributeValue::N),
            bytes().prop_map(AttributeValue::B),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null(true)),
            proptest::collection::vec(".{0,4}", 1..4).prop_map(AttributeValue::Ss),
            proptest::collection::vec("[0-9]{1,4}", 1..4).prop_map(AttributeValue::Ns),
            proptest::collection::vec(bytes(), 1..4).prop_map(AttributeValue::Bs),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
                proptest::collection::hash_map(".{0,4}", inner, 0..4).prop_map(AttributeValue::M),
            ]
        })
    }

    #[test]
    fn the_deepest_item_comes_back_from_its_line() {
        let mut deep = AttributeValue::S("x".to_owned());
        for _ in 0..31 {
            deep = AttributeValue::M(Item::from([("m".to_owned(), deep)]));
        }
        let item = Item::from([("deep".to_owned(), deep)]);
        assert_eq!(read(&line(Of::Records, &item).unwrap()), Some((Of::Records, item)));
    }

    #[test]
    fn what_is_no_items_line_is_none() {
        for text in [
            "",
            "{}",
            r#"{"table":"records"}"#,
            r#"{"table":"others","item":{}}"#,
            r#"{"table":"records","item":{"a":1}}"#,
            r#"{"table":"records","item":{"a":{}}}"#,
            r#"{"table":"records","item":{"a":{"S":"x","N":"1"}}}"#,
            r#"{"table":"records","item":{"a":{"S":1}}}"#,
            r#"{"table":"records","item":{"a":{"NULL":false}}}"#,
            r#"{"table":"records","item":{"a":{"B":"*"}}}"#,
            r#"{"table":"records","item":{"a":{"X":"x"}}}"#,
            r#"{"table":"records","item":{},"more":1}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_item_comes_back_from_its_line(item in proptest::collection::hash_map(".{0,6}", value(), 0..5)) {
            let line = line(Of::Checkpoints, &item).unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(read(&line), Some((Of::Checkpoints, item)));
        }
    }
}
