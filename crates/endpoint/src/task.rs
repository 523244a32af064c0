//! Functions without a route: invoked directly, or by a schedule.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use contract::Problem;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use tenant_context::{Aws, Bound, Operator};
use time::OffsetDateTime;

use crate::log::Line;
use crate::{Settings, StartError};

/// What a task is invoked with. The members of a schedule's event that it has no use for are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TaskEvent {
    /// The one tenant that is meant.
    #[serde(default)]
    pub tenant_id: Option<String>,
    /// The time that the task works by where AWS is a local stack, whose clock may be moved. On AWS it is the time of
    /// the system: an event may be late, or a person's.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub time: Option<OffsetDateTime>,
}

/// Runs a task until the environment ends. It acts in its own name, since nobody asks for it through a gate: who
/// may invoke it is for the function's policies to say. A failure is a failure of the invocation, which Lambda
/// repeats where it was asynchronous.
///
/// # Errors
/// [`StartError`], after which the process should exit.
pub async fn serve_task<T, R, F, Fut>(handler: F) -> Result<(), StartError>
where
    T: Bound<Operator>,
    R: Serialize,
    F: Fn(TaskEvent, T, OffsetDateTime) -> Fut,
    Fut: Future<Output = Result<R, Problem>>,
{
    let settings = &Settings::from_environment()?;
    let aws = &Aws::new(&settings.aws);
    let opened = &T::open(aws).await?;
    // What the start consumed belongs to no invocation.
    let _ = aws.meter().take();
    let (cold, handler) = (&Cell::new(true), &handler);
    let actor = &Arc::new(Operator::new(&settings.function));
    let service = service_fn(|event: LambdaEvent<TaskEvent>| async move {
        let (begin, cold) = (Instant::now(), cold.replace(false));
        let is_local = settings.aws.endpoint_url.is_some();
        let at = event.payload.time.filter(|_| is_local).unwrap_or_else(system_time);
        let task = T::bind(opened, actor, at);
        // As with the handlers of endpoints.
        let result = Box::pin(handler(event.payload, task, at)).await;
        let result = result.and_then(|done| serde_json::to_value(done).map_err(Problem::internal));
        let problem = result.as_ref().err();
        let status = problem.map_or(200, |problem| problem.kind().status());
        Line {
            level: if status >= 500 { "error" } else { "info" },
            function: &settings.function,
            request_id: &event.context.request_id,
            tenant_id: None,
            api_key_id: None,
            operator: None,
            route: "task".to_owned(),
            status,
            duration_ms: Line::milliseconds(begin.elapsed()),
            cold,
            consumed_capacity: aws.meter().take(),
            problem: problem.map(|problem| problem.kind().urn()),
            cause: problem.and_then(Problem::cause),
        }
        .write();
        result.map_err(|problem| Diagnostic {
            error_type: problem.kind().urn().to_owned(),
            error_message: problem.kind().title().to_owned(),
        })
    });
    lambda_runtime::run(service).await.map_err(StartError::Runtime)
}

#[expect(clippy::disallowed_methods, reason = "no request tells the time")]
fn system_time() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedules_event_tells_its_time_and_no_tenant() {
        let event = r#"{"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {},
            "time": "2026-11-24T12:00:00Z", "resources": ["arn:aws:events:x:y:rule/z"]}"#;
        let event: TaskEvent = serde_json::from_str(event).unwrap();
        assert_eq!(event.tenant_id, None);
        assert_eq!(event.time.map(OffsetDateTime::unix_timestamp), Some(1_795_521_600));
    }

    #[test]
    fn an_event_that_names_one_tenant_is_never_taken_for_all() {
        let event: TaskEvent = serde_json::from_str(r#"{"tenant_id": "acme"}"#).unwrap();
        assert_eq!(event.tenant_id.as_deref(), Some("acme"));
        for wrong in [r#"{"tenant_id": 7}"#, r#"{"tenant_id": ["acme"]}"#] {
            assert!(serde_json::from_str::<TaskEvent>(wrong).is_err(), "{wrong}");
        }
    }
}
