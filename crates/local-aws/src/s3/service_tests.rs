//! The whole service over a socket: signatures, bodies in all their forms, and what is kept of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Checksum as _, Md5};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::testing::{LONG, Server, UNSIGNED, real, sha256, signed};
use super::*;
use crate::testing::{Signer, request};

const TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

#[tokio::test]
async fn an_object_is_put_read_in_parts_described_and_deleted() {
    let server = Server::start().await;
    let body = b"0123456789".as_slice();
    let put = request("PUT", "/files/t/acme/a%20b", &[("content-type", "text/plain")], "");
    let answer = server.ask(&signed(&server.signer(), put, &sha256(body)), body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let etag = answer.header("etag").expect("a tag").to_owned();
    let read = server.admin("GET", "/files/t/acme/a%20b", &[]).await;
    assert_eq!((read.status, read.body.as_slice(), read.header("etag")), (200, body, Some(&*etag)));
    let (some, range) = (("range", "bytes=2-4"), Some("bytes 2-4/10"));
    let part = server.admin("GET", "/files/t/acme/a%20b", &[some]).await;
    assert_eq!((part.status, part.body.as_slice(), part.header("content-range")), (206, &body[2..5], range));
    let head = server.admin("HEAD", "/files/t/acme/a%20b", &[some]).await;
    assert_eq!(
        (head.status, head.header("content-length"), head.header("content-range")),
        (206, Some("3"), range)
    );
    assert!(head.body.is_empty());
    let head = server.admin("HEAD", "/files/t/acme/a%20b", &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    let unchanged = server.admin("GET", "/files/t/acme/a%20b", &[("if-none-match", &etag)]).await;
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some(&*etag)));
    let beyond = server.admin("GET", "/files/t/acme/a%20b", &[("range", "bytes=10-")]).await;
    assert_eq!(beyond.code(), (416, "InvalidRange".to_owned()));
    assert_eq!(server.admin("DELETE", "/files/t/acme/a%20b", &[]).await.status, 204);
    let gone = server.admin("GET", "/files/t/acme/a%20b", &[]).await;
    assert_eq!(gone.code(), (404, "NoSuchKey".to_owned()));
    server.holds_nothing().await;
}

#[tokio::test]
async fn a_body_that_is_not_the_declared_one_is_refused_and_nothing_is_written() {
    let server = Server::start().await;
    // One that is read before anything is done, and one that is written while it arrives.
    for length in [1_000, 1_500_000] {
        let (declared, sent) = (vec![b'a'; length], vec![b'b'; length]);
        let put = || request("PUT", "/files/t/acme/a", &[], "");
        let request = signed(&server.signer(), put(), &sha256(&declared));
        let refused = server.ask(&request, &sent).await;
        assert_eq!(refused.code(), (400, "XAmzContentSHA256Mismatch".to_owned()), "{length}");
        server.holds_nothing().await;
        assert_eq!(server.ask(&request, &declared).await.status, 200, "the declared one");
        server.admin("DELETE", "/files/t/acme/a", &[]).await;
    }
}

#[tokio::test]
async fn a_checksum_that_is_not_the_bodys_is_refused_and_nothing_is_written() {
    let server = Server::start().await;
    for (header, wrong) in [
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
    ] {
        let put = request("PUT", "/files/t/acme/a", &[(header, wrong)], "");
        let answer = server.ask(&signed(&server.signer(), put, UNSIGNED), b"body").await;
        assert_eq!(answer.code(), (400, "BadDigest".to_owned()), "{header}");
        server.holds_nothing().await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let server = Server::start().await;
    let put = signed(&server.signer(), request("PUT", "/files/t/acme/a", &[], ""), UNSIGNED);
    let sending = server.send(&put, 3_000_000, &vec![b'x'; 1_000_000]).await;
    server.until((1, 0)).await;
    drop(sending);
    server.holds_nothing().await;
    let mut short = server.send(&put, 1_000, b"half").await;
    short.shutdown().await.expect("a socket");
    let mut answer = Vec::new();
    // The client is told so, or the connection ends.
    let _ = timeout(LONG, short.read_to_end(&mut answer)).await.expect("in time");
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    server.holds_nothing().await;
}

/// A body in one chunk, with a checksum behind it.
fn chunked(body: &str, checksum: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n", body.len())
}

#[tokio::test]
async fn a_checksum_behind_a_body_in_chunks_is_held_against_it() {
    let server = Server::start().await;
    let put = |length: &str| {
        let headers = [
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", length),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        signed(&server.signer(), request("PUT", "/files/t/acme/a", &headers, ""), TRAILER)
    };
    // The CRC-32 of `123456789` is y/Q5Jg==.
    let wrong = server.ask(&put("9"), chunked("123456789", "AAAAAA==").as_bytes()).await;
    assert_eq!(wrong.code(), (400, "BadDigest".to_owned()));
    server.holds_nothing().await;
    let longer = server.ask(&put("10"), chunked("123456789", "y/Q5Jg==").as_bytes()).await;
    assert_eq!(longer.code(), (400, "IncompleteBody".to_owned()));
    server.holds_nothing().await;
    let bare = server.ask(&put("9"), b"9\r\n123456789\r\n0\r\n\r\n").await;
    assert_eq!(bare.code(), (400, "MalformedTrailerError".to_owned()));
    server.holds_nothing().await;
    let cut = chunked("123456789", "y/Q5Jg==");
    let cut = server.ask(&put("9"), &cut.as_bytes()[..8]).await;
    assert_eq!(cut.code(), (400, "IncompleteBody".to_owned()));
    server.holds_nothing().await;
    let right = server.ask(&put("9"), chunked("123456789", "y/Q5Jg==").as_bytes()).await;
    assert_eq!(right.status, 200, "{}", right.text());
    let read = server.admin("GET", "/files/t/acme/a", &[("x-amz-checksum-mode", "ENABLED")]).await;
    assert_eq!((read.body.as_slice(), read.header("content-encoding")), (b"123456789".as_slice(), None));
    assert_eq!(read.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
}

#[tokio::test]
async fn a_request_without_a_signature_of_version_4_is_refused() {
    let server = Server::start().await;
    let unsigned = server.ask(&request("GET", "/files/t/acme/a", &[("host", "h")], ""), b"").await;
    assert_eq!(unsigned.status, 403);
    let header = [("host", "h"), ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl")];
    let query = "/files/t/acme/a?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=c2ln&Expires=4000000000";
    for old in [request("PUT", "/files/t/acme/a", &header, ""), request("PUT", query, &[("host", "h")], "")] {
        let answer = server.ask(&old, b"body").await;
        assert!(matches!(answer.status, 400 | 403), "{}", answer.text());
        assert!(answer.text().contains("Please use AWS4-HMAC-SHA256"), "{}", answer.text());
    }
    let signer = Signer { secret: "wrong".to_owned(), ..server.signer() };
    let forged = signed(&signer, request("PUT", "/files/t/acme/a", &[], ""), UNSIGNED);
    assert_eq!(server.ask(&forged, b"body").await.code(), (403, "SignatureDoesNotMatch".to_owned()));
    server.holds_nothing().await;
}

#[tokio::test]
async fn a_presigned_request_ends_by_the_stacks_clock() {
    let server = Server::start().await;
    let presigned = Signer { presigned_for: Some(Duration::from_mins(15)), ..server.signer() };
    let put = presigned.sign(request("PUT", "/files/t/acme/a", &[("content-type", "text/plain")], ""));
    let get = presigned.sign(request("GET", "/files/t/acme/a?response-content-type=a%2Fb", &[], ""));
    assert_eq!(server.ask(&put, b"body").await.status, 200);
    let read = server.ask(&get, b"").await;
    assert_eq!((read.status, read.header("content-type"), &*read.body), (200, Some("a/b"), &b"body"[..]));
    *server.clock.0.lock().expect("no panic") = Some((real(), Duration::from_mins(16)));
    for expired in [put, get] {
        assert_eq!(server.ask(&expired, b"").await.code(), (403, "AccessDenied".to_owned()));
    }
    let anew = Signer { at: real() + Duration::from_secs(1), ..presigned };
    assert_eq!(server.ask(&anew.sign(request("GET", "/files/t/acme/a", &[], "")), b"").await.status, 200);
}

#[tokio::test]
async fn what_a_role_may_not_do_is_denied_before_anything_is_written() {
    let server = Server::start().await;
    let function = server.principals.issue_for_role("tenant", "function").expect("room");
    let signer = Signer { at: real(), ..Signer::of(&function, "s3") };
    let ask = async |method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]| {
        let answer = server.ask(&signed(&signer, request(method, target, headers, ""), UNSIGNED), body).await;
        answer.status
    };
    let copied = [("x-amz-copy-source", "/files/t/globex/a")];
    assert_eq!(ask("PUT", "/files/t/globex/a", &[], b"body").await, 403);
    assert_eq!(ask("PUT", "/files/t/acme/a", &copied, b"").await, 403, "the source is read");
    assert_eq!(ask("PUT", "/files/t/acme/a", &[("x-amz-tagging", "a=b")], b"body").await, 403);
    server.holds_nothing().await;
    assert_eq!(ask("PUT", "/files/t/acme/a", &[], b"body").await, 200);
    assert_eq!(ask("GET", "/files/t/acme/a", &[], b"").await, 200);
    assert_eq!(ask("GET", "/files/t/acme/missing", &[], b"").await, 403, "who may not list is not told");
    assert_eq!(ask("GET", "/files?list-type=2&prefix=t/acme/", &[], b"").await, 403);
    assert_eq!(ask("DELETE", "/files/t/acme/a", &[], b"").await, 403);
    let batch = b"<Delete><Object><Key>t/acme/a</Key></Object></Delete>";
    let md5 = STANDARD.encode(Md5::checksum(batch));
    let headers = [("content-md5", md5.as_str())];
    let refused = signed(&signer, request("POST", "/files?delete", &headers, ""), &sha256(batch));
    assert!(server.ask(&refused, batch).await.text().contains("AccessDenied"));
    assert_eq!(ask("GET", "/files/t/acme/a", &[], b"").await, 200);
}

#[tokio::test]
async fn what_a_bucket_is_given_holds_or_is_refused() {
    let server = Server::start().await;
    let place = "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint>\
                 </CreateBucketConfiguration>";
    let cors = "<CORSConfiguration><CORSRule><AllowedMethod>PUT</AllowedMethod>\
                <AllowedOrigin>https://a.example</AllowedOrigin></CORSRule></CORSConfiguration>";
    let lifecycle = |prefix: &str| {
        format!(
            "<LifecycleConfiguration><Rule><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>\
             <AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
             </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>"
        )
    };
    let encryption = |algorithm: &str| {
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>{algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
             </ServerSideEncryptionConfiguration>"
        )
    };
    let ownership = |of: &str| {
        format!("<OwnershipControls><Rule><ObjectOwnership>{of}</ObjectOwnership></Rule></OwnershipControls>")
    };
    let no_access = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
                     </PublicAccessBlockConfiguration>";
    let refused = (501, "NotImplemented".to_owned());
    for (target, body, expected) in [
        ("/none?cors", cors.to_owned(), (404, "NoSuchBucket".to_owned())),
        ("/none?policy", "{}".to_owned(), (404, "NoSuchBucket".to_owned())),
        ("/own", place.to_owned(), (200, String::new())),
        ("/own", place.to_owned(), (409, "BucketAlreadyOwnedByYou".to_owned())),
        ("/own?cors", cors.to_owned(), (200, String::new())),
        ("/own?lifecycle", lifecycle(""), (200, String::new())),
        ("/own?lifecycle", lifecycle("logs/"), refused.clone()),
        ("/own?encryption", encryption("AES256"), (200, String::new())),
        ("/own?encryption", encryption("aws:kms"), refused.clone()),
        ("/own?ownershipControls", ownership("BucketOwnerEnforced"), (200, String::new())),
        ("/own?ownershipControls", ownership("ObjectWriter"), refused.clone()),
        ("/own?publicAccessBlock", no_access.to_owned(), (200, String::new())),
        ("/own?policy", "no policy".to_owned(), (400, "MalformedPolicy".to_owned())),
        // What holds for the template's bucket is the template's to say.
        ("/files?cors", cors.to_owned(), refused.clone()),
        ("/files?lifecycle", lifecycle(""), refused.clone()),
    ] {
        let put = request("PUT", target, &[], "");
        let answer =
            server.ask(&signed(&server.signer(), put, &sha256(body.as_bytes())), body.as_bytes()).await;
        assert_eq!(answer.code(), expected, "{target} {body}");
    }
    let allowed = async |bucket: &str| {
        let read =
            server.admin("GET", &format!("/{bucket}?location"), &[("origin", "https://a.example")]).await;
        let put = server.admin("PUT", &format!("/{bucket}/a"), &[("origin", "https://a.example")]).await;
        [read, put].map(|answer| answer.header("access-control-allow-origin").map(ToOwned::to_owned))
    };
    assert_eq!(allowed("own").await, [None, Some("https://a.example".to_owned())]);
    assert_eq!(allowed("files").await, [None, None]);
    for target in ["/own/a", "/own"] {
        assert_eq!(server.admin("DELETE", target, &[]).await.status, 204);
    }
    let again = request("PUT", "/own", &[], "");
    let again = signed(&server.signer(), again, &sha256(place.as_bytes()));
    assert_eq!(server.ask(&again, place.as_bytes()).await.status, 200);
    assert_eq!(allowed("own").await, [None, None], "a new bucket has nothing of an old one");
}
