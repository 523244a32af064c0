//! What a tenant does with the credentials that it was handed.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Get, KeysAndAttributes, Put, PutRequest, TransactGetItem,
    TransactWriteItem, WriteRequest,
};
use serde_json::Value;

use crate::{Answer, Stack};

/// An item's key: two names with their values.
type Key = [(String, String); 2];

/// Credentials of `POST /credentials`, with the coordinates that they reach.
#[derive(Debug)]
pub struct Vended {
    /// For the real SDKs.
    pub credentials: Credentials,
    /// The tenant's records table.
    pub records: String,
    /// The checkpoints table.
    pub checkpoints: String,
    /// The bucket of files.
    pub bucket: String,
    /// What the keys of the tenant's objects begin with, slash included.
    pub prefix: String,
}

impl Vended {
    /// Asks for credentials as a demo tenant.
    ///
    /// # Panics
    /// Where they are refused.
    pub async fn ask(stack: &Stack, tenant: &str, access: &str) -> Self {
        let answer =
            stack.as_tenant(tenant, "POST", "/credentials", &format!(r#"{{"access":"{access}"}}"#)).await;
        Self::of(&answer)
    }

    /// Reads what was answered.
    ///
    /// # Panics
    /// Where it is a refusal.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 201, "{answer:?}");
        let body = answer.json();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let issued = &body["credentials"];
        let credentials = Credentials::new(
            text(&issued["access_key_id"]),
            text(&issued["secret_access_key"]),
            Some(text(&issued["session_token"])),
            None,
            "vended",
        );
        let tables = &body["tables"];
        Self {
            credentials,
            records: text(&tables["records"]),
            checkpoints: text(&tables["checkpoints"]),
            bucket: text(&body["bucket"]),
            prefix: text(&body["prefix"]),
        }
    }

    /// The real SDK's S3 client.
    #[must_use]
    pub fn s3(&self, stack: &Stack) -> aws_sdk_s3::Client {
        stack.s3(Some(self.credentials.clone()))
    }

    /// The real SDK's DynamoDB client for an address.
    #[must_use]
    pub fn dynamodb(&self, stack: &Stack, url: &str) -> Client {
        let aws = stack.aws_at(url);
        let config = aws.config().clone().into_builder();
        let provider =
            aws_credential_types::provider::SharedCredentialsProvider::new(self.credentials.clone());
        Client::new(&config.credentials_provider(provider).build())
    }
}

/// Every call that handed out credentials allow, on the tenant's own records, checkpoints and files.
///
/// # Panics
/// Where one is refused.
pub async fn own_calls(stack: &Stack, tenant: &str) {
    let vended = Vended::ask(stack, tenant, "write").await;
    let client = vended.dynamodb(stack, &stack.state().aws_endpoint_url);
    let key_id = stack.tenant(tenant).api_key_id.clone();
    let record = |sk: &str| pair("tenant_id", tenant, "sk", &format!("own#{sk}"));
    let checkpoint = |name: &str| pair("api_key_id", &key_id, "name", name);
    for (table, keys) in [
        (&vended.records, [record("one"), record("two")]),
        (&vended.checkpoints, [checkpoint("one"), checkpoint("two")]),
    ] {
        calls_on(&client, table, &keys).await;
    }
    calls_on_files(&vended, &vended.s3(stack)).await;
}

async fn calls_on_files(vended: &Vended, s3: &aws_sdk_s3::Client) {
    let (bucket, key) = (&vended.bucket, format!("{}own", vended.prefix));
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"own");
    s3.put_object().bucket(bucket).key(&key).body(body).send().await.expect("PutObject");
    let read = s3.get_object().bucket(bucket).key(&key).send().await.expect("GetObject");
    assert_eq!(read.body.collect().await.expect("a body").into_bytes(), "own");
    let listed = s3.list_objects_v2().bucket(bucket).prefix(&vended.prefix).send().await;
    assert!(
        listed.expect("ListObjectsV2").contents().iter().any(|object| object.key() == Some(key.as_str()))
    );
    let upload = s3.create_multipart_upload().bucket(bucket).key(&key).send().await;
    let upload = upload.expect("CreateMultipartUpload").upload_id.expect("an id");
    let parts = s3.list_parts().bucket(bucket).key(&key).upload_id(&upload).send().await;
    assert!(parts.expect("ListParts").parts().is_empty());
    let aborted = s3.abort_multipart_upload().bucket(bucket).key(&key).upload_id(&upload).send().await;
    aborted.expect("AbortMultipartUpload");
    s3.delete_object().bucket(bucket).key(&key).send().await.expect("DeleteObject");
}

fn pair(partition: &str, value: &str, sort: &str, sorted: &str) -> Key {
    [(partition.to_owned(), value.to_owned()), (sort.to_owned(), sorted.to_owned())]
}

async fn calls_on(client: &Client, table: &str, keys: &[Key; 2]) {
    let item = |key: &Key| {
        key.iter()
            .map(|(name, value)| (name.clone(), AttributeValue::S(value.clone())))
            .collect::<std::collections::HashMap<_, _>>()
    };
    let [one, two] = keys.each_ref().map(item);
    let (partition, value) = &keys[0][0];
    client.put_item().table_name(table).set_item(Some(one.clone())).send().await.expect("PutItem");
    let update = client.update_item().table_name(table).set_key(Some(one.clone()));
    update
        .update_expression("SET #v = :v")
        .expression_attribute_names("#v", "version")
        .expression_attribute_values(":v", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .expect("UpdateItem");
    let read = client.get_item().table_name(table).set_key(Some(one.clone())).send().await;
    assert!(read.expect("GetItem").item.is_some());
    let query = client.query().table_name(table).key_condition_expression("#p = :p");
    let found = query
        .expression_attribute_names("#p", partition)
        .expression_attribute_values(":p", AttributeValue::S(value.clone()))
        .send()
        .await;
    assert!(found.expect("Query").count() >= 1);
    let put = PutRequest::builder().set_item(Some(two.clone())).build().expect("a put");
    let write = WriteRequest::builder().put_request(put).build();
    client.batch_write_item().request_items(table, vec![write]).send().await.expect("BatchWriteItem");
    let both = KeysAndAttributes::builder().keys(one.clone()).keys(two.clone()).build().expect("keys");
    let found = client.batch_get_item().request_items(table, both).send().await.expect("BatchGetItem");
    assert_eq!(found.responses.expect("responses")[table].len(), 2);
    let get = Get::builder().table_name(table).set_key(Some(one.clone())).build().expect("a get");
    let got = client.transact_get_items().transact_items(TransactGetItem::builder().get(get).build());
    got.send().await.expect("TransactGetItems");
    let check = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(one.clone()))
        .condition_expression("attribute_exists(#p)")
        .expression_attribute_names("#p", partition)
        .build()
        .expect("a check");
    let put = Put::builder().table_name(table).set_item(Some(two.clone())).build().expect("a put");
    let checked = TransactWriteItem::builder().condition_check(check).build();
    let transaction = client.transact_write_items().transact_items(checked);
    let written = TransactWriteItem::builder().put(put).build();
    transaction.transact_items(written).send().await.expect("TransactWriteItems");
    let delete = Delete::builder().table_name(table).set_key(Some(two)).build().expect("a delete");
    let deleted = TransactWriteItem::builder().delete(delete).build();
    client.transact_write_items().transact_items(deleted).send().await.expect("TransactWriteItems");
    client.delete_item().table_name(table).set_key(Some(one)).send().await.expect("DeleteItem");
}
