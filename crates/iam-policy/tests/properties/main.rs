//! What holds of every policy and request, tried over thousands of generated ones.

mod generate;

use generate::{Asking, actions, asking, conditions, document, policy, statement, tag, with_effect};
use iam_policy::{Kind, Named, Policy, Principal, evaluate, evaluate_trust};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

const CASES: u32 = 4_000;

fn parsed(document: &Value) -> Named {
    Named { name: "generated".to_owned(), policy: Policy::parse(document, Kind::Identity).expect("a policy") }
}

fn of(statements: &[Value]) -> Named {
    parsed(&document(statements))
}

fn is_allowed(identity: &[Named], session: Option<&[Named]>, asking: &Asking) -> bool {
    evaluate(identity, session, &asking.request()).is_allowed()
}

/// What `*` and `?` mean, in as few words as possible.
fn like(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), None) => like(rest, text),
        (Some(('*', rest)), Some((_, after))) => like(rest, text) || like(pattern, after),
        (Some(('?', rest)), Some((_, after))) => like(rest, after),
        (Some((letter, rest)), Some((first, after))) => letter == first && like(rest, after),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn one_condition(operator: &str, value: &str) -> Named {
    of(&[json!({
        "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": { operator: { "aws:k": value } },
    })])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deny_wins(
        others in policy(), session in proptest::option::of(policy()), deny in statement(), asking in asking()
    ) {
        let session = session.as_deref().map(|statements| [of(statements)]);
        let session = session.as_ref().map(<[Named; 1]>::as_slice);
        let denies = of(&[with_effect(&deny, "Deny")]);
        if is_allowed(&[of(&[with_effect(&deny, "Allow")])], None, &asking) {
            prop_assert!(!is_allowed(&[of(&others), denies.clone()], session, &asking));
            prop_assert!(!is_allowed(&[denies.clone(), of(&others)], session, &asking));
            prop_assert!(!is_allowed(&[of(&others)], Some(&[of(&others), denies]), &asking));
        } else if !is_allowed(&[of(&others)], session, &asking) {
            prop_assert!(!is_allowed(&[of(&others), denies], session, &asking));
        }
    }

    #[test]
    fn more_conditions_never_allow_more(
        statements in policy(), which in any::<Index>(), more in conditions(), asking in asking()
    ) {
        let mut narrowed = statements.clone();
        let statement = which.get_mut(&mut narrowed);
        *statement = with_effect(statement, "Allow");
        let before = of(&narrowed);
        let statement = which.get_mut(&mut narrowed);
        for (operator, keys) in more.as_object().expect("an object") {
            for (key, values) in keys.as_object().expect("an object") {
                let block = &mut statement["Condition"][operator];
                // In place of another condition on the key it might allow more.
                if block.get(key).is_none() {
                    block[key] = values.clone();
                }
            }
        }
        if is_allowed(&[of(&narrowed)], None, &asking) {
            prop_assert!(is_allowed(&[before], None, &asking));
        }
    }

    #[test]
    fn more_denying_statements_never_allow_more(
        statements in policy(), deny in statement(), asking in asking()
    ) {
        let before = is_allowed(&[of(&statements)], None, &asking);
        let after = is_allowed(&[of(&statements), of(&[with_effect(&deny, "Deny")])], None, &asking);
        prop_assert!(before || !after);
    }

    #[test]
    fn a_missing_tag_never_matches(
        before in "[a-z*?/]{0,3}", after in "[a-z*?/]{0,3}",
        operator in prop::sample::select(vec![
            "StringEquals", "StringEqualsIgnoreCase", "StringLike", "StringNotEquals",
            "StringNotEqualsIgnoreCase", "StringNotLike", "ForAnyValue:StringLike", "ForAnyValue:StringNotLike",
        ]),
        mut asking in asking()
    ) {
        asking.context.set_all("aws:PrincipalTag/t", Vec::new());
        let value = format!("{before}${{aws:PrincipalTag/t}}{after}");
        prop_assert!(!is_allowed(&[one_condition(operator, &value)], None, &asking));
        asking.resource = format!("arn:aws:s3:::files/{before}{after}");
        for element in ["Resource", "NotResource"] {
            let mut statement = json!({ "Effect": "Allow", "Action": "*" });
            statement[element] = format!("arn:aws:s3:::files/{value}").into();
            prop_assert!(!is_allowed(&[of(&[statement])], None, &asking));
        }
    }

    #[test]
    fn wildcard_characters_in_a_tag_match_only_themselves(tag in tag(), other in tag(), rest in "[a-c]{0,2}") {
        let mut asking = Asking::default();
        asking.context.set("aws:PrincipalTag/t", tag.clone());
        asking.action = "s3:GetObject".to_owned();
        let resources = of(&[json!({
            "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::files/${aws:PrincipalTag/t}/x*"
        })]);
        let likes = one_condition("StringLike", "p${aws:PrincipalTag/t}/*");
        let equals = one_condition("StringEquals", "${aws:PrincipalTag/t}");
        for value in [&tag, &other] {
            asking.resource = format!("arn:aws:s3:::files/{value}/x{rest}");
            asking.context.set("aws:k", format!("p{value}/{rest}"));
            // A slash in a tag may put what follows it where the star is.
            let may_match = format!("{value}/x{rest}").starts_with(&format!("{tag}/x"));
            prop_assert_eq!(is_allowed(std::slice::from_ref(&resources), None, &asking), may_match);
            let may_match = format!("{value}/{rest}").starts_with(&format!("{tag}/"));
            prop_assert_eq!(is_allowed(std::slice::from_ref(&likes), None, &asking), may_match);
            asking.context.set("aws:k", value.clone());
            prop_assert_eq!(is_allowed(std::slice::from_ref(&equals), None, &asking), *value == tag);
        }
    }

    #[test]
    fn parse_print_parse_is_the_identity(statements in policy(), version in 0..3_usize, id in any::<bool>()) {
        let mut document = document(&statements);
        match version {
            0 => {}
            1 => document["Version"] = "2008-10-17".into(),
            _ => drop(document.as_object_mut().expect("an object").remove("Version")),
        }
        if id {
            document["Id"] = "an id".into();
        }
        let policy = Policy::parse(&document, Kind::Identity).expect("a policy");
        let printed = policy.to_json();
        prop_assert_eq!(&Policy::parse(&printed, Kind::Identity).expect("a policy"), &policy);
        let text = printed.to_string();
        prop_assert_eq!(&Policy::parse_text(&text, Kind::Identity).expect("a policy"), &policy);
        prop_assert_eq!(policy.to_json(), printed);
    }

    #[test]
    fn the_order_of_statements_and_policies_does_not_matter(
        statements in policy().prop_flat_map(|statements| (Just(statements.clone()), Just(statements).prop_shuffle())),
        asking in asking()
    ) {
        let (given, shuffled) = statements;
        let decision = is_allowed(&[of(&given)], None, &asking);
        prop_assert_eq!(is_allowed(&[of(&shuffled)], None, &asking), decision);
        let apart: Vec<Named> = shuffled.iter().map(|statement| of(std::slice::from_ref(statement))).collect();
        prop_assert_eq!(is_allowed(&apart, None, &asking), decision);
    }

    #[test]
    fn a_session_has_the_intersection(identity in policy(), session in policy(), asking in asking()) {
        let (identity, session) = ([of(&identity)], [of(&session)]);
        let both = is_allowed(&identity, None, &asking) && is_allowed(&session, None, &asking);
        prop_assert_eq!(is_allowed(&identity, Some(&session), &asking), both);
        prop_assert!(!is_allowed(&identity, Some(&[]), &asking));
    }

    #[test]
    fn knowing_less_never_allows_more(
        statements in policy(), asking in asking(),
        key in prop::sample::select(vec!["aws:PrincipalTag/t", "aws:PrincipalTag/u", "aws:k", "aws:n", "aws:list"])
    ) {
        let mut blind = asking.clone();
        blind.context.set_unknown(key, "not read");
        if is_allowed(&[of(&statements)], None, &blind) {
            prop_assert!(is_allowed(&[of(&statements)], None, &asking));
        }
    }

    #[test]
    fn the_case_of_actions_says_nothing(statements in policy(), asking in asking()) {
        let decision = is_allowed(&[of(&statements)], None, &asking);
        let mut loud = asking;
        loud.action = loud.action.to_uppercase();
        prop_assert_eq!(is_allowed(&[of(&statements)], None, &loud), decision);
    }

    #[test]
    fn a_comparison_and_its_negation_never_both_hold(first in conditions(), asking in asking()) {
        for (operator, keys) in first.as_object().expect("an object") {
            let negated = match operator.strip_suffix("IfExists").unwrap_or(operator) {
                "StringEquals" => "StringNotEquals",
                "StringLike" => "StringNotLike",
                "NumericEquals" => "NumericNotEquals",
                "IpAddress" => "NotIpAddress",
                "ArnLike" => "ArnNotLike",
                _ => continue,
            };
            let both = json!({
                "Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": { operator.trim_end_matches("IfExists"): keys, negated: keys }
            });
            prop_assert!(!is_allowed(&[of(&[both])], None, &asking));
        }
    }

    #[test]
    fn an_empty_set_passes_for_all_values_and_never_for_any_value(
        values in prop::collection::vec("[a-c*?]{0,3}", 1..3),
        operator in prop::sample::select(vec!["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"])
    ) {
        let mut asking = Asking::default();
        asking.context.set_all("aws:list", Vec::new());
        let allows = |quantity| {
            let operator = format!("{quantity}:{operator}");
            let statement = json!({
                "Effect": "Allow", "Action": "*", "Resource": "*",
                "Condition": { operator: { "aws:list": values } }
            });
            is_allowed(&[of(&[statement])], None, &asking)
        };
        prop_assert!(allows("ForAllValues"));
        prop_assert!(!allows("ForAnyValue"));
    }

    #[test]
    fn the_older_version_knows_no_variables(tag in tag(), other in tag(), value in "[a-c]{0,2}") {
        let variable = format!("{value}${{aws:PrincipalTag/t}}");
        let old = parsed(&json!({ "Version": "2008-10-17", "Statement": {
            "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": { "StringEquals": { "aws:k": variable } }
        }}));
        let mut asking = Asking::default();
        asking.context.set("aws:PrincipalTag/t", tag.clone());
        for (asked, expected) in
            [(format!("{value}{tag}"), false), (format!("{value}{other}"), false), (variable, true)]
        {
            asking.context.set("aws:k", asked);
            prop_assert_eq!(is_allowed(std::slice::from_ref(&old), None, &asking), expected);
        }
    }

    #[test]
    fn wildcards_match_as_the_plain_definition_does(pattern in "[ab*?]{0,8}", text in "[abä]{0,10}") {
        let (pattern_letters, letters): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        let mut asking = Asking::default();
        asking.context.set("aws:k", text);
        let allows = is_allowed(&[one_condition("StringLike", &pattern)], None, &asking);
        prop_assert_eq!(allows, like(&pattern_letters, &letters));
    }

    #[test]
    fn trust_follows_the_same_rules(
        allow in actions(), deny in proptest::option::of(actions()), more in conditions(), asking in asking()
    ) {
        let statement = |effect: &str, action: &Value, condition: Value| json!({
            "Effect": effect, "Principal": "*", "Action": action, "Condition": condition
        });
        let principal = Principal { arn: "arn:aws:iam::123456789012:user/a", session_arn: None, account_id: "123456789012" };
        let allows = |statements: Vec<Value>| {
            let document = document(&statements);
            let policy = Policy::parse(&document, Kind::Trust).expect("a policy");
            assert_eq!(Policy::parse(&policy.to_json(), Kind::Trust).as_ref(), Ok(&policy));
            let trust = Named { name: "role".to_owned(), policy };
            evaluate_trust(&trust, &principal, &asking.request()).verdict.is_allowed()
        };
        let plain = statement("Allow", &allow, json!({}));
        let conditional = statement("Allow", &allow, more);
        prop_assert!(!allows(vec![conditional]) || allows(vec![plain.clone()]));
        if let Some(deny) = deny {
            let denied = allows(vec![statement("Allow", &deny, json!({}))]);
            let both = allows(vec![plain.clone(), statement("Deny", &deny, json!({}))]);
            prop_assert_eq!(both, allows(vec![plain]) && !denied);
        }
    }

    #[test]
    fn no_text_upsets_the_parser(text in ".{0,60}", value in ".{0,20}", which in 0..6_usize) {
        prop_assert!(Policy::parse_text(&text, Kind::Identity).is_err());
        let mut statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        match which {
            0 => statement["Action"] = value.into(),
            1 => statement["Resource"] = value.into(),
            2 => statement["Condition"] = json!({ "StringLike": { "aws:k": format!("${{{value}}}") } }),
            3 => statement["Condition"] = json!({ value: { "aws:k": "x" } }),
            4 => statement["Condition"] = json!({ "ArnLike": { value: "*" } }),
            _ => statement["Condition"] = json!({ "DateLessThan": { "aws:k": value } }),
        }
        if let Ok(policy) = Policy::parse(&document(&[statement]), Kind::Identity) {
            prop_assert_eq!(Policy::parse(&policy.to_json(), Kind::Identity), Ok(policy));
        }
    }
}
