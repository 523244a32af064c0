//! Text that must not be seen.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A secret access key or a session token: masked in `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself, for handing it to the one who may have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in a time that tells no more than whether the lengths are equal.
    pub(crate) fn matches(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_debug_output() {
        assert_eq!(format!("{:?}", Secret::new("hidden")), "Secret(***)");
    }

    #[test]
    fn a_secret_matches_itself_alone() {
        let secret = Secret::new("hidden");
        assert!(secret.matches(b"hidden"));
        for other in [&b"hiddem"[..], b"hidde", b"hiddenn", b""] {
            assert!(!secret.matches(other));
        }
    }
}
