//! Listings, held against a model that reads all keys.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::s3::store::tests::{BUCKET, Bench};

/// The keys and the common prefixes of a whole listing, each in the order of their bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    keys: Vec<String>,
    prefixes: Vec<String>,
}

fn naive(keys: &BTreeSet<String>, listing: &Listing<'_>) -> Names {
    let mut names = Names::default();
    for key in keys {
        let bytes = key.as_bytes();
        let is_behind = match &listing.from {
            None => true,
            Some(Position::After(from)) => bytes > from.as_slice(),
            Some(Position::At(from)) => bytes >= from.as_slice(),
        };
        let Some(rest) = key.strip_prefix(listing.prefix).filter(|_| is_behind) else { continue };
        match rest.split_once(listing.delimiter).filter(|_| !listing.delimiter.is_empty()) {
            None => names.keys.push(key.clone()),
            Some((head, _)) => {
                let prefix = [listing.prefix, head, listing.delimiter].concat();
                if names.prefixes.last() != Some(&prefix) {
                    names.prefixes.push(prefix);
                }
            }
        }
    }
    names
}

/// All pages of a listing, one behind the other.
fn paged(store: &Store, listing: &Listing<'_>) -> Names {
    let mut names = Names::default();
    let mut listing = listing.clone();
    loop {
        let page = store.list(&listing).expect("a bucket");
        let entries = page.entries.len() + page.prefixes.len();
        assert!(entries <= listing.limit, "a page has {entries}");
        assert!(page.next.is_none() || entries == listing.limit, "a page that is not full is the last");
        let keys: Vec<String> = page.entries.into_iter().map(|entry| entry.key).collect();
        assert_eq!(page.last.as_ref(), keys.last().max(page.prefixes.last()));
        names.keys.extend(keys);
        names.prefixes.extend(page.prefixes);
        match page.next {
            Some(next) => listing.from = Some(next),
            None => return names,
        }
    }
}

fn bench(keys: &BTreeSet<String>) -> Bench {
    let bench = Bench::new();
    for key in keys {
        bench.put(key, b"");
    }
    bench
}

fn key() -> impl Strategy<Value = String> {
    prop::collection::vec(select(vec!["a", "b", "/", "//", "|/", "é", "\u{0}", "\u{10FFFF}", "%2F"]), 1..6)
        .prop_map(|pieces| pieces.concat())
}

fn position() -> impl Strategy<Value = Option<Position>> {
    let key = || key().prop_map(String::into_bytes);
    prop_oneof![
        2 => Just(None),
        1 => key().prop_map(|key| Some(Position::After(key))),
        1 => key().prop_map(|key| Some(Position::At(key))),
        1 => key().prop_map(|key| Some(Position::behind(&key))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_together_are_what_a_walk_over_all_keys_finds(
        keys in prop::collection::btree_set(key(), 0..24),
        listings in prop::collection::vec((
            select(vec!["", "a", "a/", "é", "/", "\u{10FFFF}", "aa", "|"]),
            select(vec!["", "/", "//", "|/", "é", "a", "/a", "\u{10FFFF}"]),
            position(),
            1..6_usize,
        ), 1..6),
    ) {
        let bench = bench(&keys);
        for (prefix, delimiter, from, limit) in listings {
            let listing = Listing { bucket: BUCKET, prefix, delimiter, from, limit };
            prop_assert_eq!(paged(&bench.store, &listing), naive(&keys, &listing), "{:?}", listing);
        }
    }
}

#[test]
fn a_page_of_nothing_holds_nothing_and_goes_on_at_the_first() {
    let bench = bench(&["b".to_owned(), "c".to_owned()].into());
    let page = bench.store.list(&Listing { bucket: BUCKET, ..Listing::default() }).expect("a bucket");
    assert!(page.entries.is_empty() && page.prefixes.is_empty() && page.last.is_none());
    assert_eq!(page.next, Some(Position::At(b"b".to_vec())));
    let behind = Listing { bucket: BUCKET, from: Some(Position::After(b"c".to_vec())), ..Listing::default() };
    assert_eq!(bench.store.list(&behind).expect("a bucket").next, None);
}

#[test]
fn a_full_page_at_the_end_is_the_last() {
    let bench = bench(&["a".to_owned(), "b/1".to_owned(), "b/2".to_owned()].into());
    let listing = Listing { bucket: BUCKET, delimiter: "/", limit: 2, ..Listing::default() };
    let page = bench.store.list(&listing).expect("a bucket");
    assert_eq!((page.entries.len(), &page.prefixes[..], page.next), (1, &["b/".to_owned()][..], None));
}

#[test]
fn a_listing_is_of_one_bucket_and_tells_what_its_objects_are() {
    let bench = Bench::new();
    let object = bench.put("a", b"bytes");
    bench.store.create_bucket("another", SystemTime::UNIX_EPOCH).expect("a new bucket");
    let of = |bucket| bench.store.list(&Listing { bucket, limit: 9, ..Listing::default() });
    let page = of(BUCKET).expect("a bucket");
    let [entry] = &page.entries[..] else { panic!("one entry") };
    assert_eq!(
        (&*entry.key, entry.size, &entry.etag, entry.modified),
        ("a", 5, &object.etag, object.modified)
    );
    assert!(of("another").expect("a bucket").entries.is_empty());
    assert!(matches!(of("none"), Err(StoreError::NoSuchBucket)));
}
