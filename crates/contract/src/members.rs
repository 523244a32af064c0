//! The members of a request's body, and what is wrong with them.

use crate::json::push_token;
use crate::{Json, Kind, Problem};

/// The pointer to where the tokens lead (RFC 6901).
#[must_use]
pub fn pointer(tokens: &[&str]) -> String {
    let mut pointer = String::new();
    for token in tokens {
        push_token(&mut pointer, token);
    }
    pointer
}

/// What cannot be taken of a body, gathered so that one answer names it all.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Vec<(String, String)>);

impl Refusals {
    /// Refuses what stands where the tokens lead.
    pub(crate) fn add(&mut self, tokens: &[&str], detail: impl Into<String>) {
        self.0.push((pointer(tokens), detail.into()));
    }

    /// Keeps what could be taken, and refuses what could not.
    pub(crate) fn take<T>(&mut self, tokens: &[&str], taken: Result<T, String>) -> Option<T> {
        taken.map_err(|detail| self.add(tokens, detail)).ok()
    }

    /// Refuses members that have to be there and are not.
    pub(crate) fn require(&mut self, within: &[&str], members: &[(String, Json)], required: &[&str]) {
        for name in required {
            if !members.iter().any(|(member, _)| member == name) {
                let mut tokens = within.to_vec();
                tokens.push(name);
                self.add(&tokens, "is missing");
            }
        }
    }

    /// The whole, if nothing was refused. A member that was left out is one that was refused.
    ///
    /// # Errors
    /// 422 with a pointer for each member that was refused.
    pub(crate) fn or<T>(self, whole: Option<T>) -> Result<T, Problem> {
        if let Some(whole) = whole
            && self.0.is_empty()
        {
            return Ok(whole);
        }
        let problem = Problem::new(Kind::InvalidBody, "The body is not of the form that is due.");
        Err(self
            .0
            .into_iter()
            .fold(problem, |problem, (pointer, detail)| problem.with_error(pointer, detail)))
    }
}
