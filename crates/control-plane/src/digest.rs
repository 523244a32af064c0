//! A checksum of items and files that does not depend on the order in which they are read.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::hex::hex;

/// The sum, bit by bit, of the SHA-256 of each thing. Things are told apart by their keys, which are a part of them,
/// so that none comes twice and takes itself out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// Adds an item, with its attributes in whatever order.
    pub(crate) fn add_item(&mut self, item: &HashMap<String, AttributeValue>) {
        let mut hash = Sha256::new();
        map(&mut hash, item);
        self.add(hash);
    }

    /// Adds an item without the id of the tenant whose it is.
    pub(crate) fn add_owned(&mut self, item: &HashMap<String, AttributeValue>) {
        let mut item = item.clone();
        item.remove("tenant_id");
        self.add_item(&item);
    }

    /// Adds a line of an export.
    pub(crate) fn add_line(&mut self, line: &str) {
        let mut hash = Sha256::new();
        bytes(&mut hash, b'T', line.as_bytes());
        self.add(hash);
    }

    /// Adds a file by its key, size and entity tag.
    pub(crate) fn add_file(&mut self, key: &str, size: i64, etag: &str) {
        let mut hash = Sha256::new();
        bytes(&mut hash, b'F', key.as_bytes());
        bytes(&mut hash, b'Z', &size.to_be_bytes());
        bytes(&mut hash, b'E', etag.as_bytes());
        self.add(hash);
    }

    fn add(&mut self, hash: Sha256) {
        for (sum, byte) in self.0.iter_mut().zip(hash.finalize()) {
            *sum ^= byte;
        }
    }
}

/// A kind, a length and the bytes: no two values are the same to the hash.
fn bytes(hash: &mut Sha256, kind: u8, bytes: &[u8]) {
    hash.update([kind]);
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn map(hash: &mut Sha256, map: &HashMap<String, AttributeValue>) {
    let mut attributes: Vec<_> = map.iter().collect();
    attributes.sort_by_key(|(name, _)| *name);
    bytes(hash, b'M', &(attributes.len() as u64).to_be_bytes());
    for (name, attribute) in attributes {
        bytes(hash, b'K', name.as_bytes());
        value(hash, attribute);
    }
}

fn set<'a>(hash: &mut Sha256, kind: u8, members: impl Iterator<Item = &'a [u8]>) {
    let mut members: Vec<_> = members.collect();
    members.sort_unstable();
    bytes(hash, kind, &(members.len() as u64).to_be_bytes());
    for member in members {
        bytes(hash, b'm', member);
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the SDK's enum is open: some of its variants cannot be named"
)]
fn value(hash: &mut Sha256, attribute: &AttributeValue) {
    match attribute {
        AttributeValue::S(text) => bytes(hash, b'S', text.as_bytes()),
        AttributeValue::N(number) => bytes(hash, b'N', number.as_bytes()),
        AttributeValue::B(blob) => bytes(hash, b'B', blob.as_ref()),
        AttributeValue::Bool(truth) => bytes(hash, b'T', &[u8::from(*truth)]),
        AttributeValue::Null(_) => bytes(hash, b'0', &[]),
        AttributeValue::M(members) => map(hash, members),
        AttributeValue::L(members) => {
            bytes(hash, b'L', &(members.len() as u64).to_be_bytes());
            for member in members {
                value(hash, member);
            }
        }
        AttributeValue::Ss(members) => set(hash, b's', members.iter().map(String::as_bytes)),
        AttributeValue::Ns(members) => set(hash, b'n', members.iter().map(String::as_bytes)),
        AttributeValue::Bs(members) => set(hash, b'b', members.iter().map(AsRef::as_ref)),
        // What the SDK does not know yet is told apart as it shows it.
        other => bytes(hash, b'?', format!("{other:?}").as_bytes()),
    }
}

impl fmt::Display for Digest {
    /// In hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("is no digest of 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (place, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    type Item = HashMap<String, AttributeValue>;

    fn item(value: AttributeValue) -> Item {
        Item::from([("sk".to_owned(), AttributeValue::S("a".to_owned())), ("v".to_owned(), value)])
    }

    fn of(items: &[Item]) -> Digest {
        let mut digest = Digest::default();
        for item in items {
            digest.add_item(item);
        }
        digest
    }

    #[test]
    fn the_order_of_items_and_of_members_of_sets_does_not_count() {
        let text = |text: &str| item(AttributeValue::S(text.into()));
        assert_eq!(of(&[text("a"), text("b")]), of(&[text("b"), text("a")]));
        let set = |members: [&str; 2]| item(AttributeValue::Ss(members.map(str::to_owned).to_vec()));
        assert_eq!(of(&[set(["a", "b"])]), of(&[set(["b", "a"])]));
    }

    #[test]
    fn no_two_values_are_the_same() {
        let s = |text: &str| AttributeValue::S(text.into());
        let values = [
            s(""),
            s("1"),
            AttributeValue::N("1".into()),
            AttributeValue::B(Blob::new("1")),
            AttributeValue::Bool(true),
            AttributeValue::Bool(false),
            AttributeValue::Null(true),
            AttributeValue::L(vec![]),
            AttributeValue::L(vec![s("1")]),
            AttributeValue::L(vec![s("1"), s("1")]),
            AttributeValue::L(vec![AttributeValue::L(vec![s("1")]), s("1")]),
            AttributeValue::M(Item::new()),
            AttributeValue::M(Item::from([("1".to_owned(), s("1"))])),
            AttributeValue::Ss(vec!["1".into()]),
            AttributeValue::Ns(vec!["1".into()]),
            AttributeValue::Bs(vec![Blob::new("1")]),
        ];
        let mut digests: Vec<_> = values.iter().map(|value| of(&[item(value.clone())]).to_string()).collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), values.len());
    }

    #[test]
    fn a_file_is_told_apart_by_key_size_and_tag() {
        let of = |key: &str, size, etag: &str| {
            let mut digest = Digest::default();
            digest.add_file(key, size, etag);
            digest
        };
        let all = [of("a", 1, "b"), of("b", 1, "b"), of("a", 2, "b"), of("a", 1, "c")];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[place + 1..].contains(one));
        }
    }

    #[test]
    fn a_digest_comes_back_from_its_digits() {
        let digest = of(&[item(AttributeValue::Bool(true))]);
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        for wrong in [r#""""#, r#""zz""#, "\"éééééééééééééééééééééééééééééééé\""]
        {
            assert!(serde_json::from_str::<Digest>(wrong).is_err(), "{wrong}");
        }
    }
}
