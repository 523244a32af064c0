//! Resolving intrinsics.

use std::collections::BTreeMap;

use crate::node::{Entry, Kind, Node, Problem};

/// How many references may lead on to others before it counts as a circle.
const MAX_HOPS: usize = 16;

/// What names stand for in one file.
pub(crate) struct Scope<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) region: &'a str,
    pub(crate) stack_name: &'a str,
    /// Parameters with their values.
    pub(crate) parameters: BTreeMap<String, Node>,
    pub(crate) conditions: BTreeMap<String, &'a Node>,
    /// Resources whose condition holds.
    pub(crate) resources: BTreeMap<String, &'a Node>,
}

type Resolved = Result<Option<Node>, Problem>;

impl Scope<'_> {
    /// The node without intrinsics, `None` for `AWS::NoValue`.
    pub(crate) fn resolve(&self, node: &Node) -> Resolved {
        self.node(node, 0)
    }

    /// Everything that keeps a node from being resolved, not only the first.
    pub(crate) fn problems(&self, node: &Node) -> Vec<Problem> {
        match &node.kind {
            Kind::List(items) => items.iter().flat_map(|item| self.problems(item)).collect(),
            Kind::Map(entries) => entries.iter().flat_map(|entry| self.problems(&entry.value)).collect(),
            Kind::Call(..)
            | Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_) => self.resolve(node).err().into_iter().collect(),
        }
    }

    /// References that lead nowhere, in a part whose values do not matter here.
    pub(crate) fn dangling(&self, node: &Node) -> Vec<Problem> {
        let lost = |name: &str| {
            let target = name.split('.').next().unwrap_or(name);
            let known = name.starts_with("AWS::")
                || self.parameters.contains_key(name)
                || self.resources.contains_key(target)
                || self.function_of_role(target).is_some();
            (!known).then(|| (node.line, format!("there is nothing called {target}")))
        };
        match &node.kind {
            Kind::List(items) => items.iter().flat_map(|item| self.dangling(item)).collect(),
            Kind::Map(entries) => entries.iter().flat_map(|entry| self.dangling(&entry.value)).collect(),
            Kind::Call(name, argument) if matches!(name.as_str(), "Ref" | "GetAtt") => {
                let first = argument.items().and_then(|parts| parts.first()).unwrap_or(argument);
                first.text().and_then(|name| lost(&name)).into_iter().collect()
            }
            Kind::Call(name, argument) if name == "Sub" => {
                let (template, own) = match argument.items() {
                    Some([template, own]) => (template.text(), own.entries().unwrap_or_default()),
                    Some(_) | None => (argument.text(), [].as_slice()),
                };
                let template = template.unwrap_or_default();
                let names = template.split("${").skip(1).filter_map(|part| Some(part.split_once('}')?.0));
                names
                    .filter(|name| !name.starts_with('!') && !own.iter().any(|entry| entry.key == *name))
                    .filter_map(lost)
                    .chain(own.iter().flat_map(|entry| self.dangling(&entry.value)))
                    .collect()
            }
            Kind::Call(_, argument) => self.dangling(argument),
            Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) => Vec::new(),
        }
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, name: &str, line: usize) -> Result<bool, Problem> {
        self.condition(name, line, 0)
    }

    fn node(&self, node: &Node, hops: usize) -> Resolved {
        let kind = match &node.kind {
            Kind::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(self.node(item, hops)?);
                }
                Kind::List(list)
            }
            Kind::Map(entries) => {
                let mut map = Vec::with_capacity(entries.len());
                for entry in entries {
                    if let Some(value) = self.node(&entry.value, hops)? {
                        map.push(Entry { key: entry.key.clone(), line: entry.line, value });
                    }
                }
                Kind::Map(map)
            }
            Kind::Call(name, argument) => return self.call(name, argument, node.line, hops),
            Kind::Null | Kind::Bool(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) => {
                node.kind.clone()
            }
        };
        Ok(Some(Node { line: node.line, kind }))
    }

    fn call(&self, name: &str, argument: &Node, line: usize, hops: usize) -> Resolved {
        if hops > MAX_HOPS {
            return Err((line, "references lead in a circle".to_owned()));
        }
        let form = |expected: &str| (line, format!("!{name} takes {expected}"));
        let text = |text: String| Ok(Some(Node { line, kind: Kind::Text(text) }));
        match name {
            "Ref" => {
                let target = argument.text().ok_or_else(|| form("a name"))?;
                self.reference(&target, line, hops)
            }
            "GetAtt" => {
                let path = match (&argument.kind, argument.text()) {
                    (Kind::List(parts), _) => {
                        parts.iter().map(Node::text).collect::<Option<Vec<_>>>().map(|parts| parts.join("."))
                    }
                    (_, path) => path,
                };
                let path = path.ok_or_else(|| form("a resource and an attribute"))?;
                let (resource, attribute) = path.split_once('.').ok_or_else(|| form("Resource.Attribute"))?;
                text(self.attribute(resource, attribute, line, hops)?)
            }
            "Sub" => {
                let (template, own) = match argument.items() {
                    Some([template, own]) => (template.text(), own.entries()),
                    Some(_) => (None, None),
                    None => (argument.text(), None),
                };
                let template = template.ok_or_else(|| form("a text, or a text and a map"))?;
                text(self.substitute(&template, own.unwrap_or_default(), line, hops)?)
            }
            "Join" => {
                let Some([separator, list]) = argument.items() else {
                    return Err(form("a separator and a list"));
                };
                let separator = separator.text().ok_or_else(|| form("a separator and a list"))?;
                let list = self.node(list, hops + 1)?.ok_or_else(|| form("a separator and a list"))?;
                let parts =
                    list.items().map(|items| items.iter().map(Node::text).collect::<Option<Vec<_>>>());
                text(parts.flatten().ok_or_else(|| form("a list of texts"))?.join(&separator))
            }
            "If" => {
                let Some([condition, yes, no]) = argument.items() else {
                    return Err(form("a condition and two values"));
                };
                let condition = condition.text().ok_or_else(|| form("a condition's name"))?;
                let chosen = if self.condition(&condition, line, hops + 1)? { yes } else { no };
                self.node(chosen, hops + 1)
            }
            _ => Err((line, format!("the intrinsic {name} is not understood"))),
        }
    }

    fn reference(&self, target: &str, line: usize, hops: usize) -> Resolved {
        if target == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.parameters.get(target) {
            return Ok(Some(Node { line, kind: value.kind.clone() }));
        }
        let text = match self.pseudo(target) {
            Some(text) => text,
            None => self.name(target, line, hops)?,
        };
        Ok(Some(Node { line, kind: Kind::Text(text) }))
    }

    fn pseudo(&self, name: &str) -> Option<String> {
        Some(match name {
            "AWS::AccountId" => self.account_id.to_owned(),
            "AWS::Region" => self.region.to_owned(),
            "AWS::StackName" => self.stack_name.to_owned(),
            "AWS::StackId" => {
                format!(
                    "arn:aws:cloudformation:{}:{}:stack/{}/local",
                    self.region, self.account_id, self.stack_name
                )
            }
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => return None,
        })
    }

    fn substitute(&self, template: &str, own: &[Entry], line: usize, hops: usize) -> Result<String, Problem> {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once("${") {
            out.push_str(before);
            let (name, behind) =
                behind.split_once('}').ok_or_else(|| (line, "a ${ without its }".to_owned()))?;
            rest = behind;
            if let Some(literal) = name.strip_prefix('!') {
                out.push_str("${");
                out.push_str(literal);
                out.push('}');
                continue;
            }
            let value = if let Some(entry) = own.iter().find(|entry| entry.key == name) {
                self.node(&entry.value, hops + 1)?.and_then(|node| node.text())
            } else if let (true, Some((resource, attribute))) = (!name.contains("::"), name.split_once('.')) {
                Some(self.attribute(resource, attribute, line, hops + 1)?)
            } else {
                self.reference(name, line, hops + 1)?.and_then(|node| node.text())
            };
            out.push_str(&value.ok_or_else(|| (line, format!("${{{name}}} is no text")))?);
        }
        out.push_str(rest);
        Ok(out)
    }

    fn condition(&self, name: &str, line: usize, hops: usize) -> Result<bool, Problem> {
        let node =
            self.conditions.get(name).ok_or_else(|| (line, format!("there is no condition {name}")))?;
        self.judge(node, hops + 1)
    }

    fn judge(&self, node: &Node, hops: usize) -> Result<bool, Problem> {
        if hops > MAX_HOPS {
            return Err((node.line, "conditions lead in a circle".to_owned()));
        }
        let Kind::Call(name, argument) = &node.kind else {
            return Err((node.line, "a condition must be Equals, And, Or, Not or Condition".to_owned()));
        };
        match (name.as_str(), argument.items(), argument.text()) {
            ("Equals", Some([a, b]), _) => {
                let text = |node| Ok(self.node(node, hops)?.and_then(|node| node.text()));
                Ok(text(a)? == text(b)?)
            }
            ("Not", Some([only]), _) => Ok(!self.judge(only, hops + 1)?),
            ("And", Some(items), _) => {
                items.iter().try_fold(true, |all, item| Ok(all & self.judge(item, hops + 1)?))
            }
            ("Or", Some(items), _) => {
                items.iter().try_fold(false, |any, item| Ok(any | self.judge(item, hops + 1)?))
            }
            ("Condition", None, Some(other)) => self.condition(&other, node.line, hops),
            _ => Err((node.line, format!("the condition {name} is not understood"))),
        }
    }

    /// What `Ref` gives for a resource.
    fn name(&self, logical_id: &str, line: usize, hops: usize) -> Result<String, Problem> {
        // SAM's own references: an API's stage, and the role that it makes for a function.
        if let Some(api) = logical_id.strip_suffix(".Stage")
            && let Some(resource) = self.resources.get(api)
        {
            let stage = resource.get("Properties").and_then(|properties| properties.get("StageName"));
            return self.own_name(stage, line, hops, String::new);
        }
        if let Some(function) = self.function_of_role(logical_id) {
            return Ok(format!("{}-{function}Role", self.stack_name));
        }
        let resource = self
            .resources
            .get(logical_id)
            .ok_or_else(|| (line, format!("there is nothing called {logical_id}")))?;
        let kind = resource.get("Type").and_then(Node::text).unwrap_or_default();
        let property = match kind.as_str() {
            "AWS::Serverless::Api" => return Ok(derived_id(logical_id, 10)),
            "AWS::ApiGateway::UsagePlan" => return Ok(derived_id(logical_id, 6)),
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::S3::Bucket" => "BucketName",
            "AWS::IAM::Role" => "RoleName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            _ => return Err((line, format!("what !Ref of a {kind} gives is not known"))),
        };
        let own = resource.get("Properties").and_then(|properties| properties.get(property));
        self.own_name(own, line, hops, || {
            let name = format!("{}-{logical_id}", self.stack_name);
            if property == "BucketName" { name.to_lowercase() } else { name }
        })
    }

    fn own_name(
        &self,
        own: Option<&Node>,
        line: usize,
        hops: usize,
        default: impl Fn() -> String,
    ) -> Result<String, Problem> {
        match own {
            None => Ok(default()),
            Some(own) => match self.node(own, hops + 1)? {
                None => Ok(default()),
                Some(name) => name.text().ok_or_else(|| (line, "a name must be text".to_owned())),
            },
        }
    }

    fn function_of_role<'b>(&self, logical_id: &'b str) -> Option<&'b str> {
        let function = logical_id.strip_suffix("Role")?;
        let kind = self.resources.get(function)?.get("Type").and_then(Node::text)?;
        (kind == "AWS::Serverless::Function").then_some(function)
    }

    fn attribute(
        &self,
        logical_id: &str,
        attribute: &str,
        line: usize,
        hops: usize,
    ) -> Result<String, Problem> {
        let name = self.name(logical_id, line, hops)?;
        let kind = match self.function_of_role(logical_id) {
            Some(_) => "AWS::IAM::Role".to_owned(),
            None => self
                .resources
                .get(logical_id)
                .and_then(|resource| resource.get("Type")?.text())
                .unwrap_or_default(),
        };
        let (account, region) = (self.account_id, self.region);
        match (kind.as_str(), attribute) {
            ("AWS::Serverless::Function", "Arn") => {
                Ok(format!("arn:aws:lambda:{region}:{account}:function:{name}"))
            }
            ("AWS::DynamoDB::Table", "Arn") => {
                Ok(format!("arn:aws:dynamodb:{region}:{account}:table/{name}"))
            }
            ("AWS::S3::Bucket", "Arn") => Ok(format!("arn:aws:s3:::{name}")),
            ("AWS::IAM::Role", "Arn") => Ok(format!("arn:aws:iam::{account}:role/{name}")),
            ("AWS::Logs::LogGroup", "Arn") => {
                Ok(format!("arn:aws:logs:{region}:{account}:log-group:{name}:*"))
            }
            ("AWS::Serverless::Api", "RootResourceId") => Ok(derived_id(&format!("{logical_id}/"), 10)),
            _ => Err((line, format!("the attribute {attribute} of {logical_id}, a {kind}, is not known"))),
        }
    }
}

/// An id of lower-case letters and digits that follows from a name (FNV-1a, 64 bits).
pub(crate) fn derived_id(name: &str, length: u32) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut id = String::new();
    for _ in 0..length {
        id.extend(ALPHABET.get(usize::try_from(hash % 36).unwrap_or_default()).map(|byte| char::from(*byte)));
        hash /= 36;
    }
    id
}
