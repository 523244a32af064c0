//! A tenant that moves while its own programs go on writing, through the API and through what was handed out before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use testkit::{Answer, Stack, Vended};

use crate::place::{Item, Pile, Place, text};

const RECORDS: usize = 50_000;
const FILES: usize = 1_000;
const RECORD_LIST: &str = "/records/bulk?limit=100";
const FILE_LIST: &str = "/files?limit=100&prefix=bulk/";
/// What one program writes of at once.
const OWN: usize = 12;
/// How long a request may be under way in this machine's time.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// What the programs of a tenant share.
struct Programs {
    stack: Arc<Stack>,
    key: String,
    is_over: AtomicBool,
    /// Requests that were told to wait.
    waited: AtomicU64,
}

impl Programs {
    fn go_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.stack.call(&self.key, method, path, headers, body).await
    }

    /// Makes a request until it is not told to wait any more.
    async fn insist(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        loop {
            let answer = self.call(method, path, headers, body).await;
            if answer.status != 503 {
                return answer;
            }
            assert_eq!(answer.json()["type"], "urn:tenantry:problem:writes-paused", "{answer:?}");
            assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
            self.waited.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Replaces records, each time in the version that it was told, and reads each after it was written. Answers what
    /// was acknowledged last.
    async fn replace(&self) -> BTreeMap<String, Value> {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        for round in 0.. {
            if !self.go_on() {
                break;
            }
            let path = format!("/records/live/{:02}", round % OWN);
            let version = known.get(&path).map_or(0, |last| last["version"].as_u64().expect("a version"));
            let condition = if version == 0 {
                ("if-none-match", "*".to_owned())
            } else {
                ("if-match", format!("\"{version}\""))
            };
            let body = json!({ "round": round }).to_string();
            let put = self.insist("PUT", &path, &[(condition.0, &condition.1)], &body).await;
            assert!(matches!(put.status, 200 | 201), "{path} in version {version}: {put:?}");
            let put = put.json();
            assert_eq!(
                (&put["version"], &put["data"]["round"]),
                (&json!(version + 1), &json!(round)),
                "{path}"
            );
            let got = self.call("GET", &path, &[], "").await;
            assert_eq!((got.status, got.json()), (200, put.clone()), "{path} is read as it was written");
            known.insert(path, put);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        known
    }

    /// Makes records, each request with an `Idempotency-Key` twice, and deletes every second one. Answers those that
    /// are there.
    async fn make(&self) -> BTreeMap<String, Value> {
        let mut known = BTreeMap::new();
        for round in 0.. {
            if !self.go_on() {
                break;
            }
            let once = format!("made-{round}");
            let body = json!({ "made": round }).to_string();
            let first = self.insist("POST", "/records/made", &[("idempotency-key", &once)], &body).await;
            assert_eq!(first.status, 201, "{first:?}");
            let again = self.insist("POST", "/records/made", &[("idempotency-key", &once)], &body).await;
            assert_eq!((again.status, again.json()), (201, first.json()));
            let path = format!("/records/made/{}", first.json()["id"].as_str().expect("an id"));
            if round % 2 == 0 {
                let deleted = self.insist("DELETE", &path, &[], "").await;
                assert_eq!(deleted.status, 204, "{deleted:?}");
                assert_eq!(self.call("GET", &path, &[], "").await.status, 404, "{path} is deleted");
            } else {
                known.insert(path, first.json());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        known
    }

    /// Deletes files by the API. Answers which.
    async fn delete_files(&self) -> Vec<String> {
        let mut deleted = Vec::new();
        for number in 0..FILES / 4 {
            if !self.go_on() {
                break;
            }
            let name = Pile::file(number);
            let answer = self.insist("DELETE", &format!("/files/{name}"), &[], "").await;
            assert_eq!(answer.status, 204, "{answer:?}");
            deleted.push(name);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        deleted
    }

    /// Writes items and files with credentials that were handed out before the move, until those end. Answers which.
    async fn past_the_api(&self, vended: &Vended) -> (BTreeMap<String, Item>, BTreeMap<String, String>) {
        let dynamodb = vended.dynamodb(&self.stack, &self.stack.state().aws_endpoint_url);
        let s3 = vended.s3(&self.stack);
        let (mut items, mut files) = (BTreeMap::new(), BTreeMap::new());
        for round in 0.. {
            let (sort_key, name) =
                (format!("own#{:02}", round % OWN), format!("{}own/{:02}", vended.prefix, round % OWN));
            let item = Item::from([
                ("tenant_id".to_owned(), text(vended.prefix.trim_end_matches('/'))),
                ("sk".to_owned(), text(&sort_key)),
                ("round".to_owned(), AttributeValue::N(round.to_string())),
            ]);
            let put =
                dynamodb.put_item().table_name(&vended.records).set_item(Some(item.clone())).send().await;
            if put.is_err() {
                break;
            }
            items.insert(sort_key, item);
            let body = format!("round {round}");
            let put =
                s3.put_object().bucket(&vended.bucket).key(&name).body(body.clone().into_bytes().into());
            if put.send().await.is_err() {
                break;
            }
            files.insert(name, body);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!items.is_empty() && !files.is_empty());
        (items, files)
    }
}

/// Advances the stack's clock and runs the task. Answers how the tenant stands.
async fn step(stack: &Stack, id: &str, by: &str) -> Value {
    let moved = stack.local("POST", "clock", &json!({ "advance": by }).to_string()).await;
    assert_eq!(moved.status, 200, "{moved:?}");
    let event = json!({ "time": moved.json()["now"] }).to_string();
    let answer = stack.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert!(answer["errorType"].is_null(), "{answer}");
    stack.as_admin("GET", &format!("/tenants/{id}"), "").await.json()
}

/// The pages of a list from a cursor on, their items by a member.
async fn rest(programs: &Programs, list: &str, member: &str, mut cursor: Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(place) = cursor {
        let page = programs.call("GET", &format!("{list}&cursor={place}"), &[], "").await;
        assert_eq!(page.status, 200, "{list}: {page:?}");
        let page = page.json();
        let items = page["items"].as_array().expect("items").iter();
        found.extend(items.map(|item| item[member].as_str().expect("a text").to_owned()));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    found
}

/// Lets the move go its way. Answers its stages, with what was shown when each was first seen.
async fn move_through(programs: &Programs) -> Vec<(String, Value)> {
    let mut stages: Vec<(String, Value)> = Vec::new();
    for _ in 0..100 {
        // Where nothing is done but waited, time is let pass.
        let by = match stages.last().map(|(stage, _)| stage.as_str()) {
            Some("copy" | "settle") => "15m",
            _ => "60s",
        };
        let shown = step(&programs.stack, "acme", by).await;
        let stage = shown["move"]["stage"].as_str().expect("a stage").to_owned();
        assert_eq!(shown["move"]["standstill"], Value::Null, "{shown}");
        if stages.last().is_none_or(|(last, _)| *last != stage) {
            stages.push((stage.clone(), shown.clone()));
            // The clock jumps, while requests take this machine's time.
            tokio::time::sleep(UNDER_WAY).await;
        }
        if stage == "settle" && programs.go_on() {
            // They have gone on in the silo for a while.
            programs.is_over.store(true, Ordering::SeqCst);
        }
        if stage == "done" {
            break;
        }
    }
    stages
}

/// Goes on behind the move with what was taken before it.
async fn versions_and_cursors_go_on(
    programs: &Programs,
    (path, record): (&String, &Value),
    deleted: &[String],
    [records, files]: [Option<String>; 2],
) {
    let version = record["version"].as_u64().expect("a version");
    let put = programs.call("PUT", path, &[("if-match", &format!("\"{version}\""))], "{}").await;
    assert_eq!((put.status, &put.json()["version"]), (200, &json!(version + 1)), "{put:?}");
    let names: Vec<_> = (100..RECORDS).map(Pile::record).collect();
    assert_eq!(rest(programs, RECORD_LIST, "id", records).await, names);
    let listed = rest(programs, FILE_LIST, "name", files).await;
    let names: Vec<_> = (100..FILES).map(Pile::file).filter(|name| !deleted.contains(name)).collect();
    assert_eq!(listed, names);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_by_a_move_while_writers_go_on() {
    let stack = Stack::with(|options| {
        options.parameters.push(("TenantContextTtl".to_owned(), "1".to_owned()));
        options.schedules = false;
    })
    .await;
    let stack = Arc::new(stack);
    let place = Place::of(&stack, "acme");
    let tier = stack.as_admin("PATCH", "/tenants/acme", r#"{"tier":"premium"}"#).await;
    assert_eq!(tier.status, 200, "{tier:?}");
    let pile = Pile { records: RECORDS, files: FILES };
    pile.heap(&stack, "acme").await;
    let (seeded, mut expected) =
        (place.pool.items(&stack, "acme").await, place.pool.files(&stack, "acme").await);
    let others = place.others(&stack).await;

    let key = stack.tenant("acme").api_key.clone();
    let (is_over, waited) = (AtomicBool::new(false), AtomicU64::new(0));
    let programs = Arc::new(Programs { stack: Arc::clone(&stack), key, is_over, waited });
    let vended = Vended::ask(&stack, "acme", "write").await;
    let mut cursors = [None, None];
    for (cursor, list) in cursors.iter_mut().zip([RECORD_LIST, FILE_LIST]) {
        let page = programs.call("GET", list, &[], "").await.json();
        *cursor = page["next_cursor"].as_str().map(str::to_owned);
        assert!(cursor.is_some(), "{page}");
    }

    let spawn = || Arc::clone(&programs);
    let replacing = tokio::spawn({
        let programs = spawn();
        async move { programs.replace().await }
    });
    let making = tokio::spawn({
        let programs = spawn();
        async move { programs.make().await }
    });
    let deleting = tokio::spawn({
        let programs = spawn();
        async move { programs.delete_files().await }
    });
    let past = tokio::spawn({
        let programs = spawn();
        async move { programs.past_the_api(&vended).await }
    });

    let begun = stack.as_admin("POST", "/tenants/acme/move", "{}").await;
    assert_eq!(begun.status, 202, "{begun:?}");
    // What would outlive the pause is not handed out any more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (path, body) in
        [("/credentials", "{}"), ("/files", r#"{"name":"late","size":1,"content_type":"text/plain"}"#)]
    {
        let refused = programs.call("POST", path, &[], body).await;
        assert_eq!(refused.status, 503, "{path}: {refused:?}");
    }

    let stages = move_through(&programs).await;
    // Whether the clean-up takes more than one run is the machine's to say.
    let names = stages.iter().map(|(stage, _)| stage.as_str()).filter(|stage| *stage != "clean");
    assert_eq!(names.collect::<Vec<_>>(), ["copy", "pause", "switch", "settle", "done"]);
    let moved = &stages.last().expect("stages").1["move"];
    let (replaced, made) = (replacing.await.expect("no panic"), making.await.expect("no panic"));
    let (deleted, (items, own_files)) = (deleting.await.expect("no panic"), past.await.expect("no panic"));
    assert!(programs.waited.load(Ordering::SeqCst) > 0, "writes were told to wait");
    let pause = moved["pause_seconds"].as_u64().expect("a pause");
    assert!((61..=600).contains(&pause), "{moved}");

    // In the silo there is what was seeded, and what was acknowledged; in the pool nothing.
    assert_eq!(place.pool.items(&stack, "acme").await, [], "the pool's table");
    assert_eq!(place.pool.files(&stack, "acme").await, BTreeMap::new(), "the pool's bucket");
    let mut found: BTreeMap<_, _> = place
        .silo
        .items(&stack, "acme")
        .await
        .into_iter()
        .map(|item| (item["sk"].as_s().expect("text").clone(), item))
        .collect();
    for (sort_key, item) in &items {
        assert_eq!(found.remove(sort_key).as_ref(), Some(item), "{sort_key}");
    }
    let acknowledged: BTreeMap<_, _> = replaced.iter().chain(&made).collect();
    for (path, record) in &acknowledged {
        let got = programs.call("GET", path, &[], "").await;
        assert_eq!((got.status, &got.json()), (200, *record), "{path}");
        let sort_key = path.trim_start_matches("/records/").replacen('/', "#", 1);
        assert!(found.remove(&sort_key).is_some(), "{sort_key}");
    }
    assert!(
        found.values().eq(&seeded),
        "what was seeded is what it was: {} of {}",
        found.len(),
        seeded.len()
    );
    let found = place.silo.files(&stack, "acme").await;
    expected.retain(|name, _| !deleted.iter().any(|deleted| *name == format!("acme/{deleted}")));
    expected.extend(own_files);
    assert_eq!(found, expected);
    assert!(!deleted.is_empty());

    versions_and_cursors_go_on(&programs, replaced.iter().next().expect("a record"), &deleted, cursors).await;
    assert_eq!(place.others(&stack).await, others, "nobody else has noticed");
}
