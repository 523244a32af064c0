//! The real binary with a profile of AWS's shared files, and what it prints for shells.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use testkit::StackProcess;
use tokio::process::Command;

/// Runs a command in a home of its own, with no variables but those that are given. Answers its exit code, and what
/// it has said on both ways.
async fn tenantry(home: &Path, variables: &[(&str, &str)], line: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(line.split_whitespace())
        .env_clear()
        .env("HOME", home)
        .envs(variables.iter().copied())
        .current_dir(home)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it was not killed"), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_profile_asks_the_address_that_is_given_and_shows_no_secret() {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let stack = StackProcess::start(home, &["--ephemeral"]).await;
    let admin = &stack.state.admin;
    let aws = home.join(".aws");
    std::fs::create_dir(&aws).expect("a folder");
    let region = &stack.state.region;
    let config = format!("[profile team]\nregion = {region}\n[profile single]\nsso_session = company\n");
    std::fs::write(aws.join("config"), config).expect("written");
    let (id, secret) = (&admin.access_key_id, &admin.secret_access_key);
    let keys = |name: &str, id: &str| {
        format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
    };
    let credentials = keys("team", id) + &keys("stranger", "AKIA2222222222222222");
    std::fs::write(aws.join("credentials"), credentials).expect("written");

    let list = format!("tenants list --json --api-url {}", stack.state.admin_url);
    let (code, out, err) = tenantry(home, &[], &format!("{list} --profile team")).await;
    assert_eq!(code, 0, "{out}{err}");
    let listed: Value = serde_json::from_str(&out).expect("JSON");
    assert!(listed["items"].as_array().is_some_and(|items| !items.is_empty()), "{out}");
    let (code, ..) = tenantry(home, &[("AWS_PROFILE", "team")], &list).await;
    assert_eq!(code, 0, "the variable names the profile where AWS is meant");

    for (arguments, expected, reason) in [
        (format!("{list} --profile stranger --region {region}"), 1, "403"),
        (format!("{list} --profile single"), 2, "aws configure export-credentials --profile single"),
        (format!("{list} --profile nobody"), 2, "no profile nobody"),
        (list.clone(), 2, "AWS needs credentials"),
        ("tenants list --api-url nonsense".to_owned(), 2, "--api-url: it must begin with https://"),
        ("tenants list --profile team".to_owned(), 2, "--api-url is needed"),
    ] {
        let (code, out, err) = tenantry(home, &[], &arguments).await;
        assert_eq!(code, expected, "{arguments}: {out}{err}");
        assert!(err.contains(reason) && !err.contains(secret), "{arguments}: {err}");
    }

    // The variable alone does not turn a developer away from the local stack.
    let (code, out, err) = tenantry(
        home,
        &[("AWS_PROFILE", "nobody")],
        &format!("tenants list --state-file {}", home.join("stack.json").display()),
    )
    .await;
    assert_eq!(code, 0, "{out}{err}");
    stack.kill().await;
}

#[tokio::test]
async fn completions_need_neither_a_stack_nor_credentials() {
    let home = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let line = format!("completions {shell} --profile nobody");
        let (code, out, err) = tenantry(home.path(), &[], &line).await;
        assert_eq!((code, err.as_str()), (0, ""), "{shell}");
        assert!(out.contains("tenantry") && out.contains("rotate"), "{shell}: {out}");
    }
}
