//! Credentials that are asked for twice, and whose credentials reach what is kept of requests.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use testkit::{Stack, Vended};

use super::{RECORDS, content, is_replayed, items, post};

/// A second key of globex's, as a rotation makes one: its id and its value.
async fn second_key(stack: &Stack) -> (String, String) {
    let made = stack.as_admin("POST", "/tenants/globex/keys", "{}").await;
    assert_eq!(made.status, 201, "{made:?}");
    let key = &made.json()["api_key"];
    let text = |name: &str| key[name].as_str().expect("a text").to_owned();
    (text("api_key_id"), text("value"))
}

fn refusal<T, E: std::fmt::Debug>(result: Result<T, E>) -> String {
    result.err().map(|error| format!("{error:?}")).unwrap_or_default()
}

async fn credentials_are_issued_anew_and_kept_nowhere(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let body = r#"{"access":"write"}"#;
    let first = post(&stack, "globex", "/credentials", "k", body).await;
    let again = post(&stack, "globex", "/credentials", "k", body).await;
    assert_eq!((first.status, is_replayed(&first)), (201, false), "{first:?}");
    assert_eq!((again.status, is_replayed(&again)), (201, true), "{again:?}");
    assert_eq!(again.header("cache-control"), "no-store");
    let (one, two) = (first.json(), again.json());
    assert_ne!(one["credentials"]["access_key_id"], two["credentials"]["access_key_id"]);
    for member in ["tables", "bucket", "prefix", "region"] {
        assert_eq!(one[member], two[member]);
    }
    // Both reach what they are for.
    for answer in [&first, &again] {
        let vended = Vended::of(answer);
        let listed =
            vended.s3(&stack).list_objects_v2().bucket(&vended.bucket).prefix(&vended.prefix).send().await;
        listed.expect("granted");
    }
    let kept = format!("{:?}", items(&stack).await);
    for credentials in [&one["credentials"], &two["credentials"]] {
        for member in ["access_key_id", "secret_access_key", "session_token"] {
            let secret = credentials[member].as_str().expect("a text");
            assert!(!kept.contains(secret), "{member} is kept");
        }
    }
}

async fn a_request_is_the_same_with_another_key_of_the_tenant(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let (id, value) = second_key(&stack).await;
    let header = [("idempotency-key", "k")];
    let first = post(&stack, "globex", RECORDS, "k", "{}").await;
    let again = stack.call(&value, "POST", RECORDS, &header, "{}").await;
    assert_eq!((content(&again), is_replayed(&again)), (content(&first), true));
    // Credentials are those of the key that calls.
    assert_eq!(post(&stack, "globex", "/credentials", "k", "{}").await.status, 201);
    let again = stack.call(&value, "POST", "/credentials", &header, "{}").await;
    assert!(is_replayed(&again), "{again:?}");
    let vended = Vended::of(&again);
    let client = vended.dynamodb(&stack, &stack.state().aws_endpoint_url);
    for (partition, is_granted) in [(&id, true), (&stack.tenant("globex").api_key_id, false)] {
        let query =
            client.query().table_name(&vended.checkpoints).key_condition_expression("api_key_id = :k");
        let found =
            query.expression_attribute_values(":k", AttributeValue::S(partition.clone())).send().await;
        assert_eq!(found.is_ok(), is_granted, "{partition}");
    }
}

/// Not even the tenant's own partition.
async fn handed_out_credentials_do_not_reach_the_table(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    assert_eq!(post(&stack, "globex", RECORDS, "k", "{}").await.status, 201);
    let before = stack.contents().await;
    let table = stack.state().tables["idempotency"].clone();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    for access in ["read", "write"] {
        let vended = Vended::ask(&stack, "globex", access).await;
        let client = vended.dynamodb(&stack, &stack.state().aws_endpoint_url);
        let key = Some(HashMap::from([
            ("tenant_id".to_owned(), text("globex")),
            ("route_key".to_owned(), text("POST /records/{collection}#k")),
        ]));
        let update = client.update_item().table_name(&table).set_key(key.clone());
        let query = client.query().table_name(&table).key_condition_expression("tenant_id = :tenant");
        for refusal in [
            refusal(client.get_item().table_name(&table).set_key(key.clone()).send().await),
            refusal(client.put_item().table_name(&table).set_item(key.clone()).send().await),
            refusal(client.delete_item().table_name(&table).set_key(key).send().await),
            refusal(update.update_expression("REMOVE lease_until").send().await),
            refusal(query.expression_attribute_values(":tenant", text("globex")).send().await),
            refusal(client.scan().table_name(&table).send().await),
        ] {
            assert!(refusal.contains("AccessDenied"), "{access}: {refusal}");
        }
    }
    assert_eq!(stack.contents().await, before);
}

testkit::in_both_modes! {
    credentials_are_issued_anew_and_kept_nowhere,
    a_request_is_the_same_with_another_key_of_the_tenant,
    handed_out_credentials_do_not_reach_the_table,
}

#[tokio::test]
async fn in_session_mode_a_session_writes_items_of_its_own_tenant_alone() {
    let stack = Stack::in_mode("session").await;
    let template = stack.inner().stack();
    let role = template.roles.iter().find(|role| role.name == "tenantry-tenant-function").expect("the role");
    let policies: Vec<_> = role.policies.iter().map(|named| named.policy.to_json()).collect();
    let table = format!(
        "arn:aws:dynamodb:{}:{}:table/{}",
        stack.state().region,
        stack.state().account_id,
        stack.state().tables["idempotency"]
    );
    let decide = async |action: &str, isolation: &str, partitions: &[&str]| {
        let context = json!({
            "aws:PrincipalTag/tenant-id": "acme", "aws:PrincipalTag/api-key-id": "k1",
            "aws:PrincipalTag/isolation": isolation, "dynamodb:LeadingKeys": partitions,
        });
        let asked = json!({"policies": policies, "action": action, "resource": table, "context": context});
        let decided = stack.local("POST", "iam/evaluate", &asked.to_string()).await;
        assert_eq!(decided.status, 200, "{decided:?}");
        decided.json()["decision"].as_str().expect("a text").to_owned()
    };
    for isolation in ["pooled", "siloed"] {
        assert_eq!(decide("dynamodb:PutItem", isolation, &["acme"]).await, "Allow");
        for partition in ["globex", "acme2", "acm", "*", "control#arn:aws:iam::123456789012:user/admin"] {
            assert_eq!(decide("dynamodb:PutItem", isolation, &[partition]).await, "Deny", "{partition}");
            assert_eq!(decide("dynamodb:PutItem", isolation, &["acme", partition]).await, "Deny");
        }
    }
    for action in ["GetItem", "Query", "UpdateItem", "DeleteItem", "BatchWriteItem", "Scan"] {
        assert_eq!(decide(&format!("dynamodb:{action}"), "pooled", &["acme"]).await, "Deny", "{action}");
    }
}
