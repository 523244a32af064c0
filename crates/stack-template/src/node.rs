//! YAML with lines, and with CloudFormation's intrinsics in one form.

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::Value;

/// Deepest nesting of a template.
const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// An intrinsic by its long name without `Fn::`, and its argument.
    Call(String, Box<Node>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Node,
}

/// A message and the line that it is about.
pub(crate) type Problem = (usize, String);

impl Node {
    /// Parses a file of one document.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let documents = MarkedYaml::load_from_str(text)
            .map_err(|error| (error.marker().line(), format!("not YAML: {}", error.info())))?;
        match documents.as_slice() {
            [document] => Self::convert(document, 0),
            [] => Err((0, "the file is empty".to_owned())),
            [_, second, ..] => Err((second.span.start.line(), "a second document".to_owned())),
        }
    }

    fn convert(yaml: &MarkedYaml<'_>, depth: usize) -> Result<Self, Problem> {
        let line = yaml.span.start.line();
        if depth > MAX_DEPTH {
            return Err((line, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let kind = match &yaml.data {
            YamlData::Value(scalar) => match scalar {
                Scalar::Null => Kind::Null,
                Scalar::Boolean(value) => Kind::Bool(*value),
                Scalar::Integer(value) => Kind::Integer(*value),
                Scalar::FloatingPoint(value) => Kind::Float(value.into_inner()),
                Scalar::String(text) => Kind::Text(text.to_string()),
            },
            YamlData::Representation(text, ..) => Kind::Text(text.to_string()),
            YamlData::Sequence(items) => {
                Kind::List(items.iter().map(|item| Self::convert(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(members) => {
                let mut entries = Vec::with_capacity(members.len());
                for (key, value) in members {
                    let key_line = key.span.start.line();
                    let key = Self::convert(key, depth + 1)?;
                    let Some(key) = key.text() else {
                        return Err((key_line, "a member's name must be text".to_owned()));
                    };
                    entries.push(Entry { key, line: key_line, value: Self::convert(value, depth + 1)? });
                }
                match entries.as_slice() {
                    [only] if long_form(&only.key).is_some() => {
                        let name = long_form(&only.key).unwrap_or_default().to_owned();
                        let argument = only.value.clone();
                        Kind::Call(name, Box::new(argument))
                    }
                    _ => Kind::Map(entries),
                }
            }
            YamlData::Tagged(tag, inner) => {
                let inner = Self::convert(inner, depth + 1)?;
                if tag.handle == "!" { Kind::Call(tag.suffix.clone(), Box::new(inner)) } else { inner.kind }
            }
            YamlData::Alias(_) | YamlData::BadValue => {
                return Err((line, "aliases are not understood; CloudFormation has none".to_owned()));
            }
        };
        Ok(Self { line, kind })
    }

    /// A scalar as CloudFormation would write it into a text.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Integer(value) => Some(value.to_string()),
            Kind::Float(value) => Some(value.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) | Kind::Call(..) => None,
        }
    }

    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::List(_)
            | Kind::Call(..) => None,
        }
    }

    pub(crate) fn items(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Text(_)
            | Kind::Map(_)
            | Kind::Call(..) => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// A resolved node as JSON.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Integer(value) => Value::from(*value),
            Kind::Float(value) => Value::from(*value),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
            ),
            // Resolving leaves no call behind.
            Kind::Null | Kind::Call(..) => Value::Null,
        }
    }

    /// SAM's merge of a section of `Globals` with a resource's own: maps member by member, lists one behind
    /// the other, and the resource's own of anything else.
    pub(crate) fn over(self, global: &Self) -> Self {
        let line = self.line;
        match (self.kind, &global.kind) {
            (Kind::Map(own), Kind::Map(globals)) => {
                let mut merged: Vec<Entry> = Vec::with_capacity(own.len() + globals.len());
                for entry in own {
                    let value = match global.get(&entry.key) {
                        Some(global) => entry.value.over(global),
                        None => entry.value,
                    };
                    merged.push(Entry { value, ..entry });
                }
                for entry in globals {
                    if !merged.iter().any(|own| own.key == entry.key) {
                        merged.push(entry.clone());
                    }
                }
                Self { line, kind: Kind::Map(merged) }
            }
            (Kind::List(own), Kind::List(globals)) => {
                Self { line, kind: Kind::List(globals.iter().cloned().chain(own).collect()) }
            }
            (kind, _) => Self { line, kind },
        }
    }
}

/// The name of an intrinsic that stands as the only member of a map.
fn long_form(key: &str) -> Option<&str> {
    key.strip_prefix("Fn::").or_else(|| matches!(key, "Ref" | "Condition").then_some(key))
}
