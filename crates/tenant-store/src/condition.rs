//! Preconditions as condition expressions.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::Precondition;
use crate::form::Form;
use crate::item::{Item, to_stored};

/// Holds for an item whose version is one, or that has none.
const HAS_GOOD_VERSION: &str =
    "(attribute_not_exists(#version) OR (attribute_type(#version, :number) AND #version >= :zero))";

/// A condition expression with the names and values that it uses; DynamoDB refuses unused ones.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: HashMap<String, AttributeValue>,
}

impl Condition {
    /// For a write that creates or replaces.
    pub(crate) fn to_put(form: &Form, precondition: &Precondition) -> Self {
        match precondition {
            Precondition::Absent => Self::no_item(form),
            Precondition::Exists | Precondition::VersionIn(_) => Self::to_change(form, precondition),
            Precondition::None | Precondition::VersionNotIn(_) => {
                let mut condition = Self::to_change(form, precondition);
                condition.expression = format!("attribute_not_exists(#sk) OR ({})", condition.expression);
                condition.names.insert("#sk".to_owned(), form.sort_key.to_owned());
                condition
            }
        }
    }

    /// For a write that needs an item of the form: it is there, and as the precondition requires.
    pub(crate) fn to_change(form: &Form, precondition: &Precondition) -> Self {
        let mut condition = Self::of_the_form(form);
        match precondition {
            Precondition::None | Precondition::Exists => {}
            // Either is at odds with an item that is there, and no version is below zero.
            Precondition::Absent => condition.expression.push_str(" AND #version < :zero"),
            Precondition::VersionIn(versions) if versions.is_empty() => {
                condition.expression.push_str(" AND #version < :zero");
            }
            Precondition::VersionIn(versions) => {
                let list = condition.list(versions);
                // A missing version counts as 0.
                let missing = if versions.contains(&0) { " OR attribute_not_exists(#version)" } else { "" };
                condition.expression =
                    format!("{} AND (#version IN ({list}){missing})", condition.expression);
            }
            Precondition::VersionNotIn(versions) if versions.is_empty() => {}
            Precondition::VersionNotIn(versions) => {
                let list = condition.list(versions);
                let missing = if versions.contains(&0) { " AND attribute_exists(#version)" } else { "" };
                condition.expression =
                    format!("{} AND NOT (#version IN ({list})){missing}", condition.expression);
            }
        }
        condition
    }

    /// For a write to an empty place.
    pub(crate) fn no_item(form: &Form) -> Self {
        Self {
            expression: "attribute_not_exists(#sk)".to_owned(),
            names: HashMap::from([("#sk".to_owned(), form.sort_key.to_owned())]),
            values: HashMap::new(),
        }
    }

    /// For a write over an item, whatever it is.
    pub(crate) fn any_item(form: &Form) -> Self {
        Self { expression: "attribute_exists(#sk)".to_owned(), ..Self::no_item(form) }
    }

    /// For a write over an item that was read, as long as nobody has written since.
    pub(crate) fn seen(form: &Form, item: &Item) -> Self {
        let mut condition = Self::any_item(form);
        for name in ["version", "updated_at"] {
            condition.names.insert(format!("#{name}"), name.to_owned());
            let is_same = match item.get(name) {
                Some(value) => {
                    condition.values.insert(format!(":{name}"), value.clone());
                    format!(" AND #{name} = :{name}")
                }
                None => format!(" AND attribute_not_exists(#{name})"),
            };
            condition.expression.push_str(&is_same);
        }
        condition
    }

    /// Holds for an item of the form, as far as a condition can tell.
    fn of_the_form(form: &Form) -> Self {
        let mut names = HashMap::from([
            ("#content".to_owned(), form.content.to_owned()),
            ("#version".to_owned(), "version".to_owned()),
        ]);
        let mut values = HashMap::from([
            (":number".to_owned(), AttributeValue::S("N".to_owned())),
            (":string".to_owned(), AttributeValue::S("S".to_owned())),
            (":zero".to_owned(), AttributeValue::N("0".to_owned())),
        ]);
        let mut types = Vec::new();
        for (index, type_name) in form.content_types().iter().enumerate() {
            types.push(format!("attribute_type(#content, :type{index})"));
            values.insert(format!(":type{index}"), AttributeValue::S((*type_name).to_owned()));
        }
        let mut expression = format!("({}) AND {HAS_GOOD_VERSION}", types.join(" OR "));
        for time in form.times() {
            names.insert(format!("#{time}"), (*time).to_owned());
            // Writing to a string cannot fail.
            let _ = write!(
                expression,
                " AND (attribute_not_exists(#{time}) OR attribute_type(#{time}, :string))"
            );
        }
        Self { expression, names, values }
    }

    fn list(&mut self, versions: &[u64]) -> String {
        let mut names = Vec::with_capacity(versions.len());
        for (index, version) in versions.iter().enumerate() {
            let name = format!(":v{index}");
            self.values.insert(name.clone(), AttributeValue::N(version.to_string()));
            names.push(name);
        }
        names.join(", ")
    }
}

/// What stands in the place where a condition did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Present {
    Nothing,
    /// An item that is not of the form and counts as none.
    Odd,
    OfTheForm,
}

impl Present {
    /// Judges the item that DynamoDB returns with the failed condition.
    pub(crate) fn of(form: &Form, item: Option<&Item>) -> Self {
        match item {
            None => Self::Nothing,
            Some(item) if to_stored(form, item.clone()).is_some() => Self::OfTheForm,
            Some(_) => Self::Odd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::{CHECKPOINTS, RECORDS};

    /// DynamoDB's longest condition expression in bytes.
    const MAX_EXPRESSION: usize = 4 * 1024;

    #[test]
    fn every_name_and_value_is_used_and_every_one_used_is_given() {
        let versions: Vec<u64> = (0..20).collect();
        for form in [&RECORDS, &CHECKPOINTS] {
            for precondition in [
                Precondition::None,
                Precondition::Exists,
                Precondition::Absent,
                Precondition::VersionIn(vec![]),
                Precondition::VersionIn(versions.clone()),
                Precondition::VersionNotIn(vec![]),
                Precondition::VersionNotIn(versions.clone()),
            ] {
                for condition in
                    [Condition::to_put(form, &precondition), Condition::to_change(form, &precondition)]
                {
                    let text = &condition.expression;
                    let used = |sign: char| {
                        let mut used: Vec<_> = text
                            .match_indices(sign)
                            .map(|(at, _)| {
                                let rest = &text[at + 1..];
                                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                                format!("{sign}{}", &rest[..end.unwrap_or(rest.len())])
                            })
                            .collect();
                        used.sort();
                        used.dedup();
                        used
                    };
                    let mut names: Vec<_> = condition.names.keys().cloned().collect();
                    let mut values: Vec<_> = condition.values.keys().cloned().collect();
                    names.sort();
                    values.sort();
                    assert_eq!((used('#'), used(':')), (names, values), "{text}");
                    assert!(text.len() <= MAX_EXPRESSION, "{text}");
                }
            }
        }
    }
}
