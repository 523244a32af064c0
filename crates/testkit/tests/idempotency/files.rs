//! Uploads that are asked for twice.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use testkit::Stack;
use time::format_description::well_known::Rfc3339;

use super::{LARGE, advance, created_at, file, is_replayed, items, post, problem};

/// The unfinished uploads of all tenants, by their ids.
async fn uploads(stack: &Stack) -> Vec<String> {
    let bucket = &stack.state().buckets["files"];
    let page = stack.s3(None).list_multipart_uploads().bucket(bucket).send().await.expect("readable");
    page.uploads().iter().map(|upload| upload.upload_id().expect("an id").to_owned()).collect()
}

/// Leaves the only item as a function leaves it that has died after its claim.
async fn die_after_the_claim(stack: &Stack) {
    let mut found = items(stack).await;
    let mut item = found.pop().expect("an item");
    assert!(found.is_empty(), "one item");
    let lease = created_at(&item) + time::Duration::seconds(30);
    item.insert("lease_until".to_owned(), AttributeValue::S(lease.format(&Rfc3339).expect("a text")));
    if let Some(AttributeValue::M(reference)) = item.get_mut("reference") {
        reference.remove("upload_id");
    }
    let table = &stack.state().tables["idempotency"];
    let put = stack.aws().dynamodb().put_item().table_name(table).set_item(Some(item));
    put.send().await.expect("written");
}

async fn an_upload_in_one_piece_is_signed_anew_also_when_the_file_is_there(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let body = file("small", 5);
    let first = post(&stack, "globex", "/files", "k", &body).await;
    assert_eq!((first.status, is_replayed(&first)), (201, false), "{first:?}");
    let again = post(&stack, "globex", "/files", "k", &body).await;
    assert_eq!((again.status, is_replayed(&again)), (201, true), "{again:?}");
    assert_eq!(again.json()["upload"]["headers"], first.json()["upload"]["headers"]);
    assert_eq!(testkit::upload(&again.json()["upload"], "hello").await.status, 200);
    let late = post(&stack, "globex", "/files", "k", &body).await;
    assert_eq!((late.status, is_replayed(&late)), (201, true), "{late:?}");
    // It replaces nothing, as the first one would not.
    assert_eq!(testkit::upload(&late.json()["upload"], "HELLO").await.status, 412);
    assert_eq!(problem(&post(&stack, "globex", "/files", "other", &body).await), (409, "conflict".into()));
    let kept = format!("{:?}", items(&stack).await);
    assert!(!kept.contains("X-Amz") && !kept.contains("http"), "{kept}");
}

async fn an_upload_in_parts_is_begun_once(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let body = file("large", LARGE);
    let first = post(&stack, "globex", "/files", "k", &body).await;
    assert_eq!((first.status, is_replayed(&first)), (201, false), "{first:?}");
    let again = post(&stack, "globex", "/files", "k", &body).await;
    assert_eq!((again.status, is_replayed(&again)), (201, true), "{again:?}");
    let plan = again.json()["multipart"].clone();
    let upload_id = plan["upload_id"].as_str().expect("an id");
    assert_eq!(first.json()["multipart"]["upload_id"], upload_id);
    assert_eq!(uploads(&stack).await, [upload_id]);
    // The parts of either answer are parts of the one upload.
    let sent = testkit::upload(&plan["parts"][4], "x").await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let completion =
        json!({"upload_id": upload_id, "parts": [{"number": 5, "etag": sent.header("etag")}]}).to_string();
    assert_eq!(stack.as_tenant("globex", "PUT", "/files/large", &completion).await.status, 200);
    let late = post(&stack, "globex", "/files", "k", &body).await;
    assert_eq!((late.status, is_replayed(&late)), (201, true));
    assert_eq!(testkit::upload(&late.json()["multipart"]["parts"][4], "x").await.status, 404);
    assert!(uploads(&stack).await.is_empty(), "nothing is begun again");
}

async fn a_refused_upload_can_be_asked_for_again(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let plan = stack.as_tenant("globex", "POST", "/files", &file("taken", 1)).await.json();
    assert_eq!(testkit::upload(&plan["upload"], "x").await.status, 200);
    let taken = file("taken", LARGE);
    for _ in 0..2 {
        let refused = post(&stack, "globex", "/files", "k", &taken).await;
        assert_eq!((problem(&refused), is_replayed(&refused)), ((409, "conflict".into()), false));
    }
    assert!(uploads(&stack).await.is_empty());
    assert_eq!(stack.as_tenant("globex", "DELETE", "/files/taken", "").await.status, 204);
    let answer = post(&stack, "globex", "/files", "k", &taken).await;
    assert_eq!((answer.status, is_replayed(&answer)), (201, false), "{answer:?}");
    assert!(is_replayed(&post(&stack, "globex", "/files", "k", &taken).await));
    // A key whose only request was refused is free for any other.
    let plan = stack.as_tenant("globex", "POST", "/files", &file("small", 1)).await.json();
    assert_eq!(testkit::upload(&plan["upload"], "x").await.status, 200);
    assert_eq!(post(&stack, "globex", "/files", "free", &file("small", 1)).await.status, 409);
    let answer = post(&stack, "globex", "/files", "free", &file("another", 1)).await;
    assert_eq!((answer.status, is_replayed(&answer)), (201, false), "{answer:?}");
}

async fn while_an_upload_is_being_begun_its_key_is_in_use_and_later_taken_over(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let body = file("large", LARGE);
    let lost = post(&stack, "globex", "/files", "k", &body).await.json();
    die_after_the_claim(&stack).await;
    let before = stack.contents().await;
    let held = post(&stack, "globex", "/files", "k", &body).await;
    assert_eq!(problem(&held), (409, "idempotency-key-in-use".into()));
    assert_eq!(held.header("retry-after"), "1");
    let other = post(&stack, "globex", "/files", "k", &file("other", 1)).await;
    assert_eq!(problem(&other), (422, "idempotency-key-reused".into()));
    assert_eq!(stack.contents().await, before);
    advance(&stack, "31s").await;
    let requests = (0..5).map(|_| post(&stack, "globex", "/files", "k", &body));
    let answers = futures_util::future::join_all(requests).await;
    let begun: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(begun.iter().filter(|answer| !is_replayed(answer)).count(), 1, "{answers:?}");
    let upload_id = begun[0].json()["multipart"]["upload_id"].clone();
    assert_ne!(upload_id, lost["multipart"]["upload_id"]);
    for answer in &answers {
        if answer.status == 201 {
            assert_eq!(answer.json()["multipart"]["upload_id"], upload_id);
        } else {
            assert_eq!(problem(answer), (409, "idempotency-key-in-use".into()));
        }
    }
    let again = post(&stack, "globex", "/files", "k", &body).await;
    assert_eq!((again.json()["multipart"]["upload_id"].clone(), is_replayed(&again)), (upload_id, true));
    // The one that died has left an upload, which ends by the bucket's life cycle, and the later ones one more.
    assert_eq!(uploads(&stack).await.len(), 2);
}

testkit::in_both_modes! {
    an_upload_in_one_piece_is_signed_anew_also_when_the_file_is_there,
    an_upload_in_parts_is_begun_once,
    a_refused_upload_can_be_asked_for_again,
    while_an_upload_is_being_begun_its_key_is_in_use_and_later_taken_over,
}
