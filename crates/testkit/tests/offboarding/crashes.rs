//! An offboarding whose functions are killed behind each call by which they change anything.

use serde_json::json;

use crate::field::{Field, Filling, time_of};

const COMMIT: &str = "dynamodb:TransactWriteItems";
const BATCH: &str = "dynamodb:BatchWriteItem";
const PUT: &str = "s3:PUT";

/// The calls of a whole offboarding by which it changes anything: each step is followed by the commit that says so.
const STEPS: &[&str] = &[
    // The lease; records and an item that is none, checkpoints, two files and their list; the manifest.
    COMMIT,
    PUT,
    PUT,
    COMMIT,
    PUT,
    COMMIT,
    PUT,
    PUT,
    PUT,
    COMMIT,
    PUT,
    COMMIT,
    // The purge begins: two keys at the gateway, records, requests, the upload, the files.
    COMMIT,
    "apigateway:DELETE /apikeys/{}",
    "apigateway:DELETE /apikeys/{}",
    COMMIT,
    BATCH,
    BATCH,
    COMMIT,
    "s3:DELETE",
    COMMIT,
    "s3:POST",
    COMMIT,
    // There is no silo to be removed.
    COMMIT,
];

#[tokio::test]
async fn a_crash_after_any_step_of_an_offboarding_ends_in_the_tombstone_and_nothing_else() {
    let field = Field::start().await;
    for number in 1.. {
        let id = format!("c{number:03}");
        let subject = field.tenant(&id, Filling { records: 2, files: 2 }).await;
        field.leave(&id, 0).await;
        let crash = field.inner().crash_after("tenants-reconcile", number);
        let mut is_gone = false;
        for minutes in (70..400).step_by(3) {
            field.run(&time_of(minutes)).await;
            is_gone = field.shown(&id).await["tenant"]["status"] == "deleted";
            if is_gone {
                break;
            }
        }
        let place = format!("behind step {number}");
        assert!(is_gone, "{place}: {}", field.shown(&id).await);
        assert_eq!(field.remains(&subject).await, [""; 0], "{place}");
        let gone = field.shown(&id).await;
        let manifest = field.checked_export(&gone["offboarding"]["export"]).await;
        assert_eq!(
            (&manifest["counts"]["records"], &manifest["counts"]["files"]),
            (&json!(3), &json!(2)),
            "{place}"
        );
        assert!(!field.audit(&id).await.contains(&format!("{id}.example")), "{place}");
        // And nothing is done twice.
        field.run(&time_of(500)).await;
        assert_eq!(field.shown(&id).await, gone, "{place}");
        if !crash.has_happened() {
            assert!(number > STEPS.len(), "{:?}", crash.seen());
            assert_eq!(crash.seen()[..STEPS.len()], *STEPS);
            return;
        }
    }
}

#[tokio::test]
async fn a_crash_after_any_step_of_the_request_leaves_a_tenant_that_leaves() {
    let field = Field::start().await;
    for number in 1.. {
        let id = format!("d{number:03}");
        let subject = field.tenant(&id, Filling { records: 1, files: 1 }).await;
        let crash = field.inner().crash_after("admin-tenants-delete", number);
        let asked = field.as_admin("DELETE", &format!("/tenants/{id}?grace_seconds=0"), "").await;
        if !crash.has_happened() {
            assert_eq!(asked.status, 202, "{asked:?}");
            let disable = "apigateway:PATCH /apikeys/{}";
            assert_eq!(crash.seen(), [COMMIT, disable, disable, COMMIT]);
            return;
        }
        assert_eq!(asked.status, 502, "behind step {number}: {asked:?}");
        drop(crash);
        assert_eq!(field.call(&subject.value, "GET", "/tenant", &[], "").await.status, 403);
        field.run_until(&id, "deleted").await;
        assert_eq!(field.remains(&subject).await, [""; 0], "behind step {number}");
    }
}
