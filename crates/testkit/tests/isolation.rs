//! No tenant reaches another's data by any route. The routes are the template's, and one without a case
//! here fails.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use local_stack::{Api, read_stack};
use serde_json::{Value, json};
use testkit::{Answer, Stack, workspace};

/// For each route of the data API, how acme tries to reach what is globex's. `{id}`, `{name}` and `{name+}` are
/// `launch`, which only globex has, or `never`, which nobody has.
const CASES: &[(&str, &str, Case)] = &[
    ("GET", "/tenant", Case::OwnTenant),
    ("GET", "/usage", Case::OwnKey),
    ("POST", "/records/{collection}", Case::WritesOwn),
    ("GET", "/records/{collection}", Case::ListsOwn(&[])),
    ("GET", "/records/{collection}/{id}", Case::NotFound),
    ("PUT", "/records/{collection}/{id}", Case::WritesOwn),
    ("DELETE", "/records/{collection}/{id}", Case::NotFound),
    ("POST", "/credentials", Case::OwnCredentials),
    ("GET", "/checkpoints", Case::ListsOwn(&["sync"])),
    ("GET", "/checkpoints/{name}", Case::NotFound),
    ("PUT", "/checkpoints/{name}", Case::WritesOwn),
    ("DELETE", "/checkpoints/{name}", Case::NotFound),
    ("POST", "/files", Case::UploadsOwn),
    ("GET", "/files", Case::ListsOwn(&["reports/2026/summary.csv", "welcome.txt"])),
    ("GET", "/files/{name+}", Case::NotFound),
    // With the id of an upload that globex has begun.
    ("PUT", "/files/{name+}", Case::NotFound),
    ("DELETE", "/files/{name+}", Case::NothingDeleted),
];

/// Which of two tenants have silos, in each way that there is.
const PAIRS_WITH_ACME: [&[&str]; 4] = [&[], &["acme"], &["globex"], &["acme", "globex"]];
const PAIRS_WITH_INITECH: [&[&str]; 4] = [&[], &["initech"], &["globex"], &["initech", "globex"]];
const PLACES: [&str; 2] = ["/records/plans", "/checkpoints"];

#[derive(Debug, Clone, Copy)]
enum Case {
    /// The answer is about the caller, whatever the request says.
    OwnTenant,
    /// The answer is about the calling key, whatever the request says.
    OwnKey,
    /// What is handed out reaches what is the caller's: tests of their own try it.
    OwnCredentials,
    /// The answer is that for what never was.
    NotFound,
    /// What is listed is the caller's: these names or ids.
    ListsOwn(&'static [&'static str]),
    /// What is written is the caller's.
    WritesOwn,
    /// What is uploaded is the caller's.
    UploadsOwn,
    /// The answer is that for what never was, which counts as deleted.
    NothingDeleted,
}

fn routes() -> BTreeSet<(String, String)> {
    let folder = workspace().join("infra");
    let stack = read_stack(&folder.join("template.yaml"), &folder.join("usage-plans.yaml"), &[])
        .expect("the templates");
    let is_data = |api: &&Api| api.routes.iter().any(|route| route.api_key_required);
    let data = stack.apis.iter().find(is_data).expect("a data API");
    data.routes.iter().map(|route| (route.method.clone(), route.path.clone())).collect()
}

#[test]
fn every_route_of_the_template_has_an_isolation_case() {
    let cases = CASES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(routes(), cases);
}

async fn attempt(stack: &Stack, tenant: &str, method: &str, path: &str, id: &str, upload: &Value) -> Answer {
    let body = match (method, path) {
        ("POST", "/files") => json!({"name": id, "size": 15, "content_type": "text/plain"}).to_string(),
        ("PUT", "/files/{name+}") => upload.to_string(),
        ("POST" | "PUT", _) => r#"{"title":"of the intruder"}"#.to_owned(),
        _ => String::new(),
    };
    let path = path.replace("{collection}", "plans").replace("{id}", id);
    let path = path.replace("{name}", id).replace("{name+}", id);
    stack.as_tenant(tenant, method, &path, &body).await
}

/// Uploads bytes. Answers the entity tag.
async fn send(plan: &Value, bytes: &'static str) -> String {
    let answer = testkit::upload(plan, bytes).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("etag").to_owned()
}

/// Begins an upload of globex under the name of its file `launch`. Answers what would complete it.
async fn give_files(stack: &Stack) -> Value {
    let file =
        json!({"name": "launch", "size": (64 << 20) + 1, "content_type": "text/plain", "overwrite": true});
    let begun = stack.as_tenant("globex", "POST", "/files", &file.to_string()).await.json();
    // The last part may be small, and S3 takes a file of it alone.
    let etag = send(&begun["multipart"]["parts"][4], "x").await;
    let upload_id = &begun["multipart"]["upload_id"];
    json!({"upload_id": upload_id, "parts": [{"number": 5, "etag": etag}], "overwrite": true})
}

/// A file's bytes.
async fn bytes(stack: &Stack, tenant: &str, name: &str) -> String {
    let file = stack.as_tenant(tenant, "GET", &format!("/files/{name}"), "").await.json();
    let url = file["download"]["url"].as_str().unwrap_or_else(|| panic!("no file: {file}"));
    let download = testkit::request("GET", url, &[], "").await.expect("an answer");
    assert_eq!(download.status, 200, "{download:?}");
    String::from_utf8_lossy(&download.body).into_owned()
}

/// What the tables hold of globex and of its key, and its files.
async fn of_globex(stack: &Stack) -> Vec<String> {
    let key = &stack.tenant("globex").api_key_id;
    let is_theirs = |item: &String| item.contains("globex") || item.contains(key);
    let mut all: Vec<_> = stack.contents().await.into_iter().filter(is_theirs).collect();
    all.push(stack.as_tenant("globex", "GET", "/files", "").await.json().to_string());
    all.push(bytes(stack, "globex", "launch").await);
    all
}

/// A stack on which some of the demo tenants have silos.
async fn start(mode: &str, siloed: &[&str]) -> Stack {
    Stack::with(|options| {
        options.parameters.push(("IsolationMode".to_owned(), mode.to_owned()));
        options.siloed = siloed.iter().map(|id| (*id).to_owned()).collect();
    })
    .await
}

/// Tries each route as acme on what is globex's.
async fn no_route(mode: &str, siloed: &[&str]) {
    let mut untouched = None;
    for (method, path, case) in CASES {
        let (stack, upload) = if let Some(kept) = untouched.take() {
            kept
        } else {
            let stack = start(mode, siloed).await;
            let upload = give_files(&stack).await;
            (stack, upload)
        };
        let before = stack.contents().await;
        let victim = of_globex(&stack).await;
        let foreign = attempt(&stack, "acme", method, path, "launch", &upload).await;
        let text = String::from_utf8_lossy(&foreign.body).into_owned();
        assert!(!text.contains("Ours alone") && !text.contains("globex"), "{method} {path}: {text}");
        assert_eq!(of_globex(&stack).await, victim, "{method} {path} changed globex's data");
        match case {
            Case::OwnTenant => {
                assert_eq!(foreign.json()["tenant_id"], "acme");
                assert_eq!(stack.contents().await, before);
            }
            Case::OwnKey => {
                let own = &stack.tenant("acme").api_key_id;
                assert_eq!((foreign.status, &foreign.json()["api_key_id"]), (200, &json!(own)));
                assert_eq!(stack.contents().await, before);
            }
            Case::OwnCredentials => {
                // The title is no member of the request's.
                assert_eq!(foreign.status, 422);
                let own = stack.as_tenant("acme", method, path, "").await.json();
                assert_eq!((own["prefix"].as_str(), own["credentials"].is_object()), (Some("acme/"), true));
                assert_eq!(stack.contents().await, before);
            }
            Case::NotFound => {
                let never = attempt(&stack, "acme", method, path, "never", &upload).await;
                assert_eq!(foreign.status, 404, "{method} {path}");
                assert_eq!(foreign.likeness(), never.likeness(), "{method} {path}");
                assert_eq!(stack.contents().await, before, "{method} {path} wrote something");
            }
            Case::ListsOwn(own) => {
                let page = foreign.json();
                let items = page["items"].as_array().expect("items").iter();
                let listed: Vec<_> = items.map(|item| item.get("name").unwrap_or(&item["id"])).collect();
                assert_eq!(foreign.status, 200, "{method} {path}");
                assert_eq!(listed, *own, "{method} {path}");
                assert_eq!(stack.contents().await, before);
            }
            Case::WritesOwn => {
                assert_eq!(foreign.status, 201, "{method} {path}");
                for (path, member) in
                    [("/records/{collection}/{id}", "/data/title"), ("/checkpoints/{name}", "/value/source")]
                {
                    let own = attempt(&stack, "globex", "GET", path, "launch", &upload).await.json();
                    assert_eq!(own.pointer(member), Some(&json!("Ours alone")), "{own}");
                }
            }
            Case::UploadsOwn => {
                // That globex has a file of the name is no conflict.
                assert_eq!(foreign.status, 201, "{method} {path}");
                send(&foreign.json()["upload"], "of the intruder").await;
                assert_eq!(bytes(&stack, "acme", "launch").await, "of the intruder");
                assert_eq!(of_globex(&stack).await, victim);
            }
            Case::NothingDeleted => {
                let never = attempt(&stack, "acme", method, path, "never", &upload).await;
                assert_eq!((foreign.status, foreign.likeness()), (204, never.likeness()));
                assert_eq!(stack.contents().await, before);
            }
        }
        match case {
            Case::WritesOwn | Case::UploadsOwn => {}
            Case::OwnTenant
            | Case::OwnKey
            | Case::OwnCredentials
            | Case::NotFound
            | Case::ListsOwn(_)
            | Case::NothingDeleted => untouched = Some((stack, upload)),
        }
    }
}

async fn no_route_reaches_another_tenants_data(mode: &str) {
    no_route(mode, &[]).await;
}

async fn no_route_of_a_siloed_tenant_reaches_a_pooled_ones_data(mode: &str) {
    no_route(mode, &["acme"]).await;
}

async fn no_route_of_a_pooled_tenant_reaches_a_siloed_ones_data(mode: &str) {
    no_route(mode, &["globex"]).await;
}

async fn no_route_of_a_siloed_tenant_reaches_another_silos_data(mode: &str) {
    no_route(mode, &["acme", "globex"]).await;
}

async fn no_spelling_of_a_files_name_leads_to_anothers(mode: &str) {
    for siloed in PAIRS_WITH_INITECH {
        no_spelling(mode, siloed).await;
    }
}

async fn no_spelling(mode: &str, siloed: &[&str]) {
    let stack = start(mode, siloed).await;
    let upload = give_files(&stack).await;
    let victim = of_globex(&stack).await;
    let call =
        async |method: &str, path: &str, body: &str| stack.as_tenant("initech", method, path, body).await;
    let upload = upload.to_string();
    let never = call("GET", "/files/never", "").await;
    for name in [
        "globex/launch",
        "../globex/launch",
        "./../globex/launch",
        "..//globex/launch",
        "%2Fglobex/launch",
        "..%2Fglobex%2Flaunch",
        "%2E%2E/globex/launch",
        "%252e%252e%252fglobex%252flaunch",
        "..%5Cglobex%5Claunch",
    ] {
        let read = call("GET", &format!("/files/{name}"), "").await;
        assert_eq!((read.status, read.likeness()), (404, never.likeness()), "{name}");
        let completed = call("PUT", &format!("/files/{name}"), &upload).await;
        assert_eq!((completed.status, completed.likeness()), (404, never.likeness()), "{name}");
        assert_eq!(call("DELETE", &format!("/files/{name}"), "").await.status, 204, "{name}");
        let page = call("GET", &format!("/files?prefix={name}"), "").await.json();
        assert_eq!(page, json!({"items": [], "prefixes": [], "next_cursor": null}), "{name}");
    }
    assert_eq!(of_globex(&stack).await, victim);
    // None of these has ended globex's upload either.
    let completed = stack.as_tenant("globex", "PUT", "/files/launch", &upload).await;
    assert_eq!(completed.status, 200, "{completed:?}");
}

async fn a_put_or_delete_that_must_hit_anothers_thing_changes_and_writes_nothing(mode: &str) {
    for (siloed, place) in PAIRS_WITH_ACME.iter().flat_map(|siloed| PLACES.map(|place| (siloed, place))) {
        let stack = start(mode, siloed).await;
        let before = stack.contents().await;
        let key = &stack.tenant("acme").api_key;
        for (method, header) in
            [("PUT", ("If-Match", "*")), ("PUT", ("If-Match", "\"1\"")), ("DELETE", ("If-Match", "\"1\""))]
        {
            let foreign = stack.call(key, method, &format!("{place}/launch"), &[header], "{}").await;
            let never = stack.call(key, method, &format!("{place}/never"), &[header], "{}").await;
            assert!(matches!(foreign.status, 404 | 412), "{method} {place}: {foreign:?}");
            assert_eq!(foreign.likeness(), never.likeness());
        }
        assert_eq!(stack.contents().await, before);
    }
}

/// Gives globex a second key's context, as a rotation would.
async fn second_key(stack: &Stack) -> &'static str {
    let (dynamodb, table) = (stack.aws().dynamodb().clone(), stack.state().tables["api-keys"].clone());
    let first = AttributeValue::S(stack.tenant("globex").api_key_id.clone());
    let read = dynamodb.get_item().table_name(&table).key("api_key_id", first).send().await;
    let mut item = read.expect("readable").item.expect("globex's context");
    item.insert("api_key_id".to_owned(), AttributeValue::S("secondkey1".to_owned()));
    dynamodb.put_item().table_name(&table).set_item(Some(item)).send().await.expect("written");
    "secondkey1"
}

async fn a_second_key_of_a_tenant_shares_its_records_and_none_of_its_checkpoints(mode: &str) {
    for siloed in [&[][..], &["globex"]] {
        a_second_key(mode, siloed).await;
    }
}

async fn a_second_key(mode: &str, siloed: &[&str]) {
    let stack = start(mode, siloed).await;
    let second = second_key(&stack).await;
    let as_second = async |function: &str, case: &str| {
        let path = workspace().join("events").join(function).join(format!("{case}.json"));
        let mut event: Value =
            serde_json::from_slice(&std::fs::read(path).expect("an event")).expect("an event is JSON");
        event["requestContext"]["identity"]["apiKeyId"] = second.into();
        stack.invoke(function, event.to_string()).await
    };
    let victim = of_globex(&stack).await;
    assert_eq!(as_second("records-get", "ok").await.status, 200);
    for function in ["checkpoints-get", "checkpoints-delete"] {
        let foreign = as_second(function, "ok").await;
        assert_eq!(foreign.status, 404, "{function}");
        let never = as_second(function, "missing-checkpoint").await;
        assert_eq!(foreign.likeness(), never.likeness(), "{function}");
    }
    let page = as_second("checkpoints-list", "ok").await.json();
    assert_eq!(page, json!({"items": [], "next_cursor": null}));
    assert_eq!(as_second("checkpoints-put", "only-version-7").await.status, 412);
    assert_eq!(of_globex(&stack).await, victim);
    // What it writes under the first key's name is its own.
    assert_eq!(as_second("checkpoints-put", "only-if-new").await.status, 201);
    assert_eq!(as_second("checkpoints-get", "ok").await.json()["value"], json!({"page": 7}));
    let own = stack.event("checkpoints-get", "ok").await.json();
    assert_eq!((own["version"].clone(), own["value"]["source"].clone()), (json!(1), json!("globex-weather")));
    assert_eq!(of_globex(&stack).await, victim);
}

async fn the_control_api_takes_no_tenants_key_no_function_and_no_stranger(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let before = stack.contents().await;
    let body = r#"{"name":"x","email":"x@x.example","tier":"free"}"#;
    let url = format!("{}/tenants", stack.state().admin_url);
    let key = &stack.tenant("globex").api_key;
    for headers in [&[][..], &[("x-api-key", key.as_str())], &[("authorization", "Bearer x")]] {
        let answer = testkit::request("POST", &url, headers, body.to_owned()).await.expect("an answer");
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
    }
    let admin = &stack.state().admin;
    let wrong =
        [(admin.access_key_id.as_str(), "wrong"), ("AKIAIOSFODNN7EXAMPLE", admin.secret_access_key.as_str())];
    for credentials in wrong {
        let answer =
            testkit::signed(stack.state(), credentials, "POST", "/tenants", body).await.expect("an answer");
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    // Each route of the control API by itself takes no key and no unsigned request.
    let template = stack.inner().stack();
    for route in template.apis.iter().filter(|api| api.name.contains("control")).flat_map(|api| &api.routes) {
        let path = route.path.replace("{tenant_id}", "globex");
        let path = path.replace("{api_key_id}", &stack.tenant("globex").api_key_id);
        let url = format!("{}{path}", stack.state().admin_url);
        for headers in [&[][..], &[("x-api-key", key.as_str())]] {
            let answer = testkit::request(&route.method, &url, headers, "{}").await.expect("an answer");
            assert_eq!(answer.status, 403, "{} {path}: {answer:?}", route.method);
        }
    }
    assert_eq!(stack.contents().await, before);
}

testkit::in_both_modes! {
    no_route_reaches_another_tenants_data,
    no_route_of_a_siloed_tenant_reaches_a_pooled_ones_data,
    no_route_of_a_pooled_tenant_reaches_a_siloed_ones_data,
    no_route_of_a_siloed_tenant_reaches_another_silos_data,
    no_spelling_of_a_files_name_leads_to_anothers,
    a_put_or_delete_that_must_hit_anothers_thing_changes_and_writes_nothing,
    a_second_key_of_a_tenant_shares_its_records_and_none_of_its_checkpoints,
    the_control_api_takes_no_tenants_key_no_function_and_no_stranger,
}
