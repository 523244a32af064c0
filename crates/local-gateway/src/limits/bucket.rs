//! Token buckets, in whole numbers.
//!
//! A request weighs 10^12 units, and a rate of one millionth of a request per second refills one unit in a
//! microsecond. So nothing is ever rounded: however often a bucket is looked at, it holds exactly what
//! rational arithmetic says.

use stack_template::Throttle;

/// What one request takes out of a bucket.
const REQUEST: u64 = 1_000_000_000_000;

/// Largest burst that a bucket holds, in requests. A larger one counts as this, which no laptop can tell.
const MAX_BURST: u64 = 18_000_000;

/// A limit in a bucket's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Units that flow back in a microsecond, which are millionths of a request in a second.
    rate: u64,
    /// Units in a full bucket.
    burst: u64,
}

impl From<Throttle> for Capacity {
    fn from(throttle: Throttle) -> Self {
        Self { rate: millionths(throttle.rate), burst: u64::from(throttle.burst).min(MAX_BURST) * REQUEST }
    }
}

/// A rate in millionths. One that is smaller, but not nothing, still refills.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and the template holds neither negative rates nor NaN"
)]
fn millionths(rate: f64) -> u64 {
    let millionths = (rate * 1e6).round() as u64;
    if millionths == 0 && rate > 0.0 { 1 } else { millionths }
}

/// What is missing from a full bucket, and when that was so. A new bucket is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Units that are missing.
    pub(crate) debt: u64,
    /// Microseconds since 1970.
    pub(crate) at: u64,
}

impl Bucket {
    /// Units that are in the bucket.
    fn level(self, capacity: Capacity, now: u64) -> u64 {
        // Time that runs backwards refills nothing.
        let refilled = capacity.rate.saturating_mul(now.saturating_sub(self.at));
        // After the burst was lowered, a bucket lacks at most all that it can hold.
        capacity.burst - self.debt.min(capacity.burst).saturating_sub(refilled)
    }

    /// Whether there is a request in the bucket.
    pub(crate) fn has_one(self, capacity: Capacity, now: u64) -> bool {
        self.level(capacity, now) >= REQUEST
    }

    /// Takes a request out. The caller has made sure that there is one.
    pub(crate) fn take(&mut self, capacity: Capacity, now: u64) {
        let now = now.max(self.at);
        self.debt = (capacity.burst - self.level(capacity, now)).saturating_add(REQUEST);
        self.at = now;
    }

    /// Requests that are in the bucket.
    #[expect(clippy::cast_precision_loss, reason = "it is shown to people, who read a few digits")]
    pub(crate) fn left(self, capacity: Capacity, now: u64) -> f64 {
        self.level(capacity, now) as f64 / REQUEST as f64
    }

    /// Microseconds until there is a request in the bucket; nothing where there never will be.
    pub(crate) fn until_one(self, capacity: Capacity, now: u64) -> Option<u64> {
        (capacity.burst >= REQUEST).then_some(())?;
        self.refill_time(REQUEST.saturating_sub(self.level(capacity, now)), capacity.rate, now)
    }

    /// Microseconds until the bucket is full; nothing where it never will be.
    pub(crate) fn until_full(self, capacity: Capacity, now: u64) -> Option<u64> {
        self.refill_time(capacity.burst - self.level(capacity, now), capacity.rate, now)
    }

    fn refill_time(self, missing: u64, rate: u64, now: u64) -> Option<u64> {
        match (missing, rate) {
            (0, _) => Some(0),
            (_, 0) => None,
            // Nothing flows back before the time that the bucket has already seen.
            (missing, rate) => Some(missing.div_ceil(rate).saturating_add(self.at.saturating_sub(now))),
        }
    }

    /// The bucket for a stack whose time is `now`: it may have been filled and emptied in a run with a later one.
    pub(crate) fn seen_at(self, now: u64) -> Self {
        Self { at: self.at.min(now), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_rational::BigRational;
    use proptest::prelude::*;

    fn capacity(rate: f64, burst: u32) -> Capacity {
        Throttle { rate, burst }.into()
    }

    /// How many of `asked` requests at once are let through.
    fn let_through(bucket: &mut Bucket, capacity: Capacity, now: u64, asked: usize) -> usize {
        (0..asked)
            .filter(|_| {
                let has_one = bucket.has_one(capacity, now);
                if has_one {
                    bucket.take(capacity, now);
                }
                has_one
            })
            .count()
    }

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_burst_passes_at_once_and_the_rate_afterwards_d() {
        let (capacity, mut bucket) = (capacity(2.0, 3), Bucket::default());
        assert_eq!(let_through(&mut bucket, capacity, SECOND, 20), 3);
        assert_eq!(let_through(&mut bucket, capacity, 2 * SECOND, 20), 2);
        assert_eq!(let_through(&mut bucket, capacity, 100 * SECOND, 20), 3);
    }

    #[test]
    fn a_fraction_of_a_request_per_second_adds_up_d() {
        let (capacity, mut bucket) = (capacity(0.1, 1), Bucket::default());
        assert_eq!(let_through(&mut bucket, capacity, 0, 5), 1);
        assert_eq!(bucket.until_one(capacity, 0), Some(10 * SECOND));
        assert_eq!(let_through(&mut bucket, capacity, 10 * SECOND - 1, 5), 0);
        assert_eq!(let_through(&mut bucket, capacity, 10 * SECOND, 5), 1);
    }

    #[test]
    fn a_rate_of_zero_never_refills_and_a_burst_of_zero_lets_nothing_through_m() {
        let (no_rate, mut bucket) = (capacity(0.0, 2), Bucket::default());
        assert_eq!(let_through(&mut bucket, no_rate, 0, 5), 2);
        assert_eq!(let_through(&mut bucket, no_rate, u64::MAX, 5), 0);
        assert_eq!(bucket.until_one(no_rate, 0), None);
        for rate in [0.0, 1000.0] {
            let (no_burst, mut bucket) = (capacity(rate, 0), Bucket::default());
            assert_eq!(let_through(&mut bucket, no_burst, SECOND, 5), 0);
            assert_eq!(bucket.until_one(no_burst, SECOND), None);
        }
    }

    #[test]
    fn the_smallest_rate_still_refills_and_the_largest_limits_do_not_overflow() {
        assert_eq!(capacity(1e-9, 1).rate, 1);
        let (huge, mut bucket) = (capacity(f64::MAX, u32::MAX), Bucket::default());
        assert_eq!(let_through(&mut bucket, huge, u64::MAX, 3), 3);
        assert!(bucket.left(huge, u64::MAX) > 1e7);
    }

    #[test]
    fn a_changed_limit_keeps_what_was_taken() {
        let mut bucket = Bucket::default();
        assert_eq!(let_through(&mut bucket, capacity(0.0, 10), 0, 8), 8);
        assert_eq!(let_through(&mut bucket, capacity(0.0, 3), 0, 5), 0);
        assert_eq!(let_through(&mut bucket, capacity(0.0, 12), 0, 20), 4);
    }

    #[test]
    fn after_a_lowered_burst_the_announced_moment_is_the_first_one_at_which_a_request_passes() {
        let (before, lowered, mut bucket) = (capacity(5.0, 10), capacity(5.0, 3), Bucket::default());
        assert_eq!(let_through(&mut bucket, before, 0, 8), 8);
        assert_eq!(bucket.until_one(lowered, 0), Some(SECOND / 5));
        assert!(!bucket.has_one(lowered, SECOND / 5 - 1) && bucket.has_one(lowered, SECOND / 5));
        assert_eq!(bucket.until_full(lowered, 0), Some(3 * SECOND / 5));
    }

    #[test]
    fn time_that_runs_backwards_gives_nothing_away() {
        let (capacity, mut bucket) = (capacity(1.0, 1), Bucket::default());
        assert_eq!(let_through(&mut bucket, capacity, 10 * SECOND, 5), 1);
        assert_eq!(let_through(&mut bucket, capacity, 5 * SECOND, 5), 0);
        assert_eq!(bucket.until_one(capacity, 5 * SECOND), Some(6 * SECOND));
        assert_eq!(bucket.seen_at(5 * SECOND).until_one(capacity, 5 * SECOND), Some(SECOND));
        assert_eq!(let_through(&mut bucket, capacity, 11 * SECOND, 5), 1);
    }

    /// The same bucket in exact rational arithmetic.
    struct Exact {
        level: BigRational,
        at: u64,
    }

    impl Exact {
        fn admit(&mut self, rate_millionths: u64, burst: u32, now: u64) -> bool {
            let ratio =
                |numerator: u64, denominator: u64| BigRational::new(numerator.into(), denominator.into());
            let seconds = ratio(now - self.at, SECOND);
            let full = ratio(burst.into(), 1);
            self.at = now;
            self.level = (&self.level + ratio(rate_millionths, 1_000_000) * seconds).min(full);
            let passes = self.level >= ratio(1, 1);
            if passes {
                self.level -= ratio(1, 1);
            }
            passes
        }
    }

    proptest! {
        #[test]
        fn every_decision_is_that_of_exact_rational_arithmetic(
            rate_millionths in prop_oneof![0..5_000_000_u64, 0..2_000_000_000_u64, Just(333_333)],
            burst in prop_oneof![0..6_u32, 0..6_000_u32],
            start in 0..2_000_000_000_000_000_u64,
            waits in prop::collection::vec(
                prop_oneof![Just(0), 0..1_000_u64, 0..3_000_000_u64, 0..100_000_000_000_u64], 1..200),
        ) {
            let rate = f64::from(u32::try_from(rate_millionths).expect("small")) / 1e6;
            let capacity = capacity(rate, burst);
            let mut bucket = Bucket::default();
            let mut exact = Exact { level: BigRational::from_integer(burst.into()), at: start };
            let mut now = start;
            for wait in waits {
                now += wait;
                let passes = bucket.has_one(capacity, now);
                prop_assert_eq!(passes, exact.admit(rate_millionths, burst, now), "after {} µs", wait);
                if passes {
                    bucket.take(capacity, now);
                } else if let Some(patience) = bucket.until_one(capacity, now) {
                    // The announced moment is the first one at which a request passes.
                    prop_assert!(patience > 0);
                    prop_assert!(!bucket.has_one(capacity, now + patience - 1));
                    prop_assert!(bucket.has_one(capacity, now + patience));
                }
            }
        }
    }
}
