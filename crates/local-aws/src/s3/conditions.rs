//! Conditions on what is read (RFC 9110, section 13).

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};
use s3s::dto::{ETag, ETagCondition, Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result};
use time::OffsetDateTime;

use super::store::Object;

/// What must hold of an object, for it to be answered.
#[derive(Default)]
pub(super) struct ReadConditions {
    /// `If-Match`.
    pub(super) matching: Option<ETagCondition>,
    /// `If-None-Match`.
    pub(super) matching_not: Option<ETagCondition>,
    /// `If-Modified-Since`.
    pub(super) modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub(super) unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Answers 412 or 304 where they do not hold. An entity tag that is compared outweighs a time.
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
        self.check_with(object, || not_modified(object))
    }

    /// As [`Self::check`], for the source of a copy, which answers 412 alone.
    pub(super) fn check_source(&self, object: &Object) -> S3Result<()> {
        self.check_with(object, || precondition_failed("x-amz-copy-source-if-none-match"))
    }

    fn check_with(&self, object: &Object, unchanged: impl Fn() -> S3Error) -> S3Result<()> {
        let modified = seconds(object.modified.into());
        match (&self.matching, &self.unmodified_since) {
            (Some(wanted), _) if !matches_strongly(wanted, object) => {
                return Err(precondition_failed("If-Match"));
            }
            (None, Some(since)) if modified > seconds(since.clone().into()) => {
                return Err(precondition_failed("If-Unmodified-Since"));
            }
            _ => {}
        }
        match (&self.matching_not, &self.modified_since) {
            (Some(known), _) if matches(known, object) => Err(unchanged()),
            (None, Some(since)) if modified <= seconds(since.clone().into()) => Err(unchanged()),
            _ => Ok(()),
        }
    }
}

fn matches_strongly(condition: &ETagCondition, object: &Object) -> bool {
    matches(condition, object) && condition.as_etag().is_none_or(|tag| tag.as_strong().is_some())
}

fn matches(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == object.etag,
    }
}

fn seconds(at: OffsetDateTime) -> i64 {
    at.unix_timestamp()
}

/// A condition that does not hold, by its header.
pub(super) fn precondition_failed(condition: &str) -> S3Error {
    s3s::s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold: {condition}."
    )
}

fn not_modified(object: &Object) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", object.etag)) {
        headers.insert(header::ETAG, tag);
    }
    if let Ok(modified) = HeaderValue::from_str(&http_date(object.modified)) {
        headers.insert(header::LAST_MODIFIED, modified);
    }
    error.set_headers(headers);
    error
}

/// A time in the form that HTTP's headers have.
pub(super) fn http_date(at: SystemTime) -> String {
    let mut text = Vec::new();
    // A time before the year 0 or behind 9999 has no such form, and no object was made then.
    let _ = Timestamp::from(at).format(TimestampFormat::HttpDate, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// An entity tag in the form of s3s.
pub(super) fn tag(etag: &str) -> ETag {
    ETag::Strong(etag.to_owned())
}
