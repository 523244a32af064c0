//! Tenants that leave: through the real functions, with the tables, the buckets and the gateway read directly.

mod crashes;
mod field;
mod large;
mod neighbours;
mod siloed;

use serde_json::{Value, json};
use testkit::Vended;

use crate::field::{Field, Filling};

#[tokio::test]
async fn nothing_of_a_tenant_that_has_left_remains_but_its_tombstone_its_audit_and_its_export() {
    let field = Field::start().await;
    // More records than a part of the export takes, and more than a query answers.
    let subject = field.tenant("abc", Filling { records: 2_600, files: 60 }).await;
    let before = field.remains(&subject).await;
    for kind in ["records", "idempotency", "checkpoints", "usage", "api-keys", "file", "upload", "key"] {
        assert!(before.iter().any(|thing| thing.starts_with(kind)), "there is something to purge: {kind}");
    }
    let leaving = field.leave("abc", 0).await;
    assert_eq!(leaving["offboarding"]["purge_at"], "2026-11-10T07:10:00Z");
    field.run_until("abc", "deleted").await;
    assert_eq!(field.remains(&subject).await, [""; 0]);

    let gone = field.shown("abc").await;
    let tenant = &gone["tenant"];
    assert_eq!(
        (&tenant["status"], &tenant["name"], &tenant["email"]),
        (&json!("deleted"), &json!(""), &json!(""))
    );
    assert_eq!((&tenant["contact"], &gone["keys"]), (&json!({}), &json!([])));
    // It is counted once more a day later.
    let next_at = gone["offboarding"]["next_at"].as_str().expect("a time");
    assert!(next_at.starts_with("2026-11-11T07:"), "{next_at}");
    field.run("2026-11-11T08:00:00Z").await;
    let gone = field.shown("abc").await;
    assert_eq!(gone["offboarding"]["next_at"], Value::Null);
    let counts = json!({
        "records": 2_601, "raw_records": 1, "checkpoints": 2, "raw_checkpoints": 0, "files": 60, "bytes": 600,
    });
    assert_eq!(gone["offboarding"]["counts"], counts);
    let told = field.audit("abc").await;
    assert!(!told.contains("abc.example") && !told.contains("Name of"), "{told}");
    for action in
        ["tenant.create", "key.create", "tenant.offboard", "tenant.export", "tenant.purge", "tenant.delete"]
    {
        assert!(told.contains(action), "{action}: {told}");
    }

    let manifest = field.checked_export(&gone["offboarding"]["export"]).await;
    assert_eq!(manifest["counts"], counts);
    assert_eq!(manifest["tenant"]["email"], "owner@abc.example");

    // Nothing is done any more, and the id is not given away again.
    let before = field.contents().await;
    field.run("2027-11-10T12:00:00Z").await;
    assert_eq!(field.contents().await, before);
    let again = field.leave("abc", 0).await;
    assert_eq!(again, gone);
    let onboarding = json!({"tenant_id": "abc", "name": "Other", "email": "a@b.example", "tier": "free"});
    assert_eq!(field.as_admin("POST", "/tenants", &onboarding.to_string()).await.status, 409);
    let resumed = field.as_admin("PATCH", "/tenants/abc", r#"{"status":"active"}"#).await;
    assert_eq!(resumed.status, 409, "{resumed:?}");
    assert_eq!(field.contents().await, before);
}

#[tokio::test]
async fn what_handed_out_credentials_write_until_they_end_is_exported_and_purged() {
    let field = Field::start().await;
    let subject = field.tenant("abc", Filling { records: 1, files: 1 }).await;
    let credentials = field.call(&subject.value, "POST", "/credentials", &[], r#"{"access":"write"}"#).await;
    let vended = Vended::of(&credentials);
    field.leave("abc", 0).await;
    let (dynamodb, s3) = (vended.dynamodb(&field, &field.state().aws_endpoint_url), vended.s3(&field));
    field.put_record(&dynamodb, &vended.records, "abc", "late#first").await;
    s3.put_object()
        .bucket(&vended.bucket)
        .key("abc/late")
        .body(b"late".to_vec().into())
        .send()
        .await
        .expect("put");

    // Before the horizon nothing is done.
    let before = field.contents().await;
    field.run("2026-11-10T07:09:59Z").await;
    assert_eq!(field.contents().await, before);
    field.run("2026-11-10T07:10:00Z").await;
    let standing = field.shown("abc").await;
    assert_eq!(standing["offboarding"]["stage"], "count");
    assert_eq!(standing["offboarding"]["counts"]["records"], 3);
    assert_eq!(standing["offboarding"]["counts"]["files"], 2);
    let manifest = field.checked_export(&standing["offboarding"]["export"]).await;
    assert_eq!(manifest["counts"]["records"], 3);

    // What comes in spite of it is found when it is counted.
    field.put_record(&field.aws().dynamodb().clone(), &vended.records, "abc", "late#second").await;
    field.run("2026-11-10T07:20:00Z").await;
    assert_eq!(field.shown("abc").await["offboarding"]["stage"], "count");
    assert_eq!(field.remains(&subject).await, [""; 0]);
    field.run("2026-11-10T07:29:59Z").await;
    assert_eq!(field.shown("abc").await["offboarding"]["stage"], "count");
    field.run("2026-11-10T07:30:00Z").await;
    assert_eq!(field.shown("abc").await["offboarding"]["stage"], "deleted");
}

#[tokio::test]
async fn what_comes_in_during_the_grace_is_in_the_export_and_what_comes_in_behind_the_count_is_purged() {
    let field = Field::start().await;
    let subject = field.tenant("abc", Filling { records: 1, files: 2 }).await;
    let files = field.state().buckets["files"].clone();
    let put = async |name: &str| {
        let put = field.s3(None).put_object().bucket(&files).key(format!("abc/{name}"));
        put.body(b"late".to_vec().into()).send().await.expect("the file is put");
    };
    field.leave("abc", 86_400).await;
    field.run_until("abc", "grace").await;
    // An upload that was begun while its URL held.
    put("late").await;
    field.run("2026-11-11T06:00:00Z").await;
    let standing = field.shown("abc").await;
    assert_eq!(
        (&standing["offboarding"]["stage"], &standing["offboarding"]["counts"]["files"]),
        (&json!("count"), &json!(3))
    );
    let manifest = field.checked_export(&standing["offboarding"]["export"]).await;
    assert_eq!(manifest["counts"]["files"], 3);
    field.run("2026-11-11T06:10:00Z").await;
    assert_eq!(field.shown("abc").await["offboarding"]["stage"], "deleted");
    // One that takes longer than it takes to be gone.
    put("later").await;
    field.run("2026-11-12T06:10:00Z").await;
    assert_eq!(field.remains(&subject).await, [""; 0]);
    assert_eq!(field.shown("abc").await["tenant"]["status"], "deleted");
    field.run("2026-11-12T06:20:00Z").await;
    assert_eq!(field.shown("abc").await["offboarding"]["stage"], "deleted");
    field.run("2026-11-13T06:20:00Z").await;
    assert_eq!(field.shown("abc").await["offboarding"]["next_at"], Value::Null);
}

#[tokio::test]
async fn until_the_purge_begins_an_offboarding_can_be_undone_as_if_it_had_not_been() {
    let field = Field::start().await;
    let subject = field.tenant("abc", Filling { records: 3, files: 2 }).await;
    let before = field.remains(&subject).await;
    // During the export, and during the grace.
    for (time, stage) in [("2026-11-10T06:30:00Z", "export"), ("2026-11-10T07:10:00Z", "grace")] {
        let leaving = field.leave("abc", 86_400).await;
        assert_eq!(leaving["offboarding"]["purge_at"], "2026-11-11T06:00:00Z");
        assert_eq!(field.call(&subject.value, "GET", "/tenant", &[], "").await.status, 403);
        field.run(time).await;
        assert_eq!(field.shown("abc").await["offboarding"]["stage"], stage);
        // Another change has to wait until it is undone.
        let renamed = field.as_admin("PATCH", "/tenants/abc", r#"{"name":"Other"}"#).await;
        assert_eq!(renamed.status, 409, "{renamed:?}");
        let resumed = field.as_admin("PATCH", "/tenants/abc", r#"{"status":"active"}"#).await;
        assert_eq!(resumed.status, 200, "{resumed:?}");
        assert_eq!(resumed.json()["offboarding"], Value::Null);
        assert_eq!(resumed.json()["tenant"]["status"], "active");
        assert_eq!(field.remains(&subject).await, before);
        assert_eq!(field.call(&subject.value, "GET", "/tenant", &[], "").await.status, 200);
    }
    assert!(field.audit("abc").await.contains("the offboarding is undone"));
    let before = field.contents().await;
    field.run("2026-11-12T06:00:00Z").await;
    assert_eq!(field.contents().await, before, "nothing is left to be done");
}

#[tokio::test]
async fn an_undone_offboarding_can_leave_the_tenant_suspended() {
    let field = Field::start().await;
    let subject = field.tenant("abc", Filling { records: 1, files: 0 }).await;
    field.leave("abc", 86_400).await;
    let suspended = field.as_admin("PATCH", "/tenants/abc", r#"{"status":"suspended"}"#).await;
    assert_eq!((suspended.status, &suspended.json()["offboarding"]), (200, &Value::Null));
    assert_eq!(field.call(&subject.value, "GET", "/tenant", &[], "").await.status, 403);
    let resumed = field.as_admin("PATCH", "/tenants/abc", r#"{"status":"active"}"#).await;
    assert_eq!(resumed.status, 200, "{resumed:?}");
    assert_eq!(field.call(&subject.value, "GET", "/tenant", &[], "").await.status, 200);
}

#[tokio::test]
async fn from_the_purge_on_there_is_no_way_back() {
    let field = Field::start().await;
    field.tenant("abc", Filling { records: 1, files: 1 }).await;
    field.leave("abc", 0).await;
    field.run("2026-11-10T07:10:00Z").await;
    for status in ["active", "suspended"] {
        let body = json!({ "status": status }).to_string();
        let refused = field.as_admin("PATCH", "/tenants/abc", &body).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        assert!(
            refused.json()["detail"].as_str().is_some_and(|text| text.contains("no way back")),
            "{refused:?}"
        );
    }
    field.run("2026-11-10T07:20:00Z").await;
    assert_eq!(field.shown("abc").await["tenant"]["status"], "deleted");
}
