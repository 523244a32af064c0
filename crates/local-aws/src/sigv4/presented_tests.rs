use super::*;

#[test]
fn a_credential_has_five_parts_of_their_form() {
    let (key, scope) =
        parse_credential("AKIDEXAMPLE/20150830/us-east-1/service/aws4_request").expect("whole");
    assert_eq!(key, "AKIDEXAMPLE");
    assert_eq!((scope.region.as_str(), scope.service.as_str()), ("us-east-1", "service"));
    for malformed in [
        "",
        "AKIDEXAMPLE",
        "AKIDEXAMPLE/20150830/us-east-1/aws4_request",
        "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request/more",
        "/20150830/us-east-1/service/aws4_request",
        "AKID-EXAMPLE/20150830/us-east-1/service/aws4_request",
        "AKIDEXAMPLE/2015083/us-east-1/service/aws4_request",
        "AKIDEXAMPLE/2015083O/us-east-1/service/aws4_request",
        "AKIDEXAMPLE/20150830/US-EAST-1/service/aws4_request",
        "AKIDEXAMPLE/20150830/us-east-1//aws4_request",
    ] {
        assert!(parse_credential(malformed).is_err(), "{malformed}");
    }
}

#[test]
fn signed_headers_are_distinct_sorted_and_few() {
    assert_eq!(parse_signed_headers("host;x-amz-date").expect("sorted").len(), 2);
    let many: Vec<String> = (0..=MAX_SIGNED_HEADERS).map(|number| format!("h{number:03}")).collect();
    for malformed in ["", "host;host", "x-amz-date;host", "Host", "host;", ";host", "ho st", &many.join(";")]
    {
        assert!(parse_signed_headers(malformed).is_err(), "{malformed}");
    }
    assert!(parse_signed_headers(&many[1..].join(";")).is_ok());
}

#[test]
fn a_signature_is_sixty_four_lower_case_digits() {
    assert_eq!(parse_signature(&"0f".repeat(32)), Ok([15; 32]));
    for malformed in ["", "0f", &"0F".repeat(32), &"0g".repeat(32), &"0f".repeat(33), &"é".repeat(32)] {
        assert!(parse_signature(malformed).is_err(), "{malformed}");
    }
}

#[test]
fn a_time_is_in_the_basic_format_and_comes_back_the_same() {
    let time = Timestamp::parse("20261124T115959Z").expect("a time");
    assert_eq!((time.date(), Timestamp::format(time.at).as_str()), ("20261124", "20261124T115959Z"));
    for malformed in [
        "",
        "2026-11-24T11:59:59Z",
        "20261124T115959",
        "20261324T115959Z",
        "+20261124T115959Z",
        "20261124T115960Z",
    ] {
        assert!(Timestamp::parse(malformed).is_err(), "{malformed}");
    }
}

#[test]
fn an_expiry_is_one_second_to_seven_days() {
    assert_eq!(parse_expires("1"), Ok(Duration::from_secs(1)));
    assert_eq!(parse_expires("604800"), Ok(MAX_EXPIRES));
    for malformed in ["", "0", "604801", "-1", "+1", "1.5", "99999999999999999999"] {
        assert!(parse_expires(malformed).is_err(), "{malformed}");
    }
}

#[test]
fn tokens_are_bounded_and_masked() {
    assert!(parse_token(&"t".repeat(MAX_TOKEN)).is_ok());
    assert_eq!(parse_token(&"t".repeat(MAX_TOKEN + 1)).unwrap_err(), SignatureError::UnrecognizedClient);
}
