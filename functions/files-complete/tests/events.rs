//! The events of `events/files-complete`, through the real binary on the real stack.
//!
//! An upload's id is S3's own, so no event can be of one that is there: those are begun here.

use serde_json::{Value, json};
use testkit::{Answer, Stack};

/// The smallest file that is uploaded in parts: five of them, the last of one byte.
const SIZE: u64 = (64 << 20) + 1;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-name", 400),
        ("not-json", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("foreign-file", 404),
        ("missing-upload", 404),
        ("bad-body", 422),
        ("bad-parts", 422),
        ("unknown-member", 422),
    ];
    Stack::start().await.expect_statuses("files-complete", &cases).await;
}

/// An upload of which the last part has been sent.
struct Upload {
    id: Value,
    etag: String,
}

impl Upload {
    async fn begin(stack: &Stack, tenant: &str, name: &str) -> Self {
        let body = json!({"name": name, "size": SIZE, "content_type": "video/mp4"}).to_string();
        let answer = stack.as_tenant(tenant, "POST", "/files", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let mut plan = answer.json()["multipart"].take();
        let sent = testkit::upload(&plan["parts"][4], "x").await;
        assert_eq!(sent.status, 200, "{sent:?}");
        Self { id: plan["upload_id"].take(), etag: sent.header("etag").to_owned() }
    }

    /// S3 takes the parts that it is told, and the last of them may be small.
    fn completion(&self) -> Value {
        json!({"upload_id": self.id, "parts": [{"number": 5, "etag": self.etag}]})
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

async fn complete(stack: &Stack, tenant: &str, name: &str, completion: &Value) -> Answer {
    stack.as_tenant(tenant, "PUT", &format!("/files/{name}"), &completion.to_string()).await
}

#[tokio::test]
async fn a_completed_upload_is_the_file_that_a_read_answers() {
    let stack = Stack::start().await;
    let upload = Upload::begin(&stack, "globex", "films/day.bin").await;
    let never = stack.as_tenant("globex", "GET", "/files/films/day.bin", "").await;
    assert_eq!(never.status, 404);
    let completed = complete(&stack, "globex", "films/day.bin", &upload.completion()).await;
    assert_eq!((completed.status, completed.header("cache-control")), (200, "no-store"));
    let (completed, read) =
        (completed.json(), stack.as_tenant("globex", "GET", "/files/films/day.bin", "").await.json());
    for member in ["name", "size", "content_type", "etag", "last_modified"] {
        assert_eq!(completed[member], read[member], "{member}");
    }
    assert_eq!((&completed["size"], text(&completed["content_type"])), (&json!(1), "video/mp4"));
    let download =
        testkit::request("GET", text(&completed["download"]["url"]), &[], "").await.expect("an answer");
    assert_eq!((download.status, &download.body[..]), (200, &b"x"[..]));
}

#[tokio::test]
async fn a_name_that_is_taken_by_now_is_not_overwritten_unless_that_is_asked_for() {
    let stack = Stack::start().await;
    let [first, second, third] = [
        Upload::begin(&stack, "globex", "films/day.bin").await,
        Upload::begin(&stack, "globex", "films/day.bin").await,
        Upload::begin(&stack, "globex", "films/day.bin").await,
    ];
    assert_eq!(complete(&stack, "globex", "films/day.bin", &first.completion()).await.status, 200);
    assert_eq!(complete(&stack, "globex", "films/day.bin", &second.completion()).await.status, 409);
    let mut completion = third.completion();
    completion["overwrite"] = true.into();
    assert_eq!(complete(&stack, "globex", "films/day.bin", &completion).await.status, 200);
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_answered_again_until_the_file_is_another() {
    let stack = Stack::start().await;
    let upload = Upload::begin(&stack, "globex", "films/day.bin").await;
    let first = complete(&stack, "globex", "films/day.bin", &upload.completion()).await;
    let again = complete(&stack, "globex", "films/day.bin", &upload.completion()).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.json()["etag"], again.json()["etag"]);
    let file = json!({"name": "films/day.bin", "size": 1, "content_type": "text/plain", "overwrite": true});
    let plan = stack.as_tenant("globex", "POST", "/files", &file.to_string()).await.json();
    assert_eq!(testkit::upload(&plan["upload"], "x").await.status, 200);
    assert_eq!(complete(&stack, "globex", "films/day.bin", &upload.completion()).await.status, 404);
}

#[tokio::test]
async fn a_file_whose_parts_make_up_another_size_than_was_said_is_not_made() {
    let stack = Stack::start().await;
    let upload = Upload::begin(&stack, "globex", "films/day.bin").await;
    let mut completion = upload.completion();
    completion["size"] = SIZE.into();
    let refused = complete(&stack, "globex", "films/day.bin", &completion).await;
    assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!("/size")));
    assert_eq!(stack.as_tenant("globex", "GET", "/files/films/day.bin", "").await.status, 404);
    completion["size"] = 1.into();
    assert_eq!(complete(&stack, "globex", "films/day.bin", &completion).await.status, 200);
}

#[tokio::test]
async fn an_upload_is_completed_under_its_own_name_by_its_own_tenant() {
    let stack = Stack::start().await;
    let upload = Upload::begin(&stack, "globex", "films/day.bin").await;
    for (tenant, name) in [("globex", "films/night.bin"), ("acme", "films/day.bin")] {
        let mut completion = upload.completion();
        let foreign = complete(&stack, tenant, name, &completion).await;
        completion["upload_id"] = "never".into();
        let never = complete(&stack, tenant, name, &completion).await;
        assert_eq!((foreign.status, foreign.likeness()), (404, never.likeness()), "{tenant}: {name}");
    }
    assert_eq!(complete(&stack, "globex", "films/day.bin", &upload.completion()).await.status, 200);
}

#[tokio::test]
async fn parts_that_s3_does_not_have_are_refused() {
    let stack = Stack::start().await;
    let upload = Upload::begin(&stack, "globex", "films/day.bin").await;
    let other = "\"00000000000000000000000000000000\"";
    for parts in [
        json!([{"number": 4, "etag": upload.etag}]),
        json!([{"number": 5, "etag": other}]),
        json!([{"number": 5, "etag": upload.etag}, {"number": 4, "etag": other}]),
    ] {
        let completion = json!({"upload_id": upload.id, "parts": parts});
        let refused = complete(&stack, "globex", "films/day.bin", &completion).await;
        assert_eq!(refused.status, 422, "{parts}: {refused:?}");
    }
    assert_eq!(stack.as_tenant("globex", "GET", "/files/films/day.bin", "").await.status, 404);
}

#[tokio::test]
async fn one_answer_names_all_that_is_wrong() {
    let answer = Stack::start().await.event("files-complete", "bad-body").await.json();
    let errors = answer["errors"].as_array().expect("errors").iter();
    let found: Vec<_> = errors.map(|error| text(&error["pointer"])).collect();
    assert_eq!(found, ["/overwrite", "/parts", "/upload_id"]);
}

#[tokio::test]
async fn a_refused_request_makes_no_file() {
    let stack = Stack::start().await;
    let before = stack.as_tenant("acme", "GET", "/files", "").await.json();
    for (case, _) in Stack::cases("files-complete") {
        stack.event("files-complete", &case).await;
    }
    assert_eq!(stack.as_tenant("acme", "GET", "/files", "").await.json(), before);
}
