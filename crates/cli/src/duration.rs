//! Durations on the command line.

/// The longest overlap of a rotation: 30 days, in seconds.
const MAX_OVERLAP: u32 = 2_592_000;

/// The longest time for which an offboarding can be undone: 90 days, in seconds.
const MAX_GRACE: u32 = 7_776_000;

/// The longest pause of a tenant's writes while it moves: a day, in seconds.
const MAX_PAUSE: u32 = 86_400;

/// Reads an overlap into seconds: a whole number with `s`, `m`, `h` or `d`. Only `0` may stand without a unit:
/// `7` that means `7d` would end a key within seconds.
pub(crate) fn overlap(text: &str) -> Result<u32, String> {
    seconds(text, MAX_OVERLAP).ok_or_else(|| refused(text, "30d"))
}

/// Reads the grace of an offboarding into seconds, in the same form.
pub(crate) fn grace(text: &str) -> Result<u32, String> {
    seconds(text, MAX_GRACE).ok_or_else(|| refused(text, "90d"))
}

/// Reads the longest pause of a tenant's writes into seconds, in the same form.
pub(crate) fn pause(text: &str) -> Result<u32, String> {
    seconds(text, MAX_PAUSE).ok_or_else(|| refused(text, "24h"))
}

fn refused(text: &str, most: &str) -> String {
    if text.ends_with(['s', 'm', 'h', 'd']) {
        format!("must be like 90s, 15m, 12h or 7d, and at most {most}")
    } else {
        "needs a unit: s, m, h or d".to_owned()
    }
}

fn seconds(text: &str, most: u32) -> Option<u32> {
    let (digits, factor) = match text.char_indices().next_back() {
        Some((end, 's')) => (&text[..end], 1),
        Some((end, 'm')) => (&text[..end], 60),
        Some((end, 'h')) => (&text[..end], 3_600),
        Some((end, 'd')) => (&text[..end], 86_400),
        _ => (text, u32::from(text == "0")),
    };
    if factor == 0 {
        return None;
    }
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u32>().ok()).flatten();
    number.and_then(|number| number.checked_mul(factor)).filter(|seconds| *seconds <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_read_in_its_unit() {
        let read = ["0", "0s", "90s", "15m", "12h", "7d", "30d"].map(|text| overlap(text).unwrap());
        assert_eq!(read, [0, 0, 90, 900, 43_200, 604_800, 2_592_000]);
    }

    #[test]
    fn a_grace_is_as_long_as_90_days() {
        let read = ["0", "90s", "30d", "90d"].map(|text| grace(text).unwrap());
        assert_eq!(read, [0, 90, 2_592_000, 7_776_000]);
        for (bad, said) in [("91d", "at most 90d"), ("30", "needs a unit"), ("", "needs a unit")] {
            assert!(grace(bad).unwrap_err().contains(said), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_overlap_is_refused() {
        for bad in
            ["", "d", "-1", "+1", "1.5h", "31d", "2592001s", "7", "90", "1w", "7 d", "99999999999d", "1ä"]
        {
            assert!(overlap(bad).is_err(), "{bad:?}");
        }
    }
}
