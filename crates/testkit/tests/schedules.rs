//! Functions that run without a request: on a schedule, by the stack's clock, and asynchronously.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Stack, workspace};
use tokio::net::TcpListener;

/// Nothing that is waited for may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Counts the invocations of the fixture that are asked to report here.
struct Reports {
    address: String,
    count: Arc<AtomicUsize>,
}

impl Reports {
    async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, count }
    }

    fn event(&self, behaviour: &str) -> Value {
        json!({"resource": format!("/fixture/{behaviour}"), "report": self.address})
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    async fn until(&self, count: usize) {
        until(|| self.count() >= count).await;
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "it does not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// All events are over.
async fn quiet(stack: &Stack) {
    until(|| stack.inner().waiting_events() == 0).await;
}

async fn advance(stack: &Stack, by: &str) {
    let moved = stack.local("POST", "clock", &json!({"advance": by}).to_string()).await;
    assert_eq!(moved.status, 200, "{moved:?}");
}

/// The fixture's template with further properties and one more event of the function.
fn template(properties: &str, event: &str) -> String {
    let path = workspace().join("crates/testkit/fixture/template.yaml");
    let text = std::fs::read_to_string(path).expect("the fixture's template");
    let changed = text
        .replace("      Timeout: 3\n", &format!("      Timeout: 3\n{properties}"))
        .replace("      Events:\n", &format!("      Events:\n{event}"));
    assert!(properties.is_empty() || changed.contains(properties));
    changed
}

fn schedule(rate: &str, input: &Value) -> String {
    let properties = json!({"Schedule": format!("rate({rate})"), "Input": input.to_string()});
    format!("        Clock: {{ Type: Schedule, Properties: {properties} }}\n")
}

/// A stack of that template, which lies in the folder, with schedules.
async fn start(folder: &Path, template: &str) -> Stack {
    let path = folder.join("template.yaml");
    std::fs::write(&path, template).expect("written");
    Stack::fixture_with(|options| {
        options.template = path;
        options.schedules = true;
    })
    .await
}

#[tokio::test]
async fn an_expired_key_is_deleted_when_the_clock_has_moved_and_nobody_invokes_anything() {
    let stack = Stack::with(|options| options.schedules = true).await;
    let old = stack.tenant("globex").api_key_id.clone();
    let rotation = json!({"rotate": old, "overlap_seconds": 3600}).to_string();
    assert_eq!(stack.as_admin("POST", "/tenants/globex/keys", &rotation).await.status, 201);
    advance(&stack, "2h").await;
    let begin = Instant::now();
    while stack.api_gateway().get_api_key().api_key(&old).send().await.is_ok() {
        assert!(begin.elapsed() < PATIENCE, "the key is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn missed_periods_make_one_run() {
    let (folder, reports) = (tempfile::tempdir().expect("a folder"), Reports::listen().await);
    let event = schedule("1 hour", &reports.event("echo"));
    let stack = start(folder.path(), &template("", &event)).await;
    assert_eq!(reports.count(), 0, "the first run is a period away");
    advance(&stack, "5h").await;
    reports.until(1).await;
    quiet(&stack).await;
    advance(&stack, "1h").await;
    reports.until(2).await;
    quiet(&stack).await;
    assert_eq!(reports.count(), 2);
}

#[tokio::test]
async fn a_run_that_is_due_waits_for_the_one_before() {
    let (folder, reports) = (tempfile::tempdir().expect("a folder"), Reports::listen().await);
    let event = schedule("1 hour", &reports.event("hang"));
    let once = "      EventInvokeConfig: { MaximumRetryAttempts: 0 }\n";
    let stack = start(folder.path(), &template(once, &event)).await;
    advance(&stack, "1h").await;
    reports.until(1).await;
    // It hangs for three seconds, within which the next one is due.
    advance(&stack, "1h").await;
    until(|| {
        assert!(stack.inner().waiting_events() <= 1, "two of one schedule at once");
        reports.count() == 2
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_a_schedule_takes_effect() {
    let (folder, reports) = (tempfile::tempdir().expect("a folder"), Reports::listen().await);
    let stack = start(folder.path(), &template("", "")).await;
    let event = schedule("5 minutes", &reports.event("echo"));
    std::fs::write(folder.path().join("template.yaml"), template("", &event)).expect("written");
    let begin = Instant::now();
    while reports.count() == 0 {
        assert!(begin.elapsed() < PATIENCE, "the schedule does not run");
        advance(&stack, "5m").await;
    }
}

#[tokio::test]
async fn an_event_is_answered_at_once_and_has_its_effect_afterwards() {
    let stack = Stack::start().await;
    let old = stack.tenant("globex").api_key_id.clone();
    let rotation = json!({"rotate": old, "overlap_seconds": 0}).to_string();
    assert_eq!(stack.as_admin("POST", "/tenants/globex/keys", &rotation).await.status, 201);
    let time = json!({"time": "2099-01-01T00:00:00Z"});
    let answer = stack.lambda("tenants-reconcile", "Event", &time).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0), "{answer:?}");
    assert!(!answer.header("x-amzn-requestid").is_empty());
    quiet(&stack).await;
    assert!(stack.api_gateway().get_api_key().api_key(&old).send().await.is_err());
}

#[tokio::test]
async fn a_dry_run_runs_nothing_and_what_is_unknown_is_refused() {
    let (stack, reports) = (Stack::fixture().await, Reports::listen().await);
    let event = reports.event("echo");
    assert_eq!(stack.lambda("fixture", "DryRun", &event).await.status, 204);
    for kind in ["DryRun", "Event"] {
        let refused = stack.lambda("none", kind, &event).await;
        assert_eq!((refused.status, refused.header("x-amzn-errortype")), (404, "ResourceNotFoundException"));
    }
    let refused = stack.lambda("fixture", "Later", &event).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (400, "InvalidParameterValueException"));
    let large = json!({"resource": "x".repeat(1_048_577)});
    let refused = stack.lambda("fixture", "Event", &large).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (413, "RequestTooLargeException"));
    assert_eq!(stack.lambda("fixture", "RequestResponse", &event).await.status, 200);
    assert_eq!(reports.count(), 1);
}

#[tokio::test]
async fn a_function_that_fails_is_tried_again_as_often_as_its_configuration_says() {
    for (properties, attempts) in [
        ("", 3),
        ("      EventInvokeConfig: { MaximumRetryAttempts: 1 }\n", 2),
        ("      EventInvokeConfig: { MaximumRetryAttempts: 0 }\n", 1),
    ] {
        let (folder, reports) = (tempfile::tempdir().expect("a folder"), Reports::listen().await);
        let stack = start(folder.path(), &template(properties, "")).await;
        for behaviour in ["error", "exit"] {
            let before = reports.count();
            assert_eq!(stack.lambda("fixture", "Event", &reports.event(behaviour)).await.status, 202);
            quiet(&stack).await;
            assert_eq!(reports.count() - before, attempts, "{behaviour} {properties}");
        }
        assert_eq!(stack.lambda("fixture", "Event", &reports.event("echo")).await.status, 202);
        quiet(&stack).await;
        assert_eq!(reports.count(), 2 * attempts + 1, "a success is not repeated");
    }
}

/// A stack whose function is never run, so that events wait.
async fn throttled(folder: &Path, max_age: &str) -> Stack {
    let config = format!(
        "      ReservedConcurrentExecutions: 0\n      EventInvokeConfig: {{ MaximumEventAgeInSeconds: {max_age} }}\n"
    );
    start(folder, &template(&config, "")).await
}

#[tokio::test]
async fn an_event_that_is_older_than_its_function_takes_them_is_dropped() {
    let (folder, reports) = (tempfile::tempdir().expect("a folder"), Reports::listen().await);
    let stack = throttled(folder.path(), "3600").await;
    assert_eq!(stack.lambda("fixture", "Event", &reports.event("echo")).await.status, 202);
    advance(&stack, "59m").await;
    assert_eq!(stack.inner().waiting_events(), 1);
    advance(&stack, "2m").await;
    quiet(&stack).await;
    assert_eq!(reports.count(), 0);
}

#[tokio::test]
async fn events_are_refused_when_a_thousand_wait_and_end_with_the_data_that_they_are_about() {
    let (folder, reports) = (tempfile::tempdir().expect("a folder"), Reports::listen().await);
    let stack = throttled(folder.path(), "21600").await;
    let event = reports.event("echo");
    for _ in 0..1_000 {
        assert_eq!(stack.lambda("fixture", "Event", &event).await.status, 202);
    }
    let refused = stack.lambda("fixture", "Event", &event).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (429, "TooManyRequestsException"));
    assert_eq!(stack.local("POST", "reset", "").await.status, 204);
    quiet(&stack).await;
    assert_eq!(stack.lambda("fixture", "Event", &event).await.status, 202);
    assert_eq!(reports.count(), 0);
}
