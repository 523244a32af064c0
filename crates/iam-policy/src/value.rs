//! Values that conditions compare by something else than their text.

use std::cmp::Ordering;
use std::net::IpAddr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest text of a number. Beyond it lies no value that a policy could mean.
const MAX_NUMBER: usize = 400;
/// Largest power of ten that a number may name.
const MAX_EXPONENT: i32 = 10_000;

/// A decimal number, exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    is_negative: bool,
    /// Where the point stands, counted from the first significant digit; the least one for zero.
    point: i32,
    /// The significant digits, without zeros at either end.
    digits: String,
}

impl Decimal {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_NUMBER {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        if !(-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent) {
            return None;
        }
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_number = !whole.is_empty()
            && fraction.is_empty() != unsigned.contains('.')
            && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if !is_number {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Self { is_negative: false, point: i32::MIN, digits: String::new() });
        }
        let zeros = i32::try_from(all.len() - significant.len()).ok()?;
        Some(Self {
            is_negative: mantissa.starts_with('-'),
            point: i32::try_from(whole.len()).ok()? - zeros + exponent,
            digits: significant.trim_end_matches('0').to_owned(),
        })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let magnitudes = || self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitudes(),
            (true, true) => magnitudes().reverse(),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Reads a moment: RFC 3339, a date (its first moment in UTC), or whole seconds since 1970. The answer
/// counts nanoseconds since 1970.
///
/// Four digits are refused: ISO 8601 reads a year in them.
pub(crate) fn moment(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let seconds: i64 = text.parse().ok()?;
        return (text.len() != 4).then_some(i128::from(seconds) * 1_000_000_000);
    }
    let parsed = if text.len() == "2026-01-01".len() {
        OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339)
    } else {
        OffsetDateTime::parse(text, &Rfc3339)
    };
    parsed.ok().map(OffsetDateTime::unix_timestamp_nanos)
}

/// Reads `true` or `false`, in letters of either case.
pub(crate) fn flag(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads a CIDR range or one address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = width(address);
        let prefix = match prefix {
            None => width,
            Some(prefix) if prefix.bytes().all(|b| b.is_ascii_digit()) => prefix.parse().ok()?,
            Some(_) => return None,
        };
        if prefix > width {
            return None;
        }
        // An IPv4 address that is written as IPv6 is the IPv4 address.
        let canonical = address.to_canonical();
        match prefix.checked_sub(width - self::width(canonical)) {
            Some(prefix) => Some(Self { address: canonical, prefix }),
            None => Some(Self { address, prefix }),
        }
    }

    /// Whether the address lies within the range. Ranges of one family hold no address of the other.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let width = width(self.address);
        if width != self::width(address) {
            return false;
        }
        (bits(self.address) ^ bits(address)).checked_shr(width - self.prefix).unwrap_or(0) == 0
    }
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_exactly() {
        let order = |a, b| Decimal::parse(a).expect(a).cmp(&Decimal::parse(b).expect(b));
        for (a, b) in [("1", "1.0"), ("0", "-0.00"), ("10", "1e1"), ("0.001", "1E-3"), ("+7", "007")] {
            assert_eq!(order(a, b), Ordering::Equal, "{a} {b}");
        }
        for (a, b) in [
            ("9007199254740992", "9007199254740993"),
            ("-2", "-1"),
            ("-1", "0"),
            ("0", "0.0001"),
            ("9", "10"),
            ("0.1", "0.10000000000000000000000000000001"),
            ("18446744073709551615", "18446744073709551616"),
        ] {
            assert_eq!(order(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(order(b, a), Ordering::Greater, "{a} {b}");
        }
        for text in ["", "-", ".5", "5.", "1e", "0x1", "1 ", "NaN", "inf", "1e99999", "--1", "1.2.3", "٣"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn moments_are_read_in_three_forms() {
        let second = 1_000_000_000;
        assert_eq!(moment("1970-01-01T00:00:10Z"), Some(10 * second));
        assert_eq!(moment("1970-01-01T01:00:10.5+01:00"), Some(10 * second + second / 2));
        assert_eq!(moment("1970-01-02"), Some(86_400 * second));
        assert_eq!(moment("-10"), Some(-10 * second));
        for text in ["", "2026", "2026-13-01", "2026-01-01T00:00:00", "now", "1.5", "99999999999999999999"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let holds = |network, address: &str| {
            Network::parse(network).expect(network).holds(address.parse().expect("an address"))
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("0.0.0.0/0", "1.2.3.4"));
        assert!(holds("1.2.3.4", "1.2.3.4"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(holds("::ffff:10.0.0.0/104", "10.9.9.9"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::"));
        assert!(holds("::/0", "::1"));
        assert!(!holds("::/0", "1.2.3.4"));
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "::/129", "x", "010.0.0.1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
