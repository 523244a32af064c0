//! What can be asked of a move, and what cannot.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use serde_json::{Value, json};
use testkit::{Answer, Stack};

use crate::place::{Pile, Place};
use crate::walk::{BEGIN, begin, minutes_behind, run, shown, start, walk_to};

const SMALL: Pile = Pile { records: 3, files: 2 };

async fn abandon(stack: &Stack, id: &str) -> Answer {
    stack.as_admin("POST", &format!("/tenants/{id}/move"), r#"{"abandon":true}"#).await
}

#[tokio::test]
async fn until_the_switch_a_move_can_be_given_up_as_if_it_had_not_been() {
    let stack = start().await;
    SMALL.heap(&stack, "acme").await;
    let place = Place::of(&stack, "acme");
    let (items, files) = (place.pool.items(&stack, "acme").await, place.pool.files(&stack, "acme").await);
    for stage in ["silo", "copy", "pause"] {
        begin(&stack, "acme").await;
        let at = walk_to(&stack, "acme", stage).await;
        let given_up = abandon(&stack, "acme").await;
        assert_eq!((given_up.status, &given_up.json()["move"]["stage"]), (202, &json!("abandon")), "{stage}");
        // All goes on from here.
        for (method, path, body, status) in [
            ("PUT", "/records/notes/after", "{}", 201),
            ("DELETE", "/records/notes/after", "", 204),
            ("POST", "/credentials", "{}", 201),
        ] {
            assert_eq!(stack.as_tenant("acme", method, path, body).await.status, status, "{stage}: {path}");
        }
        // Once more is no further change.
        let before = stack.contents().await;
        assert_eq!(abandon(&stack, "acme").await.status, 202);
        assert_eq!(stack.contents().await, before, "{stage}");
        for more in 1..10 {
            run(&stack, minutes_behind(at, 3 * more)).await;
        }
        assert_eq!(shown(&stack, "acme").await["move"]["stage"], "abandoned", "{stage}");
        assert_eq!(place.has_silo(&stack).await, (false, false), "{stage}");
        assert_eq!(place.pool.items(&stack, "acme").await, items, "{stage}");
        assert_eq!(place.pool.files(&stack, "acme").await, files, "{stage}");
    }
    // And it can be begun again.
    begin(&stack, "acme").await;
    walk_to(&stack, "acme", "done").await;
    assert_eq!(place.silo.items(&stack, "acme").await, items);
}

#[tokio::test]
async fn from_the_switch_on_a_move_is_not_given_up() {
    let stack = start().await;
    begin(&stack, "acme").await;
    for stage in ["switch", "settle", "done"] {
        walk_to(&stack, "acme", stage).await;
        let before = stack.contents().await;
        let refused = abandon(&stack, "acme").await;
        assert_eq!(refused.status, 409, "{stage}: {refused:?}");
        assert_eq!(stack.contents().await, before, "{stage}");
    }
    // Asked for again it is answered as it stands.
    let again = stack.as_admin("POST", "/tenants/acme/move", "{}").await;
    assert_eq!((again.status, &again.json()["move"]["stage"]), (202, &json!("done")));
}

#[tokio::test]
async fn a_tenant_that_moves_is_changed_but_not_offboarded() {
    let stack = start().await;
    begin(&stack, "acme").await;
    walk_to(&stack, "acme", "copy").await;
    let refused = stack.as_admin("DELETE", "/tenants/acme", "").await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(
        refused.json()["detail"].as_str().expect("a detail").contains("A move into a silo"),
        "{refused:?}"
    );
    for (body, member, value) in [
        (r#"{"tier":"standard"}"#, "tier", "standard"),
        (r#"{"status":"suspended","status_reason":"unpaid"}"#, "status", "suspended"),
    ] {
        let changed = stack.as_admin("PATCH", "/tenants/acme", body).await;
        assert_eq!((changed.status, &changed.json()["tenant"][member]), (200, &json!(value)), "{changed:?}");
    }
    // A key that is made meanwhile waits as the others do.
    let resumed = stack.as_admin("PATCH", "/tenants/acme", r#"{"status":"active"}"#).await;
    assert_eq!(resumed.status, 200, "{resumed:?}");
    let made = stack.as_admin("POST", "/tenants/acme/keys", "").await;
    assert_eq!(made.status, 201, "{made:?}");
    let value = made.json()["api_key"]["value"].as_str().expect("a value").to_owned();
    assert_eq!(stack.call(&value, "POST", "/credentials", &[], "{}").await.status, 503);
    walk_to(&stack, "acme", "pause").await;
    assert_eq!(stack.call(&value, "PUT", "/records/notes/one", &[], "{}").await.status, 503);
    walk_to(&stack, "acme", "settle").await;
    assert_eq!(stack.call(&value, "PUT", "/records/notes/one", &[], "{}").await.status, 201);
    walk_to(&stack, "acme", "done").await;
    assert_eq!(shown(&stack, "acme").await["tenant"]["isolation"], "siloed");
    // Then it is.
    let leaving = stack.as_admin("DELETE", "/tenants/acme?grace_seconds=0", "").await;
    assert_eq!((leaving.status, &leaving.json()["move"]), (202, &Value::Null), "{leaving:?}");
}

#[tokio::test]
async fn a_suspended_tenant_moves_and_stays_suspended() {
    let stack = start().await;
    let body = r#"{"status":"suspended","status_reason":"unpaid"}"#;
    assert_eq!(stack.as_admin("PATCH", "/tenants/acme", body).await.status, 200);
    begin(&stack, "acme").await;
    walk_to(&stack, "acme", "done").await;
    let tenant = shown(&stack, "acme").await["tenant"].clone();
    let stands = [&tenant["status"], &tenant["status_reason"], &tenant["isolation"]];
    assert_eq!(stands, ["suspended", "unpaid", "siloed"], "{tenant}");
}

/// Takes the name of a silo's table for one of another kind.
async fn take_the_name(stack: &Stack, table: &str) {
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build();
    let attribute =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let create = stack.aws().dynamodb().create_table().table_name(table);
    let create = create.key_schema(key.expect("a key")).billing_mode(BillingMode::PayPerRequest);
    create.attribute_definitions(attribute.build().expect("an attribute")).send().await.expect("a table");
}

#[tokio::test]
async fn what_stands_in_the_way_of_the_silo_is_told_and_the_move_goes_on_when_it_is_gone() {
    let stack = start().await;
    let place = Place::of(&stack, "acme");
    take_the_name(&stack, &place.silo.table).await;
    begin(&stack, "acme").await;
    run(&stack, minutes_behind(BEGIN, 1)).await;
    let told = shown(&stack, "acme").await;
    assert_eq!(told["move"]["stage"], "silo");
    let reason = told["move"]["standstill"].as_str().expect("a reason");
    assert!(reason.contains(&place.silo.table), "{reason}");
    // Whoever gives it up here takes nothing of anybody's away.
    assert_eq!(abandon(&stack, "acme").await.status, 202);
    run(&stack, minutes_behind(BEGIN, 5)).await;
    assert_eq!(shown(&stack, "acme").await["move"]["stage"], "abandoned");
    assert!(place.has_silo(&stack).await.0, "the table is another one's");
    begin(&stack, "acme").await;
    run(&stack, minutes_behind(BEGIN, 6)).await;
    stack.aws().dynamodb().delete_table().table_name(&place.silo.table).send().await.expect("deleted");
    walk_to(&stack, "acme", "done").await;
    assert_eq!(shown(&stack, "acme").await["move"]["standstill"], Value::Null);
}

#[tokio::test]
async fn a_pause_in_which_nothing_can_be_copied_is_told_and_can_be_given_up() {
    let stack = start().await;
    let place = Place::of(&stack, "acme");
    begin(&stack, "acme").await;
    let at = walk_to(&stack, "acme", "pause").await;
    place.pool.put(&stack, "acme", "late#1").await;
    let failing = stack.inner().fail_calls("tenants-reconcile", "dynamodb:BatchWriteItem");
    for more in 1..4 {
        run(&stack, minutes_behind(at, 5 * more)).await;
        let told = shown(&stack, "acme").await;
        assert_eq!(told["move"]["stage"], "pause");
        assert!(told["move"]["standstill"].as_str().is_some_and(|reason| reason.contains("log")), "{told}");
    }
    assert_eq!(stack.as_tenant("acme", "PUT", "/records/notes/x", "{}").await.status, 503);
    assert_eq!(abandon(&stack, "acme").await.status, 202);
    assert_eq!(stack.as_tenant("acme", "PUT", "/records/notes/x", "{}").await.status, 201);
    drop(failing);
}

#[tokio::test]
async fn writes_wait_no_longer_than_they_may() {
    let stack = start().await;
    let place = Place::of(&stack, "acme");
    begin(&stack, "acme").await;
    for (body, seconds) in [(r#"{"longest_pause_seconds":600}"#, 600), ("{}", 600)] {
        let asked = stack.as_admin("POST", "/tenants/acme/move", body).await;
        assert_eq!((asked.status, &asked.json()["move"]["longest_pause_seconds"]), (202, &json!(seconds)));
    }
    let at = walk_to(&stack, "acme", "pause").await;
    place.pool.put(&stack, "acme", "late#1").await;
    let failing = stack.inner().fail_calls("tenants-reconcile", "dynamodb:BatchWriteItem");
    for minutes in [2, 5, 8] {
        run(&stack, minutes_behind(at, minutes)).await;
        assert_eq!(shown(&stack, "acme").await["move"]["stage"], "pause");
    }
    drop(failing);
    run(&stack, minutes_behind(at, 11)).await;
    let told = shown(&stack, "acme").await;
    assert_eq!((&told["move"]["stage"], &told["move"]["pause_seconds"]), (&json!("copy"), &json!(660)));
    assert!(
        told["move"]["standstill"].as_str().is_some_and(|reason| reason.contains("longer pause")),
        "{told}"
    );
    assert_eq!(stack.as_tenant("acme", "PUT", "/records/notes/x", "{}").await.status, 201);
    // An hour later it is tried again.
    walk_to(&stack, "acme", "done").await;
    let record = stack.as_tenant("acme", "GET", "/records/notes/x", "").await;
    assert_eq!(record.status, 200, "{record:?}");
}

#[tokio::test]
async fn a_silo_that_is_somebody_elses_is_left_as_it_is_when_a_move_is_given_up() {
    let stack = start().await;
    let (place, s3) = (Place::of(&stack, "acme"), stack.s3(None));
    let settings = async || {
        let policy = s3.get_bucket_policy().bucket(&place.silo.bucket).send().await;
        policy.ok().and_then(|policy| policy.policy)
    };
    s3.create_bucket().bucket(&place.silo.bucket).send().await.expect("a bucket");
    let put = s3.put_object().bucket(&place.silo.bucket).key("theirs").body(b"theirs".to_vec().into());
    put.send().await.expect("an object");
    let before = settings().await;
    begin(&stack, "acme").await;
    run(&stack, minutes_behind(BEGIN, 1)).await;
    let told = shown(&stack, "acme").await;
    let reason = told["move"]["standstill"].as_str().unwrap_or_else(|| panic!("{told}"));
    assert!(reason.contains(&place.silo.bucket) && reason.contains("not empty"), "{reason}");
    assert_eq!(settings().await, before);
    assert_eq!(abandon(&stack, "acme").await.status, 202);
    run(&stack, minutes_behind(BEGIN, 5)).await;
    let told = shown(&stack, "acme").await;
    assert_eq!(told["move"]["stage"], "abandoned", "{told}");
    let told = told.to_string();
    assert!(!told.contains("the silo is gone"), "{told}");
    let theirs = s3.get_object().bucket(&place.silo.bucket).key("theirs").send().await;
    assert!(theirs.is_ok(), "{theirs:?}");
}

#[tokio::test]
async fn what_is_deleted_while_it_is_copied_is_not_in_the_silo() {
    let stack = start().await;
    let place = Place::of(&stack, "acme");
    Pile { records: 1_300, files: 250 }.heap(&stack, "acme").await;
    begin(&stack, "acme").await;
    walk_to(&stack, "acme", "copy").await;
    // Past the horizon nothing has been copied again yet.
    run(&stack, minutes_behind(BEGIN, 5)).await;
    assert_eq!(place.silo.items(&stack, "acme").await.len(), place.pool.items(&stack, "acme").await.len());
    place.pool.thin_out(&stack, "acme").await;
    let (items, files) = (place.pool.items(&stack, "acme").await, place.pool.files(&stack, "acme").await);
    assert!(items.len() < 10 && files.len() < 10, "{} {}", items.len(), files.len());
    walk_to(&stack, "acme", "done").await;
    assert_eq!(place.silo.items(&stack, "acme").await, items);
    assert_eq!(place.silo.files(&stack, "acme").await, files);
}

#[tokio::test]
async fn a_file_that_ends_in_the_pool_behind_the_comparison_is_brought_into_the_silo() {
    let stack = start().await;
    SMALL.heap(&stack, "acme").await;
    let (place, s3) = (Place::of(&stack, "acme"), stack.s3(None));
    begin(&stack, "acme").await;
    walk_to(&stack, "acme", "settle").await;
    // Uploads by what was handed out before; S3 judged their requests when they began.
    for name in [Pile::file(0), "late".to_owned()] {
        let put = s3.put_object().bucket(&place.pool.bucket).key(format!("acme/{name}"));
        put.body(b"late".to_vec().into()).send().await.expect("the file is put");
    }
    let mut files = place.silo.files(&stack, "acme").await;
    files.extend([
        (format!("acme/{}", Pile::file(0)), "late".to_owned()),
        ("acme/late".into(), "late".into()),
    ]);
    walk_to(&stack, "acme", "done").await;
    assert_eq!(place.silo.files(&stack, "acme").await, files);
    assert_eq!(place.pool.files(&stack, "acme").await, [].into());
    let audit = stack.as_admin("GET", "/tenants/acme", "").await.json()["audit"].to_string();
    assert!(audit.contains("2 files that ended in the pool"), "{audit}");
}
