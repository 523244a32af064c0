//! What a copy of the store holds, and what loading one does.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::s3::store::tests::{BUCKET, Bench, rest};
use crate::s3::store::{Attributes, NewUpload};
use crate::testing::now;

const UPLOAD: (&str, &str, &str) = (BUCKET, "video", "UPLOAD");

/// A store with an object, an empty one, and an upload that has a part.
fn filled() -> Bench {
    let bench = Bench::new();
    bench.put("a", b"saved");
    bench.put("empty", b"");
    let (bucket, key, id) = UPLOAD;
    let attributes = Attributes::default();
    let new = NewUpload { bucket, key, id, attributes: &attributes, at: now() };
    bench.store.create_upload(&new).expect("a bucket");
    bench.store.put_part(UPLOAD, 1, &bench.staged(b"part"), None, now()).map(drop).expect("an upload");
    bench
}

fn saved(store: &Store) -> (TempDir, std::path::PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("snapshot").join("s3");
    store.save(&path).expect("room");
    (folder, path)
}

fn assert_is_as_filled(bench: &Bench) {
    assert_eq!((bench.read("a"), bench.read("empty")), (b"saved".to_vec(), Vec::new()));
    assert!(bench.store.object(BUCKET, "b").is_err());
    assert!(!bench.store.has_bucket("another").expect("rows"));
    let parts = bench.store.parts(UPLOAD.2, 0, 9).expect("rows");
    assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1]);
    assert_eq!((bench.files(), bench.staging()), (3, 0));
}

#[test]
fn a_store_is_again_as_it_was_saved() {
    let bench = filled();
    let (_folder, snapshot) = saved(&bench.store);
    for _ in 0..2 {
        bench.put("a", b"another");
        bench.put("b", b"new");
        bench.store.delete(BUCKET, "empty", None).expect("a bucket");
        bench.store.abort(UPLOAD.0, UPLOAD.1, UPLOAD.2).expect("an upload");
        bench.store.create_bucket("another", now()).expect("a new bucket");
        bench.store.load(&snapshot).expect("a snapshot");
        assert_is_as_filled(&bench);
    }
}

#[test]
fn a_snapshot_outlives_the_store_that_it_was_saved_from() {
    let bench = filled();
    let (_folder, snapshot) = saved(&bench.store);
    bench.store.delete(BUCKET, "a", None).expect("a bucket");
    drop(bench);
    let fresh = Bench::new();
    fresh.put("b", b"another's");
    fresh.store.load(&snapshot).expect("a snapshot");
    assert_is_as_filled(&fresh);
    fresh.put("b", b"saved");
    assert_eq!(fresh.files(), 3, "references are counted on");
    fresh.store.delete(BUCKET, "a", None).expect("a bucket");
    fresh.store.delete(BUCKET, "b", None).expect("a bucket");
    assert_eq!(fresh.files(), 2);
}

#[test]
fn a_reader_reads_on_while_a_snapshot_is_loaded() {
    let bench = filled();
    let (_folder, snapshot) = saved(&bench.store);
    let bytes = vec![7; 700 * 1_024];
    bench.put("big", &bytes);
    let (mut gone, kept) = (bench.reader("big"), bench.reader("a"));
    let begun = gone.next().expect("the file is there").expect("bytes");
    bench.store.load(&snapshot).expect("a snapshot");
    assert_eq!(bench.files(), 4, "the reader has one");
    assert_eq!([&begun[..], &rest(&mut gone)].concat(), bytes);
    drop((gone, kept));
    assert_is_as_filled(&bench);
}

#[test]
fn a_snapshot_from_before_there_were_buckets_empties_the_store() {
    let bench = filled();
    bench.store.load(&bench.folder.path().join("none")).expect("nothing to load");
    assert_eq!((bench.store.buckets().expect("rows"), bench.files()), (vec![], 0));
    bench.store.create_bucket(BUCKET, now()).expect("a new bucket");
    bench.put("a", b"bytes");
    assert_eq!(bench.read("a"), b"bytes");
}

#[test]
fn a_store_in_memory_is_saved_and_loaded_too() {
    let store = Store::open(None).expect("a temporary folder");
    let bench = filled();
    let (_folder, snapshot) = saved(&bench.store);
    store.load(&snapshot).expect("a snapshot");
    let (_again, snapshot) = saved(&store);
    drop(Arc::into_inner(store).expect("nobody reads"));
    bench.put("a", b"another");
    bench.store.load(&snapshot).expect("a snapshot");
    assert_is_as_filled(&bench);
}

#[test]
fn what_is_set_of_buckets_is_as_it_was_saved_and_goes_with_its_bucket() {
    let bench = filled();
    let set = |value: &str| bench.store.set_bucket(BUCKET, "lifecycle", value).expect("a bucket");
    let all = || bench.store.bucket_settings().expect("rows");
    set("1");
    let before = all();
    let (_folder, snapshot) = saved(&bench.store);
    set("2");
    assert_ne!(all(), before);
    bench.store.load(&snapshot).expect("a snapshot");
    assert_eq!(all(), before);
    assert!(matches!(bench.store.set_bucket("none", "cors", "[]"), Err(StoreError::NoSuchBucket)));
    bench.store.create_bucket("another", now()).expect("a new bucket");
    bench.store.set_bucket("another", "cors", "[]").expect("a bucket");
    bench.store.delete_bucket("another").expect("it is empty");
    assert_eq!(all(), before);
}
