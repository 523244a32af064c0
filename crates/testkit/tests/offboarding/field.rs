//! A stack, tenants with something of every kind, and what is left of them.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_sdk_s3::types::EncodingType;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tenant_store::listed_key;
use testkit::Stack;

/// A stack on which every request is made at six o'clock, and whose functions ask for the context of each.
pub(crate) struct Field {
    stack: Stack,
}

/// How much a tenant has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling {
    pub(crate) records: usize,
    pub(crate) files: usize,
}

/// A tenant with the keys that it ever had.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) keys: Vec<String>,
    /// The value of the first key.
    pub(crate) value: String,
}

type Item = HashMap<String, AttributeValue>;

impl Deref for Field {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn record(id: &str, sort_key: &str) -> Item {
    let number = AttributeValue::N("0.10000000000000000000000000000000000001".to_owned());
    Item::from([
        ("tenant_id".to_owned(), text(id)),
        ("sk".to_owned(), text(sort_key)),
        ("version".to_owned(), AttributeValue::N("1".to_owned())),
        ("created_at".to_owned(), text("2026-11-10T06:00:00Z")),
        ("updated_at".to_owned(), text("2026-11-10T06:00:00Z")),
        ("data".to_owned(), AttributeValue::M(Item::from([("exact".to_owned(), number)]))),
    ])
}

impl Field {
    pub(crate) async fn start() -> Self {
        let stack = Stack::with(|options| {
            options.parameters.push(("TenantContextTtl".to_owned(), "0".to_owned()));
            options.time = "fixed:2026-11-10T06:00:00Z".parse().expect("a time");
        })
        .await;
        Self { stack }
    }

    /// Onboards a pooled tenant with something of every kind.
    pub(crate) async fn tenant(&self, id: &str, filling: Filling) -> Subject {
        self.tenant_in(id, "pooled", filling).await
    }

    /// Onboards a tenant that has something of every kind: records, one item that is none, checkpoints of two keys, a
    /// request with an `Idempotency-Key`, usage, files, an unfinished upload, and a key that it has no longer.
    pub(crate) async fn tenant_in(&self, id: &str, isolation: &str, filling: Filling) -> Subject {
        let body = json!({
            "tenant_id": id, "name": format!("Name of {id}"), "email": format!("owner@{id}.example"), "tier": "free",
            "contact": {"phone": format!("phone@{id}.example")}, "isolation": isolation,
        });
        let made = self.as_admin("POST", "/tenants", &body.to_string()).await;
        if isolation == "siloed" {
            assert_eq!(made.status, 202, "{made:?}");
            let event = json!({ "tenant_id": id, "time": time_of(0) }).to_string();
            self.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
        } else {
            assert_eq!(made.status, 201, "{made:?}");
        }
        let of = |answer: &Value, name: &str| answer["api_key"][name].as_str().expect("a text").to_owned();
        let (first, value) = (of(&made.json(), "api_key_id"), of(&made.json(), "value"));
        let mut keys = vec![first];
        for revoked in [true, false] {
            let path = format!("/tenants/{id}/keys");
            let further = self.as_admin("POST", &path, "").await;
            assert_eq!(further.status, 201, "{further:?}");
            let (key, value) = (of(&further.json(), "api_key_id"), of(&further.json(), "value"));
            assert_eq!(self.call(&value, "PUT", "/checkpoints/one", &[], "1.50").await.status, 201);
            self.snap_usage("2026-11-10T06:00:00Z").await;
            if revoked {
                assert_eq!(self.as_admin("DELETE", &format!("{path}/{key}"), "").await.status, 204);
            }
            keys.push(key);
        }
        assert_eq!(self.call(&value, "PUT", "/checkpoints/one", &[], "[1]").await.status, 201);
        let once = [("idempotency-key", "once")];
        assert_eq!(self.call(&value, "POST", "/records/notes", &once, "{}").await.status, 201);
        self.fill(id, self.home(id, isolation), filling).await;
        Subject { id: id.to_owned(), keys, value }
    }

    /// The table and the bucket of a tenant.
    pub(crate) fn home(&self, id: &str, isolation: &str) -> (String, String) {
        let state = self.state();
        if isolation == "siloed" {
            let bucket = format!("tenantry-silo-{id}-{}-{}", state.account_id, state.region);
            (format!("tenantry-silo-{id}-records"), bucket)
        } else {
            (state.tables["records"].clone(), state.buckets["files"].clone())
        }
    }

    async fn fill(&self, id: &str, (records, files): (String, String), filling: Filling) {
        let (records, files) = (&records, &files);
        let dynamodb = self.aws().dynamodb().clone();
        let mut items: Vec<_> =
            (0..filling.records).map(|number| record(id, &format!("bulk#{number:05}"))).collect();
        // No endpoint would answer it.
        items.push(Item::from([("tenant_id".to_owned(), text(id)), ("sk".to_owned(), text("junk"))]));
        for some in items.chunks(25) {
            let writes = some.iter().map(|item| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build().expect("a put");
                WriteRequest::builder().put_request(put).build()
            });
            let written = dynamodb.batch_write_item().request_items(records, writes.collect());
            written.send().await.expect("the records are written");
        }
        let s3 = self.s3(None);
        for number in 0..filling.files {
            let put = s3.put_object().bucket(files).key(format!("{id}/folder/ü {number:02}+%.txt"));
            put.body(b"0123456789".to_vec().into()).send().await.expect("the file is put");
        }
        s3.create_multipart_upload()
            .bucket(files)
            .key(format!("{id}/large"))
            .send()
            .await
            .expect("an upload");
    }

    /// Puts a record as a tenant's own program does.
    pub(crate) async fn put_record(
        &self,
        dynamodb: &aws_sdk_dynamodb::Client,
        table: &str,
        id: &str,
        sort_key: &str,
    ) {
        let put = dynamodb.put_item().table_name(table).set_item(Some(record(id, sort_key)));
        put.send().await.expect("the record is put");
    }

    /// Asks for the offboarding.
    pub(crate) async fn leave(&self, id: &str, grace: u32) -> Value {
        let answer = self.as_admin("DELETE", &format!("/tenants/{id}?grace_seconds={grace}"), "").await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn shown(&self, id: &str) -> Value {
        let mut answer = self.as_admin("GET", &format!("/tenants/{id}"), "").await.json();
        answer.as_object_mut().expect("an object").remove("audit");
        answer
    }

    /// Runs the task at a time. Answers what it has done, or how it failed.
    pub(crate) async fn run(&self, time: &str) -> Value {
        let event = json!({ "time": time }).to_string();
        let answer = self.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// Runs the task every few minutes from the horizon on, until the offboarding stands at a stage.
    pub(crate) async fn run_until(&self, id: &str, stage: &str) {
        for minutes in (70..70 + 24 * 60).step_by(5) {
            self.run(&time_of(minutes)).await;
            if self.shown(id).await["offboarding"]["stage"] == stage {
                return;
            }
        }
        panic!("{id} does not come to {stage}: {}", self.shown(id).await);
    }

    pub(crate) async fn items(&self, table: &str) -> Vec<Item> {
        let pages = self.aws().dynamodb().scan().table_name(table).into_paginator();
        pages.items().send().try_collect().await.expect("the table can be read")
    }

    /// Deletes all that is in a bucket.
    pub(crate) async fn empty(&self, bucket: &str) {
        let s3 = self.s3(None);
        let files = s3.list_objects_v2().bucket(bucket).send().await.expect("a list");
        for key in files.contents().iter().filter_map(|object| object.key()) {
            s3.delete_object().bucket(bucket).key(key).send().await.expect("deleted");
        }
        let uploads = s3.list_multipart_uploads().bucket(bucket).send().await.expect("a list");
        for upload in uploads.uploads() {
            let abort = s3.abort_multipart_upload().bucket(bucket).set_key(upload.key.clone());
            abort.set_upload_id(upload.upload_id.clone()).send().await.expect("given up");
        }
    }

    /// All that the tables, the bucket and the gateway have of a tenant, but its tenant item and its audit.
    pub(crate) async fn remains(&self, subject: &Subject) -> Vec<String> {
        let mut found = Vec::new();
        let keys: BTreeSet<_> = subject.keys.iter().map(String::as_str).collect();
        let named = |item: &Item, name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        let (own_table, own_bucket) = self.home(&subject.id, "siloed");
        let pages = self.aws().dynamodb().list_tables().into_paginator().items();
        let tables: Vec<_> = pages.send().try_collect().await.expect("the tables can be listed");
        let mut kinds = ["records", "checkpoints", "idempotency", "usage", "api-keys"]
            .map(|table| (table, self.state().tables[table].clone()))
            .to_vec();
        if tables.contains(&own_table) {
            found.push(format!("table {own_table}"));
            kinds.push(("records", own_table));
        }
        for (table, name) in kinds {
            for item in self.items(&name).await {
                let is_tenants = named(&item, "tenant_id").is_some_and(|id| id == subject.id);
                let is_keys = named(&item, "api_key_id").is_some_and(|key| keys.contains(key.as_str()));
                if is_tenants || is_keys {
                    let place = ["sk", "name", "route_key", "day", "api_key_id", "status"];
                    let place = place.map(|name| named(&item, name).unwrap_or_default());
                    found.push(format!("{table} {}", place.join(" ")));
                }
            }
        }
        let s3 = self.s3(None);
        let mut buckets = vec![self.state().buckets["files"].clone()];
        let known = s3.list_buckets().send().await.expect("the buckets can be listed");
        if known.buckets().iter().any(|bucket| bucket.name() == Some(&own_bucket)) {
            found.push(format!("bucket {own_bucket}"));
            buckets.push(own_bucket);
        }
        let prefix = format!("{}/", subject.id);
        for bucket in &buckets {
            let pages = s3.list_objects_v2().bucket(bucket).prefix(&prefix).encoding_type(EncodingType::Url);
            let mut pages = pages.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.expect("the bucket can be read");
                found.extend(page.contents().iter().map(|object| format!("file {:?}", object.key())));
            }
            let uploads = s3.list_multipart_uploads().bucket(bucket).prefix(&prefix).send().await;
            let uploads = uploads.expect("the bucket can be read");
            found.extend(uploads.uploads().iter().map(|upload| format!("upload {:?}", upload.key())));
        }
        let gateway = self.inner().keys();
        let own = format!("tenantry-{}-", subject.id);
        for key in gateway.list("", None, 500).items {
            let shown = format!("{key:?}");
            if shown.contains(&own) || keys.contains(key.id.as_str()) {
                found.push(format!("key {shown}"));
            }
        }
        for plan in &self.inner().stack().plans {
            for key in gateway.members(&plan.id, "", None, 500).items {
                if keys.contains(key.id.as_str()) {
                    found.push(format!("plan key {}", key.id));
                }
            }
        }
        found.sort();
        found
    }

    /// The audit of a tenant as text.
    pub(crate) async fn audit(&self, id: &str) -> String {
        let items = self.items("tenantry-audit").await;
        let own = items.iter().filter(|item| item.get("tenant_id") == Some(&text(id)));
        own.map(|item| format!("{item:?}")).collect::<Vec<_>>().join("\n")
    }

    /// Reads an export back, compares all that its manifest says, and answers the manifest.
    pub(crate) async fn checked_export(&self, place: &Value) -> Value {
        let (bucket, prefix) =
            (place["bucket"].as_str().expect("a bucket"), place["prefix"].as_str().expect("a prefix"));
        let s3 = self.s3(None);
        let get = async |name: &str| {
            let object = s3.get_object().bucket(bucket).key(format!("{prefix}{name}")).send().await;
            object.unwrap_or_else(|error| panic!("{name}: {error:?}"))
        };
        let read = async |name: &str| get(name).await.body.collect().await.expect("a body").to_vec();
        let manifest: Value = serde_json::from_slice(&read("manifest.json").await).expect("JSON");
        let (mut lines_of, mut objects) =
            (HashMap::<&str, u64>::new(), BTreeSet::from(["manifest.json".to_owned()]));
        for part in manifest["parts"].as_array().expect("parts") {
            let name = part["name"].as_str().expect("a name");
            let body = read(name).await;
            let sha256: Vec<_> = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
            let sha256 = sha256.concat();
            assert_eq!((&part["sha256"], &part["bytes"]), (&json!(sha256), &json!(body.len())), "{name}");
            let body = String::from_utf8(body).expect("UTF-8");
            assert_eq!(part["lines"], body.lines().count(), "{name}");
            let kind = name.split('-').next().expect("a kind");
            let kind = ["records", "checkpoints", "items", "files"]
                .into_iter()
                .find(|known| *known == kind)
                .expect("a known kind");
            *lines_of.entry(kind).or_default() += body.lines().count() as u64;
            for line in body.lines() {
                let line: Value =
                    serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
                if kind == "files" {
                    let name = format!("files/{}", line["name"].as_str().expect("a name"));
                    let name = line["key"].as_str().map_or(name, str::to_owned);
                    let copy = get(&name).await;
                    assert_eq!(
                        copy.e_tag().map(|tag| tag.trim_matches('"')),
                        line["etag"].as_str(),
                        "{name}"
                    );
                    assert_eq!(copy.content_length(), line["size"].as_i64(), "{name}");
                    objects.insert(name);
                }
            }
            if kind == "records" && body.contains("bulk") {
                assert!(
                    body.contains(r#""data":{"exact":0.10000000000000000000000000000000000001}"#),
                    "{name}"
                );
            }
            objects.insert(name.to_owned());
        }
        for (kind, lines) in lines_of {
            let counts = &manifest["counts"];
            let raw =
                ["raw_records", "raw_checkpoints"].map(|kind| counts[kind].as_u64().unwrap_or_default());
            let counted = if kind == "items" { json!(raw.iter().sum::<u64>()) } else { counts[kind].clone() };
            assert_eq!(counted, lines, "{kind}");
        }
        let mut found = BTreeSet::new();
        let pages = s3.list_objects_v2().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
        let mut pages = pages.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.expect("the bucket can be read");
            let keys = page.contents().iter().filter_map(|object| listed_key(object.key()?));
            found.extend(keys.filter_map(|key| key.strip_prefix(prefix).map(str::to_owned)));
        }
        assert_eq!(found, objects, "left what lies there, right what the manifest tells");
        manifest
    }
}

/// The time so many minutes after six o'clock.
pub(crate) fn time_of(minutes: u32) -> String {
    let (day, minute) = (10 + (360 + minutes) / 1_440, (360 + minutes) % 1_440);
    format!("2026-11-{day}T{:02}:{:02}:00Z", minute / 60, minute % 60)
}
