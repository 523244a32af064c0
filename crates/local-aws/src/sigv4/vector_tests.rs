//! The published vectors: what AWS signs so, is verified so.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use local_http::Request;

use super::{SignatureError, Verifier};
use crate::Secret;
use crate::principals::{Principal, PrincipalKind, Principals};
use crate::testing::request;

const SUITE: &str = include_str!("../../testdata/aws-sig-v4-test-suite.txt");
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

struct Vector {
    name: String,
    request: Request,
    token: Option<String>,
}

/// 2015-08-30T12:36:00Z.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_mins(24_015_636)
}

fn vectors() -> Vec<Vector> {
    SUITE.split("\n=== ").skip(1).map(read).collect()
}

fn read(text: &str) -> Vector {
    let (name, text) = text.split_once('\n').expect("a name");
    let (sent, authorization) = text.split_once("\nExpected: ").expect("an expected header");
    let (head, body) = sent.split_once("\n\n").unwrap_or((sent, ""));
    let mut lines = head.lines();
    let mut request_line = lines.next().expect("a request line").split(' ');
    let (method, uri) = (request_line.next().expect("a method"), request_line.next().expect("a target"));
    let mut headers: Vec<(&str, &str)> = Vec::new();
    for line in lines {
        let last = headers.last().map(|(name, _)| *name);
        headers.push(match line.strip_prefix(' ') {
            // HTTP has no folded lines any more (RFC 9112, 5.2). The suite's canonical form of one is that of
            // a value each, which is how it can still reach a server.
            Some(folded) => (last.expect("a header before its fold"), folded.trim()),
            None => line.split_once(':').expect("a header"),
        });
    }
    let token = headers.iter().find(|(name, _)| *name == "X-Amz-Security-Token");
    let token = token.map(|(_, token)| (*token).to_owned());
    headers.push(("authorization", authorization.trim_end()));
    Vector { name: name.to_owned(), request: request(method, uri, &headers, body), token }
}

fn verifier(secret: &str, token: Option<&str>) -> Verifier {
    let principals = Principals::new("123456789012");
    principals
        .insert(Principal {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new(secret),
            session_token: token.map(Secret::new),
            arn: "arn:aws:iam::123456789012:user/example".to_owned(),
            account_id: "123456789012".to_owned(),
            user_id: "AIDAEXAMPLE".to_owned(),
            kind: PrincipalKind::Admin,
            expires_at: None,
        })
        .expect("room");
    Verifier::new(Arc::new(principals), "us-east-1", Arc::new(then)).expect("random numbers")
}

#[test]
fn every_vector_is_verified() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 30, "the suite is whole");
    let mut refused = String::new();
    for vector in &vectors {
        let verifier = verifier(SECRET, vector.token.as_deref());
        match verifier.verify(&vector.request, Some("service")) {
            Ok(accepted) => {
                assert_eq!((accepted.service.as_str(), accepted.region.as_str()), ("service", "us-east-1"));
                assert_eq!(accepted.signed_at, then());
            }
            Err(error) => writeln!(refused, "{}: {error}", vector.name).expect("a string takes text"),
        }
    }
    assert!(refused.is_empty(), "{refused}");
}

#[test]
fn no_vector_is_verified_under_another_secret() {
    for vector in vectors() {
        let verifier = verifier("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEX", vector.token.as_deref());
        let refused = verifier.verify(&vector.request, Some("service"));
        assert!(matches!(refused, Err(SignatureError::SignatureDoesNotMatch)), "{}", vector.name);
    }
}
