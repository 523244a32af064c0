//! What a request says about its signature, in the `Authorization` header or in the query.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};
use local_http::Request;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::error::SignatureError;
use super::query::{Query, nibble};
use crate::secret::Secret;

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const TERMINATOR: &str = "aws4_request";
pub(super) const TOKEN_HEADER: &str = "x-amz-security-token";
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

const DATE_HEADER: &str = "x-amz-date";

/// Bytes of an `Authorization` header. The largest part, the signed headers' names, is far below.
const MAX_AUTHORIZATION: usize = 4_096;
/// Bytes of a session token.
const MAX_TOKEN: usize = 8_192;
/// Names in a list of signed headers.
const MAX_SIGNED_HEADERS: usize = 100;
/// A presigned request that names no expiry is good for as long as one with a header.
const DEFAULT_EXPIRES: Duration = Duration::from_mins(15);
/// Seven days, SigV4's limit.
const MAX_EXPIRES: Duration = Duration::from_hours(7 * 24);

const BASIC_FORMAT: &[BorrowedFormatItem<'static>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// A signature with everything that is needed to judge it.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) access_key_id: String,
    pub(super) scope: Scope,
    pub(super) signed_headers: Vec<HeaderName>,
    pub(super) signature: [u8; 32],
    pub(super) signed_at: Timestamp,
    pub(super) token: Option<Secret>,
    /// How long a presigned request is good for. `None` is a signature in a header.
    pub(super) expires: Option<Duration>,
    pub(super) query: Query,
}

/// A credential scope.
#[derive(Debug)]
pub(super) struct Scope {
    /// `20261124`.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    /// `aws4_request` in a scope that is right.
    pub(super) terminator: String,
}

/// A time in ISO 8601's basic format, with the text that was signed.
#[derive(Debug)]
pub(super) struct Timestamp {
    pub(super) text: String,
    pub(super) at: SystemTime,
}

impl Presented {
    /// Reads the one signature of a request.
    pub(super) fn read<B>(request: &Request<B>) -> Result<Self, SignatureError> {
        let query = Query::parse(request.uri.query())?;
        let authorization = single(&request.headers, header::AUTHORIZATION.as_str())?;
        let is_presigned =
            ["X-Amz-Algorithm", "X-Amz-Credential", SIGNATURE_PARAMETER].iter().any(|name| query.has(name));
        match authorization {
            Some(_) if is_presigned => Err(SignatureError::invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
            )),
            Some(authorization) => Self::from_header(authorization, &request.headers, query),
            None if is_presigned => Self::from_query(query, &request.headers),
            // Signature Version 2 in the query.
            None if query.has("AWSAccessKeyId") => Err(SignatureError::UnsupportedMechanism),
            None => Err(SignatureError::MissingAuthenticationToken),
        }
    }

    fn from_header(value: &str, headers: &HeaderMap, query: Query) -> Result<Self, SignatureError> {
        if value.len() > MAX_AUTHORIZATION {
            return Err(SignatureError::incomplete("The Authorization header is too long."));
        }
        let (algorithm, fields) = value.split_once(' ').unwrap_or((value, ""));
        if algorithm != ALGORITHM {
            return Err(SignatureError::UnsupportedMechanism);
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field.trim().split_once('=').ok_or_else(|| {
                SignatureError::incomplete("Authorization header has a part that is no key=value pair.")
            })?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => {
                    return Err(SignatureError::incomplete("Authorization header has an unknown parameter."));
                }
            };
            if slot.replace(value).is_some() {
                return Err(SignatureError::incomplete("Authorization header has a parameter twice."));
            }
        }
        let required = |value: Option<&'_ str>, name| {
            value.map(ToOwned::to_owned).ok_or_else(|| {
                SignatureError::incomplete(format!("Authorization header requires '{name}' parameter."))
            })
        };
        let (access_key_id, scope) = parse_credential(&required(credential, "Credential")?)?;
        let signed_at = single(headers, DATE_HEADER)?.ok_or_else(|| {
            SignatureError::incomplete("Authorization header requires existence of a 'X-Amz-Date' header.")
        })?;
        Ok(Self {
            access_key_id,
            scope,
            signed_headers: parse_signed_headers(&required(signed_headers, "SignedHeaders")?)?,
            signature: parse_signature(&required(signature, "Signature")?)?,
            signed_at: Timestamp::parse(signed_at)?,
            token: single(headers, TOKEN_HEADER)?.map(parse_token).transpose()?,
            expires: None,
            query,
        })
    }

    fn from_query(query: Query, headers: &HeaderMap) -> Result<Self, SignatureError> {
        let required = |name| {
            query.single(name)?.ok_or_else(|| {
                SignatureError::incomplete(format!("AWS query-string parameters must include '{name}'."))
            })
        };
        if required("X-Amz-Algorithm")? != ALGORITHM {
            return Err(SignatureError::UnsupportedMechanism);
        }
        if headers.contains_key(TOKEN_HEADER) {
            return Err(SignatureError::incomplete(
                "A presigned request carries its session token in the query string.",
            ));
        }
        let (access_key_id, scope) = parse_credential(required("X-Amz-Credential")?)?;
        let signed_headers = parse_signed_headers(required("X-Amz-SignedHeaders")?)?;
        let signature = parse_signature(required(SIGNATURE_PARAMETER)?)?;
        let signed_at = Timestamp::parse(required("X-Amz-Date")?)?;
        let token = query.single("X-Amz-Security-Token")?.map(parse_token).transpose()?;
        let expires = query.single("X-Amz-Expires")?.map_or(Ok(DEFAULT_EXPIRES), parse_expires)?;
        Ok(Self {
            access_key_id,
            scope,
            signed_headers,
            signature,
            signed_at,
            token,
            expires: Some(expires),
            query,
        })
    }

    /// The text under the signature.
    pub(super) fn string_to_sign(&self, canonical_hash: &str) -> String {
        let Scope { date, region, service, terminator } = &self.scope;
        let time = &self.signed_at.text;
        format!("{ALGORITHM}\n{time}\n{date}/{region}/{service}/{terminator}\n{canonical_hash}")
    }
}

impl Timestamp {
    fn parse(text: &str) -> Result<Self, SignatureError> {
        // The parser would take a sign before the year.
        let parsed = PrimitiveDateTime::parse(text, BASIC_FORMAT).ok().filter(|_| text.len() == 16);
        let parsed = parsed.ok_or_else(|| {
            SignatureError::incomplete("Date must be in ISO-8601 'basic format', such as 20150830T123600Z.")
        })?;
        Ok(Self { text: text.to_owned(), at: parsed.assume_utc().into() })
    }

    /// The day that the credential scope must name.
    pub(super) fn date(&self) -> &str {
        self.text.split_once('T').map_or("", |(date, _)| date)
    }

    /// A time in the form that signatures have.
    pub(super) fn format(at: SystemTime) -> String {
        OffsetDateTime::from(at).format(BASIC_FORMAT).unwrap_or_default()
    }
}

/// The text of a credential with its scope, however the rest of the signature looks.
pub(super) fn claimed_credential<B>(request: &Request<B>) -> Option<String> {
    let header = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(header) = header {
        let (_, rest) = header.split_once("Credential=")?;
        return Some(rest.split([',', ' ']).next().unwrap_or_default().to_owned());
    }
    let query = Query::parse(request.uri.query()).ok()?;
    query.single("X-Amz-Credential").ok().flatten().map(str::to_owned)
}

/// The value of a header that may stand once only.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (values.next(), value.to_str()) {
        (None, Ok(value)) => Ok(Some(value)),
        _ => Err(SignatureError::incomplete(format!(
            "The header '{name}' must stand once, in visible ASCII characters."
        ))),
    }
}

fn parse_credential(text: &str) -> Result<(String, Scope), SignatureError> {
    let malformed = || {
        SignatureError::incomplete(
            "Credential must have exactly 5 slash-delimited elements, such as \
             keyid/date/region/service/aws4_request.",
        )
    };
    let parts: Vec<&str> = text.split('/').collect();
    let [access_key_id, date, region, service, terminator] = parts[..] else { return Err(malformed()) };
    let is_key = is_name(access_key_id, 128, |b| b.is_ascii_alphanumeric() || b == b'_');
    let is_date = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
    let is_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_scope = is_name(region, 64, is_label) && is_name(service, 64, is_label) && terminator.len() <= 64;
    if !is_key || !is_date || !is_scope {
        return Err(malformed());
    }
    let [date, region, service, terminator] = [date, region, service, terminator].map(ToOwned::to_owned);
    Ok((access_key_id.to_owned(), Scope { date, region, service, terminator }))
}

fn is_name(text: &str, longest: usize, is_allowed: impl Fn(u8) -> bool) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Names in lower case and ascending order, each once: the only form that signers give.
fn parse_signed_headers(text: &str) -> Result<Vec<HeaderName>, SignatureError> {
    let malformed = || {
        SignatureError::incomplete("SignedHeaders must be distinct lower-case names in order, joined by ';'.")
    };
    let names: Vec<&str> = text.split(';').take(MAX_SIGNED_HEADERS + 1).collect();
    let is_sorted = names.is_sorted_by(|one, next| one < next);
    if names.len() > MAX_SIGNED_HEADERS || !is_sorted || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(malformed());
    }
    names.into_iter().map(|name| HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())).collect()
}

fn parse_signature(text: &str) -> Result<[u8; 32], SignatureError> {
    let digits = text.as_bytes();
    let mut signature = [0; 32];
    let is_lower_hex = digits.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    if digits.len() != 2 * signature.len() || !is_lower_hex {
        return Err(SignatureError::incomplete("Signature must be 64 lower-case hexadecimal digits."));
    }
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().filter_map(|digit| nibble(*digit)).fold(0, |high, low| high << 4 | low);
    }
    Ok(signature)
}

fn parse_token(text: &str) -> Result<Secret, SignatureError> {
    if text.len() > MAX_TOKEN {
        return Err(SignatureError::UnrecognizedClient);
    }
    Ok(Secret::new(text))
}

fn parse_expires(text: &str) -> Result<Duration, SignatureError> {
    let is_number = is_name(text, 6, |b| b.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_number).map(Duration::from_secs);
    seconds.filter(|expires| (Duration::from_secs(1)..=MAX_EXPIRES).contains(expires)).ok_or_else(|| {
        SignatureError::incomplete("X-Amz-Expires must be a number of seconds from 1 to 604800.")
    })
}

#[cfg(test)]
#[path = "presented_tests.rs"]
mod tests;
