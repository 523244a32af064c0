//! A bounded cache with one lookup in flight per key.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

/// Values by key, each fresh for the lifetime that came with it, and with one lookup in flight per key.
///
/// A value is fresh while both clocks say so: the request's, which can be moved by hand in the local stack,
/// and the process's, since replayed test events all carry one time.
pub struct Cache<K, V> {
    slots: Mutex<HashMap<K, Arc<Slot<V>>>>,
    capacity: usize,
}

struct Slot<V> {
    kept: tokio::sync::Mutex<Option<Kept<V>>>,
}

struct Kept<V> {
    value: V,
    lifetime: Duration,
    at: OffsetDateTime,
    since: Instant,
}

impl<V> Kept<V> {
    fn is_fresh(&self, now: OffsetDateTime) -> bool {
        // A clock that went back says nothing about the age.
        now >= self.at && now - self.at < self.lifetime && self.since.elapsed() < self.lifetime
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// An empty cache of at most `capacity` values. Where it is full, those that are no longer
    /// fresh make room, or any one where all are.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { slots: Mutex::default(), capacity }
    }

    /// The fresh value of the key, or what `look_up` finds. Callers of one key wait for one lookup.
    ///
    /// `look_up` says for how long its value is fresh, counted from `now` by requests and from its call by
    /// the process. A value whose lifetime is zero serves the caller that looked it up and nobody else.
    ///
    /// # Errors
    /// Those of `look_up`; they are not kept.
    pub async fn get<E>(
        &self,
        key: &K,
        now: OffsetDateTime,
        look_up: impl AsyncFnOnce() -> Result<(V, Duration), E>,
    ) -> Result<V, E> {
        let slot = self.slot(key, now);
        let mut kept = slot.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh(now)) {
            return Ok(kept.value.clone());
        }
        // What has had its time is gone even where the lookup fails.
        *kept = None;
        let since = Instant::now();
        let (value, lifetime) = look_up().await?;
        *kept = Some(Kept { value: value.clone(), lifetime, at: now, since });
        Ok(value)
    }

    fn slot(&self, key: &K, now: OffsetDateTime) -> Arc<Slot<V>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(key) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.capacity {
            // A slot in use is locked or shared and stays.
            slots.retain(|_, slot| {
                slot.kept.try_lock().map_or(true, |kept| kept.as_ref().is_some_and(|kept| kept.is_fresh(now)))
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

impl<K, V> fmt::Debug for Cache<K, V> {
    /// What is kept may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);

    /// Even keys are found and kept for 30 seconds, odd ones are missing and kept so for 5.
    async fn counted(
        cache: &Cache<u32, Option<u32>>,
        key: u32,
        now: OffsetDateTime,
        calls: &AtomicUsize,
    ) -> Option<u32> {
        let found = cache
            .get(&key, now, async || {
                tokio::task::yield_now().await;
                calls.fetch_add(1, Ordering::Relaxed);
                let found = key.is_multiple_of(2).then_some(key);
                Ok::<_, Infallible>((found, Duration::from_secs(if found.is_some() { 30 } else { 5 })))
            })
            .await;
        found.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_found_value_is_kept_for_its_lifetime_and_no_longer() {
        let (cache, calls) = (Cache::new(10), AtomicUsize::new(0));
        for (seconds, lookups) in [(0, 1), (29, 1), (30, 2), (31, 2)] {
            assert_eq!(counted(&cache, 2, NOW + Duration::from_secs(seconds), &calls).await, Some(2));
            assert_eq!(calls.load(Ordering::Relaxed), lookups, "after {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_miss_is_kept_for_a_shorter_time() {
        let (cache, calls) = (Cache::new(10), AtomicUsize::new(0));
        for (seconds, lookups) in [(0, 1), (4, 1), (5, 2)] {
            assert_eq!(counted(&cache, 1, NOW + Duration::from_secs(seconds), &calls).await, None);
            assert_eq!(calls.load(Ordering::Relaxed), lookups, "after {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_ages_while_requests_carry_one_time_and_when_the_clock_goes_back() {
        let (cache, calls) = (Cache::new(10), AtomicUsize::new(0));
        counted(&cache, 2, NOW, &calls).await;
        tokio::time::advance(Duration::from_secs(30)).await;
        counted(&cache, 2, NOW, &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        counted(&cache, 2, NOW - Duration::from_secs(1), &calls).await;
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn callers_of_one_key_wait_for_one_lookup() {
        let (cache, calls) = (Cache::new(10), AtomicUsize::new(0));
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
        let cache = Cache::<u32, u32>::new(10);
        assert_eq!(cache.get(&2, NOW, async || Err("down")).await, Err("down"));
        assert_eq!(cache.get(&2, NOW, async || Ok::<_, &str>((7, Duration::MAX))).await, Ok(7));
    }

    #[tokio::test]
    async fn a_value_without_a_lifetime_serves_its_own_caller_alone() {
        let cache = Cache::<u32, u32>::new(10);
        for value in [7, 8] {
            let got = cache.get(&2, NOW, async || Ok::<_, Infallible>((value, Duration::ZERO))).await;
            assert_eq!(got, Ok(value));
        }
    }

    #[tokio::test]
    async fn it_never_holds_more_than_its_capacity() {
        let (cache, calls) = (Cache::new(10), AtomicUsize::new(0));
        for key in 0..1_000 {
            counted(&cache, key, NOW, &calls).await;
            assert!(cache.slots.lock().unwrap().len() <= 10);
        }
    }
}
