//! What functions write, line by line.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::mpsc;

/// The longest line that is passed on as one; the rest of a longer one follows as lines of its own.
pub const MAX_LINE_BYTES: usize = 65_536;

/// A line that a function wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// The function's name.
    pub function: String,
    /// The environment, by the name of its log stream.
    pub environment: String,
    /// Where it was written.
    pub stream: Stream,
    /// The line without its end; bytes that are not UTF-8 are replaced.
    pub line: String,
}

/// An output stream of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Who writes.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) function: String,
    pub(crate) environment: String,
    pub(crate) stream: Stream,
}

/// Passes lines on until the stream ends.
pub(crate) async fn pump(reader: impl AsyncRead + Unpin, writer: Writer, sink: mpsc::Sender<OutputLine>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    // Whether `line` continues one that was too long, of which an empty rest is nothing to tell.
    let mut continues = false;
    loop {
        let chunk = match reader.fill_buf().await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            Ok(_) | Err(_) => break,
        };
        let room = &chunk[..chunk.len().min(MAX_LINE_BYTES - line.len())];
        let end = room.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(room.len(), |end| end + 1);
        line.extend_from_slice(&room[..end.unwrap_or(taken)]);
        reader.consume(taken);
        if end.is_none() && line.len() < MAX_LINE_BYTES {
            continue;
        }
        if !(continues && line.is_empty()) {
            pass_on(&line, &writer, &sink).await;
        }
        line.clear();
        continues = end.is_none();
    }
    if !line.is_empty() {
        pass_on(&line, &writer, &sink).await;
    }
}

async fn pass_on(line: &[u8], writer: &Writer, sink: &mpsc::Sender<OutputLine>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = OutputLine {
        function: writer.function.clone(),
        environment: writer.environment.clone(),
        stream: writer.stream,
        line: String::from_utf8_lossy(line).into_owned(),
    };
    // Nobody may be listening any more. The pipe is read all the same, so that the function is not held up.
    let _ = sink.send(line).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(bytes: &[u8]) -> Vec<String> {
        let (sink, mut lines) = mpsc::channel(16);
        let writer = Writer { function: "f".into(), environment: "e".into(), stream: Stream::Stdout };
        pump(bytes, writer, sink).await;
        let mut seen = Vec::new();
        while let Some(line) = lines.recv().await {
            seen.push(line.line);
        }
        seen
    }

    #[tokio::test]
    async fn lines_are_told_apart() {
        assert_eq!(lines(b"one\r\n\ntwo\n\xff").await, ["one", "", "two", "\u{fffd}"]);
    }

    #[tokio::test]
    async fn a_line_is_bounded_and_nothing_of_it_is_lost() {
        let mut bytes = vec![b'a'; MAX_LINE_BYTES];
        bytes.push(b'\n');
        assert_eq!(lines(&bytes).await, ["a".repeat(MAX_LINE_BYTES)]);
        bytes.insert(0, b'a');
        assert_eq!(lines(&bytes).await, ["a".repeat(MAX_LINE_BYTES), "a".to_owned()]);
    }
}
