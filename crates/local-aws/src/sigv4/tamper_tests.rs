//! A request that is not as it was signed is refused, whatever part was changed.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use local_http::{Body, Request};
use proptest::prelude::*;

use super::query::Query;
use crate::testing::{self, Signer, request};

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
enum Part {
    Method,
    Path,
    Query,
    Header,
    Target,
    Date,
    Token,
    Host,
    Authorization,
    Body,
}

const PARTS: [Part; 10] = [
    Part::Method,
    Part::Path,
    Part::Query,
    Part::Header,
    Part::Target,
    Part::Date,
    Part::Token,
    Part::Host,
    Part::Authorization,
    Part::Body,
];

#[derive(Debug, Clone)]
struct Plain {
    method: &'static str,
    path: String,
    query: String,
    header: String,
    body: String,
}

fn plain() -> impl Strategy<Value = Plain> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]);
    let path = "(/[a-zA-Z0-9_~-]([a-zA-Z0-9_.~-]|%[2-7][0-9A-F]){0,8}){1,4}";
    let query = "[a-z]{1,5}=([a-zA-Z0-9_.~-]|%[2-7][0-9A-F]){1,8}(&[a-z]{1,5}=[a-zA-Z0-9]{1,8}){0,2}";
    (method, path, query, "[!-~]( ?[!-~]){0,12}", "[ -~]{1,40}")
        .prop_map(|(method, path, query, header, body)| Plain { method, path, query, header, body })
}

fn signed(plain: &Plain, signer: &Signer) -> Request {
    let uri = format!("{}?{}", plain.path, plain.query);
    let headers = [("x-amz-target", "DynamoDB_20120810.PutItem"), ("my-header", &plain.header)];
    signer.sign(request(plain.method, &uri, &headers, &plain.body))
}

/// Changes one byte. `None` is a change that HTTP does not let through or that means the same.
fn tamper(request: &Request, part: Part, at: prop::sample::Index, to: u8) -> Option<Request> {
    let mut changed = request.clone();
    let mut header = |name: HeaderName| {
        let value = edit(request.headers.get(&name)?.as_bytes(), at, to)?;
        // Spaces around a value and runs of them are not part of it.
        let same =
            |value: &[u8]| value.split(|b| *b == b' ').filter(|p| !p.is_empty()).collect::<Vec<_>>().concat();
        let before = same(request.headers.get(&name)?.as_bytes());
        if same(&value) == before && name != header::AUTHORIZATION {
            return None;
        }
        changed.headers.insert(name, HeaderValue::from_bytes(&value).ok()?);
        Some(())
    };
    match part {
        Part::Header => header(HeaderName::from_static("my-header"))?,
        Part::Target => header(HeaderName::from_static("x-amz-target"))?,
        Part::Date => header(HeaderName::from_static("x-amz-date"))?,
        Part::Token => header(HeaderName::from_static("x-amz-security-token"))?,
        Part::Host => header(header::HOST)?,
        Part::Authorization => header(header::AUTHORIZATION)?,
        Part::Method => {
            changed.method = Method::from_bytes(&edit(request.method.as_str().as_bytes(), at, to)?).ok()?;
        }
        Part::Path => {
            let path = edit(request.uri.path().as_bytes(), at, to)?;
            let query = request.uri.query()?;
            changed.uri = uri(&[path.as_slice(), b"?", query.as_bytes()].concat())?;
        }
        Part::Query => {
            let query = edit(request.uri.query()?.as_bytes(), at, to)?;
            changed.uri = uri(&[request.uri.path().as_bytes(), b"?", &query].concat())?;
            let meaning = |uri: &Uri| Query::parse(uri.query()).map(|query| query.canonical(None));
            if meaning(&changed.uri) == meaning(&request.uri) {
                return None;
            }
        }
        Part::Body => {
            let Body::Whole(body) = &request.body else { return None };
            changed.body = Body::Whole(Bytes::from(edit(body, at, to)?));
        }
    }
    Some(changed)
}

fn edit(bytes: &[u8], at: prop::sample::Index, to: u8) -> Option<Vec<u8>> {
    let mut edited = bytes.to_vec();
    let byte = edited.get_mut(at.index(bytes.len()))?;
    if *byte == to {
        return None;
    }
    *byte = to;
    Some(edited)
}

fn uri(bytes: &[u8]) -> Option<Uri> {
    let uri = Uri::try_from(bytes).ok()?;
    // A target that no longer begins with a slash is another form of target.
    (uri.host().is_none() && uri.path().starts_with('/')).then_some(uri)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The signature is the SDK's, so both sides agree on every request and on none that was changed.
    #[test]
    fn any_changed_byte_is_refused(
        plain in plain(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), b' '..=b'~'), 10),
    ) {
        let (principals, _, verifier) = testing::verifier();
        let function = principals.issue_for_role("role", "function").expect("room");
        let request = signed(&plain, &Signer::of(&function, "dynamodb"));
        prop_assert!(verifier.verify(&request, None).is_ok(), "as signed: {:?}", verifier.verify(&request, None));
        for part in PARTS {
            for (at, to) in &changes {
                if let Some(changed) = tamper(&request, part, *at, *to) {
                    prop_assert!(verifier.verify(&changed, None).is_err(), "{part:?} as {changed:?}");
                }
            }
        }
    }

    #[test]
    fn any_changed_byte_of_a_presigned_request_is_refused(
        plain in plain(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), b' '..=b'~'), 30),
    ) {
        let (principals, _, verifier) = testing::verifier();
        let function = principals.issue_for_role("role", "function").expect("room");
        let signer =
            Signer { presigned_for: Some(std::time::Duration::from_mins(5)), ..Signer::of(&function, "dynamodb") };
        let request = signed(&plain, &signer);
        prop_assert!(verifier.verify(&request, None).is_ok(), "as signed: {:?}", verifier.verify(&request, None));
        for part in [Part::Method, Part::Path, Part::Query, Part::Header, Part::Host, Part::Body] {
            for (at, to) in &changes {
                if let Some(changed) = tamper(&request, part, *at, *to) {
                    prop_assert!(verifier.verify(&changed, None).is_err(), "{part:?} as {changed:?}");
                }
            }
        }
    }
}
