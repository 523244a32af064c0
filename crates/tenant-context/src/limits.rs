//! Limits of tenants by their tiers.

use std::str::FromStr;

/// Largest limit of a file in bytes: 500 parts of 5 GiB, as S3 takes parts and as files are split into them.
const LARGEST_FILE: u64 = 500 * 5 * 1024 * 1024 * 1024;
/// Most working keys that a tier can have.
const MOST_KEYS: u64 = 10;
/// Working keys of a tier that is not named: one, and one in its place while it is rotated.
const KEYS: usize = 2;

/// A text that holds no limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TierLimitsError {
    /// A word is not a tier with its number, or there is none.
    #[error("must be tiers with a whole number each")]
    Form,
    /// A tier stands twice.
    #[error("has the tier {0} twice")]
    Twice(String),
    /// The number is beyond what there can be.
    #[error("has more for the tier {tier} than the {most} that are possible")]
    TooMuch {
        /// The tier.
        tier: String,
        /// The largest number.
        most: u64,
    },
}

/// The largest file of each tier in bytes. A tier that is not in it has no files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSizeLimits(Vec<(String, u64)>);

impl FileSizeLimits {
    /// The environment variable that holds them.
    pub const VARIABLE: &str = "FILE_SIZE_LIMITS";
    /// What its value looks like.
    pub const FORM: &str =
        "tiers with their largest files in bytes, such as free=104857600 standard=5368709120";

    /// The limit of the tier.
    #[must_use]
    pub fn of(&self, tier: &str) -> Option<u64> {
        find(&self.0, tier)
    }
}

impl FromStr for FileSizeLimits {
    type Err = TierLimitsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text, LARGEST_FILE).map(Self)
    }
}

/// Most working keys of a tenant, by its tier. Quotas hold for each key, so each key more is a quota more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyLimits(Vec<(String, u64)>);

impl KeyLimits {
    /// The environment variable that holds them.
    pub const VARIABLE: &str = "MAX_ACTIVE_KEYS";
    /// What its value looks like.
    pub const FORM: &str = "tiers with their most working keys, at most 10, such as free=2 premium=4";

    /// The limit of the tier: two where it is not named.
    #[must_use]
    pub fn of(&self, tier: &str) -> usize {
        find(&self.0, tier).and_then(|keys| usize::try_from(keys).ok()).unwrap_or(KEYS)
    }
}

impl FromStr for KeyLimits {
    type Err = TierLimitsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text, MOST_KEYS).map(Self)
    }
}

fn find(limits: &[(String, u64)], tier: &str) -> Option<u64> {
    limits.iter().find_map(|(name, limit)| (name == tier).then_some(*limit))
}

fn read(text: &str, most: u64) -> Result<Vec<(String, u64)>, TierLimitsError> {
    let mut limits = Vec::new();
    for word in text.split_ascii_whitespace() {
        let (tier, number) = word.split_once('=').ok_or(TierLimitsError::Form)?;
        if tier.is_empty() || number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(TierLimitsError::Form);
        }
        let limit = number.parse().ok().filter(|limit| *limit <= most);
        let limit = limit.ok_or_else(|| TierLimitsError::TooMuch { tier: tier.to_owned(), most })?;
        if find(&limits, tier).is_some() {
            return Err(TierLimitsError::Twice(tier.to_owned()));
        }
        limits.push((tier.to_owned(), limit));
    }
    if limits.is_empty() { Err(TierLimitsError::Form) } else { Ok(limits) }
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
        assert!(said("free=2684354560001").contains("2684354560000"));
        assert!("free=2684354560000 standard=0".parse::<FileSizeLimits>().is_ok());
    }

    #[test]
    fn a_tier_has_two_working_keys_unless_it_is_said_otherwise() {
        let limits: KeyLimits = "premium=4 free=1".parse().expect("limits");
        let all = ["premium", "free", "standard"].map(|tier| limits.of(tier));
        assert_eq!(all, [4, 1, 2]);
        assert_eq!(KeyLimits::default().of("premium"), 2);
        for text in ["", "premium", "premium=11", "premium=-1", "premium=1 premium=2"] {
            assert!(text.parse::<KeyLimits>().is_err(), "{text:?}");
        }
    }
}
