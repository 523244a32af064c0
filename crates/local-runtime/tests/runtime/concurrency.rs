//! How many environments there are, which one is taken, and who waits.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::poll;
use local_runtime::{FunctionSpec, InvokeError, InvokeOptions, MAX_REQUEST_BYTES};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Gate, LONG, Stack, eventually, invoke, spec};

#[tokio::test]
async fn a_warm_environment_is_reused() {
    let stack = Stack::start(spec(4)).await;
    let (first, one) = stack.answer(json!({})).await;
    let (second, two) = stack.answer(json!({})).await;
    assert_eq!((first.cold, second.cold), (true, false));
    assert_eq!(one["pid"], two["pid"]);
    assert_ne!(first.request_id, second.request_id);
    assert_eq!(two["request_id"], Value::String(second.request_id));
    assert_eq!(stack.runtime.environments("function"), 1);
}

#[tokio::test]
async fn the_most_recently_used_environment_is_taken_first() {
    let stack = Stack::start(spec(2)).await;
    let gate = Gate::open().await;
    let scenario = async {
        let (one, two) = (gate.arrival().await, gate.arrival().await);
        if one.n == 1 { [one, two] } else { [two, one] }
    };
    let mut first = pin!(stack.answer(gate.wait(1)));
    let mut second = pin!(stack.answer(gate.wait(2)));
    let [held_first, held_second] = tokio::select! {
        held = scenario => held,
        _ = &mut first => unreachable!("it is held"),
        _ = &mut second => unreachable!("it is held"),
    };
    held_first.release().await;
    let _ = first.await;
    held_second.release().await;
    let (_, last) = second.await;
    assert_eq!(stack.answer(json!({})).await.1["pid"], last["pid"]);
}

#[tokio::test]
async fn there_are_never_more_environments_than_allowed() {
    let stack = Stack::start(spec(2)).await;
    let gate = Gate::open().await;
    let invocations = (0..8).map(|n| stack.answer(gate.wait(n)));
    let releases = async {
        for _ in 0..4 {
            let pair = [gate.arrival().await, gate.arrival().await];
            assert_eq!(stack.runtime.environments("function"), 2);
            for held in pair {
                held.release().await;
            }
        }
    };
    let (answers, ()) = tokio::join!(join_all(invocations), releases);
    assert_eq!(answers.iter().filter(|(invocation, _)| invocation.cold).count(), 2);
}

#[tokio::test]
async fn waiting_requests_are_served_in_order() {
    let stack = Stack::start(spec(1)).await;
    let gate = Gate::open().await;
    let mut invocations: Vec<_> = (0..6).map(|n| Box::pin(stack.answer(gate.wait(n)))).collect();
    for invocation in &mut invocations {
        // The first look puts it into the queue.
        assert!(poll!(invocation).is_pending());
    }
    let releases = async {
        for n in 0..6 {
            let held = gate.arrival().await;
            assert_eq!(held.n, n);
            held.release().await;
        }
    };
    tokio::join!(join_all(invocations), releases);
}

#[tokio::test]
async fn a_full_queue_is_throttled() {
    let stack = Stack::start_with(spec(1), |settings| settings.queue_capacity = 1).await;
    let gate = Gate::open().await;
    let mut running = pin!(stack.answer(gate.wait(1)));
    let mut queued = pin!(stack.answer(gate.wait(2)));
    assert!(poll!(&mut running).is_pending() && poll!(&mut queued).is_pending());
    assert_eq!(stack.invoke(json!({})).await, Err(InvokeError::Throttled("function".into())));
    let releases = async {
        gate.arrival().await.release().await;
        gate.arrival().await.release().await;
    };
    tokio::join!(running, queued, releases);
    stack.assert_works().await;
}

#[tokio::test]
async fn a_request_does_not_wait_for_ever() {
    let stack =
        Stack::start_with(spec(1), |settings| settings.queue_timeout = Duration::from_millis(20)).await;
    let gate = Gate::open().await;
    let mut running = pin!(stack.answer(gate.wait(1)));
    assert!(poll!(&mut running).is_pending());
    assert_eq!(stack.invoke(json!({})).await, Err(InvokeError::Throttled("function".into())));
    let releases = async { gate.arrival().await.release().await };
    tokio::join!(running, releases);
}

#[tokio::test]
async fn without_any_environment_every_invocation_is_throttled() {
    let stack = Stack::start(spec(0)).await;
    assert_eq!(stack.invoke(json!({})).await, Err(InvokeError::Throttled("function".into())));
}

#[tokio::test]
async fn two_hundred_invocations_at_once_each_get_their_own_answer() {
    let stack = Stack::start(spec(4)).await;
    let answers = join_all((0..200).map(|n| stack.answer(json!({ "n": n })))).await;
    for (n, (invocation, answer)) in answers.iter().enumerate() {
        assert_eq!((&answer["n"], invocation.function_error.as_deref()), (&json!(n), None));
    }
    assert!(stack.runtime.environments("function") <= 4);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_environment_usable() {
    let stack = Stack::start(spec(1)).await;
    let (_, before) = stack.answer(json!({})).await;
    let gate = Gate::open().await;
    let held = {
        let mut leaving = pin!(stack.answer(gate.wait(1)));
        assert!(poll!(&mut leaving).is_pending());
        gate.arrival().await
    };
    let mut next = pin!(stack.answer(json!({})));
    assert!(poll!(&mut next).is_pending(), "the environment is still at work");
    held.release().await;
    let (invocation, after) = next.await;
    assert!(!invocation.cold);
    assert_eq!(before["pid"], after["pid"]);
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_is_not_run() {
    let stack = Stack::start(spec(1)).await;
    let gate = Gate::open().await;
    let mut running = pin!(stack.answer(gate.wait(1)));
    assert!(poll!(&mut running).is_pending());
    {
        let mut leaving = pin!(stack.answer(gate.wait(2)));
        assert!(poll!(&mut leaving).is_pending());
    }
    let mut last = pin!(stack.answer(gate.wait(3)));
    assert!(poll!(&mut last).is_pending());
    let releases = async {
        gate.arrival().await.release().await;
        let held = gate.arrival().await;
        assert_eq!(held.n, 3);
        held.release().await;
    };
    tokio::join!(running, last, releases);
}

#[tokio::test]
async fn a_changed_function_finishes_its_work_and_is_replaced() {
    let stack = Stack::start(spec(1)).await;
    let gate = Gate::open().await;
    let mut running = pin!(stack.answer(gate.wait(1)));
    assert!(poll!(&mut running).is_pending());
    let held = gate.arrival().await;
    let mut queued = pin!(stack.answer(json!({})));
    assert!(poll!(&mut queued).is_pending());

    stack.runtime.set_functions(vec![FunctionSpec { memory_mb: 256, ..spec(1) }]);
    let (_, new) = queued.await;
    held.release().await;
    let (finished, old) = running.await;
    assert_eq!(finished.function_error, None);
    assert_ne!(old["pid"], new["pid"]);
    eventually(|| stack.runtime.environments("function") == 1).await;
    assert_eq!(stack.answer(json!({})).await.1["pid"], new["pid"]);
}

#[tokio::test]
async fn an_unchanged_function_keeps_its_environments_and_a_replaced_one_does_not() {
    let stack = Stack::start(spec(1)).await;
    let (_, before) = stack.answer(json!({})).await;
    stack.runtime.set_functions(vec![spec(1)]);
    assert_eq!(stack.answer(json!({})).await.1["pid"], before["pid"]);
    stack.runtime.replace(spec(1));
    assert_ne!(stack.answer(json!({})).await.1["pid"], before["pid"]);
    eventually(|| stack.runtime.environments("function") == 1).await;
    stack.runtime.set_functions(Vec::new());
    assert_eq!(stack.invoke(json!({})).await, Err(InvokeError::UnknownFunction("function".into())));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused() {
    let stack = Stack::start(spec(1)).await;
    let unknown = stack.runtime.invoke("nobody", Bytes::new(), InvokeOptions::default()).await;
    assert_eq!(unknown, Err(InvokeError::UnknownFunction("nobody".into())));

    let large = |bytes| Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2)));
    let most = stack.runtime.invoke("function", large(MAX_REQUEST_BYTES), InvokeOptions::default()).await;
    assert_eq!(most.expect("run").function_error, None);
    let more = stack.runtime.invoke("function", large(MAX_REQUEST_BYTES + 1), InvokeOptions::default()).await;
    assert_eq!(more, Err(InvokeError::RequestTooLarge { bytes: MAX_REQUEST_BYTES + 1 }));
}

#[tokio::test]
async fn a_stop_ends_every_process_and_every_wait() {
    let stack = Stack::start(spec(2)).await;
    let (_, idle) = stack.answer(json!({})).await;
    let gate = Gate::open().await;
    let runtime = Arc::clone(&stack.runtime);
    let payloads = [gate.wait(1), gate.wait(2), gate.wait(3)];
    let calls = payloads.map(|payload| {
        let runtime = Arc::clone(&runtime);
        tokio::spawn(async move { invoke(&runtime, payload).await })
    });
    let _held = [gate.arrival().await, gate.arrival().await];
    timeout(LONG, stack.runtime.stop()).await.expect("bounded");
    for call in calls {
        assert_eq!(call.await.expect("no panic"), Err(InvokeError::Stopping));
    }
    assert_eq!(stack.runtime.environments("function"), 0);
    assert!(!std::path::Path::new(&format!("/proc/{}", idle["pid"])).exists());
    assert_eq!(stack.invoke(json!({})).await, Err(InvokeError::Stopping));
}

#[tokio::test]
async fn the_shutdown_token_ends_every_process() {
    let stack = Stack::start(spec(1)).await;
    stack.assert_works().await;
    stack.shutdown.cancel();
    eventually(|| stack.runtime.environments("function") == 0).await;
}
