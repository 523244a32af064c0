//! Bodies in chunks, before s3s reads them: it holds each chunk whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use local_http::Stream;

use super::body::Rejected;

/// Bytes of the largest chunk. SDKs make chunks of 64 KiB to 1 MiB.
pub(super) const MAX_CHUNK: u64 = 16 * 1_024 * 1_024;
/// Digits of a chunk's size.
const MAX_DIGITS: usize = 8;
/// Bytes of a line that begins a chunk: its size, and its signature.
const MAX_LINE: usize = 1_024;

/// A body that ends in an error where a chunk would be too large.
pub(super) struct Chunked {
    stream: Stream,
    at: At,
}

/// What the next byte is a part of.
enum At {
    /// The line that begins a chunk: the size so far, whether the size has ended, and the bytes so far. s3s reads
    /// eight digits of a size at most, and so do we.
    Line(u64, bool, usize),
    /// A chunk, of which so many bytes are to come, with the line's end behind it.
    Chunk(u64),
    /// What follows the last chunk.
    Trailers,
}

impl Chunked {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, at: At::Line(0, false, 0) }
    }
}

impl At {
    /// Follows the chunks through bytes that have arrived.
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Rejected> {
        while let Some((byte, rest)) = bytes.split_first() {
            match self {
                Self::Trailers => return Ok(()),
                Self::Chunk(left) => {
                    let here = (*left).min(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    *left -= here;
                    let is_over = *left == 0;
                    bytes = &bytes[usize::try_from(here).unwrap_or(bytes.len())..];
                    if is_over {
                        *self = Self::Line(0, false, 0);
                    }
                }
                Self::Line(size, has_ended, length) => {
                    bytes = rest;
                    *length += 1;
                    match (char::from(*byte).to_digit(16), byte) {
                        (_, b'\n') if *size == 0 => *self = Self::Trailers,
                        (_, b'\n') => *self = Self::Chunk(*size + 2),
                        (Some(digit), _) if !*has_ended => {
                            *size = *size << 4 | u64::from(digit);
                            if *size > MAX_CHUNK || *length > MAX_DIGITS {
                                return Err(Rejected::Chunk);
                            }
                        }
                        _ if *length > MAX_LINE => return Err(Rejected::Chunk),
                        _ => *has_ended = true,
                    }
                }
            }
        }
        Ok(())
    }
}

impl http_body::Body for Chunked {
    type Data = Bytes;
    type Error = Rejected;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Rejected>>> {
        let this = &mut *self;
        Pin::new(&mut this.stream).poll_frame(cx).map(|frame| {
            let frame = frame?.map_err(Rejected::from);
            Some(frame.and_then(|frame| {
                frame.data_ref().map_or(Ok(()), |data| this.at.follow(data)).map(|()| frame)
            }))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a body that arrives in pieces of so many bytes.
    fn followed(body: &str, pieces: usize) -> Result<(), Rejected> {
        let mut at = At::Line(0, false, 0);
        body.as_bytes().chunks(pieces).try_for_each(|piece| at.follow(piece))
    }

    #[test]
    fn chunks_of_a_usual_size_pass_however_they_arrive() {
        let signed = "5;chunk-signature=abcdef\r\nhello\r\n0;chunk-signature=01\r\n\r\n";
        let trailed = "2\r\n\r\n\r\n3\r\nabc\r\n0\r\nx-amz-checksum-crc32:ffffffffff\r\n\r\n";
        for body in [signed, trailed] {
            for pieces in 1..body.len() {
                assert!(followed(body, pieces).is_ok(), "{body:?} by {pieces}");
            }
        }
    }

    #[test]
    fn a_chunk_that_would_be_held_whole_in_memory_is_refused_by_its_size() {
        for body in
            ["1000001\r\n", "2\r\nab\r\nffffffffffffffffffff\r\n", "000001000000\r\n", &"x".repeat(2_000)]
        {
            for pieces in [1, 7, 4_096] {
                assert!(matches!(followed(body, pieces), Err(Rejected::Chunk)), "{body:?} by {pieces}");
            }
        }
        assert!(followed("1000000\r\n", 3).is_ok());
    }
}
