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

name! {
    /// A file's name among those of its tenant: 1 to 800 bytes of UTF-8 without control characters, U+FFFE and U+FFFF.
    ///
    /// A slash, and `..` between slashes, are characters as any other. With the tenant's prefix a name is
    /// within the 1,024 bytes of an S3 key.
    FileName, "a file name", "[^\\p{Cc}]+ and have at most 800 bytes of UTF-8", |text| {
        !text.is_empty() && is_part_of_a_file_name(text)
    }
}

name! {
    /// What the names of listed files begin with: nothing, or as [`FileName`]. Nothing is the default.
    #[derive(Default)]
    FilePrefix, "a prefix", "[^\\p{Cc}]* and have at most 800 bytes of UTF-8", is_part_of_a_file_name
}

name! {
    /// Where a list of files folds names that go on behind it: 1 to 16 bytes of UTF-8 without control
    /// characters.
    Delimiter, "a delimiter", "[^\\p{Cc}]+ and have at most 16 bytes of UTF-8", |text| {
        (1..=16).contains(&text.len()) && !text.contains(char::is_control)
    }
}

name! {
    /// A media type (RFC 9110, section 8.3.1), such as `text/plain; charset=utf-8`: at most 255 visible ASCII
    /// characters and spaces.
    ContentType, "a content type", "type/subtype with optional parameters, in at most 255 visible ASCII characters",
    is_media_type
}

name! {
    /// The id that S3 gives a multipart upload: 1 to 1,024 visible ASCII characters.
    UploadId, "an upload id", "[!-~]{1,1024}", |text| is_visible(text, 1_024)
}

name! {
    /// The entity tag that S3 answers to an uploaded part, with or without its quotes: 1 to 128 visible ASCII
    /// characters.
    PartTag, "a part's etag", "[!-~]{1,128}", |text| is_visible(text, 128)
}

/// Whether the text stands for itself as one segment of a path.
fn is_path_segment(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
}

/// Whether a file's name can hold the text. S3 answers with XML, which cannot hold two characters that are no
/// control characters.
fn is_part_of_a_file_name(text: &str) -> bool {
    text.len() <= 800 && !text.contains(|c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}'))
}

/// Whether the text is of visible ASCII characters, at least one and at most so many.
fn is_visible(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Whether the text is a media type with its parameters.
fn is_media_type(text: &str) -> bool {
    // A header's value ends where its last visible character does.
    if text.len() > 255 || text.ends_with(' ') || !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return false;
    }
    let subtype = behind_token(text).and_then(|rest| rest.strip_prefix('/'));
    let Some(mut rest) = subtype.and_then(behind_token) else { return false };
    while !rest.is_empty() {
        let Some(parameter) = rest.trim_start_matches(' ').strip_prefix(';') else { return false };
        let parameter = parameter.trim_start_matches(' ');
        rest = match behind_token(parameter) {
            // A semicolon can stand without a parameter.
            None => parameter,
            Some(value) => {
                let value = value.strip_prefix('=');
                let Some(rest) = value.and_then(|value| behind_token(value).or_else(|| behind_quotes(value)))
                else {
                    return false;
                };
                rest
            }
        };
    }
    true
}

/// What follows the token that the text begins with (RFC 9110, section 5.6.2).
fn behind_token(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
    (rest.len() < text.len()).then_some(rest)
}

/// What follows the quoted string that the text begins with (RFC 9110, section 5.6.4).
fn behind_quotes(text: &str) -> Option<&str> {
    let mut characters = text.strip_prefix('"')?.chars();
    loop {
        match characters.next()? {
            '"' => return Some(characters.as_str()),
            '\\' => {
                characters.next()?;
            }
            _ => {}
        }
    }
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

    #[test]
    fn a_file_name_has_any_characters_but_control_characters() {
        for good in ["a", "a/b.txt", "../globex/x", "/", "ä ö%2F", "a\\b", "\u{a0}", &"ä".repeat(400)] {
            assert_eq!(good.parse::<FileName>().unwrap().as_str(), good);
            assert_eq!(good.parse::<FilePrefix>().unwrap().as_str(), good);
        }
        for bad in ["a\0", "\n", "a\tb", "\u{7f}", "\u{85}", &"a".repeat(801), &"ä".repeat(401)] {
            assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
            assert!(bad.parse::<FilePrefix>().is_err(), "{bad:?}");
        }
        assert!("".parse::<FileName>().is_err());
        assert_eq!("".parse::<FilePrefix>(), Ok(FilePrefix::default()));
    }

    #[test]
    fn a_delimiter_is_short_and_not_empty() {
        for good in ["/", "-", "ä", "::", &"/".repeat(16)] {
            assert!(good.parse::<Delimiter>().is_ok(), "{good:?}");
        }
        for bad in ["", "\0", "/\n", &"/".repeat(17), &"ä".repeat(9)] {
            assert!(bad.parse::<Delimiter>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_content_type_is_a_media_type_with_its_parameters() {
        for good in [
            "text/plain",
            "text/plain;charset=utf-8",
            "text/plain ; charset=\"utf-8\"; x=\"a\\\"; b\"",
            "application/vnd.api+json;",
            "text/plain;;a=b",
        ] {
            assert!(good.parse::<ContentType>().is_ok(), "{good:?}");
        }
        let long = format!("text/{}", "a".repeat(251));
        for bad in [
            "",
            "text",
            "text/",
            "/plain",
            "text/plain ",
            " text/plain",
            "text/plain; ",
            "text/pl ain",
            "text/plain, a/b",
            "text/plain;a",
            "text/plain;a=",
            "text/plain;a=\"b",
            "text/plain;a=\"b\\\"",
            "text/plain;a=\"b\"c",
            "text/pläin",
            "text/plain\r\nx: y",
            "text/plain;a=\"\n\"",
            "text/plain;\ta=b",
            &long,
        ] {
            assert!(bad.parse::<ContentType>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_s3_has_issued_is_visible_ascii() {
        for good in ["a", "\"9b2cf5\"", "VXBsb2Fk.ID_-"] {
            assert!(good.parse::<UploadId>().is_ok() && good.parse::<PartTag>().is_ok(), "{good:?}");
        }
        for bad in ["", "a b", "a\n", "ä", &"a".repeat(1_025)] {
            assert!(bad.parse::<UploadId>().is_err() && bad.parse::<PartTag>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(129).parse::<PartTag>().is_err());
    }

    proptest! {
        #[test]
        fn a_file_name_is_kept_as_it_is(text in "\\PC{1,200}") {
            prop_assert_eq!(text.parse::<FileName>().unwrap().to_string(), text.clone());
            prop_assert_eq!(text.parse::<FilePrefix>().unwrap().to_string(), text);
        }

        #[test]
        fn no_accepted_content_type_breaks_out_of_its_header(text in "(.|[a-z]{1,4}/[a-z]{1,4}(; ?[a-z]=.{0,6})?){0,3}") {
            if let Ok(content_type) = text.parse::<ContentType>() {
                prop_assert!(content_type.as_str().bytes().all(|b| (b' '..=b'~').contains(&b)));
                prop_assert_eq!(content_type.as_str().trim(), content_type.as_str());
            }
        }

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
