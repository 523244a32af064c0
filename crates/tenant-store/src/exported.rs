//! What the items of a tenant that leaves are exported as: the same as endpoints answer.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use contract::{Checkpoint, Record};

use crate::RecordKey;
use crate::form::{CHECKPOINTS, RECORDS};
use crate::item::to_stored;

/// The record that an item of the records table is; none where no endpoint would answer it.
#[expect(clippy::implicit_hasher, reason = "an item is as the SDK answers it")]
#[must_use]
pub fn exported_record(item: HashMap<String, AttributeValue>) -> Option<Record> {
    let stored = to_stored(&RECORDS, item)?;
    let (collection, id) = stored.sort_key.split_once('#')?;
    let key = RecordKey { collection: collection.parse().ok()?, id: id.parse().ok()? };
    Some(crate::records::record(key, stored))
}

/// The checkpoint that an item of the checkpoints table is; none where no endpoint would answer it.
#[expect(clippy::implicit_hasher, reason = "an item is as the SDK answers it")]
#[must_use]
pub fn exported_checkpoint(item: HashMap<String, AttributeValue>) -> Option<Checkpoint> {
    let stored = to_stored(&CHECKPOINTS, item)?;
    Some(crate::checkpoints::checkpoint(stored.sort_key.parse().ok()?, stored))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, AttributeValue)]) -> HashMap<String, AttributeValue> {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    #[test]
    fn a_record_is_exported_with_its_exact_numbers() {
        let number = AttributeValue::N("0.10000000000000000000000000000000000001".to_owned());
        let data = AttributeValue::M(item(&[("n", number)]));
        let record = exported_record(item(&[("sk", s("notes#a")), ("data", data)])).unwrap();
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"id":"a","collection":"notes","version":0,"created_at":"1970-01-01T00:00:00Z","updated_at":"1970-01-01T00:00:00Z","data":{"n":0.10000000000000000000000000000000000001}}"#
        );
    }

    #[test]
    fn what_no_endpoint_answers_is_not_exported() {
        let data = ("data", AttributeValue::M(HashMap::new()));
        for sort_key in ["notes", "Notes#a", "notes#..", "notes#a/b", "#a"] {
            assert!(exported_record(item(&[("sk", s(sort_key)), data.clone()])).is_none(), "{sort_key}");
        }
        assert!(exported_record(item(&[("sk", s("notes#a")), ("data", s("text"))])).is_none());
        assert!(exported_checkpoint(item(&[("name", s("a/b")), ("value", s("1"))])).is_none());
        assert!(exported_checkpoint(item(&[("name", s("a")), ("value", s("1"))])).is_some());
    }
}
