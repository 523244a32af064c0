//! Identifiers: those that follow from a name, and random ones.

use sha2::{Digest, Sha256};
use stack_template::Api;

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters in an API key's id.
const KEY_ID_LENGTH: usize = 10;

/// Characters in a value that the gateway makes.
const KEY_VALUE_LENGTH: usize = 40;

/// The id that a key of this name gets: ten characters of `[a-z0-9]`.
///
/// AWS draws ids at random. Here they follow from the name, so that demo tenants have the same ids on
/// every machine; a further key of the same name gets another id.
#[must_use]
pub fn api_key_id(name: &str) -> String {
    numbered_key_id(name, 0)
}

/// The id of the `number`th key of a name, counted from 0.
pub(crate) fn numbered_key_id(name: &str, number: u32) -> String {
    derived(KEY_ID_LENGTH, &["api-key", name, &number.to_string()])
}

/// An id for a key without a name.
pub(crate) fn random_key_id() -> String {
    base36(&random::<KEY_ID_LENGTH>())
}

/// The id of an API's deployment.
pub(crate) fn deployment_id(api: &Api) -> String {
    derived(6, &["deployment", &api.api_id, &api.stage])
}

/// Lower-case letters and digits that follow from the parts. `length` is at most 32.
pub(crate) fn derived(length: usize, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length before it, no part can run into the next one.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    base36(&hash.finalize()[..length])
}

/// A key value as the gateway makes one where the caller brings none.
pub(crate) fn random_key_value() -> String {
    // Bytes from 248 on are drawn again, so that each of the 62 characters is equally likely.
    const FAIR: u8 = 248;
    let mut value = String::with_capacity(KEY_VALUE_LENGTH);
    while value.len() < KEY_VALUE_LENGTH {
        for byte in random::<64>() {
            if byte < FAIR && value.len() < KEY_VALUE_LENGTH {
                value.push(char::from(ALPHANUMERIC[usize::from(byte) % ALPHANUMERIC.len()]));
            }
        }
    }
    value
}

/// Random bytes from the operating system. A process that cannot get any must not go on.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

fn base36(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(BASE36[usize::from(*byte) % BASE36.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_follows_from_the_name_and_the_number() {
        assert_eq!(api_key_id("tenantry-acme-1"), api_key_id("tenantry-acme-1"));
        assert_ne!(api_key_id("tenantry-acme-1"), api_key_id("tenantry-acme-2"));
        assert_ne!(api_key_id("tenantry-acme-1"), numbered_key_id("tenantry-acme-1", 1));
        let id = api_key_id("tenantry-acme-1");
        assert_eq!(id.len(), 10);
        assert!(id.bytes().all(|byte| BASE36.contains(&byte)));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(derived(10, &["ab", "c"]), derived(10, &["a", "bc"]));
    }

    #[test]
    fn a_made_value_is_forty_alphanumerics_and_never_the_same() {
        let value = random_key_value();
        assert_eq!(value.len(), 40);
        assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(value, random_key_value());
    }
}
