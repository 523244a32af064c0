//! Session mode: functions reach tenants' data under the tenant's session, or not at all. And what becomes of
//! sessions when the clock moves, a role is edited, or the stack starts anew.

use aws_sdk_dynamodb::types::AttributeValue;
use local_stack::DecisionRecord;
use testkit::{Answer, Stack, StackProcess, Vended, workspace};

async fn write(stack: &Stack, tenant: &str, id: &str) -> Answer {
    stack.as_tenant(tenant, "PUT", &format!("/records/sessions/{id}"), "{}").await
}

async fn create(stack: &Stack, tenant: &str) -> Answer {
    stack.as_tenant(tenant, "POST", "/records/sessions", "{}").await
}

/// The calls to AWS since the last time, as action and session or role.
fn calls(stack: &Stack) -> Vec<(String, String)> {
    let called = |record: DecisionRecord| {
        assert!(record.verdict.is_allowed(), "{record:?}");
        let principal = record.principal.split_once("assumed-role/").map_or("", |(_, session)| session);
        (record.action, principal.to_owned())
    };
    let decisions = stack.inner().iam().decisions();
    stack.inner().iam().forget_decisions();
    decisions.into_iter().filter(|record| record.action != "execute-api:Invoke").map(called).collect()
}

fn call(action: &str, principal: &str) -> (String, String) {
    (action.to_owned(), principal.to_owned())
}

#[tokio::test]
async fn a_warm_request_of_a_known_tenant_takes_no_call_but_its_own() {
    let stack = Stack::in_mode("session").await;
    let function = "tenantry-RecordsCreateRole/records-create";
    let session = |tenant: &str| {
        let key = &stack.tenant(tenant).api_key_id;
        format!("tenantry-tenant-function/{tenant}.{key}")
    };
    // Nothing is warm yet: seeding has used other functions.
    calls(&stack);
    assert_eq!(create(&stack, "globex").await.status, 201);
    let cold = calls(&stack);
    let expected = [
        // The connection that a start opens, and the context.
        call("dynamodb:GetItem", function),
        call("dynamodb:GetItem", function),
        call("sts:AssumeRole", function),
        call("sts:TagSession", function),
        call("dynamodb:PutItem", &session("globex")),
    ];
    assert_eq!(cold, expected);
    assert_eq!(create(&stack, "globex").await.status, 201);
    assert_eq!(calls(&stack), [call("dynamodb:PutItem", &session("globex"))]);
    // Another tenant gets a session of its own in the same environment, and the first one's is kept.
    assert_eq!(create(&stack, "initech").await.status, 201);
    let other = calls(&stack);
    assert_eq!(other.last(), Some(&call("dynamodb:PutItem", &session("initech"))), "{other:?}");
    assert_eq!(create(&stack, "globex").await.status, 201);
    assert_eq!(calls(&stack), [call("dynamodb:PutItem", &session("globex"))]);
}

#[tokio::test]
async fn a_session_is_renewed_before_its_end_when_the_clock_moves() {
    let stack = Stack::in_mode("session").await;
    assert_eq!(write(&stack, "globex", "one").await.status, 201);
    calls(&stack);
    for (advance, renewed) in [("43m", false), ("2m", true), ("10d", true)] {
        let moved = stack.local("POST", "clock", &format!(r#"{{"advance":"{advance}"}}"#)).await;
        assert_eq!(moved.status, 200);
        assert_eq!(write(&stack, "globex", "one").await.status, 200, "{advance}");
        let assumed = calls(&stack).iter().any(|(action, _)| action == "sts:AssumeRole");
        assert_eq!(assumed, renewed, "after {advance} more");
    }
}

/// The templates in a folder, with one text replaced.
fn edited(folder: &std::path::Path, from: &str, to: &str) -> std::path::PathBuf {
    let text = std::fs::read_to_string(workspace().join("infra/template.yaml")).expect("the template");
    assert!(text.contains(from), "{from}");
    let path = folder.join("template.yaml");
    std::fs::write(&path, text.replace(from, to)).expect("written");
    path
}

#[tokio::test]
async fn a_function_that_gets_no_session_does_not_fall_back_to_its_own_role() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = "role/${AWS::StackName}-RecordsPutRole*";
    // The function would still be granted the table, were it to ask with its own credentials.
    let template = edited(folder.path(), trust, "role/somebody-else");
    let stack = Stack::with(|options| {
        options.template = template;
        options.parameters.push(("IsolationMode".to_owned(), "session".to_owned()));
        options.seed = false;
    })
    .await;
    let body = r#"{"tenant_id":"globex","name":"g","email":"g@g.example","tier":"standard"}"#;
    let onboarded = stack.as_admin("POST", "/tenants", body).await.json();
    let key = onboarded["api_key"]["value"].as_str().expect("a value").to_owned();
    let before = stack.contents().await;
    stack.inner().iam().forget_decisions();
    let refused = stack.call(&key, "PUT", "/records/sessions/one", &[], "{}").await;
    assert_eq!(
        (refused.status, refused.json()["type"].as_str()),
        (500, Some("urn:tenantry:problem:internal"))
    );
    assert!(!String::from_utf8_lossy(&refused.body).contains("arn:"), "{refused:?}");
    let decisions = stack.inner().iam().decisions();
    let last = decisions.last().expect("a decision");
    assert_eq!((last.action.as_str(), last.verdict.is_allowed()), ("sts:AssumeRole", false), "{last:?}");
    assert_eq!(stack.contents().await, before);
    // The other functions have theirs.
    assert_eq!(stack.call(&key, "GET", "/records/sessions", &[], "").await.status, 200);
}

async fn reads(stack_url: &str, vended: &Vended, stack: &Stack) -> Result<(), String> {
    let client = vended.dynamodb(stack, stack_url);
    let read = client
        .get_item()
        .table_name(&vended.records)
        .key("tenant_id", AttributeValue::S("globex".to_owned()))
        .key("sk", AttributeValue::S("notes#first".to_owned()))
        .send()
        .await;
    read.map(|_| ()).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn credentials_end_when_they_say() {
    let stack = Stack::start().await;
    let vended = Vended::ask(&stack, "globex", "read").await;
    let url = &stack.state().aws_endpoint_url;
    for (advance, refused) in [("14m", false), ("2m", true)] {
        stack.local("POST", "clock", &format!(r#"{{"advance":"{advance}"}}"#)).await;
        match reads(url, &vended, &stack).await {
            Ok(()) => assert!(!refused, "after {advance} more"),
            Err(error) => assert!(refused && error.contains("ExpiredTokenException"), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_condition_key_that_no_request_has_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = r#"StringEquals: { "aws:PrincipalTag/isolation": pooled }"#;
    let typo = r#"StringEquals: { "aws:PrincipalTags/isolation": pooled }"#;
    let template = edited(folder.path(), known, typo);
    let plans = workspace().join("infra/usage-plans.yaml");
    let (template, plans) = (template.to_str().expect("a path"), plans.to_str().expect("a path"));
    let flags = ["--ephemeral", "--no-seed", "--template", template, "--usage-plans", plans];
    let _process = StackProcess::start(folder.path(), &flags).await;
    let shown = std::fs::read_to_string(folder.path().join("stack.log")).expect("the log");
    assert!(shown.contains("a condition on aws:PrincipalTags/isolation, which is not known here"), "{shown}");
    assert!(!shown.contains("s3:"), "{shown}");
}

#[tokio::test]
async fn an_edit_of_the_role_holds_for_credentials_that_are_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let template = edited(folder.path(), "Sid: PooledRecords", "Sid: PooledRecords");
    let stack = Stack::with(|options| options.template = template.clone()).await;
    let vended = Vended::ask(&stack, "globex", "read").await;
    let url = &stack.state().aws_endpoint_url;
    reads(url, &vended, &stack).await.expect("granted");
    edited(folder.path(), "dynamodb:GetItem, dynamodb:BatchGetItem, dynamodb:Query,", "dynamodb:Query,");
    let begin = std::time::Instant::now();
    let error = loop {
        match reads(url, &vended, &stack).await {
            Ok(()) => assert!(begin.elapsed().as_secs() < 10, "the edit is not in force"),
            Err(error) => break error,
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(error.contains("because no identity-based policy allows the dynamodb:GetItem action"), "{error}");
}

#[tokio::test]
async fn credentials_outlive_a_restart_on_the_same_data_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = StackProcess::start(folder.path(), &[]).await;
    let ask = |state: &local_stack::State| {
        let globex = state.tenants.iter().find(|tenant| tenant.tenant_id == "globex").expect("a demo tenant");
        (format!("{}/credentials", state.api_url), globex.api_key.clone())
    };
    let (url, key) = ask(&first.state);
    let answer = testkit::request("POST", &url, &[("x-api-key", &key)], String::new()).await;
    let vended = Vended::of(&answer.expect("an answer"));
    first.kill().await;
    let second = StackProcess::start(folder.path(), &[]).await;
    let elsewhere = Stack::start().await;
    reads(&second.state.aws_endpoint_url, &vended, &elsewhere).await.expect("the same account's");
    let error = reads(&elsewhere.state().aws_endpoint_url, &vended, &elsewhere).await.expect_err("another's");
    assert!(error.contains("UnrecognizedClientException"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_shown_with_what_decided() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = StackProcess::start(folder.path(), &[]).await;
    let globex = process.state.tenants.iter().find(|tenant| tenant.tenant_id == "globex").expect("a tenant");
    let url = format!("{}/credentials", process.state.api_url);
    let answer = testkit::request("POST", &url, &[("x-api-key", &globex.api_key)], String::new()).await;
    let vended = Vended::of(&answer.expect("an answer"));
    let elsewhere = Stack::start().await;
    let client = vended.dynamodb(&elsewhere, &process.state.aws_endpoint_url);
    client.scan().table_name(&vended.records).send().await.expect_err("no Scan is granted");
    client
        .get_item()
        .table_name(&vended.records)
        .key("tenant_id", AttributeValue::S("acme".to_owned()))
        .key("sk", AttributeValue::S("notes#first".to_owned()))
        .send()
        .await
        .expect_err("acme's");
    // Another stack's credentials are nobody's here.
    let other = Vended::ask(&elsewhere, "globex", "read").await;
    let stranger = other.dynamodb(&elsewhere, &process.state.aws_endpoint_url);
    stranger.list_tables().send().await.expect_err("a stranger");
    let shown = std::fs::read_to_string(folder.path().join("stack.log")).expect("the log");
    assert!(
        shown.contains(
            "PooledRecords of tenant-data, in which ForAllValues:StringEquals dynamodb:LeadingKeys"
        )
    );
    let line = shown.lines().find(|line| line.contains("dynamodb:Scan")).expect("a line");
    assert!(
        line.contains("because no session policy") || line.contains("because no identity-based policy"),
        "{line}"
    );
}

#[tokio::test]
async fn the_log_and_an_evaluation_are_told_to_the_developer() {
    let stack = Stack::start().await;
    stack.as_tenant("globex", "GET", "/records/notes/first", "").await;
    let log = stack.local("GET", "iam/log", "").await;
    let newest = &log.json()["decisions"][0];
    assert_eq!(
        (log.status, &newest["action"], &newest["decision"]),
        (200, &"dynamodb:GetItem".into(), &"Allow".into())
    );
    assert!(newest["by"].as_str().is_some_and(|by| by.contains("RecordsGetRolePolicy0")), "{newest}");
    let asked = r#"{"policies":[],"action":"s3:GetObject","resource":"*"}"#;
    let decided = stack.local("POST", "iam/evaluate", asked).await;
    assert_eq!((decided.status, &decided.json()["decision"]), (200, &"Deny".into()));
    for (method, path, body, status) in [
        ("POST", "iam/evaluate", "{}", 400),
        ("GET", "iam/evaluate", "", 405),
        ("POST", "iam/log", "", 405),
        ("GET", "iam/nothing", "", 404),
    ] {
        assert_eq!(stack.local(method, path, body).await.status, status, "{method} {path}");
    }
}
