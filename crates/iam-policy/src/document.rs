//! Policy documents: reading and writing them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::arn::{ArnError, ArnPattern};
use crate::condition::{Condition, ConditionError};
use crate::error::{Place, PolicyError};
use crate::json;
use crate::pattern::{Syntax, Template};
use crate::principal::{KINDS, PrincipalPattern};
use crate::statement::{Effect, Patterns, Statement, Target};

/// Longest text of a document, in bytes. AWS's own bounds are lower: 10,240 characters for the policies of a
/// role together.
const MAX_BYTES: usize = 131_072;
/// Most statements of a document.
const MAX_STATEMENTS: usize = 200;
/// Most entries of a list or map within a statement.
const MAX_ENTRIES: usize = 1_000;

/// The kinds of policies, which differ in the elements they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A policy of a user, role or session: it names resources, and no principal.
    Identity,
    /// A role's trust policy: it names principals, and no resource.
    Trust,
}

/// A policy document, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    version: Option<Version>,
    id: Option<String>,
    statements: Vec<Statement>,
}

/// The versions of the language. A document without one is of the older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V2012,
    V2008,
}

impl Version {
    fn as_str(self) -> &'static str {
        match self {
            Self::V2012 => "2012-10-17",
            Self::V2008 => "2008-10-17",
        }
    }
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// What the language does not have, what is not supported, and what cannot be read is refused, never
    /// skipped.
    pub fn parse(document: &Value, kind: Kind) -> Result<Self, PolicyError> {
        let whole = |element: &str| Place { statement: None, element: element.to_owned() };
        let object = document
            .as_object()
            .ok_or_else(|| PolicyError::WrongType { at: whole(""), expected: "an object" })?;
        if let Some(element) =
            object.keys().find(|name| !["Version", "Id", "Statement"].contains(&name.as_str()))
        {
            return Err(PolicyError::UnknownElement { at: whole(""), element: element.clone() });
        }
        let version =
            match object.get("Version").map(|version| text(version, || whole("Version"))).transpose()? {
                None => None,
                Some("2012-10-17") => Some(Version::V2012),
                Some("2008-10-17") => Some(Version::V2008),
                Some(other) => return Err(PolicyError::UnknownVersion { version: other.to_owned() }),
            };
        let id = object.get("Id").map(|id| text(id, || whole("Id"))).transpose()?.map(str::to_owned);
        let statement = object
            .get("Statement")
            .ok_or_else(|| PolicyError::Missing { at: whole(""), element: "Statement" })?;
        let listed = entries(statement, MAX_STATEMENTS, || whole("Statement"))?;
        let variables = version == Some(Version::V2012);
        let mut sids = BTreeSet::new();
        let mut statements = Vec::with_capacity(listed.len());
        for (index, statement) in listed.iter().enumerate() {
            let statement = read_statement(statement, index + 1, kind, variables)?;
            let named = statement.sid.clone().filter(|sid| !sid.is_empty());
            if named.is_some_and(|sid| !sids.insert(sid)) {
                let at = Place { statement: Some(statement.name), element: "Sid".to_owned() };
                return Err(PolicyError::DuplicateSid { at });
            }
            statements.push(statement);
        }
        Ok(Self { version, id, statements })
    }

    /// Reads a document's text, of at most 131,072 bytes.
    ///
    /// # Errors
    ///
    /// As [`Policy::parse`], and for what is not JSON, too long, or names a member twice, at any depth.
    pub fn parse_text(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        if text.len() > MAX_BYTES {
            return Err(PolicyError::TooLong { bytes: text.len(), limit: MAX_BYTES });
        }
        let document = json::read(text).map_err(|error| PolicyError::NotJson(error.to_string()))?;
        Self::parse(&document, kind)
    }

    /// The document again. Parsing it gives an equal policy; lists of one value are written without brackets,
    /// numbers and booleans in conditions as strings.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        if let Some(version) = self.version {
            map.insert("Version".to_owned(), version.as_str().into());
        }
        if let Some(id) = &self.id {
            map.insert("Id".to_owned(), id.as_str().into());
        }
        let statements: Vec<Value> = self.statements.iter().map(Statement::to_json).collect();
        map.insert("Statement".to_owned(), statements.into());
        map.into()
    }

    /// Its statements, in the document's order.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

/// A statement that is being read.
struct Reader<'a> {
    object: &'a Map<String, Value>,
    name: String,
    variables: bool,
}

fn read_statement(
    value: &Value,
    number: usize,
    kind: Kind,
    variables: bool,
) -> Result<Statement, PolicyError> {
    let number = format!("#{number}");
    let object = value.as_object().ok_or_else(|| PolicyError::WrongType {
        at: Place { statement: Some(number.clone()), element: String::new() },
        expected: "an object",
    })?;
    let mut reader = Reader { object, name: number, variables };
    let sid = reader.sid()?;
    if let Some(sid) = sid.as_deref().filter(|sid| !sid.is_empty()) {
        sid.clone_into(&mut reader.name);
    }
    reader.check_elements()?;
    let effect = reader.effect()?;
    let actions = reader.actions()?;
    let target = match kind {
        Kind::Identity => reader.resources()?,
        Kind::Trust => reader.principals()?,
    };
    let conditions = reader.conditions()?;
    Ok(Statement { sid, name: reader.name, effect, actions, target, conditions })
}

impl Reader<'_> {
    fn at(&self, element: &str) -> Place {
        Place { statement: Some(self.name.clone()), element: element.to_owned() }
    }

    fn sid(&self) -> Result<Option<String>, PolicyError> {
        let Some(value) = self.object.get("Sid") else { return Ok(None) };
        let sid = text(value, || self.at("Sid"))?;
        if !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let expected = "of letters and digits";
            return Err(PolicyError::BadValue { at: self.at("Sid"), value: sid.to_owned(), expected });
        }
        Ok(Some(sid.to_owned()))
    }

    fn check_elements(&self) -> Result<(), PolicyError> {
        const KNOWN: [&str; 8] =
            ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"];
        for element in self.object.keys() {
            if element == "NotPrincipal" {
                return Err(PolicyError::Unsupported { at: self.at(""), element: "NotPrincipal" });
            }
            if !KNOWN.contains(&element.as_str()) {
                return Err(PolicyError::UnknownElement { at: self.at(""), element: element.clone() });
            }
        }
        Ok(())
    }

    fn effect(&self) -> Result<Effect, PolicyError> {
        let value = self.required("Effect", "Effect")?;
        match text(value, || self.at("Effect"))? {
            "Allow" => Ok(Effect::Allow),
            "Deny" => Ok(Effect::Deny),
            other => Err(PolicyError::BadValue {
                at: self.at("Effect"),
                value: other.to_owned(),
                expected: "Allow or Deny",
            }),
        }
    }

    fn actions(&self) -> Result<Patterns<Template>, PolicyError> {
        self.patterns(["Action", "NotAction"], "Action or NotAction", |at, text| {
            // Neither variables nor their syntax are part of an action.
            let syntax = Syntax { wildcards: true, variables: false };
            match Template::read(text, syntax) {
                Ok(template) if template.is_any() || is_action(text) => Ok(template),
                Ok(_) | Err(_) => Err(PolicyError::BadValue {
                    at,
                    value: text.to_owned(),
                    expected: "`*` or `service:action`, where only the action has wildcards",
                }),
            }
        })
    }

    fn resources(&self) -> Result<Target, PolicyError> {
        self.has_not("Principal", "an identity-based or session policy")?;
        self.patterns(["Resource", "NotResource"], "Resource or NotResource", |at, text| {
            ArnPattern::read(text, self.variables).map_err(|error| match error {
                ArnError::Variable(reason) => PolicyError::BadVariable { at, reason },
                ArnError::Incomplete => PolicyError::BadValue {
                    at,
                    value: text.to_owned(),
                    expected: "an ARN of six segments, nor `*`",
                },
            })
        })
        .map(Target::Resources)
    }

    fn principals(&self) -> Result<Target, PolicyError> {
        self.has_not("Resource", "a trust policy")?;
        self.has_not("NotResource", "a trust policy")?;
        let value = self.required("Principal", "Principal")?;
        let place = || self.at("Principal");
        if value.as_str() == Some("*") {
            let everyone = ("AWS".to_owned(), "*".to_owned(), PrincipalPattern::Everyone);
            return Ok(Target::Principals(vec![everyone]));
        }
        let expected = "\"*\" or an object";
        let kinds = value.as_object().ok_or_else(|| PolicyError::WrongType { at: place(), expected })?;
        // In the order of the kinds, so that the order in a document makes no difference.
        if let Some(element) = kinds.keys().find(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(PolicyError::UnknownElement { at: place(), element: element.clone() });
        }
        let mut principals = Vec::new();
        for kind in KINDS {
            let Some(value) = kinds.get(kind) else { continue };
            let place = || self.at(&format!("Principal.{kind}"));
            for value in entries(value, MAX_ENTRIES, place)? {
                let written = text(value, place)?;
                let pattern = PrincipalPattern::read(kind, written).map_err(|expected| {
                    PolicyError::BadValue { at: place(), value: written.to_owned(), expected }
                })?;
                principals.push((kind.to_owned(), written.to_owned(), pattern));
            }
        }
        if principals.is_empty() {
            return Err(PolicyError::Empty { at: place() });
        }
        Ok(Target::Principals(principals))
    }

    fn conditions(&self) -> Result<Vec<Condition>, PolicyError> {
        let Some(block) = self.object.get("Condition") else { return Ok(Vec::new()) };
        let mut conditions = Vec::new();
        for (operator, keys) in object(block, || self.at("Condition"))? {
            let place = || self.at(&format!("Condition.{operator}"));
            let keys = object(keys, place)?;
            if keys.is_empty() {
                return Err(PolicyError::Empty { at: place() });
            }
            for (key, values) in keys {
                let place = || self.at(&format!("Condition.{operator}.{key}"));
                let written = entries(values, MAX_ENTRIES, place)?.iter().map(|value| scalar(value, place));
                let written = written.collect::<Result<_, _>>()?;
                let condition = Condition::read(operator, key, written, self.variables)
                    .map_err(|error| condition_error(error, place(), operator, key))?;
                conditions.push(condition);
            }
        }
        conditions.sort_by(|a, b| (a.operator_name(), a.key()).cmp(&(b.operator_name(), b.key())));
        Ok(conditions)
    }

    /// Reads the patterns of an element or of its negation, of which one must be there.
    fn patterns<T>(
        &self,
        [plain, negated]: [&'static str; 2],
        either: &'static str,
        read: impl Fn(Place, &str) -> Result<T, PolicyError>,
    ) -> Result<Patterns<T>, PolicyError> {
        let (element, value) = match (self.object.get(plain), self.object.get(negated)) {
            (Some(_), Some(_)) => {
                return Err(PolicyError::Conflict { at: self.at(""), one: plain, other: negated });
            }
            (Some(value), None) => (plain, value),
            (None, Some(value)) => (negated, value),
            (None, None) => return Err(PolicyError::Missing { at: self.at(""), element: either }),
        };
        let mut patterns = Patterns { is_negated: element == negated, written: Vec::new(), read: Vec::new() };
        for value in entries(value, MAX_ENTRIES, || self.at(element))? {
            let written = text(value, || self.at(element))?;
            patterns.read.push(read(self.at(element), written)?);
            patterns.written.push(written.to_owned());
        }
        Ok(patterns)
    }

    fn required(&self, element: &str, missing: &'static str) -> Result<&Value, PolicyError> {
        self.object.get(element).ok_or_else(|| PolicyError::Missing { at: self.at(""), element: missing })
    }

    fn has_not(&self, element: &'static str, kind: &'static str) -> Result<(), PolicyError> {
        if self.object.contains_key(element) {
            return Err(PolicyError::Misplaced { at: self.at(""), element, kind });
        }
        Ok(())
    }
}

fn condition_error(error: ConditionError, at: Place, operator: &str, key: &str) -> PolicyError {
    match error {
        ConditionError::Operator => PolicyError::UnknownOperator { at, operator: operator.to_owned() },
        ConditionError::Key => {
            PolicyError::BadValue { at, value: key.to_owned(), expected: "a condition key" }
        }
        ConditionError::Variable(reason) => PolicyError::BadVariable { at, reason },
        ConditionError::Value { value, expected } => PolicyError::BadValue { at, value, expected },
    }
}

fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, action)| {
        !service.is_empty()
            && !action.is_empty()
            && service.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && action.bytes().all(|b| b.is_ascii_alphanumeric() || b"*?-_".contains(&b))
    })
}

/// The entries of a list, or the one value that stands in its place.
fn entries(value: &Value, limit: usize, at: impl Fn() -> Place) -> Result<&[Value], PolicyError> {
    let listed = match value {
        Value::Array(values) => values.as_slice(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(value)
        }
    };
    if listed.is_empty() {
        return Err(PolicyError::Empty { at: at() });
    }
    if listed.len() > limit {
        return Err(PolicyError::TooMany { at: at(), count: listed.len(), limit });
    }
    Ok(listed)
}

fn object(value: &Value, at: impl Fn() -> Place) -> Result<&Map<String, Value>, PolicyError> {
    let map = value.as_object().ok_or_else(|| PolicyError::WrongType { at: at(), expected: "an object" })?;
    if map.len() > MAX_ENTRIES {
        return Err(PolicyError::TooMany { at: at(), count: map.len(), limit: MAX_ENTRIES });
    }
    Ok(map)
}

fn text(value: &Value, at: impl Fn() -> Place) -> Result<&str, PolicyError> {
    value.as_str().ok_or_else(|| PolicyError::WrongType { at: at(), expected: "a string" })
}

/// A value of a condition, which may be written as a number or boolean.
fn scalar(value: &Value, at: impl Fn() -> Place) -> Result<String, PolicyError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(PolicyError::WrongType { at: at(), expected: "strings, numbers or booleans" })
        }
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
