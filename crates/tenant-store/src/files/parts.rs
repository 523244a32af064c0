//! How a file is split into the parts that it is uploaded in.

use contract::CompletedPart;
use md5::{Digest as _, Md5};

const MIB: u64 = 1024 * 1024;
/// Size of the parts of all but the largest files. S3 takes none below 5 MiB but the last.
const PART: u64 = 16 * MIB;
/// Most parts of a plan. Each has a URL of its own, with the session's token and the name in it, and Lambda
/// answers no more than 6 MB.
const PLANNED: u16 = 500;

/// The parts of a file: all of one size but the last, and no more than a file can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartPlan {
    size: u64,
    part_size: u64,
}

impl PartPlan {
    /// The plan for a file of so many bytes.
    pub(super) fn of(size: u64) -> Self {
        let fair = size.div_ceil(PLANNED.into()).div_ceil(MIB).saturating_mul(MIB);
        Self { size, part_size: fair.max(PART) }
    }

    /// The size of each part but the last in bytes.
    pub(super) fn part_size(self) -> u64 {
        self.part_size
    }

    /// The parts' numbers, from 1, and sizes.
    pub(super) fn parts(self) -> impl Iterator<Item = (u16, u64)> {
        let offset = move |number: u16| u64::from(number - 1).saturating_mul(self.part_size);
        (1..=PLANNED)
            .map(move |number| (number, self.size.saturating_sub(offset(number)).min(self.part_size)))
            .take_while(|(_, size)| *size > 0)
    }
}

/// The entity tag, in quotes, of a file that S3 has made of the parts: the MD5 of their MD5, which are the parts'
/// own tags where S3 encrypts with keys of its own. None for tags of another form.
pub(super) fn etag(parts: &[CompletedPart]) -> Option<String> {
    let mut md5 = Md5::new();
    for part in parts {
        let digits = part.etag.as_str().trim_matches('"');
        if digits.len() != 32 {
            return None;
        }
        for at in (0..32).step_by(2) {
            md5.update([u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?]);
        }
    }
    let of_all = u128::from_be_bytes(md5.finalize().into());
    Some(format!("\"{of_all:032x}-{}\"", parts.len()))
}

#[cfg(test)]
mod tests {
    use contract::FileRequest;
    use proptest::prelude::*;

    use super::*;

    /// What S3 takes as a part at most.
    const MAX_PART: u64 = 5 * 1024 * MIB;

    #[test]
    fn a_files_parts_are_of_16_mib_until_there_would_be_too_many() {
        for (size, part_size, count, last) in [
            (64 * MIB + 1, 16 * MIB, 5, 1),
            (100_000_000, 16 * MIB, 6, 100_000_000 - 5 * 16 * MIB),
            (8_000 * MIB, 16 * MIB, 500, 16 * MIB),
            (8_000 * MIB + 1, 17 * MIB, 471, 10 * MIB + 1),
            (2_500 * 1024 * MIB, MAX_PART, 500, MAX_PART),
        ] {
            let plan = PartPlan::of(size);
            let parts: Vec<_> = plan.parts().collect();
            assert_eq!((plan.part_size(), parts.len()), (part_size, count), "{size} bytes");
            assert_eq!(parts.last().map(|part| part.1), Some(last), "{size} bytes");
        }
    }

    #[test]
    fn the_tag_of_parts_is_that_of_their_tags() {
        let part = |number, etag: &str| CompletedPart { number, etag: etag.parse().expect("a tag") };
        // Of two parts, `a` and `b`, as `printf a | md5sum` and what S3 makes of it.
        let parts =
            [part(1, "\"0cc175b9c0f1b6a831c399e269772661\""), part(2, "92eb5ffee6ae2fec3ad71c777531578f")];
        assert_eq!(etag(&parts).as_deref(), Some("\"96e024ba2074fe77e8e965ba43a704be-2\""));
        for other in ["abc", "zcc175b9c0f1b6a831c399e269772661", "0cc175b9c0f1b6a831c399e269772661-2"] {
            assert_eq!(etag(&[part(1, other)]), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole_file_within_what_s3_takes(
            size in prop_oneof![
                FileRequest::SINGLE_MAX + 1..=2_500 * 1024 * MIB,
                FileRequest::SINGLE_MAX + 1..=1024 * MIB,
            ],
        ) {
            let plan = PartPlan::of(size);
            let parts: Vec<_> = plan.parts().collect();
            prop_assert!(parts.iter().map(|part| part.0).eq(1..=u16::try_from(parts.len()).unwrap()));
            prop_assert!(parts.len() <= usize::from(PLANNED));
            prop_assert_eq!(parts.iter().map(|part| part.1).sum::<u64>(), size);
            let (last, others) = parts.split_last().unwrap();
            prop_assert!(others.iter().all(|part| part.1 == plan.part_size()));
            prop_assert!(last.1 <= plan.part_size() && plan.part_size() <= MAX_PART);
            prop_assert_eq!(plan.part_size() % MIB, 0);
        }
    }
}
