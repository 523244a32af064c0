//! JSON whose numbers are exact.
//!
//! `serde_json` reads a number into a float, which loses digits; its `arbitrary_precision` feature would
//! change every other crate of the build. So values are read level by level from [`RawValue`], and a number
//! keeps all its digits.

use std::fmt::{self, Write as _};

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Most levels of arrays and objects within a value. DynamoDB nests 32 levels deep, the record's own
/// attributes take one.
const MAX_DEPTH: usize = 31;
/// Most significant digits of a DynamoDB number.
const MAX_DIGITS: usize = 38;
/// Magnitudes of a DynamoDB number: 1E-130 to 9.9…E+125.
const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;

/// A JSON value with exact numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that DynamoDB holds exactly.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, its members in the order of their names: DynamoDB keeps no other.
    Object(Vec<(String, Json)>),
}

/// A JSON number within what DynamoDB holds exactly: 38 significant digits, 1E-130 to 9.9E+125.
///
/// Its value is exact. Its spelling is one for each value, the shortest that JavaScript would write, since
/// DynamoDB keeps values and not spellings: `1.50` is answered as `1.5`, at once and ever after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

/// Why a text is not a value that can be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON at all.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// The value at the pointer is JSON, but would not come back as it was sent.
    #[error("{detail}")]
    Unkeepable {
        /// JSON Pointer (RFC 6901) of the value.
        pointer: String,
        /// What is the matter with it.
        detail: String,
    },
}

impl Number {
    /// The number as JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a number's text if it is JSON's and DynamoDB would keep it exactly.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let digits = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let json = !whole.is_empty()
            && (whole == "0" || !whole.starts_with('0'))
            && (fraction.is_empty() != digits.contains('.'))
            && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if !json {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let leading_zeros = i64::try_from(all.len() - significant.len()).ok()?;
        let significant = significant.trim_end_matches('0');
        // The power of ten of the first significant digit.
        let magnitude =
            exponent.checked_add(i64::try_from(whole.len()).ok()?)?.checked_sub(leading_zeros + 1)?;
        if significant.is_empty() {
            return Some(Self("0".to_owned()));
        }
        let is_kept = significant.len() <= MAX_DIGITS && EXPONENTS.contains(&magnitude);
        let sign = if mantissa.starts_with('-') { "-" } else { "" };
        is_kept.then(|| Self(format!("{sign}{}", spell(significant, magnitude))))
    }
}

/// Writes digits without zeros at either end, the first of which counts 10^magnitude.
fn spell(digits: &str, magnitude: i64) -> String {
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    match magnitude {
        0..21 if length <= magnitude + 1 => format!("{digits}{}", zeros(magnitude + 1 - length)),
        0..21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(magnitude + 1).unwrap_or_default());
            format!("{whole}.{fraction}")
        }
        -6..0 => format!("0.{}{digits}", zeros(-magnitude - 1)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{first}{point}{rest}e{magnitude:+}")
        }
    }
}

impl Json {
    /// Reads a JSON text.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] for what is not JSON; [`JsonError::Unkeepable`] for numbers outside
    /// [`Number`], duplicate or empty member names, and more than 31 levels.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let raw: &RawValue =
            serde_json::from_str(text).map_err(|error| JsonError::Syntax(error.to_string()))?;
        Self::read(raw, &mut String::new(), 0)
    }

    fn read(raw: &RawValue, pointer: &mut String, depth: usize) -> Result<Self, JsonError> {
        let text = raw.get();
        let refuse = |pointer: &str, detail: String| {
            Err(JsonError::Unkeepable { pointer: pointer.to_owned(), detail })
        };
        let syntax = |error: serde_json::Error| JsonError::Syntax(error.to_string());
        match text.as_bytes().first() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                refuse(pointer, format!("nested deeper than {MAX_DEPTH} levels"))
            }
            Some(b'{') => {
                let members =
                    serde_json::Deserializer::from_str(text).deserialize_map(Members).map_err(syntax)?;
                let mut object: Vec<(String, Self)> = Vec::with_capacity(members.len());
                let mut names = std::collections::HashSet::with_capacity(members.len());
                for (name, value) in members {
                    let length = pointer.len();
                    push_token(pointer, &name);
                    if name.is_empty() {
                        return refuse(pointer, "a member's name is empty".to_owned());
                    }
                    if !names.insert(name.clone()) {
                        return refuse(pointer, "a member of this name stands twice".to_owned());
                    }
                    let value = Self::read(value, pointer, depth + 1)?;
                    pointer.truncate(length);
                    object.push((name, value));
                }
                object.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                Ok(Self::Object(object))
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(syntax)?;
                let mut array = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    let length = pointer.len();
                    push_token(pointer, &index.to_string());
                    array.push(Self::read(item, pointer, depth + 1)?);
                    pointer.truncate(length);
                }
                Ok(Self::Array(array))
            }
            Some(b'"') => serde_json::from_str(text).map(Self::String).map_err(syntax),
            Some(b't') => Ok(Self::Bool(true)),
            Some(b'f') => Ok(Self::Bool(false)),
            Some(b'n') => Ok(Self::Null),
            _ => match Number::parse(text) {
                Some(number) => Ok(Self::Number(number)),
                None => refuse(
                    pointer,
                    "a number must have at most 38 significant digits and lie between 1e-130 and 1e126"
                        .to_owned(),
                ),
            },
        }
    }
}

/// Leads a pointer one token further, with its escapes (RFC 6901, section 3).
pub(crate) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

impl fmt::Display for Json {
    /// Writes the value as compact JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(number.as_str()),
            Self::String(text) => write_string(f, text),
            Self::Array(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_char(']')
            }
            Self::Object(members) => {
                f.write_char('{')?;
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        f.write_char(',')?;
                    }
                    write_string(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        match Json::parse(text) {
            Err(JsonError::Unkeepable { pointer, .. }) => pointer,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_number_has_one_spelling_for_its_value() {
        for (sent, answered) in [
            ("1", "1"),
            ("-0", "0"),
            ("0.000", "0"),
            ("1.50", "1.5"),
            ("100", "100"),
            ("1e2", "100"),
            ("-12.5E-1", "-1.25"),
            ("0.0000010", "0.000001"),
            ("1e-7", "1e-7"),
            ("15e20", "1.5e+21"),
            ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
            ("0.1E-100", "1e-101"),
        ] {
            assert_eq!(Number::parse(sent).map(|number| number.0).as_deref(), Some(answered), "{sent}");
        }
    }

    #[test]
    fn what_would_not_come_back_is_refused_with_its_pointer() {
        assert_eq!(refused(r#"{"a":[0,123456789012345678901234567890123456789]}"#), "/a/1");
        assert_eq!(refused(r#"{"a":1e126}"#), "/a");
        assert_eq!(refused(r#"{"a":1e-131}"#), "/a");
        assert_eq!(refused(r#"{"a":1e99999999999999999999}"#), "/a");
        assert_eq!(refused(r#"{"x":{"a/b":1,"a/b":2}}"#), "/x/a~1b");
        assert_eq!(refused(r#"{"":1}"#), "/");
        assert_eq!(refused(&format!("{}1{}", "[".repeat(40), "]".repeat(40))), "/0".repeat(31));
    }

    #[test]
    fn what_is_not_json_is_a_syntax_error() {
        for text in
            ["", "{", "{'a':1}", "01", "1.", "NaN", r#""\ud800""#, "[1,]", "{} {}", &"[".repeat(100_000)]
        {
            assert!(matches!(Json::parse(text), Err(JsonError::Syntax(_))), "{text:.20}");
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let number = "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?"
            .prop_filter_map("keepable", |text| Number::parse(&text));
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            number.prop_map(Json::Number),
            any::<String>().prop_map(Json::String),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
                prop::collection::btree_map(".{1,8}", inner, 0..6)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn parse_and_display_agree(value in any_json()) {
            let text = value.to_string();
            prop_assert_eq!(Json::parse(&text).unwrap(), value.clone());
            prop_assert_eq!(serde_json::to_string(&value).unwrap(), text);
        }

        #[test]
        fn a_spelling_is_that_of_its_own_value(text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?") {
            if let Some(number) = Number::parse(&text) {
                prop_assert_eq!(Number::parse(number.as_str()), Some(number.clone()));
                let (sent, answered): (f64, f64) = (text.parse().unwrap(), number.as_str().parse().unwrap());
                prop_assert!((sent - answered).abs() <= sent.abs() * f64::EPSILON);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = Json::parse(&text);
            let _ = Number::parse(&text);
        }
    }
}
