//! Faults that tests order: a function that dies behind a call, a service that fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, ready};
use local_aws::{Call, Fate, Tap};

use crate::lambda::Lambda;

/// The faults that are ordered. Nothing is wrong with a stack that was asked for none.
pub(crate) struct Faults {
    lambda: Arc<Lambda>,
    /// How many there are, so that calls look no further where there is none.
    count: AtomicUsize,
    ordered: Mutex<Ordered>,
}

#[derive(Default)]
struct Ordered {
    crashes: Vec<Arc<Planned>>,
    failing: Vec<Arc<Matching>>,
}

/// A crash that is waited for, or has happened.
struct Planned {
    function: String,
    after: usize,
    course: Mutex<Course>,
}

#[derive(Default)]
struct Course {
    seen: Vec<String>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Waiting,
    /// The call is being carried out. Another one by which the function changes something would come too late.
    Striking,
    Happened,
}

/// Calls that fail.
struct Matching {
    function: String,
    calls: String,
    failed: AtomicUsize,
}

/// A crash that was ordered; it is called off by dropping this.
pub struct Crash {
    faults: Arc<Faults>,
    planned: Arc<Planned>,
}

/// Calls that fail as long as this lives.
pub struct Failing {
    faults: Arc<Faults>,
    matching: Arc<Matching>,
}

impl Crash {
    /// The calls by which the function changed something, in their order, until it crashed: such as
    /// `dynamodb:TransactWriteItems`, `apigateway:POST /usageplans/{}/keys` or `s3:PUT`. A call that was repeated is
    /// there twice, and one that the service refused, such as by its condition, is there too.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.planned.course().seen.clone()
    }

    /// Whether the function has crashed.
    #[must_use]
    pub fn has_happened(&self) -> bool {
        self.planned.course().stage == Stage::Happened
    }
}

impl Drop for Crash {
    fn drop(&mut self) {
        self.faults.change(|ordered| ordered.crashes.retain(|other| !Arc::ptr_eq(other, &self.planned)));
    }
}

impl Failing {
    /// How many calls have failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.matching.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        self.faults.change(|ordered| ordered.failing.retain(|other| !Arc::ptr_eq(other, &self.matching)));
    }
}

impl Faults {
    pub(crate) fn new(lambda: Arc<Lambda>) -> Self {
        Self { lambda, count: AtomicUsize::new(0), ordered: Mutex::default() }
    }

    /// See [`LocalStack::crash_after`](crate::LocalStack::crash_after).
    pub(crate) fn crash_after(self: &Arc<Self>, function: &str, n: usize) -> Crash {
        let planned = Planned { function: function.to_owned(), after: n, course: Mutex::default() };
        let planned = Arc::new(planned);
        self.change(|ordered| ordered.crashes.push(Arc::clone(&planned)));
        Crash { faults: Arc::clone(self), planned }
    }

    /// See [`LocalStack::fail_calls`](crate::LocalStack::fail_calls).
    pub(crate) fn fail_calls(self: &Arc<Self>, function: &str, calls: &str) -> Failing {
        let (function, calls) = (function.to_owned(), calls.to_owned());
        let matching = Arc::new(Matching { function, calls, failed: AtomicUsize::new(0) });
        self.change(|ordered| ordered.failing.push(Arc::clone(&matching)));
        Failing { faults: Arc::clone(self), matching }
    }

    fn change(&self, change: impl FnOnce(&mut Ordered)) {
        let mut ordered = self.ordered();
        change(&mut ordered);
        self.count.store(ordered.crashes.len() + ordered.failing.len(), Ordering::Release);
    }

    fn ordered(&self) -> MutexGuard<'_, Ordered> {
        self.ordered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for Faults {
    fn meet(&self, call: &Call<'_>) -> Fate {
        if self.count.load(Ordering::Acquire) == 0 {
            return Fate::Served;
        }
        let Some(function) = call.function() else { return Fate::Served };
        let (ordered, name) = (self.ordered(), call.name());
        let fails = |matching: &&Arc<Matching>| matching.function == function && matching.matches(&name);
        if let Some(matching) = ordered.failing.iter().find(fails) {
            matching.failed.fetch_add(1, Ordering::Relaxed);
            return Fate::Failed;
        }
        if !call.is_write() {
            return Fate::Served;
        }
        let mut fate = Fate::Served;
        for planned in ordered.crashes.iter().filter(|planned| planned.function == function) {
            match planned.meet(&name) {
                Fate::Served => {}
                other @ (Fate::Failed | Fate::Lost) => fate = other,
            }
        }
        fate
    }

    fn lose<'a>(&'a self, call: &'a Call<'_>) -> BoxFuture<'a, ()> {
        let Some(function) = call.function() else { return Box::pin(ready(())) };
        let ordered = self.ordered();
        // The next process of the function is looked at when this one is dead, and not before.
        let end = self.lambda.kill(function);
        for planned in ordered.crashes.iter().filter(|planned| planned.function == function) {
            let mut course = planned.course();
            if course.stage == Stage::Striking {
                course.stage = Stage::Happened;
            }
        }
        drop(ordered);
        end
    }
}

impl Planned {
    /// Counts a call by which the function changes something.
    fn meet(&self, name: &str) -> Fate {
        let mut course = self.course();
        match course.stage {
            Stage::Happened => Fate::Served,
            Stage::Striking => Fate::Failed,
            Stage::Waiting => {
                course.seen.push(name.to_owned());
                if course.seen.len() != self.after {
                    return Fate::Served;
                }
                course.stage = Stage::Striking;
                Fate::Lost
            }
        }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Matching {
    fn matches(&self, name: &str) -> bool {
        match self.calls.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.calls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_comes_behind_the_call_of_its_number_and_once() {
        let planned = Planned { function: "f".into(), after: 2, course: Mutex::default() };
        assert_eq!(planned.meet("s3:PUT"), Fate::Served);
        assert_eq!(planned.meet("dynamodb:PutItem"), Fate::Lost);
        assert_eq!(planned.meet("s3:DELETE"), Fate::Failed, "it is about to die");
        planned.course().stage = Stage::Happened;
        assert_eq!(planned.meet("s3:DELETE"), Fate::Served, "the next process goes on");
        assert_eq!(planned.course().seen, ["s3:PUT", "dynamodb:PutItem"]);
    }

    #[test]
    fn calls_are_matched_by_name_or_by_its_beginning() {
        let matching =
            |calls: &str| Matching { function: "f".into(), calls: calls.into(), failed: AtomicUsize::new(0) };
        let name = "apigateway:POST /apikeys";
        assert!(matching("apigateway:*").matches(name) && matching(name).matches(name));
        assert!(!matching("apigateway:POST").matches(name) && !matching("dynamodb:*").matches(name));
    }
}
