//! The parts of an export: JSON in lines.

use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tenant_context::AwsFailure;

use super::{Leaving, Part};
use crate::ControlError;
use crate::hex::hex;
use crate::task::Run;

/// Most lines of a part.
const LINES: u64 = 2_500;
/// A part is ended when it has so many bytes.
const BYTES: usize = 8 * 1024 * 1024;
/// Most parts of an export: the tenant's item holds what the manifest says of each.
const PARTS: usize = 2_000;

/// Lines that are to become a part.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    lines: u64,
}

impl Lines {
    pub(super) fn push<T: Serialize>(&mut self, line: &T) -> Result<(), ControlError> {
        let line = serde_json::to_string(line)
            .map_err(|error| ControlError::Unreadable("a line of an export", Box::new(error)))?;
        self.push_text(&line);
        Ok(())
    }

    /// A line that is JSON already.
    pub(super) fn push_text(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.lines >= LINES || self.text.len() >= BYTES
    }
}

impl Run<'_> {
    /// Writes the lines as the next part of a kind, where there are any. Written again, it takes the place of what an
    /// attempt has left that broke off. Answers what keeps it from being written.
    pub(super) async fn put_part(
        &self,
        leaving: &mut Leaving,
        kind: &str,
        lines: Lines,
    ) -> Result<Option<String>, ControlError> {
        if lines.lines == 0 {
            return Ok(None);
        }
        if leaving.parts.len() >= PARTS {
            return Ok(Some(format!(
                "the export has more than {PARTS} parts, which its manifest cannot hold"
            )));
        }
        let number = 1 + leaving.parts.iter().filter(|part| part.name.starts_with(kind)).count();
        let name = format!("{kind}-{number:05}.ndjson");
        let bytes = lines.text.len();
        let sha256 = self.put_object(leaving, &name, "application/x-ndjson", lines.text).await?;
        leaving.parts.push(Part {
            name,
            lines: lines.lines,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            sha256,
        });
        Ok(None)
    }

    /// Writes an object of the export. Answers its digest in hexadecimal digits, which S3 has compared.
    pub(super) async fn put_object(
        &self,
        leaving: &Leaving,
        name: &str,
        content_type: &str,
        text: String,
    ) -> Result<String, ControlError> {
        let digest = Sha256::digest(text.as_bytes());
        self.stores
            .s3
            .put_object()
            .bucket(&leaving.export.bucket)
            .key(format!("{}{name}", leaving.export.prefix))
            .content_type(content_type)
            .checksum_sha256(STANDARD.encode(digest))
            .body(ByteStream::from(text.into_bytes()))
            .send()
            .await
            .map_err(AwsFailure::of("PutObject on the exports bucket"))?;
        Ok(hex(&digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_a_line_for_each_thing_and_is_full_at_its_bounds() {
        let mut lines = Lines::default();
        for number in 0..LINES {
            assert!(!lines.is_full());
            lines.push(&number).unwrap();
        }
        assert!(lines.is_full());
        assert!(lines.text.starts_with("0\n1\n2\n") && lines.text.ends_with("2499\n"));
        let mut large = Lines::default();
        large.push(&"x".repeat(BYTES)).unwrap();
        assert!(large.is_full());
    }
}
