//! The events of `events/admin-tenants-import`, through the real binary on the real stack. What an import makes is
//! seen in testkit's `importing`.

use testkit::Stack;

#[tokio::test]
async fn every_event_is_answered_with_its_status() {
    let cases = [
        ("bad-body", 400),
        ("bad-id", 400),
        ("no-operator", 403),
        ("missing-tenant", 404),
        ("nothing-to-abandon", 409),
        ("bad-prefix", 422),
        ("missing-export", 422),
    ];
    Stack::start().await.expect_statuses("admin-tenants-import", &cases).await;
}

#[tokio::test]
async fn a_refused_request_changes_nothing_and_says_what_is_at_fault() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    for (case, _) in Stack::cases("admin-tenants-import") {
        stack.event("admin-tenants-import", &case).await;
    }
    assert_eq!(stack.contents().await, before);
    for case in ["bad-prefix", "missing-export"] {
        let refused = stack.event("admin-tenants-import", case).await.json();
        assert_eq!(refused["errors"][0]["pointer"], "/prefix", "{case}: {refused}");
    }
}
