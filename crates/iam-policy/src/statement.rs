//! Statements: what they say, and whether they apply to a request.

use serde_json::{Map, Value};

use crate::arn::{Arn, ArnPattern};
use crate::condition::Condition;
use crate::context::Context;
use crate::evaluate::Principal;
use crate::pattern::{Case, Template};
use crate::principal::PrincipalPattern;
use crate::tri::{Tri, any};

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub(crate) sid: Option<String>,
    /// How messages call it: its Sid, or its number.
    pub(crate) name: String,
    pub(crate) effect: Effect,
    pub(crate) actions: Patterns<Template>,
    pub(crate) target: Target,
    /// In the order of their operators and keys.
    pub(crate) conditions: Vec<Condition>,
}

/// What a statement does to the requests that it applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows them, unless another statement denies.
    Allow,
    /// It denies them.
    Deny,
}

/// The patterns of Action or Resource, or those of `NotAction` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patterns<T> {
    pub(crate) is_negated: bool,
    pub(crate) written: Vec<String>,
    pub(crate) read: Vec<T>,
}

/// What a statement is about, beside its actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Resources(Patterns<ArnPattern>),
    /// By kind, as written, and as read.
    Principals(Vec<(String, String, PrincipalPattern)>),
}

/// A request, ready to be asked about.
pub(crate) struct Asked<'a> {
    pub(crate) action: &'a str,
    pub(crate) subject: Subject<'a>,
    pub(crate) context: &'a Context,
}

/// What a request is about, as its kind of policy sees it.
pub(crate) enum Subject<'a> {
    Resource(Arn<'a>),
    Principal(&'a Principal<'a>),
}

impl Statement {
    /// Whether it allows or denies.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The patterns of Action as written, `None` where it has `NotAction`.
    #[must_use]
    pub fn actions(&self) -> Option<&[String]> {
        (!self.actions.is_negated).then_some(&self.actions.written)
    }

    /// The patterns of Resource as written, `None` where it has `NotResource` or is of a trust policy.
    #[must_use]
    pub fn resources(&self) -> Option<&[String]> {
        match &self.target {
            Target::Resources(patterns) => (!patterns.is_negated).then_some(&patterns.written),
            Target::Principals(_) => None,
        }
    }

    /// Whether it applies to the request.
    pub(crate) fn applies(&self, asked: &Asked<'_>) -> Tri {
        self.is_about_action(asked).and(|| self.is_about_subject(asked)).and(|| {
            self.conditions.iter().fold(Tri::Yes, |all, condition| all.and(|| condition.holds(asked.context)))
        })
    }

    /// The first condition that does not hold, of a statement that is about the action and the subject.
    pub(crate) fn failed_condition(&self, asked: &Asked<'_>) -> Option<String> {
        let is_about = self.is_about_action(asked).and(|| self.is_about_subject(asked)) == Tri::Yes;
        let failed = self.conditions.iter().find(|condition| condition.holds(asked.context) == Tri::No);
        failed
            .filter(|_| is_about)
            .map(|condition| format!("{} {}", condition.operator_name(), condition.key()))
    }

    /// The keys of its conditions, as written.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(Condition::key)
    }

    fn is_about_action(&self, asked: &Asked<'_>) -> Tri {
        let matches = |pattern: &Template| pattern.matches(asked.context, asked.action, Case::Ignored);
        self.actions.hold(any(self.actions.read.iter().map(matches)))
    }

    fn is_about_subject(&self, asked: &Asked<'_>) -> Tri {
        match (&self.target, &asked.subject) {
            (Target::Resources(patterns), Subject::Resource(arn)) => {
                patterns.hold(any(patterns.read.iter().map(|pattern| pattern.matches(asked.context, *arn))))
            }
            (Target::Principals(patterns), Subject::Principal(principal)) => {
                patterns.iter().any(|(_, _, pattern)| pattern.matches(principal)).into()
            }
            (Target::Resources(_), Subject::Principal(_)) | (Target::Principals(_), Subject::Resource(_)) => {
                Tri::Unknown("a policy of another kind than is needed here".to_owned())
            }
        }
    }

    /// Whether it means the principal without trusting its account.
    pub(crate) fn names(&self, principal: &Principal<'_>) -> bool {
        match &self.target {
            Target::Resources(_) => false,
            Target::Principals(patterns) => patterns.iter().any(|(_, _, pattern)| pattern.names(principal)),
        }
    }

    /// The pattern that the action matches, as written.
    pub(crate) fn matched_action(&self, asked: &Asked<'_>) -> String {
        self.actions.first(|pattern| Tri::of(pattern.matches(asked.context, asked.action, Case::Ignored)))
    }

    /// The pattern that the resource matches, as written.
    pub(crate) fn matched_resource(&self, asked: &Asked<'_>) -> String {
        match (&self.target, &asked.subject) {
            (Target::Resources(patterns), Subject::Resource(arn)) => {
                patterns.first(|pattern| Tri::of(pattern.matches(asked.context, *arn)))
            }
            (Target::Resources(_) | Target::Principals(_), Subject::Principal(_))
            | (Target::Principals(_), Subject::Resource(_)) => String::new(),
        }
    }

    /// The statement as a document has it.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if let Some(sid) = &self.sid {
            map.insert("Sid".to_owned(), sid.as_str().into());
        }
        let effect = match self.effect {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        };
        map.insert("Effect".to_owned(), effect.into());
        map.insert(self.actions.element("Action", "NotAction").to_owned(), list(&self.actions.written));
        match &self.target {
            Target::Resources(patterns) => {
                map.insert(patterns.element("Resource", "NotResource").to_owned(), list(&patterns.written));
            }
            Target::Principals(patterns) => {
                map.insert("Principal".to_owned(), principals(patterns));
            }
        }
        let mut conditions = Map::new();
        for condition in &self.conditions {
            let operator = conditions.entry(condition.operator_name()).or_insert_with(|| Map::new().into());
            operator[condition.key()] = list(condition.written());
        }
        if !conditions.is_empty() {
            map.insert("Condition".to_owned(), conditions.into());
        }
        map.into()
    }
}

impl<T> Patterns<T> {
    /// What a match of the patterns says, or of none of them where they are negated.
    fn hold(&self, matched: Result<bool, crate::tri::Doubt>) -> Tri {
        if self.is_negated { Tri::not(matched) } else { Tri::of(matched) }
    }

    fn element(&self, plain: &'static str, negated: &'static str) -> &'static str {
        if self.is_negated { negated } else { plain }
    }

    /// The first pattern that matches, else the first that might.
    fn first(&self, matches: impl Fn(&T) -> Tri) -> String {
        if self.is_negated {
            return format!("not {}", self.written.join(", "));
        }
        let mut found = "";
        for (written, pattern) in self.written.iter().zip(&self.read) {
            match matches(pattern) {
                Tri::Yes => return written.clone(),
                Tri::Unknown(_) if found.is_empty() => found = written,
                Tri::Unknown(_) | Tri::No => {}
            }
        }
        found.to_owned()
    }
}

/// One value alone, several as a list.
fn list(written: &[String]) -> Value {
    match written {
        [one] => one.as_str().into(),
        several => several.into(),
    }
}

fn principals(patterns: &[(String, String, PrincipalPattern)]) -> Value {
    let mut kinds: Vec<(&str, Vec<String>)> = Vec::new();
    for (kind, written, _) in patterns {
        match kinds.last_mut() {
            Some((last, values)) if last == kind => values.push(written.clone()),
            Some(_) | None => kinds.push((kind, vec![written.clone()])),
        }
    }
    kinds.into_iter().map(|(kind, values)| (kind.to_owned(), list(&values))).collect::<Map<_, _>>().into()
}
