//! JSON objects that have one meaning.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value as Json};

use super::{Malformed, Object};

/// The start of names that `serde_json` keeps for itself: where the database reads a value that holds such a
/// member, the value is replaced by what the member's text says.
const RESERVED: &str = "$serde_json::private::";

/// Reads a body that is one JSON object.
///
/// The depth is bounded by `serde_json`: 127 levels, far above the 32 of an attribute value.
///
/// # Errors
///
/// [`Malformed`] for what is no JSON, no object, nested too deep or followed by anything, and where one object,
/// at any depth, has two members of the same name.
pub(super) fn parse(body: &[u8]) -> Result<Object, Malformed> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value.map_err(|error| Malformed(error.to_string()))? {
        Json::Object(object) => Ok(object),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err(Malformed("the body is not a JSON object".to_owned()))
        }
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(Strict)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = Object::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.starts_with(RESERVED) {
                return Err(A::Error::custom("a member has a reserved name"));
            }
            let value = map.next_value_seed(Strict)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("two members of one object have the same name"));
            }
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_read_as_serde_json_reads_it() {
        let text =
            r#"{"a": [1, -2, 2.5, true, false, null, "ä\n"], "b": {"a": {}}, "c": 18446744073709551615}"#;
        let expected: Json = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text.as_bytes()).map(Json::Object), Ok(expected));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "",
            "[]",
            "\"text\"",
            "null",
            "{",
            "{} {}",
            "{}x",
            "\u{feff}{}",
            "{'a': 1}",
            r#"{"a": 1,}"#,
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"a": {"b": [{"c": 1, "d": 2, "c": 1}]}}"#,
            r#"{"a": {"$serde_json::private::RawValue": "{\"S\": \"globex\"}"}}"#,
            r#"{"a": "\ud800"}"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"{\"a\": \"\xff\"}").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert!(parse(nested(100).as_bytes()).is_ok());
        assert!(parse(nested(200).as_bytes()).is_err());
        assert!(parse(nested(200_000).as_bytes()).is_err());
        assert!(parse("[".repeat(200_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn members_with_different_names_are_all_kept(names in prop::collection::btree_set(".{0,6}", 0..8)) {
            let text = json!(names.iter().map(|name| (name.clone(), json!(name))).collect::<Object>()).to_string();
            let parsed = parse(text.as_bytes()).expect("no name stands twice");
            prop_assert_eq!(parsed.keys().cloned().collect::<std::collections::BTreeSet<_>>(), names);
        }
    }
}
