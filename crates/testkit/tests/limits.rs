//! Throttles, quotas and the clock, through the whole stack and the real SDK.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_apigateway::types::{Op, PatchOperation};
use serde_json::{Value, json};
use testkit::{Stack, StackProcess, request, workspace};

/// Stops the clock, so that no bucket refills by itself.
async fn standing_still(change: impl FnOnce(String) -> String) -> Stack {
    let folder = tempfile::tempdir().expect("a folder");
    let plans = std::fs::read_to_string(workspace().join("infra/usage-plans.yaml")).expect("the plans");
    let file = folder.path().join("usage-plans.yaml");
    std::fs::write(&file, change(plans)).expect("written");
    Stack::with(|options| {
        options.usage_plans = file;
        options.time = "fixed:2026-11-24T12:00:00Z".parse().expect("a time");
    })
    .await
}

/// How many of so many requests at once are answered with 200.
async fn let_through(stack: &Stack, tenant: &str, path: &str, asked: usize) -> usize {
    let requests = (0..asked).map(|_| stack.as_tenant(tenant, "GET", path, ""));
    let answers = futures_util::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 429)), "{answers:?}");
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test]
async fn twenty_requests_at_once_get_the_burst_and_a_second_later_the_rate() {
    let stack = standing_still(|plans| {
        plans.replacen(
            r#""/tenant/GET":                       { RateLimit: 5, BurstLimit: 10 }"#,
            r#""/tenant/GET":                       { RateLimit: 2, BurstLimit: 3 }"#,
            1,
        )
    })
    .await;
    assert_eq!(let_through(&stack, "acme", "/tenant", 20).await, 3);
    stack.local("POST", "clock", r#"{"advance": "1s"}"#).await;
    assert_eq!(let_through(&stack, "acme", "/tenant", 20).await, 2);
    assert_eq!(let_through(&stack, "acme", "/records/notes", 5).await, 5);
    assert_eq!(let_through(&stack, "globex", "/tenant", 20).await, 20);
}

#[tokio::test]
async fn a_throttled_request_is_a_problem_document_and_reaches_no_function() {
    let stack = standing_still(|plans| plans).await;
    assert_eq!(let_through(&stack, "acme", "/tenant", 12).await, 10);
    let before = stack.contents().await;
    let answer = stack.as_tenant("acme", "PUT", "/records/notes/refused", "{}").await;
    assert_eq!((answer.status, answer.header("content-type")), (429, "application/problem+json"));
    assert_eq!(answer.json()["type"], "urn:tenantry:problem:too-many-requests");
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn the_sdks_usage_agrees_with_what_is_enforced() {
    let stack = standing_still(|plans| {
        plans.replacen("Quota: { Limit: 10000, Period: MONTH }", "Quota: { Limit: 3, Period: MONTH }", 1)
    })
    .await;
    let (client, key_id) = (stack.api_gateway(), stack.tenant("acme").api_key_id.clone());
    let plans = client.get_usage_plans().key_id(&key_id).send().await.expect("plans");
    let plan_id = plans.items()[0].id().expect("an id").to_owned();
    let usage = async |first: &str, last: &str| {
        let answer = client.get_usage().usage_plan_id(&plan_id).start_date(first).end_date(last).send().await;
        answer.expect("usage").items.expect("items").remove(&key_id).expect("the key")
    };

    assert_eq!(let_through(&stack, "acme", "/tenant", 5).await, 3);
    let refused = stack.as_tenant("acme", "GET", "/tenant", "").await;
    assert_eq!(refused.json()["type"], "urn:tenantry:problem:quota-exceeded");
    assert_eq!(refused.json()["detail"], "Limit Exceeded");
    assert_eq!(usage("2026-11-24", "2026-11-24").await, [[3, 0]]);

    let more = PatchOperation::builder().op(Op::Replace).path("/remaining").value("2").build();
    let given = client.update_usage().usage_plan_id(&plan_id).key_id(&key_id).patch_operations(more);
    let given = given.send().await.expect("updated").items.expect("items");
    assert_eq!(given[&key_id], [[3, 2]]);
    assert_eq!(let_through(&stack, "acme", "/tenant", 5).await, 2);
    assert_eq!(usage("2026-11-24", "2026-11-24").await, [[5, 0]]);

    // The month is over a week later.
    let moved = stack.local("POST", "clock", r#"{"advance": "7d"}"#).await;
    assert_eq!(moved.json()["now"], "2026-12-01T12:00:00Z");
    assert_eq!(let_through(&stack, "acme", "/tenant", 5).await, 3);
    assert_eq!(usage("2026-11-30", "2026-12-01").await, [[0, 0], [3, 0]]);
}

#[tokio::test]
async fn a_stage_and_its_api_are_found_by_the_sdk() {
    let stack = Stack::start().await;
    let client = stack.api_gateway();
    let apis = client.get_rest_apis().send().await.expect("APIs");
    assert_eq!(apis.items().len(), 2);
    for api in apis.items() {
        let stages = client.get_stages().rest_api_id(api.id().expect("an id")).send().await.expect("stages");
        assert_eq!(stages.item()[0].stage_name(), Some("v1"));
    }
}

#[tokio::test]
async fn the_limits_of_a_key_are_told_with_the_one_that_fired() {
    let stack = standing_still(|plans| plans).await;
    let key_id = &stack.tenant("acme").api_key_id;
    let told = async || stack.local("GET", &format!("limits?api_key_id={key_id}"), "").await.json();
    assert_eq!(told().await["last_refusal"], Value::Null);
    assert_eq!(let_through(&stack, "acme", "/tenant", 11).await, 10);
    let told = told().await;
    let fired = &told["last_refusal"]["limit"];
    assert_eq!((&fired["limit"], &fired["route"]), (&json!("plan_route"), &json!("GET /tenant")));
    assert_eq!((&fired["left"], &fired["next_at"]), (&json!(0.0), &json!("2026-11-24T12:00:00.2Z")));
    let quota = told["limits"].as_array().expect("limits").iter().find(|limit| limit["limit"] == "quota");
    let quota = quota.expect("a quota");
    assert_eq!((&quota["left"], &quota["full_at"]), (&json!(9990.0), &json!("2026-12-01T00:00:00Z")));
    assert_eq!(stack.local("GET", "limits?api_key_id=nobody", "").await.status, 404);
    assert_eq!(stack.local("GET", "limits", "").await.status, 400);
}

#[tokio::test]
async fn a_snapshot_and_a_reset_bring_back_tables_keys_counters_and_clock() {
    let stack = standing_still(|plans| plans).await;
    let fresh = stack.contents().await;
    assert_eq!(let_through(&stack, "acme", "/tenant", 4).await, 4);
    assert_eq!(stack.local("POST", "snapshot", r#"{"save": "four-used"}"#).await.status, 201);
    assert_eq!(stack.local("GET", "snapshot", "").await.json(), json!({"snapshots": ["four-used"]}));

    stack.local("POST", "clock", r#"{"advance": "1d"}"#).await;
    assert_eq!(stack.as_tenant("globex", "PUT", "/records/notes/later", "{}").await.status, 201);
    let onboarding = r#"{"tenant_id":"later","name":"x","email":"x@x.example","tier":"free"}"#;
    assert_eq!(stack.as_admin("POST", "/tenants", onboarding).await.status, 201);

    assert_eq!(stack.local("POST", "snapshot", r#"{"load": "four-used"}"#).await.status, 200);
    assert_eq!(stack.contents().await, fresh);
    assert_eq!(stack.local("GET", "clock", "").await.json()["now"], "2026-11-24T12:00:00Z");
    assert_eq!(let_through(&stack, "acme", "/tenant", 12).await, 6);
    // The function's memory of a tenant that is gone is gone as well.
    assert_eq!(stack.as_admin("GET", "/tenants/later", "").await.status, 404);

    assert_eq!(stack.local("POST", "reset", "").await.status, 204);
    assert_eq!(stack.contents().await, fresh);
    assert_eq!(let_through(&stack, "acme", "/tenant", 12).await, 10);
}

/// How many requests of a tenant its quota has counted.
async fn counted(stack: &Stack, tenant: &str, quota: f64) -> f64 {
    let key_id = &stack.tenant(tenant).api_key_id;
    let told = stack.local("GET", &format!("limits?api_key_id={key_id}"), "").await.json();
    let limits = told["limits"].as_array().expect("limits");
    let left = limits.iter().find(|limit| limit["limit"] == "quota").expect("a quota")["left"].as_f64();
    quota - left.expect("a number")
}

#[tokio::test]
async fn a_snapshot_is_taken_between_requests_and_never_within_one() {
    let stack = Stack::start().await;
    let over = AtomicBool::new(false);
    let writers = (0..4).map(|writer| {
        let (stack, over) = (&stack, &over);
        async move {
            for n in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let path = format!("/records/load/{writer}-{n}");
                let answer = stack.as_tenant("globex", "PUT", &path, "{}").await;
                assert!(matches!(answer.status, 201 | 429), "{answer:?}");
            }
        }
    });
    let snapshots = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(stack.local("POST", "snapshot", r#"{"save": "busy"}"#).await.status, 201);
        }
        over.store(true, Ordering::Relaxed);
    };
    futures_util::join!(futures_util::future::join_all(writers), snapshots);
    assert_eq!(stack.local("POST", "snapshot", r#"{"load": "busy"}"#).await.status, 200);
    // What was counted then was written then, and the other way round.
    let written = stack.contents().await.iter().filter(|item| item.contains("load#")).count();
    let counted = format!("{:.0}", counted(&stack, "globex", 1e6).await);
    assert!(written > 5, "{written}");
    assert_eq!(written.to_string(), counted);
}

#[tokio::test]
async fn a_function_whose_client_has_left_ends_before_a_reset() {
    let stack = Stack::start().await;
    let fresh = stack.contents().await;
    for n in 0..10 {
        // Long enough for the function to be asked, short enough that it has not answered.
        let path = format!("/records/left/{n}");
        let asked = stack.as_tenant("initech", "PUT", &path, "{}");
        let _ = tokio::time::timeout(Duration::from_millis(n), asked).await;
        assert_eq!(stack.local("POST", "reset", "").await.status, 204);
        assert_eq!(stack.contents().await, fresh, "after {n} ms");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(stack.contents().await, fresh, "a function has written after the reset");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_loaded_changes_nothing_now_or_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = StackProcess::start(folder.path(), &[]).await;
    assert_eq!(stack.local("POST", "snapshot", r#"{"save": "torn"}"#).await.status, 201);
    let globex =
        stack.state.tenants.iter().find(|tenant| tenant.tenant_id == "globex").expect("globex").clone();
    let record = |stack: &StackProcess, method: &'static str| {
        let url = format!("{}/records/notes/later", stack.state.api_url);
        let key = globex.api_key.clone();
        async move { request(method, &url, &[("x-api-key", &key)], "{}").await.expect("an answer").status }
    };
    assert_eq!(record(&stack, "PUT").await, 201);
    std::fs::write(folder.path().join("data/snapshots/torn/dynamodb.db"), "no database").expect("damaged");
    let refused = stack.local("POST", "snapshot", r#"{"load": "torn"}"#).await;
    assert_eq!(refused.status, 500);
    assert!(refused.json()["detail"].as_str().expect("a detail").contains("torn"), "{refused:?}");
    assert_eq!(record(&stack, "GET").await, 200);
    stack.kill().await;
    let stack = StackProcess::start(folder.path(), &[]).await;
    assert_eq!(record(&stack, "GET").await, 200);
    stack.kill().await;
}

#[tokio::test]
async fn moves_of_the_clock_that_come_at_once_all_count() {
    let stack = standing_still(|plans| plans).await;
    let moves = (0..20).map(|_| stack.local("POST", "clock", r#"{"advance": "1h"}"#));
    let moves = futures_util::future::join_all(moves).await;
    assert!(moves.iter().all(|answer| answer.status == 200));
    assert_eq!(stack.local("GET", "clock", "").await.json()["now"], "2026-11-25T08:00:00Z");
}

#[tokio::test]
async fn what_is_wrong_with_a_local_call_is_said_and_changes_nothing() {
    let stack = standing_still(|plans| plans).await;
    for (method, path, body, status) in [
        ("POST", "clock", "", 400),
        ("POST", "clock", r#"{"advance": "-1s"}"#, 400),
        ("POST", "clock", r#"{"advance": "1y"}"#, 400),
        ("POST", "clock", r#"{"advance": "40000d"}"#, 400),
        ("POST", "clock", r#"{"advance": "18446744073709551615s 18446744073709551615s"}"#, 400),
        ("POST", "clock", r#"{"advance": "1s", "back": true}"#, 400),
        ("DELETE", "clock", "", 405),
        ("POST", "snapshot", r#"{"save": "../elsewhere"}"#, 400),
        ("POST", "snapshot", r#"{"save": "first"}"#, 400),
        ("POST", "snapshot", r#"{"load": "never-saved"}"#, 404),
        ("GET", "reset", "", 405),
        ("GET", "nowhere", "", 404),
    ] {
        let answer = stack.local(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(stack.local("GET", "clock", "").await.json()["ahead_seconds"], 0.0);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_reach_the_local_paths() {
    let stack = standing_still(|plans| plans).await;
    let (root, _) = stack.state().api_url.rsplit_once('/').expect("a stage");
    let url = format!("{root}/_local/clock");
    for header in
        [("origin", "https://site.example"), ("host", "site.example"), ("host", "127.0.0.1.site.example")]
    {
        let answer = request("POST", &url, &[header], r#"{"advance": "1d"}"#).await.expect("an answer");
        assert_eq!(answer.status, 403, "{header:?}");
    }
    assert_eq!(stack.local("GET", "clock", "").await.json()["ahead_seconds"], 0.0);
    // The control API's address has no such paths.
    let (root, _) = stack.state().admin_url.rsplit_once('/').expect("a stage");
    let answer = request("POST", &format!("{root}/_local/clock"), &[], "{}").await.expect("an answer");
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn kill_9_uncounts_at_most_what_was_acknowledged_in_the_last_100_ms() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut certain, mut answered) = (0, 0);
    for _ in 0..3 {
        let stack = StackProcess::start(folder.path(), &[]).await;
        let url = format!("{}/tenant", stack.state.api_url);
        let key =
            stack.state.tenants.iter().find(|tenant| tenant.tenant_id == "globex").expect("globex").clone();
        let enough = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (url, key, enough) = (url.clone(), key.api_key.clone(), Arc::clone(&enough));
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    while let Ok(answer) = request("GET", &url, &[("x-api-key", &key)], "").await {
                        if answer.status == 200 {
                            acknowledged.push(Instant::now());
                            enough.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        let begin = Instant::now();
        while enough.load(Ordering::Relaxed) < 200 {
            assert!(begin.elapsed() < Duration::from_mins(1), "too little is answered");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let killed = Instant::now();
        stack.kill().await;
        for client in clients {
            let acknowledged = client.await.expect("a client ends");
            let horizon = Duration::from_millis(100);
            certain += acknowledged.iter().filter(|at| **at + horizon < killed).count();
            // The request that the kill cut off may have been counted.
            answered += acknowledged.len() + 1;
        }
        let stack = StackProcess::start(folder.path(), &[]).await;
        let used = used(&stack, &key.api_key_id).await;
        assert!((certain..=answered).contains(&used), "{certain} <= {used} <= {answered}");
        // What was uncounted stays so.
        (certain, answered) = (used, used);
        stack.kill().await;
    }
}

#[tokio::test]
async fn what_was_counted_a_moment_ago_survives_kill_9_to_the_last_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = StackProcess::start(folder.path(), &[]).await;
    let globex =
        stack.state.tenants.iter().find(|tenant| tenant.tenant_id == "globex").expect("globex").clone();
    let url = format!("{}/tenant", stack.state.api_url);
    for _ in 0..50 {
        assert_eq!(
            request("GET", &url, &[("x-api-key", &globex.api_key)], "").await.expect("an answer").status,
            200
        );
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    stack.kill().await;
    let stack = StackProcess::start(folder.path(), &[]).await;
    assert_eq!(used(&stack, &globex.api_key_id).await, 50);
    stack.kill().await;
}

/// How many requests globex's quota has counted.
async fn used(stack: &StackProcess, key_id: &str) -> usize {
    let told = stack.local("GET", &format!("limits?api_key_id={key_id}"), "").await.json();
    let limits = told["limits"].as_array().expect("limits");
    let left = limits.iter().find(|limit| limit["limit"] == "quota").expect("a quota")["left"].as_f64();
    format!("{:.0}", 1e6 - left.expect("a number")).parse().expect("a count")
}
