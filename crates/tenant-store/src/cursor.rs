//! Where a list goes on.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Collection;
use serde::{Deserialize, Serialize};

/// Longest cursor, in characters: a sort key has at most 1,024 bytes.
const MAX_LENGTH: usize = 2_048;
/// Longest sort key of an item in bytes.
const MAX_SORT_KEY: usize = 1_024;

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// By id or name, the smallest first.
    #[default]
    Asc,
    /// By id or name, the largest first.
    Desc,
}

impl FromStr for Order {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "asc" => Ok(Self::Asc),
            "desc" => Ok(Self::Desc),
            _ => Err(CursorError::Order),
        }
    }
}

/// Why a cursor is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It was not made by a list.
    #[error("is not a cursor that a list has answered")]
    Malformed,
    /// It belongs to another list.
    #[error("belongs to another list or order")]
    Foreign,
    /// The order is neither `asc` nor `desc`.
    #[error("must be asc or desc")]
    Order,
}

/// A list that cursors belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListScope {
    /// Its name in a cursor.
    name: String,
    /// What the sort keys of its items begin with.
    prefix: String,
}

impl ListScope {
    /// The checkpoints of the calling key.
    #[must_use]
    pub fn checkpoints() -> Self {
        // No collection has a slash in its name.
        Self { name: "/checkpoints".to_owned(), prefix: String::new() }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn holds(&self, sort_key: &str) -> bool {
        !sort_key.is_empty() && sort_key.len() <= MAX_SORT_KEY && sort_key.starts_with(&self.prefix)
    }
}

impl From<&Collection> for ListScope {
    fn from(collection: &Collection) -> Self {
        Self { name: collection.to_string(), prefix: format!("{collection}#") }
    }
}

/// The place behind an item of a list: base64url of the list's name, the order and the item's sort key.
///
/// It needs no signature: the partition never comes from it, and a sort key outside the list is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    list: String,
    order: Order,
    sort_key: String,
}

/// The list's name, the order and the sort key, unchecked.
#[derive(Serialize, Deserialize)]
struct Wire(String, Order, String);

impl Cursor {
    pub(crate) fn behind(list: &ListScope, order: Order, sort_key: impl Into<String>) -> Self {
        Self { list: list.name.clone(), order, sort_key: sort_key.into() }
    }

    pub(crate) fn into_sort_key(self) -> String {
        self.sort_key
    }

    /// Reads a cursor for a list in the order.
    ///
    /// # Errors
    /// [`CursorError::Malformed`] or [`CursorError::Foreign`].
    pub fn parse(text: &str, list: impl Into<ListScope>, order: Order) -> Result<Self, CursorError> {
        if text.len() > MAX_LENGTH {
            return Err(CursorError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Malformed)?;
        let Wire(of, in_order, sort_key) =
            serde_json::from_slice(&bytes).map_err(|_| CursorError::Malformed)?;
        let list = list.into();
        if of != list.name || in_order != order {
            return Err(CursorError::Foreign);
        }
        if !list.holds(&sort_key) {
            return Err(CursorError::Malformed);
        }
        Ok(Self { list: of, order, sort_key })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = Wire(self.list.clone(), self.order, self.sort_key.clone());
        let json = serde_json::to_vec(&wire).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order() -> impl Strategy<Value = Order> {
        prop_oneof![Just(Order::Asc), Just(Order::Desc)]
    }

    fn collection(name: &str) -> ListScope {
        ListScope::from(&name.parse::<Collection>().unwrap())
    }

    #[test]
    fn a_cursor_is_list_order_and_sort_key_in_base64url() {
        let cursor = Cursor::behind(&collection("notes"), Order::Asc, "notes#first");
        assert_eq!(URL_SAFE_NO_PAD.decode(cursor.to_string()).unwrap(), br#"["notes","asc","notes#first"]"#);
    }

    proptest! {
        #[test]
        fn parse_and_display_agree(name in "[a-z][a-z0-9_-]{0,62}", id in ".{1,80}", order in order()) {
            for (list, sort_key) in
                [(collection(&name), format!("{name}#{id}")), (ListScope::checkpoints(), id)]
            {
                let cursor = Cursor::behind(&list, order, sort_key);
                prop_assert_eq!(Cursor::parse(&cursor.to_string(), list, order), Ok(cursor));
            }
        }

        #[test]
        fn a_cursor_never_reaches_outside_its_collection(
            name in "[a-z][a-z0-9_-]{0,4}", of in "[a-z#]{0,5}", sort_key in "[a-z#]{0,8}", order in order(),
        ) {
            let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Wire(of, order, sort_key)).unwrap());
            if let Ok(cursor) = Cursor::parse(&forged, collection(&name), order) {
                let prefix = format!("{name}#");
                prop_assert!(cursor.into_sort_key().starts_with(&prefix));
            }
        }

        #[test]
        fn another_lists_cursor_is_foreign(a in "[a-z]{1,5}", b in "[a-z]{1,5}", order in order()) {
            prop_assume!(a != b);
            let text = Cursor::behind(&collection(&a), order, format!("{a}#x")).to_string();
            prop_assert_eq!(Cursor::parse(&text, collection(&b), order), Err(CursorError::Foreign));
            let other = if order == Order::Asc { Order::Desc } else { Order::Asc };
            prop_assert_eq!(Cursor::parse(&text, collection(&a), other), Err(CursorError::Foreign));
        }

        #[test]
        fn records_and_checkpoints_refuse_each_others_cursors(
            name in "[a-z][a-z0-9_-]{0,62}", id in "[a-z]{1,9}", order in order(),
        ) {
            for name in [name.as_str(), "checkpoints"] {
                let text = Cursor::behind(&collection(name), order, format!("{name}#{id}")).to_string();
                let refused = Cursor::parse(&text, ListScope::checkpoints(), order);
                prop_assert_eq!(refused, Err(CursorError::Foreign));
                let text = Cursor::behind(&ListScope::checkpoints(), order, format!("{name}#{id}")).to_string();
                prop_assert_eq!(Cursor::parse(&text, collection(name), order), Err(CursorError::Foreign));
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            prop_assert!(Cursor::parse(&text, collection("a"), Order::Asc).is_err());
            prop_assert!(Cursor::parse(&text, ListScope::checkpoints(), Order::Asc).is_err());
        }
    }

    #[test]
    fn a_sort_key_that_no_item_can_have_is_malformed() {
        for sort_key in [String::new(), "x".repeat(MAX_SORT_KEY + 1)] {
            let text = Cursor::behind(&ListScope::checkpoints(), Order::Asc, sort_key).to_string();
            let refused = Cursor::parse(&text, ListScope::checkpoints(), Order::Asc);
            assert_eq!(refused, Err(CursorError::Malformed));
        }
    }
}
