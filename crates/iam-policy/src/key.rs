//! Names of condition keys.

use std::fmt;

/// A condition key. Its case says nothing, tag keys after the slash included; it is kept for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    written: String,
    folded: String,
}

impl Key {
    /// Takes `prefix:name`, where both consist of what a tag's key may hold.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (prefix, name) = text.split_once(':')?;
        let is_key = !prefix.is_empty()
            && !name.is_empty()
            && text.trim() == text
            && text.chars().all(|c| {
                c.is_alphanumeric() || "_.:/=+-@".contains(c) || (c.is_whitespace() && !c.is_control())
            });
        is_key.then(|| Self { written: text.to_owned(), folded: fold(text) })
    }

    /// As it stands in the document.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    /// As it is looked up.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The form under which keys that differ only in case are the same.
pub(crate) fn fold(key: &str) -> String {
    key.to_lowercase()
}
