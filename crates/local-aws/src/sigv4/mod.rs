//! Verification of AWS Signature Version 4, in the `Authorization` header and in the query ("AWS Signature
//! Version 4 for API requests" in the IAM User Guide).

mod canonical;
mod error;
mod key;
mod payload;
mod presented;
mod query;
#[cfg(test)]
mod tamper_tests;
#[cfg(test)]
mod vector_tests;
#[cfg(test)]
mod verifier_tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::HOST;
use local_http::Request;
use subtle::ConstantTimeEq as _;

use crate::clock::Clock;
use crate::principals::{Principal, Principals};
use crate::random::{self, BASE_64};
use crate::secret::Secret;
use canonical::CanonicalRequest;
pub use error::SignatureError;
pub(crate) use payload::Payload;
use presented::{Presented, TERMINATOR, Timestamp, single};
pub(crate) use query::is_parameter_of_signature;

/// How far a signature's time may be from the real one, in both directions.
const MAX_SKEW: Duration = Duration::from_mins(15);
/// The one service whose paths and bodies are signed by rules of their own.
const S3: &str = "s3";

/// Verifies requests' signatures against a register of principals, for one region.
pub struct Verifier {
    principals: Arc<Principals>,
    region: String,
    clock: Arc<dyn Clock>,
    /// Stands in for the secret of an access key id that is not known, so that the answer to it takes as long
    /// as the answer to a wrong signature.
    decoy: Secret,
}

/// A request whose signature is right.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Who signed it.
    pub principal: Arc<Principal>,
    /// The service of its credential scope.
    pub service: String,
    /// The region of its credential scope.
    pub region: String,
    /// When it was signed, by the client's clock.
    pub signed_at: SystemTime,
}

impl Verifier {
    /// A verifier for the principals of a register.
    ///
    /// # Errors
    ///
    /// [`Error::Random`](crate::Error::Random).
    pub fn new(
        principals: Arc<Principals>,
        region: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, crate::Error> {
        let decoy = Secret::new(random::text::<40, 64>(BASE_64)?);
        Ok(Self { principals, region: region.into(), clock, decoy })
    }

    /// Verifies a request's signature. With `expected_service`, it must be for that service.
    ///
    /// Every `X-Amz-*` header and `Host` must be signed. The body's hash is always that of the body itself: what
    /// is signed for S3 is verified by its own rules alone.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] for every request that is not as its principal has signed it.
    pub fn verify(
        &self,
        request: &Request,
        expected_service: Option<&str>,
    ) -> Result<Verified, SignatureError> {
        let presented = Presented::read(request)?;
        if presented.scope.service == S3 {
            return Err(SignatureError::invalid(
                "Credential should be scoped to correct service, not to 's3'.",
            ));
        }
        self.verify_presented(presented, request, expected_service, || payload::hash(request))
    }

    /// Verifies the signature of a request to S3, whose body need not have arrived. What the signature says of
    /// the body is to be held against it while it does.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`].
    pub(crate) fn verify_s3<B>(&self, request: &Request<B>) -> Result<(Verified, Payload), SignatureError> {
        let presented = Presented::read(request)?;
        let is_presigned = presented.expires.is_some();
        let mut payload = Payload::Unsigned;
        let verified = self.verify_presented(presented, request, Some(S3), || {
            payload = Payload::declared(&request.headers, is_presigned)?;
            Ok(payload.as_str().to_owned())
        })?;
        Ok((verified, payload))
    }

    fn verify_presented<B>(
        &self,
        presented: Presented,
        request: &Request<B>,
        expected_service: Option<&str>,
        payload_hash: impl FnOnce() -> Result<String, SignatureError>,
    ) -> Result<Verified, SignatureError> {
        self.check_scope(&presented, expected_service)?;
        let now = self.clock.now();
        self.check_time(&presented, now)?;
        check_signed_headers(&presented, &request.headers)?;
        let principal = self.check_signature(&presented, request, &payload_hash()?)?;
        if !principal.is_in_time(self.clock.stack_time(now)) {
            return Err(SignatureError::ExpiredToken);
        }
        let (scope, signed_at) = (presented.scope, presented.signed_at.at);
        Ok(Verified { principal, service: scope.service, region: scope.region, signed_at })
    }

    fn check_scope(&self, presented: &Presented, expected: Option<&str>) -> Result<(), SignatureError> {
        let scope = &presented.scope;
        if scope.terminator != TERMINATOR {
            return Err(SignatureError::invalid(
                "Credential should be scoped with a valid terminator: 'aws4_request'.",
            ));
        }
        if scope.date != presented.signed_at.date() {
            return Err(SignatureError::invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
            ));
        }
        if scope.region != self.region {
            let (ours, theirs) = (&self.region, &scope.region);
            return Err(SignatureError::invalid(format!(
                "Credential should be scoped to a valid region: '{ours}', not '{theirs}'."
            )));
        }
        match expected {
            Some(expected) if expected != scope.service => Err(SignatureError::invalid(format!(
                "Credential should be scoped to correct service: '{expected}'."
            ))),
            _ => Ok(()),
        }
    }

    fn check_time(&self, presented: &Presented, now: SystemTime) -> Result<(), SignatureError> {
        let signed = &presented.signed_at;
        let texts = |limit: Option<SystemTime>| {
            let limit = limit.map(Timestamp::format).unwrap_or_default();
            (signed.text.clone(), limit, Timestamp::format(now))
        };
        if signed.at.duration_since(now).is_ok_and(|ahead| ahead > MAX_SKEW) {
            let (signed_at, limit, now) = texts(now.checked_add(MAX_SKEW));
            return Err(SignatureError::SignatureNotYetCurrent { signed_at, limit, now });
        }
        if let Some(expires) = presented.expires {
            let (signed, now) = (self.clock.stack_time(signed.at), self.clock.stack_time(now));
            return match now.duration_since(signed) {
                Ok(age) if age > expires => Err(SignatureError::RequestExpired),
                _ => Ok(()),
            };
        }
        if now.duration_since(signed.at).is_ok_and(|age| age > MAX_SKEW) {
            let (signed_at, limit, now) = texts(now.checked_sub(MAX_SKEW));
            return Err(SignatureError::SignatureExpired { signed_at, limit, now });
        }
        Ok(())
    }

    /// The principal of an access key id: one of the register, or of a session that the presented token tells.
    fn principal(&self, presented: &Presented) -> Option<Arc<Principal>> {
        let access_key_id = &presented.access_key_id;
        self.principals.find(access_key_id).or_else(|| {
            let token = presented.token.as_ref()?;
            self.principals.open_session(access_key_id, token)
        })
    }

    /// Compares the signature and the session token, and only then says what was wrong.
    fn check_signature<B>(
        &self,
        presented: &Presented,
        request: &Request<B>,
        payload_hash: &str,
    ) -> Result<Arc<Principal>, SignatureError> {
        let path = request.uri.path();
        let paths = if presented.scope.service == S3 {
            canonical::s3_paths(path)
        } else {
            vec![canonical::path(path)]
        };
        let query = presented.query.canonical(presented.expires.map(|_| presented::SIGNATURE_PARAMETER));
        let principal = self.principal(presented);
        let secret = principal.as_deref().map_or(&self.decoy, |principal| &principal.secret);
        let is_right = paths.iter().any(|path| {
            let canonical = CanonicalRequest {
                method: &request.method,
                path,
                query: &query,
                headers: &request.headers,
                signed_headers: &presented.signed_headers,
                payload_hash,
            };
            let string_to_sign = presented.string_to_sign(&canonical.hash());
            let expected = key::signature(secret.expose(), &presented.scope, &string_to_sign);
            bool::from(expected.ct_eq(&presented.signature))
        });
        let Some(principal) = principal else { return Err(SignatureError::UnrecognizedClient) };
        let has_token = match (&principal.session_token, &presented.token) {
            (Some(token), Some(presented)) => token.matches(presented.expose().as_bytes()),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        match (has_token, is_right) {
            (false, _) => Err(SignatureError::UnrecognizedClient),
            (true, false) => Err(SignatureError::SignatureDoesNotMatch),
            (true, true) => Ok(principal),
        }
    }
}

/// The service that a request claims to be signed for, before anything is verified. It decides by which rules
/// that is done, and the form of an error.
pub(crate) fn claimed_service<B>(request: &Request<B>) -> Option<String> {
    presented::claimed_credential(request)?.split('/').nth(3).map(str::to_owned)
}

/// Whatever could change a request's meaning must be under the signature.
fn check_signed_headers(presented: &Presented, headers: &HeaderMap) -> Result<(), SignatureError> {
    single(headers, HOST.as_str())?;
    if !presented.signed_headers.contains(&HOST) {
        return Err(SignatureError::invalid("'Host' must be a 'SignedHeader' in the AWS Authorization."));
    }
    if let Some(name) = presented.signed_headers.iter().find(|name| !headers.contains_key(*name)) {
        return Err(SignatureError::SignedHeaderMissing(name.clone()));
    }
    let unsigned = headers
        .keys()
        .find(|name| name.as_str().starts_with("x-amz-") && !presented.signed_headers.contains(name));
    match unsigned {
        Some(name) => Err(SignatureError::HeaderNotSigned(name.clone())),
        None => Ok(()),
    }
}
