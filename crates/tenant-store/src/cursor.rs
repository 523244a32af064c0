//! Where a list goes on.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Collection;
use serde::{Deserialize, Serialize};

/// Longest cursor, in characters: a sort key has at most 1,024 bytes.
const MAX_LENGTH: usize = 2_048;

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// By id, the smallest first.
    #[default]
    Asc,
    /// By id, the largest first.
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
    #[error("belongs to a list of another collection or order")]
    Foreign,
    /// The order is neither `asc` nor `desc`.
    #[error("must be asc or desc")]
    Order,
}

/// The place behind an item of a list: base64url of collection, order and the item's sort key.
///
/// It needs no signature: the partition never comes from it, and a sort key outside the collection is
/// refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    order: Order,
    sort_key: String,
}

/// Collection, order and sort key, unchecked.
#[derive(Serialize, Deserialize)]
struct Wire(String, Order, String);

impl Cursor {
    pub(crate) fn behind(order: Order, sort_key: impl Into<String>) -> Self {
        Self { order, sort_key: sort_key.into() }
    }

    pub(crate) fn sort_key(&self) -> &str {
        &self.sort_key
    }

    /// Reads a cursor for a list of the collection in the order.
    ///
    /// # Errors
    /// [`CursorError::Malformed`] or [`CursorError::Foreign`].
    pub fn parse(text: &str, collection: &Collection, order: Order) -> Result<Self, CursorError> {
        if text.len() > MAX_LENGTH {
            return Err(CursorError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Malformed)?;
        let Wire(of, in_order, sort_key) =
            serde_json::from_slice(&bytes).map_err(|_| CursorError::Malformed)?;
        if of != collection.as_str() || in_order != order {
            return Err(CursorError::Foreign);
        }
        let inside = sort_key.strip_prefix(collection.as_str()).is_some_and(|rest| rest.starts_with('#'));
        if !inside || sort_key.len() > 1_024 {
            return Err(CursorError::Malformed);
        }
        Ok(Self { order, sort_key })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let collection = self.sort_key.split('#').next().unwrap_or_default();
        let wire = Wire(collection.to_owned(), self.order, self.sort_key.clone());
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

    proptest! {
        #[test]
        fn parse_and_display_agree(collection in "[a-z][a-z0-9_-]{0,62}", id in ".{1,80}", order in order()) {
            let cursor = Cursor::behind(order, format!("{collection}#{id}"));
            prop_assert_eq!(Cursor::parse(&cursor.to_string(), &collection.parse().unwrap(), order), Ok(cursor));
        }

        #[test]
        fn a_cursor_never_reaches_outside_its_collection(
            collection in "[a-z][a-z0-9_-]{0,4}", of in "[a-z#]{0,5}", sort_key in "[a-z#]{0,8}", order in order(),
        ) {
            let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Wire(of, order, sort_key)).unwrap());
            if let Ok(cursor) = Cursor::parse(&forged, &collection.parse().unwrap(), order) {
                let prefix = format!("{collection}#");
                prop_assert!(cursor.sort_key().starts_with(&prefix));
            }
        }

        #[test]
        fn another_lists_cursor_is_foreign(a in "[a-z]{1,5}", b in "[a-z]{1,5}", order in order()) {
            prop_assume!(a != b);
            let text = Cursor::behind(order, format!("{a}#x")).to_string();
            prop_assert_eq!(Cursor::parse(&text, &b.parse().unwrap(), order), Err(CursorError::Foreign));
            let other = if order == Order::Asc { Order::Desc } else { Order::Asc };
            prop_assert_eq!(Cursor::parse(&text, &a.parse().unwrap(), other), Err(CursorError::Foreign));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            prop_assert!(Cursor::parse(&text, &"a".parse().unwrap(), Order::Asc).is_err());
        }
    }
}
