use std::collections::BTreeSet;

use dynoxide::Database;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use super::*;
use crate::iam::dynamodb::testing::{ask, asked, key, query};

const NAMES: [(&str, &str); 2] = [("#p", "tenant_id"), ("#s", "sk")];
const VALUES: [(&str, &str); 2] = [(":p", "acme"), (":s", "notes#1")];

fn leading(request: &Json) -> String {
    let calls = ask("Query", request).expect("one meaning");
    key(&calls[0], "dynamodb:LeadingKeys")
}

#[test]
fn an_equality_on_the_partition_key_is_found_in_every_spelling() {
    for expression in [
        "tenant_id = :p",
        "tenant_id=:p",
        "\n\ttenant_id\u{b}=\r\u{c}:p ",
        "#p = :p",
        ":p = tenant_id",
        ":p=#p",
        "(tenant_id = :p)",
        "(tenant_id = :p) AND (sk = :s)",
        "(tenant_id = :p AND sk = :s)",
        "((tenant_id = :p) and begins_with(sk, :s))",
        "begins_with ( #s , :s ) aNd #p = :p",
        "BEGINS_WITH(sk,:s)AND tenant_id=:p",
        "sk between :s and :s AND tenant_id = :p",
        "tenant_id = :p AND sk BETWEEN :s AND :s",
        ":s <= sk AND :p = tenant_id",
        "tenant_id = :p AND sk > :s",
    ] {
        assert_eq!(leading(&query(expression, &NAMES, &VALUES)), "acme", "{expression}");
    }
}

#[test]
fn a_name_may_stand_for_any_attribute() {
    let names = [("#a", "tenant_id"), ("#and", "sk"), ("#tenant_id", "a.b")];
    assert_eq!(leading(&query("#a = :p AND #and = :s", &names, &VALUES)), "acme");
    assert_eq!(leading(&query("#tenant_id = :p AND #and = :s", &names, &VALUES)), "?");
    assert_eq!(leading(&query("#missing = :p AND tenant_id = :p", &names, &VALUES)), "?");
}

#[test]
fn anything_but_one_equality_on_the_partition_key_is_unknown() {
    for expression in [
        "",
        " ",
        "sk = :s",
        "tenant_id",
        "tenant_id =",
        "tenant_id = acme",
        "tenant_id = sk",
        "tenant_id = :missing",
        "tenant_id = :p AND tenant_id = :s",
        "tenant_id = :p AND #p = :p",
        "tenant_id = :p AND :s = tenant_id",
        "tenant_id = :p OR tenant_id = :s",
        "tenant_id = :p OR sk = :s",
        "NOT tenant_id = :p",
        "NOT (tenant_id = :p)",
        "tenant_id <> :p",
        "tenant_id < :p",
        "tenant_id >= :p",
        ":p < tenant_id",
        "tenant_id BETWEEN :p AND :s",
        "tenant_id IN (:p)",
        "begins_with(tenant_id, :p)",
        "contains(tenant_id, :p)",
        "tenant_id = :p AND",
        "AND tenant_id = :p",
        "tenant_id = :p sk = :s",
        "tenant_id = :p, sk = :s",
        "(tenant_id = :p",
        "tenant_id = :p)",
        ")tenant_id = :p(",
        "tenant_id.a = :p",
        "a.tenant_id = :p",
        "tenant_id[0] = :p",
        ":p = tenant_id.a",
        ":p = tenant_id[0]",
        "tenant_id = = :p",
        "tenant_id = (:p)",
        "tenant_id = :p + :s",
        "Tenant_Id = :p",
        "tenant_id = :p -- AND tenant_id = :s",
        "tenant_id\u{a0}= :p",
        "tenant_id = 'acme'",
        "size(tenant_id) = :p",
    ] {
        assert_eq!(leading(&query(expression, &NAMES, &VALUES)), "?", "{expression}");
    }
    assert_eq!(leading(&query(&format!("tenant_id = :p{}", " ".repeat(5_000)), &NAMES, &VALUES)), "?");
}

#[test]
fn values_and_names_that_cannot_be_read_are_unknown() {
    let base = query("#p = :p", &NAMES, &VALUES);
    assert_eq!(leading(&base), "acme");
    for (member, value) in [
        ("KeyConditionExpression", json!(["#p = :p"])),
        ("KeyConditionExpression", json!(null)),
        ("ExpressionAttributeNames", json!(["tenant_id"])),
        ("ExpressionAttributeNames", json!({"#p": ["tenant_id"]})),
        ("ExpressionAttributeNames", json!({"#P": "tenant_id"})),
        ("ExpressionAttributeNames", json!(null)),
        ("ExpressionAttributeValues", json!(null)),
        ("ExpressionAttributeValues", json!([{"S": "acme"}])),
        ("ExpressionAttributeValues", json!({":p": "acme"})),
        ("ExpressionAttributeValues", json!({":p": {"S": "acme", "N": "1"}})),
        ("ExpressionAttributeValues", json!({":p": {"SS": ["acme"]}})),
        ("ExpressionAttributeValues", json!({"p": {"S": "acme"}})),
        ("KeyConditions", json!({})),
        ("QueryFilter", json!({})),
        ("AttributesToGet", json!(["tenant_id"])),
        ("ConditionalOperator", json!("AND")),
        ("TableName", json!("unknown")),
        ("TableName", json!(null)),
        ("TableName", json!(["records"])),
        ("IndexName", json!("unknown")),
        ("IndexName", json!(["by-time"])),
    ] {
        let mut request = base.clone();
        request[member] = value.clone();
        assert_eq!(leading(&request), "?", "{member}: {value}");
    }
}

#[test]
fn an_index_has_the_leading_key_of_its_own_partition_key() {
    let mut request = query("#p = :p", &[("#p", "owner")], &VALUES[..1]);
    assert_eq!(asked("Query", &request), ["Query records ?"]);
    request["IndexName"] = json!("by-owner");
    assert_eq!(asked("Query", &request), ["Query records/index/by-owner acme"]);
    request["IndexName"] = json!("by-time");
    assert_eq!(asked("Query", &request), ["Query records/index/by-time ?"]);
    let mut request = query("tenant_id = :p", &[], &VALUES[..1]);
    request["IndexName"] = json!("by-time");
    assert_eq!(asked("Query", &request), ["Query records/index/by-time acme"]);
    request["IndexName"] = json!("by-owner");
    assert_eq!(asked("Query", &request), ["Query records/index/by-owner ?"]);
}

#[test]
fn the_older_form_is_read_where_it_stands_alone() {
    let equal = |value: Json| json!({"ComparisonOperator": "EQ", "AttributeValueList": [value]});
    let request = |conditions: Json| json!({"TableName": "records", "KeyConditions": conditions});
    let acme = json!({"S": "acme"});
    let other = equal(json!({"S": "notes#1"}));
    let read = request(json!({"sk": other, "tenant_id": equal(acme.clone())}));
    assert_eq!(leading(&read), "acme");
    let mut filtered = read.clone();
    filtered["QueryFilter"] = json!({"status": equal(acme.clone())});
    filtered["ConditionalOperator"] = json!("OR");
    assert_eq!(leading(&filtered), "acme");
    for newer in ["FilterExpression", "ProjectionExpression", "KeyConditionExpression"] {
        let mut both = read.clone();
        both[newer] = json!("tenant_id = :p");
        assert_eq!(leading(&both), "?", "{newer}");
    }
    for conditions in [
        json!({}),
        json!([]),
        json!("tenant_id"),
        json!({"sk": equal(acme.clone())}),
        json!({"tenant_id": ["EQ", [acme]]}),
        json!({"tenant_id": {"ComparisonOperator": "EQ", "AttributeValueList": [acme, acme]}}),
        json!({"tenant_id": {"ComparisonOperator": "EQ", "AttributeValueList": []}}),
        json!({"tenant_id": {"ComparisonOperator": "EQ", "AttributeValueList": acme}}),
        json!({"tenant_id": {"ComparisonOperator": "eq", "AttributeValueList": [acme]}}),
        json!({"tenant_id": {"ComparisonOperator": "GE", "AttributeValueList": [acme]}}),
        json!({"tenant_id": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [acme]}}),
        json!({"tenant_id": {"ComparisonOperator": "IN", "AttributeValueList": [acme]}}),
        json!({"tenant_id": {"AttributeValueList": [acme]}}),
    ] {
        assert_eq!(leading(&request(conditions.clone())), "?", "{conditions}");
    }
}

/// A database with a table `records` as the tests' own, which holds items of two tenants that own each other's.
fn database() -> Database {
    let database = Database::memory().expect("a database");
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let create = json!({
        "TableName": "records",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": (["tenant_id", "sk", "owner"].map(attribute)),
        "KeySchema": [key("tenant_id", "HASH"), key("sk", "RANGE")],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-owner",
            "KeySchema": [key("owner", "HASH"), key("sk", "RANGE")],
            "Projection": {"ProjectionType": "ALL"},
        }],
    });
    database.create_table(serde_json::from_value(create).expect("a request")).expect("a table");
    for (tenant, owner) in [("acme", "globex"), ("globex", "acme")] {
        for sk in ["acme", "globex", "notes#1"] {
            let item = json!({"tenant_id": {"S": tenant}, "sk": {"S": sk}, "owner": {"S": owner}});
            let put = json!({"TableName": "records", "Item": item});
            database.put_item(serde_json::from_value(put).expect("a request")).expect("a write");
        }
    }
    database
}

/// The partitions that the database reads for a query, or `None` where it refuses the query.
fn read(database: &Database, request: &Json) -> Option<BTreeSet<String>> {
    let attribute = if request.get("IndexName").is_some() { "owner" } else { "tenant_id" };
    let answer = database.query(serde_json::from_str(&request.to_string()).ok()?).ok()?;
    let answer = serde_json::to_value(&answer).expect("JSON");
    let items = answer["Items"].as_array().cloned().unwrap_or_default();
    Some(items.iter().map(|item| item[attribute]["S"].as_str().expect("a string").to_owned()).collect())
}

/// A query with the names and values that its expression has, since the database refuses unused ones.
fn whole_query(expression: &str, index: bool) -> Json {
    let names = [("#p", "tenant_id"), ("#s", "sk"), ("#o", "owner")];
    let values = [(":a", "acme"), (":g", "globex"), (":n", "notes")];
    let used = |all: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
        all.iter().copied().filter(|(name, _)| expression.contains(name)).collect()
    };
    let mut request = query(expression, &used(&names), &used(&values));
    if index {
        request["IndexName"] = json!("by-owner");
    }
    request
}

/// A comparison of an attribute in one of its spellings.
fn comparison(
    names: &'static [&'static str],
    values: &'static [&'static str],
) -> impl Strategy<Value = Vec<&'static str>> {
    (select(names), select(values), any::<bool>()).prop_map(|(name, value, is_reversed)| {
        if is_reversed { vec![value, "=", name] } else { vec![name, "=", value] }
    })
}

fn sort_condition() -> impl Strategy<Value = Vec<&'static str>> {
    let name = select(vec!["sk", "#s"]);
    (name, select(vec!["=", "<", "<=", ">", ">=", "BETWEEN", "between", "begins_with"])).prop_map(
        |(name, operator)| match operator {
            "begins_with" => vec![operator, "(", name, ",", ":n", ")"],
            "BETWEEN" | "between" => {
                vec![name, operator, ":g", if operator == "between" { "and" } else { "AND" }, ":n"]
            }
            _ => vec![name, operator, ":n"],
        },
    )
}

/// The words of a key condition on a partition, with or without one on the sort key.
fn key_condition(
    names: &'static [&'static str],
    values: &'static [&'static str],
) -> impl Strategy<Value = Vec<&'static str>> {
    let and = select(vec!["AND", "and", "aNd"]);
    let parts = (comparison(names, values), prop::option::of(sort_condition()), and, any::<[bool; 4]>());
    parts.prop_map(|(partition, sort, and, [sort_first, wrap_partition, wrap_sort, wrap_all])| {
        let wrap = |words: Vec<&'static str>, is_wrapped: bool| {
            if is_wrapped { [vec!["("], words, vec![")"]].concat() } else { words }
        };
        let partition = wrap(partition, wrap_partition);
        let Some(sort) = sort.map(|sort| wrap(sort, wrap_sort)) else { return partition };
        let words = if sort_first {
            [sort, vec![and], partition].concat()
        } else {
            [partition, vec![and], sort].concat()
        };
        wrap(words, wrap_all)
    })
}

/// Writes words down, with white space where two of them would else become one.
fn spell(words: &[&str], spaces: &[&str]) -> String {
    let is_word = |text: &str, at_end: bool| {
        let c = if at_end { text.chars().next_back() } else { text.chars().next() };
        c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut text = String::new();
    for (position, word) in words.iter().enumerate() {
        let space = spaces[position % spaces.len()];
        let is_needed = is_word(&text, true) && is_word(word, false);
        text.push_str(if is_needed && space.is_empty() { " " } else { space });
        text.push_str(word);
    }
    text
}

fn spaces() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(vec!["", " ", "\t", "\n", "\r\n", "\u{b}", "  "]), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_spelling_of_a_key_condition_has_the_same_leading_key(
        words in key_condition(&["tenant_id", "#p"], &[":a"]),
        spaces in spaces(),
    ) {
        let expression = spell(&words, &spaces);
        prop_assert_eq!(leading(&whole_query(&expression, false)), "acme", "{}", expression);
    }

    #[test]
    fn a_mutated_key_condition_has_the_right_leading_key_or_an_unknown_one(
        words in key_condition(&["tenant_id", "#p", "owner", "#o"], &[":a", ":g"]),
        spaces in spaces(),
        changes in prop::collection::vec((0_u8..3, any::<Index>(), any::<Index>()), 0..4),
        is_index in any::<bool>(),
    ) {
        const WORDS: [&str; 26] = [
            "tenant_id", "sk", "owner", "#p", "#s", "#o", ":a", ":g", ":n", "=", "<", ">=", "<>", "AND", "OR", "NOT",
            "BETWEEN", "IN", "(", ")", ",", ".", "[0]", "begins_with", "-", "+",
        ];
        thread_local! {
            static DATABASE: Database = database();
        }
        let mut words = words;
        for (kind, at, other) in changes {
            let at = at.index(words.len() + 1);
            match kind {
                0 => words.insert(at, WORDS[other.index(WORDS.len())]),
                1 if at < words.len() && words.len() > 1 => {
                    let _removed = words.remove(at);
                }
                _ if at < words.len() => words[at] = WORDS[other.index(WORDS.len())],
                _ => words.extend_from_within(..),
            }
        }
        let expression = spell(&words, &spaces);
        let request = whole_query(&expression, is_index);
        let leading = leading(&request);
        // What the database executes is understood, and reads the one partition that is the leading key.
        if let Some(partitions) = DATABASE.with(|database| read(database, &request)) {
            prop_assert!(leading != "?", "{expression}");
            let is_read = partitions.iter().all(|partition| *partition == leading);
            prop_assert!(is_read, "{expression}: {partitions:?}");
        }
    }

    #[test]
    fn garbage_never_names_a_partition_that_the_request_does_not(expression in ".{0,60}") {
        let request = query(&expression, &NAMES, &VALUES);
        let leading = leading(&request);
        prop_assert!(leading == "?" || leading == "acme" || leading == "notes#1", "{leading}");
    }
}
