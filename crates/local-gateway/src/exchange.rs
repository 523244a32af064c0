//! What the gateway itself gives to every request: ids, the time, the trace.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::identifier::random;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
pub(crate) const EXTENDED_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

const COMMON_LOG: &[BorrowedFormatItem<'static>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// One request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) at: SystemTime,
    pub(crate) request_id: String,
    pub(crate) extended_request_id: String,
    pub(crate) trace_id: String,
}

impl Exchange {
    /// Ids are the gateway's own, whatever the client sends: an id in a log names one request.
    /// A well-formed trace root is the client's, since it joins this request to the client's trace.
    pub(crate) fn new(at: SystemTime, headers: &HeaderMap) -> Self {
        Self {
            at,
            request_id: request_id(),
            extended_request_id: STANDARD.encode(random::<11>()),
            trace_id: trace_root(headers).unwrap_or_else(|| new_trace_root(at)),
        }
    }

    /// `requestTime`, in the common log format.
    pub(crate) fn common_log_time(&self) -> String {
        OffsetDateTime::from(self.at).format(COMMON_LOG).unwrap_or_default()
    }

    /// `requestTimeEpoch`, in milliseconds.
    pub(crate) fn epoch_millis(&self) -> u64 {
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Puts the ids on a response, in place of any that the function has set.
    pub(crate) fn stamp(&self, headers: &mut HeaderMap) {
        for (name, value) in
            [(REQUEST_ID, &self.request_id), (EXTENDED_REQUEST_ID, &self.extended_request_id)]
        {
            headers.insert(name, header_value(value));
        }
    }

    /// Puts the trace on a response. Only what a function answered carries it.
    pub(crate) fn stamp_trace(&self, headers: &mut HeaderMap) {
        headers.insert(TRACE_ID, header_value(&self.trace_id));
    }
}

/// Microseconds since 1970.
pub(crate) fn micros(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// A UUID of version 4.
pub(crate) fn request_id() -> String {
    uuid::Builder::from_random_bytes(random()).into_uuid().to_string()
}

/// Made of ids and names only, so it is always a header value.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids are visible ASCII")
}

/// `Root=1-<8 hex digits>-<24 hex digits>` out of the client's trace header.
fn trace_root(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(TRACE_ID)?.to_str().ok()?;
    let root = value.split(';').map(str::trim).find_map(|field| field.strip_prefix("Root="))?;
    let (time, unique) = root.strip_prefix("1-")?.split_once('-')?;
    let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    (hex(time, 8) && hex(unique, 24)).then(|| format!("Root={root}"))
}

fn new_trace_root(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let unique = u128::from_be_bytes(random()) >> 32;
    format!("Root=1-{:08x}-{unique:024x}", seconds & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_795_521_661_042)
    }

    #[test]
    fn times_are_in_the_common_log_format_and_in_milliseconds_m() {
        let exchange = Exchange::new(at(), &HeaderMap::new());
        assert_eq!(exchange.common_log_time(), "24/Nov/2026:12:01:01 +0000");
        assert_eq!(exchange.epoch_millis(), 1_795_521_661_042);
    }

    #[test]
    fn a_client_cannot_choose_the_request_id() {
        let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static("mine"))]);
        let exchange = Exchange::new(at(), &headers);
        assert!(uuid::Uuid::parse_str(&exchange.request_id).is_ok());
    }

    #[test]
    fn a_well_formed_trace_root_is_kept_and_any_other_replaced_a() {
        let root = "Root=1-67891233-abcdef012345678912345678";
        let sent = |text: &str| {
            let value = HeaderValue::from_str(text).expect("test header");
            Exchange::new(at(), &HeaderMap::from_iter([(TRACE_ID, value)])).trace_id
        };
        assert_eq!(sent(&format!("{root};Parent=53995c3f42cd8ad8;Sampled=1")), root);
        let replaced = sent("Root=anything\"at all");
        assert_eq!(replaced.len(), root.len());
        assert!(replaced.starts_with("Root=1-6b0"), "{replaced}");
    }
}
