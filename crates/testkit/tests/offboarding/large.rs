//! Files that are copied in parts, and files with names that are not easy to list.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption, StorageClass};
use serde_json::Value;
use testkit::Vended;

use crate::field::{Field, Filling, time_of};

/// Bytes of the parts of a file. The first is as small as S3 takes it.
const PARTS: [usize; 2] = [5 << 20, 10];

/// Uploads a file in parts. Answers its entity tag.
async fn put_in_parts(field: &Field, key: &str) -> String {
    let (s3, bucket) = (field.s3(None), field.state().buckets["files"].clone());
    let begun = s3.create_multipart_upload().bucket(&bucket).key(key).content_type("text/x-odd");
    let begun = begun.cache_control("max-age=5").metadata("colour", "red").send().await.expect("an upload");
    let id = begun.upload_id().expect("an id");
    let mut parts = Vec::new();
    for (number, size) in (1..).zip(PARTS) {
        let body = ByteStream::from(vec![u8::try_from(number).expect("small"); size]);
        let put = s3.upload_part().bucket(&bucket).key(key).upload_id(id).part_number(number).body(body);
        let etag = put.send().await.expect("a part").e_tag.expect("a tag");
        parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.complete_multipart_upload().bucket(&bucket).key(key).upload_id(id);
    let completed = complete.multipart_upload(parts).send().await.expect("a file");
    completed.e_tag.expect("a tag").trim_matches('"').to_owned()
}

/// Where the export of a tenant has a file.
async fn place_of(field: &Field, id: &str) -> (String, String) {
    let export = field.shown(id).await["offboarding"]["export"].clone();
    let text = |name: &str| export[name].as_str().expect("a text").to_owned();
    (text("bucket"), format!("{}files/large file", text("prefix")))
}

/// The lines of the export's list of files.
async fn listed(field: &Field, export: &Value) -> Vec<Value> {
    let (bucket, prefix) =
        (export["bucket"].as_str().expect("a text"), export["prefix"].as_str().expect("a text"));
    let part =
        field.s3(None).get_object().bucket(bucket).key(format!("{prefix}files-00001.ndjson")).send().await;
    let body = part.expect("a part").body.collect().await.expect("a body").to_vec();
    let text = String::from_utf8(body).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Unfinished uploads in the exports bucket, each with the number of its parts.
async fn unfinished(field: &Field) -> Vec<usize> {
    let (s3, bucket) = (field.s3(None), field.state().buckets["exports"].clone());
    let uploads = s3.list_multipart_uploads().bucket(&bucket).send().await.expect("uploads");
    let mut all = Vec::new();
    for upload in uploads.uploads() {
        let parts = s3.list_parts().bucket(&bucket).key(upload.key().expect("a key"));
        let parts = parts.upload_id(upload.upload_id().expect("an id")).send().await.expect("parts");
        all.push(parts.parts().len());
    }
    all
}

#[tokio::test]
async fn the_copy_of_a_file_in_parts_is_as_the_file_and_goes_on_behind_a_crash_where_it_stood() {
    let field = Field::start().await;
    let mut is_resumed = false;
    for number in 1.. {
        let id = format!("f{number:03}");
        field.tenant(&id, Filling { records: 0, files: 0 }).await;
        let etag = put_in_parts(&field, &format!("{id}/large file")).await;
        assert!(etag.ends_with("-2"), "{etag}");
        field.leave(&id, 86_400).await;
        let crash = field.inner().crash_after("tenants-reconcile", number);
        field.run(&time_of(70)).await;
        let is_over = !crash.has_happened();
        drop(crash);
        let there = unfinished(&field).await;
        let watched = field.inner().crash_after("tenants-reconcile", 1_000);
        field.run_until(&id, "grace").await;
        let place = format!("behind step {number}");
        if let [parts] = there[..] {
            // The rest of the parts, the list, and the manifest. A part that was under way when the function died
            // may have come to its end since.
            let puts = watched.seen().iter().filter(|call| *call == "s3:PUT").count();
            assert!(puts <= PARTS.len() - parts + 2, "{place}: {:?}", watched.seen());
            is_resumed |= parts > 0;
        }
        drop(watched);
        assert_eq!(unfinished(&field).await, [0; 0], "{place}");
        let export = field.shown(&id).await["offboarding"]["export"].clone();
        let manifest = field.checked_export(&export).await;
        assert_eq!(
            (&manifest["counts"]["files"], &manifest["counts"]["bytes"]),
            (&1.into(), &5_242_890.into())
        );
        let line = &listed(&field, &export).await[0];
        assert_eq!(
            (&line["etag"], &line["source_etag"]),
            (&etag.clone().into(), &etag.clone().into()),
            "{place}"
        );
        let (bucket, key) = place_of(&field, &id).await;
        let copy = field.s3(None).get_object().bucket(bucket).key(key).send().await.expect("the copy");
        assert_eq!((copy.content_type(), copy.cache_control()), (Some("text/x-odd"), Some("max-age=5")));
        assert_eq!(copy.metadata().and_then(|told| told.get("colour")).map(String::as_str), Some("red"));
        let bytes = copy.body.collect().await.expect("a body").to_vec();
        let is_same = bytes.iter().take(PARTS[0]).all(|byte| *byte == 1) && bytes.ends_with(&[2; PARTS[1]]);
        assert!(is_same && bytes.len() == PARTS[0] + PARTS[1], "{place}");
        if is_over {
            break;
        }
    }
    assert!(is_resumed, "some crash was between two parts");
}

#[tokio::test]
async fn a_copy_that_was_begun_of_something_else_is_begun_anew() {
    let field = Field::start().await;
    field.tenant("abc", Filling { records: 0, files: 0 }).await;
    let etag = put_in_parts(&field, "abc/large file").await;
    let leaving = field.leave("abc", 86_400).await;
    let version = leaving["tenant"]["version"].as_u64().expect("a version");
    let (s3, bucket) = (field.s3(None), field.state().buckets["exports"].clone());
    // Two uploads, with as much in them as the file has, and with other bytes.
    for _ in 0..2 {
        let key = format!("abc/{version:06}/files/large file");
        let begun = s3.create_multipart_upload().bucket(&bucket).key(&key).send().await.expect("an upload");
        let put = s3.upload_part().bucket(&bucket).key(&key).upload_id(begun.upload_id().expect("an id"));
        put.part_number(1).body(vec![9; PARTS[0]].into()).send().await.expect("a part");
    }
    assert_eq!(unfinished(&field).await, [1, 1]);
    field.run_until("abc", "grace").await;
    assert_eq!(unfinished(&field).await, [0; 0]);
    let export = field.shown("abc").await["offboarding"]["export"].clone();
    let line = &listed(&field, &export).await[0];
    assert_eq!(line["etag"], etag);
    field.checked_export(&export).await;
}

#[tokio::test]
async fn files_whose_names_xml_cannot_hold_or_which_are_as_long_as_can_be_leave_too() {
    let field = Field::start().await;
    let subject = field.tenant("abc", Filling { records: 0, files: 0 }).await;
    let (s3, bucket) = (field.s3(None), field.state().buckets["files"].clone());
    let long = "n".repeat(1_024 - "abc/".len());
    for name in ["\u{1}", "a\r\nb", "a\u{ffff}", "+ %20", &long] {
        let put = s3.put_object().bucket(&bucket).key(format!("abc/{name}")).body(vec![0; 3].into());
        put.send().await.expect("a file");
    }
    field.leave("abc", 0).await;
    field.run_until("abc", "deleted").await;
    assert_eq!(field.remains(&subject).await, [""; 0]);
    let export = field.shown("abc").await["offboarding"]["export"].clone();
    let manifest = field.checked_export(&export).await;
    assert_eq!(manifest["counts"]["files"], 5);
    let names: Vec<_> = listed(&field, &export).await.iter().map(|line| line["name"].clone()).collect();
    assert!(names.contains(&long.into()) && names.contains(&"\u{1}".into()), "{names:?}");
}

#[tokio::test]
async fn handed_out_credentials_put_no_file_where_s3_would_not_copy_it_from() {
    let field = Field::start().await;
    let subject = field.tenant("abc", Filling { records: 0, files: 0 }).await;
    let credentials = field.call(&subject.value, "POST", "/credentials", &[], r#"{"access":"write"}"#).await;
    let vended = Vended::of(&credentials);
    let put = |class: Option<StorageClass>| {
        let put =
            vended.s3(&field).put_object().bucket(&vended.bucket).key("abc/file").set_storage_class(class);
        put.body(vec![0].into()).send()
    };
    for class in [None, Some(StorageClass::Standard)] {
        let allowed = put(class.clone()).await;
        assert!(allowed.is_ok(), "{class:?}: {allowed:?}");
    }
    let encrypted = vended.s3(&field).put_object().bucket(&vended.bucket).key("abc/file");
    let encrypted = encrypted.server_side_encryption(ServerSideEncryption::AwsKms).body(vec![0].into());
    let refused = encrypted.send().await.expect_err("a key of KMS").into_service_error();
    assert_eq!(refused.meta().code(), Some("AccessDenied"));
    for class in [StorageClass::Glacier, StorageClass::DeepArchive] {
        let refused = put(Some(class)).await.expect_err("an archive").into_service_error();
        assert_eq!(refused.meta().code(), Some("AccessDenied"));
    }
}
