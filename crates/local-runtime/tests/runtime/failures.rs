//! What functions do wrong, and that the next request is served all the same.

use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use local_runtime::{FunctionSpec, InvokeOptions, MAX_RESPONSE_BYTES, Stream};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{Gate, LONG, Stack, eventually, mode, now, spec};

#[tokio::test]
async fn a_function_sees_its_request_and_nothing_of_this_process() {
    let stack = Stack::start(spec(1)).await;
    let options = InvokeOptions { trace_id: Some("Root=1-2-3".into()) };
    let before = now().duration_since(UNIX_EPOCH).expect("after 1970") + Duration::from_secs(30);
    let invocation = stack.runtime.invoke("function", Bytes::from_static(b"{}"), options).await.expect("run");
    let seen: serde_json::Value = serde_json::from_slice(&invocation.payload).expect("JSON");
    assert_eq!(seen["request_id"], json!(invocation.request_id));
    assert_eq!(seen["arn"], json!(spec(1).arn));
    assert_eq!(seen["trace_id"], "Root=1-2-3");
    let deadline = Duration::from_millis(seen["deadline"].as_u64().expect("a number"));
    assert!(deadline.abs_diff(before) < Duration::from_secs(20), "{deadline:?}");

    let (_, environment) = stack.answer(json!({ "act": "environment" })).await;
    let names: Vec<_> = environment.as_object().expect("a map").keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_DEFAULT_REGION",
            "AWS_EXECUTION_ENV",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "LAMBDA_TASK_ROOT",
            "LANG",
            "PATH",
            "TZ",
            "_HANDLER",
        ]
    );
    assert_eq!(environment["AWS_SESSION_TOKEN"], "role-token");
}

#[tokio::test]
async fn an_error_is_an_answer_and_the_environment_goes_on() {
    let stack = Stack::start(spec(1)).await;
    let (_, _, message) = stack.failure(json!({ "act": "error" })).await;
    assert_eq!(message, "as it was told");
    assert!(!stack.assert_works().await.cold);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_environment_goes_on() {
    let stack = Stack::start(spec(1)).await;
    let (_, _, message) = stack.failure(json!({ "act": "panic" })).await;
    assert_eq!(message, "Lambda panicked: as it was told");
    assert!(!stack.assert_works().await.cold);
}

#[tokio::test]
async fn an_exit_is_told_and_the_environment_is_replaced() {
    let stack = Stack::start(spec(1)).await;
    let (invocation, kind, message) = stack.failure(json!({ "act": "exit" })).await;
    let id = invocation.request_id;
    assert_eq!(kind, "Runtime.ExitError");
    assert_eq!(message, format!("RequestId: {id} Error: Runtime exited with error: exit status 1"));
    assert!(stack.assert_works().await.cold);
}

#[tokio::test]
async fn a_killed_function_is_told_and_the_environment_is_replaced() {
    let stack = Stack::start(spec(1)).await;
    stack.assert_works().await;
    let (invocation, kind, message) = stack.failure(json!({ "act": "kill" })).await;
    let id = invocation.request_id;
    assert_eq!(kind, "Runtime.ExitError");
    assert_eq!(message, format!("RequestId: {id} Error: Runtime exited with error: signal: killed"));
    assert!(stack.assert_works().await.cold);
}

#[tokio::test]
async fn a_function_is_killed_in_all_its_environments_idle_and_running() {
    let stack = Stack::start(spec(2)).await;
    let gate = Gate::open().await;
    let held = async {
        let (one, two) = (gate.arrival().await, gate.arrival().await);
        let (idle, running) = if one.n == 1 { (one, two) } else { (two, one) };
        idle.release().await;
        running
    };
    let (killed, running) = (stack.failure(gate.wait(2)), stack.answer(gate.wait(1)));
    let end = async {
        let (_held, _idle) = tokio::join!(held, running);
        assert_eq!(stack.runtime.environments("function"), 2);
        stack.runtime.kill("function").await;
        stack.runtime.kill("another").await;
    };
    let ((_, kind, message), ()) = tokio::join!(killed, end);
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("Runtime exited with error: signal: killed"), "{message}");
    eventually(|| stack.runtime.environments("function") == 0).await;
    assert!(stack.assert_works().await.cold);
}

#[tokio::test]
async fn a_function_that_hangs_times_out_and_is_replaced() {
    let stack = Stack::start(FunctionSpec { timeout: Duration::from_millis(250), ..spec(1) }).await;
    let (invocation, kind, message) = stack.failure(json!({ "act": "hang" })).await;
    assert_eq!(kind, "Sandbox.Timedout");
    let end = format!("Z {} Task timed out after 0.25 seconds", invocation.request_id);
    assert!(message.ends_with(&end), "{message}");
    assert!(invocation.duration >= Duration::from_millis(250));
    assert!(stack.assert_works().await.cold);
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_passed_on() {
    let stack = Stack::start(mode("garbage")).await;
    for _ in 0..2 {
        let invocation = stack.invoke(json!({})).await.expect("run");
        assert_eq!((&invocation.payload[..], invocation.function_error), (&b"not { JSON"[..], None));
    }
}

#[tokio::test]
async fn a_response_over_the_limit_is_refused_and_the_environment_goes_on() {
    let stack = Stack::start(spec(1)).await;
    // The text is answered as a JSON string, with two quotation marks.
    let (most, _) = stack.answer(json!({ "act": "large", "bytes": MAX_RESPONSE_BYTES - 2 })).await;
    assert_eq!((most.payload.len(), most.function_error), (MAX_RESPONSE_BYTES, None));
    for bytes in [MAX_RESPONSE_BYTES - 1, 5 * MAX_RESPONSE_BYTES] {
        let (_, kind, message) = stack.failure(json!({ "act": "large", "bytes": bytes })).await;
        assert_eq!(kind, "Function.ResponseSizeTooLarge");
        assert_eq!(message, "Response payload size exceeded maximum allowed payload size (6291556 bytes).");
        stack.assert_works().await;
    }
}

#[tokio::test]
async fn a_function_that_exits_while_starting_is_told_each_time() {
    let stack = Stack::start(mode("init-exit")).await;
    for _ in 0..2 {
        let (invocation, kind, message) = stack.failure(json!({})).await;
        assert!(invocation.cold);
        assert_eq!(kind, "Runtime.ExitError");
        assert!(message.ends_with("Runtime exited with error: exit status 3"), "{message}");
    }
    assert_eq!(stack.runtime.environments("function"), 0);
}

#[tokio::test]
async fn an_init_error_is_told_in_the_functions_own_words() {
    let stack = Stack::start(mode("init-error")).await;
    let (_, kind, message) = stack.failure(json!({})).await;
    assert_eq!((&*kind, &*message), ("Own.Init", "no luck"));
    assert_eq!(stack.runtime.environments("function"), 0);
}

#[tokio::test]
async fn a_function_that_hangs_while_starting_is_given_up() {
    let stack =
        Stack::start_with(mode("init-hang"), |settings| settings.init_timeout = Duration::from_millis(100))
            .await;
    let (_, kind, message) = stack.failure(json!({})).await;
    assert_eq!(kind, "Sandbox.Timedout");
    assert!(message.ends_with("Init timed out after 0.10 seconds"), "{message}");
    assert_eq!(stack.runtime.environments("function"), 0);
}

#[tokio::test]
async fn a_missing_executable_is_told() {
    let stack = Stack::start(FunctionSpec { binary: "/nowhere/at/all".into(), ..spec(1) }).await;
    let (_, kind, _) = stack.failure(json!({})).await;
    assert_eq!(kind, "Runtime.InvalidEntrypoint");
}

#[tokio::test]
async fn an_environment_that_dies_while_idle_costs_no_request() {
    let stack = Stack::start(spec(1)).await;
    for _ in 0..3 {
        let (_, answer) = stack.answer(json!({})).await;
        let killed = Command::new("kill").args(["-9", &answer["pid"].to_string()]).status().expect("kill");
        assert!(killed.success());
        eventually(|| stack.runtime.environments("function") == 0).await;
        assert!(stack.assert_works().await.cold);
    }
}

#[tokio::test]
async fn an_environment_that_leaves_after_its_answer_costs_no_request() {
    let stack = Stack::start(mode("leave")).await;
    for _ in 0..20 {
        let invocation = stack.invoke(json!({})).await.expect("run");
        assert_eq!((&invocation.payload[..], invocation.function_error), (&b"{}"[..], None));
    }
}

#[tokio::test]
async fn calls_that_make_no_sense_are_refused_and_do_no_harm() {
    let stack = Stack::start(mode("protocol")).await;
    let (_, statuses) = stack.answer(json!({})).await;
    let expected = json!({
        "next while running": "403",
        "unknown id": "400",
        "late init error": "403",
        "no such call": "404",
        "another's path": "404",
    });
    assert_eq!(statuses, expected);
}

#[tokio::test]
async fn what_a_function_writes_is_passed_on() {
    let mut stack = Stack::start(spec(1)).await;
    stack.answer(json!({ "act": "print" })).await;
    let mut lines = Vec::new();
    while lines.len() < 2 {
        let line = timeout(LONG, stack.output.recv()).await.expect("in time").expect("open");
        assert_eq!(line.function, "function");
        assert!(line.environment.contains("/[$LATEST]"), "{}", line.environment);
        lines.push((line.stream, line.line));
    }
    lines.sort_by_key(|(stream, _)| *stream == Stream::Stderr);
    assert_eq!(lines, [(Stream::Stdout, "to stdout".to_owned()), (Stream::Stderr, "to stderr".to_owned())]);
}
