//! The conformance cases on the local stack: in process, and by the binary that can also be aimed at AWS.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::conformance::{Case, Outcome, Scope, Target, cases, run};
use testkit::{Stack, StackProcess, workspace};
use tokio::process::Command;

#[tokio::test]
async fn every_case_holds_on_the_local_stack() {
    let stack = Stack::fixture().await;
    let target = Target::of(&stack).expect("the stack's address");
    let (mut count, mut failed) = (0, Vec::new());
    let deleted = run(&target, |case: &Case, outcome: &Outcome| {
        count += 1;
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed(reason) => failed.push(format!("{}: {}: {reason}", case.section, case.name)),
            Outcome::Skipped(reason) => failed.push(format!("{}: skipped: {reason}", case.name)),
        }
    });
    deleted.await.expect("the keys are deleted");
    assert!(failed.is_empty(), "{} of {count} cases:\n{}", failed.len(), failed.join("\n"));
    let left = stack.api_gateway().get_api_keys().send().await.expect("keys");
    assert!(left.items().is_empty(), "a case has left a key behind");
}

#[test]
fn every_case_has_a_name_of_its_own_and_every_section_has_cases() {
    let cases = cases();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    let sections: BTreeSet<_> = cases.iter().map(|case| case.section).collect();
    // Those of the reference, except for the one that is about somebody else's tool.
    let wanted = [
        "Gateway errors",
        "Lambda Runtime API",
        "Lambda proxy event",
        "Limits to design for",
        "Proxy response",
        "Throttles, quotas, usage",
    ];
    assert_eq!(sections, BTreeSet::from(wanted));
}

#[tokio::test]
async fn the_cases_can_be_aimed_at_an_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = workspace().join("crates/testkit/fixture");
    let path = |name: &str| fixture.join(name).to_string_lossy().into_owned();
    let (template, usage_plans) = (path("template.yaml"), path("usage-plans.yaml"));
    let flags = ["--ephemeral", "--no-seed", "--template", &template, "--usage-plans", &usage_plans];
    let stack = StackProcess::start(folder.path(), &flags).await;
    let state = &stack.state;
    let binary = local_stack::folder().expect("the binaries' folder").join("conformance");
    let mut command = Command::new(binary);
    command
        .args(["--target", &state.api_url, "--management-url", &state.aws_endpoint_url])
        .args(["--region", &state.region])
        .env("AWS_ACCESS_KEY_ID", &state.admin.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &state.admin.secret_access_key)
        .env_remove("AWS_SESSION_TOKEN")
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(5), command.output())
        .await
        .expect("it ends")
        .expect("the conformance binary is built");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // It was taken for a real API: what only the local stack can do was not asked of it.
    let local = cases().iter().filter(|case| matches!(case.scope, Scope::LocalOnly(_))).count();
    assert_eq!(said.lines().filter(|line| line.contains("  skipped ")).count(), local, "{said}");
    stack.kill().await;
}
