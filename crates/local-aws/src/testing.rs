//! Requests for tests, signed by the AWS SDK's own signer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use local_http::{Body, Request};

use crate::principals::{Principal, Principals};
use crate::sigv4::Verifier;

pub(crate) const REGION: &str = "eu-central-1";

/// 2026-11-24T12:00:00Z.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(498_756)
}

/// A register with an administrator, and a verifier for it at [`now`].
pub(crate) fn verifier() -> (Arc<Principals>, Arc<Principal>, Arc<Verifier>) {
    let principals = Arc::new(Principals::new("123456789012"));
    let admin = principals.issue_admin().expect("random numbers");
    let verifier = Verifier::new(Arc::clone(&principals), REGION, Arc::new(now)).expect("random numbers");
    (principals, admin, Arc::new(verifier))
}

pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        (name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"))
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter().map(pair) {
        map.append(name, value);
    }
    Request {
        method: method.parse().expect("a method"),
        uri: uri.parse().expect("a URI"),
        raw_headers: map.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect(),
        headers: map,
        body: Body::Whole(Bytes::copy_from_slice(body.as_bytes())),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)),
    }
}

/// A signer with what a client would have configured.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) at: SystemTime,
    /// Signs in the query instead of the header, for so long.
    pub(crate) presigned_for: Option<Duration>,
}

impl Signer {
    pub(crate) fn of(principal: &Principal, service: &str) -> Self {
        Self {
            access_key_id: principal.access_key_id.clone(),
            secret: principal.secret.expose().to_owned(),
            token: principal.session_token.as_ref().map(|token| token.expose().to_owned()),
            region: REGION.to_owned(),
            service: service.to_owned(),
            at: now(),
            presigned_for: None,
        }
    }

    /// The request with a signature of all its headers.
    pub(crate) fn sign(&self, mut request: Request) -> Request {
        request.headers.entry("host").or_insert(HeaderValue::from_static("127.0.0.1:4566"));
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        if self.presigned_for.is_some() {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = self.presigned_for;
        }
        let credentials =
            Credentials::new(&self.access_key_id, &self.secret, self.token.clone(), None, "test");
        let identity = Identity::from(credentials);
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(self.at)
            .settings(settings)
            .build()
            .expect("all parameters");
        let Body::Whole(body) = &request.body else { panic!("a body that is kept") };
        let declared = request.headers.get("x-amz-content-sha256").filter(|_| self.service == "s3");
        let body = match (declared, self.presigned_for) {
            (Some(declared), _) => SignableBody::Precomputed(declared.to_str().expect("text").to_owned()),
            (None, Some(_)) if self.service == "s3" => SignableBody::UnsignedPayload,
            (None, _) => SignableBody::Bytes(body),
        };
        let uri = format!("http://127.0.0.1:4566{}", request.uri);
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("test headers are text")));
        let signable = SignableRequest::new(request.method.as_str(), uri, headers, body).expect("signable");
        let (instructions, _) = sign(signable, &params.into()).expect("a signature").into_parts();
        let mut signed = http::Request::new(());
        *signed.uri_mut() = request.uri.clone();
        *signed.headers_mut() = request.headers.clone();
        instructions.apply_to_request_http1x(&mut signed);
        request.uri = signed.uri().clone();
        request.headers = signed.headers().clone();
        request
    }
}
