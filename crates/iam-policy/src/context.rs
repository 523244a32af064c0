//! What is known about a request.

use std::collections::BTreeMap;

use crate::key::{Key, fold};

/// The condition keys of a request and their values.
///
/// Names of keys compare without regard to case. A key that is not set is absent, if the context says
/// that it may be; else it is not known, and a condition on it grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    held: BTreeMap<String, Held>,
    may_be_absent: Option<&'static [&'static str]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    One(String),
    Many(Vec<String>),
    Unknown(String),
}

/// What a context says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    Absent,
    One(&'a str),
    /// The values of a multivalued key, one at least.
    Many(&'a [String]),
    /// Not known, and why.
    Unknown(String),
}

impl Context {
    /// A context in which every key that is not set is absent.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// A context in which only these keys may be absent. An entry that ends in `*` stands for every key
    /// that begins so. Any other key that is not set is unknown.
    #[must_use]
    pub fn knowing(keys: &'static [&'static str]) -> Self {
        Self { held: BTreeMap::new(), may_be_absent: Some(keys) }
    }

    /// Gives a key its one value, in place of what was set before.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.held.insert(fold(key), Held::One(value.into()));
    }

    /// Gives a multivalued key its values, in place of what was set before. Without any, the key is absent,
    /// also where the context does not list it as one that may be.
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.held.insert(fold(key), Held::Many(values));
    }

    /// Says that the key's value could not be found out, and why, in a few words for a message.
    pub fn set_unknown(&mut self, key: &str, reason: impl Into<String>) {
        self.held.insert(fold(key), Held::Unknown(reason.into()));
    }

    pub(crate) fn look_up(&self, key: &Key) -> Lookup<'_> {
        match self.held.get(key.folded()) {
            Some(Held::One(value)) => Lookup::One(value),
            Some(Held::Many(values)) if values.is_empty() => Lookup::Absent,
            Some(Held::Many(values)) => Lookup::Many(values),
            Some(Held::Unknown(reason)) => Lookup::Unknown(format!("{key} ({reason})")),
            None if self.may_be_absent(key.folded()) => Lookup::Absent,
            None => Lookup::Unknown(key.to_string()),
        }
    }

    fn may_be_absent(&self, folded: &str) -> bool {
        self.may_be_absent.is_none_or(|keys| {
            keys.iter().any(|entry| match entry.strip_suffix('*') {
                Some(prefix) => {
                    folded.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
                }
                None => folded.eq_ignore_ascii_case(entry),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::read(text).expect("a key")
    }

    #[test]
    fn the_case_of_a_key_says_nothing() {
        let mut context = Context::open();
        context.set("aws:PrincipalTag/Tenant-Id", "acme");
        assert_eq!(context.look_up(&key("AWS:principaltag/tenant-ID")), Lookup::One("acme"));
    }

    #[test]
    fn a_key_that_is_not_listed_is_unknown_and_not_absent() {
        let mut context = Context::knowing(&["aws:PrincipalTag/*", "dynamodb:LeadingKeys"]);
        assert_eq!(context.look_up(&key("aws:principaltag/x")), Lookup::Absent);
        assert_eq!(context.look_up(&key("dynamodb:leadingkeys")), Lookup::Absent);
        assert_eq!(context.look_up(&key("aws:Foo")), Lookup::Unknown("aws:Foo".to_owned()));
        assert_eq!(
            context.look_up(&key("dynamodb:LeadingKeysX")),
            Lookup::Unknown("dynamodb:LeadingKeysX".to_owned())
        );
        context.set_all("aws:Foo", Vec::new());
        assert_eq!(context.look_up(&key("aws:Foo")), Lookup::Absent);
        context.set_unknown("aws:Foo", "the body is cut");
        assert_eq!(context.look_up(&key("aws:foo")), Lookup::Unknown("aws:foo (the body is cut)".to_owned()));
    }
}
