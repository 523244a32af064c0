//! The signing key and the signature.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::presented::Scope;

type Bytes = Zeroizing<[u8; 32]>;

/// The signature of a string under a secret access key, in a scope.
pub(super) fn signature(secret: &str, scope: &Scope, string_to_sign: &str) -> Bytes {
    let key = Zeroizing::new(format!("AWS4{secret}"));
    let date_key = mac(key.as_bytes(), &scope.date);
    let region_key = mac(&*date_key, &scope.region);
    let service_key = mac(&*region_key, &scope.service);
    let signing_key = mac(&*service_key, super::presented::TERMINATOR);
    mac(&*signing_key, string_to_sign)
}

fn mac(key: &[u8], text: &str) -> Bytes {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}
