//! Functions, their routes and their roles.

use std::time::Duration;

use iam_policy::{Kind as PolicyKind, Named, Policy};
use serde_json::json;

use crate::api::{Declared, check_invoke_role, read_authorizer};
use crate::data::{policy, session_length};
use crate::model::{Authorization, Function, Role, Route};
use crate::node::Node;
use crate::properties::{Notes, Properties};
use crate::schedule::{asynchronous, schedule};

const TYPE: &str = "AWS::Serverless::Function";
const METHODS: &[&str] = &["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Where a function is read.
pub(crate) struct Place<'a> {
    pub(crate) notes: &'a Notes,
    pub(crate) account_id: &'a str,
    pub(crate) region: &'a str,
    pub(crate) stack_name: &'a str,
}

/// Reads a function, adds its routes to their APIs, and makes the role that SAM makes.
pub(crate) fn read(
    place: &Place<'_>,
    logical_id: &str,
    node: &Node,
    apis: &mut [Declared],
) -> (Function, Role) {
    let notes = place.notes;
    let properties = Properties::of(notes, logical_id, TYPE, node);
    let name =
        properties.text("FunctionName").unwrap_or_else(|| format!("{}-{logical_id}", place.stack_name));
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !is_name {
        let line = properties.get("FunctionName").map_or(properties.line, |node| node.line);
        properties.refuse(line, "a function's name must have 1 to 64 letters, digits, - and _");
    }
    let environment = properties.map("Environment").map(|environment| {
        let variables = environment.texts("Variables");
        environment.finish();
        variables
    });
    let role_name = format!("{}-{logical_id}Role", place.stack_name);
    let mut function = Function {
        logical_id: logical_id.to_owned(),
        arn: format!("arn:aws:lambda:{}:{}:function:{name}", place.region, place.account_id),
        timeout: Duration::from_secs(properties.number("Timeout", 1..=900).unwrap_or(3)),
        memory_mb: properties
            .number("MemorySize", 128..=10_240)
            .and_then(|megabytes| u32::try_from(megabytes).ok())
            .unwrap_or(128),
        environment: environment.unwrap_or_default(),
        role: role_name.clone(),
        reserved_concurrency: properties
            .number("ReservedConcurrentExecutions", 0..=u64::from(u32::MAX))
            .and_then(|count| u32::try_from(count).ok()),
        asynchronous: asynchronous(&properties),
        schedules: Vec::new(),
        name,
    };
    let role = Role {
        logical_id: format!("{logical_id}Role"),
        arn: format!("arn:aws:iam::{}:role/{role_name}", place.account_id),
        name: role_name,
        trust: trusts_lambda(),
        policies: policies(notes, logical_id, &properties),
        max_session: session_length(None),
    };
    if let Some(events) = properties.map("Events") {
        for entry in events.all() {
            event(place, &mut function, &entry.key, &entry.value, apis);
        }
    }
    if let Some(runtime) = properties.get("Runtime")
        && !runtime.text().is_some_and(|runtime| runtime.starts_with("provided."))
    {
        properties.refuse(
            runtime.line,
            format!("the runtime must be provided.al2023, not {}", runtime.text().unwrap_or_default()),
        );
    }
    // What the function is built from, and for: the local stack runs the binary of the function's name.
    properties.pass(&["Handler", "CodeUri", "Architectures", "Description"]);
    properties.ignore(&["Tracing", "Tags", "LoggingConfig", "DeadLetterQueue", "VpcConfig"]);
    properties.finish();
    (function, role)
}

/// The trust policy that SAM gives the roles of functions.
fn trusts_lambda() -> Policy {
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
    }]});
    Policy::parse(&document, PolicyKind::Trust).expect("the constant is a policy document")
}

fn policies(notes: &Notes, logical_id: &str, properties: &Properties<'_>) -> Vec<Named> {
    let mut policies = Vec::new();
    for (index, node) in properties.list("Policies").iter().enumerate() {
        if node.get("Statement").is_some() {
            // As SAM passes it on: without a Version, IAM expands no variables in it.
            let policy = policy(notes, logical_id, node, PolicyKind::Identity);
            policies.extend(
                policy.map(|policy| Named { name: format!("{logical_id}RolePolicy{index}"), policy }),
            );
        } else if node.text().is_some_and(|name| name.contains("AWSLambdaBasicExecutionRole")) {
            // The right to write logs, which SAM gives every function anyway.
            notes.ignore(format!("{TYPE}/Policies/AWSLambdaBasicExecutionRole"));
        } else {
            properties.refuse(node.line, "a policy must have statements of its own: managed policies and SAM's templates are not understood");
        }
    }
    policies
}

fn event(place: &Place<'_>, function: &mut Function, event_name: &str, node: &Node, apis: &mut [Declared]) {
    let (notes, logical_id) = (place.notes, function.logical_id.clone());
    let event = Properties::of(notes, &logical_id, format!("{TYPE}/Events/{event_name}"), node);
    let kind = event.required("Type");
    match kind.as_str() {
        "Api" | "Schedule" => match event.map("Properties") {
            None => event.refuse(event.line, "Properties is missing"),
            Some(properties) if kind == "Api" => {
                route(notes, &logical_id, &function.name, properties, apis);
            }
            Some(properties) => {
                function.schedules.extend(schedule(place, &logical_id, event_name, properties));
            }
        },
        "ScheduleV2" => {
            event.pass(&["Properties"]);
            event.refuse(event.line, "a ScheduleV2 is not understood: a Schedule with a rate is");
        }
        _ => {
            event.pass(&["Properties"]);
            event.refuse(event.line, format!("an event of the type {kind} is not understood"));
        }
    }
    event.finish();
}

fn route(notes: &Notes, logical_id: &str, function: &str, properties: Properties<'_>, apis: &mut [Declared]) {
    let (api_id, path) = (properties.required("RestApiId"), properties.required("Path"));
    let method = properties.required("Method").to_uppercase();
    let line = properties.get("Path").map_or(properties.line, |node| node.line);
    if let Some(node) = properties.get("Method").filter(|_| !METHODS.contains(&method.as_str())) {
        properties.refuse(node.line, format!("{method} is no method"));
    }
    let proper = check_path(&path);
    if let Err(reason) = proper {
        properties.refuse(line, format!("the path {path} {reason}"));
    }
    let timeout = properties.number("TimeoutInMillis", 50..=29_000).unwrap_or(29_000);
    let Some(declared) = apis.iter_mut().find(|declared| declared.api.api_id == api_id) else {
        properties.refuse(properties.line, "RestApiId must refer to an API of this template");
        return;
    };
    let (mut authorization, mut api_key_required) = (declared.authorization, declared.api_key_required);
    if let Some(auth) = properties.map("Auth") {
        if let Some(authorizer) = auth.get("Authorizer") {
            authorization = read_authorizer(&auth, authorizer);
            check_invoke_role(&auth, authorization);
        }
        api_key_required = auth.flag("ApiKeyRequired").unwrap_or(api_key_required);
        auth.pass(&["InvokeRole"]);
        auth.finish();
    }
    if api_key_required && authorization == Authorization::AwsIam {
        notes.refuse(
            logical_id,
            line,
            "a route takes either an API key or a signature: which of them tells the tenant?",
        );
    }
    if let Some(other) =
        declared.api.routes.iter().find(|other| other.method == method && same(&other.path, &path))
    {
        properties.refuse(line, format!("{method} {path} is also a route of {}", other.function));
    }
    if proper.is_ok()
        && let Some((here, there)) = declared.api.routes.iter().find_map(|other| siblings(&path, &other.path))
    {
        properties.refuse(
            line,
            format!("{here} and {there} are two parameters in one place; API Gateway takes one name"),
        );
    }
    declared.api.routes.push(Route {
        method,
        path,
        function: function.to_owned(),
        authorization,
        api_key_required,
        timeout: Duration::from_millis(timeout),
    });
    properties.pass(&["RequestParameters"]);
    properties.finish();
}

/// Whether two paths match the same requests: parameters' names do not tell them apart.
fn same(a: &str, b: &str) -> bool {
    fn shape(path: &str) -> Vec<&str> {
        let parameter = |segment: &str| segment.starts_with('{');
        path.split('/')
            .map(|segment| match segment {
                greedy if parameter(greedy) && greedy.ends_with("+}") => "{+}",
                single if parameter(single) => "{}",
                literal => literal,
            })
            .collect()
    }
    shape(a) == shape(b)
}

/// The two parameters that stand in one place under different names, if any do.
fn siblings<'a>(a: &'a str, b: &'a str) -> Option<(&'a str, &'a str)> {
    let (a, b) = a.split('/').zip(b.split('/')).find(|(a, b)| a != b)?;
    (a.starts_with('{') && b.starts_with('{')).then_some((a, b))
}

fn check_path(path: &str) -> Result<(), &'static str> {
    let Some(segments) = path.strip_prefix('/') else { return Err("must begin with /") };
    if segments.is_empty() {
        return Ok(());
    }
    let segments: Vec<_> = segments.split('/').collect();
    let mut names = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let inner = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        let name = match inner {
            None if segment.is_empty() => return Err("has an empty segment"),
            None if segment.contains(['{', '}']) => return Err("has a parameter that is no whole segment"),
            None => continue,
            Some(name) => name.strip_suffix('+').map_or(name, |name| name),
        };
        if inner.is_some_and(|inner| inner.ends_with('+')) && index + 1 < segments.len() {
            return Err("has a greedy parameter that is not the last");
        }
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        {
            return Err("has a parameter without a proper name");
        }
        if names.contains(&name) {
            return Err("has two parameters of one name");
        }
        names.push(name);
    }
    Ok(())
}
