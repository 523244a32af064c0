//! Evaluating policies against a request.

use crate::arn::Arn;
use crate::context::Context;
use crate::document::Policy;
use crate::statement::{Asked, Effect, Statement, Subject};
use crate::tri::Tri;
use crate::verdict::{By, Decision, Layer, TrustVerdict, Verdict};

/// Most unknown things that a message lists.
const MAX_UNKNOWN: usize = 10;

/// Who asks to assume a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal<'a> {
    /// ARN of the user or role, as `aws:PrincipalArn` has it.
    pub arn: &'a str,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, where the principal is a session of a role.
    pub session_arn: Option<&'a str>,
    /// The principal's account, twelve digits.
    pub account_id: &'a str,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Such as `dynamodb:GetItem`.
    pub action: &'a str,
    /// The resource's ARN, or `*` for an action that has none.
    pub resource: &'a str,
    /// What is known about the request.
    pub context: &'a Context,
}

/// A policy with the name that messages give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The policy.
    pub policy: Policy,
}

/// Decides by the policies of a user or role, and by those of its session where it has any.
///
/// A statement that denies wins, in whichever policy it stands. Else one of the identity's must allow, and
/// with a session one of the session's as well; an empty list allows nothing.
#[must_use]
pub fn evaluate(identity: &[Named], session: Option<&[Named]>, request: &Request<'_>) -> Verdict {
    let asked = Asked {
        action: request.action,
        subject: Subject::Resource(Arn::read(request.resource)),
        context: request.context,
    };
    let mut found = vec![Found::among(Layer::Identity, identity, &asked)];
    found.extend(session.map(|policies| Found::among(Layer::Session, policies, &asked)));
    explained(decide(found), &asked, |layer| match layer {
        Layer::Session => session.unwrap_or_default(),
        Layer::Identity | Layer::Trust => identity,
    })
}

/// Decides by a role's trust policy, for `sts:AssumeRole` and `sts:TagSession`, each in a call of its own.
/// The request's resource plays no part.
#[must_use]
pub fn evaluate_trust(trust: &Named, principal: &Principal<'_>, request: &Request<'_>) -> TrustVerdict {
    let asked =
        Asked { action: request.action, subject: Subject::Principal(principal), context: request.context };
    let policies = std::slice::from_ref(trust);
    let verdict = explained(decide(vec![Found::among(Layer::Trust, policies, &asked)]), &asked, |_| policies);
    let names = |statement: &Statement| {
        statement.effect() == Effect::Allow
            && statement.names(principal)
            && statement.applies(&asked) == Tri::Yes
    };
    let names_principal = verdict.is_allowed() && trust.policy.statements().iter().any(names);
    TrustVerdict { verdict, names_principal }
}

/// The verdict with what came nearest to allowing, where nothing did. Only a refusal is looked at again.
fn explained<'a>(
    mut verdict: Verdict,
    asked: &Asked<'_>,
    policies_of: impl Fn(Layer) -> &'a [Named],
) -> Verdict {
    if let By::NothingAllows { layer, nearest, .. } = &mut verdict.by {
        let near = |Named { name, policy }: &Named| {
            let allowing = policy.statements().iter().filter(|one| one.effect() == Effect::Allow);
            let failed = |one: &Statement| Some((one.name.clone(), one.failed_condition(asked)?));
            let (statement, condition) = allowing.into_iter().find_map(failed)?;
            Some(format!("statement {statement} of {name}, in which {condition} does not hold"))
        };
        *nearest = policies_of(*layer).iter().find_map(near);
    }
    verdict
}

/// What one layer's policies say.
struct Found {
    layer: Layer,
    denied: Option<By>,
    /// A statement that denies if what is not known should be so.
    perhaps_denied: Option<By>,
    allowed: Option<By>,
    unknown: Vec<String>,
}

impl Found {
    fn among(layer: Layer, policies: &[Named], asked: &Asked<'_>) -> Self {
        let mut found =
            Self { layer, denied: None, perhaps_denied: None, allowed: None, unknown: Vec::new() };
        for Named { name, policy } in policies {
            for statement in policy.statements() {
                let by = |unknown| By::Statement {
                    layer,
                    policy: name.clone(),
                    statement: statement.name.clone(),
                    action: statement.matched_action(asked),
                    resource: statement.matched_resource(asked),
                    unknown,
                };
                match (statement.effect(), statement.applies(asked)) {
                    (Effect::Allow | Effect::Deny, Tri::No) => {}
                    (Effect::Allow, Tri::Yes) => {
                        found.allowed.get_or_insert_with(|| by(None));
                    }
                    (Effect::Deny, Tri::Yes) => {
                        found.denied.get_or_insert_with(|| by(None));
                    }
                    (Effect::Deny, Tri::Unknown(reason)) => {
                        found.perhaps_denied.get_or_insert_with(|| by(Some(reason)));
                    }
                    (Effect::Allow, Tri::Unknown(reason)) => found.note(reason),
                }
            }
        }
        found
    }

    fn note(&mut self, reason: String) {
        if self.unknown.len() < MAX_UNKNOWN && !self.unknown.contains(&reason) {
            self.unknown.push(reason);
        }
    }
}

/// Puts the layers together: all of them must allow. The first one is the identity's or the trust policy.
fn decide(mut found: Vec<Found>) -> Verdict {
    let deny = |by| Verdict { decision: Decision::Deny, by };
    if let Some(by) = found.iter_mut().find_map(|layer| layer.denied.take()) {
        return deny(by);
    }
    if let Some(by) = found.iter_mut().find_map(|layer| layer.perhaps_denied.take()) {
        return deny(by);
    }
    let mut allowed = None;
    for Found { layer, allowed: by, unknown, .. } in found {
        match by {
            None => return deny(By::NothingAllows { layer, unknown, nearest: None }),
            Some(by) => {
                allowed.get_or_insert(by);
            }
        }
    }
    let by = allowed.expect("there is one layer at least");
    Verdict { decision: Decision::Allow, by }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
