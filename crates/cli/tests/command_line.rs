//! The real binary against the real stack.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use testkit::{StackProcess, request, workspace};
use tokio::process::Command;

/// How a command has ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// The value beside a name in a list for people.
    fn value(&self, name: &str) -> String {
        let line = self.out.lines().find(|line| line.split_whitespace().next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("no {name}: {}{}", self.out, self.err));
        line.split_whitespace().nth(1).expect("a value").to_owned()
    }
}

/// Runs a command without a terminal.
async fn tenantry(folder: &Path, line: &str) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .arg("--state-file")
        .arg(folder.join("stack.json"))
        .args(line.split_whitespace())
        .current_dir(workspace())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the binary runs");
    Ended {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Runs a command that has to succeed.
async fn done(folder: &Path, line: &str) -> Ended {
    let ended = tenantry(folder, line).await;
    assert_eq!(ended.code, 0, "{line}: {}{}", ended.out, ended.err);
    ended
}

/// What a key is answered by the data API.
async fn status(stack: &StackProcess, key: &str) -> u16 {
    let url = format!("{}/tenant", stack.state.api_url);
    request("GET", &url, &[("x-api-key", key)], "").await.expect("an answer").status
}

/// Lets minutes pass until a move that was given up has left nothing.
async fn abandoned(stack: &StackProcess, folder: &Path, id: &str) {
    for _ in 0..8 {
        stack.local("POST", "clock", r#"{"advance": "60s"}"#).await;
        for _ in 0..10 {
            if done(folder, &format!("tenants show {id}")).await.value("move") == "abandoned" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    panic!("the move of {id} is not over");
}

#[tokio::test]
async fn a_tenant_lives_from_its_onboarding_to_its_suspension() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let stack = StackProcess::start(folder, &["--ephemeral"]).await;

    let created = done(folder, "tenants create --name Hooli --email ops@hooli.example --tier free").await;
    assert!(created.err.contains("shown this once"), "{}", created.err);
    let (id, key) = (created.value("tenant_id"), created.value("value"));
    let version = created.value("version");
    assert_eq!(status(&stack, &key).await, 200);

    let listed = done(folder, "--json tenants list --all --limit 2").await.json();
    let ids: Vec<_> = listed["items"].as_array().expect("items").iter().map(|t| &t["tenant_id"]).collect();
    assert!(ids.contains(&&Value::String(id.clone())), "{ids:?}");
    assert_eq!(listed["next_cursor"], Value::Null);

    let shown = done(folder, &format!("tenants show {id}")).await;
    assert_eq!((shown.value("tier"), shown.value("status")), ("free".to_owned(), "active".to_owned()));
    assert!(!shown.out.contains(&key), "a key's value is shown once");

    let moved = done(folder, &format!("tenants update {id} --tier standard --if-version {version} --json"))
        .await
        .json();
    assert_eq!(moved["tenant"]["tier"], "standard");
    let stale = tenantry(folder, &format!("tenants update {id} --name Other --if-version {version}")).await;
    assert_eq!(stale.code, 1, "{}{}", stale.out, stale.err);
    assert!(stale.err.contains(&format!("{id} is not at version {version}")), "{}", stale.err);
    let wrong = tenantry(folder, &format!("tenants update {id} --tier gold")).await;
    assert_eq!(wrong.code, 1, "{}{}", wrong.out, wrong.err);
    assert!(wrong.err.contains("  --tier: must be a tier"), "{}", wrong.err);
    let reachable = done(folder, &format!("tenants update {id} --contact phone=1")).await;
    assert_eq!(reachable.value("contact"), "phone=1");
    let bare = done(folder, &format!("tenants update {id} --no-contact")).await;
    assert_eq!(bare.value("contact"), "-");

    let suspended = done(folder, &format!("tenants suspend {id} --reason unpaid")).await;
    assert_eq!(suspended.value("status"), "suspended");
    assert!(suspended.out.contains("Its keys are refused."), "{}", suspended.out);
    assert_eq!(status(&stack, &key).await, 403);
    let listed = done(folder, "tenants list --status suspended --json").await.json();
    let ids: Vec<_> = listed["items"].as_array().expect("items").iter().map(|t| &t["tenant_id"]).collect();
    assert!(ids.contains(&&Value::String(id.clone())), "{ids:?}");
    let resumed = done(folder, &format!("tenants resume {id}")).await;
    assert_eq!(resumed.value("status"), "active");

    let moving = done(folder, &format!("tenants move-to-silo {id}")).await;
    assert_eq!((moving.value("move"), moving.value("isolation")), ("silo".to_owned(), "pooled".to_owned()));
    let refused = tenantry(folder, &format!("tenants delete {id} --yes")).await;
    assert!(refused.code == 1 && refused.err.contains("A move into a silo goes on"), "{}", refused.err);
    let given_up = done(folder, &format!("tenants move-to-silo {id} --abandon")).await;
    assert!(given_up.value("move").starts_with("abandon"), "{}", given_up.out);
    abandoned(&stack, folder, &id).await;

    let refused = tenantry(folder, &format!("tenants import {id} --from acme/000004/")).await;
    assert_eq!(refused.code, 1, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("  --from: there is no complete export"), "{}", refused.err);
    let refused = tenantry(folder, &format!("tenants import {id} --abandon")).await;
    assert!(refused.code == 1 && refused.err.contains("given up"), "{}", refused.err);

    let unasked = tenantry(folder, &format!("tenants delete {id}")).await;
    assert_eq!(unasked.code, 2, "without a terminal it needs --yes: {}", unasked.err);
    let leaving = done(folder, &format!("tenants delete {id} --grace 2d --yes")).await;
    assert_eq!(
        (leaving.value("status"), leaving.value("stage")),
        ("deleting".to_owned(), "export".to_owned())
    );
    assert_eq!(status(&stack, &key).await, 403);
    let shown = done(folder, &format!("tenants show {id}")).await;
    assert_eq!(shown.value("purge_at"), leaving.value("purge_at"));
    let resumed = done(folder, &format!("tenants resume {id}")).await;
    assert_eq!(resumed.value("status"), "active");
    assert!(!resumed.out.contains("purge_at"), "{}", resumed.out);

    let audit = done(folder, &format!("audit {id} --json")).await.json();
    let rows = audit["items"].as_array().expect("items");
    assert!(rows.len() >= 3, "{audit}");
    assert_eq!(rows[0]["after"]["status"], "active", "the newest stands first: {audit}");
    let shown = done(folder, &format!("audit {id}")).await.out;
    assert!(shown.contains("tier: free -> standard"), "{shown}");
    assert!(!shown.contains(&key));
    stack.kill().await;
}

#[tokio::test]
async fn a_key_is_rotated_with_an_overlap_and_then_revoked() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let stack = StackProcess::start(folder, &["--ephemeral"]).await;
    let first = &stack.state.tenants[1];
    let (id, old) = (&first.tenant_id, &first.api_key_id);

    let rotated = done(folder, &format!("keys rotate {id} {old} --overlap 1h")).await;
    let (new, value) = (rotated.value("api_key_id"), rotated.value("value"));
    assert_eq!((status(&stack, &first.api_key).await, status(&stack, &value).await), (200, 200));
    let keys = done(folder, &format!("keys list {id} --json")).await.json();
    let keys = keys["items"].as_array().expect("items");
    let expiry =
        |id: &str| keys.iter().find(|key| key["api_key_id"] == *id).map(|key| key["expires_at"].clone());
    assert_eq!(expiry(&new), Some(Value::Null));
    assert!(expiry(old).is_some_and(|at| at.is_string()), "{keys:?}");

    let revoke = format!("keys revoke {id} {old}");
    let unasked = tenantry(folder, &revoke).await;
    assert_eq!(unasked.code, 2, "without a terminal it needs --yes: {}", unasked.err);
    assert_eq!(status(&stack, &first.api_key).await, 200, "nothing was done");
    done(folder, &format!("{revoke} --yes")).await;
    assert_eq!((status(&stack, &first.api_key).await, status(&stack, &value).await), (403, 200));

    let once = format!("keys create {id} --idempotency-key k-1");
    let made = done(folder, &once).await;
    let again = done(folder, &once).await;
    assert_eq!(again.value("api_key_id"), made.value("api_key_id"));
    assert!(again.out.contains("value       not shown again\n"), "the value is told once: {}", again.out);
    assert!(again.err.contains("was done before"), "{}", again.err);
    done(folder, &format!("keys revoke {id} {} --yes", made.value("api_key_id"))).await;

    let granted = done(folder, &format!("usage grant {id} --requests 500")).await;
    assert_eq!(granted.value("requests"), "500");
    assert!(granted.err.contains("from the next snapshot on"), "{}", granted.err);
    let audit = done(folder, &format!("audit {id}")).await.out;
    assert!(audit.contains("500 requests more") && audit.contains(" left\n"), "{audit}");
    assert!(audit.contains(&format!("the key {old} ends at 20")), "{audit}");
    assert!(audit.contains("user/") && !audit.contains("arn:"), "{audit}");

    let last = tenantry(folder, &format!("keys revoke {id} {new} --yes")).await;
    assert_eq!(last.code, 1, "the last key needs --force: {}{}", last.out, last.err);
    assert!(last.err.contains("409") && last.err.contains("say --force"), "{}", last.err);
    let gone = tenantry(folder, &format!("keys revoke {id} {old} --yes")).await;
    assert!(gone.err.contains(&format!("{id} has no key {old}")), "{}", gone.err);

    let second = done(folder, &format!("keys create {id} --json")).await.json();
    assert_eq!(status(&stack, second["api_key"]["value"].as_str().expect("a value")).await, 200);
    let third = tenantry(folder, &format!("keys create {id}")).await;
    assert_eq!(third.code, 1, "two keys are the most: {}{}", third.out, third.err);
    stack.kill().await;
}

#[tokio::test]
async fn what_a_tenant_has_used_is_shown_and_who_is_near_a_quota_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let stack = StackProcess::start(folder, &["--ephemeral"]).await;
    // The stack has made a snapshot of its demo tenants.
    let shown = done(folder, "usage show globex").await;
    assert_eq!((shown.value("plan"), shown.value("remaining")), ("standard".into(), "1000000".into()));
    assert!(shown.value("as_of").ends_with('Z'), "{}", shown.out);
    let json = done(folder, "usage show initech --days 7 --json").await.json();
    assert_eq!((&json["items"][0]["plan"], &json["items"][0]["quota"]), (&"premium".into(), &Value::Null));
    let nobody = tenantry(folder, "usage show nobody").await;
    assert!(nobody.code == 1 && nobody.err.contains("There is no tenant nobody."), "{}", nobody.err);

    let near = done(folder, "usage near-limit --at 80%").await;
    assert_eq!(near.out.lines().count(), 1, "a header and nobody: {}", near.out);
    assert_eq!(near.err, "No key has used 80 % of its quota.\n");
    let json = done(folder, "usage near-limit --at 1 --all --json").await.json();
    assert_eq!(json, serde_json::json!({ "items": [], "next_cursor": null }));
    stack.kill().await;
}

#[tokio::test]
async fn an_edit_of_the_plans_is_a_difference_until_it_is_in_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let stack = StackProcess::start(folder, &["--ephemeral"]).await;
    let same = done(folder, "plans diff").await;
    assert!(same.out.contains("agree"), "{}", same.out);
    let shown = done(folder, "plans show free").await;
    assert!(shown.out.contains("GET /tenant"), "{}", shown.out);

    let text = std::fs::read_to_string(workspace().join("infra/usage-plans.yaml")).expect("the plans");
    let path = folder.join("plans.yaml");
    std::fs::write(
        &path,
        text.replacen("{ RateLimit: 5, BurstLimit: 10 }", "{ RateLimit: 6, BurstLimit: 12 }", 1),
    )
    .expect("the folder can be written to");
    let diff = format!("plans diff --usage-plans {}", path.display());
    let differs = tenantry(folder, &diff).await;
    assert_eq!(differs.code, 2, "{}{}", differs.out, differs.err);
    assert!(differs.out.contains("6/s, burst 12") && differs.out.contains("about 20 s"), "{}", differs.out);
    let json = tenantry(folder, &format!("{diff} --json")).await.json();
    assert_eq!(json["differences"][0]["what"], "limit");
    assert_eq!(json["seconds_to_apply"], 20);
    let elsewhere = tenantry(folder, "plans diff --data-api-id abc").await;
    assert_eq!(elsewhere.code, 2, "the local stack has one data API: {}", elsewhere.err);
    let gold = tenantry(folder, "plans show gold").await;
    assert!(gold.code == 1 && gold.err.contains("tenantry-free, tenantry-premium"), "{}", gold.err);
    stack.kill().await;

    // What follows needs no stack.
    for command in ["diff", "check"] {
        let unread = tenantry(folder, &format!("plans {command} --usage-plans /nonexistent.yaml")).await;
        assert_eq!(unread.code, 2, "{command}: {}{}", unread.out, unread.err);
    }
    done(folder, "plans check").await;
    std::fs::write(&path, text.replacen("\"/tenant/GET\"", "\"/tennant/GET\"", 1)).expect("written");
    let check = format!("plans check --usage-plans {}", path.display());
    let checked = tenantry(folder, &check).await;
    assert_eq!(checked.code, 1, "{}{}", checked.out, checked.err);
    assert!(checked.out.contains("did you mean /tenant/GET?"), "{}", checked.out);
}

#[tokio::test]
async fn what_goes_wrong_has_its_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let nobody = tenantry(folder, "tenants list").await;
    assert_eq!(nobody.code, 3, "no stack runs: {}", nobody.err);
    let stack = StackProcess::start(folder, &["--ephemeral"]).await;
    let unknown = tenantry(folder, "tenants show nobody --json").await;
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""), "{}", unknown.err);
    let said: Value = serde_json::from_str(&unknown.err).expect("JSON");
    assert_eq!(said["problem"]["status"], 404);
    assert!(said["error"].as_str().is_some_and(|error| error.contains("no tenant nobody")), "{said}");
    assert_eq!(tenantry(folder, "tenants show Not/An/Id").await.code, 2);
    assert_eq!(tenantry(folder, "tenants gone").await.code, 2);
    let unread = tenantry(folder, "--json keys rotate acme k1 --overlap 7").await;
    let said: Value = serde_json::from_str(&unread.err).expect("JSON");
    assert!(said["error"].as_str().is_some_and(|error| error.contains("needs a unit")), "{said}");
    assert!(said["error"].as_str().is_some_and(|error| !error.starts_with("error:")), "{said}");
    let unasked = tenantry(folder, "keys rotate acme k1").await;
    assert_eq!(unasked.code, 2, "a key that ends at once is asked about: {}", unasked.err);
    assert!(unasked.err.contains("nothing was done"), "{}", unasked.err);
    let text = std::fs::read_to_string(folder.join("stack.json")).expect("the state file");
    let state: Value = serde_json::from_str(&text).expect("JSON");
    let secret = state["admin"]["secret_access_key"].as_str().expect("a secret").to_owned();
    stack.kill().await;
    std::fs::write(folder.join("stack.json"), text).expect("written");
    let killed = tenantry(folder, "tenants list").await;
    assert_eq!(killed.code, 3, "the stack was killed: {}", killed.err);
    assert!(!killed.err.contains(&secret), "{}", killed.err);
    assert!(killed.err.contains("is left from a stack that runs no more"), "{}", killed.err);
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let stack = StackProcess::start(folder, &["--ephemeral"]).await;
    let path = folder.join("stack.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).expect("the file")).expect("JSON");
    state["admin"]["secret_access_key"] = "wrong".into();
    std::fs::write(&path, state.to_string()).expect("written");
    for line in ["tenants list", "plans show"] {
        let refused = tenantry(folder, line).await;
        assert_eq!(refused.code, 1, "{line}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains("403"), "{line}: {}", refused.err);
    }
    stack.kill().await;
}
