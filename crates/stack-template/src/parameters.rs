//! Parameters and their values.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;

use crate::node::{Kind, Node};
use crate::properties::{Notes, Properties};

/// The type of parameters whose text is a list, its items parted by commas.
const LIST: &str = "CommaDelimitedList";

/// The values of a file's parameters: those that are given, or else the defaults.
pub(crate) fn read(
    root: &Node,
    given: &BTreeMap<String, String>,
    notes: &Notes,
    known: &mut BTreeSet<String>,
) -> BTreeMap<String, Node> {
    let mut values = BTreeMap::new();
    for entry in root.get("Parameters").and_then(Node::entries).unwrap_or_default() {
        known.insert(entry.key.clone());
        let declared = Properties::of(notes, &entry.key, "a parameter", &entry.value);
        let given =
            given.get(&entry.key).map(|text| Node { line: entry.line, kind: Kind::Text(text.clone()) });
        let value = given.or_else(|| declared.get("Default").cloned());
        match &value {
            None => declared.refuse(entry.line, "a parameter without a default has to be given"),
            Some(value) => match value.text() {
                None => declared.refuse(value.line, "a parameter's value must be text"),
                Some(text) => check(&declared, &text, value.line),
            },
        }
        declared.pass(&["ConstraintDescription", "Default", "Description", "NoEcho", "Type"]);
        declared.pass(&["AllowedPattern", "AllowedValues", "MaxLength", "MaxValue", "MinLength", "MinValue"]);
        let is_list = declared.get("Type").and_then(Node::text).as_deref() == Some(LIST);
        declared.finish();
        // A parameter without a usable value still has its name: one finding for it is enough.
        let missing = || Node { line: entry.line, kind: Kind::Text(String::new()) };
        let value = value.unwrap_or_else(missing);
        values.insert(entry.key.clone(), if is_list { list(value) } else { value });
    }
    values
}

/// The items of a list's text, without the blanks around each.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

fn list(value: Node) -> Node {
    let line = value.line;
    match value.text() {
        Some(text) => {
            let items = items(&text).map(|item| Node { line, kind: Kind::Text(item.to_owned()) });
            Node { line, kind: Kind::List(items.collect()) }
        }
        None => value,
    }
}

/// Holds a value against what the parameter allows.
fn check(declared: &Properties<'_>, text: &str, line: usize) {
    let kind = declared.required("Type");
    match kind.as_str() {
        "String" => {
            let length = text.chars().count() as u64;
            if declared.number("MinLength", 0..=u64::MAX).is_some_and(|least| length < least)
                || declared.number("MaxLength", 0..=u64::MAX).is_some_and(|most| length > most)
            {
                declared.refuse(line, format!("{text} is outside MinLength and MaxLength"));
            }
        }
        "Number" => match text.parse::<f64>() {
            Err(_) => declared.refuse(line, format!("{text} is no number")),
            Ok(number) => {
                let bound = |name| declared.parse::<f64>(name, "a number");
                if bound("MinValue").is_some_and(|least| number < least)
                    || bound("MaxValue").is_some_and(|most| number > most)
                {
                    declared.refuse(line, format!("{text} is outside MinValue and MaxValue"));
                }
            }
        },
        LIST => {}
        kind => declared.refuse(line, format!("a parameter of the type {kind} is not understood")),
    }
    if kind == LIST {
        // CloudFormation holds each item against what is allowed.
        items(text).for_each(|item| check_allowed(declared, item, line));
    } else {
        check_allowed(declared, text, line);
    }
}

fn check_allowed(declared: &Properties<'_>, text: &str, line: usize) {
    let allowed = declared.list("AllowedValues");
    if !allowed.is_empty() && !allowed.iter().any(|value| value.text().as_deref() == Some(text)) {
        declared.refuse(line, format!("{text} is none of AllowedValues"));
    }
    if let Some(pattern) = declared.text("AllowedPattern") {
        // CloudFormation matches the whole value.
        match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(regex) if regex.is_match(text) => {}
            Ok(_) => declared.refuse(line, format!("{text} does not match {pattern}")),
            Err(_) => declared.refuse(line, format!("the pattern {pattern} is not understood")),
        }
    }
}
