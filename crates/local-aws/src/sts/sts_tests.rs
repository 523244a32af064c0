use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use super::*;
use crate::principals::PrincipalKind;
use crate::sessions::{SessionFacts, Sessions};
use crate::testing::{now, request};

/// Names and values.
type Parameters<'a> = Vec<(&'a str, &'a str)>;

const ROLE: &str = "arn:aws:iam::123456789012:role/tenant-access";

struct OneRole;

impl Roles for OneRole {
    fn max_session(&self, role_arn: &str) -> Option<Duration> {
        (role_arn == ROLE).then(|| Duration::from_hours(2))
    }
}

fn sts() -> (Arc<Principals>, Sts) {
    let sessions = Sessions::new().expect("random numbers");
    let principals = Arc::new(Principals::new("123456789012").with_sessions(sessions));
    let sts = Sts::new(Arc::clone(&principals), Arc::new(OneRole), Arc::new(now));
    (principals, sts)
}

fn form(parameters: &[(&str, &str)]) -> Request {
    let encode = |text: &str| {
        let encoded = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
        encoded.to_string()
    };
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    request("POST", "/", &[("content-type", "application/x-www-form-urlencoded")], &pairs.join("&"))
}

/// An `AssumeRole` call with some parameters of its own.
fn assume(parameters: &[(&str, &str)]) -> Request {
    let given = |name: &str| parameters.iter().any(|(other, _)| *other == name);
    let usual = [("Action", "AssumeRole"), ("RoleArn", ROLE), ("RoleSessionName", "acme.k1")];
    let all: Vec<_> =
        usual.into_iter().filter(|(name, _)| !given(name)).chain(parameters.iter().copied()).collect();
    form(&all)
}

fn function() -> Principal {
    let principals = Principals::new("123456789012");
    (*principals.issue_for_role("credentials-create-role", "credentials-create").expect("room")).clone()
}

fn admin() -> Principal {
    (*Principals::new("123456789012").issue_admin().expect("room")).clone()
}

/// A caller whose own session hands a tag on.
fn session() -> Principal {
    let facts = SessionFacts {
        role: "outer".to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/outer".to_owned(),
        session_name: "s1".to_owned(),
        tags: BTreeMap::from([
            ("tenant-id".to_owned(), "acme".to_owned()),
            ("color".to_owned(), "red".to_owned()),
        ]),
        transitive: ["tenant-id".to_owned()].into(),
        policy: None,
        chained: false,
        issued_at: now(),
    };
    Principal { kind: PrincipalKind::Session(Box::new(facts)), ..function() }
}

#[test]
fn a_call_is_read_with_its_tags_policy_and_duration() {
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*"}}"#;
    let call = AssumeRole::read(
        &assume(&[
            ("Tags.member.1.Key", "tenant-id"),
            ("Tags.member.1.Value", "acme"),
            ("Tags.member.2.Key", "isolation"),
            ("Tags.member.2.Value", ""),
            ("TransitiveTagKeys.member.1", "tenant-id"),
            ("Policy", policy),
            ("DurationSeconds", "900"),
            ("ExternalId", "partner:1"),
        ]),
        &function(),
    )
    .expect("a call");
    assert_eq!(call.duration, Duration::from_mins(15));
    assert_eq!(call.policy.as_deref(), Some(policy));
    assert_eq!(call.passed_tags["isolation"], "", "an empty value is a policy's to refuse");
    assert_eq!(call.transitive.iter().collect::<Vec<_>>(), ["tenant-id"]);
    assert!(call.chained);
    assert_eq!(call.actions().collect::<Vec<_>>(), ["sts:AssumeRole", "sts:TagSession"]);
    let keys: BTreeMap<_, _> = call.condition_keys().into_iter().collect();
    assert_eq!(keys["aws:RequestTag/tenant-id"], crate::iam::Value::One("acme".to_owned()));
    let tag_keys = vec!["isolation".to_owned(), "tenant-id".to_owned()];
    assert_eq!(keys["aws:TagKeys"], crate::iam::Value::Many(tag_keys));
}

#[test]
fn a_call_without_tags_asks_for_one_action_and_an_hour() {
    let call = AssumeRole::read(&assume(&[]), &admin()).expect("a call");
    assert_eq!(call.actions().collect::<Vec<_>>(), ["sts:AssumeRole"]);
    assert_eq!((call.duration, call.chained), (Duration::from_hours(1), false));
}

#[test]
fn what_sts_does_not_take_is_refused_by_name() {
    let long = "x".repeat(257);
    let policy = " ".repeat(2_049);
    let tag = |key: &'static str, value: &'static str| {
        vec![("Tags.member.1.Key", key), ("Tags.member.1.Value", value)]
    };
    let cases: Vec<(Parameters<'_>, &str, &str)> = vec![
        (vec![("RoleArn", "short")], "ValidationError", "roleArn"),
        (vec![("RoleArn", "arn:aws:iam::123456789012:user/someone")], "ValidationError", "is invalid"),
        (vec![("RoleSessionName", "a")], "ValidationError", "roleSessionName"),
        (vec![("RoleSessionName", "a/b")], "ValidationError", "roleSessionName"),
        (vec![("DurationSeconds", "899")], "ValidationError", "900"),
        (vec![("DurationSeconds", "43201")], "ValidationError", "43200"),
        (vec![("DurationSeconds", "1h")], "ValidationError", "durationSeconds"),
        (vec![("DurationSeconds", "3601")], "ValidationError", "role chaining"),
        (tag("tenant-id", "*"), "ValidationError", "tags.1.member.value"),
        (tag("tenant-id", "a?"), "ValidationError", "tags.1.member.value"),
        (tag("tenant-id", "${aws:userid}"), "ValidationError", "tags.1.member.value"),
        (tag("", "acme"), "ValidationError", "tags.1.member.key"),
        (tag("aws:x", "acme"), "ValidationError", "reserved"),
        (vec![("Tags.member.1.Key", "k"), ("Tags.member.1.Value", &long)], "ValidationError", "256"),
        (vec![("Tags.member.1.Key", "k")], "ValidationError", "no value"),
        (vec![("Tags.member.2.Key", "k"), ("Tags.member.2.Value", "v")], "MalformedQueryString", "from 1"),
        (vec![("Tags.member.x.Key", "k")], "MalformedQueryString", "not a member"),
        (
            [
                tag("Tenant-Id", "acme"),
                vec![("Tags.member.2.Key", "tenant-id"), ("Tags.member.2.Value", "b")],
            ]
            .concat(),
            "InvalidParameterValue",
            "Duplicate",
        ),
        (vec![("TransitiveTagKeys.member.1", "tenant-id")], "InvalidParameterValue", "not among"),
        (vec![("Policy", "{}")], "MalformedPolicyDocument", "Statement"),
        (vec![("Policy", &policy)], "ValidationError", "2048"),
        (vec![("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/X")], "ValidationError", "PolicyArns"),
        (vec![("PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/X")], "ValidationError", "PolicyArns"),
        (vec![("Tags.entry.1.Key", "k")], "MalformedQueryString", "not a member"),
        (vec![("Tags", "tenant-id=acme")], "MalformedQueryString", "not a member"),
        ([tag("k", "v"), vec![("Tags.member.1.Kind", "x")]].concat(), "ValidationError", "no field"),
        (
            [
                tag("k", "v"),
                vec![("TransitiveTagKeys.member.1.Key", "k")],
                vec![("TransitiveTagKeys.member.1", "k")],
            ]
            .concat(),
            "ValidationError",
            "no fields",
        ),
        (vec![("SourceIdentity", "someone")], "ValidationError", "SourceIdentity"),
        (vec![("ExternalId", "a")], "ValidationError", "externalId"),
        (vec![("RoleArn", ROLE), ("RoleArn", ROLE)], "MalformedQueryString", "twice"),
    ];
    for (parameters, name, part) in cases {
        match AssumeRole::read(&assume(&parameters), &function()) {
            Err(Refusal::Invalid(found, message)) => {
                assert_eq!(found, name, "{parameters:?}: {message}");
                assert!(message.contains(part), "{parameters:?}: {message}");
            }
            other => panic!("{parameters:?}: {other:?}"),
        }
    }
}

#[test]
fn fifty_tags_are_taken_and_no_more() {
    let names: Vec<_> = (1..=51)
        .map(|n| (format!("Tags.member.{n}.Key"), format!("Tags.member.{n}.Value"), format!("k{n}")))
        .collect();
    let call = |count: usize| {
        let pairs = names.iter().take(count);
        let parameters: Vec<_> = pairs
            .flat_map(|(key, value, name)| [(key.as_str(), name.as_str()), (value.as_str(), "v")])
            .collect();
        AssumeRole::read(&assume(&parameters), &function())
    };
    assert_eq!(call(50).expect("fifty tags").session_tags.len(), 50);
    assert!(call(51).is_err());
}

#[test]
fn a_sessions_transitive_tags_are_inherited_and_cannot_be_replaced() {
    let call = AssumeRole::read(&assume(&[]), &session()).expect("a call");
    assert_eq!(call.session_tags, BTreeMap::from([("tenant-id".to_owned(), "acme".to_owned())]));
    assert!(call.passed_tags.is_empty() && call.transitive.contains("tenant-id"));
    for key in ["tenant-id", "TENANT-ID"] {
        let replaced = assume(&[("Tags.member.1.Key", key), ("Tags.member.1.Value", "globex")]);
        assert!(AssumeRole::read(&replaced, &session()).is_err(), "{key}");
    }
}

#[test]
fn an_issued_session_is_that_of_the_call_and_ends_in_time() {
    let (principals, sts) = sts();
    let call = assume(&[
        ("Tags.member.1.Key", "tenant-id"),
        ("Tags.member.1.Value", "acme"),
        ("DurationSeconds", "900"),
    ]);
    let response = sts.answer(&call, &function()).expect("a session");
    let text = std::str::from_utf8(response.body()).expect("XML");
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).expect("the element");
        rest.split_once("</").expect("its end").0.to_owned()
    };
    assert_eq!(element("Expiration"), "2026-11-24T12:15:00Z");
    assert_eq!(element("Arn"), "arn:aws:sts::123456789012:assumed-role/tenant-access/acme.k1");
    let token = crate::Secret::new(element("SessionToken"));
    let opened = principals.open_session(&element("AccessKeyId"), &token).expect("its own token");
    assert_eq!(opened.secret.expose(), element("SecretAccessKey"));
    assert_eq!(opened.expires_at, now().checked_add(Duration::from_mins(15)));
    let PrincipalKind::Session(facts) = &opened.kind else { panic!("{opened:?}") };
    assert_eq!(facts.tags, BTreeMap::from([("tenant-id".to_owned(), "acme".to_owned())]));
    assert!(facts.issued_at > UNIX_EPOCH && facts.chained);
}

#[test]
fn the_roles_own_longest_session_and_a_missing_role_are_heeded() {
    let (_, sts) = sts();
    let long = assume(&[("DurationSeconds", "7201")]);
    let refused = sts.answer(&long, &admin()).expect_err("too long");
    assert!(
        matches!(&refused, Refusal::Invalid("ValidationError", text) if text.contains("MaxSessionDuration"))
    );
    let missing = assume(&[("RoleArn", "arn:aws:iam::123456789012:role/nobody")]);
    assert!(matches!(sts.answer(&missing, &admin()), Err(Refusal::AccessDenied(_))));
}

#[test]
fn the_callers_identity_is_told_and_other_operations_are_not_served() {
    let (_, sts) = sts();
    let identity = sts.answer(&form(&[("Action", "GetCallerIdentity")]), &function()).expect("an answer");
    let text = std::str::from_utf8(identity.body()).expect("XML").to_owned();
    assert!(
        text.contains(
            "<Arn>arn:aws:sts::123456789012:assumed-role/credentials-create-role/credentials-create</Arn>"
        ),
        "{text}"
    );
    let refused = sts.answer(&form(&[("Action", "GetSessionToken")]), &function());
    assert!(matches!(refused, Err(Refusal::UnsupportedService(_))));
    assert_eq!(
        action(&request("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", &[], "")).as_deref(),
        Some("GetCallerIdentity")
    );
    assert_eq!(action(&form(&[("Action", "Get*")])), None);
}

#[test]
fn more_than_a_token_holds_is_refused_by_its_share() {
    let (_, sts) = sts();
    let values = "v".repeat(256);
    let names: Vec<_> = (1..=20)
        .map(|n| (format!("Tags.member.{n}.Key"), format!("Tags.member.{n}.Value"), format!("k{n}")))
        .collect();
    let call = |count: usize| {
        let pairs = names.iter().take(count);
        let parameters: Vec<_> = pairs
            .flat_map(|(key, value, name)| [(key.as_str(), name.as_str()), (value.as_str(), values.as_str())])
            .collect();
        sts.answer(&assume(&parameters), &admin())
    };
    let held = call(15).expect("a session");
    assert!(
        String::from_utf8_lossy(held.body()).contains("<PackedPolicySize>95</PackedPolicySize>"),
        "{held:?}"
    );
    assert!(matches!(call(20), Err(Refusal::Invalid("PackedPolicyTooLarge", _))));
}
