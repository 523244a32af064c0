//! Tenants whose ids begin each other's, and the longest and shortest ids, beside each other.

use serde_json::json;
use testkit::Stack;

use crate::place::{Pile, Place};
use crate::walk::{begin, start, walk_to};

const IDS: [&str; 5] = ["abc", "abc1", "ab0", "abcabcabcabcabcabcab", "abc1abc1abc1abc1abc1"];
const SMALL: Pile = Pile { records: 4, files: 3 };

/// What lies in both places of a tenant.
async fn both(stack: &Stack, place: &Place, id: &str) -> String {
    let (has_table, has_bucket) = place.has_silo(stack).await;
    let mut found =
        format!("{:?} {:?}", place.pool.items(stack, id).await, place.pool.files(stack, id).await);
    if has_table && has_bucket {
        found += &format!(" {:?} {:?}", place.silo.items(stack, id).await, place.silo.files(stack, id).await);
    }
    found
}

#[tokio::test]
async fn who_moves_takes_nothing_of_others_along_whatever_their_ids() {
    let stack = start().await;
    let mut keys = Vec::new();
    for id in IDS {
        let body = json!({"tenant_id": id, "name": id, "email": "a@b.example", "tier": "free"});
        let made = stack.as_admin("POST", "/tenants", &body.to_string()).await;
        assert_eq!(made.status, 201, "{made:?}");
        keys.push(made.json()["api_key"]["value"].as_str().expect("a value").to_owned());
        SMALL.heap(&stack, id).await;
    }
    // The one that begins others, the longest, and the one that begins with one that has moved.
    for moving in ["abc", "abcabcabcabcabcabcab", "abc1"] {
        let place = Place::of(&stack, moving);
        let items = place.pool.items(&stack, moving).await;
        let files = place.pool.files(&stack, moving).await;
        let mut others = Vec::new();
        for id in IDS.into_iter().filter(|id| *id != moving) {
            others.push((id, both(&stack, &Place::of(&stack, id), id).await));
        }
        begin(&stack, moving).await;
        walk_to(&stack, moving, "done").await;
        assert_eq!(place.silo.items(&stack, moving).await, items, "{moving}");
        assert_eq!(place.silo.files(&stack, moving).await, files, "{moving}");
        assert_eq!(place.pool.items(&stack, moving).await, [], "{moving}");
        for (id, before) in others {
            assert_eq!(both(&stack, &Place::of(&stack, id), id).await, before, "{id} beside {moving}");
        }
    }
    for (id, key) in IDS.into_iter().zip(&keys) {
        let put = stack.call(key, "PUT", "/records/notes/after", &[], "{}").await;
        assert_eq!(put.status, 201, "{id}: {put:?}");
        let is_siloed = ["abc", "abcabcabcabcabcabcab", "abc1"].contains(&id);
        let place = Place::of(&stack, id);
        let home = if is_siloed { place.silo } else { place.pool };
        assert_eq!(home.items(&stack, id).await.len(), 5, "{id}");
    }
}
