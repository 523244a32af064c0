//! Tenants whose ids begin each other's, and the longest and shortest ids, beside each other.

use crate::field::{Field, Filling, Subject};

/// What the stack holds that is not of one of the subjects.
async fn others(field: &Field, gone: &[&Subject]) -> Vec<String> {
    let mut lines = field.contents().await;
    lines.retain(|line| {
        gone.iter().all(|subject| {
            let (exact, within) = (format!("\"{}\"", subject.id), format!("\"{}/", subject.id));
            let keys = subject.keys.iter().any(|key| line.contains(key.as_str()));
            !line.contains(&exact) && !line.contains(&within) && !keys
        })
    });
    lines
}

/// The one that begins others, the longest, and the one that begins with one that has left, leave one after another.
async fn leave_beside_each_other(isolations: [&str; 5]) {
    let field = Field::start().await;
    let mut subjects = Vec::new();
    let ids = ["abc", "abc1", "ab0", "abcabcabcabcabcabcab", "abc1abc1abc1abc1abc1"];
    for (id, isolation) in ids.into_iter().zip(isolations) {
        subjects.push(field.tenant_in(id, isolation, Filling { records: 4, files: 3 }).await);
    }
    let mut gone: Vec<&Subject> = Vec::new();
    for index in [0, 3, 1] {
        let leaving = &subjects[index];
        gone.push(leaving);
        let before = others(&field, &gone).await;
        let neighbours = neighbours(&field, &subjects, &gone).await;
        field.leave(&leaving.id, 0).await;
        field.run_until(&leaving.id, "deleted").await;
        assert_eq!(field.remains(leaving).await, [""; 0], "{}", leaving.id);
        assert_eq!(others(&field, &gone).await, before, "{}", leaving.id);
        assert_eq!(self::neighbours(&field, &subjects, &gone).await, neighbours, "{}", leaving.id);
        let export = field.shown(&leaving.id).await["offboarding"]["export"].clone();
        let manifest = field.checked_export(&export).await;
        assert_eq!((&manifest["counts"]["records"], &manifest["counts"]["files"]), (&5.into(), &3.into()));
    }
    for stays in [&subjects[2], &subjects[4]] {
        assert_eq!(field.call(&stays.value, "GET", "/tenant", &[], "").await.status, 200, "{}", stays.id);
        assert!(field.audit(&stays.id).await.contains(&format!("owner@{}.example", stays.id)));
    }
}

/// What those have who stay, with their tables and buckets.
async fn neighbours(field: &Field, subjects: &[Subject], gone: &[&Subject]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for subject in subjects.iter().filter(|subject| gone.iter().all(|gone| gone.id != subject.id)) {
        all.push(field.remains(subject).await);
    }
    all
}

#[tokio::test]
async fn who_leaves_takes_nothing_of_others_along_whatever_their_ids() {
    leave_beside_each_other(["pooled"; 5]).await;
}

#[tokio::test]
async fn who_leaves_a_silo_takes_nothing_of_others_along_whatever_their_ids_and_isolation() {
    leave_beside_each_other(["siloed", "pooled", "siloed", "siloed", "pooled"]).await;
}

#[tokio::test]
async fn tenants_that_leave_at_once_leave_beside_each_other() {
    let field = Field::start().await;
    let mut subjects = Vec::new();
    for id in ["abc", "abc1"] {
        subjects.push(field.tenant(id, Filling { records: 2, files: 1 }).await);
        field.leave(id, 0).await;
    }
    for subject in &subjects {
        field.run_until(&subject.id, "deleted").await;
    }
    for subject in &subjects {
        assert_eq!(field.remains(subject).await, [""; 0], "{}", subject.id);
        let export = field.shown(&subject.id).await["offboarding"]["export"].clone();
        assert_eq!(field.checked_export(&export).await["tenant"]["tenant_id"], *subject.id);
    }
}
