//! How many requests the stack answers, and how fast, for one caller and for many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::Target;

/// Rounds of each number of callers. They take turns, so that a machine that slows down slows all of them.
pub(crate) const ROUNDS: u32 = 5;

/// Callers at one time.
const CLIENTS: [usize; 2] = [1, 32];

/// What a number of callers saw.
#[derive(Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// What was measured so far.
#[derive(Default)]
struct Samples {
    times: Vec<Duration>,
    elapsed: Duration,
}

/// Measures each number of callers, with so many requests in a round.
pub(crate) async fn measure(target: &Target, requests: u32) -> anyhow::Result<Vec<Load>> {
    let mut warm_up = Samples::default();
    for clients in CLIENTS {
        round(target, clients, requests, &mut warm_up).await?;
    }
    let mut all = CLIENTS.map(|_| Samples::default());
    for _ in 0..ROUNDS {
        for (clients, samples) in CLIENTS.into_iter().zip(&mut all) {
            round(target, clients, requests, samples).await?;
        }
    }
    let loads = CLIENTS.into_iter().zip(all).map(|(clients, mut samples)| {
        samples.times.sort_unstable();
        Load {
            clients,
            requests_per_second: f64::from(ROUNDS * requests) / samples.elapsed.as_secs_f64(),
            p50_ms: percentile(&samples.times, 50),
            p99_ms: percentile(&samples.times, 99),
        }
    });
    Ok(loads.collect())
}

/// Sends the requests from so many connections, each of which sends its next once it has an answer.
async fn round(target: &Target, clients: usize, requests: u32, samples: &mut Samples) -> anyhow::Result<()> {
    let ready = Arc::new(Barrier::new(clients + 1));
    // Requests are drawn from one number, so that no connection ends early and leaves the others alone.
    let drawn = Arc::new(AtomicU32::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..clients {
        let mut client = target.connect().await?;
        let (ready, drawn) = (Arc::clone(&ready), Arc::clone(&drawn));
        callers.spawn(async move {
            let mut times = Vec::new();
            ready.wait().await;
            while drawn.fetch_add(1, Ordering::Relaxed) < requests {
                times.push(client.timed().await?);
            }
            anyhow::Ok(times)
        });
    }
    ready.wait().await;
    let began = Instant::now();
    while let Some(times) = callers.join_next().await {
        samples.times.extend(times??);
    }
    samples.elapsed += began.elapsed();
    Ok(())
}

/// The time within which so many of a hundred were done, in milliseconds. The times are sorted.
pub(crate) fn percentile(sorted: &[Duration], of_hundred: usize) -> f64 {
    let rank = (sorted.len() * of_hundred).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<_> = (1..=200).map(Duration::from_secs).collect();
        for (times, of_hundred, expected) in
            [(&times[..], 50, 100_000.0), (&times[..], 99, 198_000.0), (&times[..1], 99, 1_000.0)]
        {
            assert!(percentile(times, of_hundred).total_cmp(&expected).is_eq(), "{of_hundred}");
        }
    }
}
