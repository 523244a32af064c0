//! Lists of files: what is asked for, where they go on, and how S3 answers names.

use std::borrow::Cow;
use std::fmt;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{CommonPrefix, Object};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::{Delimiter, FileItem, FileName, FilePrefix};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::{size, time};
use crate::CursorError;

/// Longest cursor, in characters: what the longest key takes with a delimiter, every character escaped.
const MAX_LENGTH: usize = 8_448;
/// Longest key of an object in bytes.
const MAX_KEY: usize = 1_024;

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

/// The place behind a page of files: base64url of the list's name, prefix and delimiter and what the page ends
/// with.
///
/// It is no token of S3's, which only the bucket takes that issued it: a tenant's files move to another bucket,
/// and the list goes on there. It needs no signature: the tenant's prefix never comes from it, and it only says
/// where within what is listed a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCursor(Wire);

/// The list's name, prefix and delimiter, and what follows the prefix in the last name of the page, which ends
/// with the delimiter where it is a folded one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wire(String, String, Option<String>, String);

/// The name of the list. No collection has a slash in its name.
const LIST: &str = "/files/after";

impl FileCursor {
    /// Behind the last name of a page, of which `rest` follows the list's prefix.
    pub(super) fn behind(prefix: &FilePrefix, delimiter: Option<&Delimiter>, rest: &str) -> Self {
        Self(Wire(LIST.to_owned(), prefix.to_string(), delimiter.map(Delimiter::to_string), rest.to_owned()))
    }

    /// The key behind which the list goes on; none where no key of the tenant can be as long.
    ///
    /// Behind a folded prefix this is the last key that can begin with it, or S3 would fold the next one into the
    /// same prefix once more: the greatest characters, until a key can have no more bytes.
    pub(super) fn start_after(&self, tenant: &str) -> Option<String> {
        let Wire(_, prefix, delimiter, rest) = &self.0;
        let mut key = format!("{tenant}{prefix}{rest}");
        let room = MAX_KEY.checked_sub(key.len())?;
        if delimiter.as_ref().is_some_and(|delimiter| rest.ends_with(delimiter.as_str())) {
            key.extend(std::iter::repeat_n(char::MAX, room / 4));
            // The greatest characters of one, two and three bytes.
            key.push_str(["", "\u{7f}", "\u{7ff}", "\u{ffff}"][room % 4]);
        }
        Some(key)
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
        if wire.1.len() + wire.3.len() > MAX_KEY || !is_end(&wire.3, delimiter) {
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

/// Whether a page can end with it, behind the list's prefix: a name without the delimiter, or one that is folded
/// behind the first.
fn is_end(rest: &str, delimiter: Option<&Delimiter>) -> bool {
    let Some(delimiter) = delimiter.map(Delimiter::as_str) else { return true };
    rest.find(delimiter).is_none_or(|at| at + delimiter.len() == rest.len())
}

/// What follows the list's prefix in the last name of a page, folded or not; none where S3 answers no such name.
pub(super) fn end(page: &ListObjectsV2Output, tenant: &str, prefix: &FilePrefix) -> Option<String> {
    let key = page.contents().last().and_then(|object| object.key());
    let folded = page.common_prefixes().last().and_then(|folded| folded.prefix());
    // The order of keys is that of their bytes, which the encoding does not keep.
    let last = [key, folded].into_iter().flatten().filter_map(|name| within(name, tenant)).max()?;
    last.strip_prefix(prefix.as_str()).map(str::to_owned)
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
    fn a_cursor_is_list_prefix_delimiter_and_the_rest_of_the_last_name_in_base64url() {
        let delimiter: Delimiter = "/".parse().unwrap();
        let cursor = FileCursor::behind(&prefix("a"), Some(&delimiter), "b/");
        assert_eq!(URL_SAFE_NO_PAD.decode(cursor.to_string()).unwrap(), br#"["/files/after","a","/","b/"]"#);
        let cursor = FileCursor::behind(&prefix(""), None, "t");
        assert_eq!(URL_SAFE_NO_PAD.decode(cursor.to_string()).unwrap(), br#"["/files/after","",null,"t"]"#);
    }

    #[test]
    fn the_longest_cursor_is_read() {
        let delimiter: Delimiter = "\\".repeat(16).parse().unwrap();
        for (of, rest) in [("\"".repeat(800), "\u{1}".repeat(224)), (String::new(), "\u{1}".repeat(MAX_KEY))]
        {
            let cursor = FileCursor::behind(&prefix(&of), Some(&delimiter), &rest);
            assert_eq!(FileCursor::parse(&cursor.to_string(), &prefix(&of), Some(&delimiter)), Ok(cursor));
        }
    }

    #[test]
    fn a_name_that_no_page_can_end_with_is_malformed() {
        let slash: Delimiter = "/".parse().unwrap();
        for (delimiter, rest) in
            [(None, "a".repeat(MAX_KEY)), (Some(&slash), "b/c".to_owned()), (Some(&slash), "b//".to_owned())]
        {
            let text = FileCursor::behind(&prefix("a"), delimiter, &rest).to_string();
            let refused = FileCursor::parse(&text, &prefix("a"), delimiter);
            assert_eq!(refused, Err(CursorError::Malformed), "{rest:.9}");
        }
    }

    #[test]
    fn a_list_goes_on_behind_a_key_and_behind_all_that_a_folded_prefix_holds() {
        let slash: Delimiter = "/".parse().unwrap();
        let behind =
            |delimiter, rest: &str| FileCursor::behind(&prefix("a"), delimiter, rest).start_after("acme/");
        assert_eq!(behind(None, "b/").as_deref(), Some("acme/ab/"));
        assert_eq!(behind(Some(&slash), "b").as_deref(), Some("acme/ab"));
        assert_eq!(behind(Some(&slash), &"b".repeat(1_018)).map(|key| key.len()), Some(MAX_KEY));
        assert_eq!(behind(Some(&slash), &"b".repeat(1_019)), None);
    }

    #[test]
    fn a_page_ends_with_its_last_name_in_the_order_of_bytes() {
        let page = |keys: &[&str], folded: &[&str]| {
            let folded = folded.iter().map(|text| CommonPrefix::builder().prefix(*text).build()).collect();
            ListObjectsV2Output::builder()
                .set_contents(Some(keys.iter().map(|key| object(key)).collect()))
                .set_common_prefixes(Some(folded))
                .build()
        };
        for (keys, folded, expected) in [
            (&["acme/a", "acme/b"][..], &[][..], Some("b")),
            (&["acme/a"], &["acme/b/"], Some("b/")),
            (&["acme/c"], &["acme/b/"], Some("c")),
            // Encoded, the key comes first.
            (&["acme/%C3%A4"], &["acme/z/"], Some("ä")),
            (&["acme/a%0A"], &[], Some("a\n")),
            (&["acme/"], &[], Some("")),
            (&["globex/a"], &[], None),
            (&[], &[], None),
        ] {
            assert_eq!(end(&page(keys, folded), "acme/", &prefix("")).as_deref(), expected, "{keys:?}");
        }
        assert_eq!(end(&page(&["acme/ab"], &[]), "acme/", &prefix("a")).as_deref(), Some("b"));
        assert_eq!(end(&page(&["acme/ab"], &[]), "acme/", &prefix("b")), None);
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
        fn parse_and_display_agree(of in "\\PC{0,100}", delimiter in delimiter(), rest in ".{0,100}", folds in any::<bool>()) {
            let of = prefix(&of);
            // The name as S3 would fold it.
            let mut rest = rest;
            if let Some(delimiter) = delimiter.as_ref().map(Delimiter::as_str) {
                rest.truncate(rest.find(delimiter).unwrap_or(rest.len()));
                if folds {
                    rest.push_str(delimiter);
                    rest.truncate(rest.find(delimiter).unwrap() + delimiter.len());
                }
            }
            let cursor = FileCursor::behind(&of, delimiter.as_ref(), &rest);
            prop_assert_eq!(FileCursor::parse(&cursor.to_string(), &of, delimiter.as_ref()), Ok(cursor));
        }

        #[test]
        fn no_name_within_a_folded_prefix_stands_behind_it_and_all_others_behind_it_do(
            rest in "[a-z]{0,9}", within in "[a-z\u{10ffff}\u{ffff}\u{7ff}\u{7f}]{0,300}", pad in 0usize..12,
        ) {
            let slash: Delimiter = "/".parse().unwrap();
            let folded = format!("{}{rest}/", "x".repeat(pad));
            let start = FileCursor::behind(&prefix(""), Some(&slash), &folded).start_after("acme/").unwrap();
            prop_assert_eq!(start.len(), MAX_KEY);
            let mut key = format!("acme/{folded}{within}");
            while key.len() > MAX_KEY {
                key.pop();
            }
            prop_assert!(key <= start);
            // A slash's next character is 0.
            let next = format!("acme/{}{rest}0", "x".repeat(pad));
            prop_assert!(next > start);
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
