use std::sync::{Arc, Mutex};

use http::HeaderValue;
use local_http::{Body, Request};

use super::*;
use crate::testing::{REGION, Signer, now, request, verifier};

const MINUTE: Duration = Duration::from_mins(1);

fn get_item() -> Request {
    request("POST", "/", &[("x-amz-target", "DynamoDB_20120810.GetItem")], "{}")
}

/// What the verifier says to a request that was signed by the administrator, after a change.
fn after(change: impl FnOnce(&mut Request)) -> Result<Verified, SignatureError> {
    let (_, admin, verifier) = verifier();
    let mut request = Signer::of(&admin, "dynamodb").sign(get_item());
    change(&mut request);
    verifier.verify(&request, None)
}

fn signed_by(change: impl FnOnce(&mut Signer)) -> Result<Verified, SignatureError> {
    let (_, admin, verifier) = verifier();
    let mut signer = Signer::of(&admin, "dynamodb");
    change(&mut signer);
    verifier.verify(&signer.sign(get_item()), None)
}

fn set(request: &mut Request, name: &'static str, value: &str) {
    request.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
}

#[test]
fn a_signed_request_names_its_principal_service_and_region() {
    let verified = after(|_| ()).expect("as signed");
    assert_eq!(verified.principal.arn, "arn:aws:iam::123456789012:user/local-admin");
    assert_eq!((verified.service.as_str(), verified.region.as_str()), ("dynamodb", REGION));
    assert_eq!(verified.signed_at, now());
}

#[test]
fn a_request_without_a_signature_is_missing_its_token() {
    let (_, _, verifier) = verifier();
    let refused = verifier.verify(&get_item(), None);
    assert_eq!(refused.unwrap_err(), SignatureError::MissingAuthenticationToken);
}

#[test]
fn other_mechanisms_are_refused() {
    for authorization in [
        "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=",
        "AWS4-ECDSA-P256-SHA256 Credential=a/20261124/s3/aws4_request, SignedHeaders=host, Signature=00",
        "Bearer token",
        "",
    ] {
        let refused = after(|request| set(request, "authorization", authorization));
        assert_eq!(refused.unwrap_err(), SignatureError::UnsupportedMechanism, "{authorization}");
    }
    let (_, _, verifier) = verifier();
    let legacy = request("GET", "/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1&Signature=x", &[], "");
    assert_eq!(verifier.verify(&legacy, None).unwrap_err(), SignatureError::UnsupportedMechanism);
}

#[test]
fn an_unknown_key_and_a_wrong_secret_are_told_apart_by_name_only() {
    let unknown = signed_by(|signer| signer.access_key_id = "AKIAAAAAAAAAAAAAAAAA".to_owned());
    assert_eq!(unknown.unwrap_err(), SignatureError::UnrecognizedClient);
    let wrong = signed_by(|signer| signer.secret = "wrong".to_owned());
    assert_eq!(wrong.unwrap_err(), SignatureError::SignatureDoesNotMatch);
}

#[test]
fn a_session_needs_its_own_token() {
    let (principals, admin, verifier) = verifier();
    let function = principals.issue_for_role("role", "function").expect("room");
    let other = principals.issue_for_role("role", "function").expect("room");
    let with = |token: Option<&str>, principal| {
        let signer = Signer { token: token.map(ToOwned::to_owned), ..Signer::of(principal, "dynamodb") };
        verifier.verify(&signer.sign(get_item()), None).map(|verified| verified.principal.arn.clone())
    };
    let own = function.session_token.as_ref().expect("a session").expose();
    let foreign = other.session_token.as_ref().expect("a session").expose();
    assert_eq!(with(Some(own), &function), Ok(function.arn.clone()));
    for (token, principal) in [(None, &function), (Some(foreign), &function), (Some(own), &admin)] {
        assert_eq!(with(token, principal), Err(SignatureError::UnrecognizedClient));
    }
}

#[test]
fn a_signature_holds_for_fifteen_minutes_of_real_time_in_both_directions() {
    for at in [now() - 15 * MINUTE, now() + 15 * MINUTE] {
        assert!(signed_by(|signer| signer.at = at).is_ok());
    }
    let second = Duration::from_secs(1);
    let old = signed_by(|signer| signer.at = now() - 15 * MINUTE - second).unwrap_err();
    assert_eq!(
        old.to_string(),
        "Signature expired: 20261124T114459Z is now earlier than 20261124T114500Z \
         (20261124T120000Z - 15 min.)"
    );
    let early = signed_by(|signer| signer.at = now() + 15 * MINUTE + second).unwrap_err();
    assert!(matches!(early, SignatureError::SignatureNotYetCurrent { .. }), "{early}");
}

#[test]
fn a_scope_is_of_this_region_this_day_and_the_expected_service() {
    let elsewhere = signed_by(|signer| signer.region = "us-east-1".to_owned());
    assert!(matches!(elsewhere, Err(SignatureError::InvalidSignature(_))));
    let yesterday = after(|request| {
        let authorization = request.headers["authorization"].to_str().expect("text");
        let authorization = authorization.replace("/20261124/", "/20261123/");
        set(request, "authorization", &authorization);
    });
    assert!(matches!(yesterday, Err(SignatureError::InvalidSignature(_))));
    let (_, admin, verifier) = verifier();
    let request = Signer::of(&admin, "dynamodb").sign(get_item());
    assert!(verifier.verify(&request, Some("dynamodb")).is_ok());
    let refused = verifier.verify(&request, Some("execute-api"));
    assert!(matches!(refused, Err(SignatureError::InvalidSignature(_))));
}

#[test]
fn host_and_every_amz_header_must_be_signed() {
    let added = after(|request| set(request, "x-amz-acl", "public-read"));
    assert!(added.unwrap_err().to_string().ends_with("not signed: x-amz-acl"));
    let without_host = after(|request| {
        let authorization = request.headers["authorization"].to_str().expect("text");
        let authorization = authorization.replace("SignedHeaders=host;", "SignedHeaders=");
        set(request, "authorization", &authorization);
    });
    assert!(without_host.unwrap_err().to_string().starts_with("'Host' must be"));
    let absent = after(|request| drop(request.headers.remove("x-amz-target")));
    assert_eq!(
        absent.unwrap_err(),
        SignatureError::SignedHeaderMissing(http::HeaderName::from_static("x-amz-target"))
    );
}

#[test]
fn headers_that_are_read_once_may_stand_once_only() {
    for name in ["authorization", "host", "x-amz-date"] {
        let doubled = after(|request| {
            let value = request.headers[name].clone();
            request.headers.append(name, value);
        });
        assert!(matches!(doubled, Err(SignatureError::IncompleteSignature(_))), "{name}");
    }
}

#[test]
fn a_declared_hash_must_be_the_bodys() {
    let hash = canonical::sha256_hex(b"{}");
    for (declared, is_right) in [(hash.as_str(), true), ("UNSIGNED-PAYLOAD", false), ("", false)] {
        let (_, admin, verifier) = verifier();
        let mut request = get_item();
        set(&mut request, "x-amz-content-sha256", declared);
        match verifier.verify(&Signer::of(&admin, "dynamodb").sign(request), None) {
            Ok(_) => assert!(is_right, "{declared}"),
            Err(error) => {
                assert!(!is_right && error == SignatureError::PayloadMismatch, "{declared}: {error}");
            }
        }
    }
}

#[test]
fn a_body_that_was_not_kept_is_refused() {
    let refused = after(|request| request.body = Body::TooLarge);
    assert_eq!(refused.unwrap_err(), SignatureError::BodyTooLarge);
}

#[test]
fn a_presigned_request_is_good_until_it_expires() {
    let (principals, _, verifier) = verifier();
    let function = principals.issue_for_role("role", "function").expect("room");
    let presigned = |at, expires| {
        let signer = Signer { at, presigned_for: Some(expires), ..Signer::of(&function, "execute-api") };
        signer.sign(request("GET", "/v1/tenants?limit=10&status=a%20b", &[], ""))
    };
    let verify =
        |request: &Request| verifier.verify(request, None).map(|verified| verified.principal.arn.clone());
    assert_eq!(verify(&presigned(now() - 59 * MINUTE, 60 * MINUTE)), Ok(function.arn.clone()));
    assert_eq!(verify(&presigned(now() - 61 * MINUTE, 60 * MINUTE)), Err(SignatureError::RequestExpired));
    let too_long = presigned(now(), Duration::from_hours(7 * 24) + MINUTE);
    assert!(matches!(verify(&too_long), Err(SignatureError::IncompleteSignature(_))));
    let early = presigned(now() + 16 * MINUTE, 60 * MINUTE);
    assert!(matches!(verify(&early), Err(SignatureError::SignatureNotYetCurrent { .. })));
}

#[test]
fn a_request_with_two_signatures_is_refused() {
    let (_, admin, verifier) = verifier();
    let signer = Signer { presigned_for: Some(MINUTE), ..Signer::of(&admin, "dynamodb") };
    let mut both = signer.sign(get_item());
    set(&mut both, "authorization", "AWS4-HMAC-SHA256 Credential=a");
    assert!(verifier.verify(&both, None).unwrap_err().to_string().starts_with("Found both"));
    let doubled = signer.sign(get_item());
    let uri = format!("{}&X-Amz-Expires=604800", doubled.uri).parse().expect("a URI");
    let refused = verifier.verify(&Request { uri, ..doubled }, None);
    assert!(matches!(refused, Err(SignatureError::IncompleteSignature(_))));
}

#[test]
fn s3_signs_a_path_as_it_is_and_may_leave_the_payload_out() {
    let (_, admin, verifier) = verifier();
    let key = "/bucket/a%20b/../c//d";
    for payload in ["UNSIGNED-PAYLOAD".to_owned(), canonical::sha256_hex(b"body")] {
        let object = request("PUT", key, &[("x-amz-content-sha256", &payload)], "body");
        assert!(verifier.verify_s3(&Signer::of(&admin, "s3").sign(object)).is_ok());
    }
    let signer = Signer { presigned_for: Some(MINUTE), ..Signer::of(&admin, "s3") };
    assert!(verifier.verify_s3(&signer.sign(request("PUT", key, &[], "any body"))).is_ok());
    let undeclared = Signer::of(&admin, "s3").sign(request("PUT", key, &[], "body"));
    assert!(matches!(verifier.verify_s3(&undeclared), Err(SignatureError::IncompleteSignature(_))));
    assert!(matches!(verifier.verify(&undeclared, None), Err(SignatureError::InvalidSignature(_))));
}

/// A clock whose stack time was moved ahead at a real time.
struct Jumped {
    by: Duration,
    at: SystemTime,
    real: Mutex<SystemTime>,
}

impl Clock for Jumped {
    fn now(&self) -> SystemTime {
        *self.real.lock().expect("no panic")
    }

    fn stack_time(&self, real: SystemTime) -> SystemTime {
        if real >= self.at { real + self.by } else { real }
    }
}

#[test]
fn sessions_and_presigned_requests_expire_by_the_stacks_time_and_signatures_do_not() {
    let (principals, admin, _) = verifier();
    let function = principals.issue_for_role("role", "function").expect("room");
    let session = Principal {
        access_key_id: "ASIA0000000000000000".to_owned(),
        expires_at: Some(now() + 30 * MINUTE),
        ..(*function).clone()
    };
    let session = principals.insert(session).expect("room");
    let jump = now() + 5 * MINUTE;
    let clock = Arc::new(Jumped { by: 60 * MINUTE, at: jump, real: Mutex::new(now()) });
    let verifier = Verifier::new(principals, REGION, Arc::clone(&clock) as _).expect("random numbers");
    let verify = |signer: &Signer| verifier.verify(&signer.sign(get_item()), None).map(drop);
    let presigned = Signer { presigned_for: Some(20 * MINUTE), ..Signer::of(&admin, "dynamodb") };
    assert_eq!(verify(&presigned), Ok(()));
    assert_eq!(verify(&Signer::of(&session, "dynamodb")), Ok(()));
    *clock.real.lock().expect("no panic") = jump;
    assert_eq!(verify(&presigned), Err(SignatureError::RequestExpired));
    assert_eq!(verify(&Signer::of(&session, "dynamodb")), Err(SignatureError::ExpiredToken));
    assert_eq!(verify(&Signer::of(&admin, "dynamodb")), Ok(()));
    let anew = Signer { at: jump, ..presigned };
    assert_eq!(verify(&anew), Ok(()), "signed after the jump");
}
