//! The canonical request ("Create a signed AWS API request" in the IAM User Guide).

use http::{HeaderMap, HeaderName, Method};
use sha2::{Digest as _, Sha256};

/// The parts of a canonical request, each already in its canonical form but for the headers.
pub(super) struct CanonicalRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) signed_headers: &'a [HeaderName],
    pub(super) payload_hash: &'a str,
}

impl CanonicalRequest<'_> {
    /// The hash that the string to sign holds.
    pub(super) fn hash(&self) -> String {
        sha256_hex(&self.render())
    }

    fn render(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(1_024);
        for line in [self.method.as_str(), self.path, self.query] {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        for name in self.signed_headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(b':');
            for (index, value) in self.headers.get_all(name).iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                push_trimmed(value.as_bytes(), &mut text);
            }
            text.push(b'\n');
        }
        text.push(b'\n');
        for (index, name) in self.signed_headers.iter().enumerate() {
            if index > 0 {
                text.push(b';');
            }
            text.extend_from_slice(name.as_str().as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(self.payload_hash.as_bytes());
        text
    }
}

/// Appends a header's value without white space around it, and with runs of spaces as one.
fn push_trimmed(value: &[u8], text: &mut Vec<u8>) {
    let value = value.trim_ascii();
    for (index, byte) in value.iter().enumerate() {
        if *byte != b' ' || value.get(index + 1) != Some(&b' ') {
            text.push(*byte);
        }
    }
}

/// The canonical path of every service but S3: without empty and dot segments, encoded once more as it was
/// sent.
pub(super) fn path(sent: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_open = true;
    for segment in sent.split('/') {
        ends_open = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    let mut canonical = String::with_capacity(sent.len() + 1);
    for segment in &segments {
        canonical.push('/');
        canonical.push_str(&encode(segment.as_bytes()));
    }
    if ends_open || segments.is_empty() {
        canonical.push('/');
    }
    canonical
}

/// S3's canonical paths: as it was sent, each escape in its canonical form, since an object's key may hold `..`
/// and `//`. Of an escaped slash, which leads to the same key as a bare one, some clients sign the one spelling
/// and some the other.
pub(super) fn s3_paths(sent: &str) -> Vec<String> {
    let bytes = sent.as_bytes();
    let (mut kept, mut bare) = (String::with_capacity(sent.len()), String::with_capacity(sent.len()));
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| {
            let digit = |offset| bytes.get(at + offset).copied().and_then(super::query::nibble);
            Some(digit(1)? << 4 | digit(2)?)
        });
        let (byte, is_escaped) = match escaped {
            Some(Some(decoded)) => (decoded, true),
            _ => (*byte, false),
        };
        at += if is_escaped { 3 } else { 1 };
        let encoded = encode(&[byte]);
        kept.push_str(if byte == b'/' && !is_escaped { "/" } else { &encoded });
        bare.push_str(if byte == b'/' { "/" } else { &encoded });
    }
    if kept == bare { vec![kept] } else { vec![kept, bare] }
}

/// Percent-encodes all but the unreserved characters of RFC 3986, with upper-case digits.
pub(super) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push('%');
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    text
}

/// SHA-256 in lower-case hexadecimal digits.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(bytes);
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_normalised_and_encoded_as_it_was_sent() {
        for (sent, canonical) in [
            ("/", "/"),
            ("", "/"),
            ("//", "/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/..", "/"),
            ("/../a", "/a"),
            ("/a/b/..", "/a/"),
            ("//example//", "/example/"),
            // The test suite's get-space, whose path no HTTP server lets through.
            ("/example space/", "/example%20space/"),
            ("/a%20b", "/a%2520b"),
            ("/a:b", "/a%3Ab"),
            ("/%2e%2e/a", "/%252e%252e/a"),
        ] {
            assert_eq!(path(sent), canonical, "{sent}");
        }
    }

    #[test]
    fn an_object_key_is_neither_normalised_nor_encoded_twice() {
        for (sent, canonical) in [
            ("/bucket/a/../b//c", "/bucket/a/../b//c"),
            ("/bucket/a%20b", "/bucket/a%20b"),
            ("/bucket/%7euser", "/bucket/~user"),
            ("/bucket/a+b", "/bucket/a%2Bb"),
            ("/bucket/100%", "/bucket/100%25"),
        ] {
            assert_eq!(s3_paths(sent), [canonical], "{sent}");
        }
        assert_eq!(s3_paths("/bucket/a%2fb/c"), ["/bucket/a%2Fb/c", "/bucket/a/b/c"]);
    }

    #[test]
    fn header_values_are_trimmed_and_runs_of_spaces_are_one() {
        let mut text = Vec::new();
        push_trimmed(b"  a   b \t c  ", &mut text);
        assert_eq!(text, b"a b \t c");
    }
}
