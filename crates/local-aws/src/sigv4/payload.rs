//! What a signature says of a request's body: the last line of the canonical request.

use http::HeaderMap;
use local_http::{Body, Request};

use super::canonical::sha256_hex;
use super::error::SignatureError;
use super::presented::single;

const CONTENT_HASH_HEADER: &str = "x-amz-content-sha256";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// Bodies in chunks, each with a signature of its own or with a checksum after the last ("Signature
/// calculations for the authorization header: transferring payload in multiple chunks" in the S3 API
/// Reference).
const CHUNKED: [&str; 3] = [
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
];

/// What the signature of a request to S3 says of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Nothing.
    Unsigned,
    /// Its SHA-256, in lower-case hexadecimal digits.
    Sha256(String),
    /// Its form in chunks, by the name that was signed.
    Chunked(&'static str),
}

impl Payload {
    /// What a request's headers declare. A presigned request need not declare anything.
    pub(super) fn declared(headers: &HeaderMap, is_presigned: bool) -> Result<Self, SignatureError> {
        let Some(declared) = single(headers, CONTENT_HASH_HEADER)? else {
            return if is_presigned {
                Ok(Self::Unsigned)
            } else {
                Err(SignatureError::incomplete("The header 'x-amz-content-sha256' is missing."))
            };
        };
        if declared == UNSIGNED_PAYLOAD {
            return Ok(Self::Unsigned);
        }
        if let Some(name) = CHUNKED.into_iter().find(|name| *name == declared && !is_presigned) {
            return Ok(Self::Chunked(name));
        }
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if declared.len() == 64 && declared.bytes().all(is_digit) {
            return Ok(Self::Sha256(declared.to_owned()));
        }
        Err(SignatureError::incomplete(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
             STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid \
             sha256 value.",
        ))
    }

    /// The text under the signature.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Unsigned => UNSIGNED_PAYLOAD,
            Self::Sha256(digits) => digits,
            Self::Chunked(name) => name,
        }
    }
}

/// The hash of a whole body, which must be the declared one where one is declared.
pub(super) fn hash(request: &Request) -> Result<String, SignatureError> {
    let declared = single(&request.headers, CONTENT_HASH_HEADER)?;
    let Body::Whole(body) = &request.body else { return Err(SignatureError::BodyTooLarge) };
    let computed = sha256_hex(body);
    match declared {
        Some(declared) if declared != computed => Err(SignatureError::PayloadMismatch),
        Some(_) | None => Ok(computed),
    }
}
