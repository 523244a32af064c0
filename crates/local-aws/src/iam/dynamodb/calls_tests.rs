use serde_json::json;

use super::*;
use crate::iam::dynamodb::testing::{PLACE, TABLES, Tables, ask, asked, key};

const ACME: &str = "acme";

fn text(value: &str) -> Json {
    json!({"S": value})
}

/// A key of `records`.
fn record(tenant: &str) -> Json {
    json!({"tenant_id": text(tenant), "sk": text("notes#1")})
}

/// The one call of a request, with all its condition keys but the leading one.
fn only_keys(operation: &str, body: &Json) -> Vec<(&'static str, String)> {
    let calls = ask(operation, body).expect("one meaning");
    let [call] = calls.as_slice() else { panic!("{operation} {body} has {} calls", calls.len()) };
    let names = call.keys.iter().map(|(name, _)| *name).filter(|name| *name != "dynamodb:LeadingKeys");
    names.map(|name| (name, key(call, name))).collect()
}

#[test]
fn an_operation_on_one_item_has_the_leading_key_of_the_item() {
    for (operation, member) in
        [("GetItem", "Key"), ("DeleteItem", "Key"), ("UpdateItem", "Key"), ("PutItem", "Item")]
    {
        let leading = |table: &str, item: Json| asked(operation, &json!({"TableName": table, member: item}));
        let shown = |table: &str, leading: &str| vec![format!("{operation} {table} {leading}")];
        assert_eq!(leading("records", record(ACME)), shown("records", ACME));
        assert_eq!(leading("readings", json!({"number": {"N": "12"}})), shown("readings", "12"));
        assert_eq!(leading("readings", json!({"number": {"N": "12.0"}})), shown("readings", "?"));
        assert_eq!(leading("readings", record(ACME)), shown("readings", "?"));
        assert_eq!(leading("unknown", record(ACME)), shown("unknown", "?"));
        for item in [json!(null), json!([]), json!({}), json!("acme"), json!({"sk": text(ACME)})] {
            assert_eq!(leading("records", item), shown("records", "?"));
        }
        let two_types = json!({"tenant_id": {"S": ACME, "N": "1"}, "sk": text("a")});
        assert_eq!(leading("records", two_types), shown("records", "?"));
        for table in ["", "*", "records/index/by-owner", "re*"] {
            assert_eq!(leading(table, record(ACME)), shown("*", "?"));
        }
        assert_eq!(leading(&format!("{TABLES}records"), record(ACME)), shown("records", ACME));
        let database = "arn:aws:dynamodb:dynoxide:000000000000:table/records";
        assert_eq!(leading(database, record(ACME)), shown("records", ACME));
        let foreign = "arn:aws:dynamodb:eu-central-1:999999999999:table/records";
        assert_eq!(leading(foreign, record(ACME)), shown(foreign, "?"));
        for table in [json!(null), json!(1), json!(["records"])] {
            let request = json!({"TableName": table, member: record(ACME)});
            assert_eq!(asked(operation, &request), shown("*", "?"));
        }
        assert_eq!(asked(operation, &json!({})), shown("*", "?"));
    }
}

#[test]
fn an_item_is_taken_from_the_member_that_the_operation_has() {
    let both = json!({"TableName": "records", "Key": record("globex"), "Item": record(ACME)});
    assert_eq!(asked("PutItem", &both), ["PutItem records acme"]);
    assert_eq!(asked("GetItem", &both), ["GetItem records globex"]);
}

#[test]
fn a_batch_has_the_leading_keys_of_all_its_items_by_table() {
    let reads = json!({"RequestItems": {
        "readings": {"Keys": [{"number": {"N": "7"}}]},
        "records": {"Keys": [record("globex"), record(ACME), record("globex")]},
    }});
    assert_eq!(
        asked("BatchGetItem", &reads),
        ["BatchGetItem readings 7", "BatchGetItem records globex,acme"]
    );
    let writes = json!({"RequestItems": {
        "readings": [{"DeleteRequest": {"Key": {"number": {"N": "7"}}}}],
        "records": [{"PutRequest": {"Item": record(ACME)}}, {"DeleteRequest": {"Key": record("globex")}}],
    }});
    assert_eq!(
        asked("BatchWriteItem", &writes),
        ["BatchWriteItem readings 7", "BatchWriteItem records acme,globex"]
    );
    let both = json!({"PutRequest": {"Item": record(ACME)}, "DeleteRequest": {"Key": record("globex")}});
    let writes = json!({"RequestItems": {"records": [both]}});
    assert_eq!(asked("BatchWriteItem", &writes), ["BatchWriteItem records acme,globex"]);
}

#[test]
fn a_batch_with_a_part_that_cannot_be_read_has_unknown_leading_keys() {
    let acme = record(ACME);
    for entry in [
        json!(null),
        json!({}),
        json!([[acme]]),
        json!({"Keys": null}),
        json!({"Keys": []}),
        json!({"Keys": acme}),
        json!({"Keys": [acme, [acme]]}),
        json!({"Keys": [acme, {"sk": text("a")}]}),
    ] {
        let request = json!({"RequestItems": {"records": entry}});
        assert_eq!(asked("BatchGetItem", &request), ["BatchGetItem records ?"], "{request}");
    }
    let put = json!({"PutRequest": {"Item": acme}});
    for entry in [
        json!(null),
        json!([]),
        json!({}),
        json!([put, {}]),
        json!([put, {"PutRequest": null}]),
        json!([put, {"PutRequest": [acme]}]),
        json!([put, {"PutRequest": {"Key": acme}}]),
        json!([put, {"DeleteRequest": {"Item": acme}}]),
        json!([put, [{"Item": acme}]]),
        json!([put, {"UpdateRequest": {"Key": acme}}]),
    ] {
        let request = json!({"RequestItems": {"records": entry}});
        assert_eq!(asked("BatchWriteItem", &request), ["BatchWriteItem records ?"], "{request}");
    }
}

#[test]
fn a_transaction_asks_for_the_actions_of_its_items() {
    let on = |table: &str, member: &str, item: Json| json!({"TableName": table, member: item});
    let reads = json!({"TransactItems": [
        {"Get": on("records", "Key", record(ACME))},
        {"Get": on("readings", "Key", json!({"number": {"N": "7"}}))},
        {"Get": on("records", "Key", record("globex"))},
    ]});
    assert_eq!(asked("TransactGetItems", &reads), ["GetItem records acme,globex", "GetItem readings 7"]);
    let writes = json!({"TransactItems": [
        {"Put": on("records", "Item", record(ACME))},
        {"Update": on("records", "Key", record(ACME))},
        {"Delete": on("readings", "Key", json!({"number": {"N": "7"}}))},
        {"ConditionCheck": on("records", "Key", record("globex"))},
        {"Put": on("records", "Item", record("initech")), "Update": null},
    ]});
    assert_eq!(
        asked("TransactWriteItems", &writes),
        [
            "PutItem records acme,initech",
            "UpdateItem records acme",
            "DeleteItem readings 7",
            "ConditionCheckItem records globex",
        ]
    );
    let both = json!({"TransactItems": [{
        "Put": on("records", "Item", record(ACME)),
        "Delete": on("records", "Key", record("globex")),
    }]});
    assert_eq!(asked("TransactWriteItems", &both), ["PutItem records acme", "DeleteItem records globex"]);
}

#[test]
fn what_cannot_be_read_of_a_transaction_needs_an_action_of_its_own() {
    let get = json!({"Get": {"TableName": "records", "Key": record(ACME)}});
    for part in [
        json!(null),
        json!({}),
        json!([{"TableName": "records", "Key": record("globex")}]),
        json!({"Get": ["records", record("globex")]}),
        json!({"Get": "records"}),
        json!({"Put": {"TableName": "records", "Item": record("globex")}}),
    ] {
        let request = json!({"TransactItems": [get, part]});
        let expected = ["GetItem records acme", "TransactGetItems * ?"];
        assert_eq!(asked("TransactGetItems", &request), expected, "{request}");
    }
    let keyless = json!({"TransactItems": [get, {"Get": {"TableName": "records"}}]});
    assert_eq!(asked("TransactGetItems", &keyless), ["GetItem records ?"]);
    let nameless = json!({"TransactItems": [get, {"Get": {"Key": record(ACME)}}]});
    assert_eq!(asked("TransactGetItems", &nameless), ["GetItem records acme", "GetItem * ?"]);
}

#[test]
fn a_request_without_anything_to_judge_is_judged_as_itself_on_everything() {
    let many: Object = (0..=MAX_PARTS).map(|table| (format!("table-{table}"), json!({"Keys": []}))).collect();
    for (operation, body) in [
        ("BatchGetItem", json!({})),
        ("BatchGetItem", json!({"RequestItems": {}})),
        ("BatchGetItem", json!({"RequestItems": [["records"]]})),
        ("BatchGetItem", json!({"RequestItems": many})),
        ("BatchWriteItem", json!({"RequestItems": null})),
        ("TransactGetItems", json!({})),
        ("TransactGetItems", json!({"TransactItems": []})),
        ("TransactWriteItems", json!({"TransactItems": {}})),
        ("TransactWriteItems", json!({"TransactItems": vec![json!({}); MAX_PARTS + 1]})),
        ("ExecuteStatement", json!({})),
        ("ExecuteStatement", json!({"Statement": "FROM \"records\" SET a = 1"})),
        ("BatchExecuteStatement", json!({"Statements": []})),
        ("ExecuteTransaction", json!({"TransactStatements": [["SELECT * FROM records"]]})),
    ] {
        assert_eq!(asked(operation, &body), [format!("{operation} * ?")], "{body}");
    }
}

#[test]
fn a_scan_has_no_leading_key_and_a_vector_search_an_unknown_one() {
    let table = json!({"TableName": "records", "KeyConditionExpression": "tenant_id = :p"});
    assert_eq!(asked("Scan", &table), ["Scan records -"]);
    let index = json!({"TableName": "records", "IndexName": "by-owner"});
    assert_eq!(asked("Scan", &index), ["Scan records/index/by-owner -"]);
    assert_eq!(asked("SearchVectors", &index), ["SearchVectors records/index/by-owner ?"]);
    for name in [json!(""), json!("a/b"), json!("*"), json!(1)] {
        let request = json!({"TableName": "records", "IndexName": name});
        assert_eq!(asked("Scan", &request), ["Scan * -"], "{request}");
    }
}

#[test]
fn partiql_asks_for_the_actions_of_its_statements() {
    let one = json!({"Statement": "SELECT * FROM \"records\".\"by-owner\" WHERE owner = ?"});
    assert_eq!(asked("ExecuteStatement", &one), ["PartiQLSelect records/index/by-owner -"]);
    let hidden = json!({"Statement": "SELECT * FROM /* a */ records"});
    assert_eq!(asked("ExecuteStatement", &hidden), ["PartiQLSelect * ?"]);
    let batch = json!({"Statements": [
        {"Statement": "update \"records\" SET a = 1"},
        {"Statement": "UPDATE records SET a = 2"},
        {"Statement": "DELETE FROM readings WHERE number = 1"},
    ]});
    let expected = ["PartiQLUpdate records -", "PartiQLDelete readings -"];
    assert_eq!(asked("BatchExecuteStatement", &batch), expected);
    let transaction = json!({"TransactStatements": [
        {"Statement": "INSERT INTO records VALUE {'tenant_id': 'acme'}"},
        {"Statement": "EXISTS(SELECT * FROM records WHERE tenant_id = 'acme')"},
    ]});
    let expected = ["PartiQLInsert records -", "ExecuteTransaction * ?"];
    assert_eq!(asked("ExecuteTransaction", &transaction), expected);
}

#[test]
fn operations_on_tables_have_the_table_and_no_keys() {
    for operation in ["CreateTable", "DeleteTable", "DescribeTable", "UpdateTable", "UpdateTimeToLive"] {
        assert_eq!(
            asked(operation, &json!({"TableName": "new-table"})),
            [format!("{operation} new-table -")]
        );
        assert_eq!(asked(operation, &json!({})), [format!("{operation} * -")]);
    }
    for operation in ["ListTables", "DescribeLimits", "DescribeEndpoints", "FutureOperation"] {
        assert_eq!(asked(operation, &json!({"TableName": "records"})), [format!("{operation} * -")]);
    }
    let own = json!({"ResourceArn": "arn:aws:dynamodb:dynoxide:000000000000:table/records"});
    assert_eq!(asked("TagResource", &own), ["TagResource records -"]);
    let foreign = "arn:aws:dynamodb:us-east-1:999999999999:table/records";
    let expected = [format!("UntagResource {foreign} -"), "UntagResource records -".to_owned()];
    assert_eq!(asked("UntagResource", &json!({"ResourceArn": foreign})), expected);
    assert_eq!(asked("ListTagsOfResource", &json!({})), ["ListTagsOfResource * -"]);
    let stream = json!({"StreamArn": format!("{TABLES}records/stream/1")});
    assert_eq!(asked("DescribeStream", &stream), ["DescribeStream records/stream/1 -"]);
    assert_eq!(asked("GetShardIterator", &stream), ["GetShardIterator records/stream/1 -"]);
    assert_eq!(asked("GetRecords", &stream), ["GetRecords * -"]);
    assert_eq!(asked("ListStreams", &stream), ["ListStreams * -"]);
}

#[test]
fn the_condition_keys_say_what_is_read_and_what_is_returned() {
    let base = |more: Json| {
        let mut body = json!({"TableName": "records", "Key": record(ACME)});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let attributes = ("dynamodb:Attributes", "sk,tenant_id".to_owned());
    let select = |select: &str| ("dynamodb:Select", select.to_owned());
    assert_eq!(only_keys("GetItem", &base(json!({}))), [attributes.clone(), select("ALL_ATTRIBUTES")]);
    // The operation has no such member, so it changes nothing.
    let counted = base(json!({"Select": "COUNT"}));
    assert_eq!(only_keys("GetItem", &counted), [attributes.clone(), select("ALL_ATTRIBUTES")]);
    let listed = base(json!({"AttributesToGet": ["data"], "ReturnConsumedCapacity": "TOTAL"}));
    assert_eq!(
        only_keys("GetItem", &listed),
        [
            ("dynamodb:Attributes", "data,sk,tenant_id".to_owned()),
            select("SPECIFIC_ATTRIBUTES"),
            ("dynamodb:ReturnConsumedCapacity", "TOTAL".to_owned()),
        ]
    );
    let deleted = base(json!({"ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": ["TOTAL"]}));
    assert_eq!(
        only_keys("DeleteItem", &deleted),
        [
            attributes.clone(),
            ("dynamodb:ReturnValues", "ALL_OLD".to_owned()),
            ("dynamodb:ReturnConsumedCapacity", "?".to_owned()),
        ]
    );
    let updated =
        base(json!({"UpdateExpression": "SET #d = :d", "ExpressionAttributeNames": {"#d": "data"}}));
    assert_eq!(only_keys("UpdateItem", &updated), [("dynamodb:Attributes", "data,sk,tenant_id".to_owned())]);
    let get = |projection: Json| json!({"Get": base(json!({"ProjectionExpression": projection}))});
    let transaction = json!({"TransactItems": [get(json!("data")), get(json!(null))]});
    assert_eq!(
        only_keys("TransactGetItems", &transaction),
        [
            ("dynamodb:Attributes", "data,sk,tenant_id".to_owned()),
            select("ALL_ATTRIBUTES"),
            ("dynamodb:EnclosingOperation", "TransactGetItems".to_owned()),
        ]
    );
    let batch =
        json!({"RequestItems": {"records": {"Keys": [record(ACME)], "ProjectionExpression": "data"}}});
    assert_eq!(
        only_keys("BatchGetItem", &batch),
        [("dynamodb:Attributes", "data,sk,tenant_id".to_owned()), select("SPECIFIC_ATTRIBUTES"),]
    );
}

#[test]
fn a_query_says_its_select() {
    for (more, expected) in [
        (json!({}), "ALL_ATTRIBUTES"),
        (json!({"IndexName": "by-owner"}), "ALL_PROJECTED_ATTRIBUTES"),
        (json!({"IndexName": "by-owner", "Select": "COUNT"}), "COUNT"),
        (json!({"ProjectionExpression": "sk"}), "SPECIFIC_ATTRIBUTES"),
        (json!({"AttributesToGet": ["sk"]}), "SPECIFIC_ATTRIBUTES"),
        (json!({"AttributesToGet": []}), "ALL_ATTRIBUTES"),
        (json!({"ProjectionExpression": "sk", "Select": "SPECIFIC_ATTRIBUTES"}), "SPECIFIC_ATTRIBUTES"),
        (json!({"Select": "SPECIFIC_ATTRIBUTES"}), "?"),
        (json!({"Select": ["COUNT"]}), "?"),
    ] {
        let mut body = json!({"TableName": "records"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        for operation in ["Query", "Scan"] {
            let keys = only_keys(operation, &body);
            let select = keys.iter().find(|(name, _)| *name == "dynamodb:Select").map(|(_, value)| &**value);
            assert_eq!(select, Some(expected), "{operation} {body}");
        }
    }
}

#[test]
fn a_body_with_two_meanings_is_malformed() {
    for body in [
        "",
        "[\"records\", {\"tenant_id\": {\"S\": \"acme\"}}]",
        r#"{"TableName": "records", "TableName": "readings", "Key": {}}"#,
        r#"{"TableName": "records", "Key": {"tenant_id": {"S": "acme"}, "tenant_id": {"S": "globex"}}}"#,
        r#"{"TableName": "records", "Key": {"tenant_id": {"S": "acme", "S": "globex"}}}"#,
        r#"{"TableName": "records", "Key": {"tenant_id": {"S": "acme"}}} {}"#,
    ] {
        assert!(calls("GetItem", body.as_bytes(), &PLACE, &Tables).is_err(), "{body}");
    }
}
