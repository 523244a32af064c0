use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parsed(answer: &Value) -> Response {
    parse(answer.to_string().as_bytes(), false).expect("a proxy response")
}

fn reason(answer: &str) -> String {
    parse(answer.as_bytes(), false).expect_err("no proxy response").0.into_owned()
}

fn values(response: &Response, name: &str) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).expect("UTF-8");
    response.headers().get_all(name).iter().map(text).collect()
}

#[test]
fn what_is_no_object_is_refused_m() {
    for answer in ["null", "[]", "[200]", "\"text\"", "7", "", "{", "{} {}", "\u{feff}{}"] {
        assert_eq!(reason(answer), "the answer is no JSON object", "{answer}");
    }
}

#[test]
fn an_unknown_field_is_refused_m() {
    assert_eq!(reason(r#"{"statusCode":200,"cookies":null}"#), "`cookies` is no field of a response");
}

#[test]
fn multi_value_headers_must_be_lists_m() {
    assert_eq!(reason(r#"{"multiValueHeaders":{"a":"b"}}"#), "a value of `multiValueHeaders` is no list");
}

#[test]
fn a_status_code_that_is_not_numeric_is_refused_m() {
    for status in [r#""OK""#, r#""""#, "true", "{}", "[200]", "200.5", "-200", r#""+200""#] {
        assert_eq!(reason(&format!(r#"{{"statusCode":{status}}}"#)), "`statusCode` is no status", "{status}");
    }
}

#[test]
fn a_status_code_that_ends_no_response_is_refused_a() {
    for status in [0, 99, 100, 199, 600, 1000, 65_736] {
        assert_eq!(reason(&json!({ "statusCode": status }).to_string()), "`statusCode` is no status");
    }
}

#[test]
fn a_missing_status_is_200_and_a_numeric_string_is_a_number_m() {
    assert_eq!(parsed(&json!({})).status(), 200);
    assert_eq!(parsed(&json!({ "statusCode": "201" })).status(), 201);
    assert_eq!(parsed(&json!({ "statusCode": 404 })).status(), 404);
}

#[test]
fn null_headers_and_boolean_header_values_are_accepted_m() {
    let response = parsed(&json!({ "headers": null, "multiValueHeaders": null, "body": null }));
    assert_eq!(response.headers().len(), 1);
    let response = parsed(&json!({ "headers": { "X-Flag": true, "X-Count": 7 } }));
    assert_eq!(values(&response, "x-flag"), ["true"]);
    assert_eq!(values(&response, "x-count"), ["7"]);
}

#[test]
fn values_of_the_wrong_type_are_refused_a() {
    for field in [r#""body":{}"#, r#""body":7"#, r#""headers":[]"#, r#""isBase64Encoded":"true""#] {
        assert!(reason(&format!("{{{field}}}")).ends_with("has a value of the wrong type"), "{field}");
    }
    assert_eq!(reason(r#"{"headers":{"a":{}}}"#), "a header's value is no text");
}

#[test]
fn headers_that_http_cannot_carry_are_refused_a() {
    assert_eq!(reason(r#"{"headers":{"a b":"c"}}"#), "a header's name is no token");
    assert_eq!(
        reason(r#"{"headers":{"a":"b\r\nSet-Cookie: c"}}"#),
        "a header's value holds a control character"
    );
}

#[test]
fn multi_values_come_first_and_the_single_one_last_m() {
    let response = parsed(&json!({
        "headers": { "x-a": "3", "x-b": "single" },
        "multiValueHeaders": { "X-A": ["1", "2"], "X-C": [] },
    }));
    assert_eq!(values(&response, "x-a"), ["1", "2", "3"]);
    assert_eq!(values(&response, "x-b"), ["single"]);
    assert!(!response.headers().contains_key("x-c"));
}

#[test]
fn a_single_value_that_is_among_the_multi_values_is_not_repeated_d() {
    let response = parsed(&json!({ "headers": { "x-a": "1" }, "multiValueHeaders": { "x-a": ["1", "2"] } }));
    assert_eq!(values(&response, "x-a"), ["1", "2"]);
}

#[test]
fn the_default_content_type_is_json_m() {
    assert_eq!(values(&parsed(&json!({})), "content-type"), ["application/json"]);
    let html = parsed(&json!({ "headers": { "Content-Type": "text/html" } }));
    assert_eq!(values(&html, "content-type"), ["text/html"]);
}

#[test]
fn headers_of_the_server_are_remapped_s() {
    let response = parsed(&json!({ "headers": {
        "Connection": "close", "Content-Length": "999", "Date": "now", "Server": "mine",
        "Transfer-Encoding": "chunked",
    } }));
    for (name, value) in
        [("connection", "close"), ("content-length", "999"), ("date", "now"), ("server", "mine")]
    {
        assert_eq!(values(&response, &format!("x-amzn-remapped-{name}")), [value]);
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert!(!response.headers().contains_key("transfer-encoding"));
}

#[test]
fn a_base64_body_is_decoded_only_where_binary_is_accepted_m() {
    let answer = json!({ "body": "//4=", "isBase64Encoded": true }).to_string();
    assert_eq!(parse(answer.as_bytes(), true).expect("a response").body().as_ref(), b"\xff\xfe");
    assert_eq!(parse(answer.as_bytes(), false).expect("a response").body().as_ref(), b"//4=");
    let broken = json!({ "body": "not base64!", "isBase64Encoded": true }).to_string();
    let refused = parse(broken.as_bytes(), true).expect_err("no base64");
    assert_eq!(refused, Malformed::because("`body` is no base64"));
}

#[test]
fn a_body_passes_through_unchanged() {
    let body = "{\"n\": 1.10, \"big\": 12345678901234567890123,\r\n\t\"s\": \"ü\\u0000😀\"}";
    assert_eq!(parsed(&json!({ "body": body })).body().as_ref(), body.as_bytes());
}

#[test]
fn an_answer_over_the_limit_is_refused_m() {
    let frame = r#"{"body":""}"#.len();
    let answer = |length: usize| format!(r#"{{"body":"{}"}}"#, "x".repeat(length - frame));
    assert!(parse(answer(MAX_PAYLOAD_BYTES).as_bytes(), false).is_ok());
    assert_eq!(reason(&answer(MAX_PAYLOAD_BYTES + 1)), "the answer exceeds 6291556 bytes");
}

proptest! {
    #[test]
    fn merging_loses_no_value_and_keeps_the_order(
        multi in prop::collection::btree_map("x-[a-d]", prop::collection::vec("[!-~]{1,6}", 0..4), 0..4),
        single in prop::collection::btree_map("x-[a-d]", "[!-~]{1,6}", 0..4),
    ) {
        let merged = parsed(&json!({ "headers": single, "multiValueHeaders": multi }));
        for name in multi.keys().chain(single.keys()) {
            let mut expected = multi.get(name).cloned().unwrap_or_default();
            if let Some(value) = single.get(name).filter(|value| !expected.contains(value)) {
                expected.push(value.clone());
            }
            prop_assert_eq!(values(&merged, name), expected);
        }
    }

    #[test]
    fn no_answer_makes_it_panic(
        answer in prop::collection::vec(any::<u8>(), 0..64),
        binary in any::<bool>(),
    ) {
        let _ = parse(&answer, binary);
    }
}
