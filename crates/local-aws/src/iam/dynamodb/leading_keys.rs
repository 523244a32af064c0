//! The partition key values that a request names.

use serde_json::Value as Json;

use super::{KeySchema, Known};
use crate::iam::Value;

/// Different values in one call. The largest operation takes a hundred items.
const MAX_VALUES: usize = 128;

/// The partition key values of one call, each once, in their order in the request. One that cannot be found out
/// makes all of them unknown.
pub(super) struct LeadingKeys(Known<Vec<String>>);

impl LeadingKeys {
    pub(super) fn new() -> Self {
        Self(Ok(Vec::new()))
    }

    pub(super) fn add(&mut self, value: Known<String>) {
        let Ok(values) = &mut self.0 else { return };
        match value {
            Ok(value) if values.contains(&value) => {}
            Ok(value) if values.len() < MAX_VALUES => values.push(value),
            Ok(_) => self.0 = Err(format!("the request names more than {MAX_VALUES} partitions")),
            Err(reason) => self.0 = Err(reason),
        }
    }

    /// The condition key's value. Without any value it is unknown: an operation on items has a key.
    pub(super) fn into_value(self) -> Value {
        match self.0 {
            Ok(values) if values.is_empty() => Value::Unknown("the request names no key".to_owned()),
            Ok(values) => Value::Many(values),
            Err(reason) => Value::Unknown(reason),
        }
    }
}

/// The partition key value of an item or a key.
pub(super) fn partition_value(schema: Option<&KeySchema>, item: Option<&Json>) -> Known<String> {
    let schema = schema.ok_or("the table is not known")?;
    let Some(Json::Object(item)) = item else { return Err("the key cannot be read".to_owned()) };
    let value = item.get(&schema.partition);
    key_text(value.ok_or_else(|| format!("the key has no attribute {}", schema.partition))?)
}

/// The text of a key attribute's value, which has one type: a string, a number or binary.
///
/// A number has to be spelled in the one way that DynamoDB answers with, since `1` and `1.0` are the same key.
/// Binary has one spelling: the database takes no other base64 than the canonical one.
pub(super) fn key_text(value: &Json) -> Known<String> {
    let Json::Object(members) = value else { return Err("a key's value cannot be read".to_owned()) };
    let mut members = members.iter();
    let (Some((kind, Json::String(text))), None) = (members.next(), members.next()) else {
        return Err("a key's value has not exactly one type".to_owned());
    };
    match kind.as_str() {
        "S" | "B" => Ok(text.clone()),
        "N" if is_canonical(text) => Ok(text.clone()),
        "N" => Err("a key's number is not in its canonical spelling".to_owned()),
        _ => Err("a key's value is no string, number or binary".to_owned()),
    }
}

fn is_canonical(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number != "-0"
        && is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|fraction| is_digits(fraction) && !fraction.ends_with('0'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_has_one_spelling() {
        for (value, text) in [
            (json!({"S": "acme"}), "acme"),
            (json!({"S": ""}), ""),
            (json!({"B": "YWNtZQ=="}), "YWNtZQ=="),
            (json!({"N": "0"}), "0"),
            (json!({"N": "-12.05"}), "-12.05"),
            (json!({"N": "0.5"}), "0.5"),
        ] {
            assert_eq!(key_text(&value), Ok(text.to_owned()), "{value}");
        }
    }

    #[test]
    fn what_has_several_spellings_or_types_is_unknown() {
        for number in
            ["1.0", "01", "-0", "+1", "1e0", " 1", "1 ", "1.", ".5", "", "-", "0.50", "0x1", "1_0", "-00"]
        {
            assert!(key_text(&json!({"N": number})).is_err(), "{number}");
        }
        for value in [
            json!({"S": "acme", "N": null}),
            json!({"S": "acme", "B": "YWNtZQ=="}),
            json!({"S": "acme", "other": 1}),
            json!({"S": ["acme"]}),
            json!({"S": null}),
            json!({"N": 1}),
            json!({"SS": ["acme"]}),
            json!({"BOOL": true}),
            json!({"s": "acme"}),
            json!({}),
            json!(["S", "acme"]),
            json!("acme"),
            json!(null),
        ] {
            assert!(key_text(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn values_are_kept_once_in_order_until_one_is_unknown() {
        let mut keys = LeadingKeys::new();
        for value in ["globex", "acme", "globex"] {
            keys.add(Ok(value.to_owned()));
        }
        assert!(matches!(keys.into_value(), Value::Many(values) if values == ["globex", "acme"]));

        let mut keys = LeadingKeys::new();
        keys.add(Ok("acme".to_owned()));
        keys.add(Err("reason".to_owned()));
        keys.add(Ok("acme".to_owned()));
        assert!(matches!(keys.into_value(), Value::Unknown(reason) if reason == "reason"));

        let mut keys = LeadingKeys::new();
        for value in 0..=MAX_VALUES {
            keys.add(Ok(value.to_string()));
        }
        assert!(matches!(keys.into_value(), Value::Unknown(_)));
        assert!(matches!(LeadingKeys::new().into_value(), Value::Unknown(_)));
    }
}
