//! Imports whose functions are killed behind each call by which they change anything.

use serde_json::json;

use crate::ground::{Ground, Holdings, Tenant};

const COMMIT: &str = "dynamodb:TransactWriteItems";
const BATCH: &str = "dynamodb:BatchWriteItem";
const PUT: &str = "s3:PUT";

/// The calls of a whole import by which it changes anything: each step is followed by the commit that says so.
const STEPS: &[&str] = &[
    // The lease; whether there is nothing; records, checkpoints and items, each with the look for a further part.
    COMMIT, COMMIT, BATCH, COMMIT, COMMIT, BATCH, COMMIT, COMMIT, BATCH, COMMIT, COMMIT,
    // Two files, and the look for further ones; both comparisons.
    PUT, PUT, COMMIT, COMMIT, COMMIT, COMMIT,
];

/// An export of a little of every kind, and what the tenant had.
async fn exported(ground: &Ground) -> (String, Holdings) {
    let subject = ground.onboard("subject", "pooled", 1).await;
    ground.fill_a_little(&subject).await;
    let had = ground.holdings(&subject).await;
    (ground.export(&subject).await, had)
}

#[tokio::test]
async fn a_crash_after_any_step_of_an_import_ends_in_the_tenants_data_and_nothing_else() {
    let ground = Ground::start().await;
    let (prefix, had) = exported(&ground).await;
    for number in 1.. {
        let id = format!("c{number:03}");
        let new = ground.onboard(&id, if number % 3 == 0 { "siloed" } else { "pooled" }, 1).await;
        assert_eq!(ground.ask(&id, &json!({ "prefix": prefix })).await.status, 202);
        let crash = ground.inner().crash_after("tenants-reconcile", number);
        let shown = ground.run_until(&id, "done").await;
        let place = format!("behind step {number}");
        assert_eq!(ground.holdings(&new).await, had, "{place}");
        assert_eq!(ground.as_of(&new, "POST", "/records/notes", "{}").await.status, 201, "{place}");
        let counts = &shown["import"]["counts"];
        let counts = ["records", "raw_records", "checkpoints", "files"].map(|kind| counts[kind].clone());
        assert_eq!(counts, [2, 1, 1, 2], "{place}");
        if !crash.has_happened() {
            assert!(number > STEPS.len(), "{:?}", crash.seen());
            assert_eq!(crash.seen(), *STEPS);
            return;
        }
    }
}

#[tokio::test]
async fn a_crash_after_any_step_of_giving_up_leaves_nothing_of_the_import() {
    let ground = Ground::start().await;
    let (prefix, _) = exported(&ground).await;
    for number in 1.. {
        let id = format!("d{number:03}");
        let new = ground.onboard(&id, "pooled", 1).await;
        stop_in_the_files(&ground, &new, &prefix).await;
        let abandoned = ground.ask(&id, &json!({"abandon": true})).await;
        assert_eq!((abandoned.status, &abandoned.json()["import"]["stage"]), (202, &json!("abandoning")));
        let crash = ground.inner().crash_after("tenants-reconcile", number);
        ground.run_until(&id, "abandoned").await;
        let place = format!("behind step {number}");
        assert_eq!(ground.holdings(&new).await, Holdings::default(), "{place}");
        assert_eq!(ground.as_of(&new, "POST", "/records/notes", "{}").await.status, 201, "{place}");
        if !crash.has_happened() {
            assert!(number > 5, "{:?}", crash.seen());
            return;
        }
    }
}

/// Begins an import that stands still over its files: one of them is not the listed one.
async fn stop_in_the_files(ground: &Ground, new: &Tenant, prefix: &str) {
    let two = format!("{prefix}files/two");
    ground.tamper(&two, b"other".to_vec()).await;
    assert_eq!(ground.ask(&new.id, &json!({ "prefix": prefix })).await.status, 202);
    ground.go_on(&new.id, 71).await;
    let shown = ground.shown(&new.id).await;
    let reason = shown["import"]["standstill"].as_str().unwrap_or_else(|| panic!("{shown}"));
    assert!(reason.contains("file two"), "{reason}");
    assert_ne!(ground.holdings(new).await, Holdings::default());
}

#[tokio::test]
async fn a_crash_after_the_request_leaves_an_import_that_goes_on() {
    let ground = Ground::start().await;
    let (prefix, had) = exported(&ground).await;
    let new = ground.onboard("newone", "pooled", 1).await;
    let crash = ground.inner().crash_after("admin-tenants-import", 1);
    assert_eq!(ground.ask("newone", &json!({ "prefix": prefix })).await.status, 502);
    assert!(crash.has_happened());
    assert_eq!(crash.seen(), [COMMIT]);
    ground.run_until("newone", "done").await;
    assert_eq!(ground.holdings(&new).await, had);
}
