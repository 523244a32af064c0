//! What the project takes for facts about API Gateway and Lambda, each as a case that is tried from outside.
//!
//! A case says how sure its fact is. All cases run against the local stack of the fixture template. Those that
//! ask for nothing that only the local stack has run against a real API as well, which was made of the same
//! template (the `conformance` binary tells how). A case that fails there shows a fact that the project has
//! got wrong.
//!
//! **Invariant:** a case speaks to the API, to the management calls and, where its scope says so, to the local
//! stack's own addresses. It never looks inside.
//!
//! Some rules of the reference cannot be tried from outside, or not in a reasonable time, and have no case:
//!
//! - 10,000 keys in an account: `local-gateway/src/keys/store_tests.rs`.
//! - The account's throttle refuses: `local-gateway/src/limits/limits_tests.rs`. A case asks how it is told.
//! - A plan's method limit replaces the plan's own, as the switch says: the same file. Cases run without it.
//! - 29 s for an integration: a case tries a route with 300 ms, and `stack-template` reads at most 29 s.
//! - Dropped request headers that a client cannot send in one request: `local-gateway/src/event_tests.rs`.
//! - The init limit of 10 s and `init/error`: `local-runtime/tests/runtime/failures.rs`, with less time.
//! - The authorizer comes before the key: `local-gateway/src/gateway_tests.rs`. There are no validators.
//! - A key's value is in no log: `local-gateway/src/gateway_tests.rs`, for the record of a request.
//! - 300 plans, 300 resources, and an `UpdateUsagePlan` in 20 s: nowhere. Plans come of a template, which the
//!   local stack reads without these limits.
//! - `apiKeySource: AUTHORIZER`, resource policies, stage variables, SIGTERM with an extension: nowhere. The
//!   local stack has none of them.

mod check;
mod errors;
mod event;
mod limits;
mod management;
mod patience;
mod raw;
mod response;
mod runtime;
mod secure;
mod target;
mod throttles;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use target::Target;

/// What a case comes to: nothing, or what was found in place of the fact.
pub type Check = Result<(), String>;

/// How a case is tried.
pub type Run = fn(&Target) -> BoxFuture<'_, Check>;

/// No case takes longer, not even with the minutes that AWS may take to put a key or a count in force.
const TIMEOUT: Duration = Duration::from_mins(5);

/// How sure a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Recorded on AWS.
    Measured,
    /// Said by AWS's documentation.
    Documented,
    /// Read in another emulator's source.
    Seen,
    /// Neither: it may be otherwise.
    Assumed,
}

impl Tag {
    /// Every tag, the surest first.
    pub const ALL: &[Self] = &[Self::Measured, Self::Documented, Self::Seen, Self::Assumed];

    /// The letter that stands for it in tables.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Measured => 'M',
            Self::Documented => 'D',
            Self::Seen => 'S',
            Self::Assumed => 'A',
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Documented => "documented",
            Self::Seen => "seen",
            Self::Assumed => "assumed",
        }
    }
}

/// Where a case can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Against a real API as well.
    Everywhere,
    /// Against the local stack alone, with the reason.
    LocalOnly(&'static str),
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as the case says.
    Passed,
    /// It is otherwise.
    Failed(String),
    /// It was not tried, with the reason.
    Skipped(&'static str),
}

/// One rule of the reference.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The reference's heading.
    pub section: &'static str,
    /// The rule in one sentence.
    pub name: &'static str,
    /// How sure it is.
    pub tag: Tag,
    /// Where it can be tried.
    pub scope: Scope,
    /// Tries it.
    pub run: Run,
}

impl Case {
    /// A case that runs everywhere.
    pub(crate) const fn new(section: &'static str, tag: Tag, name: &'static str, run: Run) -> Self {
        Self { section, name, tag, scope: Scope::Everywhere, run }
    }

    /// The same for the local stack alone.
    pub(crate) const fn local(self, reason: &'static str) -> Self {
        Self { scope: Scope::LocalOnly(reason), ..self }
    }

    /// Tries the case and deletes the keys that it made, also where it failed.
    pub async fn outcome(&self, target: &Target) -> Outcome {
        if let (Scope::LocalOnly(reason), false) = (self.scope, target.is_local()) {
            return Outcome::Skipped(reason);
        }
        let tried = tokio::time::timeout(TIMEOUT, (self.run)(target)).await;
        let tried = tried.unwrap_or_else(|_| Err(format!("it took longer than {} s", TIMEOUT.as_secs())));
        match tried.and(target.delete_keys_of_case().await) {
            Ok(()) => Outcome::Passed,
            Err(reason) => Outcome::Failed(reason),
        }
    }
}

/// All cases, section by section.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        event::cases(),
        response::cases(),
        errors::cases(),
        throttles::cases(),
        management::cases(),
        limits::cases(),
        runtime::cases(),
    ]
    .concat()
}

/// Tries all cases, one after the other since some of them move the clock, and tells of each.
///
/// # Errors
/// Where a key of the run could not be deleted at the end.
pub async fn run(target: &Target, mut tell: impl FnMut(&Case, &Outcome)) -> Check {
    for case in cases() {
        let outcome = case.outcome(target).await;
        tell(&case, &outcome);
    }
    target.delete_keys_of_run().await
}
