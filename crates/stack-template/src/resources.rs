//! A file's resources, their intrinsics resolved.

use crate::node::{Entry, Kind, Node};
use crate::properties::Notes;
use crate::scope::Scope;

/// Types that have no part on a laptop.
pub(crate) const IGNORED_TYPES: &[&str] = &[
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
];
const MEMBERS: &[&str] =
    &["Condition", "DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type", "UpdateReplacePolicy"];

/// A resource with its intrinsics resolved.
pub(crate) struct Resource {
    pub(crate) logical_id: String,
    pub(crate) kind: String,
    /// Where the type stands.
    pub(crate) line: usize,
    pub(crate) properties: Node,
    /// Whether something could not be resolved: the properties are then empty, and it has been said why.
    pub(crate) broken: bool,
    pub(crate) name: String,
    pub(crate) arn: String,
}

/// The resources whose condition holds, in the order of the file.
pub(crate) fn read(root: &Node, scope: &Scope<'_>, notes: &Notes) -> Vec<Resource> {
    let entries = root.get("Resources").and_then(Node::entries).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| resource(root, entry, scope.resources.get(&entry.key)?, scope, notes))
        .collect()
}

fn resource(
    root: &Node,
    entry: &Entry,
    resource: &Node,
    scope: &Scope<'_>,
    notes: &Notes,
) -> Option<Resource> {
    for member in resource.entries().unwrap_or_default() {
        if !MEMBERS.contains(&member.key.as_str()) {
            notes.refuse(&entry.key, member.line, format!("{} of a resource is not understood", member.key));
        }
    }
    if let Some(on) = resource.get("DependsOn") {
        for name in on.items().unwrap_or(std::slice::from_ref(on)) {
            let name = name.text().unwrap_or_default();
            let there = root.get("Resources").is_some_and(|all| all.get(&name).is_some());
            if !there {
                notes.refuse(&entry.key, on.line, format!("there is no resource {name} to depend on"));
            }
        }
    }
    let kind_node = resource.get("Type");
    let Some((kind, line)) = kind_node.and_then(|node| Some((node.text()?, node.line))) else {
        notes.refuse(&entry.key, entry.line, "Type is missing");
        return None;
    };
    let empty = Node { line: entry.line, kind: Kind::Map(Vec::new()) };
    let own = resource.get("Properties").unwrap_or(&empty);
    let mut all = own.clone();
    if let Some(section) = kind.strip_prefix("AWS::Serverless::")
        && let Some(globals) = root.get("Globals").and_then(|globals| globals.get(section))
    {
        all = all.over(globals);
    }
    // Nothing is asked of a resource that has no part here, so its references need only lead somewhere.
    let ignored = IGNORED_TYPES.contains(&kind.as_str());
    let problems = if ignored { scope.dangling(&all) } else { scope.problems(&all) };
    let broken = !problems.is_empty();
    for (line, message) in problems {
        notes.refuse(&entry.key, line, message);
    }
    let properties = if ignored || broken { None } else { scope.resolve(&all).ok().flatten() };
    let reference = |call: &str, target: String| {
        let argument = Box::new(Node { line: entry.line, kind: Kind::Text(target) });
        let node = Node { line: entry.line, kind: Kind::Call(call.to_owned(), argument) };
        scope.resolve(&node).ok().flatten().and_then(|node| node.text()).unwrap_or_default()
    };
    Some(Resource {
        logical_id: entry.key.clone(),
        kind,
        line,
        properties: properties.unwrap_or(empty),
        broken,
        name: reference("Ref", entry.key.clone()),
        arn: reference("GetAtt", format!("{}.Arn", entry.key)),
    })
}
