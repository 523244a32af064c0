//! A move whose functions are killed behind each call by which they change anything.

use testkit::Stack;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::place::{Pile, Place};
use crate::walk::{BEGIN, begin, minutes_behind, run, shown, start};

const COMMIT: &str = "dynamodb:TransactWriteItems";
const BATCH: &str = "dynamodb:BatchWriteItem";
const PUT: &str = "s3:PUT";

/// The calls of a whole move by which it changes anything, each step followed by the commit that says so.
const STEPS: &[&str] = &[
    // The lease; the silo.
    COMMIT,
    "dynamodb:CreateTable",
    PUT,
    PUT,
    PUT,
    PUT,
    PUT,
    PUT,
    PUT,
    "dynamodb:UpdateContinuousBackups",
    COMMIT,
    // Records; two files; the wait for the horizon.
    BATCH,
    COMMIT,
    PUT,
    PUT,
    COMMIT,
    COMMIT,
    // Behind it what has changed. By this clock the files were copied in the second in which they were written, so
    // that they may have been replaced since; the pause.
    COMMIT,
    COMMIT,
    PUT,
    PUT,
    COMMIT,
    COMMIT,
];

const SMALL: Pile = Pile { records: 3, files: 2 };

/// Onboards a tenant, and gives it a few things.
async fn tenant(stack: &Stack, id: &str) {
    let body = serde_json::json!({"tenant_id": id, "name": id, "email": "a@b.example", "tier": "free"});
    let made = stack.as_admin("POST", "/tenants", &body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    SMALL.heap(stack, id).await;
}

/// Runs the task again and again, past every lease, until the move is over.
async fn run_to_the_end(stack: &Stack, id: &str, from: OffsetDateTime) -> OffsetDateTime {
    let mut at = from;
    for _ in 0..100 {
        run(stack, at).await;
        let shown = shown(stack, id).await;
        if shown["move"]["next_at"].is_null() {
            return at;
        }
        let next = shown["move"]["next_at"].as_str().expect("a time");
        at = minutes_behind(at, 3).max(OffsetDateTime::parse(next, &Rfc3339).expect("a time"));
    }
    panic!("{id} does not come to an end: {}", shown(stack, id).await);
}

#[tokio::test]
async fn a_crash_after_any_step_of_a_move_ends_in_the_silo_and_nowhere_else() {
    let stack = start().await;
    for number in 1.. {
        let id = format!("c{number:03}");
        tenant(&stack, &id).await;
        let place = Place::of(&stack, &id);
        let (items, files) = (place.pool.items(&stack, &id).await, place.pool.files(&stack, &id).await);
        begin(&stack, &id).await;
        let crash = stack.inner().crash_after("tenants-reconcile", number);
        let at = run_to_the_end(&stack, &id, BEGIN).await;
        let told = shown(&stack, &id).await;
        let at_step = format!("behind step {number}");
        assert_eq!(
            (&told["move"]["stage"], &told["tenant"]["isolation"]),
            (&"done".into(), &"siloed".into())
        );
        assert_eq!(place.silo.items(&stack, &id).await, items, "{at_step}");
        assert_eq!(place.silo.files(&stack, &id).await, files, "{at_step}");
        assert_eq!(place.pool.items(&stack, &id).await, [], "{at_step}");
        assert_eq!(place.pool.files(&stack, &id).await, [].into(), "{at_step}");
        run(&stack, minutes_behind(at, 24 * 60)).await;
        assert_eq!(shown(&stack, &id).await, told, "{at_step}: nothing is done twice");
        if !crash.has_happened() {
            assert!(number > STEPS.len(), "{:?}", crash.seen());
            assert_eq!(crash.seen()[..STEPS.len()], *STEPS);
            return;
        }
    }
}

#[tokio::test]
async fn a_crash_after_any_step_of_giving_up_leaves_the_tenant_where_it_was_and_no_silo() {
    let stack = start().await;
    for number in 1.. {
        let id = format!("d{number:03}");
        tenant(&stack, &id).await;
        let place = Place::of(&stack, &id);
        let (items, files) = (place.pool.items(&stack, &id).await, place.pool.files(&stack, &id).await);
        begin(&stack, &id).await;
        run(&stack, BEGIN).await;
        assert_eq!(place.has_silo(&stack).await, (true, true));
        let given_up = stack.as_admin("POST", &format!("/tenants/{id}/move"), r#"{"abandon":true}"#).await;
        assert_eq!(given_up.status, 202, "{given_up:?}");
        let crash = stack.inner().crash_after("tenants-reconcile", number);
        run_to_the_end(&stack, &id, minutes_behind(BEGIN, 3)).await;
        let at_step = format!("behind step {number}");
        assert_eq!(shown(&stack, &id).await["move"]["stage"], "abandoned", "{at_step}");
        assert_eq!(place.has_silo(&stack).await, (false, false), "{at_step}");
        assert_eq!(place.pool.items(&stack, &id).await, items, "{at_step}");
        assert_eq!(place.pool.files(&stack, &id).await, files, "{at_step}");
        if !crash.has_happened() {
            assert!(number > 5, "{:?}", crash.seen());
            return;
        }
    }
}
