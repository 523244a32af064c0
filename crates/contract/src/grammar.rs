//! The grammars of the names that callers choose.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A name that is outside its grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must match {grammar}")]
pub struct GrammarError {
    what: &'static str,
    grammar: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $grammar:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = GrammarError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(GrammarError { what: $what, grammar: $grammar })
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

name! {
    /// A collection of records: `[a-z][a-z0-9_-]{0,62}`.
    ///
    /// The grammar excludes `#`, so that `collection#` is never a prefix of another collection's sort keys.
    Collection, "a collection", "[a-z][a-z0-9_-]{0,62}", |text| {
        text.len() <= 63
            && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
    }
}

name! {
    /// A record's id within its collection: `[A-Za-z0-9._~-]{1,128}`, but not `.` or `..`.
    ///
    /// These are the unreserved characters of a URI (RFC 3986), so that an id has one spelling in a path.
    RecordId, "a record id", "[A-Za-z0-9._~-]{1,128} and not be . or ..", is_path_segment
}

name! {
    /// A checkpoint's name among those of its key, by the grammar of [`RecordId`].
    CheckpointName, "a checkpoint name", "[A-Za-z0-9._~-]{1,128} and not be . or ..", is_path_segment
}

/// Whether the text stands for itself as one segment of a path.
fn is_path_segment(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_outside_their_grammar_are_refused() {
        for bad in ["", "A", "1a", "_a", "a#b", "a/b", "a b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<Collection>().is_err(), "{bad:?}");
        }
        for bad in ["", ".", "..", "a#b", "a/b", "a%2Fb", "a b", "ä", &"a".repeat(129)] {
            assert!(bad.parse::<RecordId>().is_err(), "{bad:?}");
            assert!(bad.parse::<CheckpointName>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parse_and_display_agree(collection in "[a-z][a-z0-9_-]{0,62}", id in "[A-Za-z0-9._~-]{1,128}") {
            prop_assert_eq!(collection.parse::<Collection>().unwrap().to_string(), collection);
            prop_assume!(id != "." && id != "..");
            prop_assert_eq!(id.parse::<RecordId>().unwrap().to_string(), id.clone());
            prop_assert_eq!(id.parse::<CheckpointName>().unwrap().to_string(), id);
        }

        #[test]
        fn no_accepted_name_holds_a_separator(text in ".{0,40}") {
            if let Ok(name) = text.parse::<Collection>() {
                prop_assert!(!name.as_str().contains(['#', '/']));
            }
            if let Ok(name) = text.parse::<RecordId>() {
                prop_assert!(!name.as_str().contains(['#', '/']));
            }
            if let Ok(name) = text.parse::<CheckpointName>() {
                prop_assert!(!name.as_str().contains(['#', '/']));
            }
        }
    }
}
