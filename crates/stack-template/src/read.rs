//! From two files to one model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::api::{self, Declared};
use crate::error::{Finding, Inputs, ReadError, Sources};
use crate::function::{self, Place};
use crate::model::{Stack, UsagePlan};
use crate::node::Node;
use crate::properties::Notes;
use crate::resources::{self, IGNORED_TYPES, Resource};
use crate::scope::Scope;
use crate::{data, parameters, plans};

const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Transform",
];
/// Sections whose members have names that a finding can be given.
const NAMED: &[&str] = &["Conditions", "Outputs", "Parameters", "Resources"];
const TRANSFORM: &str = "AWS::Serverless-2016-10-31";

/// Reads both files.
///
/// # Errors
/// [`ReadError`] with all findings of both.
pub fn read(inputs: &Inputs) -> Result<Stack, ReadError> {
    let text = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| ReadError {
            findings: vec![Finding {
                file: path.display().to_string(),
                line: 0,
                resource: String::new(),
                message: error.to_string(),
            }],
        })
    };
    let (template, usage_plans) = (text(&inputs.template)?, text(&inputs.usage_plans)?);
    read_sources(inputs, Sources { template: &template, usage_plans: &usage_plans })
}

/// Reads both files' texts; the paths serve for messages.
///
/// # Errors
/// As [`read`].
pub fn read_sources(inputs: &Inputs, sources: Sources<'_>) -> Result<Stack, ReadError> {
    let main = Notes::new(inputs.template.display().to_string());
    let plan = Notes::new(inputs.usage_plans.display().to_string());
    let mut known = BTreeSet::new();
    let mut stack = read_template(inputs, sources.template, &main, &mut known);
    let sound = main.findings.borrow().is_empty();
    stack.plans = read_plans(inputs, sources.usage_plans, &plan, &stack, sound, &mut known);
    for name in inputs.parameters.keys().filter(|name| !known.contains(*name)) {
        main.refuse("", 0, format!("neither file has a parameter {name}"));
    }
    let mut findings = main.findings();
    findings.extend(plan.findings());
    if !findings.is_empty() {
        return Err(ReadError { findings });
    }
    stack.ignored = [&main, &plan].into_iter().flat_map(|notes| notes.ignored.take()).collect();
    stack.ignored.sort();
    stack.ignored.dedup();
    Ok(stack)
}

fn read_template(inputs: &Inputs, text: &str, notes: &Notes, known: &mut BTreeSet<String>) -> Stack {
    let mut stack = Stack {
        account_id: inputs.account_id.clone(),
        region: inputs.region.clone(),
        apis: Vec::new(),
        functions: Vec::new(),
        tables: Vec::new(),
        buckets: Vec::new(),
        roles: Vec::new(),
        plans: Vec::new(),
        outputs: BTreeMap::new(),
        ignored: Vec::new(),
    };
    let Some(root) = parse(notes, text) else { return stack };
    let scope = scope(inputs, &root, notes, &inputs.parameters, known);
    let resources = resources::read(&root, &scope, notes);
    let mut apis: Vec<Declared> = Vec::new();
    for resource in resources.iter().filter(|resource| resource.kind == "AWS::Serverless::Api") {
        apis.push(if resource.broken {
            // Its functions still have an API to refer to.
            api::unread(&resource.logical_id)
        } else {
            api::read(notes, &resource.logical_id, &resource.properties)
        });
    }
    let place = Place {
        notes,
        account_id: &inputs.account_id,
        region: &inputs.region,
        stack_name: &inputs.stack_name,
    };
    for Resource { logical_id, kind, line, properties, name, arn, .. } in
        resources.iter().filter(|resource| !resource.broken)
    {
        let (name, arn) = (name.clone(), arn.clone());
        match kind.as_str() {
            "AWS::Serverless::Function" => {
                let (function, role) = function::read(&place, logical_id, properties, &mut apis);
                let other = stack.functions.iter().map(|other| &other.name);
                refuse_second(notes, logical_id, *line, "function", &function.name, other);
                stack.functions.push(function);
                stack.roles.push(role);
            }
            "AWS::DynamoDB::Table" => {
                let other = stack.tables.iter().map(|other| &other.name);
                refuse_second(notes, logical_id, *line, "table", &name, other);
                stack.tables.push(data::table(notes, logical_id, name, arn, properties));
            }
            "AWS::S3::Bucket" => {
                let other = stack.buckets.iter().map(|other| &other.name);
                refuse_second(notes, logical_id, *line, "bucket", &name, other);
                stack.buckets.push(data::bucket(notes, logical_id, name, properties));
            }
            "AWS::IAM::Role" => {
                let other = stack.roles.iter().map(|other| &other.name);
                refuse_second(notes, logical_id, *line, "role", &name, other);
                stack.roles.extend(data::role(notes, logical_id, name, arn, properties));
            }
            "AWS::Serverless::Api" => {}
            "AWS::ApiGateway::UsagePlan" => {
                notes.refuse(logical_id, *line, "usage plans stand in the file of usage plans");
            }
            kind if IGNORED_TYPES.contains(&kind) => notes.ignore(kind),
            kind => notes.refuse(logical_id, *line, format!("the type {kind} is not understood")),
        }
    }
    for declared in &apis {
        declared.check_throttles(notes);
    }
    stack.apis = apis.into_iter().map(|declared| declared.api).collect();
    for entry in root.get("Outputs").and_then(Node::entries).unwrap_or_default() {
        let value = entry.value.get("Value").map(|value| scope.resolve(value));
        match value {
            Some(Ok(Some(value))) => {
                stack.outputs.extend(value.text().map(|value| (entry.key.clone(), value)));
            }
            Some(Ok(None)) | None => notes.refuse(&entry.key, entry.line, "an output must have a Value"),
            Some(Err((line, message))) => notes.refuse(&entry.key, line, message),
        }
    }
    stack
}

/// Refuses a second resource of one physical name.
fn refuse_second<'a>(
    notes: &Notes,
    logical_id: &str,
    line: usize,
    what: &str,
    name: &str,
    mut others: impl Iterator<Item = &'a String>,
) {
    if others.any(|other| other == name) {
        notes.refuse(logical_id, line, format!("a second {what} called {name}"));
    }
}

/// Reads the plans. They are held against the template's APIs only where the template is sound: what is wrong
/// there would be found again in each plan.
fn read_plans(
    inputs: &Inputs,
    text: &str,
    notes: &Notes,
    stack: &Stack,
    sound: bool,
    known: &mut BTreeSet<String>,
) -> Vec<UsagePlan> {
    let Some(root) = parse(notes, text) else { return Vec::new() };
    // Whoever deploys the file names the API that the plans are for: the one that takes keys.
    let metered = stack.apis.iter().find(|api| api.routes.iter().any(|route| route.api_key_required));
    let (api_id, stage) = match metered {
        Some(api) => (Some(api.api_id.clone()), Some(api.stage.clone())),
        None if sound => (None, None),
        None => (Some("unread".to_owned()), Some("unread".to_owned())),
    };
    let mut parameters = inputs.parameters.clone();
    // A default of the file's own is what whoever deploys it leaves in force, and is held against the API.
    let has_default = |name: &str| {
        let declared = root.get("Parameters").and_then(|parameters| parameters.get(name));
        declared.is_some_and(|declared| declared.get("Default").is_some())
    };
    for (name, value) in [("ApiId", api_id), ("Stage", stage)] {
        if let (Some(value), false) = (value, parameters.contains_key(name) || sound && has_default(name)) {
            parameters.insert(name.to_owned(), value);
        }
    }
    let scope = scope(inputs, &root, notes, &parameters, known);
    let mut plans: Vec<UsagePlan> = Vec::new();
    for Resource { logical_id, kind, line, properties, broken, .. } in resources::read(&root, &scope, notes) {
        if kind != "AWS::ApiGateway::UsagePlan" {
            notes.refuse(&logical_id, line, format!("the type {kind} has no place among usage plans"));
        } else if !broken {
            let plan = plans::read(notes, &logical_id, &properties, sound.then_some(&stack.apis));
            let other = plans.iter().map(|other| &other.name);
            refuse_second(notes, &logical_id, line, "plan", &plan.name, other);
            plans.push(plan);
        }
    }
    plans
}

/// The file's root, with its sections checked and kept for naming findings.
fn parse(notes: &Notes, text: &str) -> Option<Node> {
    let root = match Node::parse(text) {
        Ok(root) => root,
        Err((line, message)) => {
            notes.refuse("", line, message);
            return None;
        }
    };
    for entry in root.entries().unwrap_or_default() {
        notes.owns(entry.line, &entry.key);
        if !SECTIONS.contains(&entry.key.as_str()) {
            notes.refuse("", entry.line, format!("the section {} is not understood", entry.key));
        }
        if NAMED.contains(&entry.key.as_str()) {
            match entry.value.entries() {
                Some(members) => members.iter().for_each(|member| notes.owns(member.line, &member.key)),
                None => notes.refuse(&entry.key, entry.line, format!("{} must be a map", entry.key)),
            }
        }
    }
    if root.get("Resources").is_none() {
        notes.refuse("", root.line, "Resources is missing");
    }
    if let Some(transform) = root.get("Transform")
        && transform.text().as_deref() != Some(TRANSFORM)
    {
        notes.refuse("", transform.line, format!("Transform must be {TRANSFORM} alone"));
    }
    if let Some(globals) = root.get("Globals") {
        for entry in globals.entries().unwrap_or_default() {
            if !matches!(entry.key.as_str(), "Api" | "Function") {
                notes.refuse("", entry.line, format!("{} in Globals is not understood", entry.key));
            }
        }
    }
    Some(root)
}

fn scope<'a>(
    inputs: &'a Inputs,
    root: &'a Node,
    notes: &Notes,
    given: &BTreeMap<String, String>,
    known: &mut BTreeSet<String>,
) -> Scope<'a> {
    let section = |name: &str| root.get(name).and_then(Node::entries).unwrap_or_default();
    let mut scope = Scope {
        account_id: &inputs.account_id,
        region: &inputs.region,
        stack_name: &inputs.stack_name,
        parameters: parameters::read(root, given, notes, known),
        conditions: section("Conditions").iter().map(|entry| (entry.key.clone(), &entry.value)).collect(),
        resources: BTreeMap::new(),
    };
    for entry in section("Resources") {
        let condition = entry.value.get("Condition").and_then(|node| Some((node.text()?, node.line)));
        match condition.map(|(name, line)| scope.holds(&name, line)) {
            None | Some(Ok(true)) => {
                scope.resources.insert(entry.key.clone(), &entry.value);
            }
            Some(Ok(false)) => {}
            Some(Err((line, message))) => notes.refuse(&entry.key, line, message),
        }
    }
    scope
}
