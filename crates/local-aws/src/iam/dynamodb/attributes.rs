//! The attributes that a request names.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::expression::{Token, attribute, is_keyword, tokens};
use super::{Known, Object, member};
use crate::iam::Value;

/// The members whose own members are attributes.
const MAPS: [&str; 7] =
    ["Key", "Item", "Expected", "AttributeUpdates", "KeyConditions", "QueryFilter", "ScanFilter"];

/// The members that are expressions.
const EXPRESSIONS: [&str; 6] = [
    "ProjectionExpression",
    "ConditionExpression",
    "UpdateExpression",
    "KeyConditionExpression",
    "FilterExpression",
    "SearchConditionExpression",
];

/// The top-level attributes that one call names, or why they cannot be found out.
pub(super) struct Attributes(Known<BTreeSet<String>>);

impl Attributes {
    pub(super) fn new() -> Self {
        Self(Ok(BTreeSet::new()))
    }

    /// Gives up, for a reason.
    pub(super) fn unknown(&mut self, reason: &str) {
        if self.0.is_ok() {
            self.0 = Err(reason.to_owned());
        }
    }

    /// Adds the members of an item or a key.
    pub(super) fn members(&mut self, item: Option<&Json>) {
        let Some(Json::Object(item)) = item else { return self.unknown("an item or a key cannot be read") };
        if let Ok(names) = &mut self.0 {
            names.extend(item.keys().cloned());
        }
    }

    /// Adds what a request names, or one of the requests within a batch or transaction.
    pub(super) fn request(&mut self, request: &Object) {
        for map in MAPS.iter().filter_map(|name| member(request, name)) {
            self.members(Some(map));
        }
        if let Some(list) = member(request, "AttributesToGet") {
            self.list(list);
        }
        let names = member(request, "ExpressionAttributeNames");
        for expression in EXPRESSIONS.iter().filter_map(|name| member(request, name)) {
            self.expression(expression, names);
        }
    }

    fn list(&mut self, list: &Json) {
        let Json::Array(list) = list else { return self.unknown("AttributesToGet is no list") };
        for name in list {
            let Json::String(name) = name else { return self.unknown("AttributesToGet holds no names") };
            if let Ok(names) = &mut self.0 {
                names.insert(name.clone());
            }
        }
    }

    fn expression(&mut self, expression: &Json, names: Option<&Json>) {
        let Json::String(expression) = expression else { return self.unknown("an expression is no text") };
        let Ok(attributes) = &mut self.0 else { return };
        match named(expression, names) {
            Ok(found) => attributes.extend(found.into_iter().map(str::to_owned)),
            Err(reason) => self.0 = Err(reason),
        }
    }

    /// The condition key's value. A request that names no attribute has none.
    pub(super) fn into_value(self) -> Option<Value> {
        match self.0 {
            Ok(names) if names.is_empty() => None,
            Ok(names) => Some(Value::Many(names.into_iter().collect())),
            Err(reason) => Some(Value::Unknown(reason)),
        }
    }
}

/// The top-level attributes of an expression of any kind: all names but functions, keywords and what follows a
/// dot.
fn named<'a>(expression: &'a str, names: Option<&'a Json>) -> Known<Vec<&'a str>> {
    let tokens = tokens(expression)?;
    let mut found = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        let is_nested = position > 0 && tokens[position - 1] == Token::Sign(".");
        let is_function = tokens.get(position + 1) == Some(&Token::Sign("("));
        let is_attribute = match token {
            Token::Word(word) => !is_nested && !is_function && !is_keyword(word),
            Token::Name(_) => !is_nested,
            Token::Value(_) | Token::Number | Token::Sign(_) => false,
        };
        if is_attribute {
            found.push(attribute(*token, names)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attributes(request: &Json) -> String {
        let mut attributes = Attributes::new();
        attributes.request(request.as_object().expect("an object"));
        match attributes.into_value() {
            None => "absent".to_owned(),
            Some(Value::Many(names)) => names.join(","),
            Some(Value::Unknown(_)) => "?".to_owned(),
            Some(Value::One(name)) => panic!("one value: {name}"),
        }
    }

    #[test]
    fn all_top_level_attributes_of_a_request_are_named() {
        for (request, expected) in [
            (json!({}), "absent"),
            (json!({"Key": {"sk": {"S": "a"}, "tenant_id": {"S": "acme"}}}), "sk,tenant_id"),
            (json!({"Key": {"pk": {}}, "AttributesToGet": ["a.b", "c"]}), "a.b,c,pk"),
            (
                json!({"ProjectionExpression": "a.b[0].c, d , #e.#f", "ExpressionAttributeNames": {"#e": "e.x"}}),
                "a,d,e.x",
            ),
            (
                json!({"ConditionExpression": "attribute_exists(a) AND NOT (size(b.c) > :d OR begins_with (e, :f))"}),
                "a,b,e",
            ),
            (json!({"ConditionExpression": "a BETWEEN :b AND :c and d in (:e, f)"}), "a,d,f"),
            (
                json!({"UpdateExpression": "SET a = if_not_exists(b, :c) + d, e[1] = list_append(f, :g) REMOVE h.i ADD j :k DELETE l :m"}),
                "a,b,d,e,f,h,j,l",
            ),
            (json!({"FilterExpression": "set_of = :a", "KeyConditionExpression": "pk = :b"}), "pk,set_of"),
            (
                json!({"Expected": {"a": {}}, "AttributeUpdates": {"b": {}}, "QueryFilter": {"c": {}}}),
                "a,b,c",
            ),
            (json!({"Item": null, "ProjectionExpression": null, "AttributesToGet": null}), "absent"),
        ] {
            assert_eq!(attributes(&request), expected, "{request}");
        }
    }

    #[test]
    fn attributes_that_cannot_be_read_are_unknown() {
        for request in [
            json!({"Key": ["acme"]}),
            json!({"ProjectionExpression": ["a"]}),
            json!({"ProjectionExpression": "a, #b"}),
            json!({"ProjectionExpression": "a, #b", "ExpressionAttributeNames": {"#b": 1}}),
            json!({"ProjectionExpression": "a, ä"}),
            json!({"AttributesToGet": "a"}),
            json!({"AttributesToGet": ["a", 1]}),
            json!({"ConditionExpression": "a".repeat(5_000)}),
        ] {
            assert_eq!(attributes(&request), "?", "{request}");
        }
    }
}
