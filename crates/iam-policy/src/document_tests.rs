use serde_json::json;

use super::*;

fn refused(document: &Value, kind: Kind) -> String {
    Policy::parse(document, kind).expect_err("a refusal").to_string()
}

/// An identity-based policy of one statement, with these elements on top or in place of sound ones.
fn with(changes: &Value) -> Value {
    let mut statement = json!({ "Sid": "One", "Effect": "Allow", "Action": "s3:*", "Resource": "*" });
    for (element, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            statement.as_object_mut().expect("an object").remove(element);
        } else {
            statement[element] = value.clone();
        }
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

#[test]
fn a_document_is_read_and_written_again() {
    let document = json!({
        "Version": "2012-10-17",
        "Id": "example",
        "Statement": [
            {
                "Sid": "PooledRecords",
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem", "dynamodb:Query"],
                "Resource": "arn:aws:dynamodb:eu-central-1:123456789012:table/records",
                "Condition": {
                    "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "TENANT#${aws:PrincipalTag/tenant-id}" },
                    "Null": { "aws:PrincipalTag/tenant-id": "false", "dynamodb:LeadingKeys": "false" },
                },
            },
            { "Effect": "Deny", "NotAction": "sts:*", "NotResource": ["*", "arn:aws:s3:::b"] },
        ],
    });
    let policy = Policy::parse(&document, Kind::Identity).expect("a policy");
    assert_eq!(policy.to_json(), document);
    let [first, second] = policy.statements() else { panic!("two statements") };
    assert_eq!(first.effect(), Effect::Allow);
    assert_eq!(first.actions().expect("actions"), ["dynamodb:GetItem", "dynamodb:Query"]);
    assert_eq!(first.resources().expect("resources").len(), 1);
    assert_eq!((second.effect(), second.actions(), second.resources()), (Effect::Deny, None, None));
}

#[test]
fn spellings_that_mean_the_same_read_the_same() {
    let long = json!({ "Statement": [{
        "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"],
        "Condition": { "Bool": { "aws:SecureTransport": [true] }, "NumericLessThan": { "s3:max-keys": 10 } },
    }]});
    let short = json!({ "Statement": {
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": { "NumericLessThan": { "s3:max-keys": "10" }, "Bool": { "aws:SecureTransport": "true" } },
    }});
    assert_eq!(Policy::parse(&long, Kind::Identity), Policy::parse(&short, Kind::Identity));
}

#[test]
fn a_trust_policy_is_read_and_written_again() {
    let document = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {
            "AWS": ["123456789012", "arn:aws:iam::123456789012:role/api"],
            "Service": "lambda.amazonaws.com",
        },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": { "StringLike": { "aws:RequestTag/tenant-id": "?*" } },
    }]});
    let policy = Policy::parse(&document, Kind::Trust).expect("a policy");
    assert_eq!(policy.to_json(), document);
    assert_eq!(policy.statements()[0].resources(), None);
    let everyone = |principal: Value| {
        let statement = json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" });
        Policy::parse(&json!({ "Statement": statement }), Kind::Trust).expect("a policy")
    };
    assert_eq!(everyone(json!("*")), everyone(json!({ "AWS": "*" })));
}

#[test]
fn a_refusal_names_the_statement_and_the_element() {
    for (changes, message) in [
        (json!({ "Effect": "allow" }), "statement One, Effect: `allow` is not Allow or Deny"),
        (json!({ "Effect": null }), "statement One: Effect is missing"),
        (json!({ "Sid": null, "Effect": null }), "statement #1: Effect is missing"),
        (json!({ "Sid": "a-b" }), "statement #1, Sid: `a-b` is not of letters and digits"),
        (json!({ "Action": null }), "statement One: Action or NotAction is missing"),
        (json!({ "NotAction": "s3:*" }), "statement One: Action and NotAction exclude each other"),
        (json!({ "NotResource": "*" }), "statement One: Resource and NotResource exclude each other"),
        (json!({ "Resource": null }), "statement One: Resource or NotResource is missing"),
        (json!({ "Action": [] }), "statement One, Action: it is empty, at least one entry must stand here"),
        (json!({ "Action": 1 }), "statement One, Action: a string must stand here"),
        (
            json!({ "Action": "s3" }),
            "statement One, Action: `s3` is not `*` or `service:action`, where only the action has wildcards",
        ),
        (
            json!({ "Resource": "arn:aws:s3" }),
            "statement One, Resource: `arn:aws:s3` is not an ARN of six segments, nor `*`",
        ),
        (
            json!({ "Resource": "arn:aws:s3:::${x}" }),
            "statement One, Resource: bad variable: `x` in `${…}` is no condition key",
        ),
        (json!({ "Resources": "*" }), "statement One: unknown element `Resources`"),
        (json!({ "action": "s3:*" }), "statement One: unknown element `action`"),
        (
            json!({ "Principal": "*" }),
            "statement One: Principal has no place in an identity-based or session policy",
        ),
        (json!({ "NotPrincipal": "*" }), "statement One: NotPrincipal is not supported"),
        (
            json!({ "Condition": { "BinaryEquals": { "aws:k": "eA==" } } }),
            "statement One, Condition.BinaryEquals.aws:k: unknown or unsupported operator `BinaryEquals`",
        ),
        (
            json!({ "Condition": { "DateLessThan": { "aws:CurrentTime": "soon" } } }),
            "statement One, Condition.DateLessThan.aws:CurrentTime: `soon` is not a date (RFC 3339, or seconds \
             since 1970)",
        ),
        (
            json!({ "Condition": { "StringEquals": { "k": "x" } } }),
            "statement One, Condition.StringEquals.k: `k` is not a condition key",
        ),
        (
            json!({ "Condition": { "StringEquals": {} } }),
            "statement One, Condition.StringEquals: it is empty, at least one entry must stand here",
        ),
        (
            json!({ "Condition": { "StringEquals": { "aws:k": [null] } } }),
            "statement One, Condition.StringEquals.aws:k: strings, numbers or booleans must stand here",
        ),
        (json!({ "Condition": [] }), "statement One, Condition: an object must stand here"),
    ] {
        assert_eq!(refused(&with(&changes), Kind::Identity), message, "{changes}");
    }
}

#[test]
fn a_trust_policy_names_principals_and_no_resource() {
    let trust = |changes: Value| {
        let mut document = with(&json!({ "Resource": null, "Action": "sts:AssumeRole", "Principal": "*" }));
        for (element, value) in changes.as_object().expect("an object") {
            document["Statement"][0][element] = value.clone();
        }
        document
    };
    assert!(Policy::parse(&trust(json!({})), Kind::Trust).is_ok());
    for (changes, message) in [
        (json!({ "Resource": "*" }), "statement One: Resource has no place in a trust policy"),
        (json!({ "NotPrincipal": "*" }), "statement One: NotPrincipal is not supported"),
        (json!({ "Principal": "me" }), "statement One, Principal: \"*\" or an object must stand here"),
        (
            json!({ "Principal": {} }),
            "statement One, Principal: it is empty, at least one entry must stand here",
        ),
        (json!({ "Principal": { "Aws": "*" } }), "statement One, Principal: unknown element `Aws`"),
        (
            json!({ "Principal": { "Service": "*" } }),
            "statement One, Principal.Service: `*` is not a name without wildcards",
        ),
    ] {
        assert_eq!(refused(&trust(changes.clone()), Kind::Trust), message, "{changes}");
    }
    assert_eq!(
        refused(&with(&json!({})), Kind::Trust),
        "statement One: Resource has no place in a trust policy"
    );
}

#[test]
fn a_document_that_is_wrong_as_a_whole_is_refused() {
    let statement = json!({ "Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*" });
    for (document, message) in [
        (json!([]), "the policy: an object must stand here"),
        (json!({}), "the policy: Statement is missing"),
        (
            json!({ "Statement": [] }),
            "the policy, Statement: it is empty, at least one entry must stand here",
        ),
        (json!({ "Statement": ["x"] }), "statement #1: an object must stand here"),
        (
            json!({ "Version": "2012-10-18", "Statement": statement }),
            "the policy, Version: `2012-10-18` is neither 2012-10-17 nor 2008-10-17",
        ),
        (json!({ "Version": 2012, "Statement": statement }), "the policy, Version: a string must stand here"),
        (json!({ "version": "2012-10-17", "Statement": statement }), "the policy: unknown element `version`"),
        (
            json!({ "Statement": [statement, statement] }),
            "statement A, Sid: an earlier statement has the same Sid",
        ),
        (
            json!({ "Statement": vec![json!({}); 201] }),
            "the policy, Statement: 201 entries, at most 200 are read",
        ),
    ] {
        assert_eq!(refused(&document, Kind::Identity), message);
    }
    let many = with(&json!({ "Action": vec!["s3:*"; 1_001] }));
    assert_eq!(refused(&many, Kind::Identity), "statement One, Action: 1001 entries, at most 1000 are read");
}

#[test]
fn a_text_is_bounded_and_names_each_member_once() {
    let refused = |text: &str| Policy::parse_text(text, Kind::Identity).expect_err("a refusal").to_string();
    let twice = r#"{"Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}"#;
    assert!(refused(twice).contains("the member `Effect` stands twice"));
    assert!(refused("{").starts_with("the policy is not JSON: "));
    let long = " ".repeat(MAX_BYTES + 1);
    assert_eq!(refused(&long), "the policy has 131073 bytes, at most 131072 are read");
    let sound = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    assert!(Policy::parse_text(sound, Kind::Identity).is_ok());
}

#[test]
fn variables_are_text_in_the_older_version() {
    for version in [json!("2008-10-17"), Value::Null] {
        let mut document = with(&json!({ "Resource": "arn:aws:s3:::${x", "Sid": null }));
        if version.is_null() {
            document.as_object_mut().expect("an object").remove("Version");
        } else {
            document["Version"] = version;
        }
        let policy = Policy::parse(&document, Kind::Identity).expect("a policy");
        assert_eq!(policy.to_json(), {
            let mut written = document;
            let statement = written["Statement"][0].take();
            written["Statement"] = json!([statement]);
            written
        });
    }
}
