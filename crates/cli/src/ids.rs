//! Ids as they stand in paths.

use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $type:ident, $grammar:literal, $lengths:expr, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) struct $type(String);

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let accepts: fn(u8) -> bool = $accepts;
                if $lengths.contains(&text.len()) && text.bytes().all(accepts) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(concat!("must match ", $grammar).to_owned())
                }
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
    /// A tenant's id. It needs no encoding in a path.
    TenantId, "[a-z0-9]{3,20}", (3..=20), |b| b.is_ascii_lowercase() || b.is_ascii_digit()
}

id! {
    /// API Gateway's id of a key, never its value. It needs no encoding in a path.
    ApiKeyId, "[A-Za-z0-9]{1,40}", (1..=40), |b| b.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        for bad in ["", "ab", "acme/keys", "..", "acme?x", "Acme", "acme%2f", "a".repeat(21).as_str()] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
        for bad in ["", "..", "a/b", "a?b", "ä", "a".repeat(41).as_str()] {
            assert!(bad.parse::<ApiKeyId>().is_err(), "{bad:?}");
        }
        assert_eq!("acme".parse::<TenantId>().unwrap().to_string(), "acme");
        assert_eq!("AcmeKey01".parse::<ApiKeyId>().unwrap().to_string(), "AcmeKey01");
    }
}
