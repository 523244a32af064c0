//! What a client may ask of an address.

use std::time::Duration;

/// The bounds of one address. The defaults are those of API Gateway where it documents one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line and its headers together; a longer head is answered 431.
    /// API Gateway documents 10,240 for the headers.
    pub max_header_bytes: usize,
    /// Bytes of a body; a longer one reaches the handler as [`Body::TooLarge`](crate::Body::TooLarge).
    pub max_body: usize,
    /// The time from a head's first byte to its last.
    pub header_timeout: Duration,
    /// The time from a head's last byte to the body's last; a slower body is answered 408.
    pub body_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long a client may refuse to take a further byte of an answer.
    pub write_timeout: Duration,
    /// Bytes that are read and thrown away after an answer was given before its request had been read.
    ///
    /// A socket closed with unread bytes resets the connection, and the reset can overtake the answer, so a
    /// client that is still sending is listened to for a while.
    pub max_drain: usize,
    /// How long such a client is listened to.
    pub drain_timeout: Duration,
    /// Connections at one time. Further ones wait unaccepted.
    pub max_connections: usize,
    /// How long running requests may take to finish once a stop was asked for.
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_bytes: 10_240,
            max_body: 10_485_760,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_secs(30),
            max_drain: 67_108_864,
            drain_timeout: Duration::from_secs(5),
            max_connections: 1_024,
            stop_timeout: Duration::from_secs(5),
        }
    }
}
