//! A bounded cache with one lookup in flight per key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// How long answers are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// For what was found.
    pub(crate) found: Duration,
    /// For what was not.
    pub(crate) missing: Duration,
}

/// Values by key, each kept for its lifetime.
///
/// A value is fresh while both clocks say so: the request's, which can be moved by hand in the local stack,
/// and the process's, since replayed test events all carry one time.
pub(crate) struct Cache<K, V> {
    slots: Mutex<HashMap<K, Arc<Slot<V>>>>,
    capacity: usize,
    lifetimes: Lifetimes,
}

struct Slot<V> {
    kept: tokio::sync::Mutex<Option<Kept<V>>>,
}

struct Kept<V> {
    value: Option<V>,
    at: OffsetDateTime,
    since: Instant,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(capacity: usize, lifetimes: Lifetimes) -> Self {
        Self { slots: Mutex::default(), capacity, lifetimes }
    }

    /// The fresh value of the key, or what `look_up` finds. Callers of one key wait for one lookup.
    ///
    /// # Errors
    /// Those of `look_up`; they are not kept.
    pub(crate) async fn get<E>(
        &self,
        key: &K,
        now: OffsetDateTime,
        look_up: impl AsyncFnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, E> {
        let slot = self.slot(key, now);
        let mut kept = slot.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| self.is_fresh(kept, now)) {
            return Ok(kept.value.clone());
        }
        let since = Instant::now();
        let value = look_up().await?;
        *kept = Some(Kept { value: value.clone(), at: now, since });
        Ok(value)
    }

    fn is_fresh(&self, kept: &Kept<V>, now: OffsetDateTime) -> bool {
        let lifetime = if kept.value.is_some() { self.lifetimes.found } else { self.lifetimes.missing };
        // A clock that went back says nothing about the age.
        now >= kept.at && now - kept.at < lifetime && kept.since.elapsed() < lifetime
    }

    fn slot(&self, key: &K, now: OffsetDateTime) -> Arc<Slot<V>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(key) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.capacity {
            // A slot in use is locked or shared and stays.
            slots.retain(|_, slot| {
                slot.kept
                    .try_lock()
                    .map_or(true, |kept| kept.as_ref().is_some_and(|kept| self.is_fresh(kept, now)))
            });
        }
        if slots.len() >= self.capacity
            && let Some(any) = slots.keys().next().cloned()
        {
            slots.remove(&any);
        }
        let slot = Arc::new(Slot { kept: tokio::sync::Mutex::new(None) });
        slots.insert(key.clone(), Arc::clone(&slot));
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);
    const LIFETIMES: Lifetimes =
        Lifetimes { found: Duration::from_secs(30), missing: Duration::from_secs(5) };

    async fn counted(
        cache: &Cache<u32, u32>,
        key: u32,
        now: OffsetDateTime,
        calls: &AtomicUsize,
    ) -> Option<u32> {
        let found = cache
            .get(&key, now, async || {
                tokio::task::yield_now().await;
                calls.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(key.is_multiple_of(2).then_some(key))
            })
            .await;
        found.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_found_value_is_kept_for_its_lifetime_and_no_longer() {
        let (cache, calls) = (Cache::new(10, LIFETIMES), AtomicUsize::new(0));
        for (seconds, lookups) in [(0, 1), (29, 1), (30, 2), (31, 2)] {
            assert_eq!(counted(&cache, 2, NOW + Duration::from_secs(seconds), &calls).await, Some(2));
            assert_eq!(calls.load(Ordering::Relaxed), lookups, "after {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_miss_is_kept_for_a_shorter_time() {
        let (cache, calls) = (Cache::new(10, LIFETIMES), AtomicUsize::new(0));
        for (seconds, lookups) in [(0, 1), (4, 1), (5, 2)] {
            assert_eq!(counted(&cache, 1, NOW + Duration::from_secs(seconds), &calls).await, None);
            assert_eq!(calls.load(Ordering::Relaxed), lookups, "after {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_ages_while_requests_carry_one_time_and_when_the_clock_goes_back() {
        let (cache, calls) = (Cache::new(10, LIFETIMES), AtomicUsize::new(0));
        counted(&cache, 2, NOW, &calls).await;
        tokio::time::advance(Duration::from_secs(30)).await;
        counted(&cache, 2, NOW, &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        counted(&cache, 2, NOW - Duration::from_secs(1), &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn callers_of_one_key_wait_for_one_lookup() {
        let (cache, calls) = (Cache::new(10, LIFETIMES), AtomicUsize::new(0));
        let all = tokio::join!(
            counted(&cache, 2, NOW, &calls),
            counted(&cache, 2, NOW, &calls),
            counted(&cache, 2, NOW, &calls)
        );
        assert_eq!(all, (Some(2), Some(2), Some(2)));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let cache = Cache::<u32, u32>::new(10, LIFETIMES);
        assert_eq!(cache.get(&2, NOW, async || Err("down")).await, Err("down"));
        assert_eq!(cache.get(&2, NOW, async || Ok::<_, &str>(Some(7))).await, Ok(Some(7)));
    }

    #[tokio::test]
    async fn it_never_holds_more_than_its_capacity() {
        let (cache, calls) = (Cache::new(10, LIFETIMES), AtomicUsize::new(0));
        for key in 0..1_000 {
            counted(&cache, key, NOW, &calls).await;
            assert!(cache.slots.lock().unwrap().len() <= 10);
        }
    }
}
