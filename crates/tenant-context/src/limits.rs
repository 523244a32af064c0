//! How large the files of a tenant can be.

use std::str::FromStr;

/// Largest limit in bytes: 500 parts of 5 GiB, as S3 takes parts and as files are split into them.
const MOST: u64 = 500 * 5 * 1024 * 1024 * 1024;

/// The largest file of each tier in bytes. A tier that is not in it has no files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSizeLimits(Vec<(String, u64)>);

/// A text that holds no limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileSizeLimitsError {
    /// A word is not a tier with its bytes, or there is none.
    #[error("must be {}", FileSizeLimits::FORM)]
    Form,
    /// A tier stands twice.
    #[error("has the tier {0} twice")]
    Twice(String),
    /// No file can be as large.
    #[error("has more for the tier {0} than the {MOST} bytes that a file can have")]
    TooLarge(String),
}

impl FileSizeLimits {
    /// The environment variable that holds them.
    pub const VARIABLE: &str = "FILE_SIZE_LIMITS";
    /// What its value looks like.
    pub const FORM: &str =
        "tiers with their largest files in bytes, such as free=104857600 standard=5368709120";

    /// The limit of the tier.
    #[must_use]
    pub fn of(&self, tier: &str) -> Option<u64> {
        self.0.iter().find_map(|(name, limit)| (name == tier).then_some(*limit))
    }
}

impl FromStr for FileSizeLimits {
    type Err = FileSizeLimitsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut limits = Self::default();
        for word in text.split_ascii_whitespace() {
            let (tier, bytes) = word.split_once('=').ok_or(FileSizeLimitsError::Form)?;
            if tier.is_empty() || bytes.is_empty() || !bytes.bytes().all(|b| b.is_ascii_digit()) {
                return Err(FileSizeLimitsError::Form);
            }
            let limit = bytes.parse().ok().filter(|limit| *limit <= MOST);
            let limit = limit.ok_or_else(|| FileSizeLimitsError::TooLarge(tier.to_owned()))?;
            if limits.of(tier).is_some() {
                return Err(FileSizeLimitsError::Twice(tier.to_owned()));
            }
            limits.0.push((tier.to_owned(), limit));
        }
        if limits.0.is_empty() { Err(FileSizeLimitsError::Form) } else { Ok(limits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_has_its_own_limit() {
        let limits: FileSizeLimits =
            "free=104857600 standard=5368709120\n premium=53687091200".parse().expect("limits");
        for (tier, limit) in [
            ("free", Some(104_857_600)),
            ("standard", Some(5_368_709_120)),
            ("premium", Some(53_687_091_200)),
        ] {
            assert_eq!(limits.of(tier), limit, "{tier}");
        }
    }

    #[test]
    fn a_tier_that_is_not_named_has_no_files() {
        let limits: FileSizeLimits = "free=1".parse().expect("limits");
        for tier in ["", "Free", "fre", "freee", "standard"] {
            assert_eq!(limits.of(tier), None, "{tier:?}");
        }
        assert_eq!(FileSizeLimits::default().of("free"), None);
    }

    #[test]
    fn what_is_no_limit_is_refused_as_a_whole() {
        for text in [
            "",
            " ",
            "free",
            "free=",
            "=1",
            "free=-1",
            "free=+1",
            "free=1.5",
            "free=1e9",
            "free=100MB",
            "free=1,standard=2",
            "free=1 free=2",
            "free=1 standard",
            "free=2684354560001",
            "free=99999999999999999999",
        ] {
            assert!(text.parse::<FileSizeLimits>().is_err(), "{text:?}");
        }
        let said = |text: &str| text.parse::<FileSizeLimits>().expect_err("no limits").to_string();
        assert_eq!(said("free=1 free=2"), "has the tier free twice");
        assert!(said("free=2684354560001").contains("2684354560000 bytes"));
        assert!("free=2684354560000 standard=0".parse::<FileSizeLimits>().is_ok());
    }
}
