//! Checksums: which are asked for, and what becomes of those of parts ("Checking object integrity in Amazon S3"
//! in the S3 User Guide).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::Checksum;
use serde::{Deserialize, Serialize};

/// S3's algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
}

/// A part's checksum, with the part's size in bytes.
pub(crate) struct PartSum {
    pub(crate) size: u64,
    /// In base 64.
    pub(crate) sum: Option<String>,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// The header that tells its value, such as `x-amz-checksum-crc32`.
    pub(crate) fn header(self) -> String {
        format!("x-amz-checksum-{}", self.as_str().to_ascii_lowercase())
    }

    /// Whether the parts' checksums are made one of the whole object unless something else is asked for.
    pub(crate) fn is_of_whole_objects(self) -> bool {
        match self {
            Self::Crc64Nvme => true,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => false,
        }
    }

    /// Whether the parts' checksums can be made one of the whole object.
    pub(crate) fn can_be_combined(self) -> bool {
        match self {
            Self::Crc32 | Self::Crc32c | Self::Crc64Nvme => true,
            Self::Sha1 | Self::Sha256 => false,
        }
    }

    /// Bytes of a value.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Has it computed.
    pub(crate) fn begin(self, sums: &mut ChecksumHasher) {
        match self {
            Self::Crc32 => sums.crc32 = Some(Crc32::new()),
            Self::Crc32c => sums.crc32c = Some(Crc32c::new()),
            Self::Crc64Nvme => sums.crc64nvme = Some(Crc64Nvme::new()),
            Self::Sha1 => sums.sha1 = Some(Sha1::new()),
            Self::Sha256 => sums.sha256 = Some(Sha256::new()),
        }
    }

    /// Its value among several.
    pub(crate) fn of(self, sums: &Checksum) -> Option<&str> {
        match self {
            Self::Crc32 => sums.checksum_crc32.as_deref(),
            Self::Crc32c => sums.checksum_crc32c.as_deref(),
            Self::Crc64Nvme => sums.checksum_crc64nvme.as_deref(),
            Self::Sha1 => sums.checksum_sha1.as_deref(),
            Self::Sha256 => sums.checksum_sha256.as_deref(),
        }
    }

    /// Sets its value among several.
    pub(crate) fn set(self, sums: &mut Checksum, value: String) {
        match self {
            Self::Crc32 => sums.checksum_crc32 = Some(value),
            Self::Crc32c => sums.checksum_crc32c = Some(value),
            Self::Crc64Nvme => sums.checksum_crc64nvme = Some(value),
            Self::Sha1 => sums.checksum_sha1 = Some(value),
            Self::Sha256 => sums.checksum_sha256 = Some(value),
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc32 => Crc32::checksum(bytes).to_vec(),
            Self::Crc32c => Crc32c::checksum(bytes).to_vec(),
            Self::Crc64Nvme => Crc64Nvme::checksum(bytes).to_vec(),
            Self::Sha1 => Sha1::checksum(bytes).to_vec(),
            Self::Sha256 => Sha256::checksum(bytes).to_vec(),
        }
    }

    /// The checksum of the parts' checksums, with the number of parts.
    pub(crate) fn composite(self, parts: &[PartSum]) -> Option<String> {
        let mut all = Vec::new();
        for part in parts {
            all.extend(STANDARD.decode(part.sum.as_ref()?).ok()?);
        }
        Some(format!("{}-{}", STANDARD.encode(self.digest(&all)), parts.len()))
    }

    /// The checksum of the whole object, from its parts'. The secure hashes have none.
    pub(crate) fn combined(self, parts: &[PartSum]) -> Option<String> {
        let (algorithm, bytes) = match self {
            Self::Crc32 => (CrcAlgorithm::Crc32IsoHdlc, 4),
            Self::Crc32c => (CrcAlgorithm::Crc32Iscsi, 4),
            Self::Crc64Nvme => (CrcAlgorithm::Crc64Nvme, 8),
            Self::Sha1 | Self::Sha256 => return None,
        };
        let mut whole: Option<u64> = None;
        for part in parts {
            let sum = STANDARD.decode(part.sum.as_ref()?).ok()?;
            let sum = sum.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            whole = Some(match whole {
                Some(before) => checksum_combine(algorithm, before, sum, part.size),
                None => sum,
            });
        }
        let whole = whole?.to_be_bytes();
        Some(STANDARD.encode(&whole[whole.len() - bytes..]))
    }
}
