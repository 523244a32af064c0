use std::net::IpAddr;

use dynoxide::actions::get_item::GetItemRequest;
use serde_json::{Value, json};

use super::*;

fn table(ttl_attribute: Option<&str>, change: impl FnOnce(&mut Value)) -> Table {
    let mut create = json!({
        "TableName": "tenantry-tenants",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "tenant_id", "AttributeType": "S"},
            {"AttributeName": "status", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "tenant_id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-status",
            "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }],
    });
    change(&mut create);
    Table {
        logical_id: "Tenants".to_owned(),
        name: "tenantry-tenants".to_owned(),
        arn: "arn:aws:dynamodb:eu-central-1:123456789012:table/tenantry-tenants".to_owned(),
        create,
        ttl_attribute: ttl_attribute.map(ToOwned::to_owned),
    }
}

type Change = fn(&mut Value);

fn plain() -> Table {
    table(None, |_| ())
}

fn put(dynamo: &Dynamo, item: &Value) {
    let put = json!({"TableName": "tenantry-tenants", "Item": item});
    dynamo.database.put_item(serde_json::from_value(put).expect("a request")).expect("a write");
}

fn has(dynamo: &Dynamo, tenant: &str) -> bool {
    let get = json!({"TableName": "tenantry-tenants", "Key": {"tenant_id": {"S": tenant}}});
    let get: GetItemRequest = serde_json::from_value(get).expect("a request");
    dynamo.database.get_item(get).expect("a read").item.is_some()
}

fn ttl(dynamo: &Dynamo) -> Option<String> {
    let table = dynamo.database.get_table_metadata("tenantry-tenants").expect("a read").expect("a table");
    table.ttl_attribute.filter(|_| table.ttl_enabled)
}

#[test]
fn tables_are_made_once_and_left_as_they_are() {
    let dynamo = Dynamo::open(None).expect("memory");
    dynamo.ensure_tables(&[plain()]).expect("a new table");
    put(&dynamo, &json!({"tenant_id": {"S": "acme"}}));
    dynamo.ensure_tables(&[plain()]).expect("the same table");
    let reordered = table(None, |create| {
        create["AttributeDefinitions"].as_array_mut().expect("a list").reverse();
    });
    dynamo.ensure_tables(&[reordered]).expect("still the same table");
    assert!(has(&dynamo, "acme"));
}

#[test]
fn another_schema_under_the_same_name_is_an_error_with_a_way_out() {
    let dynamo = Dynamo::open(None).expect("memory");
    dynamo.ensure_tables(&[plain()]).expect("a new table");
    let cases: [(&str, Change); 3] = [
        ("key schema", |create| {
            create["KeySchema"].as_array_mut().expect("a list").push(json!({
                "AttributeName": "status", "KeyType": "RANGE",
            }));
        }),
        ("global secondary index", |create| {
            create["GlobalSecondaryIndexes"][0]["Projection"]["ProjectionType"] = json!("ALL");
        }),
        ("type of a key attribute", |create| {
            create["AttributeDefinitions"][1]["AttributeType"] = json!("N");
        }),
    ];
    for (difference, change) in cases {
        let refused = dynamo.ensure_tables(&[table(None, change)]).expect_err("another table").to_string();
        assert!(refused.contains(difference) && refused.contains("make reset"), "{refused}");
    }
}

#[test]
fn a_table_that_cannot_be_read_is_an_error_with_its_name() {
    let dynamo = Dynamo::open(None).expect("memory");
    let broken = table(None, |create| create["KeySchema"] = json!([]));
    let refused = dynamo.ensure_tables(&[broken]).expect_err("no key");
    assert!(refused.to_string().contains("tenantry-tenants"));
    assert!(std::error::Error::source(&refused).is_some());
}

#[test]
fn the_time_to_live_follows_the_template() {
    let dynamo = Dynamo::open(None).expect("memory");
    for wanted in [Some("expires_at"), Some("expires_at"), Some("ends_at"), None, Some("expires_at")] {
        dynamo.ensure_tables(&[table(wanted, |_| ())]).expect("the same table");
        assert_eq!(ttl(&dynamo).as_deref(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn expired_items_are_swept_until_the_stop() {
    let dynamo = Dynamo::open(None).expect("memory");
    dynamo.ensure_tables(&[table(Some("expires_at"), |_| ())]).expect("a new table");
    put(&dynamo, &json!({"tenant_id": {"S": "acme"}, "expires_at": {"N": "1600000000"}}));
    put(&dynamo, &json!({"tenant_id": {"S": "globex"}}));
    let shutdown = CancellationToken::new();
    let sweeps = dynamo.sweep_expired(Duration::from_mins(1), shutdown.clone());
    let watch = async {
        while has(&dynamo, "acme") {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        shutdown.cancel();
    };
    tokio::join!(sweeps, watch);
    assert!(has(&dynamo, "globex"));
}

#[tokio::test]
async fn the_stack_makes_calls_of_its_own_and_hears_of_refusals() {
    let dynamo = Dynamo::open(None).expect("memory");
    dynamo.ensure_tables(&[plain()]).expect("a new table");
    let listed = dynamo.call("ListTables", &json!({})).await.expect("an answer");
    assert_eq!(listed["TableNames"], json!(["tenantry-tenants"]));
    let refused =
        dynamo.call("DescribeTable", &json!({"TableName": "none"})).await.expect_err("no such table");
    assert!(refused.to_string().contains("ResourceNotFoundException"), "{refused}");
}

#[test]
fn acknowledged_writes_are_in_the_files_without_a_clean_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("dynamodb.sqlite");
    let dynamo = Dynamo::open(Some(&file)).expect("a new file");
    dynamo.ensure_tables(&[plain()]).expect("a new table");
    put(&dynamo, &json!({"tenant_id": {"S": "acme"}}));
    // What a killed process leaves behind is the files as they are now: nothing is closed or flushed.
    let left = tempfile::tempdir().expect("a folder");
    for name in ["dynamodb.sqlite", "dynamodb.sqlite-wal"] {
        std::fs::copy(folder.path().join(name), left.path().join(name)).expect("a copy");
    }
    std::mem::forget(dynamo);
    for file in [left.path().join("dynamodb.sqlite"), file] {
        let reopened = Dynamo::open(Some(&file)).expect("a file in order");
        reopened.ensure_tables(&[plain()]).expect("the same table");
        assert!(has(&reopened, "acme"));
    }
}

#[test]
fn a_file_that_is_no_database_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "no database ".repeat(100)).expect("a file");
    let refused = Dynamo::open(Some(&file)).err().expect("no database");
    assert!(refused.to_string().contains("notes.txt"), "{refused}");
}

#[tokio::test]
async fn its_server_listens_on_the_loopback_network_alone_and_ends() {
    let dynamo = Dynamo::open(None).expect("memory");
    let address = dynamo.server.address();
    assert!(matches!(address.ip(), IpAddr::V4(host) if host.is_loopback()));
    assert!(tokio::net::TcpStream::connect(address).await.is_ok());
    dynamo.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
