//! The values of keys, and the places where none may be.

use std::sync::{Mutex, PoisonError};

use local_stack::{LocalStack, Record};

use crate::http_client::Answer;

/// Most refusals that are kept.
const MOST: usize = 100_000;

/// What was answered to the requests of this process.
static ANSWERED: Mutex<Answered> = Mutex::new(Answered { values: Vec::new(), refusals: Vec::new() });

struct Answered {
    /// Values that were told to whoever made a key.
    values: Vec<String>,
    /// Answers that are no success.
    refusals: Vec<String>,
}

/// Takes note of an answer.
pub(crate) fn note(answer: &Answer) {
    let mut answered = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
    if answer.status >= 300 {
        if answered.refusals.len() < MOST {
            answered.refusals.push(format!("{answer:?}"));
        }
    } else if answer.body.windows(9).any(|text| text == b"\"api_key\"") {
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        answered
            .values
            .extend(body.pointer("/api_key/value").and_then(|value| value.as_str()).map(str::to_owned));
    }
}

/// Looks for every value of a key that was issued, by this stack or to anybody in this process, in the stack's
/// tables, audit and idempotency rows among them, in what it and its functions have logged, and in every refusal.
///
/// # Panics
/// Where one is found.
pub(crate) fn assert_none_is_kept(stack: &LocalStack, record: &Record) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tables");
    stack.database().save(&file).expect("the tables are saved");
    let tables = std::fs::read(&file).expect("the tables");
    let tables = String::from_utf8_lossy(&tables).into_owned();
    let logs = record.text();
    let answered = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
    for value in stack.key_values().iter().chain(&answered.values) {
        assert!(!tables.contains(value), "the value of a key is in a table");
        assert!(!logs.contains(value), "the value of a key is in a log");
        let refusal = answered.refusals.iter().find(|refusal| refusal.contains(value));
        assert!(refusal.is_none(), "the value of a key is in a refusal: {refusal:?}");
    }
}
