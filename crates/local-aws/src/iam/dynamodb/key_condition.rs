//! The partition that a query reads.

use serde_json::Value as Json;

use super::expression::{Token, attribute, tokens};
use super::leading_keys::key_text;
use super::{Known, Object, member};

/// A query's members of the older form. The database refuses them beside those of the newer one.
const LEGACY: [&str; 4] = ["KeyConditions", "AttributesToGet", "QueryFilter", "ConditionalOperator"];
const NEWER: [&str; 3] = ["KeyConditionExpression", "FilterExpression", "ProjectionExpression"];

/// The value that a query compares the partition key with.
///
/// Both forms of a key condition say that all their comparisons hold. So one equality of the partition key
/// decides the partition, whatever the other comparisons are about, and a second comparison of the partition key
/// could only narrow the result; it is unknown all the same, since the database refuses it.
pub(super) fn queried_partition(request: &Object, partition: &str) -> Known<String> {
    let has_any = |names: &[&str]| names.iter().any(|name| member(request, name).is_some());
    if has_any(&LEGACY) && has_any(&NEWER) {
        return Err("the query has members of both the older and the newer form".to_owned());
    }
    match member(request, "KeyConditionExpression") {
        Some(Json::String(expression)) => {
            let names = member(request, "ExpressionAttributeNames");
            let value = compared_value(expression, names, partition)?;
            let values = member(request, "ExpressionAttributeValues");
            let value = values.and_then(|values| values.get(value));
            key_text(value.ok_or("the partition key's value does not stand in ExpressionAttributeValues")?)
        }
        Some(_) => Err("KeyConditionExpression is no text".to_owned()),
        None => legacy_partition(member(request, "KeyConditions"), partition),
    }
}

/// The value in `KeyConditions`, the older form.
fn legacy_partition(conditions: Option<&Json>, partition: &str) -> Known<String> {
    let conditions = conditions.ok_or("the query has no key condition")?;
    let Some(Json::Object(condition)) = conditions.get(partition) else {
        return Err(format!("no key condition on {partition} can be read"));
    };
    let (Some(Json::String(operator)), Some(Json::Array(values))) =
        (condition.get("ComparisonOperator"), condition.get("AttributeValueList"))
    else {
        return Err(format!("the key condition on {partition} cannot be read"));
    };
    match (operator.as_str(), values.as_slice()) {
        ("EQ", [value]) => key_text(value),
        _ => Err(format!("the key condition on {partition} is no equality")),
    }
}

/// The name, with its `:`, of the value that an expression compares the partition key with.
fn compared_value<'a>(expression: &'a str, names: Option<&'a Json>, partition: &str) -> Known<&'a str> {
    let tokens = tokens(expression)?;
    let mut rest = tokens.as_slice();
    let mut depth = 0_usize;
    let mut found = None;
    loop {
        while let [Token::Sign("("), tail @ ..] = rest {
            depth += 1;
            rest = tail;
        }
        let (condition, tail) = Condition::read(rest).ok_or("the key condition cannot be read")?;
        rest = tail;
        if attribute(condition.attribute, names)? == partition {
            if found.is_some() {
                return Err(format!("the key condition has two conditions on {partition}"));
            }
            found = Some(
                condition
                    .equal_to
                    .ok_or_else(|| format!("the key condition on {partition} is no equality"))?,
            );
        }
        while let [Token::Sign(")"), tail @ ..] = rest {
            depth = depth.checked_sub(1).ok_or("the key condition closes what it has not opened")?;
            rest = tail;
        }
        match rest {
            [] if depth == 0 => break,
            [Token::Word(and), tail @ ..] if and.eq_ignore_ascii_case("AND") => rest = tail,
            _ => return Err("the key condition cannot be read".to_owned()),
        }
    }
    found.ok_or_else(|| format!("the key condition has no condition on {partition}"))
}

/// One comparison of an attribute with values.
struct Condition<'a> {
    attribute: Token<'a>,
    /// The value's name, where the comparison is an equality.
    equal_to: Option<&'a str>,
}

impl<'a> Condition<'a> {
    /// Reads the comparison at the start of the tokens, and gives those after it.
    ///
    /// A path, such as `a.b` or `a[0]`, is none: its second token is no operator here, or stands where an `AND`
    /// should.
    fn read<'t>(tokens: &'t [Token<'a>]) -> Option<(Self, &'t [Token<'a>])> {
        let (attribute, equal_to, tail) = match tokens {
            [
                Token::Word(function),
                Token::Sign("("),
                attribute,
                Token::Sign(","),
                Token::Value(_),
                Token::Sign(")"),
                tail @ ..,
            ] if function.eq_ignore_ascii_case("begins_with") => (attribute, None, tail),
            [Token::Value(value), Token::Sign(operator), attribute, tail @ ..]
            | [attribute, Token::Sign(operator), Token::Value(value), tail @ ..]
                if is_comparison(operator) =>
            {
                (attribute, (*operator == "=").then_some(*value), tail)
            }
            [
                attribute,
                Token::Word(between),
                Token::Value(_),
                Token::Word(and),
                Token::Value(_),
                tail @ ..,
            ] if between.eq_ignore_ascii_case("BETWEEN") && and.eq_ignore_ascii_case("AND") => {
                (attribute, None, tail)
            }
            _ => return None,
        };
        Some((Self { attribute: *attribute, equal_to }, tail))
    }
}

fn is_comparison(sign: &str) -> bool {
    matches!(sign, "=" | "<" | "<=" | ">" | ">=")
}

#[cfg(test)]
#[path = "key_condition_tests.rs"]
mod tests;
