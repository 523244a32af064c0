//! The ids of tenants and keys.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} must match {grammar}")]
pub struct IdError {
    what: &'static str,
    grammar: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $type:ident, $what:literal, $grammar:literal, $lengths:expr, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let accepts: fn(u8) -> bool = $accepts;
                if $lengths.contains(&text.len()) && text.bytes().all(accepts) {
                    Ok(Self(text))
                } else {
                    Err(IdError { what: $what, grammar: $grammar })
                }
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.to_owned().try_into()
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A tenant's id: `[a-z0-9]{3,20}`, ours, opaque, never changed.
    ///
    /// The length keeps a siloed tenant's bucket name within S3's 63 characters in every region.
    TenantId, "a tenant id", "[a-z0-9]{3,20}", 3..=20, |b| b.is_ascii_lowercase() || b.is_ascii_digit()
}

id! {
    /// The id that API Gateway gives a key, never its value: `[A-Za-z0-9]{1,40}`.
    ///
    /// With a tenant id and a dot it fits into the 64 characters of an STS session name.
    ApiKeyId, "an API key id", "[A-Za-z0-9]{1,40}", 1..=40, |b| b.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_hold_no_separator_and_no_capital() {
        for bad in ["", "ab", "Acme", "acme-eu", "acme#1", "acme/1", "acme.1", "äcme", &"a".repeat(21)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
        for bad in ["", "a-b", "a#b", "a/b", "a.b", &"a".repeat(41)] {
            assert!(bad.parse::<ApiKeyId>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parse_and_display_agree(tenant in "[a-z0-9]{3,20}", key in "[A-Za-z0-9]{1,40}") {
            prop_assert_eq!(tenant.parse::<TenantId>().unwrap().to_string(), tenant);
            prop_assert_eq!(key.parse::<ApiKeyId>().unwrap().to_string(), key);
        }
    }
}
