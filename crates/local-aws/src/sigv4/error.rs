//! Why a signature was not accepted.

use std::borrow::Cow;

/// Why a request's signature was not accepted. The texts are AWS's own where it has them; none holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature at all.
    #[error("Request is missing Authentication Token")]
    MissingAuthenticationToken,
    /// There is another mechanism than `AWS4-HMAC-SHA256`, such as Signature Version 2.
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    UnsupportedMechanism,
    /// A part of the signature is missing, doubled or not of its form.
    #[error("{0}")]
    IncompleteSignature(Cow<'static, str>),
    /// The access key id is unknown, or the session token is missing, wrong or superfluous.
    #[error("The security token included in the request is invalid.")]
    UnrecognizedClient,
    /// The signature is well-formed and is for another time, region or service, or stands in two places.
    #[error("{0}")]
    InvalidSignature(Cow<'static, str>),
    /// There is an `X-Amz-*` header that is not under the signature.
    #[error("There were headers present in the request which were not signed: {0}")]
    HeaderNotSigned(http::HeaderName),
    /// The signature is not the one that the request's content gives.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
         Access Key and signing method. Consult the service documentation for details."
    )]
    SignatureDoesNotMatch,
    /// The signature is more than 15 minutes old.
    #[error("Signature expired: {signed_at} is now earlier than {limit} ({now} - 15 min.)")]
    SignatureExpired {
        /// The signature's time.
        signed_at: String,
        /// The earliest time that is accepted now.
        limit: String,
        /// The real time.
        now: String,
    },
    /// The signature is of a time more than 15 minutes ahead.
    #[error("Signature not yet current: {signed_at} is still later than {limit} ({now} + 15 min.)")]
    SignatureNotYetCurrent {
        /// The signature's time.
        signed_at: String,
        /// The latest time that is accepted now.
        limit: String,
        /// The real time.
        now: String,
    },
    /// A header is under the signature, and was not sent.
    #[error(
        "The request signature we calculated does not match the signature you provided: the header {0} was \
         signed, and is not in the request."
    )]
    SignedHeaderMissing(http::HeaderName),
    /// A presigned request's time is over.
    #[error("Request has expired")]
    RequestExpired,
    /// The session is over.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// `X-Amz-Content-Sha256` is not the body's hash.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    PayloadMismatch,
    /// The body exceeds the address's limit, so that its hash is not known.
    #[error("Request entity is too large")]
    BodyTooLarge,
}

impl SignatureError {
    pub(super) fn incomplete(message: impl Into<Cow<'static, str>>) -> Self {
        Self::IncompleteSignature(message.into())
    }

    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidSignature(message.into())
    }
}
