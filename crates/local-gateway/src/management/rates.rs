//! The rates at which AWS takes management calls, per account and region (AWS: "Amazon API Gateway quotas").

use std::sync::{Mutex, PoisonError};

use http::Method;
use local_http::Request;
use stack_template::Throttle;

use crate::limits::{Bucket, Capacity};

/// All management calls together (D).
const TOTAL: Throttle = Throttle { rate: 10.0, burst: 40 };

/// `CreateApiKey` and `DeleteApiKey`, each (D). That as many may come at once is assumed (A).
const KEYS: Throttle = Throttle { rate: 5.0, burst: 5 };

/// Farther back than this, in microseconds, the stack's time was set back by hand.
const SET_BACK: u64 = 1_000_000;

/// What the account may still call.
#[derive(Debug, Default)]
pub(super) struct Rates {
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    total: Bucket,
    creations: Bucket,
    deletions: Bucket,
}

impl Rates {
    /// Whether a call is within the rates, at a time in microseconds since 1970.
    pub(super) fn admit(&self, request: &Request, now: u64) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.total.at.saturating_sub(now) > SET_BACK {
            *buckets = Buckets::default();
        }
        let Buckets { total, creations, deletions } = &mut *buckets;
        let path = request.uri.path().trim_matches('/');
        let own = match (&request.method, path.split('/').collect::<Vec<_>>().as_slice()) {
            (&Method::POST, ["apikeys"]) => Some(creations),
            (&Method::DELETE, ["apikeys", _]) => Some(deletions),
            _ => None,
        };
        let mut limits: Vec<(Capacity, &mut Bucket)> = vec![(TOTAL.into(), total)];
        limits.extend(own.map(|bucket| (KEYS.into(), bucket)));
        let passes = limits.iter().all(|(capacity, bucket)| bucket.has_one(*capacity, now));
        if passes {
            for (capacity, bucket) in &mut limits {
                bucket.take(*capacity, now);
            }
        }
        passes
    }
}
