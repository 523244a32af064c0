//! The bytes of request heads, recorded as the parser reads them.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};

/// As many headers as hyper accepts by default.
const MAX_HEADERS: usize = 100;

/// Where a connection stands between one request's head and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head is awaited or being read.
    Head,
    /// The handler has the request. What is read now is its body.
    Handling,
    /// The handler has answered, and nothing of the answer has been written.
    Answered,
}

/// What the client owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// A request, sooner or later.
    Request,
    /// The rest of a head that it began.
    RestOfHead,
}

/// One connection's exchange of requests and answers, shared by the stream and the service on it.
#[derive(Debug)]
pub(crate) struct Exchange {
    phase: Phase,
    /// The bytes since the last answer, at most `max_head` of them. A body's beginning may follow the head.
    recorded: Vec<u8>,
    max_head: usize,
    /// Counts phases of waiting, so that a deadline is never carried over from one to the next.
    epoch: u64,
    must_drain: bool,
}

impl Exchange {
    pub(crate) fn new(max_head: usize) -> Self {
        Self { phase: Phase::Head, recorded: Vec::new(), max_head, epoch: 0, must_drain: false }
    }

    /// Takes note of bytes that were read.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Head {
            let room = self.max_head.saturating_sub(self.recorded.len());
            self.recorded.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Takes note that a head has been parsed, and gives what was recorded of it.
    pub(crate) fn begin(&mut self) -> Vec<u8> {
        self.phase = Phase::Handling;
        std::mem::take(&mut self.recorded)
    }

    /// Takes note that the answer is known. `request_was_read` says whether the client may still be sending.
    pub(crate) fn answered(&mut self, request_was_read: bool) {
        self.phase = Phase::Answered;
        self.must_drain |= !request_was_read;
    }

    /// Takes note that bytes are about to be written.
    pub(crate) fn writing(&mut self) {
        match self.phase {
            // An interim `100 Continue`: the answer is still to come.
            Phase::Handling => return,
            // The parser itself refuses a head, whose body may still be on its way.
            Phase::Head => self.must_drain |= !self.recorded.is_empty(),
            Phase::Answered => self.phase = Phase::Head,
        }
        self.recorded.clear();
        self.epoch += 1;
    }

    /// What the client owes, with a number that differs for every time it owes it.
    pub(crate) fn awaited(&self) -> Option<(u64, Awaited)> {
        match self.phase {
            Phase::Head if self.recorded.is_empty() => Some((self.epoch, Awaited::Request)),
            Phase::Head => Some((self.epoch, Awaited::RestOfHead)),
            Phase::Handling | Phase::Answered => None,
        }
    }

    /// Whether closing now could cost the client its answer.
    pub(crate) fn must_drain(&self) -> bool {
        self.must_drain
    }
}

/// The headers with the casing of `recorded`, or in lower case where that is not the head of this request.
pub(crate) fn raw_headers(recorded: &[u8], headers: &HeaderMap) -> Vec<(String, HeaderValue)> {
    parse(recorded).filter(|raw| says_the_same(raw, headers)).unwrap_or_else(|| {
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect()
    })
}

fn parse(recorded: &[u8]) -> Option<Vec<(String, HeaderValue)>> {
    let mut storage = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut storage);
    if !request.parse(recorded).ok()?.is_complete() {
        return None;
    }
    request
        .headers
        .iter()
        .map(|header| Some((header.name.to_owned(), HeaderValue::from_bytes(header.value).ok()?)))
        .collect()
}

fn says_the_same(raw: &[(String, HeaderValue)], headers: &HeaderMap) -> bool {
    let mut lower = HeaderMap::with_capacity(raw.len());
    for (name, value) in raw {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return false };
        lower.append(name, value.clone());
    }
    // The parser folds repeated lengths into one, and drops a length beside a transfer coding.
    let mut headers = headers.clone();
    lower.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_LENGTH);
    lower == headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn names(raw: &[(String, HeaderValue)]) -> Vec<&str> {
        raw.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_recorded_head_gives_the_sent_casing() {
        let recorded = b"\r\nPOST /a HTTP/1.1\r\nX-Api-KEY: k\r\nhost: h\r\n\r\nbody\r\n\r\n";
        let raw = raw_headers(recorded, &map(&[("x-api-key", "k"), ("host", "h")]));
        assert_eq!(names(&raw), ["X-Api-KEY", "host"]);
    }

    #[test]
    fn a_head_that_says_something_else_is_not_used() {
        let headers = map(&[("x-api-key", "mine")]);
        for recorded in [
            &b"GET / HTTP/1.1\r\nX-Api-Key: other\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nX-Api-Key: mine\r\nX-More: 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nX-Api-Key: mine\r\n",
            b"no head at all",
            b"",
        ] {
            assert_eq!(
                raw_headers(recorded, &headers),
                [("x-api-key".to_owned(), HeaderValue::from_static("mine"))]
            );
        }
    }

    #[test]
    fn repeated_names_keep_their_order_and_casing() {
        let recorded = b"GET / HTTP/1.1\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n";
        let mut headers = map(&[("x-a", "1"), ("x-b", "2")]);
        headers.append("x-a", HeaderValue::from_static("3"));
        assert_eq!(names(&raw_headers(recorded, &headers)), ["X-A", "X-B", "x-a"]);
    }

    #[test]
    fn no_more_than_the_longest_head_is_recorded() {
        let mut exchange = Exchange::new(8);
        exchange.received(b"12345");
        exchange.received(b"67890");
        assert_eq!(exchange.begin(), b"12345678");
        exchange.received(b"a body");
        exchange.answered(true);
        exchange.writing();
        assert_eq!(exchange.begin(), b"");
    }

    #[test]
    fn an_interim_answer_does_not_end_a_request() {
        let mut exchange = Exchange::new(64);
        exchange.received(b"head");
        let _ = exchange.begin();
        exchange.writing();
        assert_eq!(exchange.awaited(), None);
        exchange.answered(true);
        exchange.writing();
        assert_eq!(exchange.awaited(), Some((1, Awaited::Request)));
        exchange.received(b"n");
        assert_eq!(exchange.awaited(), Some((1, Awaited::RestOfHead)));
    }
}
