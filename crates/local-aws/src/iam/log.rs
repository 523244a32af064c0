//! The last decisions.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use iam_policy::Verdict;

/// Decisions that are kept.
const MAX_RECORDS: usize = 1_000;

/// One decision. It holds no secret and no value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRecord {
    /// When, by the stack's time.
    pub at: SystemTime,
    /// The ARN of the user or of the role's session.
    pub principal: String,
    /// The action, such as `dynamodb:GetItem`.
    pub action: String,
    /// The resource's ARN, or `*`.
    pub resource: String,
    /// The decision, and what decided.
    pub verdict: Verdict,
}

#[derive(Default)]
pub(super) struct Log(Mutex<VecDeque<DecisionRecord>>);

impl Log {
    pub(super) fn add(&self, record: DecisionRecord) {
        let mut records = self.lock();
        if records.len() == MAX_RECORDS {
            records.pop_front();
        }
        records.push_back(record);
    }

    pub(super) fn records(&self) -> Vec<DecisionRecord> {
        self.lock().iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<DecisionRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
