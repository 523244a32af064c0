//! Imports into the pool and into a silo, with every call that they take.

use serde_json::json;
use testkit::Stack;

use crate::{begin, break_off};

/// Imports what the tenant `leaving` has left.
pub(crate) async fn every_call(stack: &Stack) {
    let left = stack.as_admin("GET", "/tenants/leaving", "").await.json();
    let prefix = &left["offboarding"]["export"]["prefix"];
    let state = stack.state();
    let silo = format!("tenantry-silo-imported2-{}-{}", state.account_id, state.region);
    for (id, isolation, bucket) in
        [("imported1", "pooled", &state.buckets["files"]), ("imported2", "siloed", &silo)]
    {
        let body = json!({
            "tenant_id": id, "name": id, "email": "a@b.example", "tier": "free", "isolation": isolation,
        });
        let made = stack.as_admin("POST", "/tenants", &body.to_string()).await.json();
        let key = made["api_key"]["api_key_id"].as_str().expect("an id").to_owned();
        go_on(stack, id, "2026-11-24T17:00:00Z").await;
        break_off(stack, id, &key).await;
        let body = json!({"prefix": prefix, "checkpoints": false}).to_string();
        let asked = stack.as_admin("POST", &format!("/tenants/{id}/import"), &body).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        // Behind the look whether there is nothing, an earlier run has begun a copy in parts.
        let crash = stack.inner().crash_after("tenants-reconcile", 2);
        go_on(stack, id, "2026-11-24T17:11:00Z").await;
        assert!(crash.has_happened(), "{:?}", crash.seen());
        begin(&stack.s3(None), bucket, &format!("{id}/parted")).await;
        go_on(stack, id, "2026-11-24T17:14:00Z").await;
        let shown = stack.as_admin("GET", &format!("/tenants/{id}"), "").await.json();
        assert_eq!(shown["import"]["stage"], "done", "{shown}");
    }
}

pub(crate) async fn go_on(stack: &Stack, id: &str, time: &str) {
    let event = json!({"tenant_id": id, "time": time}).to_string();
    stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
}
