use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::identifier::api_key_id;
use crate::testing::{API_ID, VALUE, now, plan, stack};

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("keys.sqlite")
}

fn new(name: &str, value: Option<&str>) -> NewApiKey {
    NewApiKey {
        name: name.to_owned(),
        value: value.map(|value| ApiKeyValue::new(value.to_owned()).expect("a value")),
        description: Some("a key".to_owned()),
        enabled: true,
        tags: [("tier".to_owned(), "free".to_owned())].into(),
    }
}

fn admitted<'p>(store: &KeyStore, plans: &'p [UsagePlan], value: &str) -> Option<Admission<'p>> {
    store.admit(value.as_bytes(), plans, API_ID, "v1").ok()
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let (folder, plans) = (folder(), stack().plans);
    let (kept, gone);
    {
        let store = KeyStore::open(&file(&folder), now()).expect("a store");
        kept = store.create(new("kept", Some(VALUE)), now()).expect("a key");
        gone = store.create(new("gone", None), now()).expect("a key");
        store.attach(&plans, "free00", &kept.id, now()).expect("a membership");
        store.attach(&plans, "other0", &kept.id, now()).expect("a membership");
        store.detach("other0", &kept.id).expect("a membership");
        store.attach(&plans, "free00", &gone.id, now()).expect("a membership");
        store.delete(&gone.id).expect("a key");
        let change = KeyChange { name: Some("renamed".to_owned()), ..KeyChange::default() };
        store.update(&kept.id, change, now()).expect("a key");
    }
    let store = KeyStore::open(&file(&folder), now()).expect("the same store");
    let key = store.get(&kept.id).expect("the key");
    assert_eq!((key.name.as_str(), key.value.expose()), ("renamed", VALUE));
    assert_eq!((&key.description, &key.tags, key.enabled), (&kept.description, &kept.tags, true));
    assert!(store.get(&gone.id).is_none());
    assert_eq!(store.members("free00", "", None, 10).items.len(), 1);
    assert!(store.member("other0", &kept.id).is_none());
    assert_eq!(admitted(&store, &plans, VALUE).expect("admitted").plan.id, "free00");
}

/// A process that is killed closes nothing: its log is there, its connection is not.
#[test]
fn what_was_acknowledged_is_in_the_log_when_the_process_is_killed() {
    let (folder, other) = (folder(), folder());
    let store = KeyStore::open(&file(&folder), now()).expect("a store");
    store.create(new("kept", Some(VALUE)), now()).expect("a key");
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), other.path().join(entry.file_name())).expect("a copy");
    }
    let survivor = KeyStore::open(&file(&other), now()).expect("a store from what is on disk");
    assert!(survivor.get(&api_key_id("kept")).is_some());
}

#[test]
fn a_second_store_on_the_same_file_is_refused() {
    let folder = folder();
    let _first = KeyStore::open(&file(&folder), now()).expect("a store");
    assert!(matches!(KeyStore::open(&file(&folder), now()), Err(Error::Database(_))));
}

#[test]
fn a_file_of_another_schema_is_refused() {
    let folder = folder();
    let connection = rusqlite::Connection::open(file(&folder)).expect("a database");
    connection.execute_batch("PRAGMA user_version = 3").expect("a version");
    drop(connection);
    assert!(matches!(KeyStore::open(&file(&folder), now()), Err(Error::Schema { found: 3, expected: 2 })));
}

#[cfg(unix)]
#[test]
fn the_file_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let store = KeyStore::open(&file(&folder), now()).expect("a store");
    store.create(new("a", None), now()).expect("a key");
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}

#[test]
fn an_id_follows_from_the_name_and_a_taken_one_is_passed_over() {
    let store = KeyStore::in_memory().expect("a store");
    let first = store.create(new("same", None), now()).expect("a key");
    let second = store.create(new("same", None), now()).expect("a key");
    assert_eq!(first.id, api_key_id("same"));
    assert_ne!(second.id, first.id);
    let again = KeyStore::in_memory().expect("a store");
    assert_eq!(again.create(new("same", None), now()).expect("a key").id, first.id);
    let (one, other) = (new("", None), new("", None));
    assert_ne!(store.create(one, now()).expect("a key").id, store.create(other, now()).expect("a key").id);
}

#[test]
fn two_keys_never_share_a_value() {
    let store = KeyStore::in_memory().expect("a store");
    store.create(new("one", Some(VALUE)), now()).expect("a key");
    assert!(matches!(store.create(new("two", Some(VALUE)), now()), Err(Error::Conflict(_))));
    store.delete(&api_key_id("one")).expect("a key");
    store.create(new("two", Some(VALUE)), now()).expect("the value is free again");
}

#[test]
fn a_value_is_masked_and_its_grammar_is_kept() {
    let key = KeyStore::in_memory().expect("a store").create(new("one", Some(VALUE)), now()).expect("a key");
    assert!(!format!("{key:?}").contains(VALUE));
    let error = ApiKeyValue::new("short".to_owned()).expect_err("too short");
    assert!(!error.to_string().contains("short"));
    for value in ["x".repeat(19), "x".repeat(129), format!("{}-", "x".repeat(20)), "ü".repeat(20)] {
        assert!(matches!(ApiKeyValue::new(value), Err(Error::Invalid(_))));
    }
    assert!(ApiKeyValue::new("x".repeat(20)).is_ok() && ApiKeyValue::new("x".repeat(128)).is_ok());
}

#[test]
fn a_key_is_in_one_plan_for_each_stage_d() {
    let (store, plans) = (KeyStore::in_memory().expect("a store"), stack().plans);
    let id = store.create(new("one", None), now()).expect("a key").id.clone();
    store.attach(&plans, "free00", &id, now()).expect("a membership");
    assert!(matches!(store.attach(&plans, "free00", &id, now()), Err(Error::Conflict(_))));
    assert!(matches!(store.attach(&plans, "stand0", &id, now()), Err(Error::Conflict(_))));
    store.attach(&plans, "other0", &id, now()).expect("a plan of another stage");
    store.detach("free00", &id).expect("a membership");
    store.attach(&plans, "stand0", &id, now()).expect("the stage is free again");
    assert!(matches!(store.attach(&plans, "nowhere", &id, now()), Err(Error::NotFound(_))));
    assert!(matches!(store.attach(&plans, "free00", "nobody", now()), Err(Error::NotFound(_))));
    assert!(matches!(store.detach("free00", &id), Err(Error::NotFound(_))));
}

#[test]
fn a_key_is_in_ten_plans_at_most_d() {
    let store = KeyStore::in_memory().expect("a store");
    let plans: Vec<_> = (0..11).map(|n| plan(&format!("plan{n}"), &format!("s{n}"))).collect();
    let id = store.create(new("one", None), now()).expect("a key").id.clone();
    for plan in &plans[..10] {
        store.attach(&plans, &plan.id, &id, now()).expect("a membership");
    }
    assert!(matches!(store.attach(&plans, "plan10", &id, now()), Err(Error::LimitExceeded(_))));
}

#[test]
fn a_plan_that_left_the_template_opens_nothing_and_hinders_nothing() {
    let (store, plans) = (KeyStore::in_memory().expect("a store"), stack().plans);
    let id = store.create(new("one", Some(VALUE)), now()).expect("a key").id.clone();
    store.attach(&plans, "free00", &id, now()).expect("a membership");
    let remaining = &plans[1..];
    assert!(admitted(&store, remaining, VALUE).is_none());
    store.attach(remaining, "stand0", &id, now()).expect("a membership");
    assert_eq!(admitted(&store, remaining, VALUE).expect("admitted").plan.id, "stand0");
    assert!(store.member("free00", &id).is_some());
}

#[test]
fn an_account_has_ten_thousand_keys_at_most_d() {
    let store = KeyStore::in_memory().expect("a store");
    for number in 0..MAX_KEYS {
        store.create(new(&number.to_string(), None), now()).expect("a key");
    }
    assert!(matches!(store.create(new("more", None), now()), Err(Error::LimitExceeded(_))));
    store.delete(&api_key_id("0")).expect("a key");
    store.create(new("more", None), now()).expect("there is room again");
}

#[test]
fn pages_hold_every_key_once() {
    let store = KeyStore::in_memory().expect("a store");
    for number in 0..7 {
        store.create(new(&format!("a-{number}"), None), now()).expect("a key");
    }
    store.create(new("b-0", None), now()).expect("a key");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.list("a-", after.as_deref(), 3);
        assert!(page.items.len() <= 3);
        seen.extend(page.items.iter().map(|key| key.name.clone()));
        after = page.position;
        if after.is_none() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, (0..7).map(|number| format!("a-{number}")).collect::<Vec<_>>());
}
