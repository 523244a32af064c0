//! The secret values of API keys.

use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// What every value begins with, so that secret scanners find leaked ones.
const PREFIX: &str = "tenantry";
/// Random characters: 32 of base 62 carry 190 bits.
const RANDOM: usize = 32;
/// Characters of the checksum, CRC-32 in base 62.
const CHECKSUM: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key's value: `tenantry`, 32 random characters of base 62, and a checksum of six.
///
/// API Gateway takes 20 to 128 alphanumerics. The checksum lets a scanner tell a value from a look-alike
/// without asking anybody. `Debug` masks it; `Serialize` is for the one answer that carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyValue(Zeroizing<String>);

impl ApiKeyValue {
    /// Makes a value from the operating system's randomness.
    ///
    /// # Errors
    /// Where the system has none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut value = Zeroizing::new(String::with_capacity(PREFIX.len() + RANDOM + CHECKSUM));
        value.push_str(PREFIX);
        while value.len() < PREFIX.len() + RANDOM {
            let mut bytes = Zeroizing::new([0; RANDOM]);
            getrandom::fill(&mut *bytes)?;
            let missing = PREFIX.len() + RANDOM - value.len();
            // 248 is the largest multiple of 62 in a byte: taking no more keeps the characters even.
            let characters = bytes.iter().filter(|byte| **byte < 248).take(missing);
            value.extend(characters.map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
        }
        let checksum = checksum(&value);
        value.push_str(&checksum);
        Ok(Self(value))
    }

    /// The value that API Gateway holds for a key.
    #[must_use]
    pub fn existing(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether a text has the form and the checksum of a value.
    #[must_use]
    pub fn is_well_formed(text: &str) -> bool {
        text.len() == PREFIX.len() + RANDOM + CHECKSUM
            && text.starts_with(PREFIX)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && text.split_at_checked(PREFIX.len() + RANDOM).is_some_and(|(body, sum)| checksum(body) == sum)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

fn checksum(text: &str) -> String {
    let mut rest = usize::try_from(crc32fast::hash(text.as_bytes())).unwrap_or_default();
    let mut characters = [0; CHECKSUM];
    for character in characters.iter_mut().rev() {
        *character = ALPHABET[rest % 62];
        rest /= 62;
    }
    characters.iter().map(|byte| char::from(*byte)).collect()
}

impl fmt::Debug for ApiKeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyValue(***)")
    }
}

impl Serialize for ApiKeyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_what_api_gateway_and_scanners_expect() {
        let value = ApiKeyValue::generate().unwrap();
        assert_eq!(value.expose().len(), 46);
        assert!(ApiKeyValue::is_well_formed(value.expose()));
        assert_ne!(value, ApiKeyValue::generate().unwrap());
    }

    #[test]
    fn a_value_is_not_shown() {
        let value = ApiKeyValue::generate().unwrap();
        assert!(!format!("{value:?}").contains(value.expose()));
    }

    proptest! {
        #[test]
        fn a_changed_character_breaks_the_checksum(at in 0_usize..46, to in "[0-9A-Za-z]") {
            let value = ApiKeyValue::generate().unwrap();
            let mut text = value.expose().to_owned();
            prop_assume!(text[at..=at] != to);
            text.replace_range(at..=at, &to);
            prop_assert!(!ApiKeyValue::is_well_formed(&text));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            prop_assert!(!ApiKeyValue::is_well_formed(&text));
        }
    }
}
