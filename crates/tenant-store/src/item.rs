//! Between records and DynamoDB's items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use contract::{Collection, Json, Number, Record};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// DynamoDB's largest item in bytes.
pub(crate) const MAX_ITEM: usize = 400 * 1024;

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The value of an attribute for a JSON value.
pub(crate) fn to_attribute(json: &Json) -> AttributeValue {
    match json {
        Json::Null => AttributeValue::Null(true),
        Json::Bool(value) => AttributeValue::Bool(*value),
        Json::Number(number) => AttributeValue::N(number.as_str().to_owned()),
        Json::String(text) => AttributeValue::S(text.clone()),
        Json::Array(items) => AttributeValue::L(items.iter().map(to_attribute).collect()),
        Json::Object(members) => AttributeValue::M(
            members.iter().map(|(name, value)| (name.clone(), to_attribute(value))).collect(),
        ),
    }
}

/// The JSON value of an attribute; none for what JSON does not have (sets, binary).
///
/// DynamoDB does not keep the order of members; they come in the order of their names.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the SDK's enum is open: some of its variants cannot be named"
)]
fn to_json(value: AttributeValue) -> Option<Json> {
    match value {
        AttributeValue::Null(_) => Some(Json::Null),
        AttributeValue::Bool(value) => Some(Json::Bool(value)),
        AttributeValue::N(text) => Number::parse(&text).map(Json::Number),
        AttributeValue::S(text) => Some(Json::String(text)),
        AttributeValue::L(items) => items.into_iter().map(to_json).collect::<Option<_>>().map(Json::Array),
        AttributeValue::M(members) => {
            let mut object = members
                .into_iter()
                .map(|(name, value)| Some((name, to_json(value)?)))
                .collect::<Option<Vec<_>>>()?;
            object.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            Some(Json::Object(object))
        }
        // JSON has no sets and no binary, and not what DynamoDB may get later.
        _ => None,
    }
}

/// The record that an item holds.
///
/// Tenants with credentials can write items of their own making: one without `version` counts as version 0,
/// one without times as of 1970. An item whose id is outside the grammar, or whose attributes are not of a
/// record's types, is no record.
pub(crate) fn to_record(collection: &Collection, mut item: Item) -> Option<Record> {
    let AttributeValue::S(sort_key) = item.remove("sk")? else { return None };
    let id = sort_key.strip_prefix(collection.as_str())?.strip_prefix('#')?.parse().ok()?;
    let data = item.remove("data").filter(AttributeValue::is_m).and_then(to_json)?;
    Some(Record {
        id,
        collection: collection.clone(),
        version: version(item.get("version"))?,
        created_at: time(item.get("created_at"))?,
        updated_at: time(item.get("updated_at"))?,
        data,
    })
}

fn version(value: Option<&AttributeValue>) -> Option<u64> {
    match value {
        None => Some(0),
        Some(AttributeValue::N(text)) => text.parse().ok(),
        Some(_) => None,
    }
}

fn time(value: Option<&AttributeValue>) -> Option<OffsetDateTime> {
    match value {
        None => Some(OffsetDateTime::UNIX_EPOCH),
        Some(AttributeValue::S(text)) => OffsetDateTime::parse(text, &Rfc3339).ok(),
        Some(_) => None,
    }
}

/// The size that DynamoDB counts for an item (developer guide, "DynamoDB item sizes and formats").
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the SDK's enum is open: some of its variants cannot be named"
)]
fn value_size(value: &AttributeValue) -> usize {
    /// A list or map takes 3 bytes, and 1 for each element.
    const CONTAINER: usize = 3;
    match value {
        AttributeValue::S(text) => text.len(),
        // About one byte for two digits, one for the number itself, and one for a sign.
        AttributeValue::N(text) => text.len() / 2 + 2,
        AttributeValue::L(items) => CONTAINER + items.iter().map(|item| 1 + value_size(item)).sum::<usize>(),
        AttributeValue::M(members) => CONTAINER + size(members) + members.len(),
        // Null and Bool take one; records have no others.
        _ => 1,
    }
}

/// About how many bytes a record takes in a function's answer, where its JSON stands within a JSON string
/// and every quote and backslash is escaped once more.
pub(crate) fn answered_size(record: &Record) -> usize {
    const ENVELOPE: usize = 400;
    record.data.to_string().bytes().map(|b| if matches!(b, b'"' | b'\\') { 2 } else { 1 }).sum::<usize>()
        + ENVELOPE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn record(extra: &[(&str, AttributeValue)]) -> Option<Record> {
        let mut item = Item::from([
            ("tenant_id".to_owned(), s("acme")),
            ("sk".to_owned(), s("notes#a")),
            (
                "data".to_owned(),
                AttributeValue::M(HashMap::from([("n".to_owned(), AttributeValue::N("1".into()))])),
            ),
        ]);
        item.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        to_record(&"notes".parse().unwrap(), item)
    }

    #[test]
    fn an_item_without_version_and_times_is_version_0_of_1970() {
        let record = record(&[]).unwrap();
        assert_eq!((record.version, record.created_at), (0, OffsetDateTime::UNIX_EPOCH));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for odd in [
            ("sk", s("notes#")),
            ("sk", s("notes#a/b")),
            ("sk", s("other#a")),
            ("data", s("text")),
            (
                "data",
                AttributeValue::M(HashMap::from([("set".to_owned(), AttributeValue::Ss(vec!["a".into()]))])),
            ),
            ("version", s("1")),
            ("version", AttributeValue::N("1.5".into())),
            ("version", AttributeValue::N("-1".into())),
            ("created_at", s("yesterday")),
            ("updated_at", AttributeValue::N("1".into())),
        ] {
            assert!(record(std::slice::from_ref(&odd)).is_none(), "{odd:?}");
        }
    }

    #[test]
    fn data_comes_back_from_its_attribute() {
        let json = Json::parse(r#"{"a":[1.5,null,true,"x"],"b":{"c":{}}}"#).unwrap();
        assert_eq!(to_json(to_attribute(&json)), Some(json));
    }
}
