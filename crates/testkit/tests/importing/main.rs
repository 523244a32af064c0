//! Exports that come back into new tenants: through the real functions, with tables and buckets read directly.

mod crashes;
mod ground;
mod refusals;

use serde_json::{Value, json};

use crate::ground::{Ground, Holdings};

#[tokio::test]
async fn export_then_import_gives_exactly_the_tenants_data_back() {
    let ground = Ground::start().await;
    let subject = ground.onboard("subject", "pooled", 2).await;
    ground.fill(&subject).await;
    let had = ground.holdings(&subject).await;
    let prefix = ground.export(&subject).await;
    let exported = ground.shown("subject").await["offboarding"]["counts"].clone();
    for (id, isolation) in [("pool1", "pooled"), ("silo1", "siloed")] {
        let new = ground.onboard(id, isolation, 2).await;
        let asked = json!({"prefix": prefix, "keys": Ground::keys(&subject, &new)});
        let answer = ground.ask(id, &asked).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.json()["import"]["stage"], "waiting");
        // Asked again, nothing is different.
        let again = ground.ask(id, &asked).await;
        assert_eq!((again.status, again.json()), (202, answer.json()));

        let refused = ground.as_of(&new, "POST", "/records/notes", "{}").await;
        assert_eq!(refused.json()["type"], "urn:tenantry:problem:writes-paused", "{refused:?}");
        assert_eq!(ground.as_of(&new, "GET", "/records/notes", "").await.status, 200);
        let refused = ground.as_of(&new, "PUT", "/checkpoints/sync", "1").await;
        assert_eq!(refused.json()["type"], "urn:tenantry:problem:writes-paused", "{refused:?}");
        // Nothing that was handed out before writes any more.
        ground.go_on(id, 69).await;
        assert_eq!(ground.shown(id).await["import"]["stage"], "waiting");

        let shown = ground.run_until(id, "done").await;
        assert_eq!(ground.holdings(&new).await, had, "{id}");
        let import = &shown["import"];
        assert_eq!((&import["counts"], &import["standstill"]), (&exported, &Value::Null));
        assert_eq!((&import["next_at"], &import["pause_seconds"]), (&Value::Null, &json!(4200)));
        let actions = shown["audit"].as_array().expect("entries").iter().map(|entry| &entry["action"]);
        let actions: Vec<_> = actions.take(2).collect();
        assert_eq!(actions, ["tenant.imported", "tenant.import"]);

        assert_eq!(ground.as_of(&new, "POST", "/records/notes", "{}").await.status, 201);
        let record = ground.as_of(&new, "GET", "/records/notes/often", "").await.json();
        assert_eq!((&record["version"], &record["data"]), (&json!(5), &json!({"n": 1})));
        // Nothing is left to be done.
        let before = ground.contents().await;
        ground.go_on(id, 400).await;
        assert_eq!(ground.contents().await, before);
    }
    // The export is as it was: it can come back again, from a silo too.
    let third = ground.onboard("third", "pooled", 1).await;
    let asked = json!({"prefix": prefix, "checkpoints": false});
    assert_eq!(ground.ask("third", &asked).await.status, 202);
    let shown = ground.run_until("third", "done").await;
    assert_eq!(shown["import"]["counts"]["checkpoints"], 0);
    assert_eq!(ground.as_of(&third, "GET", "/checkpoints", "").await.json()["items"], json!([]));
}

#[tokio::test]
async fn what_a_silo_had_comes_back_into_the_pool() {
    let ground = Ground::start().await;
    let subject = ground.onboard("subject", "siloed", 2).await;
    ground.fill(&subject).await;
    let had = ground.holdings(&subject).await;
    let prefix = ground.export(&subject).await;
    let new = ground.onboard("newone", "pooled", 2).await;
    let asked = json!({"prefix": prefix, "keys": Ground::keys(&subject, &new)});
    assert_eq!(ground.ask("newone", &asked).await.status, 202);
    ground.run_until("newone", "done").await;
    assert_eq!(ground.holdings(&new).await, had);
}

#[tokio::test]
async fn an_import_touches_nothing_of_others_whatever_their_ids() {
    let ground = Ground::start().await;
    let subject = ground.onboard("abc", "pooled", 1).await;
    ground.fill_a_little(&subject).await;
    let had = ground.holdings(&subject).await;
    let prefix = ground.export(&subject).await;
    let mut others = vec![subject];
    for id in ["abc1", "ab0", "abcabcabcabcabcabcab"] {
        let other = ground.onboard(id, "pooled", 1).await;
        ground.fill_a_little(&other).await;
        others.push(other);
    }
    let mut before = Vec::new();
    for other in &others {
        before.push(ground.holdings(other).await);
    }
    let mut new = Vec::new();
    for (id, isolation) in [
        ("abc1abc", "pooled"),
        ("ab1", "siloed"),
        ("abcabcabcabcabcabca", "pooled"),
        ("abcabcabcabcabcabcac", "siloed"),
    ] {
        new.push(ground.onboard(id, isolation, 1).await);
        assert_eq!(ground.ask(id, &json!({ "prefix": prefix })).await.status, 202, "{id}");
    }
    for (number, tenant) in new.iter().enumerate() {
        ground.run_until(&tenant.id, "done").await;
        assert_eq!(ground.holdings(tenant).await, had, "{}", tenant.id);
        for waiting in &new[number + 1..] {
            assert_eq!(ground.holdings(waiting).await, Holdings::default(), "{}", waiting.id);
        }
    }
    for (other, before) in others.iter().zip(before) {
        assert_eq!(ground.holdings(other).await, before, "{}", other.id);
    }
}
