use super::*;

fn condition(operator: &str, key: &str, values: &[&str]) -> Condition {
    let written = values.iter().map(|&value| value.to_owned()).collect();
    Condition::read(operator, key, written, true).expect("a condition")
}

fn one(operator: &str, values: &[&str], value: &str) -> Tri {
    let mut context = Context::open();
    context.set("aws:k", value);
    condition(operator, "aws:k", values).holds(&context)
}

fn many(operator: &str, values: &[&str], request: &[&str]) -> Tri {
    let mut context = Context::open();
    context.set_all("aws:k", request.iter().map(|&value| value.to_owned()).collect());
    condition(operator, "aws:k", values).holds(&context)
}

fn absent(operator: &str, values: &[&str]) -> Tri {
    condition(operator, "aws:k", values).holds(&Context::open())
}

#[test]
fn each_operator_compares_as_documented() {
    for (operator, policy, yes, no) in [
        ("StringEquals", "a*", "a*", "ab"),
        ("StringNotEquals", "a", "A", "a"),
        ("StringEqualsIgnoreCase", "Abc", "aBC", "abd"),
        ("StringNotEqualsIgnoreCase", "Abc", "x", "ABC"),
        ("StringLike", "a*c?", "abbcd", "ac"),
        ("StringNotLike", "a*", "b", "ab"),
        ("ArnEquals", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", "arn:aws:iam::2:role/a"),
        ("ArnLike", "arn:aws:iam::*:role/a", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b"),
        ("ArnNotEquals", "arn:aws:iam::1:role/*", "arn:aws:iam::2:role/a", "arn:aws:iam::1:role/a"),
        ("ArnNotLike", "arn:aws:iam::1:role/*", "arn:aws:iam::2:role/a", "arn:aws:iam::1:role/a"),
        ("NumericEquals", "10", "10.0", "11"),
        ("NumericNotEquals", "10", "11", "1e1"),
        ("NumericLessThan", "10", "9.99", "10"),
        ("NumericLessThanEquals", "10", "10", "10.01"),
        ("NumericGreaterThan", "10", "10.01", "10"),
        ("NumericGreaterThanEquals", "10", "10", "9"),
        ("DateEquals", "1970-01-01T00:00:00Z", "0", "1"),
        ("DateNotEquals", "1970-01-01T00:00:00Z", "1", "1970-01-01"),
        ("DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"),
        ("DateLessThanEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z"),
        ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ("Bool", "true", "true", "false"),
        ("IpAddress", "10.0.0.0/8", "10.1.1.1", "11.1.1.1"),
        ("NotIpAddress", "10.0.0.0/8", "11.1.1.1", "10.1.1.1"),
    ] {
        assert_eq!(one(operator, &[policy], yes), Tri::Yes, "{operator} {policy} {yes}");
        assert_eq!(one(operator, &[policy], no), Tri::No, "{operator} {policy} {no}");
        assert_eq!(one(&format!("{operator}IfExists"), &[policy], no), Tri::No, "{operator}IfExists");
    }
}

#[test]
fn values_are_ored_and_negated_ones_must_all_differ() {
    assert_eq!(one("StringEquals", &["a", "b"], "b"), Tri::Yes);
    assert_eq!(one("StringNotEquals", &["a", "b"], "b"), Tri::No);
    assert_eq!(one("StringNotEquals", &["a", "b"], "c"), Tri::Yes);
}

#[test]
fn an_absent_key_fails_positive_operators_and_passes_negated_ones() {
    assert_eq!(absent("StringEquals", &["a"]), Tri::No);
    assert_eq!(absent("StringNotEquals", &["a"]), Tri::Yes);
    assert_eq!(absent("NumericLessThan", &["1"]), Tri::No);
    assert_eq!(absent("NotIpAddress", &["10.0.0.1"]), Tri::Yes);
    assert_eq!(absent("StringEqualsIfExists", &["a"]), Tri::Yes);
    assert_eq!(absent("BoolIfExists", &["true"]), Tri::Yes);
}

#[test]
fn null_tells_absent_from_present() {
    assert_eq!(absent("Null", &["true"]), Tri::Yes);
    assert_eq!(absent("Null", &["false"]), Tri::No);
    assert_eq!(one("Null", &["true"], ""), Tri::No);
    assert_eq!(one("Null", &["false"], ""), Tri::Yes);
    assert_eq!(many("Null", &["true"], &[]), Tri::Yes);
    assert_eq!(many("Null", &["false"], &["a", "b"]), Tri::Yes);
}

#[test]
fn for_all_values_is_true_of_none_and_for_any_value_is_not() {
    assert_eq!(many("ForAllValues:StringEquals", &["a"], &[]), Tri::Yes);
    assert_eq!(absent("ForAllValues:StringEquals", &["a"]), Tri::Yes);
    assert_eq!(many("ForAllValues:StringEquals", &["a", "b"], &["a", "b", "a"]), Tri::Yes);
    assert_eq!(many("ForAllValues:StringEquals", &["a", "b"], &["a", "c"]), Tri::No);
    assert_eq!(many("ForAllValues:StringNotEquals", &["a", "b"], &["c", "d"]), Tri::Yes);
    assert_eq!(many("ForAllValues:StringNotEquals", &["a", "b"], &["c", "b"]), Tri::No);
    assert_eq!(many("ForAnyValue:StringEquals", &["a"], &[]), Tri::No);
    assert_eq!(absent("ForAnyValue:StringNotEquals", &["a"]), Tri::No);
    assert_eq!(many("ForAnyValue:StringEquals", &["a"], &["b", "a"]), Tri::Yes);
    assert_eq!(many("ForAnyValue:StringNotEquals", &["a"], &["a", "b"]), Tri::Yes);
    assert_eq!(many("ForAnyValue:StringNotEquals", &["a"], &["a"]), Tri::No);
    assert_eq!(absent("ForAnyValue:StringEqualsIfExists", &["a"]), Tri::Yes);
    assert_eq!(one("ForAllValues:StringEquals", &["a"], "a"), Tri::Yes);
    assert_eq!(one("ForAnyValue:StringEquals", &["a"], "b"), Tri::No);
}

#[test]
fn several_values_without_a_quantifier_are_not_known() {
    assert_eq!(many("StringEquals", &["a"], &["a"]), Tri::Yes);
    assert!(matches!(many("StringEquals", &["a"], &["a", "a"]), Tri::Unknown(_)));
    assert!(matches!(many("StringNotEquals", &["a"], &["b", "c"]), Tri::Unknown(_)));
}

#[test]
fn a_value_of_the_wrong_kind_matches_nothing_and_differs_from_nothing() {
    for (operator, policy) in [
        ("NumericEquals", "1"),
        ("DateLessThan", "1"),
        ("Bool", "true"),
        ("IpAddress", "::1"),
        ("ArnLike", "*"),
    ] {
        assert_eq!(one(operator, &[policy], "x"), Tri::No, "{operator}");
    }
    for (operator, policy) in
        [("NumericNotEquals", "1"), ("DateNotEquals", "1"), ("NotIpAddress", "::1"), ("ArnNotLike", "*")]
    {
        assert!(matches!(one(operator, &[policy], "x"), Tri::Unknown(_)), "{operator}");
    }
}

#[test]
fn a_missing_variable_matches_nothing_and_differs_from_nothing() {
    let variable = "${aws:PrincipalTag/t}";
    for operator in ["StringEquals", "StringLike", "StringEqualsIgnoreCase", "ForAnyValue:StringEquals"] {
        assert_eq!(one(operator, &[variable], ""), Tri::No, "{operator}");
        assert_eq!(one(operator, &[variable, "b"], "b"), Tri::Yes, "{operator}");
    }
    for operator in ["StringNotEquals", "StringNotLike", "ForAllValues:StringNotEquals"] {
        assert!(matches!(one(operator, &[variable], "x"), Tri::Unknown(_)), "{operator}");
        assert!(matches!(one(operator, &[variable, "b"], "x"), Tri::Unknown(_)), "{operator}");
        assert_eq!(one(operator, &[variable, "b"], "b"), Tri::No, "{operator}");
    }
    assert!(matches!(absent("StringNotEquals", &[variable]), Tri::Unknown(_)));
}

#[test]
fn an_unknown_key_is_not_known_to_any_operator() {
    let mut context = Context::open();
    context.set_unknown("aws:k", "cut");
    for operator in
        ["StringEquals", "StringNotEqualsIfExists", "ForAllValues:StringLike", "ForAnyValue:StringLike"]
    {
        let holds = condition(operator, "aws:k", &["a"]).holds(&context);
        assert_eq!(holds, Tri::Unknown("aws:k (cut)".to_owned()), "{operator}");
    }
    assert!(matches!(condition("Null", "aws:k", &["true"]).holds(&context), Tri::Unknown(_)));
}

#[test]
fn case_beyond_ascii_is_not_guessed() {
    assert_eq!(one("StringEqualsIgnoreCase", &["é"], "é"), Tri::Yes);
    assert!(matches!(one("StringEqualsIgnoreCase", &["é"], "É"), Tri::Unknown(_)));
    assert!(matches!(one("StringNotEqualsIgnoreCase", &["k"], "\u{212a}"), Tri::Unknown(_)));
    assert_eq!(one("StringEqualsIgnoreCase", &["é"], "x"), Tri::No);
}

#[test]
fn a_value_that_the_operator_cannot_read_is_refused() {
    let read = |operator, value: &str| Condition::read(operator, "aws:k", vec![value.to_owned()], true);
    for (operator, value) in [
        ("NumericEquals", "x"),
        ("DateLessThan", "soon"),
        ("Bool", "yes"),
        ("IpAddress", "10.0.0.0/40"),
        ("Null", "no"),
        ("ArnLike", "arn:aws:s3"),
    ] {
        assert!(matches!(read(operator, value), Err(ConditionError::Value { .. })), "{operator} {value}");
    }
    for operator in ["NumericEquals", "DateEquals", "Bool", "IpAddress", "Null"] {
        assert!(matches!(read(operator, "${aws:x}"), Err(ConditionError::Variable(_))), "{operator}");
    }
    assert_eq!(Condition::read("StringEquals", "tag", Vec::new(), true), Err(ConditionError::Key));
    assert_eq!(Condition::read("StringEquals", "aws:${x}", Vec::new(), true), Err(ConditionError::Key));
}
