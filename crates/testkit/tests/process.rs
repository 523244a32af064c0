//! The real binary: what survives it, and how it says what is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{StackProcess, request, signed, workspace};

#[tokio::test]
async fn a_restart_keeps_the_keys_and_the_admin() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = StackProcess::start(folder.path(), &[]).await;
    let told = serde_json::to_value(&first.state).expect("JSON");
    first.kill().await;
    let second = StackProcess::start(folder.path(), &[]).await;
    let again = serde_json::to_value(&second.state).expect("JSON");
    assert_eq!((&told["tenants"], &told["admin"]), (&again["tenants"], &again["admin"]));
    let url = format!("{}/tenant", second.state.api_url);
    let key = &second.state.tenants[0].api_key;
    assert_eq!(request("GET", &url, &[("x-api-key", key)], "").await.expect("an answer").status, 200);
    second.kill().await;
}

#[tokio::test]
async fn the_state_file_has_exactly_the_members_that_programs_rely_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = StackProcess::start(folder.path(), &["--ephemeral"]).await;
    let text = std::fs::read(folder.path().join("stack.json")).expect("the state file");
    let state: BTreeMap<String, Value> = serde_json::from_slice(&text).expect("JSON");
    let members = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        state.keys().collect::<Vec<_>>(),
        [
            "account_id",
            "admin",
            "admin_url",
            "api_url",
            "aws_endpoint_url",
            "buckets",
            "region",
            "tables",
            "tenant_role_arn",
            "tenants",
        ]
    );
    assert_eq!(members(&state["admin"]), ["access_key_id", "secret_access_key"]);
    assert_eq!(members(&state["buckets"]), ["exports", "files"]);
    assert_eq!(
        members(&state["tables"]),
        ["api-keys", "checkpoints", "idempotency", "records", "tenants", "usage"]
    );
    let tenants = state["tenants"].as_array().expect("tenants");
    assert_eq!(
        tenants.iter().map(|tenant| tenant["tenant_id"].clone()).collect::<Vec<_>>(),
        ["acme", "globex", "initech"]
    );
    for tenant in tenants {
        assert_eq!(members(tenant), ["api_key", "api_key_id", "isolation", "name", "tenant_id", "tier"]);
    }
    stack.kill().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_under_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut records, mut tenants) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let stack = StackProcess::start(folder.path(), &[]).await;
        let state = Arc::new(stack.state.clone());
        let over = Arc::new(AtomicBool::new(false));
        // Acknowledged records and tenants of this round.
        let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let writers: Vec<_> = (0..6)
            .map(|writer| {
                let (state, over, counts) = (Arc::clone(&state), Arc::clone(&over), Arc::clone(&counts));
                tokio::spawn(async move {
                    let (mut written, mut onboarded) = (Vec::new(), Vec::new());
                    for n in 0.. {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        if writer == 0 {
                            let body =
                                json!({"name": "t", "email": "a@b.example", "tier": "free"}).to_string();
                            let admin =
                                (state.admin.access_key_id.as_str(), state.admin.secret_access_key.as_str());
                            if let Ok(answer) = signed(&state, admin, "POST", "/tenants", &body).await
                                && answer.status == 201
                            {
                                let text = |pointer| {
                                    answer.json().pointer(pointer).and_then(Value::as_str).map(str::to_owned)
                                };
                                onboarded.extend(text("/tenant/tenant_id").zip(text("/api_key/value")));
                                counts[1].fetch_add(1, Ordering::Relaxed);
                            }
                            continue;
                        }
                        // Not acme: its plan would refuse most of this.
                        let tenant = &state.tenants[1 + n % 2];
                        let url = format!("{}/records/load/r{round}-{writer}-{n}", state.api_url);
                        let put = request(
                            "PUT",
                            &url,
                            &[("x-api-key", &tenant.api_key)],
                            format!(r#"{{"n":{n}}}"#),
                        )
                        .await;
                        if put.is_ok_and(|answer| answer.status == 201) {
                            counts[0].fetch_add(1, Ordering::Relaxed);
                            written.push((
                                tenant.api_key.clone(),
                                format!("/records/load/r{round}-{writer}-{n}"),
                            ));
                        }
                    }
                    (written, onboarded)
                })
            })
            .collect();
        let begin = tokio::time::Instant::now();
        while counts[0].load(Ordering::Relaxed) < 100 || counts[1].load(Ordering::Relaxed) < 5 {
            assert!(begin.elapsed() < Duration::from_mins(1), "nothing is acknowledged");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stack.kill().await;
        over.store(true, Ordering::Relaxed);
        for writer in writers {
            let (written, onboarded) = writer.await.expect("a writer ends");
            records.extend(written);
            tenants.extend(onboarded);
        }
    }
    let stack = StackProcess::start(folder.path(), &[]).await;
    for (key, path) in &records {
        let url = format!("{}{path}", stack.state.api_url);
        assert_eq!(
            request("GET", &url, &[("x-api-key", key)], "").await.expect("an answer").status,
            200,
            "{path}"
        );
    }
    for (id, key) in &tenants {
        let url = format!("{}/tenant", stack.state.api_url);
        let answer = request("GET", &url, &[("x-api-key", key)], "").await.expect("an answer");
        assert_eq!(answer.json()["tenant_id"], id.as_str());
    }
    stack.kill().await;
}

#[tokio::test]
async fn kill_9_while_the_demo_tenants_are_made_leaves_nothing_in_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    for milliseconds in (40..170).step_by(6) {
        let mut child =
            StackProcess::command(folder.path(), &[]).spawn().expect("the stack's binary is built");
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        child.kill().await.expect("the process can be killed");
    }
    let stack = StackProcess::start(folder.path(), &[]).await;
    assert_eq!(stack.state.tenants.len(), 3);
    for tenant in &stack.state.tenants {
        let url = format!("{}/records/notes/first", stack.state.api_url);
        assert_eq!(
            request("GET", &url, &[("x-api-key", &tenant.api_key)], "").await.expect("an answer").status,
            200
        );
    }
    stack.kill().await;
}

#[tokio::test]
async fn sigterm_stops_it_cleanly() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stack = StackProcess::start(folder.path(), &[]).await;
    let id = stack.id().expect("a running process").to_string();
    let sent = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
    assert!(sent.success());
    assert!(stack.ended().await.success());
    assert!(!folder.path().join("stack.json").exists(), "the state file tells of a stack that is gone");
}

/// Runs the binary to its end and answers what it says.
async fn complaint(flags: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = StackProcess::command(folder.path(), flags);
    let output = tokio::time::timeout(Duration::from_secs(20), command.output())
        .await
        .expect("it ends")
        .expect("it runs");
    assert!(!output.status.success(), "{flags:?}");
    assert!(!folder.path().join("stack.json").exists());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn what_is_wrong_is_said_with_a_way_out() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let said = complaint(&["--ephemeral", "--api-port", &port]).await;
    assert!(said.contains(&port) && said.contains("--api-port"), "{said}");

    let template = std::fs::read_to_string(workspace().join("infra/template.yaml")).expect("the template");
    let broken = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(broken.path(), template.replace("ApiKeyRequired: true", "ApiKeyRequred: true"))
        .expect("written");
    let said = complaint(&["--ephemeral", "--template", &broken.path().to_string_lossy()]).await;
    let line = template.lines().position(|line| line.contains("ApiKeyRequired: true")).expect("the line") + 1;
    assert!(said.contains(&format!(":{line}: DataApi: ApiKeyRequred")), "{said}");

    let said = complaint(&["--ephemeral", "--param", "Colour=red"]).await;
    assert!(said.contains("Colour"), "{said}");
}

#[tokio::test]
async fn a_second_stack_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = StackProcess::start(folder.path(), &[]).await;
    let data = folder.path().join("data");
    let told = std::fs::read(folder.path().join("stack.json")).expect("the state file");
    let mut command = StackProcess::command(folder.path(), &[]);
    let output = command.arg("--data-dir").arg(&data).output().await.expect("it runs");
    assert!(!output.status.success());
    assert_eq!(std::fs::read(folder.path().join("stack.json")).expect("it is still there"), told);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("another stack"), "{said}");
    let url = format!("{}/tenant", first.state.api_url);
    let key = &first.state.tenants[0].api_key;
    assert_eq!(request("GET", &url, &[("x-api-key", key)], "").await.expect("an answer").status, 200);
    first.kill().await;
}
