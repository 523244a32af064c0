//! `/_local/iam/…`: policies tried out, and the decisions so far.

use std::collections::BTreeMap;

use iam_policy::{Context, Decision, Kind, Named, Policy, Request, evaluate};
use local_aws::DecisionRecord;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::templates::rfc3339;

/// Decisions that one answer shows.
const SHOWN: usize = 200;

/// What is said to a body of another form.
pub(crate) const EVALUATION_FORM: &str = "the body must be an object of policies (a list of documents), action, \
    resource and, where they matter, session_policies (a list) and context, whose values are texts, numbers, true \
    or false, or lists of texts";

/// What is to be evaluated.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evaluation {
    /// Documents of the user or role.
    policies: Vec<Value>,
    /// Documents of the session, where it was narrowed.
    #[serde(default)]
    session_policies: Option<Vec<Value>>,
    action: String,
    resource: String,
    /// Condition keys: a text, or a list for a key with several values. Every other key is absent.
    #[serde(default)]
    context: BTreeMap<String, ContextValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ContextValue {
    Text(String),
    Flag(bool),
    Number(serde_json::Number),
    List(Vec<String>),
}

/// Evaluates policies as the AWS address does. A document that is not understood denies, and says so.
pub(crate) fn evaluation(asked: Evaluation) -> Value {
    let read = |documents: Vec<Value>, name: &str| -> Result<Vec<Named>, String> {
        let read = |(index, document): (usize, Value)| match Policy::parse(&document, Kind::Identity) {
            Ok(policy) => Ok(Named { name: format!("{name}[{index}]"), policy }),
            Err(error) => Err(format!("{name}[{index}] is not understood: {error}")),
        };
        documents.into_iter().enumerate().map(read).collect()
    };
    let policies = read(asked.policies, "policies");
    let session = asked.session_policies.map(|documents| read(documents, "session_policies")).transpose();
    let (policies, session) = match (policies, session) {
        (Ok(policies), Ok(session)) => (policies, session),
        (Err(reason), _) | (_, Err(reason)) => return json!({"decision": "Deny", "by": reason}),
    };
    let mut context = Context::open();
    for (key, value) in asked.context {
        match value {
            ContextValue::Text(text) => context.set(&key, text),
            ContextValue::Flag(flag) => context.set(&key, flag.to_string()),
            ContextValue::Number(number) => context.set(&key, number.to_string()),
            ContextValue::List(values) => context.set_all(&key, values),
        }
    }
    let request = Request { action: &asked.action, resource: &asked.resource, context: &context };
    let verdict = evaluate(&policies, session.as_deref(), &request);
    json!({"decision": name(verdict.decision), "by": verdict.by.to_string()})
}

/// The last decisions, the newest first.
pub(crate) fn log(records: &[DecisionRecord]) -> Value {
    let shown = records.iter().rev().take(SHOWN).map(|record| {
        json!({
            "at": rfc3339(record.at),
            "principal": record.principal,
            "action": record.action,
            "resource": record.resource,
            "decision": name(record.verdict.decision),
            "by": record.verdict.by.to_string(),
        })
    });
    json!({"decisions": shown.collect::<Vec<_>>()})
}

fn name(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "Allow",
        Decision::Deny => "Deny",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(asked: Value) -> Value {
        evaluation(serde_json::from_value(asked).expect("an evaluation"))
    }

    #[test]
    fn an_evaluation_says_what_was_decided_and_by_what() {
        let policy = json!({"Version": "2012-10-17", "Statement": {
            "Sid": "Own", "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*",
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "${aws:PrincipalTag/tenant-id}"}},
        }});
        let ask = |keys: &[&str], policies: Value| {
            decide(json!({
                "policies": policies, "action": "dynamodb:GetItem", "resource": "arn:aws:dynamodb:r:1:table/t",
                "context": {"aws:PrincipalTag/tenant-id": "acme", "dynamodb:LeadingKeys": keys},
            }))
        };
        let allowed = ask(&["acme"], json!([policy]));
        let by = "statement Own of the identity-based policy policies[0]";
        assert_eq!(allowed, json!({"decision": "Allow", "by": by}));
        let denied = ask(&["acme", "globex"], json!([policy]));
        let by = "no identity-based policy allows the action (nearest: statement Own of policies[0], in which \
                  ForAllValues:StringEquals dynamodb:LeadingKeys does not hold)";
        assert_eq!(denied, json!({"decision": "Deny", "by": by}));
        let unknown = ask(&["acme"], json!([{"Version": "2012-10-17", "Statement": {"Effect": "Maybe"}}]));
        assert_eq!(unknown["decision"], "Deny");
        assert!(
            unknown["by"].as_str().expect("a text").contains("policies[0] is not understood"),
            "{unknown}"
        );
    }
}
