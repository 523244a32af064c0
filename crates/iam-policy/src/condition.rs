//! One condition: an operator, a key and the values to compare with.

use std::net::IpAddr;

use crate::arn::{Arn, ArnError, ArnPattern};
use crate::context::{Context, Lookup};
use crate::key::Key;
use crate::operator::{Operator, Quantity, Relation, Test};
use crate::pattern::{Case, Syntax, Template};
use crate::tri::{Doubt, Tri, any};
use crate::value::{Decimal, Network, flag, moment};

/// A condition, its values read at parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    operator_name: String,
    operator: Operator,
    key: Key,
    written: Vec<String>,
    comparison: Comparison,
}

/// The policy's side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Comparison {
    Text(Vec<Template>),
    TextIgnoringCase(Vec<Template>),
    Arn(Vec<ArnPattern>),
    Number(Relation, Vec<Decimal>),
    Moment(Relation, Vec<i128>),
    Flag(Vec<bool>),
    Address(Vec<Network>),
    Absence(Vec<bool>),
}

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConditionError {
    Operator,
    Key,
    Variable(String),
    Value { value: String, expected: &'static str },
}

impl Condition {
    pub(crate) fn read(
        operator_name: &str,
        key: &str,
        written: Vec<String>,
        variables: bool,
    ) -> Result<Self, ConditionError> {
        let operator = Operator::read(operator_name).ok_or(ConditionError::Operator)?;
        let key = Key::read(key).ok_or(ConditionError::Key)?;
        let comparison = Comparison::read(operator.test, &written, variables)?;
        Ok(Self { operator_name: operator_name.to_owned(), operator, key, written, comparison })
    }

    pub(crate) fn operator_name(&self) -> &str {
        &self.operator_name
    }

    pub(crate) fn key(&self) -> &str {
        self.key.written()
    }

    pub(crate) fn written(&self) -> &[String] {
        &self.written
    }

    /// Whether the condition holds for what is known of the request.
    pub(crate) fn holds(&self, context: &Context) -> Tri {
        let looked_up = context.look_up(&self.key);
        if let Comparison::Absence(wanted) = &self.comparison {
            return match looked_up {
                Lookup::Absent => wanted.contains(&true).into(),
                Lookup::One(_) | Lookup::Many(_) => wanted.contains(&false).into(),
                Lookup::Unknown(reason) => Tri::Unknown(reason),
            };
        }
        match looked_up {
            Lookup::Unknown(reason) => Tri::Unknown(reason),
            Lookup::Absent => self.without_value(context),
            Lookup::One(value) => self.one(value, context),
            Lookup::Many(values) => match (self.operator.quantity, values) {
                (Quantity::All, _) => {
                    values.iter().fold(Tri::Yes, |all, value| all.and(|| self.one(value, context)))
                }
                (Quantity::Any, _) => {
                    values.iter().fold(Tri::No, |any, value| any.or(|| self.one(value, context)))
                }
                (Quantity::One, [value]) => self.one(value, context),
                (Quantity::One, _) => Tri::Unknown(format!(
                    "{} (several values, compared without ForAllValues or ForAnyValue)",
                    self.key
                )),
            },
        }
    }

    fn without_value(&self, context: &Context) -> Tri {
        match self.operator.quantity {
            _ if self.operator.if_exists => Tri::Yes,
            Quantity::All => Tri::Yes,
            Quantity::One if self.operator.is_negated => {
                self.comparison.doubt(context).map_or(Tri::Yes, |doubt| Tri::Unknown(doubt.reason()))
            }
            Quantity::One | Quantity::Any => Tri::No,
        }
    }

    fn one(&self, value: &str, context: &Context) -> Tri {
        let compared = self.comparison.any(&self.key, value, context);
        if self.operator.is_negated { Tri::not(compared) } else { Tri::of(compared) }
    }
}

impl Comparison {
    fn read(test: Test, written: &[String], variables: bool) -> Result<Self, ConditionError> {
        let texts = |wildcards| {
            let syntax = Syntax { wildcards, variables };
            written
                .iter()
                .map(|text| Template::read(text, syntax).map_err(ConditionError::Variable))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match test {
            Test::Text => Self::Text(texts(false)?),
            Test::TextIgnoringCase => Self::TextIgnoringCase(texts(false)?),
            Test::TextPattern => Self::Text(texts(true)?),
            Test::Arn => Self::Arn(arns(written, variables)?),
            Test::Number(relation) => {
                Self::Number(relation, values(written, variables, "a number", Decimal::parse)?)
            }
            Test::Moment(relation) => Self::Moment(
                relation,
                values(written, variables, "a date (RFC 3339, or seconds since 1970)", moment)?,
            ),
            Test::Flag => Self::Flag(values(written, variables, "true or false", flag)?),
            Test::Address => {
                Self::Address(values(written, variables, "an IP address or a CIDR range", Network::parse)?)
            }
            Test::Absence => Self::Absence(values(written, variables, "true or false", flag)?),
        })
    }

    /// Whether the request's value compares to any of the policy's.
    fn any(&self, key: &Key, value: &str, context: &Context) -> Result<bool, Doubt> {
        let not = |kind: &str| Doubt::WrongKind(format!("{key} (its value is not {kind})"));
        match self {
            Self::Text(templates) => {
                any(templates.iter().map(|template| template.matches(context, value, Case::Matters)))
            }
            Self::TextIgnoringCase(templates) => {
                any(templates.iter().map(|template| ignoring_case(template, key, value, context)))
            }
            Self::Arn(patterns) => {
                let arn = Arn::read(value);
                if !arn.is_arn() {
                    return Err(not("an ARN"));
                }
                any(patterns.iter().map(|pattern| pattern.matches(context, arn)))
            }
            Self::Number(relation, numbers) => {
                let value = Decimal::parse(value).ok_or_else(|| not("a number"))?;
                Ok(numbers.iter().any(|number| relation.holds(&value, number)))
            }
            Self::Moment(relation, moments) => {
                let value = moment(value).ok_or_else(|| not("a date"))?;
                Ok(moments.iter().any(|moment| relation.holds(&value, moment)))
            }
            Self::Flag(flags) => Ok(flags.contains(&flag(value).ok_or_else(|| not("true or false"))?)),
            Self::Address(networks) => {
                let address: IpAddr = value.parse().map_err(|_| not("an IP address"))?;
                Ok(networks.iter().any(|network| network.holds(address)))
            }
            // A key with a value is not absent.
            Self::Absence(wanted) => Ok(wanted.contains(&false)),
        }
    }

    /// Why one of the values is not known, if one is not.
    fn doubt(&self, context: &Context) -> Option<Doubt> {
        match self {
            Self::Text(templates) | Self::TextIgnoringCase(templates) => {
                templates.iter().find_map(|template| template.doubt(context))
            }
            Self::Arn(patterns) => patterns.iter().find_map(|pattern| pattern.doubt(context)),
            Self::Number(..) | Self::Moment(..) | Self::Flag(_) | Self::Address(_) | Self::Absence(_) => None,
        }
    }
}

/// Compares without regard to the case of ASCII letters. Whether AWS folds others as well is not
/// documented, so a difference only in those is not known.
fn ignoring_case(template: &Template, key: &Key, value: &str, context: &Context) -> Result<bool, Doubt> {
    if template.matches(context, value, Case::Ignored)? {
        return Ok(true);
    }
    if value.is_ascii() || template.expand(context)?.to_lowercase() != value.to_lowercase() {
        return Ok(false);
    }
    Err(Doubt::Unknown(format!("{key} (it differs in the case of letters beyond ASCII)")))
}

fn arns(written: &[String], variables: bool) -> Result<Vec<ArnPattern>, ConditionError> {
    let read = |text: &String| {
        ArnPattern::read(text, variables).map_err(|error| match error {
            ArnError::Variable(reason) => ConditionError::Variable(reason),
            ArnError::Incomplete => {
                ConditionError::Value { value: text.clone(), expected: "an ARN of six segments, or *" }
            }
        })
    };
    written.iter().map(read).collect()
}

fn values<T>(
    written: &[String],
    variables: bool,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, ConditionError> {
    let read = |text: &String| {
        if variables && text.contains("${") {
            return Err(ConditionError::Variable(format!(
                "`{text}`: this operator takes no variables, only those for strings and ARNs do"
            )));
        }
        read(text).ok_or_else(|| ConditionError::Value { value: text.clone(), expected })
    };
    written.iter().map(read).collect()
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
