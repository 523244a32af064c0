//! While a tenant's data is moved or imported, its requests wait: which do and which do not, route by route.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use local_stack::read_stack;
use serde_json::{Value, json};
use testkit::{Answer, Stack, workspace};

/// Since when a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Never,
    /// While nothing is handed out, and while nothing is written.
    FromHandingOut,
    /// While nothing is written.
    FromWrites,
}

/// Every route of the data API in each way in which it is used, the ones that delete last, and the status where it
/// is served. `{upload}` and `{etag}` are of an upload that was begun before.
const REQUESTS: &[(&str, &str, &str, &str, Waits, u16)] = &[
    ("GET", "/tenant", "/tenant", "", Waits::Never, 200),
    ("GET", "/usage", "/usage", "", Waits::Never, 200),
    ("GET", "/records/{collection}", "/records/plans", "", Waits::Never, 200),
    ("GET", "/records/{collection}/{id}", "/records/plans/launch", "", Waits::Never, 200),
    ("GET", "/checkpoints", "/checkpoints", "", Waits::Never, 200),
    ("GET", "/checkpoints/{name}", "/checkpoints/launch", "", Waits::Never, 200),
    ("PUT", "/checkpoints/{name}", "/checkpoints/held", r#"{"page":1}"#, Waits::FromWrites, 201),
    ("DELETE", "/checkpoints/{name}", "/checkpoints/launch", "", Waits::FromWrites, 204),
    ("GET", "/files", "/files", "", Waits::Never, 200),
    ("GET", "/files/{name+}", "/files/launch", "", Waits::Never, 200),
    ("POST", "/credentials", "/credentials", r#"{"access":"read"}"#, Waits::FromHandingOut, 201),
    ("POST", "/credentials", "/credentials", r#"{"access":"write"}"#, Waits::FromHandingOut, 201),
    (
        "POST",
        "/files",
        "/files",
        r#"{"name":"held","size":3,"content_type":"a/b"}"#,
        Waits::FromHandingOut,
        201,
    ),
    (
        "POST",
        "/files",
        "/files",
        r#"{"name":"held","size":99999999,"content_type":"a/b"}"#,
        Waits::FromHandingOut,
        201,
    ),
    ("POST", "/records/{collection}", "/records/plans", "{}", Waits::FromWrites, 201),
    ("PUT", "/records/{collection}/{id}", "/records/plans/held", "{}", Waits::FromWrites, 201),
    ("PUT", "/records/{collection}/{id}", "/records/plans/launch", "{}", Waits::FromWrites, 200),
    ("DELETE", "/records/{collection}/{id}", "/records/plans/launch", "", Waits::FromWrites, 204),
    (
        "PUT",
        "/files/{name+}",
        "/files/parts",
        r#"{"upload_id":"{upload}","parts":[{"number":5,"etag":"{etag}"}]}"#,
        Waits::FromWrites,
        200,
    ),
    ("DELETE", "/files/{name+}", "/files/other?upload_id={other}", "", Waits::FromWrites, 204),
    ("DELETE", "/files/{name+}", "/files/launch", "", Waits::FromWrites, 204),
];

/// Routes that a key of idempotency can come along with.
const ONCE: [&str; 3] = ["/credentials", "/files", "/records/{collection}"];

#[test]
fn every_route_of_the_template_has_its_request() {
    let folder = workspace().join("infra");
    let stack = read_stack(&folder.join("template.yaml"), &folder.join("usage-plans.yaml"), &[])
        .expect("the templates");
    let data = stack.apis.iter().find(|api| api.routes.iter().any(|route| route.api_key_required));
    let routes = &data.expect("a data API").routes;
    let routes: BTreeSet<_> =
        routes.iter().map(|route| (route.method.as_str(), route.path.as_str())).collect();
    assert_eq!(routes, REQUESTS.iter().map(|(method, route, ..)| (*method, *route)).collect());
}

/// A stack whose functions look each context up anew.
async fn forgetful(mode: &str) -> Stack {
    Stack::with(|options| {
        for (name, value) in [("TenantContextTtl", "0"), ("IsolationMode", mode)] {
            options.parameters.push((name.to_owned(), value.to_owned()));
        }
    })
    .await
}

/// Holds globex's requests, or lets them go on.
async fn hold(stack: &Stack, held: Option<&str>) {
    let update = stack
        .aws()
        .dynamodb()
        .update_item()
        .table_name(&stack.state().tables["api-keys"])
        .key("api_key_id", AttributeValue::S(stack.tenant("globex").api_key_id.clone()))
        .expression_attribute_names("#held", "held");
    let update = match held {
        Some(held) => update
            .update_expression("SET #held = :held")
            .expression_attribute_values(":held", AttributeValue::S(held.to_owned())),
        None => update.update_expression("REMOVE #held"),
    };
    update.send().await.expect("the context can be changed");
}

/// Begins two uploads of globex in parts. Answers their ids, and the entity tag of the last part of the first.
async fn uploads(stack: &Stack) -> [String; 3] {
    let begin = async |name: &str| {
        let file = json!({"name": name, "size": (64 << 20) + 1, "content_type": "text/plain"});
        let begun = stack.as_tenant("globex", "POST", "/files", &file.to_string()).await;
        assert_eq!(begun.status, 201, "{begun:?}");
        begun.json()
    };
    let text = |plan: &Value| plan["multipart"]["upload_id"].as_str().expect("an id").to_owned();
    let (parts, other) = (begin("parts").await, begin("other").await);
    let sent = testkit::upload(&parts["multipart"]["parts"][4], "x").await;
    assert_eq!(sent.status, 200, "{sent:?}");
    [text(&parts), text(&other), sent.header("etag").replace('"', "\\\"")]
}

async fn send(
    stack: &Stack,
    (method, _, path, body, ..): &(&str, &str, &str, &str, Waits, u16),
    [upload, other, etag]: &[String; 3],
    headers: &[(&str, &str)],
) -> Answer {
    let body = body.replace("{upload}", upload).replace("{etag}", etag);
    let key = &stack.tenant("globex").api_key;
    stack.call(key, method, &path.replace("{other}", other), headers, &body).await
}

async fn each_route_is_served_or_waits_and_what_waits_writes_nothing(mode: &str) {
    for (held, retry_after) in [("handing-out", "600"), ("writes", "30")] {
        let stack = forgetful(mode).await;
        let uploads = uploads(&stack).await;
        hold(&stack, Some(held)).await;
        for request in REQUESTS {
            let (method, route, _, _, waits, served) = request;
            let is_refused = match waits {
                Waits::Never => false,
                Waits::FromHandingOut => true,
                Waits::FromWrites => held == "writes",
            };
            let before = stack.contents().await;
            let answer = send(&stack, request, &uploads, &[]).await;
            if !is_refused {
                assert_eq!(answer.status, *served, "{held}: {method} {route}: {answer:?}");
                continue;
            }
            assert_eq!(answer.status, 503, "{held}: {method} {route}: {answer:?}");
            assert_eq!(answer.json()["type"], "urn:tenantry:problem:writes-paused", "{method} {route}");
            assert_eq!(answer.header("retry-after"), retry_after, "{method} {route}");
            if ONCE.contains(route) {
                let headers = [("idempotency-key", "held-1")];
                let again = send(&stack, request, &uploads, &headers).await;
                assert_eq!((again.status, again.likeness()), (503, answer.likeness()), "{method} {route}");
            }
            assert_eq!(stack.contents().await, before, "{held}: {method} {route} wrote something");
        }
        // What was refused goes through afterwards, with the same idempotency key.
        hold(&stack, None).await;
        for request in REQUESTS.iter().filter(|request| ONCE.contains(&request.1) && request.0 == "POST") {
            let key = format!("{held}-{}", request.3.len());
            let answer = send(&stack, request, &uploads, &[("idempotency-key", &key)]).await;
            assert_eq!(answer.status, request.5, "{answer:?}");
        }
    }
}

async fn files_can_be_downloaded_all_the_while_and_other_tenants_go_on(mode: &str) {
    let stack = forgetful(mode).await;
    for held in ["handing-out", "writes"] {
        hold(&stack, Some(held)).await;
        let file = stack.as_tenant("globex", "GET", "/files/launch", "").await.json();
        let url = file["download"]["url"].as_str().expect("a URL");
        let download = testkit::request("GET", url, &[], "").await.expect("an answer");
        assert_eq!(download.status, 200, "{held}: {download:?}");
        for (method, path) in [("POST", "/records/plans"), ("POST", "/credentials")] {
            let other = stack.as_tenant("acme", method, path, "{}").await;
            assert_eq!(other.status, 201, "{held}: {method} {path}: {other:?}");
        }
    }
}

async fn a_hold_that_nobody_knows_serves_nothing(mode: &str) {
    let stack = forgetful(mode).await;
    hold(&stack, Some("forever")).await;
    let before = stack.contents().await;
    let answer = stack.as_tenant("globex", "POST", "/records/plans", "{}").await;
    assert_eq!((answer.status, stack.contents().await), (500, before));
}

testkit::in_both_modes! {
    each_route_is_served_or_waits_and_what_waits_writes_nothing,
    files_can_be_downloaded_all_the_while_and_other_tenants_go_on,
    a_hold_that_nobody_knows_serves_nothing,
}
