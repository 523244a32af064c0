//! The events of `events/checkpoints-get`, through the real binary on the real stack.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("ok", 200),
        ("not-modified", 304),
        ("bad-header", 400),
        ("bad-name", 400),
        ("no-key", 403),
        ("suspended-tenant", 403),
        ("unknown-key", 403),
        ("foreign-checkpoint", 404),
        ("missing-checkpoint", 404),
    ];
    Stack::start().await.expect_statuses("checkpoints-get", &cases).await;
}

#[tokio::test]
async fn another_keys_checkpoint_is_answered_like_one_that_never_was() {
    let stack = Stack::start().await;
    let foreign = stack.event("checkpoints-get", "foreign-checkpoint").await;
    assert_eq!(foreign.likeness(), stack.event("checkpoints-get", "missing-checkpoint").await.likeness());
}

#[tokio::test]
async fn a_name_outside_the_grammar_is_refused_with_its_pointer() {
    let answer = Stack::start().await.event("checkpoints-get", "bad-name").await;
    assert_eq!(answer.json()["errors"][0]["pointer"], "/path/name");
}

#[tokio::test]
async fn a_read_carries_the_entity_tag_and_304_no_body() {
    let stack = Stack::start().await;
    let full = stack.event("checkpoints-get", "ok").await;
    assert_eq!(
        (full.header("etag"), full.json()["value"]["source"].as_str()),
        ("\"1\"", Some("globex-weather"))
    );
    let not_modified = stack.event("checkpoints-get", "not-modified").await;
    assert_eq!((not_modified.header("etag"), not_modified.body.len()), ("\"1\"", 0));
}
