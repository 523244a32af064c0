use super::*;

const FULL: Syntax = Syntax { wildcards: true, variables: true };

fn is_match(pattern: &str, text: &str) -> bool {
    let template = Template::read(pattern, FULL).expect("a pattern");
    template.matches(&Context::open(), text, Case::Matters) == Ok(true)
}

fn tagged(value: &str) -> Context {
    let mut context = Context::open();
    context.set("aws:PrincipalTag/t", value);
    context
}

#[test]
fn a_star_takes_any_run_and_a_question_mark_one_character() {
    for (pattern, text) in [
        ("*", ""),
        ("a*c", "ac"),
        ("a*c", "abbc"),
        ("a?c", "aßc"),
        ("*b*", "abc"),
        ("a*b*c", "axbxbc"),
        ("", ""),
    ] {
        assert!(is_match(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("a?c", "ac"), ("a*c", "abcd"), ("?", ""), ("", "a"), ("ab*ab", "ab"), ("*?", "")]
    {
        assert!(!is_match(pattern, text), "{pattern} {text}");
    }
}

#[test]
fn many_stars_take_no_exponential_time() {
    let pattern = "a*".repeat(200) + "b";
    assert!(!is_match(&pattern, &"a".repeat(5_000)));
}

#[test]
fn what_a_variable_expands_to_is_no_pattern() {
    let template = Template::read("x/${aws:PrincipalTag/t}/*", FULL).expect("a pattern");
    let matches = |tag, text| template.matches(&tagged(tag), text, Case::Matters) == Ok(true);
    assert!(matches("*", "x/*/y"));
    assert!(!matches("*", "x/acme/y"));
    assert!(matches("a?c", "x/a?c/"));
    assert!(!matches("a?c", "x/abc/"));
    assert!(matches("${*}", "x/${*}/"));
}

#[test]
fn the_escapes_stand_for_one_literal_character() {
    assert!(is_match("a${*}b${?}c${$}", "a*b?c$"));
    assert!(!is_match("a${*}b", "axb"));
    assert!(!is_match("a${?}b", "axb"));
    assert!(is_match("${$}{x}", "${x}"));
    assert!(is_match("$x$", "$x$"));
}

#[test]
fn a_missing_variable_is_doubt_unless_it_has_a_default() {
    let missing = Template::read("${aws:PrincipalTag/t}*", FULL).expect("a pattern");
    assert!(matches!(missing.matches(&Context::open(), "x", Case::Matters), Err(Doubt::Missing(_))));
    for text in ["${aws:PrincipalTag/t, 'no one * }'}", "${aws:PrincipalTag/t,'no one * }' }"] {
        let template = Template::read(text, FULL).expect("a pattern");
        assert_eq!(template.matches(&Context::open(), "no one * }", Case::Matters), Ok(true));
        assert_eq!(template.matches(&Context::open(), "no one x }", Case::Matters), Ok(false));
        assert_eq!(template.matches(&tagged("acme"), "acme", Case::Matters), Ok(true));
    }
}

#[test]
fn an_empty_tag_is_a_value_and_takes_no_default() {
    let template = Template::read("a/${aws:PrincipalTag/t, 'x'}", FULL).expect("a pattern");
    assert_eq!(template.matches(&tagged(""), "a/", Case::Matters), Ok(true));
}

#[test]
fn a_variable_of_a_multivalued_key_is_not_known() {
    let mut context = Context::open();
    context.set_all("aws:TagKeys", vec!["one".to_owned()]);
    let template = Template::read("${aws:TagKeys}", FULL).expect("a pattern");
    assert!(matches!(template.matches(&context, "one", Case::Matters), Err(Doubt::Unknown(_))));
}

#[test]
fn a_malformed_variable_is_refused() {
    for text in [
        "${",
        "${}",
        "${aws:x",
        "${username}",
        "${aws:x, default}",
        "${aws:x, 'a}",
        "${aws:x,}",
        "${ aws:x}",
        "${aws:x }",
        "${aws:${aws:y}}",
        "${aws:x, 'a' b}",
        "${:x}",
        "${aws:}",
        "${**}",
        "${aws:*}",
    ] {
        assert!(Template::read(text, FULL).is_err(), "{text}");
    }
}

#[test]
fn without_variables_their_syntax_is_text() {
    let syntax = Syntax { wildcards: true, variables: false };
    let template = Template::read("${aws:x}", syntax).expect("a pattern");
    assert_eq!(template.matches(&Context::open(), "${aws:x}", Case::Matters), Ok(true));
    let template = Template::read("${*}", syntax).expect("a pattern");
    assert_eq!(template.matches(&Context::open(), "${anything}", Case::Matters), Ok(true));
}
