//! What the items of a tenant that leaves are exported as, the same as endpoints answer, and how they come back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use contract::{CheckpointName, Json, Record};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tenant_context::ApiKeyId;
use time::OffsetDateTime;

use crate::RecordKey;
use crate::form::{CHECKPOINTS, Form, RECORDS};
use crate::item::{Item, Stored, to_item, to_stored};

/// An item as it is exported: in a line, as it is stored, or both.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The JSON of the thing that it is; none where no endpoint would answer it.
    pub line: Option<String>,
    /// The item, where the line would not bring it back as it is: a tenant with credentials writes what it likes.
    pub raw: Option<HashMap<String, AttributeValue>>,
}

/// A checkpoint with the key that it belongs to.
#[derive(Serialize)]
struct KeyCheckpoint<'a> {
    api_key_id: &'a ApiKeyId,
    name: CheckpointName,
    version: u64,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    value: Json,
}

/// A record's line. The data is read by [`Json::parse`]: it nests as deeply as DynamoDB does by itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine<'a> {
    id: String,
    collection: String,
    version: u64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// A checkpoint's line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine<'a> {
    api_key_id: ApiKeyId,
    name: String,
    version: u64,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// What an item of a records table is exported as.
#[expect(clippy::implicit_hasher, reason = "an item is as the SDK answers it")]
#[must_use]
pub fn exported_record(item: HashMap<String, AttributeValue>) -> Exported {
    let line = record(item.clone()).and_then(|record| serde_json::to_string(&record).ok());
    exported(&RECORDS, item, line, imported_record)
}

/// What an item of the checkpoints table is exported as, of a key's checkpoints.
#[expect(clippy::implicit_hasher, reason = "an item is as the SDK answers it")]
#[must_use]
pub fn exported_checkpoint(key: &ApiKeyId, item: HashMap<String, AttributeValue>) -> Exported {
    let line = to_stored(&CHECKPOINTS, item.clone()).and_then(|stored| {
        let Stored { sort_key, version, updated_at, content: value, .. } = stored;
        let name = sort_key.parse().ok()?;
        serde_json::to_string(&KeyCheckpoint { api_key_id: key, name, version, updated_at, value }).ok()
    });
    exported(&CHECKPOINTS, item, line, |line| imported_checkpoint(line).map(|(_, item)| item))
}

/// The item that a record's line brings back, without the tenant; none where it is no such line.
#[must_use]
pub fn imported_record(line: &str) -> Option<HashMap<String, AttributeValue>> {
    let line: RecordLine<'_> = serde_json::from_str(line).ok()?;
    let key = RecordKey { collection: line.collection.parse().ok()?, id: line.id.parse().ok()? };
    let content = Json::parse(line.data.get()).ok()?;
    if !matches!(content, Json::Object(_)) {
        return None;
    }
    let RecordLine { version, created_at, updated_at, .. } = line;
    let sort_key = key.sort_key();
    Some(whole(&RECORDS, &Stored { sort_key, version, created_at, updated_at, content }))
}

/// The item that a checkpoint's line brings back, without the key, and the key that it was exported from; none where
/// it is no such line.
#[must_use]
pub fn imported_checkpoint(line: &str) -> Option<(ApiKeyId, HashMap<String, AttributeValue>)> {
    let line: CheckpointLine<'_> = serde_json::from_str(line).ok()?;
    let name: CheckpointName = line.name.parse().ok()?;
    let content = Json::parse(line.value.get()).ok()?;
    let CheckpointLine { api_key_id, version, updated_at, .. } = line;
    let (sort_key, created_at) = (name.to_string(), OffsetDateTime::UNIX_EPOCH);
    let stored = Stored { sort_key, version, created_at, updated_at, content };
    Some((api_key_id, whole(&CHECKPOINTS, &stored)))
}

/// The record that an item is; none where no endpoint would answer it.
fn record(item: Item) -> Option<Record> {
    let stored = to_stored(&RECORDS, item)?;
    let (collection, id) = stored.sort_key.split_once('#')?;
    let key = RecordKey { collection: collection.parse().ok()?, id: id.parse().ok()? };
    Some(crate::records::record(key, stored))
}

/// The line, and the item where the line does not tell all of it.
fn exported(
    form: &Form,
    mut item: Item,
    line: Option<String>,
    imported: impl Fn(&str) -> Option<Item>,
) -> Exported {
    let Some((line, told)) = line.and_then(|line| imported(&line).map(|told| (line, told))) else {
        return Exported { line: None, raw: Some(item) };
    };
    let partition = item.remove(form.partition_key);
    if told == item {
        return Exported { line: Some(line), raw: None };
    }
    item.extend(partition.map(|value| (form.partition_key.to_owned(), value)));
    Exported { line: Some(line), raw: Some(item) }
}

/// The attributes of what is stored, without the partition key.
fn whole(form: &Form, stored: &Stored) -> Item {
    let mut item = to_item(form, stored);
    item.insert(form.sort_key.to_owned(), AttributeValue::S(stored.sort_key.clone()));
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, AttributeValue)]) -> Item {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn n(text: &str) -> AttributeValue {
        AttributeValue::N(text.to_owned())
    }

    fn key() -> ApiKeyId {
        "k1".parse().unwrap()
    }

    /// A record's item as the API writes it, with changes.
    fn of_a_record(changes: &[(&str, AttributeValue)]) -> Item {
        let time = s("2026-11-24T12:00:00.123456789Z");
        let mut whole = item(&[
            ("tenant_id", s("acme")),
            ("sk", s("notes#a")),
            ("version", n("3")),
            ("created_at", time.clone()),
            ("updated_at", time),
            ("data", AttributeValue::M(item(&[("n", n("0.10000000000000000000000000000000000001"))]))),
        ]);
        whole.extend(item(changes));
        whole
    }

    #[test]
    fn a_record_is_exported_with_its_exact_numbers() {
        let exported = exported_record(of_a_record(&[]));
        assert_eq!(
            exported.line.unwrap(),
            r#"{"id":"a","collection":"notes","version":3,"created_at":"2026-11-24T12:00:00.123456789Z","updated_at":"2026-11-24T12:00:00.123456789Z","data":{"n":0.10000000000000000000000000000000000001}}"#
        );
        assert_eq!(exported.raw, None);
    }

    #[test]
    fn what_the_api_has_written_comes_back_from_its_line() {
        let mut deep = AttributeValue::L(vec![]);
        for _ in 0..29 {
            deep = AttributeValue::L(vec![deep]);
        }
        let odd = AttributeValue::M(item(&[
            ("ünï \u{1}\"", s("\u{10ffff}\n")),
            ("empty", AttributeValue::L(vec![s(""), AttributeValue::M(Item::new())])),
            (
                "others",
                AttributeValue::L(vec![AttributeValue::Bool(false), AttributeValue::Null(true), n("1.50")]),
            ),
            ("deep", deep),
        ]));
        for changes in [vec![], vec![("data", AttributeValue::M(Item::new()))], vec![("sk", s("n-1#~.-"))]] {
            let mut whole = of_a_record(&changes);
            let line = exported_record(whole.clone()).line.unwrap();
            whole.remove("tenant_id");
            assert_eq!(imported_record(&line), Some(whole), "{line}");
        }
        let exported = exported_record(of_a_record(&[("data", odd)]));
        let told = imported_record(&exported.line.unwrap()).unwrap();
        // It comes back but for the spelling of a number that DynamoDB would not spell so.
        assert!(exported.raw.is_some() && told["data"].as_m().unwrap().contains_key("deep"));
        let checkpoint = item(&[
            ("api_key_id", s("k1")),
            ("name", s("sync")),
            ("version", n("1")),
            ("updated_at", s("2026-11-24T12:00:00Z")),
            ("value", n("1.5")),
        ]);
        let exported = exported_checkpoint(&key(), checkpoint.clone());
        assert_eq!(exported.raw, None);
        let (from, mut told) = imported_checkpoint(&exported.line.unwrap()).unwrap();
        told.insert("api_key_id".to_owned(), s("k1"));
        assert_eq!((from, told), (key(), checkpoint));
    }

    #[test]
    fn what_no_endpoint_answers_is_exported_as_it_is_stored() {
        let data = ("data", AttributeValue::M(Item::new()));
        for sort_key in ["notes", "Notes#a", "notes#..", "notes#a/b", "#a"] {
            let odd = item(&[("sk", s(sort_key)), data.clone()]);
            assert_eq!(exported_record(odd.clone()), Exported { line: None, raw: Some(odd) }, "{sort_key}");
        }
        let nameless = AttributeValue::M(item(&[("", s("a member without a name"))]));
        for odd in [item(&[("sk", s("notes#a")), ("data", s("text"))]), of_a_record(&[("data", nameless)])] {
            assert_eq!(exported_record(odd.clone()), Exported { line: None, raw: Some(odd) });
        }
        let odd = item(&[("name", s("a/b")), ("value", s("1"))]);
        assert_eq!(exported_checkpoint(&key(), odd.clone()), Exported { line: None, raw: Some(odd) });
    }

    #[test]
    fn what_a_line_does_not_tell_is_exported_twice() {
        let binary = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([0, 255]));
        let without = |name: &str| {
            let mut item = of_a_record(&[]);
            item.remove(name);
            item
        };
        for odd in [
            of_a_record(&[("own", binary)]),
            of_a_record(&[("updated_at", s("2026-11-24T12:00:00.100Z"))]),
            without("version"),
            without("created_at"),
        ] {
            let exported = exported_record(odd.clone());
            assert_eq!((exported.line.is_some(), exported.raw), (true, Some(odd)));
        }
    }

    #[test]
    fn what_is_no_line_of_an_export_brings_nothing_back() {
        let line = exported_record(of_a_record(&[])).line.unwrap();
        for (from, to) in [
            ("\"data\":{", "\"data\":[{"),
            ("notes", "Notes"),
            ("\"version\":3", "\"version\":-3"),
            ("2026-11-24T12:00:00.123456789Z", "yesterday"),
            ("\"id\"", "\"ids\""),
            ("}}", "}"),
            ("{\"n\":", "{\"n\":1e999,\"m\":"),
        ] {
            assert_eq!(imported_record(&line.replace(from, to)), None, "{to}");
        }
        for line in [
            "",
            "1",
            "[]",
            "{}",
            r#"{"api_key_id":"k1","name":"a/b","version":1,"updated_at":"2026-11-24T12:00:00Z","value":1}"#,
        ] {
            assert!(imported_checkpoint(line).is_none(), "{line}");
        }
    }
}
