//! Lists of files: what is asked for, where they go on, and how S3 answers names.

use std::borrow::Cow;
use std::fmt;

use aws_sdk_s3::types::{CommonPrefix, Object};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::{Delimiter, FileItem, FileName, FilePrefix};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{size, time};
use crate::CursorError;

/// Longest cursor, in characters: what the longest prefix, delimiter and token take, every character escaped.
const MAX_LENGTH: usize = 8_192;
/// Longest continuation token of S3 that is passed on, in bytes.
const MAX_TOKEN: usize = 2_048;

/// A page of files that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileListing {
    /// What the names begin with.
    pub prefix: FilePrefix,
    /// Where names that go on behind it are folded into one prefix.
    pub delimiter: Option<Delimiter>,
    /// Most items and prefixes together.
    pub limit: usize,
    /// Where the list goes on; at its begin where there is none.
    pub cursor: Option<FileCursor>,
}

/// The place behind a page of files: base64url of the list's name, prefix and delimiter and S3's token.
///
/// It needs no signature: the tenant's prefix never comes from it, and a token only says where within what is
/// listed a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCursor(Wire);

/// The list's name, prefix, delimiter and S3's continuation token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wire(String, String, Option<String>, String);

/// The name of the list. No collection has a slash in its name.
const LIST: &str = "/files";

impl FileCursor {
    pub(super) fn behind(prefix: &FilePrefix, delimiter: Option<&Delimiter>, token: &str) -> Self {
        Self(Wire(LIST.to_owned(), prefix.to_string(), delimiter.map(Delimiter::to_string), token.to_owned()))
    }

    pub(super) fn into_token(self) -> String {
        self.0.3
    }

    /// Reads a cursor for a list of the prefix and delimiter.
    ///
    /// # Errors
    /// [`CursorError::Malformed`] or [`CursorError::Foreign`].
    pub fn parse(
        text: &str,
        prefix: &FilePrefix,
        delimiter: Option<&Delimiter>,
    ) -> Result<Self, CursorError> {
        if text.len() > MAX_LENGTH {
            return Err(CursorError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Malformed)?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|_| CursorError::Malformed)?;
        if wire.0 != LIST
            || wire.1 != prefix.as_str()
            || wire.2.as_deref() != delimiter.map(Delimiter::as_str)
        {
            return Err(CursorError::Foreign);
        }
        if !is_token(&wire.3) {
            return Err(CursorError::Malformed);
        }
        Ok(Self(wire))
    }
}

impl fmt::Display for FileCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_vec(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

/// Whether the text can be a continuation token of S3.
pub(super) fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A file of the tenant as S3 lists it. None for what is outside the tenant's prefix, and for an object whose
/// name is outside the grammar: it is of a tenant's own making, and no route reaches it.
pub(super) fn item(object: &Object, tenant: &str) -> Option<FileItem> {
    Some(FileItem {
        name: within(object.key()?, tenant)?.parse::<FileName>().ok()?,
        size: size(object.size())?,
        last_modified: time(object.last_modified())?,
    })
}

/// A folded prefix as S3 lists it, with the exceptions of [`item`].
pub(super) fn folded(prefix: &CommonPrefix, tenant: &str) -> Option<FilePrefix> {
    within(prefix.prefix()?, tenant)?.parse().ok()
}

/// What follows the tenant's prefix in a key as S3 lists it.
fn within(encoded: &str, tenant: &str) -> Option<String> {
    listed_key(encoded)?.strip_prefix(tenant).map(str::to_owned)
}

/// A key that a listing of S3 has encoded as a form's value is (`EncodingType`): S3 names keys so where XML could not
/// hold them. None for what is no UTF-8, which no key is.
#[must_use]
pub fn listed_key(encoded: &str) -> Option<String> {
    // A plus sign itself is encoded.
    let text = encoded.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> FilePrefix {
        text.parse().unwrap()
    }

    fn delimiter() -> impl Strategy<Value = Option<Delimiter>> {
        prop::option::of("\\PC{1,4}".prop_map(|text| text.parse::<Delimiter>().unwrap()))
    }

    fn object(key: &str) -> Object {
        Object::builder().key(key).size(3).last_modified(DateTime::from_secs(0)).build()
    }

    fn listed(key: &str) -> Option<String> {
        item(&object(key), "acme/").map(|item| item.name.to_string())
    }

    #[test]
    fn a_cursor_is_list_prefix_delimiter_and_token_in_base64url() {
        let delimiter: Delimiter = "/".parse().unwrap();
        let cursor = FileCursor::behind(&prefix("a"), Some(&delimiter), "t==");
        assert_eq!(URL_SAFE_NO_PAD.decode(cursor.to_string()).unwrap(), br#"["/files","a","/","t=="]"#);
        let cursor = FileCursor::behind(&prefix(""), None, "t");
        assert_eq!(URL_SAFE_NO_PAD.decode(cursor.to_string()).unwrap(), br#"["/files","",null,"t"]"#);
    }

    #[test]
    fn the_longest_cursor_is_read() {
        let (prefix, delimiter) = (prefix(&"\"".repeat(800)), "\\".repeat(16).parse().unwrap());
        let cursor = FileCursor::behind(&prefix, Some(&delimiter), &"\\".repeat(MAX_TOKEN));
        assert_eq!(FileCursor::parse(&cursor.to_string(), &prefix, Some(&delimiter)), Ok(cursor));
    }

    #[test]
    fn a_token_that_s3_cannot_have_answered_is_malformed() {
        for token in ["", "a b", "a\n", "ä", &"a".repeat(MAX_TOKEN + 1)] {
            let text = FileCursor::behind(&prefix("a"), None, token).to_string();
            assert_eq!(
                FileCursor::parse(&text, &prefix("a"), None),
                Err(CursorError::Malformed),
                "{token:.9}"
            );
        }
    }

    #[test]
    fn records_and_files_refuse_each_others_cursors() {
        let notes: contract::Collection = "notes".parse().unwrap();
        let scope = crate::ListScope::from(&notes);
        let record = crate::Cursor::behind(&scope, crate::Order::Asc, "notes#a").to_string();
        assert!(FileCursor::parse(&record, &prefix("notes"), None).is_err());
        let file = FileCursor::behind(&prefix("notes"), None, "t").to_string();
        assert!(crate::Cursor::parse(&file, scope, crate::Order::Asc).is_err());
    }

    #[test]
    fn names_are_decoded_as_s3_encodes_them() {
        for (key, name) in [
            ("acme/a%2Bb+c%20d", "a+b c d"),
            ("acme/reports/%C3%A4.csv", "reports/ä.csv"),
            ("acme%2Fa", "a"),
            ("acme/../globex/x", "../globex/x"),
            ("acme/%2525", "%25"),
            ("acme//", "/"),
        ] {
            assert_eq!(listed(key).as_deref(), Some(name), "{key}");
        }
    }

    #[test]
    fn what_is_not_a_file_of_the_tenant_is_left_out() {
        for key in ["acme/", "acme/a%0Ab", "acme/%FF", "acme2/a", "globex/a", "/acme/a", "a", ""] {
            assert_eq!(listed(key), None, "{key}");
        }
        let folded = |text: &str| folded(&CommonPrefix::builder().prefix(text).build(), "acme/");
        assert_eq!(folded("acme/a+b/"), Some(prefix("a b/")));
        for text in ["acme2/a/", "acme/a%00/", ""] {
            assert_eq!(folded(text), None, "{text}");
        }
        let lacking = Object::builder().key("acme/a").size(3).build();
        assert_eq!(item(&lacking, "acme/"), None);
    }

    proptest! {
        #[test]
        fn parse_and_display_agree(of in "\\PC{0,200}", delimiter in delimiter(), token in "[!-~]{1,200}") {
            let of = prefix(&of);
            let cursor = FileCursor::behind(&of, delimiter.as_ref(), &token);
            prop_assert_eq!(FileCursor::parse(&cursor.to_string(), &of, delimiter.as_ref()), Ok(cursor.clone()));
            prop_assert_eq!(cursor.into_token(), token);
        }

        #[test]
        fn another_lists_cursor_is_foreign(
            a in "[a-z/]{0,5}", b in "[a-z/]{0,5}", of_a in delimiter(), of_b in delimiter(),
        ) {
            prop_assume!(a != b || of_a != of_b);
            let text = FileCursor::behind(&prefix(&a), of_a.as_ref(), "t").to_string();
            prop_assert_eq!(FileCursor::parse(&text, &prefix(&b), of_b.as_ref()), Err(CursorError::Foreign));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            prop_assert!(FileCursor::parse(&text, &prefix(""), None).is_err());
            let _ = listed(&text);
        }

        #[test]
        fn no_listed_name_is_of_another_tenant(key in "(acme|acme2|globex|%2F|/|\\.|[a-z%+]){0,6}") {
            if let Some(name) = listed(&key) {
                let text = key.replace('+', " ");
                let decoded = percent_decode_str(&text).decode_utf8().unwrap();
                prop_assert_eq!(decoded.into_owned(), format!("acme/{name}"));
            }
        }
    }
}
