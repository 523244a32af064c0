//! What the store promises of uploads in parts.

use std::time::Duration;

use super::*;
use crate::s3::store::Reader;
use crate::s3::store::tests::{BUCKET, Bench};
use crate::testing::now;

const KEY: &str = "t/acme/video";
const ID: &str = "UPLOAD";
const HOUR: Duration = Duration::from_hours(1);

/// A part that may be followed by others.
fn large() -> Vec<u8> {
    vec![b'x'; 5 * 1_024 * 1_024]
}

fn begin(bench: &Bench, key: &str, id: &str, at: SystemTime) {
    let attributes = Attributes { content_type: Some("video/mp4".to_owned()), ..Attributes::default() };
    let new = NewUpload { bucket: BUCKET, key, id, attributes: &attributes, at };
    bench.store.create_upload(&new).expect("a bucket");
}

/// A store with one upload that has no parts.
fn begun() -> Bench {
    let bench = Bench::new();
    begin(&bench, KEY, ID, now());
    bench
}

/// Puts a part, and names it as the client does.
fn put_part(bench: &Bench, number: u16, bytes: &[u8]) -> ClaimedPart {
    let staged = bench.staged(bytes);
    let part = bench.store.put_part((BUCKET, KEY, ID), number, &staged, Some("sum"), now());
    let part = part.expect("an upload");
    assert_eq!((part.number, part.size, part.modified), (number, bytes.len() as u64, now()));
    ClaimedPart { number, etag: part.etag, sum: None }
}

fn complete(bench: &Bench, claimed: &[ClaimedPart]) -> Result<Object, StoreError> {
    let any = WriteCondition::default();
    bench.store.complete((BUCKET, KEY, ID), claimed, &any, now() + HOUR, |attributes, _, _| Ok(attributes))
}

/// The numbers of the parts that an upload has.
fn numbers(bench: &Bench) -> Vec<u16> {
    let parts = bench.store.parts(ID, 0, 100).expect("rows");
    parts.into_iter().map(|part| part.number).collect()
}

fn exists(bench: &Bench) -> bool {
    match bench.store.upload(BUCKET, KEY, ID) {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error, StoreError::NoSuchUpload), "{error}");
            false
        }
    }
}

#[test]
fn parts_become_one_object_in_the_order_of_their_numbers() {
    let bench = begun();
    let last = put_part(&bench, 7, b"the end");
    let first = put_part(&bench, 2, &large());
    let mut sealed = Vec::new();
    let any = WriteCondition::default();
    let seal = |attributes: Attributes, parts: &[PartSum], size: u64| {
        sealed = parts.iter().map(|part| (part.size, part.sum.clone())).collect();
        assert_eq!(size, 5 * 1_024 * 1_024 + 7);
        Ok(attributes)
    };
    let object = bench.store.complete((BUCKET, KEY, ID), &[first, last], &any, now() + HOUR, seal);
    let object = object.expect("two parts");
    let sum = Some("sum".to_owned());
    assert_eq!(sealed, [(5 * 1_024 * 1_024, sum.clone()), (7, sum)]);
    assert_eq!((object.size, object.modified), (5 * 1_024 * 1_024 + 7, now() + HOUR));
    assert_eq!((object.attributes.parts, object.segments.len()), (Some(2), 2));
    assert_eq!(object.attributes.content_type.as_deref(), Some("video/mp4"));
    // The MD5 of the parts' two MD5, computed apart.
    let md5: Vec<u8> = [Md5::checksum(&large()), Md5::checksum(b"the end")].concat();
    assert_eq!(object.etag, format!("{}-2", hex(&Md5::checksum(&md5))));
    assert_eq!(bench.read(KEY), [large(), b"the end".to_vec()].concat());
    assert!(!exists(&bench) && numbers(&bench).is_empty());
    bench.store.delete(BUCKET, KEY, None).expect("a bucket");
    assert_eq!((bench.files(), bench.staging()), (0, 0));
}

#[test]
fn parts_of_the_same_bytes_are_one_file_and_unclaimed_ones_go() {
    let bench = begun();
    let parts = [put_part(&bench, 1, &large()), put_part(&bench, 2, &large())];
    put_part(&bench, 3, b"unclaimed");
    assert_eq!(bench.files(), 2);
    let object = complete(&bench, &parts).expect("two parts");
    assert_eq!((bench.files(), object.size), (1, 10 * 1_024 * 1_024));
    let (object, pinned) = bench.store.pinned(BUCKET, KEY).expect("an object");
    let middle = 5 * 1_024 * 1_024;
    let mut reader = Reader::new(pinned, &object.segments, &(middle - 1..middle + 1));
    assert_eq!(crate::s3::store::tests::rest(&mut reader), b"xx");
}

#[test]
fn a_claim_that_is_not_right_completes_nothing() {
    let bench = begun();
    let (small, last) = (put_part(&bench, 1, b"small"), put_part(&bench, 2, b"last"));
    let claim = |part: &ClaimedPart| ClaimedPart { number: part.number, etag: part.etag.clone(), sum: None };
    let refused = |claimed: &[ClaimedPart]| {
        let error = complete(&bench, claimed).map(drop).expect_err("a wrong claim");
        assert!(exists(&bench));
        assert_eq!((numbers(&bench), bench.files()), (vec![1, 2], 2));
        assert!(matches!(bench.store.object(BUCKET, KEY), Err(StoreError::NoSuchKey)));
        error
    };
    assert!(matches!(refused(&[claim(&small), claim(&last)]), StoreError::PartTooSmall(1)));
    let missing = ClaimedPart { number: 3, ..claim(&last) };
    assert!(matches!(refused(&[missing]), StoreError::InvalidPart(3)));
    let another = ClaimedPart { etag: small.etag.clone(), ..claim(&last) };
    assert!(matches!(refused(&[another]), StoreError::InvalidPart(2)));
    let sum = ClaimedPart { sum: Some("other".to_owned()), ..claim(&last) };
    assert!(matches!(refused(&[sum]), StoreError::InvalidPart(2)));
    let right = ClaimedPart { sum: Some("sum".to_owned()), ..claim(&last) };
    assert_eq!(complete(&bench, &[right]).map(|object| object.size).expect("its own sum"), 4);
    assert_eq!(bench.files(), 1);
}

#[test]
fn what_must_hold_of_the_object_is_held_against_it_before_an_upload_ends() {
    let bench = begun();
    let part = put_part(&bench, 1, b"new");
    bench.put(KEY, b"old");
    let new = WriteCondition { if_match: None, must_be_new: true };
    let complete = |condition: &WriteCondition, sealed: Result<(), StoreError>| {
        let part = ClaimedPart { number: 1, etag: part.etag.clone(), sum: None };
        let seal = |attributes: Attributes, _: &[PartSum], _: u64| sealed.map(|()| attributes);
        bench.store.complete((BUCKET, KEY, ID), &[part], condition, now(), seal).map(drop)
    };
    assert!(matches!(complete(&new, Ok(())), Err(StoreError::PreconditionFailed("If-None-Match"))));
    let unsealed = Err(StoreError::BadDigest);
    assert!(matches!(complete(&WriteCondition::default(), unsealed), Err(StoreError::BadDigest)));
    assert!(exists(&bench));
    assert_eq!((bench.read(KEY), bench.files()), (b"old".to_vec(), 2));
    complete(&WriteCondition::default(), Ok(())).expect("an upload");
    assert_eq!((bench.read(KEY), bench.files()), (b"new".to_vec(), 1));
}

#[test]
fn a_part_that_is_put_again_replaces_the_one_before() {
    let bench = begun();
    let before = put_part(&bench, 1, b"before");
    let after = put_part(&bench, 1, b"after");
    assert_eq!((numbers(&bench), bench.files()), (vec![1], 1));
    assert!(matches!(complete(&bench, &[before]), Err(StoreError::InvalidPart(1))));
    put_part(&bench, 1, b"after");
    assert_eq!(bench.files(), 1, "the same bytes again");
    complete(&bench, &[after]).map(drop).expect("the part that is there");
    assert_eq!(bench.read(KEY), b"after");
}

#[test]
fn a_part_without_bytes_can_be_the_last() {
    let bench = begun();
    let part = put_part(&bench, 1, b"");
    let object = complete(&bench, &[part]).expect("one part");
    assert_eq!((object.size, bench.read(KEY)), (0, Vec::new()));
}

#[test]
fn an_upload_is_of_its_own_key_and_bucket_alone() {
    let bench = begun();
    bench.store.create_bucket("another", now()).expect("a new bucket");
    put_part(&bench, 1, b"bytes");
    for of in [(BUCKET, "t/globex/video", ID), (BUCKET, KEY, "OTHER"), ("another", KEY, ID)] {
        let (bucket, key, id) = of;
        let put = bench.store.put_part(of, 1, &bench.staged(b"others"), None, now()).map(drop);
        let any = WriteCondition::default();
        let completed = bench.store.complete(of, &[], &any, now(), |attributes, _, _| Ok(attributes));
        let read = bench.store.upload(bucket, key, id).map(drop);
        let aborted = bench.store.abort(bucket, key, id);
        for refused in [put, completed.map(drop), read, aborted] {
            assert!(matches!(refused, Err(StoreError::NoSuchUpload)), "{of:?}");
        }
    }
    assert_eq!((numbers(&bench), bench.files(), bench.staging()), (vec![1], 1, 0));
}

#[test]
fn an_upload_that_is_given_up_holds_no_file() {
    let bench = begun();
    put_part(&bench, 1, b"one");
    put_part(&bench, 2, b"two");
    let deleted = bench.store.delete_bucket(BUCKET);
    assert!(matches!(deleted, Err(StoreError::BucketNotEmpty)));
    bench.store.abort(BUCKET, KEY, ID).expect("an upload");
    assert!(!exists(&bench) && numbers(&bench).is_empty());
    assert_eq!(bench.files(), 0);
    assert!(matches!(bench.store.abort(BUCKET, KEY, ID), Err(StoreError::NoSuchUpload)));
    bench.store.delete_bucket(BUCKET).expect("an empty bucket");
}

#[test]
fn only_uploads_that_were_begun_before_a_time_are_given_up() {
    let bench = begun();
    put_part(&bench, 1, b"old");
    begin(&bench, "later", "LATER", now() + HOUR);
    bench.store.abort_older("another", now() + HOUR + HOUR).expect("rows");
    bench.store.abort_older(BUCKET, now()).expect("rows");
    assert!(exists(&bench));
    bench.store.abort_older(BUCKET, now() + HOUR).expect("rows");
    assert!(!exists(&bench));
    assert_eq!(bench.files(), 0);
    bench.store.upload(BUCKET, "later", "LATER").map(drop).expect("it is not older");
}

#[test]
fn uploads_are_listed_by_key_and_then_by_id() {
    let bench = Bench::new();
    for (key, id) in [("b", "2"), ("b", "1"), ("a/x", "4"), ("a/y", "5"), ("c", "3")] {
        begin(&bench, key, id, now());
    }
    let list = |prefix, delimiter, after, limit| {
        let listed = bench.store.uploads(BUCKET, (prefix, delimiter), after, limit);
        let ListedUploads { uploads, prefixes, is_truncated, last } = listed.expect("a bucket");
        let of_last = uploads.last().map(|upload| (upload.key.clone(), upload.id.clone()));
        let of_prefix = prefixes.last().map(|prefix| (prefix.clone(), String::new()));
        assert_eq!(last, of_last.max(of_prefix), "the last of the page");
        let uploads: Vec<String> =
            uploads.into_iter().map(|upload| format!("{} {}", upload.key, upload.id)).collect();
        (uploads.join(","), prefixes.join(","), is_truncated)
    };
    let answer =
        |uploads: &str, prefixes: &str, is_truncated| (uploads.to_owned(), prefixes.to_owned(), is_truncated);
    assert_eq!(list("", "", ("", ""), 9), answer("a/x 4,a/y 5,b 1,b 2,c 3", "", false));
    assert_eq!(list("", "/", ("", ""), 9), answer("b 1,b 2,c 3", "a/", false));
    assert_eq!(list("a/", "/", ("", ""), 9), answer("a/x 4,a/y 5", "", false));
    assert_eq!(list("", "", ("", ""), 3), answer("a/x 4,a/y 5,b 1", "", true));
    assert_eq!(list("", "", ("b", "1"), 9), answer("b 2,c 3", "", false));
    assert_eq!(list("", "", ("b", ""), 9), answer("c 3", "", false));
    assert_eq!(list("", "/", ("", ""), 1), answer("", "a/", true));
    assert_eq!(list("", "/", ("a/", ""), 9), answer("b 1,b 2,c 3", "", false));
}

#[test]
fn parts_are_paged_by_their_numbers() {
    let bench = begun();
    for number in [10_000, 1, 300] {
        put_part(&bench, number, b"part");
    }
    let page = |after, limit| {
        let parts = bench.store.parts(ID, after, limit).expect("rows");
        parts.iter().map(|part| part.number).collect::<Vec<_>>()
    };
    assert_eq!((page(0, 2), page(300, 2), page(10_000, 2)), (vec![1, 300], vec![10_000], vec![]));
}
