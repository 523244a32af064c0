//! Unguessable text.

use crate::Error;

/// The alphabet of access key ids, as in RFC 4648's base 32.
pub(crate) const BASE_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The alphabet of secret keys and session tokens, as in RFC 4648's base 64.
pub(crate) const BASE_64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Random bytes of the operating system.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes)
}

/// `LENGTH` random characters, evenly distributed.
pub(crate) fn text<const LENGTH: usize, const N: usize>(alphabet: &[u8; N]) -> Result<String, Error> {
    Ok(spell(&bytes::<LENGTH>()?, alphabet))
}

/// One character for each byte. The alphabet's size divides 256, so that no character is likelier.
pub(crate) fn spell<const N: usize>(bytes: &[u8], alphabet: &[u8; N]) -> String {
    const { assert!(256 % N == 0) };
    bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % N])).collect()
}
