//! What people see: the table at the start, one line per request, and what functions say.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use local_gateway::{Bound, Limit, Observer, RequestRecord, Standing};
use local_runtime::OutputLine;
use serde_json::{Value, json};
use stack_template::{Quota, Throttle};
use time::OffsetDateTime;

use crate::local_api::refused_by;
use crate::runs::Run;
use crate::state::State;
use crate::templates::rfc3339;

const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
/// Lines that may wait to be printed. A terminal that stands still must not hold requests up.
const BACKLOG: usize = 10_000;

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// Coloured lines.
    #[default]
    Pretty,
    /// A JSON object a line.
    Json,
}

/// Something to show.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A request was answered.
    Request(Box<RequestRecord>),
    /// A function ran without a request that waited for it.
    Run(Run),
    /// A function wrote a line.
    Function(OutputLine),
    /// A management call of API Gateway was answered.
    Management(ManagementCall),
    /// The stack has done something by itself.
    Info(String),
    /// Something is wrong, and the stack goes on.
    Warning(String),
}

/// Who has called API Gateway's management, and what came of it. Its path names ids, never a key's value.
#[derive(Debug)]
pub(crate) struct ManagementCall {
    /// The caller's ARN.
    pub(crate) principal: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    /// The error's code, where it was refused.
    pub(crate) error: Option<String>,
}

/// Takes notices from anywhere and never blocks.
#[derive(Debug, Clone)]
pub(crate) struct Notices(Sink);

/// Where notices go.
#[derive(Debug, Clone)]
enum Sink {
    Nowhere,
    Printer(mpsc::SyncSender<Notice>),
    Record(Record),
}

/// Everything that a stack would have shown, in both formats, for tests to search. It is not bounded.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<String>>);

impl Record {
    /// What was shown until now.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, notice: &Notice) {
        let lines = format!("{}\n{}\n", pretty(notice).unwrap_or_default(), machine(notice));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&lines);
    }
}

impl Notices {
    /// Shows nothing.
    pub(crate) fn silent() -> Self {
        Self(Sink::Nowhere)
    }

    /// Keeps everything.
    pub(crate) fn recorded(record: &Record) -> Self {
        Self(Sink::Record(record.clone()))
    }

    pub(crate) fn send(&self, notice: Notice) {
        match &self.0 {
            Sink::Nowhere => {}
            // A full backlog loses lines rather than requests.
            Sink::Printer(sender) => drop(sender.try_send(notice)),
            Sink::Record(record) => record.add(&notice),
        }
    }
}

impl Observer for Notices {
    fn observe(&self, record: RequestRecord) {
        self.send(Notice::Request(Box::new(record)));
    }
}

/// Prints notices on a thread of its own until every sender is gone.
pub(crate) fn printer(format: LogFormat) -> (Notices, JoinHandle<()>) {
    let (sender, receiver) = mpsc::sync_channel(BACKLOG);
    let thread = std::thread::spawn(move || {
        for notice in receiver {
            let line = match format {
                LogFormat::Pretty => pretty(&notice),
                LogFormat::Json => Some(machine(&notice).to_string()),
            };
            if let Some(line) = line {
                say(&line);
            }
        }
    });
    (Notices(Sink::Printer(sender)), thread)
}

/// Writes a line to standard output, without colours where it is no terminal or `NO_COLOR` is set.
pub(crate) fn say(line: &str) {
    // A closed pipe ends the reader's interest, not the stack.
    let _ = writeln!(anstream::stdout().lock(), "{line}");
}

/// Writes a line of progress to standard error.
pub(crate) fn progress(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{DIM}{line}{DIM:#}");
}

fn pretty(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Request(record) => Some(request_line(record)),
        Notice::Run(run) => Some(run.line()),
        Notice::Function(output) => function_line(output),
        Notice::Management(call) => Some(management_line(call)),
        Notice::Info(said) => Some(format!("{CYAN}{said}{CYAN:#}")),
        Notice::Warning(said) => Some(format!("{YELLOW}{said}{YELLOW:#}")),
    }
}

fn request_line(record: &RequestRecord) -> String {
    let at = OffsetDateTime::from(record.at);
    let (hour, minute, second) = at.to_hms();
    let caller = record.key_name.as_deref().map_or("-", tenant_of);
    let colour = colour_of(record.status);
    let route = record.resource.as_deref().unwrap_or(&record.path);
    let milliseconds = record.duration.as_secs_f64() * 1e3;
    let warmth = match record.cold {
        Some(true) => format!("{CYAN}cold{CYAN:#}"),
        Some(false) => format!("{DIM}warm{DIM:#}"),
        None => format!("{DIM}-   {DIM:#}"),
    };
    let why = match (record.gateway_response, &record.detail) {
        (Some(kind), Some(detail)) => format!("  {DIM}{kind}: {detail}{DIM:#}"),
        (Some(kind), None) => format!("  {DIM}{kind}{DIM:#}"),
        (None, Some(detail)) => format!("  {DIM}{detail}{DIM:#}"),
        (None, None) => String::new(),
    };
    let limits = if record.refused_by.is_some() { limits_line(record) } else { String::new() };
    format!(
        "{DIM}{hour:02}:{minute:02}:{second:02}{DIM:#}  {caller:<12} {method:<6} {route:<28} \
         {colour}{status}{colour:#} {milliseconds:>8.1} ms  {warmth}{why}{limits}",
        method = record.method,
        status = record.status,
    )
}

fn management_line(call: &ManagementCall) -> String {
    let ManagementCall { principal, method, path, status, error } = call;
    let caller = principal.rsplit('/').next().unwrap_or(principal);
    let error = error.as_deref().map(|error| format!("  {DIM}{error}{DIM:#}")).unwrap_or_default();
    let colour = colour_of(*status);
    format!("          {DIM}{caller}: API Gateway: {method} {path}{DIM:#} {colour}{status}{colour:#}{error}")
}

fn colour_of(status: u16) -> Style {
    match status {
        500.. => RED,
        400.. => YELLOW,
        _ => GREEN,
    }
}

/// When the limit that refused a request has room again, and how its other limits stand.
fn limits_line(record: &RequestRecord) -> String {
    let room = match refused_by(record).map(|standing| standing.next_at) {
        Some(Some(at)) => {
            let wait = at.duration_since(record.at).unwrap_or_default();
            // A week is told by its date, a moment by its length.
            if wait < Duration::from_hours(1) {
                format!("room in {:.3} s", wait.as_secs_f64())
            } else {
                format!("room at {}", rfc3339(at))
            }
        }
        Some(None) | None => "never any room".to_owned(),
    };
    // The account's limit is far above all others, and is named only where it is the one.
    let others = record.limits.iter().enumerate().filter(|(position, standing)| {
        Some(*position) != record.refused_by && standing.limit != Limit::Account
    });
    let others = others.fold(String::new(), |mut said, (_, standing)| {
        // Writing to a string cannot fail.
        let _ = write!(said, "; {standing}");
        said
    });
    format!("{DIM}, {room}{others}{DIM:#}")
}

/// A limit for programs.
pub(crate) fn standing_json(standing: &Standing) -> Value {
    let at = |at: Option<SystemTime>| at.map(rfc3339);
    let mut object = json!({
        "limit": standing.limit.as_str(),
        "plan": standing.plan,
        "route": standing.route,
        "left": standing.left,
        "next_at": at(standing.next_at),
        "full_at": at(standing.full_at),
    });
    match standing.bound {
        Bound::Throttle(Throttle { rate, burst }) => {
            object["rate"] = json!(rate);
            object["burst"] = json!(burst);
        }
        Bound::Quota(Quota { limit, period, .. }) => {
            object["quota"] = json!(limit);
            object["period"] = json!(period.as_str());
        }
    }
    object
}

/// A function's own request line repeats the gateway's, unless it names a cause.
fn function_line(output: &OutputLine) -> Option<String> {
    let said = match serde_json::from_str::<Value>(&output.line) {
        Ok(Value::Object(line)) if line.contains_key("request_id") => {
            let is_fault = line.get("status").and_then(Value::as_u64).is_some_and(|status| status >= 500);
            line.get("cause").and_then(Value::as_str).filter(|_| is_fault)?.to_owned()
        }
        _ => output.line.clone(),
    };
    Some(format!("          {DIM}{function}: {said}{DIM:#}", function = output.function))
}

/// `tenantry-acme-1` is a key of the tenant acme.
fn tenant_of(key_name: &str) -> &str {
    key_name
        .strip_prefix("tenantry-")
        .and_then(|rest| rest.rsplit_once('-'))
        .map_or(key_name, |(tenant, _)| tenant)
}

fn machine(notice: &Notice) -> Value {
    match notice {
        Notice::Request(record) => json!({
            "type": "request",
            "time": rfc3339(record.at),
            "api": record.api,
            "tenant": record.key_name.as_deref().map(tenant_of),
            "api_key_id": record.api_key_id,
            "method": record.method,
            "path": record.path,
            "route": record.resource,
            "function": record.function,
            "status": record.status,
            "duration_ms": (record.duration.as_secs_f64() * 1e6).round() / 1e3,
            "cold": record.cold,
            "gateway_response": record.gateway_response,
            "detail": record.detail,
            "limits": record.limits.iter().map(standing_json).collect::<Vec<_>>(),
            "refused_by": refused_by(record).map(|standing| standing.limit.as_str()),
            "request_id": record.request_id,
        }),
        Notice::Run(run) => run.json(),
        Notice::Function(output) => json!({
            "type": "function",
            "function": output.function,
            "line": serde_json::from_str::<Value>(&output.line).unwrap_or_else(|_| json!(output.line)),
        }),
        Notice::Management(call) => json!({
            "type": "management",
            "principal": call.principal,
            "method": call.method,
            "path": call.path,
            "status": call.status,
            "error": call.error,
        }),
        Notice::Info(said) => json!({"type": "info", "message": said}),
        Notice::Warning(said) => json!({"type": "warning", "message": said}),
    }
}

/// The table that says where everything is and what to try.
pub(crate) fn table(state: &State, state_file: Option<&str>, ignored: &[String]) -> String {
    let mut lines =
        vec![String::new(), format!("{BOLD}Tenantry{BOLD:#} is running. Ctrl-C stops it."), String::new()];
    let mut address = |what: &str, where_: &str, note: &str| {
        if !where_.is_empty() {
            lines.push(format!("  {what:<14}{CYAN}{where_}{CYAN:#}  {DIM}{note}{DIM:#}"));
        }
    };
    address("Data API", &state.api_url, "x-api-key");
    address("Control API", &state.admin_url, "SigV4");
    address(
        "AWS services",
        &state.aws_endpoint_url,
        &format!("{}, account {}", state.region, state.account_id),
    );
    address("State file", state_file.unwrap_or_default(), "the same for programs");
    if !state.tenants.is_empty() {
        lines.push(String::new());
        lines.push(format!(
            "  {DIM}{:<10}{:<10}{:<11}{:<12}API key{DIM:#}",
            "Tenant", "Tier", "Isolation", "Key id"
        ));
        for tenant in &state.tenants {
            lines.push(format!(
                "  {BOLD}{:<10}{BOLD:#}{:<10}{:<11}{:<12}{}",
                tenant.tenant_id, tenant.tier, tenant.isolation, tenant.api_key_id, tenant.api_key
            ));
        }
    }
    if let Some(tenant) =
        state.tenants.iter().find(|tenant| tenant.tenant_id == "globex").or(state.tenants.first())
    {
        let (url, key) = (&state.api_url, &tenant.api_key);
        lines.push(String::new());
        lines.push(format!("  {DIM}To paste, as {}:{DIM:#}", tenant.tenant_id));
        for command in [
            format!("curl -s {url}/tenant -H 'x-api-key: {key}'"),
            format!("curl -s '{url}/records/notes?limit=2' -H 'x-api-key: {key}'"),
            format!("curl -s -X POST {url}/records/notes -H 'x-api-key: {key}' -d '{{\"title\":\"Hello\"}}'"),
            format!(
                "curl -s -X PUT {url}/records/notes/mine -H 'x-api-key: {key}' -d '{{\"title\":\"Mine\"}}'"
            ),
            format!("curl -s {url}/records/notes/mine -H 'x-api-key: {key}'"),
            format!("curl -s -X DELETE {url}/records/notes/mine -H 'x-api-key: {key}'"),
            format!("curl -s '{url}/files?delimiter=/' -H 'x-api-key: {key}'"),
        ] {
            lines.push(format!("  {command}"));
        }
    }
    if !ignored.is_empty() {
        lines.push(String::new());
        lines.push(format!("  {DIM}Without a part on a laptop: {}{DIM:#}", ignored.join(", ")));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_name_tells_its_tenant() {
        assert_eq!(tenant_of("tenantry-acme-1"), "acme");
        assert_eq!(tenant_of("tenantry-acme2-10"), "acme2");
        assert_eq!(tenant_of("of-someone-else"), "of-someone-else");
    }

    #[test]
    fn a_functions_request_line_is_shown_only_with_a_fault() {
        let output = |line: &str| OutputLine {
            function: "records-get".into(),
            environment: "e".into(),
            stream: local_runtime::Stream::Stdout,
            line: line.into(),
        };
        assert_eq!(function_line(&output(r#"{"request_id":"r","status":200}"#)), None);
        assert_eq!(function_line(&output(r#"{"request_id":"r","status":403,"cause":"unknown"}"#)), None);
        assert!(
            function_line(&output(r#"{"request_id":"r","status":500,"cause":"on fire"}"#))
                .unwrap()
                .contains("on fire")
        );
        assert!(function_line(&output("thread 'main' panicked")).unwrap().contains("panicked"));
    }
}
