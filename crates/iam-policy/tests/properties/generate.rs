//! Policies and requests, made so that they often have to do with each other.

use iam_policy::{Context, Request};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// A request that owns what it is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asking {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) context: Context,
}

impl Asking {
    pub(crate) fn request(&self) -> Request<'_> {
        Request { action: &self.action, resource: &self.resource, context: &self.context }
    }
}

/// What AWS would refuse in a tag is among it, since the evaluator must not depend on that.
pub(crate) fn tag() -> impl Strategy<Value = String> {
    "[a-c*?/$]{0,4}"
}

fn texts(choices: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        select(choices).prop_map(Value::from),
        prop::collection::vec(select(choices), 1..4).prop_map(Value::from),
    ]
}

pub(crate) fn actions() -> impl Strategy<Value = Value> {
    texts(&[
        "*",
        "s3:*",
        "s3:Get*",
        "S3:getobject",
        "s3:PutObject",
        "dynamodb:GetIte?",
        "dynamodb:*",
        "sts:TagSession",
    ])
}

fn resources() -> impl Strategy<Value = Value> {
    texts(&[
        "*",
        "arn:aws:s3:::files/*",
        "arn:aws:s3:::files/a?",
        "arn:aws:s3:::files/${aws:PrincipalTag/t}",
        "arn:aws:s3:::files/${aws:PrincipalTag/t, 'a'}/*",
        "arn:aws:s3:::files/${*}",
        "arn:aws:dynamodb:*:123456789012:table/records",
        "arn:aws:dynamodb:eu-central-1:${aws:PrincipalTag/u}:table/*",
    ])
}

fn condition() -> impl Strategy<Value = (String, &'static str, Value)> {
    let string = (
        select(
            &[
                "StringEquals",
                "StringNotEquals",
                "StringLike",
                "StringNotLike",
                "StringEqualsIgnoreCase",
                "StringNotEqualsIgnoreCase",
            ][..],
        ),
        texts(&[
            "a",
            "A",
            "a*",
            "?",
            "",
            "${aws:PrincipalTag/t}",
            "${aws:PrincipalTag/u, 'b'}*",
            "${aws:list}",
        ]),
    );
    let arn = (
        select(&["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"][..]),
        texts(&["*", "arn:aws:s3:::files/*", "arn:aws:s3:::${aws:PrincipalTag/t}", "arn:aws:s3:::files/a"]),
    );
    let number = (
        select(
            &[
                "NumericEquals",
                "NumericNotEquals",
                "NumericLessThan",
                "NumericGreaterThanEquals",
                "DateEquals",
                "DateNotEquals",
                "DateLessThanEquals",
                "DateGreaterThan",
            ][..],
        ),
        prop_oneof![texts(&["0", "1", "-1", "10000"]), Just(json!(1)), Just(json!([0, 1]))],
    );
    let address =
        (select(&["IpAddress", "NotIpAddress"][..]), texts(&["10.0.0.0/8", "10.0.0.1", "::/0", "0.0.0.0/0"]));
    let flag =
        (select(&["Bool"][..]), prop_oneof![texts(&["true", "false"]), any::<bool>().prop_map(Value::from)]);
    let null = (Just("Null".to_owned()), texts(&["true", "false"]));
    let keys = select(
        &["aws:PrincipalTag/t", "AWS:principaltag/U", "aws:k", "aws:n", "aws:list", "aws:ip", "aws:no"][..],
    );
    let quantity = select(&["", "", "ForAllValues:", "ForAnyValue:"][..]);
    let tests = prop_oneof![
        4 => string.boxed(),
        1 => arn.boxed(),
        2 => number.boxed(),
        1 => address.boxed(),
        1 => flag.boxed(),
    ];
    let quantified = (quantity, tests, any::<bool>()).prop_map(|(quantity, (test, values), if_exists)| {
        (format!("{quantity}{test}{}", if if_exists { "IfExists" } else { "" }), values)
    });
    (prop_oneof![6 => quantified, 1 => null], keys)
        .prop_map(|((operator, values), key)| (operator, key, values))
}

pub(crate) fn conditions() -> impl Strategy<Value = Value> {
    prop::collection::vec(condition(), 0..3).prop_map(|conditions| {
        let mut block = json!({});
        for (operator, key, values) in conditions {
            block[operator][key] = values;
        }
        block
    })
}

/// A statement without a Sid, so that any number of them can stand side by side.
pub(crate) fn statement() -> impl Strategy<Value = Value> {
    let effect = select(&["Allow", "Allow", "Allow", "Deny"][..]);
    let action = (select(&["Action", "Action", "Action", "NotAction"][..]), actions());
    let resource = (select(&["Resource", "Resource", "Resource", "NotResource"][..]), resources());
    (effect, action, resource, conditions()).prop_map(|(effect, action, resource, conditions)| {
        let mut statement = Map::new();
        statement.insert("Effect".to_owned(), effect.into());
        statement.insert(action.0.to_owned(), action.1);
        statement.insert(resource.0.to_owned(), resource.1);
        statement.insert("Condition".to_owned(), conditions);
        statement.into()
    })
}

pub(crate) fn policy() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(statement(), 1..5)
}

pub(crate) fn with_effect(statement: &Value, effect: &str) -> Value {
    let mut statement = statement.clone();
    statement["Effect"] = effect.into();
    statement
}

pub(crate) fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

pub(crate) fn asking() -> impl Strategy<Value = Asking> {
    let action = select(&["s3:GetObject", "s3:PutObject", "dynamodb:GetItem", "sts:TagSession"][..]);
    let resource = prop_oneof![
        tag().prop_map(|rest| format!("arn:aws:s3:::files/{rest}")),
        Just("arn:aws:dynamodb:eu-central-1:123456789012:table/records".to_owned()),
        Just("*".to_owned()),
    ];
    let value = prop_oneof![
        tag(),
        tag().prop_map(|rest| format!("arn:aws:s3:::files/{rest}")),
        select(&["0", "1", "1.0", "1970-01-01", "true", "False", "10.0.0.1", "::1", "x y", "é"][..])
            .prop_map(str::to_owned),
    ];
    let values = prop::collection::vec(value.clone(), 0..4);
    let singles = prop::collection::vec(
        (select(&["aws:PrincipalTag/t", "aws:PrincipalTag/u", "aws:k", "aws:n", "aws:ip"][..]), value),
        0..6,
    );
    let unknown = proptest::option::weighted(0.2, select(&["aws:k", "aws:PrincipalTag/t", "aws:list"][..]));
    (action, resource, singles, proptest::option::of(values), unknown, any::<bool>()).prop_map(
        |(action, resource, singles, values, unknown, is_open)| {
            let mut context =
                if is_open { Context::open() } else { Context::knowing(&["aws:PrincipalTag/*", "aws:k"]) };
            for (key, value) in singles {
                context.set(key, value);
            }
            if let Some(values) = values {
                context.set_all("aws:list", values);
            }
            if let Some(key) = unknown {
                context.set_unknown(key, "not read");
            }
            Asking { action: action.to_owned(), resource, context }
        },
    )
}
