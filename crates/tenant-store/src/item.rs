//! Between what is stored and DynamoDB's items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use contract::{Json, Number};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::{NoContext, Timestamp, Uuid};

use crate::form::Form;

/// DynamoDB's largest item in bytes.
pub(crate) const MAX_ITEM: usize = 400 * 1024;

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// What an item of a form holds beside its partition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) sort_key: String,
    /// Counts the writes, from 1.
    pub(crate) version: u64,
    /// When it was first written, where the form tells.
    pub(crate) created_at: OffsetDateTime,
    /// When it was last written.
    pub(crate) updated_at: OffsetDateTime,
    pub(crate) content: Json,
}

impl Stored {
    /// The first version.
    pub(crate) fn first(sort_key: String, content: Json, now: OffsetDateTime) -> Self {
        Self { sort_key, version: 1, created_at: now, updated_at: now, content }
    }

    /// What a write of the fresh content makes of this. None where no further version can be counted.
    pub(crate) fn next(&self, fresh: &Self) -> Option<Self> {
        // An item without the time of its creation gets it by this write.
        let birth = Some(self.created_at).filter(|at| *at != OffsetDateTime::UNIX_EPOCH);
        Some(Self {
            version: self.version.checked_add(1)?,
            created_at: birth.unwrap_or(fresh.created_at),
            ..fresh.clone()
        })
    }
}

/// An id that nothing else has. It stands behind those of earlier times.
pub(crate) fn fresh_id(now: OffsetDateTime) -> String {
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.nanosecond())).to_string()
}

/// The value of an attribute for a JSON value.
fn to_attribute(json: &Json) -> AttributeValue {
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

/// What an item holds, where it is of the form.
///
/// Tenants with credentials can write items of their own making: one without `version` counts as version 0,
/// one without times as of 1970. An item whose attributes are not of the form's types is none.
pub(crate) fn to_stored(form: &Form, mut item: Item) -> Option<Stored> {
    let AttributeValue::S(sort_key) = item.remove(form.sort_key)? else { return None };
    let content = item.remove(form.content).and_then(to_json)?;
    if form.is_object && !matches!(content, Json::Object(_)) {
        return None;
    }
    Some(Stored {
        sort_key,
        version: version(item.get("version"))?,
        created_at: time(item.get("created_at").filter(|_| form.has_birth))?,
        updated_at: time(item.get("updated_at"))?,
        content,
    })
}

/// The attributes of what is stored, without the keys.
pub(crate) fn to_item(form: &Form, stored: &Stored) -> Item {
    let text = |time: OffsetDateTime| AttributeValue::S(time.format(&Rfc3339).unwrap_or_default());
    let mut item = Item::from([
        ("version".to_owned(), AttributeValue::N(stored.version.to_string())),
        ("updated_at".to_owned(), text(stored.updated_at)),
        (form.content.to_owned(), to_attribute(&stored.content)),
    ]);
    if form.has_birth {
        item.insert("created_at".to_owned(), text(stored.created_at));
    }
    item
}

fn version(value: Option<&AttributeValue>) -> Option<u64> {
    match value {
        None => Some(0),
        // The last one has no next version.
        Some(AttributeValue::N(text)) => text.parse().ok().filter(|version| *version < u64::MAX),
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
        // Null and Bool take one; JSON has no others.
        _ => 1,
    }
}

/// About how many bytes a thing takes in a function's answer, where its JSON stands within a JSON string and
/// every quote and backslash is escaped once more.
pub(crate) fn answered_size(content: &Json) -> usize {
    const ENVELOPE: usize = 400;
    content.to_string().bytes().map(|b| if matches!(b, b'"' | b'\\') { 2 } else { 1 }).sum::<usize>()
        + ENVELOPE
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::form::{CHECKPOINTS, RECORDS};

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn n(text: &str) -> AttributeValue {
        AttributeValue::N(text.to_owned())
    }

    fn map(value: AttributeValue) -> AttributeValue {
        AttributeValue::M(HashMap::from([("member".to_owned(), value)]))
    }

    /// An item of a tenant's own making, with changes.
    fn stored(form: &Form, changes: &[(&str, AttributeValue)]) -> Option<Stored> {
        let mut item = Item::from([
            (form.partition_key.to_owned(), s("acme")),
            (form.sort_key.to_owned(), s("a")),
            (form.content.to_owned(), map(n("1"))),
        ]);
        item.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        to_stored(form, item)
    }

    #[test]
    fn an_item_without_version_and_times_is_version_0_of_1970() {
        for form in [&RECORDS, &CHECKPOINTS] {
            let stored = stored(form, &[]).unwrap();
            assert_eq!((stored.version, stored.created_at), (0, OffsetDateTime::UNIX_EPOCH));
            assert_eq!(stored.updated_at, OffsetDateTime::UNIX_EPOCH);
        }
    }

    #[test]
    fn what_is_not_of_the_form_is_none() {
        let set = AttributeValue::Ss(vec!["a".into()]);
        for form in [&RECORDS, &CHECKPOINTS] {
            for odd in [
                (form.content, set.clone()),
                (form.content, map(set.clone())),
                ("version", s("1")),
                ("version", n("1.5")),
                ("version", n("-1")),
                ("version", n("18446744073709551616")),
                ("updated_at", s("yesterday")),
                ("updated_at", n("1")),
            ] {
                assert_eq!(stored(form, std::slice::from_ref(&odd)), None, "{odd:?}");
            }
        }
        assert_eq!(stored(&RECORDS, &[("created_at", s("yesterday"))]), None);
    }

    #[test]
    fn a_records_content_is_an_object_and_a_checkpoints_any_json() {
        let scalars = [
            s("text"),
            n("1"),
            AttributeValue::Bool(true),
            AttributeValue::Null(true),
            AttributeValue::L(vec![]),
        ];
        for value in scalars {
            assert_eq!(stored(&RECORDS, &[("data", value.clone())]), None, "{value:?}");
            assert!(stored(&CHECKPOINTS, &[("value", value.clone())]).is_some(), "{value:?}");
        }
        let mut nothing = to_item(&CHECKPOINTS, &stored(&CHECKPOINTS, &[]).unwrap());
        nothing.insert("name".to_owned(), s("a"));
        nothing.remove("value");
        assert_eq!(to_stored(&CHECKPOINTS, nothing), None);
    }

    #[test]
    fn what_is_stored_comes_back_from_its_item() {
        let content = Json::parse(r#"{"a":[1.5,null,true,"x"],"b":{"c":{}}}"#).unwrap();
        for form in [&RECORDS, &CHECKPOINTS] {
            let first = Stored::first("a".to_owned(), content.clone(), datetime!(2026-11-24 12:00 UTC));
            let mut item = to_item(form, &first);
            item.insert(form.sort_key.to_owned(), s("a"));
            let expected = Stored {
                created_at: if form.has_birth { first.created_at } else { OffsetDateTime::UNIX_EPOCH },
                ..first
            };
            assert_eq!(to_stored(form, item), Some(expected));
        }
    }

    #[test]
    fn a_write_counts_the_version_and_keeps_the_birth() {
        let (birth, now) = (datetime!(2026-11-24 12:00 UTC), datetime!(2026-11-25 12:00 UTC));
        let first = Stored::first("a".to_owned(), Json::Null, birth);
        let fresh = Stored::first("a".to_owned(), Json::Bool(true), now);
        let second = first.next(&fresh).unwrap();
        assert_eq!((second.version, second.created_at, second.updated_at), (2, birth, now));
        assert_eq!(second.content, Json::Bool(true));
        let unborn = Stored { created_at: OffsetDateTime::UNIX_EPOCH, ..first.clone() };
        assert_eq!(unborn.next(&fresh).unwrap().created_at, now);
        assert_eq!(Stored { version: u64::MAX, ..first }.next(&fresh), None);
    }
}
