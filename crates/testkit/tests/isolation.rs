//! No tenant reaches another's data by any route. The routes are the template's, and one without a case
//! here fails.

use std::collections::BTreeSet;

use local_stack::{Api, read_stack};
use testkit::{Answer, Stack, workspace};

/// For each route of the data API, how acme tries to reach what is globex's. `{id}` is `launch`, which only
/// globex has, or `never`, which nobody has.
const CASES: &[(&str, &str, Case)] = &[
    ("GET", "/tenant", Case::OwnTenant),
    ("POST", "/records/{collection}", Case::WritesOwn),
    ("GET", "/records/{collection}", Case::ListsOwn),
    ("GET", "/records/{collection}/{id}", Case::NotFound),
    ("PUT", "/records/{collection}/{id}", Case::WritesOwn),
    ("DELETE", "/records/{collection}/{id}", Case::NotFound),
];

#[derive(Debug, Clone, Copy)]
enum Case {
    /// The answer is about the caller, whatever the request says.
    OwnTenant,
    /// The answer is that for what never was.
    NotFound,
    /// What is listed is the caller's.
    ListsOwn,
    /// What is written is the caller's.
    WritesOwn,
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

async fn attempt(stack: &Stack, tenant: &str, method: &str, path: &str, id: &str) -> Answer {
    let path = path.replace("{collection}", "plans").replace("{id}", id);
    let body = if matches!(method, "POST" | "PUT") { r#"{"title":"of the intruder"}"# } else { "" };
    stack.as_tenant(tenant, method, &path, body).await
}

/// What the tables hold of globex.
async fn of_globex(stack: &Stack) -> Vec<String> {
    stack.contents().await.into_iter().filter(|item| item.contains("globex")).collect()
}

#[tokio::test]
async fn no_route_reaches_another_tenants_data() {
    for (method, path, case) in CASES {
        let stack = Stack::start().await;
        let before = stack.contents().await;
        let victim = of_globex(&stack).await;
        let foreign = attempt(&stack, "acme", method, path, "launch").await;
        let text = String::from_utf8_lossy(&foreign.body).into_owned();
        assert!(!text.contains("Ours alone") && !text.contains("globex"), "{method} {path}: {text}");
        assert_eq!(of_globex(&stack).await, victim, "{method} {path} changed globex's data");
        match case {
            Case::OwnTenant => {
                assert_eq!(foreign.json()["tenant_id"], "acme");
                assert_eq!(stack.contents().await, before);
            }
            Case::NotFound => {
                let never = attempt(&stack, "acme", method, path, "never").await;
                assert_eq!(foreign.status, 404, "{method} {path}");
                assert_eq!(foreign.likeness(), never.likeness(), "{method} {path}");
                assert_eq!(stack.contents().await, before, "{method} {path} wrote something");
            }
            Case::ListsOwn => {
                assert_eq!(
                    (foreign.status, foreign.json()["items"].as_array().map(Vec::len)),
                    (200, Some(0))
                );
                assert_eq!(stack.contents().await, before);
            }
            Case::WritesOwn => {
                assert_eq!(foreign.status, 201, "{method} {path}");
                let own = attempt(&stack, "globex", "GET", "/records/{collection}/{id}", "launch").await;
                assert_eq!(own.json()["data"]["title"], "Ours alone");
            }
        }
    }
}

#[tokio::test]
async fn a_put_or_delete_that_must_hit_anothers_record_changes_and_writes_nothing() {
    let stack = Stack::start().await;
    let before = stack.contents().await;
    let key = &stack.tenant("acme").api_key;
    for (method, header) in
        [("PUT", ("If-Match", "*")), ("PUT", ("If-Match", "\"1\"")), ("DELETE", ("If-Match", "\"1\""))]
    {
        let foreign = stack.call(key, method, "/records/plans/launch", &[header], "{}").await;
        let never = stack.call(key, method, "/records/plans/never", &[header], "{}").await;
        assert!(matches!(foreign.status, 404 | 412));
        assert_eq!(foreign.likeness(), never.likeness());
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn the_control_api_takes_no_tenants_key_no_function_and_no_stranger() {
    let stack = Stack::start().await;
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
    assert_eq!(stack.contents().await, before);
}
