//! The two places of a tenant, read directly.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use testkit::Stack;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A table of records and a bucket of files.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) table: String,
    pub(crate) bucket: String,
}

/// Where a tenant's data lies, before its move and behind it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    id: String,
    pub(crate) pool: Home,
    pub(crate) silo: Home,
}

impl Place {
    pub(crate) fn of(stack: &Stack, id: &str) -> Self {
        let state = stack.state();
        Self {
            id: id.to_owned(),
            pool: Home { table: state.tables["records"].clone(), bucket: state.buckets["files"].clone() },
            silo: Home {
                table: format!("tenantry-silo-{id}-records"),
                bucket: format!("tenantry-silo-{id}-{}-{}", state.account_id, state.region),
            },
        }
    }

    /// What the pool has of others.
    pub(crate) async fn others(&self, stack: &Stack) -> (Vec<Item>, Vec<String>) {
        let pages = stack.aws().dynamodb().scan().table_name(&self.pool.table).into_paginator().items();
        let items: Vec<Item> = pages.send().try_collect().await.expect("the table can be read");
        let items = items.into_iter().filter(|item| item["tenant_id"] != text(&self.id));
        let prefix = format!("{}/", self.id);
        let names = self.pool.names(stack, "").await.into_iter().filter(|name| !name.starts_with(&prefix));
        (items.collect(), names.collect())
    }

    /// Whether there is a silo.
    pub(crate) async fn has_silo(&self, stack: &Stack) -> (bool, bool) {
        let tables = stack.aws().dynamodb().list_tables().into_paginator().items();
        let tables: Vec<_> = tables.send().try_collect().await.expect("the tables can be listed");
        let buckets = stack.s3(None).list_buckets().send().await.expect("the buckets can be listed");
        let has_bucket = buckets.buckets().iter().any(|bucket| bucket.name() == Some(&self.silo.bucket));
        (tables.contains(&self.silo.table), has_bucket)
    }
}

impl Home {
    /// A tenant's items, in their order.
    pub(crate) async fn items(&self, stack: &Stack, id: &str) -> Vec<Item> {
        let query = stack.aws().dynamodb().query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("tenant_id = :id");
        let pages = query.expression_attribute_values(":id", text(id)).into_paginator().items();
        pages.send().try_collect().await.expect("the table can be read")
    }

    async fn names(&self, stack: &Stack, prefix: &str) -> Vec<String> {
        let mut pages =
            stack.s3(None).list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.expect("the bucket can be read");
            names.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        names
    }

    /// A tenant's files with what is in them.
    pub(crate) async fn files(&self, stack: &Stack, id: &str) -> BTreeMap<String, String> {
        let s3 = stack.s3(None);
        let mut found = BTreeMap::new();
        for name in self.names(stack, &format!("{id}/")).await {
            let object = s3.get_object().bucket(&self.bucket).key(&name).send().await.expect("the file");
            let bytes = object.body.collect().await.expect("a body").to_vec();
            found.insert(name, String::from_utf8(bytes).expect("text"));
        }
        found
    }

    /// Deletes all of the pile but the last of each kind.
    pub(crate) async fn thin_out(&self, stack: &Stack, id: &str) {
        let (items, names) = (self.items(stack, id).await, self.names(stack, &format!("{id}/bulk/")).await);
        let bulk: Vec<_> =
            items.iter().filter(|item| item["sk"].as_s().is_ok_and(|key| key.starts_with("bulk#"))).collect();
        for item in &bulk[..bulk.len() - 1] {
            let delete = stack.aws().dynamodb().delete_item().table_name(&self.table);
            let delete = delete.key("tenant_id", text(id)).key("sk", item["sk"].clone());
            delete.send().await.expect("the item is deleted");
        }
        for name in &names[..names.len() - 1] {
            let delete = stack.s3(None).delete_object().bucket(&self.bucket).key(name);
            delete.send().await.expect("the file is deleted");
        }
    }

    /// Puts an item of a tenant's.
    pub(crate) async fn put(&self, stack: &Stack, id: &str, sort_key: &str) {
        let put = stack.aws().dynamodb().put_item().table_name(&self.table);
        put.set_item(Some(record(id, sort_key))).send().await.expect("the item is put");
    }
}

/// What a tenant has much of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pile {
    pub(crate) records: usize,
    pub(crate) files: usize,
}

fn record(id: &str, sort_key: &str) -> Item {
    Item::from([
        ("tenant_id".to_owned(), text(id)),
        ("sk".to_owned(), text(sort_key)),
        ("version".to_owned(), AttributeValue::N("3".to_owned())),
        ("created_at".to_owned(), text("2026-11-10T06:00:00Z")),
        ("updated_at".to_owned(), text("2026-11-10T06:00:00Z")),
        ("data".to_owned(), AttributeValue::M(Item::from([("of".to_owned(), text(sort_key))]))),
    ])
}

impl Pile {
    pub(crate) const CONTENT: &str = "0123456789";

    /// The id of a record in the collection `bulk`.
    pub(crate) fn record(number: usize) -> String {
        format!("{number:06}")
    }

    /// The name of a file.
    pub(crate) fn file(number: usize) -> String {
        format!("bulk/{number:05}")
    }

    /// Puts it into the pool.
    pub(crate) async fn heap(self, stack: &Stack, id: &str) {
        let Place { pool, .. } = Place::of(stack, id);
        let (dynamodb, s3) = (stack.aws().dynamodb().clone(), stack.s3(None));
        let items: Vec<_> =
            (0..self.records).map(|number| record(id, &format!("bulk#{}", Self::record(number)))).collect();
        for some in items.chunks(25) {
            let writes = some.iter().map(|item| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build().expect("a put");
                WriteRequest::builder().put_request(put).build()
            });
            let written = dynamodb.batch_write_item().request_items(&pool.table, writes.collect());
            written.send().await.expect("the records are written");
        }
        for number in 0..self.files {
            let put = s3.put_object().bucket(&pool.bucket).key(format!("{id}/{}", Self::file(number)));
            put.body(Self::CONTENT.as_bytes().to_vec().into()).send().await.expect("the file is put");
        }
    }
}
