use std::time::Duration;

use stack_template::{Period, Quota, Route, Stack, Throttle};
use tempfile::TempDir;

use super::*;
use crate::testing::{VALUE, now, route, stack};
use crate::{ApiKeyValue, NewApiKey};

const DAY: Duration = Duration::from_hours(24);

/// The day of [`now`].
fn today() -> Day {
    Day::at(micros(now()))
}

fn limited(quota: Option<Quota>) -> Stack {
    let mut stack = stack();
    stack.plans[0].quota = quota;
    stack.plans[0].throttle = Some(Throttle { rate: 0.0, burst: 100 });
    stack.plans[0].stages[0].routes[0].throttle = Throttle { rate: 0.0, burst: 100 };
    stack
}

fn monthly(limit: u64) -> Quota {
    Quota { limit, period: Period::Month, offset: 0 }
}

fn with_key(store: &KeyStore, stack: &Stack) -> String {
    let value = Some(ApiKeyValue::new(VALUE.to_owned()).expect("a value"));
    let new = NewApiKey { name: "a".to_owned(), value, enabled: true, ..NewApiKey::default() };
    let key = store.create(new, now()).expect("a key");
    store.attach(&stack.plans, "free00", &key.id, now()).expect("a membership");
    key.id.clone()
}

/// Asks for `GET /tenant` so often, and tells how often it passed.
fn ask(store: &KeyStore, stack: &Stack, key_id: &str, times: usize, at: SystemTime) -> usize {
    let route = Route { api_key_required: true, ..route("GET", "/tenant") };
    let measured = Measured {
        api: &stack.apis[0],
        route: &route,
        member: Some(Member { plan: &stack.plans[0], key_id, attached: today() }),
        rules: LimitRules::default(),
        now: micros(at),
    };
    (0..times).filter(|_| store.measure(&measured).refused_by.is_none()).count()
}

fn report(store: &KeyStore, stack: &Stack, from: u32, to: u32, at: SystemTime) -> Vec<(u64, Option<u64>)> {
    let asked = Asked {
        plan: &stack.plans[0],
        key_id: None,
        first: Day(today().0 + from),
        last: Day(today().0 + to),
        after: None,
        limit: 10,
        today: Day::at(micros(at)),
    };
    store.usage(&stack.plans, &asked).expect("a report").items.remove(0).1
}

#[test]
fn counters_survive_a_restart_once_they_are_kept() {
    let (folder, mut stack) = (TempDir::new().expect("a folder"), limited(Some(monthly(20))));
    stack.plans[0].stages[0].routes[0].throttle = Throttle { rate: 0.0, burst: 9 };
    let file = folder.path().join("gateway.db");
    let id = {
        let store = KeyStore::open(&file, now()).expect("a store");
        let id = with_key(&store, &stack);
        assert_eq!(ask(&store, &stack, &id, 7, now()), 7);
        store.keep_counters(&stack.plans).expect("kept");
        id
    };
    let store = KeyStore::open(&file, now()).expect("the same store");
    assert_eq!(ask(&store, &stack, &id, 7, now()), 2);
    assert_eq!(report(&store, &stack, 0, 0, now()), [(9, Some(11))]);
    let left: Vec<_> = store
        .standings(&id, &stack.plans, &stack.apis, LimitRules::default(), now())
        .iter()
        .map(|standing| standing.left)
        .collect();
    assert_eq!(left, [91.0, 11.0, 0.0, 4991.0]);
}

#[test]
fn a_report_tells_each_day_and_what_was_left_of_the_period_d() {
    let (store, stack) = (KeyStore::in_memory().expect("a store"), limited(Some(monthly(10))));
    let id = with_key(&store, &stack);
    // It is the 24th; the month ends six days later.
    ask(&store, &stack, &id, 3, now());
    ask(&store, &stack, &id, 2, now() + 2 * DAY);
    ask(&store, &stack, &id, 4, now() + 8 * DAY);
    let told = report(&store, &stack, 0, 8, now() + 8 * DAY);
    let expected = [(3, 7), (0, 7), (2, 5), (0, 5), (0, 5), (0, 5), (0, 5), (0, 10), (4, 6)]
        .map(|(used, left)| (used, Some(left)));
    assert_eq!(told, expected);
}

#[test]
fn what_is_given_by_hand_is_in_the_report_and_in_force() {
    let (store, stack) = (KeyStore::in_memory().expect("a store"), limited(Some(monthly(2))));
    let id = with_key(&store, &stack);
    assert_eq!(ask(&store, &stack, &id, 5, now()), 2);
    store.set_remaining(&stack.plans[0], &id, 3, now()).expect("a quota");
    assert_eq!(report(&store, &stack, 0, 0, now()), [(2, Some(3))]);
    assert_eq!(ask(&store, &stack, &id, 5, now()), 3);
    assert_eq!(report(&store, &stack, 0, 0, now()), [(5, Some(0))]);
    assert_eq!(ask(&store, &stack, &id, 5, now() + 7 * DAY), 2);
}

#[test]
fn a_plan_without_a_quota_counts_all_the_same_and_has_nothing_to_set() {
    let (store, stack) = (KeyStore::in_memory().expect("a store"), limited(None));
    let id = with_key(&store, &stack);
    ask(&store, &stack, &id, 3, now());
    assert_eq!(report(&store, &stack, 0, 1, now()), [(3, None), (0, None)]);
    let refused = store.set_remaining(&stack.plans[0], &id, 3, now());
    assert!(matches!(refused, Err(Error::Invalid(_))));
    let foreign = store.set_remaining(&stack.plans[1], &id, 3, now());
    assert!(matches!(foreign, Err(Error::NotFound(_))));
}

#[test]
fn a_key_made_again_under_its_old_id_inherits_nothing() {
    let (store, stack) = (KeyStore::in_memory().expect("a store"), limited(Some(monthly(5))));
    let id = with_key(&store, &stack);
    assert_eq!(ask(&store, &stack, &id, 5, now()), 5);
    store.keep_counters(&stack.plans).expect("kept");
    store.delete(&id).expect("a key");
    // A request that was let in before the deletion is measured after it.
    assert_eq!(ask(&store, &stack, &id, 1, now()), 1);
    assert_eq!(with_key(&store, &stack), id);
    assert_eq!(report(&store, &stack, 0, 0, now()), [(0, Some(5))]);
    assert_eq!(ask(&store, &stack, &id, 9, now()), 5);
}

#[test]
fn a_saved_store_is_loaded_as_it_was() {
    let (folder, stack) = (TempDir::new().expect("a folder"), limited(Some(monthly(5))));
    for store in [
        KeyStore::in_memory().expect("a store"),
        KeyStore::open(&folder.path().join("gateway.db"), now()).expect("a store"),
    ] {
        let saved = folder.path().join("saved.db");
        let id = with_key(&store, &stack);
        assert_eq!(ask(&store, &stack, &id, 2, now()), 2);
        store.save(&stack.plans, &saved).expect("saved");
        assert_eq!(ask(&store, &stack, &id, 9, now()), 3);
        store.delete(&id).expect("a key");
        store.load(&saved, now(), || Ok::<_, Error>(())).expect("loaded");
        assert!(store.admit(VALUE.as_bytes(), &stack.plans, crate::testing::API_ID, "v1").is_ok());
        assert_eq!(report(&store, &stack, 0, 0, now()), [(2, Some(3))]);
        assert_eq!(ask(&store, &stack, &id, 9, now()), 3);
        std::fs::remove_file(&saved).expect("a file");
    }
}

#[test]
fn a_store_of_before_there_were_counters_is_brought_forward() {
    let (folder, stack) = (TempDir::new().expect("a folder"), limited(Some(monthly(5))));
    let file = folder.path().join("gateway.db");
    let id = with_key(&KeyStore::open(&file, now()).expect("a store"), &stack);
    let connection = rusqlite::Connection::open(&file).expect("a database");
    connection
        .execute_batch(
            "DROP TABLE counters; DROP TABLE usage; DROP TABLE shared_counters;
             ALTER TABLE plan_keys DROP COLUMN attached; PRAGMA user_version = 1",
        )
        .expect("an old schema");
    drop(connection);
    let store = KeyStore::open(&file, now()).expect("a store");
    assert!(store.member("free00", &id).is_some());
    assert_eq!(ask(&store, &stack, &id, 9, now()), 5);
    store.keep_counters(&stack.plans).expect("kept");
}

#[test]
fn a_copy_that_cannot_be_read_changes_nothing() {
    let (folder, stack) = (TempDir::new().expect("a folder"), limited(Some(monthly(5))));
    let (store, saved) = (KeyStore::in_memory().expect("a store"), folder.path().join("saved.db"));
    let id = with_key(&store, &stack);
    store.save(&stack.plans, &saved).expect("saved");
    assert_eq!(ask(&store, &stack, &id, 2, now()), 2);
    let refused = store.load(&saved, now(), || Err(Error::Invalid("not yet".to_owned())));
    assert!(matches!(refused, Err(Error::Invalid(_))));
    let connection = rusqlite::Connection::open(&saved).expect("a database");
    connection.execute_batch("UPDATE api_keys SET tags = 'torn'").expect("damaged");
    drop(connection);
    let refused = store.load(&saved, now(), || -> Result<(), Error> { panic!("it cannot be read") });
    assert!(matches!(refused, Err(Error::Corrupt(_))));
    let missing = store.load(&folder.path().join("none.db"), now(), || Ok::<_, Error>(()));
    assert!(matches!(missing, Err(Error::File(_))));
    assert_eq!(report(&store, &stack, 0, 0, now()), [(2, Some(3))]);
}

#[test]
fn what_cannot_be_kept_is_kept_the_next_time_with_every_day_that_is_over() {
    let (folder, stack) = (TempDir::new().expect("a folder"), limited(Some(monthly(20))));
    let file = folder.path().join("gateway.db");
    let store = KeyStore::open(&file, now()).expect("a store");
    let id = with_key(&store, &stack);
    let pragma = |text: &str| store.writer().connection.execute_batch(text).expect("a pragma");
    pragma("PRAGMA query_only = ON");
    ask(&store, &stack, &id, 3, now());
    assert!(store.keep_counters(&stack.plans).is_err());
    ask(&store, &stack, &id, 2, now() + DAY);
    assert!(store.keep_counters(&stack.plans).is_err());
    ask(&store, &stack, &id, 1, now() + DAY);
    pragma("PRAGMA query_only = OFF");
    store.keep_counters(&stack.plans).expect("kept");
    // A key's own writes are forced to the disk all the while.
    let synchronous: i64 =
        store.writer().connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).expect("a number");
    assert_eq!(synchronous, 2);
    drop(store);
    let store = KeyStore::open(&file, now() + DAY).expect("the same store");
    assert_eq!(report(&store, &stack, 0, 1, now() + DAY), [(3, Some(17)), (3, Some(14))]);
}

#[test]
fn an_earlier_time_in_the_next_run_frees_no_quota_and_locks_no_bucket() {
    let (folder, mut stack) = (TempDir::new().expect("a folder"), limited(Some(monthly(5))));
    stack.plans[0].stages[0].routes[0].throttle = Throttle { rate: 1.0, burst: 2 };
    let file = folder.path().join("gateway.db");
    let store = KeyStore::open(&file, now()).expect("a store");
    let id = with_key(&store, &stack);
    assert_eq!(ask(&store, &stack, &id, 9, now() + 4 * DAY), 2);
    store.keep_counters(&stack.plans).expect("kept");
    drop(store);
    let store = KeyStore::open(&file, now()).expect("the same store");
    assert_eq!(ask(&store, &stack, &id, 9, now() + Duration::from_secs(1)), 1);
    assert_eq!(ask(&store, &stack, &id, 9, now() + Duration::from_secs(9)), 2);
    assert_eq!(ask(&store, &stack, &id, 9, now() + Duration::from_secs(99)), 0);
}

#[test]
fn a_quota_that_comes_later_has_seen_what_was_used_before() {
    let (store, mut stack) = (KeyStore::in_memory().expect("a store"), limited(None));
    let id = with_key(&store, &stack);
    ask(&store, &stack, &id, 4, now());
    store.keep_counters(&stack.plans).expect("kept");
    stack.plans[0].quota = Some(monthly(10));
    assert_eq!(report(&store, &stack, 0, 1, now() + DAY), [(4, Some(6)), (0, Some(6))]);
}

#[test]
fn leaving_a_plan_and_coming_back_begins_no_new_quota() {
    let (store, stack) = (KeyStore::in_memory().expect("a store"), limited(Some(monthly(5))));
    let id = with_key(&store, &stack);
    assert_eq!(ask(&store, &stack, &id, 4, now()), 4);
    store.detach("free00", &id).expect("a member");
    store.attach(&stack.plans, "free00", &id, now()).expect("a membership");
    assert_eq!(ask(&store, &stack, &id, 9, now()), 1);
    assert_eq!(report(&store, &stack, 0, 0, now()), [(5, Some(0))]);
}
