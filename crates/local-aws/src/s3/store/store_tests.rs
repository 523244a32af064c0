//! What the store promises of objects and of the files that hold them.

use std::time::Duration;

use s3s::dto::{ETag, ETagCondition};
use tempfile::TempDir;

use super::*;
use crate::s3::hex;
use crate::testing::now;

pub(super) const BUCKET: &str = "files";

/// A store in a folder that can be looked into.
pub(super) struct Bench {
    pub(super) store: Arc<Store>,
    pub(super) folder: TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = Store::open(Some(folder.path())).expect("an empty folder");
        store.create_bucket(BUCKET, now()).expect("a new bucket");
        Self { store, folder }
    }

    /// The folder, opened again as after the end of the process.
    fn reopened(self) -> Self {
        let Self { store, folder } = self;
        drop(store);
        let store = Store::open(Some(folder.path())).expect("the folder of a store");
        Self { store, folder }
    }

    pub(super) fn staged(&self, bytes: &[u8]) -> Staged {
        let mut staging = self.store.stage().expect("a file");
        staging.write(bytes).expect("room");
        staging.finish()
    }

    fn put_if(&self, key: &str, bytes: &[u8], condition: &WriteCondition) -> Result<Object, StoreError> {
        let staged = self.staged(bytes);
        self.store.put(new_object(key, hex(&staged.md5)), &staged, condition)
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> Object {
        self.put_if(key, bytes, &WriteCondition::default()).expect("room")
    }

    /// An object with a segment for each piece.
    fn put_in_segments(&self, key: &str, pieces: &[&[u8]]) -> Object {
        let made = self.store.change(|change| {
            let mut segments = Vec::new();
            for piece in pieces {
                segments.push(change.take(&self.staged(piece))?);
            }
            change.replace(new_object(key, "etag".to_owned()), segments)
        });
        made.expect("room")
    }

    fn delete(&self, key: &str) {
        self.store.delete(BUCKET, key, None).expect("a bucket");
    }

    pub(super) fn reader(&self, key: &str) -> Reader {
        let (object, pinned) = self.store.pinned(BUCKET, key).expect("an object");
        Reader::new(pinned, &object.segments, &(0..object.size))
    }

    pub(super) fn read(&self, key: &str) -> Vec<u8> {
        rest(&mut self.reader(key))
    }

    /// How many files the blobs have.
    pub(super) fn files(&self) -> usize {
        files_below(&self.folder.path().join("blobs"))
    }

    /// How many files are being written.
    pub(super) fn staging(&self) -> usize {
        files_below(&self.folder.path().join("staging"))
    }

    /// How many references there are to the first blob of an object.
    fn refs(&self, object: &Object) -> i64 {
        let id = object.segments.first().expect("bytes").blob;
        let inner = self.store.lock();
        let refs =
            inner
                .db
                .query_row("SELECT refs FROM blobs WHERE id = ?1", params![id.as_bytes()], |row| row.get(0));
        refs.unwrap_or(0)
    }
}

fn new_object(key: &str, etag: String) -> NewObject<'_> {
    NewObject { bucket: BUCKET, key, etag, attributes: Attributes::default(), at: now() }
}

pub(super) fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

/// What a reader has still to give.
pub(super) fn rest(reader: &mut Reader) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().expect("the file is there") {
        all.extend_from_slice(&chunk);
    }
    all
}

fn must_be_new() -> WriteCondition {
    WriteCondition { if_match: None, must_be_new: true }
}

fn if_match(condition: ETagCondition) -> WriteCondition {
    WriteCondition { if_match: Some(condition), must_be_new: false }
}

fn strong(etag: &str) -> ETagCondition {
    ETagCondition::ETag(ETag::Strong(etag.to_owned()))
}

#[test]
fn an_object_is_kept_with_all_that_it_was_put_with() {
    let bench = Bench::new();
    let attributes = Attributes {
        content_type: Some("text/plain".to_owned()),
        metadata: [("name".to_owned(), "värde".to_owned())].into(),
        parts: Some(3),
        ..Attributes::default()
    };
    for key in ["a", "t/acme/a b", "//", ".", "..", "\u{0}\u{10FFFF}", "%2F", &"é".repeat(512)] {
        let staged = bench.staged(key.as_bytes());
        let etag = hex(&staged.md5);
        let at = now() + Duration::from_millis(700);
        let new = NewObject { bucket: BUCKET, key, etag: etag.clone(), attributes: attributes.clone(), at };
        bench.store.put(new, &staged, &WriteCondition::default()).expect("room");
        let object = bench.store.object(BUCKET, key).expect("an object");
        assert_eq!((object.size, &object.etag, object.modified), (key.len() as u64, &etag, now()), "{key:?}");
        assert_eq!(object.attributes, attributes);
        assert_eq!(bench.read(key), key.as_bytes());
    }
}

#[test]
fn the_same_bytes_are_one_file_until_the_last_reference_goes() {
    let bench = Bench::new();
    let object = bench.put("a", b"the same");
    bench.put("b", b"the same");
    assert_eq!((bench.files(), bench.refs(&object)), (1, 2));
    bench.delete("a");
    assert_eq!((bench.files(), bench.refs(&object)), (1, 1));
    assert_eq!(bench.read("b"), b"the same");
    bench.delete("b");
    assert_eq!((bench.files(), bench.refs(&object)), (0, 0));
    bench.delete("b");
    assert!(matches!(bench.store.object(BUCKET, "b"), Err(StoreError::NoSuchKey)));
}

#[test]
fn overwriting_keeps_the_file_of_the_same_bytes_and_removes_that_of_others() {
    let bench = Bench::new();
    let object = bench.put("a", b"first");
    bench.put("a", b"first");
    assert_eq!((bench.files(), bench.refs(&object)), (1, 1));
    assert_eq!(bench.read("a"), b"first");
    let second = bench.put("a", b"second");
    assert_eq!((bench.files(), bench.refs(&object), bench.refs(&second)), (1, 0, 1));
    assert_eq!(bench.read("a"), b"second");
    assert_eq!(bench.staging(), 0);
}

#[test]
fn an_object_without_bytes_is_read_as_one() {
    let bench = Bench::new();
    let object = bench.put("a", b"");
    bench.put("b", b"");
    assert_eq!((object.size, bench.files(), bench.refs(&object), bench.staging()), (0, 1, 2, 0));
    assert_eq!(bench.read("a"), b"");
    bench.put("a", b"bytes");
    assert_eq!((bench.read("a"), bench.read("b")), (b"bytes".to_vec(), Vec::new()));
}

#[test]
fn a_reader_reads_on_whatever_becomes_of_the_object() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..=250).cycle().take(600 * 1_024).collect();
    bench.put("a", &bytes);
    let (mut first, mut second) = (bench.reader("a"), bench.reader("a"));
    let begun = first.next().expect("the file is there").expect("bytes");
    bench.put("a", b"new");
    assert_eq!(bench.files(), 2);
    assert_eq!(rest(&mut second), bytes);
    drop(second);
    bench.delete("a");
    assert_eq!(bench.files(), 1, "the first reader has it still");
    assert_eq!([&begun[..], &rest(&mut first)].concat(), bytes);
    drop(first);
    assert_eq!(bench.files(), 0);
}

#[test]
fn a_file_that_is_referred_to_again_outlives_its_reader() {
    let bench = Bench::new();
    bench.put("a", b"bytes");
    let reader = bench.reader("a");
    bench.delete("a");
    bench.put("b", b"bytes");
    drop(reader);
    assert_eq!((bench.files(), bench.read("b")), (1, b"bytes".to_vec()));
}

#[test]
fn every_range_of_an_object_in_segments_is_read() {
    let bench = Bench::new();
    let object = bench.put_in_segments("a", &[b"abc", b"", b"d", b"efghi", b"abc"]);
    assert_eq!((object.size, bench.files(), bench.refs(&object)), (12, 4, 2));
    let whole = b"abcdefghiabc";
    for start in 0..=whole.len() {
        for end in start..=whole.len() {
            let (object, pinned) = bench.store.pinned(BUCKET, "a").expect("an object");
            let mut reader = Reader::new(pinned, &object.segments, &(start as u64..end as u64));
            assert_eq!(rest(&mut reader), &whole[start..end]);
        }
    }
    bench.delete("a");
    assert_eq!(bench.files(), 0);
}

#[test]
fn a_file_that_was_cut_off_is_an_error_and_no_shorter_object() {
    let bench = Bench::new();
    let object = bench.put("a", b"all of it");
    let path = bench.store.blobs.path(object.segments[0].blob);
    std::fs::write(path, b"all of").expect("a file");
    assert!(bench.reader("a").next().is_err());
    bench.put("b", b"all of it");
    assert_eq!(bench.read("a"), b"all of it", "the same bytes came again");
}

#[test]
fn a_put_whose_condition_does_not_hold_changes_nothing() {
    let bench = Bench::new();
    let etag = bench.put("a", b"old").etag;
    let refused = |key: &str, condition: &WriteCondition| {
        let error = bench.put_if(key, b"new", condition).map(drop).expect_err("a condition");
        assert_eq!((bench.files(), bench.staging(), bench.read("a")), (1, 0, b"old".to_vec()));
        assert!(matches!(bench.store.object(BUCKET, "b"), Err(StoreError::NoSuchKey)));
        error
    };
    assert!(matches!(refused("a", &must_be_new()), StoreError::PreconditionFailed("If-None-Match")));
    let other = if_match(strong("0123456789abcdef0123456789abcdef"));
    assert!(matches!(refused("a", &other), StoreError::PreconditionFailed("If-Match")));
    let weak = if_match(ETagCondition::ETag(ETag::Weak(etag.clone())));
    assert!(matches!(refused("a", &weak), StoreError::PreconditionFailed("If-Match")));
    for missing in [if_match(strong(&etag)), if_match(ETagCondition::Any)] {
        assert!(matches!(refused("b", &missing), StoreError::NoSuchKey));
    }
    bench.put_if("b", b"new", &must_be_new()).map(drop).expect("it is new");
    bench.put_if("a", b"new", &if_match(strong(&etag))).map(drop).expect("it is that one");
    bench.put_if("a", b"newer", &if_match(ETagCondition::Any)).map(drop).expect("there is one");
    assert_eq!((bench.files(), bench.read("a")), (2, b"newer".to_vec()));
}

#[test]
fn a_delete_whose_condition_does_not_hold_deletes_nothing() {
    let bench = Bench::new();
    let etag = bench.put("a", b"old").etag;
    let delete = |key: &str, etag: &str| bench.store.delete(BUCKET, key, Some(&strong(etag)));
    assert!(matches!(delete("a", "other"), Err(StoreError::PreconditionFailed("If-Match"))));
    assert!(matches!(delete("b", &etag), Err(StoreError::NoSuchKey)));
    assert_eq!(bench.read("a"), b"old");
    delete("a", &etag).expect("it is that one");
    assert_eq!(bench.files(), 0);
}

#[test]
fn what_is_not_put_leaves_no_file() {
    let bench = Bench::new();
    drop(bench.store.stage().expect("a file"));
    let staged = bench.staged(b"bytes");
    assert_eq!(bench.staging(), 1);
    let new = NewObject { bucket: "none", ..new_object("a", "etag".to_owned()) };
    let refused = bench.store.put(new, &staged, &WriteCondition::default());
    assert!(matches!(refused, Err(StoreError::NoSuchBucket)));
    drop(staged);
    assert_eq!((bench.files(), bench.staging()), (0, 0));
}

#[test]
fn a_copy_shares_the_bytes_and_outlives_its_source() {
    let bench = Bench::new();
    let source = bench.put_in_segments("a", &[b"abc", b"def"]);
    let copy = |from: &str, to: &str, condition: &WriteCondition| {
        let make = |source: &Object| Ok(new_object(to, source.etag.clone()));
        bench.store.copy((BUCKET, from), condition, (BUCKET, to), make).map(drop)
    };
    copy("a", "b", &WriteCondition::default()).expect("a source");
    assert_eq!((bench.files(), bench.refs(&source)), (2, 2));
    copy("a", "a", &WriteCondition::default()).expect("a source");
    assert_eq!((bench.files(), bench.refs(&source), bench.read("a")), (2, 2, b"abcdef".to_vec()));
    let refused = copy("a", "b", &must_be_new());
    assert!(matches!(refused, Err(StoreError::PreconditionFailed(_))));
    assert!(matches!(copy("none", "b", &WriteCondition::default()), Err(StoreError::NoSuchKey)));
    let make = |_: &Object| Err(StoreError::TooLarge);
    let refused = bench.store.copy((BUCKET, "a"), &WriteCondition::default(), (BUCKET, "c"), make);
    assert!(matches!(refused, Err(StoreError::TooLarge)));
    assert_eq!(bench.refs(&source), 2, "what was refused holds nothing");
    bench.delete("a");
    assert_eq!((bench.files(), bench.read("b")), (2, b"abcdef".to_vec()));
}

#[test]
fn an_edit_changes_the_attributes_alone() {
    let bench = Bench::new();
    let before = bench.put("a", b"bytes");
    let tags = [("kind".to_owned(), "report".to_owned())];
    bench.store.edit(BUCKET, "a", |attributes| attributes.tags = tags.clone().into()).expect("an object");
    let after = bench.store.object(BUCKET, "a").expect("an object");
    assert_eq!(after.attributes.tags, std::collections::BTreeMap::from(tags));
    assert_eq!((after.etag, after.modified), (before.etag, before.modified));
    assert!(matches!(bench.store.edit(BUCKET, "b", |_| {}), Err(StoreError::NoSuchKey)));
}

#[test]
fn a_bucket_is_deleted_only_when_it_holds_nothing() {
    let bench = Bench::new();
    bench.put("a", b"bytes");
    assert!(matches!(bench.store.create_bucket(BUCKET, now()), Err(StoreError::BucketExists)));
    assert!(matches!(bench.store.delete_bucket(BUCKET), Err(StoreError::BucketNotEmpty)));
    assert!(matches!(bench.store.delete_bucket("none"), Err(StoreError::NoSuchBucket)));
    bench.delete("a");
    bench.store.create_bucket("another", now()).expect("a new bucket");
    bench.store.delete_bucket(BUCKET).expect("an empty bucket");
    assert_eq!(bench.store.buckets().expect("rows"), [("another".to_owned(), now())]);
}

#[test]
fn what_was_put_is_there_after_a_crash_and_what_was_not_is_swept() {
    let bench = Bench::new();
    bench.put("a", b"kept");
    bench.put("empty", b"");
    std::fs::write(bench.folder.path().join("staging/half"), b"ha").expect("a file");
    // A blob that has its name, and whose row was never committed.
    bench.store.blobs.place(&bench.staged(b"lost")).expect("room");
    assert_eq!((bench.files(), bench.staging()), (3, 1));
    let bench = bench.reopened();
    assert_eq!((bench.files(), bench.staging()), (2, 0));
    assert_eq!((bench.read("a"), bench.read("empty")), (b"kept".to_vec(), Vec::new()));
}

#[test]
fn a_store_without_a_folder_ends_with_all_its_files() {
    let store = Store::open(None).expect("a temporary folder");
    store.create_bucket(BUCKET, now()).expect("a new bucket");
    let mut staging = store.stage().expect("a file");
    staging.write(b"bytes").expect("room");
    let put = store.put(new_object("a", "etag".to_owned()), &staging.finish(), &WriteCondition::default());
    let path = store.blobs.path(put.map(|object| object.segments[0].blob).expect("room"));
    assert!(path.exists());
    drop(store);
    assert!(!path.exists());
}

#[test]
fn many_at_once_read_whole_objects_and_leave_no_file() {
    let bench = Bench::new();
    let contents = [b"one".as_slice(), b"another"];
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                for round in 0..50 {
                    let key = format!("{}", (worker + round) % 2);
                    match round % 5 {
                        0 => bench.delete(&key),
                        1 | 3 => drop(bench.put(&key, contents[round / 2 % 2])),
                        _ => match bench.store.pinned(BUCKET, &key) {
                            Ok((object, pinned)) => {
                                let whole = 0..object.size;
                                let bytes = rest(&mut Reader::new(pinned, &object.segments, &whole));
                                assert!(contents.contains(&&bytes[..]));
                            }
                            Err(error) => assert!(matches!(error, StoreError::NoSuchKey), "{error}"),
                        },
                    }
                }
            });
        }
    });
    bench.delete("0");
    bench.delete("1");
    assert_eq!((bench.files(), bench.staging()), (0, 0));
}
