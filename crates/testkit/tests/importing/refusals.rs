//! Imports that are refused, that stand still, and that are given up.

use serde_json::{Value, json};

use crate::ground::{Ground, Holdings, Tenant};

/// Exports a tenant with a little of every kind, and asks for the import into a new one. Answers the export's prefix,
/// and the new tenant.
async fn begun(ground: &Ground) -> (String, Tenant) {
    let subject = ground.onboard("subject", "pooled", 1).await;
    ground.fill_a_little(&subject).await;
    let prefix = ground.export(&subject).await;
    let new = ground.onboard("newone", "pooled", 1).await;
    assert_eq!(ground.ask("newone", &json!({ "prefix": prefix })).await.status, 202);
    (prefix, new)
}

#[tokio::test]
async fn an_import_that_does_not_fit_is_refused_and_writes_nothing() {
    let ground = Ground::start().await;
    let subject = ground.onboard("subject", "pooled", 2).await;
    ground.fill_a_little(&subject).await;
    let put = ground.call(&subject.keys[1].1, "PUT", "/checkpoints/sync", &[], "2").await;
    assert_eq!(put.status, 201, "{put:?}");
    let prefix = ground.export(&subject).await;
    let new = ground.onboard("newone", "pooled", 2).await;
    let with_record = ground.onboard("filled1", "pooled", 1).await;
    ground.plant(&with_record, "notes#a", &[]).await;
    let with_file = ground.onboard("filled2", "siloed", 1).await;
    ground.put_file(&with_file, "a", b"a").await;
    let with_checkpoint = ground.onboard("filled3", "pooled", 2).await;
    assert_eq!(ground.as_of(&with_checkpoint, "PUT", "/checkpoints/a", "1").await.status, 201);
    let manifest =
        String::from_utf8(ground.exported(&format!("{prefix}manifest.json")).await).expect("UTF-8");
    let of_another_form = manifest.replace("tenantry-export-2", "tenantry-export-1");
    ground.tamper("other/1/manifest.json", of_another_form.into_bytes()).await;
    ground.tamper("other/2/manifest.json", b"{}".to_vec()).await;
    ground.tamper("other/3/manifest.json", vec![b' '; 3 << 20]).await;
    let keys = Ground::keys(&subject, &new);
    let (first, second) = (&subject.keys[0].0, &subject.keys[1].0);
    let foreign = json!({first: new.keys[0].0, second: with_record.keys[0].0});
    let all = |keys: &Value| json!({"prefix": prefix, "keys": keys});
    let before = ground.contents().await;
    for (id, body, status, pointer) in [
        ("nobody", all(&keys), 404, None),
        ("subject", all(&keys), 409, None),
        ("filled1", json!({"prefix": prefix, "checkpoints": false}), 409, None),
        ("filled2", json!({"prefix": prefix, "checkpoints": false}), 409, None),
        ("filled3", all(&Ground::keys(&subject, &with_checkpoint)), 409, None),
        ("newone", json!({"abandon": true}), 409, None),
        ("newone", json!({"prefix": "subject/9/", "keys": keys}), 422, Some("/prefix")),
        ("newone", json!({"prefix": "other/1/", "keys": keys}), 422, Some("/prefix")),
        ("newone", json!({"prefix": "other/2/", "keys": keys}), 422, Some("/prefix")),
        ("newone", json!({"prefix": "other/3/", "keys": keys}), 422, Some("/prefix")),
        ("newone", json!({"prefix": prefix}), 422, Some("/keys")),
        ("newone", all(&json!({first: new.keys[0].0})), 422, Some("/keys")),
        ("newone", all(&foreign), 422, Some(&*format!("/keys/{second}"))),
    ] {
        let refused = ground.ask(id, &body).await;
        assert_eq!(refused.status, status, "{id} {body}: {refused:?}");
        assert_eq!(refused.json()["errors"][0]["pointer"].as_str(), pointer, "{id} {body}: {refused:?}");
        assert_eq!(ground.contents().await, before, "{id} {body}");
    }
    // While one is under way, nothing else begins.
    assert_eq!(ground.ask("newone", &all(&keys)).await.status, 202);
    let before = ground.contents().await;
    let other = ground.ask("newone", &json!({"prefix": prefix, "checkpoints": false})).await;
    assert_eq!((other.status, other.json()["title"].as_str()), (409, Some("Conflict")), "{other:?}");
    let leaving = ground.as_admin("DELETE", "/tenants/newone", "").await;
    assert_eq!(leaving.status, 409, "{leaving:?}");
    assert_eq!(ground.contents().await, before);
}

#[tokio::test]
async fn a_part_that_is_not_as_the_manifest_says_stands_still_and_nothing_of_it_is_written() {
    let ground = Ground::start().await;
    let subject = ground.onboard("subject", "pooled", 1).await;
    ground.fill_a_little(&subject).await;
    let had = ground.holdings(&subject).await;
    let prefix = ground.export(&subject).await;
    let part = format!("{prefix}records-00001.ndjson");
    let good = ground.exported(&part).await;
    let new = ground.onboard("newone", "pooled", 1).await;
    let mut bad = good.clone();
    let at = bad.iter().position(|byte| *byte == b'5').expect("a digit");
    bad[at] = b'6';
    ground.tamper(&part, bad).await;
    assert_eq!(ground.ask("newone", &json!({ "prefix": prefix })).await.status, 202);
    ground.go_on("newone", 71).await;
    let standing = ground.shown("newone").await;
    let reason = standing["import"]["standstill"].as_str().unwrap_or_else(|| panic!("{standing}"));
    assert!(reason.contains("records-00001.ndjson") && reason.contains("digest"), "{reason}");
    assert_eq!(
        (&standing["import"]["stage"], ground.holdings(&new).await),
        (&json!("records"), Holdings::default())
    );
    // It is tried again by itself.
    ground.tamper(&part, good).await;
    ground.go_on("newone", 100).await;
    assert_eq!(ground.shown("newone").await["import"]["stage"], "records");
    ground.go_on("newone", 131).await;
    let shown = ground.shown("newone").await;
    assert_eq!((&shown["import"]["stage"], &shown["import"]["standstill"]), (&json!("done"), &Value::Null));
    assert_eq!(ground.holdings(&new).await, had);
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_named_and_nothing_of_its_part_is_written() {
    let ground = Ground::start().await;
    let subject = ground.onboard("subject", "pooled", 1).await;
    ground.fill_a_little(&subject).await;
    let prefix = ground.export(&subject).await;
    // A part and a manifest that fit, with a line of another program's.
    let part = ground.exported(&format!("{prefix}records-00001.ndjson")).await;
    let digest = sha256(&part);
    let part = String::from_utf8(part).expect("UTF-8");
    let other = part.replacen(r#""id":"b""#, r#""id":"/""#, 1);
    assert_ne!(other, part);
    let manifest =
        String::from_utf8(ground.exported(&format!("{prefix}manifest.json")).await).expect("UTF-8");
    let manifest = manifest.replace(&digest, &sha256(other.as_bytes()));
    ground.tamper(&format!("{prefix}records-00001.ndjson"), other.into_bytes()).await;
    ground.tamper(&format!("{prefix}manifest.json"), manifest.into_bytes()).await;
    let new = ground.onboard("newone", "pooled", 1).await;
    assert_eq!(ground.ask("newone", &json!({ "prefix": prefix })).await.status, 202);
    ground.go_on("newone", 71).await;
    let standing = ground.shown("newone").await;
    let reason = standing["import"]["standstill"].as_str().unwrap_or_else(|| panic!("{standing}"));
    assert_eq!(reason, "line 2 of records-00001.ndjson cannot be read");
    assert_eq!(ground.holdings(&new).await, Holdings::default());
    // A manifest that is another than that of the request does not count either.
    ground.tamper(&format!("{prefix}manifest.json"), b"{}".to_vec()).await;
    ground.go_on("newone", 132).await;
    let standing = ground.shown("newone").await;
    assert!(
        standing["import"]["standstill"].as_str().is_some_and(|reason| reason.contains("manifest")),
        "{standing}"
    );
    let abandoned = ground.ask("newone", &json!({"abandon": true})).await;
    assert_eq!(abandoned.status, 202, "{abandoned:?}");
    ground.run_until("newone", "abandoned").await;
    assert_eq!(ground.as_of(&new, "POST", "/records/notes", "{}").await.status, 201);
}

#[tokio::test]
async fn an_import_that_waits_is_given_up_at_once_and_leaves_the_tenants_own_alone() {
    let ground = Ground::start().await;
    let (_, new) = begun(&ground).await;
    // A request that did not know of the import.
    ground.plant(&new, "notes#late", &[]).await;
    let own = ground.holdings(&new).await;
    ground.go_on("newone", 71).await;
    let standing = ground.shown("newone").await;
    assert!(standing["import"]["standstill"].is_string(), "{standing}");
    assert_eq!(ground.holdings(&new).await, own);
    let abandoned = ground.ask("newone", &json!({"abandon": true})).await;
    assert_eq!((abandoned.status, &abandoned.json()["import"]["stage"]), (202, &json!("abandoned")));
    assert_eq!(ground.ask("newone", &json!({"abandon": true})).await.json(), abandoned.json());
    assert_eq!(ground.as_of(&new, "POST", "/records/notes", "{}").await.status, 201);
    assert_ne!(ground.holdings(&new).await, Holdings::default());
}

#[tokio::test]
async fn what_is_written_past_the_api_meanwhile_is_found_by_the_comparison() {
    let ground = Ground::start().await;
    let subject = ground.onboard("subject", "pooled", 1).await;
    ground.fill_a_little(&subject).await;
    let had = ground.holdings(&subject).await;
    let prefix = ground.export(&subject).await;
    let new = ground.onboard("newone", "pooled", 1).await;
    assert_eq!(ground.ask("newone", &json!({ "prefix": prefix })).await.status, 202);
    // Behind the look whether there is nothing.
    let crash = ground.inner().crash_after("tenants-reconcile", 2);
    ground.go_on("newone", 71).await;
    assert!(crash.has_happened());
    ground.put_file(&new, "late", b"late").await;
    ground.go_on("newone", 74).await;
    let standing = ground.shown("newone").await;
    let reason = standing["import"]["standstill"].as_str().unwrap_or_else(|| panic!("{standing}"));
    assert!(reason.contains("3 files for 2") && reason.contains("bytes"), "{reason}");
    assert_eq!(ground.as_of(&new, "POST", "/records/notes", "{}").await.status, 503);
    // Once it is gone, the next comparison ends the import.
    let (_, bucket) = ground.home(&new);
    ground.s3(None).delete_object().bucket(bucket).key("newone/late").send().await.expect("deleted");
    ground.go_on("newone", 135).await;
    assert_eq!(ground.shown("newone").await["import"]["stage"], "done");
    assert_eq!(ground.holdings(&new).await, had);
}

#[tokio::test]
async fn what_is_replaced_past_the_api_meanwhile_is_found_by_its_digest() {
    let ground = Ground::start().await;
    let (prefix, new) = begun(&ground).await;
    // Behind the records.
    let crash = ground.inner().crash_after("tenants-reconcile", 4);
    ground.go_on("newone", 71).await;
    assert!(crash.has_happened());
    ground.plant(&new, "notes#a", &[]).await;
    ground.go_on("newone", 74).await;
    let standing = ground.shown("newone").await;
    let reason = standing["import"]["standstill"].as_str().unwrap_or_else(|| panic!("{standing}"));
    assert!(reason.contains("1 records for 2") && reason.contains("2 items"), "{reason}");
    // A file of the same length, which no count tells from the exported one.
    ground.ask("newone", &json!({"abandon": true})).await;
    ground.run_until("newone", "abandoned").await;
    assert_eq!(ground.ask("newone", &json!({ "prefix": prefix })).await.status, 202);
    let crash = ground.inner().crash_after("tenants-reconcile", 14);
    ground.go_on("newone", 71).await;
    assert!(crash.has_happened());
    ground.put_file(&new, "one", b"eno").await;
    ground.go_on("newone", 74).await;
    let standing = ground.shown("newone").await;
    let reason = standing["import"]["standstill"].as_str().unwrap_or_else(|| panic!("{standing}"));
    assert!(reason.contains("not the same"), "{reason}");
}

#[tokio::test]
async fn a_checkpoint_that_was_written_meanwhile_is_neither_overwritten_nor_deleted() {
    let ground = Ground::start().await;
    let (_, new) = begun(&ground).await;
    // By credentials that were handed out before.
    ground.checkpoint(&new, "sync").await;
    let own = ground.holdings(&new).await;
    ground.go_on("newone", 71).await;
    let standing = ground.shown("newone").await;
    let reason = standing["import"]["standstill"].as_str().unwrap_or_else(|| panic!("{standing}"));
    assert!(reason.contains("checkpoints"), "{reason}");
    assert_eq!(ground.ask("newone", &json!({"abandon": true})).await.status, 202);
    ground.go_on("newone", 141).await;
    assert_eq!(ground.holdings(&new).await, own);
}

#[tokio::test]
async fn a_key_that_is_to_get_checkpoints_is_not_rotated_meanwhile() {
    let ground = Ground::start().await;
    let (_, new) = begun(&ground).await;
    let rotation = json!({"rotate": new.keys[0].0, "overlap_seconds": 60}).to_string();
    let before = ground.contents().await;
    let refused = ground.as_admin("POST", "/tenants/newone/keys", &rotation).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(ground.contents().await, before);
    ground.run_until("newone", "done").await;
    assert_eq!(ground.as_admin("POST", "/tenants/newone/keys", &rotation).await.status, 201);
}

#[tokio::test]
async fn checkpoints_of_a_key_that_ends_while_it_is_exported_come_back() {
    let ground = Ground::start().await;
    let subject = ground.onboard("subject", "pooled", 2).await;
    ground.fill(&subject).await;
    let had = ground.holdings(&subject).await;
    let leaving = ground.as_admin("DELETE", "/tenants/subject?grace_seconds=86400", "").await;
    assert_eq!(leaving.status, 202, "{leaving:?}");
    // The lease, and both parts of the records; the checkpoints' part is written and told of, the key is revoked then.
    let crash = ground.inner().crash_after("tenants-reconcile", 7);
    ground.go_on("subject", 71).await;
    assert!(crash.has_happened(), "{:?}", crash.seen());
    let path = format!("/tenants/subject/keys/{}", subject.keys[1].0);
    let revoked = ground.as_admin("DELETE", &path, "").await;
    assert_eq!(revoked.status, 204, "{revoked:?} {:?}", crash.seen());
    ground.go_on("subject", 75).await;
    let left = ground.shown("subject").await["offboarding"].clone();
    assert_eq!(left["stage"], "grace");
    let prefix = &left["export"]["prefix"];
    let new = ground.onboard("newone", "pooled", 2).await;
    let asked = json!({"prefix": prefix, "keys": Ground::keys(&subject, &new)});
    let answer = ground.ask("newone", &asked).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    ground.run_until("newone", "done").await;
    assert_eq!(ground.holdings(&new).await, had);
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digits: Vec<_> = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}
