use serde_json::{Value, json};

use super::*;
use crate::document::Kind;

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:123456789012:table/records";
const ROLE: &str = "arn:aws:iam::123456789012:role/tenantry/api";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/api/acme.k1";

fn policy(name: &str, statements: &Value) -> Named {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Named { name: name.to_owned(), policy: Policy::parse(&document, Kind::Identity).expect("a policy") }
}

fn allowing(action: &str) -> Named {
    policy("base", &json!({ "Effect": "Allow", "Action": action, "Resource": "*" }))
}

fn asked<'a>(action: &'a str, context: &'a Context) -> Request<'a> {
    Request { action, resource: TABLE, context }
}

fn tenant_data() -> Named {
    policy(
        "tenant-data",
        &json!({
            "Sid": "PooledRecords",
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:Query"],
            "Resource": TABLE,
            "Condition": {
                "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "TENANT#${aws:PrincipalTag/tenant-id}" },
                "Null": { "dynamodb:LeadingKeys": "false", "aws:PrincipalTag/tenant-id": "false" },
            },
        }),
    )
}

fn tenant(id: &str, keys: &[&str]) -> Context {
    let mut context = Context::open();
    context.set("aws:PrincipalTag/tenant-id", id);
    context.set_all("dynamodb:LeadingKeys", keys.iter().map(|&key| key.to_owned()).collect());
    context
}

#[test]
fn a_tenant_reads_its_own_keys_and_no_others() {
    let decide = |context: &Context, action| evaluate(&[tenant_data()], None, &asked(action, context));
    assert!(decide(&tenant("acme", &["TENANT#acme"]), "dynamodb:GetItem").is_allowed());
    assert!(decide(&tenant("acme", &["TENANT#acme", "TENANT#acme"]), "dynamodb:query").is_allowed());
    assert!(!decide(&tenant("acme", &["TENANT#acme", "TENANT#globex"]), "dynamodb:Query").is_allowed());
    assert!(!decide(&tenant("acme", &["TENANT#acme2"]), "dynamodb:GetItem").is_allowed());
    assert!(!decide(&tenant("acme", &[]), "dynamodb:Query").is_allowed());
    assert!(!decide(&tenant("*", &["TENANT#acme"]), "dynamodb:Query").is_allowed());
    assert!(!decide(&tenant("acme", &["TENANT#acme"]), "dynamodb:PutItem").is_allowed());
    let mut untagged = Context::open();
    untagged.set_all("dynamodb:LeadingKeys", vec!["TENANT#".to_owned()]);
    assert!(!decide(&untagged, "dynamodb:GetItem").is_allowed());
}

#[test]
fn the_verdict_names_the_statement_and_its_patterns() {
    let context = tenant("acme", &["TENANT#acme"]);
    let verdict = evaluate(&[tenant_data()], None, &asked("dynamodb:getitem", &context));
    assert_eq!(
        verdict.by,
        By::Statement {
            layer: Layer::Identity,
            policy: "tenant-data".to_owned(),
            statement: "PooledRecords".to_owned(),
            action: "dynamodb:GetItem".to_owned(),
            resource: TABLE.to_owned(),
            unknown: None,
        }
    );
    assert_eq!(verdict.by.to_string(), "statement PooledRecords of the identity-based policy tenant-data");
}

#[test]
fn a_deny_wins_in_whichever_policy_it_stands() {
    let context = Context::open();
    let deny = || {
        policy(
            "deny",
            &json!([
                { "Effect": "Allow", "Action": "*", "Resource": "*" },
                { "Effect": "Deny", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::*" },
            ]),
        )
    };
    let request = asked("dynamodb:GetItem", &context);
    for (identity, session) in [
        (vec![allowing("*"), deny()], None),
        (vec![deny(), allowing("*")], Some(vec![allowing("*")])),
        (vec![allowing("*")], Some(vec![deny()])),
    ] {
        let verdict = evaluate(&identity, session.as_deref(), &request);
        assert_eq!(verdict.decision, Decision::Deny);
        assert!(
            matches!(verdict.by, By::Statement { ref statement, .. } if statement == "#2"),
            "{verdict:?}"
        );
    }
    let request = Request { resource: "arn:aws:s3:::b", ..asked("dynamodb:GetItem", &context) };
    assert!(evaluate(&[deny()], None, &request).is_allowed());
    assert!(evaluate(&[deny()], None, &asked("s3:GetObject", &context)).is_allowed());
}

#[test]
fn a_session_has_what_both_sides_allow() {
    let context = Context::open();
    let decide = |identity: &str, session: Option<&[Named]>| {
        evaluate(&[allowing(identity)], session, &asked("dynamodb:GetItem", &context))
    };
    assert!(decide("dynamodb:*", Some(&[allowing("dynamodb:GetItem")])).is_allowed());
    assert!(decide("dynamodb:*", None).is_allowed());
    let by = |verdict: Verdict| verdict.by.to_string();
    assert_eq!(by(decide("s3:*", Some(&[allowing("*")]))), "no identity-based policy allows the action");
    assert_eq!(by(decide("*", Some(&[allowing("s3:*")]))), "no session policy allows the action");
    assert_eq!(by(decide("*", Some(&[]))), "no session policy allows the action");
    assert_eq!(
        by(evaluate(&[], None, &asked("s3:GetObject", &context))),
        "no identity-based policy allows the action"
    );
}

#[test]
fn what_is_not_known_denies_and_says_so() {
    let conditional = |effect| {
        json!([
            { "Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*" },
            {
                "Effect": effect, "Action": "*", "Resource": "*",
                "Condition": { "StringEquals": { "aws:Foo": "x", "aws:Bar": "y" } },
            },
        ])
    };
    let mut context = Context::knowing(&["aws:Bar"]);
    context.set("aws:Bar", "y");
    let decide = |effect, action, context: &Context| {
        evaluate(&[policy("p", &conditional(effect))], None, &asked(action, context))
    };
    let allow = decide("Allow", "dynamodb:GetItem", &context);
    assert_eq!(allow.by.to_string(), "no identity-based policy allows the action (unknown: aws:Foo)");
    let deny = decide("Deny", "dynamodb:PutItem", &context);
    assert!(!deny.is_allowed());
    assert_eq!(deny.by.to_string(), "statement #2 of the identity-based policy p (unknown: aws:Foo)");
    // Another condition that surely fails settles it.
    context.set("aws:Bar", "z");
    assert!(decide("Deny", "dynamodb:PutItem", &context).is_allowed());
    let allow = decide("Allow", "dynamodb:GetItem", &context);
    assert_eq!(
        allow.by.to_string(),
        "no identity-based policy allows the action (nearest: statement #2 of p, in which StringEquals aws:Bar \
         does not hold)"
    );
}

#[test]
fn a_statement_about_another_action_or_resource_is_not_near() {
    let other = json!({
        "Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*",
        "Condition": { "StringEquals": { "aws:Foo": "x" } },
    });
    let verdict = evaluate(&[policy("p", &other)], None, &asked("dynamodb:GetItem", &Context::open()));
    assert_eq!(verdict.by.to_string(), "no identity-based policy allows the action");
}

#[test]
fn a_missing_variable_in_a_resource_matches_nothing() {
    let statement = |element: &str, effect| {
        let mut statement = json!({ "Effect": effect, "Action": "s3:*" });
        statement[element] = json!("arn:aws:s3:::files/${aws:PrincipalTag/tenant-id}/*");
        policy("p", &statement)
    };
    let mut context = Context::open();
    let decide = |policies: &[Named], context: &Context| {
        let request = Request { action: "s3:GetObject", resource: "arn:aws:s3:::files//x", context };
        evaluate(policies, None, &request).is_allowed()
    };
    assert!(!decide(&[statement("Resource", "Allow")], &context));
    assert!(!decide(&[statement("NotResource", "Allow")], &context));
    assert!(!decide(&[allowing("*"), statement("NotResource", "Deny")], &context));
    context.set("aws:PrincipalTag/tenant-id", "");
    assert!(decide(&[statement("Resource", "Allow")], &context));
    context.set("aws:PrincipalTag/tenant-id", "*");
    assert!(!decide(&[statement("Resource", "Allow")], &context));
}

fn trust(statements: &Value) -> Named {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    Named {
        name: "tenant-access".to_owned(),
        policy: Policy::parse(&document, Kind::Trust).expect("a policy"),
    }
}

fn assume(trust: &Named, action: &str, context: &Context) -> TrustVerdict {
    let principal = Principal { arn: ROLE, session_arn: Some(SESSION), account_id: "123456789012" };
    evaluate_trust(trust, &principal, &Request { action, resource: "ignored", context })
}

#[test]
fn a_session_is_tagged_only_where_the_trust_policy_allows_it() {
    let context = Context::open();
    let plain =
        trust(&json!({ "Effect": "Allow", "Principal": { "AWS": ROLE }, "Action": "sts:AssumeRole" }));
    assert!(assume(&plain, "sts:AssumeRole", &context).verdict.is_allowed());
    let refused = assume(&plain, "sts:TagSession", &context);
    assert!(!refused.names_principal);
    assert_eq!(refused.verdict.by.to_string(), "no trust policy allows the action");

    let tagging = trust(&json!({
        "Sid": "Tagged", "Effect": "Allow", "Principal": { "AWS": ROLE },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {
            "StringLike": { "aws:RequestTag/tenant-id": "?*" },
            "ForAllValues:StringEquals": { "aws:TagKeys": ["tenant-id"] },
        },
    }));
    assert!(!assume(&tagging, "sts:TagSession", &context).verdict.is_allowed());
    let mut tagged = Context::open();
    tagged.set("aws:RequestTag/tenant-id", "acme");
    tagged.set_all("aws:TagKeys", vec!["tenant-id".to_owned()]);
    let allowed = assume(&tagging, "sts:TagSession", &tagged);
    assert!(allowed.verdict.is_allowed() && allowed.names_principal);
    assert_eq!(allowed.verdict.by.to_string(), "statement Tagged of the trust policy tenant-access");
    tagged.set_all("aws:TagKeys", vec!["tenant-id".to_owned(), "more".to_owned()]);
    assert!(!assume(&tagging, "sts:TagSession", &tagged).verdict.is_allowed());
    tagged.set("aws:RequestTag/tenant-id", "");
    tagged.set_all("aws:TagKeys", vec!["tenant-id".to_owned()]);
    assert!(!assume(&tagging, "sts:TagSession", &tagged).verdict.is_allowed());
}

#[test]
fn trust_in_an_account_does_not_name_the_principal() {
    let context = Context::open();
    let statement = |effect, principal: &str| json!({ "Effect": effect, "Principal": { "AWS": principal }, "Action": "sts:AssumeRole" });
    let root = "arn:aws:iam::123456789012:root";
    for (statements, allowed, names) in [
        (json!([statement("Allow", root)]), true, false),
        (json!([statement("Allow", "123456789012")]), true, false),
        (json!([statement("Allow", root), statement("Allow", SESSION)]), true, true),
        (json!([statement("Allow", "*")]), true, true),
        (json!([statement("Allow", "*"), statement("Deny", root)]), false, false),
        (json!([statement("Allow", "210987654321")]), false, false),
    ] {
        let verdict = assume(&trust(&statements), "sts:AssumeRole", &context);
        assert_eq!((verdict.verdict.is_allowed(), verdict.names_principal), (allowed, names), "{statements}");
    }
}

#[test]
fn a_policy_of_the_wrong_kind_grants_nothing_and_its_denies_apply() {
    let context = Context::open();
    let everyone = json!({ "Effect": "Allow", "Principal": "*", "Action": "*" });
    assert!(!evaluate(&[trust(&everyone)], None, &asked("s3:GetObject", &context)).is_allowed());
    assert!(!assume(&allowing("*"), "sts:AssumeRole", &context).verdict.is_allowed());
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "*" });
    assert!(!evaluate(&[allowing("*"), trust(&deny)], None, &asked("s3:GetObject", &context)).is_allowed());
}
