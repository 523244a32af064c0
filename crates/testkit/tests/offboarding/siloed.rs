//! Siloed tenants that leave: with their table and their bucket.

use serde_json::{Value, json};

use crate::field::{Field, Filling, time_of};

/// The calls by which a siloed tenant's silo is removed.
const REMOVAL: [&str; 4] =
    ["dynamodb:UpdateTable", "dynamodb:DeleteTable", "s3:DELETE", "dynamodb:TransactWriteItems"];

#[tokio::test]
async fn nothing_of_a_siloed_tenant_remains_neither_its_table_nor_its_bucket() {
    let field = Field::start().await;
    let subject = field.tenant_in("abc", "siloed", Filling { records: 600, files: 12 }).await;
    let before = field.remains(&subject).await;
    for kind in ["table", "bucket", "records", "idempotency", "checkpoints", "file", "upload", "key"] {
        assert!(before.iter().any(|thing| thing.starts_with(kind)), "there is something to purge: {kind}");
    }
    field.leave("abc", 0).await;
    field.run_until("abc", "deleted").await;
    assert_eq!(field.remains(&subject).await, [""; 0]);
    let gone = field.shown("abc").await;
    assert_eq!(gone["tenant"]["status"], "deleted");
    let manifest = field.checked_export(&gone["offboarding"]["export"]).await;
    let counts = &manifest["counts"];
    assert_eq!((&counts["records"], &counts["files"]), (&601.into(), &12.into()), "{counts}");
    assert_eq!(manifest["tenant"]["isolation"], "siloed");
}

#[tokio::test]
async fn a_crash_after_any_step_of_a_siloed_tenants_offboarding_leaves_no_silo() {
    let field = Field::start().await;
    for number in 1.. {
        let id = format!("s{number:03}");
        let subject = field.tenant_in(&id, "siloed", Filling { records: 1, files: 1 }).await;
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
        let export = field.shown(&id).await["offboarding"]["export"].clone();
        let manifest = field.checked_export(&export).await;
        assert_eq!(manifest["counts"]["records"], 2, "{place}");
        if !crash.has_happened() {
            let seen = crash.seen();
            assert!(seen.windows(REMOVAL.len()).any(|calls| calls == REMOVAL), "{seen:?}");
            return;
        }
    }
}

#[tokio::test]
async fn a_siloed_tenant_whose_offboarding_is_undone_has_its_silo_as_before() {
    let field = Field::start().await;
    let subject = field.tenant_in("abc", "siloed", Filling { records: 3, files: 2 }).await;
    let before = field.remains(&subject).await;
    field.leave("abc", 86_400).await;
    field.run_until("abc", "grace").await;
    let resumed = field.as_admin("PATCH", "/tenants/abc", r#"{"status":"active"}"#).await;
    assert_eq!((resumed.status, &resumed.json()["offboarding"]), (200, &Value::Null), "{resumed:?}");
    assert_eq!(field.remains(&subject).await, before);
    let record = field.call(&subject.value, "GET", "/records/bulk/00000", &[], "").await;
    assert_eq!(record.status, 200, "{record:?}");
    // What is left of the first export is in nobody's way.
    field.leave("abc", 0).await;
    field.run_until("abc", "deleted").await;
    assert_eq!(field.remains(&subject).await, [""; 0]);
}

/// Onboards a tenant whose silo cannot be made: a bucket of the name holds something.
async fn waiting(field: &Field, id: &str) -> (String, String) {
    let (table, bucket) = field.home(id, "siloed");
    let region = aws_sdk_s3::types::BucketLocationConstraint::from(field.state().region.as_str());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(region).build();
    let made = field.s3(None).create_bucket().bucket(&bucket).create_bucket_configuration(place);
    made.send().await.expect("a bucket");
    let put = field.s3(None).put_object().bucket(&bucket).key(format!("{id}/left")).body(vec![0].into());
    put.send().await.expect("a file");
    let body =
        json!({"tenant_id": id, "name": id, "email": "a@b.example", "tier": "free", "isolation": "siloed"});
    assert_eq!(field.as_admin("POST", "/tenants", &body.to_string()).await.status, 202);
    field.run(&time_of(0)).await;
    let told = field.shown(id).await["tenant"].clone();
    assert!(told["status_reason"].as_str().is_some_and(|reason| reason.contains("not empty")), "{told}");
    (table, bucket)
}

#[tokio::test]
async fn a_tenant_that_waits_for_its_silo_can_be_ended_and_nothing_of_anothers_goes_with_it() {
    let field = Field::start().await;
    let (_, bucket) = waiting(&field, "abc").await;
    let leaving = field.leave("abc", 86_400).await;
    assert_eq!(
        (&leaving["offboarding"]["stage"], &leaving["tenant"]["status"]),
        (&json!("purge"), &json!("deleting"))
    );
    // What was there before is looked after by hand.
    field.run(&time_of(3)).await;
    let standing = field.shown("abc").await["offboarding"].clone();
    assert!(standing["standstill"].as_str().is_some_and(|reason| reason.contains(&bucket)), "{standing}");
    let left = field.s3(None).get_object().bucket(&bucket).key("abc/left").send().await;
    assert!(left.is_ok(), "{left:?}");
    let delete = field.s3(None).delete_object().bucket(&bucket).key("abc/left");
    delete.send().await.expect("deleted");
    field.run_until("abc", "deleted").await;
    let keys = Vec::new();
    let subject = crate::field::Subject { id: "abc".to_owned(), keys, value: String::new() };
    assert_eq!(field.remains(&subject).await, [""; 0]);
    assert_eq!(field.shown("abc").await["offboarding"]["export"], Value::Null);
}

#[tokio::test]
async fn what_has_the_names_of_a_pooled_tenants_silo_goes_with_it_when_it_is_empty_and_not_before() {
    let field = Field::start().await;
    let subject = field.tenant_in("abc", "siloed", Filling { records: 1, files: 1 }).await;
    // As if it had been moved back by hand, and its silo forgotten.
    let pooled = aws_sdk_dynamodb::types::AttributeValue::S("pooled".to_owned());
    let update = field.aws().dynamodb().update_item().table_name(&field.state().tables["tenants"]);
    let update = update.key("tenant_id", aws_sdk_dynamodb::types::AttributeValue::S("abc".to_owned()));
    let update = update.update_expression("SET #isolation = :pooled");
    let update = update.expression_attribute_names("#isolation", "isolation");
    update.expression_attribute_values(":pooled", pooled).send().await.expect("the tenant is changed");
    field.leave("abc", 0).await;
    for minutes in [71, 72] {
        field.run(&time_of(minutes)).await;
    }
    // Nobody knows whose it is.
    let standing = field.shown("abc").await["offboarding"].clone();
    let reason = standing["standstill"].as_str().unwrap_or_else(|| panic!("{standing}"));
    assert!(reason.contains("tenantry-silo-abc-records") && reason.contains("not empty"), "{reason}");
    let (table, bucket) = field.home("abc", "siloed");
    for item in field.items(&table).await {
        let delete = field.aws().dynamodb().delete_item().table_name(&table);
        let delete = delete.key("tenant_id", item["tenant_id"].clone()).key("sk", item["sk"].clone());
        delete.send().await.expect("deleted");
    }
    field.empty(&bucket).await;
    field.run_until("abc", "deleted").await;
    assert_eq!(field.remains(&subject).await, [""; 0]);
}
