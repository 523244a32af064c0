//! A stack, a tenant with something of every kind, its export, and what tenants have.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::{Answer, Stack};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A stack on which every request is made at six o'clock, and whose functions ask for the context of each.
pub(crate) struct Ground {
    stack: Stack,
}

/// A tenant with its keys' ids and values.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) isolation: &'static str,
    pub(crate) keys: Vec<(String, String)>,
}

/// All that a tenant has, without its id, the ids of its keys, and the times of its files.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Holdings {
    records: BTreeMap<String, Item>,
    checkpoints: BTreeMap<(usize, String), Item>,
    files: BTreeMap<String, String>,
    uploads: Vec<String>,
}

impl Deref for Ground {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

pub(crate) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn item(attributes: &[(&str, AttributeValue)]) -> Item {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// The time so many minutes after six o'clock.
pub(crate) fn time_of(minutes: usize) -> String {
    let (day, minute) = (10 + (360 + minutes) / 1_440, (360 + minutes) % 1_440);
    format!("2026-11-{day}T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

impl Ground {
    pub(crate) async fn start() -> Self {
        let stack = Stack::with(|options| {
            options.parameters.push(("TenantContextTtl".to_owned(), "0".to_owned()));
            options.time = "fixed:2026-11-10T06:00:00Z".parse().expect("a time");
        })
        .await;
        Self { stack }
    }

    /// Onboards a tenant with so many keys.
    pub(crate) async fn onboard(&self, id: &str, isolation: &'static str, keys: usize) -> Tenant {
        let body = json!({
            "tenant_id": id, "name": id, "email": "a@b.example", "tier": "premium", "isolation": isolation,
        });
        let made = self.as_admin("POST", "/tenants", &body.to_string()).await;
        assert!(matches!(made.status, 201 | 202), "{made:?}");
        if isolation == "siloed" {
            self.go_on(id, 0).await;
        }
        let of =
            |answer: &Answer, name: &str| answer.json()["api_key"][name].as_str().expect("a text").to_owned();
        let mut all = vec![(of(&made, "api_key_id"), of(&made, "value"))];
        while all.len() < keys {
            let made = self.as_admin("POST", &format!("/tenants/{id}/keys"), "").await;
            assert_eq!(made.status, 201, "{made:?}");
            all.push((of(&made, "api_key_id"), of(&made, "value")));
        }
        Tenant { id: id.to_owned(), isolation, keys: all }
    }

    /// The table and the bucket of a tenant.
    pub(crate) fn home(&self, tenant: &Tenant) -> (String, String) {
        let state = self.state();
        if tenant.isolation == "siloed" {
            let bucket = format!("tenantry-silo-{}-{}-{}", tenant.id, state.account_id, state.region);
            (format!("tenantry-silo-{}-records", tenant.id), bucket)
        } else {
            (state.tables["records"].clone(), state.buckets["files"].clone())
        }
    }

    /// Calls the data API with a tenant's first key.
    pub(crate) async fn as_of(&self, tenant: &Tenant, method: &str, path: &str, body: &str) -> Answer {
        self.call(&tenant.keys[0].1, method, path, &[], body).await
    }

    /// Gives a tenant a little of every kind.
    pub(crate) async fn fill_a_little(&self, tenant: &Tenant) {
        for id in ["a", "b"] {
            let put = self.as_of(tenant, "PUT", &format!("/records/notes/{id}"), r#"{"n":1.5}"#).await;
            assert_eq!(put.status, 201, "{put:?}");
        }
        self.plant(tenant, "junk", &[]).await;
        assert_eq!(self.as_of(tenant, "PUT", "/checkpoints/sync", "[1]").await.status, 201);
        for name in ["one", "two"] {
            self.put_file(tenant, name, name.as_bytes()).await;
        }
    }

    /// Gives a tenant with two keys something of every kind, and of every kind of value.
    pub(crate) async fn fill(&self, tenant: &Tenant) {
        let exact = r#"{"most":12345678901234567890123456789012345678,"least":1e-130,"large":-9.9e125,
            "fraction":0.10000000000000000000000000000000000001,"zero":0,"unicode":"ü🦀\u0001\"\\","empty":"",
            "none":null,"nothing":{},"list":[[],{"a":false}],"ключ":true}"#;
        for (path, body, times) in [
            ("/records/exact/values", exact, 1),
            ("/records/exact/empty", "{}", 1),
            ("/records/notes/often", r#"{"n":1}"#, 5),
            ("/records/notes/a.b~c-D", r#"{"n":2}"#, 2),
            ("/records/z-9_/x", r#"{"n":3}"#, 1),
        ] {
            for _ in 0..times {
                let put = self.as_of(tenant, "PUT", path, body).await;
                assert!(matches!(put.status, 200 | 201), "{path}: {put:?}");
            }
        }
        let binary = AttributeValue::B(Blob::new([0, 255, 10]));
        let deep = AttributeValue::M(item(&[(" ", text("no name")), ("b", binary.clone())]));
        let time = text("2026-11-09T00:00:00.50Z");
        let data = AttributeValue::M(item(&[("own", AttributeValue::Bool(true))]));
        for (sort_key, attributes) in [
            ("junk", vec![]),
            ("Odd#1", vec![("bytes", AttributeValue::Bs(vec![Blob::new([1]), Blob::new([0, 2])]))]),
            (
                "notes#own",
                vec![("data", data.clone()), ("further", AttributeValue::Ns(vec!["1".into(), "2.5".into()]))],
            ),
            ("notes#times", vec![("data", data.clone()), ("created_at", time.clone()), ("updated_at", time)]),
            ("notes#set", vec![("data", AttributeValue::Ss(vec!["x".into(), "ü".into()]))]),
            ("notes#deep", vec![("data", deep)]),
            ("notes#bare", vec![("data", data)]),
            ("\u{10ffff}\n#", vec![("b", binary.clone())]),
        ] {
            self.plant(tenant, sort_key, &attributes).await;
        }
        for (key, name, value) in [
            (0, "sync", "[1,null]"),
            (0, "same", "1.25"),
            (1, "same", "\"other\""),
            (1, "deep", "{\"a\":{}}"),
        ] {
            for _ in 0..=key {
                let path = format!("/checkpoints/{name}");
                let put = self.call(&tenant.keys[key].1, "PUT", &path, &[], value).await;
                assert!(matches!(put.status, 200 | 201), "{put:?}");
            }
        }
        let checkpoint =
            item(&[("api_key_id", text(&tenant.keys[1].0)), ("name", text("own/odd")), ("value", binary)]);
        let put = self.aws().dynamodb().put_item().table_name(&self.state().tables["checkpoints"]);
        put.set_item(Some(checkpoint)).send().await.expect("a checkpoint");
        for name in ["a+b %20 ü/🦀.txt", "folder/", "folder/x", "..", "q?&=#\"'<>"] {
            self.put_file(tenant, name, name.as_bytes()).await;
        }
        self.put_file(tenant, "empty", b"").await;
        self.put_in_parts(tenant, "parts", &[vec![7; 5 << 20], vec![8; 100]]).await;
    }

    /// Writes an item as a tenant's own program can.
    pub(crate) async fn plant(&self, tenant: &Tenant, sort_key: &str, attributes: &[(&str, AttributeValue)]) {
        let mut all = item(attributes);
        all.extend(item(&[("tenant_id", text(&tenant.id)), ("sk", text(sort_key))]));
        let (table, _) = self.home(tenant);
        let put = self.aws().dynamodb().put_item().table_name(table).set_item(Some(all));
        put.send().await.expect("an item");
    }

    /// Writes a checkpoint of a tenant's first key as its own program can.
    pub(crate) async fn checkpoint(&self, tenant: &Tenant, name: &str) {
        let checkpoint = item(&[("api_key_id", text(&tenant.keys[0].0)), ("name", text(name))]);
        let put = self.aws().dynamodb().put_item().table_name(&self.state().tables["checkpoints"]);
        put.set_item(Some(checkpoint)).send().await.expect("a checkpoint");
    }

    pub(crate) async fn put_file(&self, tenant: &Tenant, name: &str, bytes: &[u8]) {
        let (_, bucket) = self.home(tenant);
        let put = self.s3(None).put_object().bucket(bucket).key(format!("{}/{name}", tenant.id));
        let put = put.content_type("text/x-own").metadata("own", "meta").body(bytes.to_vec().into());
        put.send().await.expect("a file");
    }

    async fn put_in_parts(&self, tenant: &Tenant, name: &str, parts: &[Vec<u8>]) {
        let (s3, (_, bucket), key) = (self.s3(None), self.home(tenant), format!("{}/{name}", tenant.id));
        let begun = s3.create_multipart_upload().bucket(&bucket).key(&key).content_type("a/b").send().await;
        let upload = begun.expect("an upload").upload_id.expect("an id");
        let mut done = CompletedMultipartUpload::builder();
        for (number, bytes) in (1..).zip(parts) {
            let sent = s3.upload_part().bucket(&bucket).key(&key).upload_id(&upload).part_number(number);
            let sent = sent.body(bytes.clone().into()).send().await.expect("a part");
            let etag = sent.e_tag.expect("an etag");
            done = done.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
        }
        let complete = s3.complete_multipart_upload().bucket(&bucket).key(&key).upload_id(&upload);
        complete.multipart_upload(done.build()).send().await.expect("a file");
    }

    /// All that a tenant has.
    pub(crate) async fn holdings(&self, tenant: &Tenant) -> Holdings {
        let (table, bucket) = self.home(tenant);
        let named = |item: &Item, name: &str| item[name].as_s().expect("a text").clone();
        let mut found = Holdings::default();
        for mut item in self.items(&table).await {
            if named(&item, "tenant_id") == tenant.id {
                item.remove("tenant_id");
                found.records.insert(named(&item, "sk"), item);
            }
        }
        for mut item in self.items(&self.state().tables["checkpoints"]).await {
            let id = named(&item, "api_key_id");
            if let Some(key) = tenant.keys.iter().position(|(own, _)| *own == id) {
                item.remove("api_key_id");
                found.checkpoints.insert((key, named(&item, "name")), item);
            }
        }
        let (s3, prefix) = (self.s3(None), format!("{}/", tenant.id));
        let listed = s3.list_objects_v2().bucket(&bucket).prefix(&prefix).send().await.expect("a list");
        for key in listed.contents().iter().filter_map(|object| object.key()) {
            let object = s3.get_object().bucket(&bucket).key(key).send().await.expect("an object");
            let about = format!("{:?} {:?} {:?}", object.e_tag(), object.content_type(), object.metadata());
            let digest = Sha256::digest(object.body.collect().await.expect("a body").into_bytes());
            found.files.insert(key[prefix.len()..].to_owned(), format!("{about} {digest:x?}"));
        }
        let uploads = s3.list_multipart_uploads().bucket(&bucket).prefix(&prefix).send().await;
        found.uploads =
            uploads.expect("a list").uploads().iter().map(|upload| format!("{upload:?}")).collect();
        found
    }

    async fn items(&self, table: &str) -> Vec<Item> {
        let pages = self.aws().dynamodb().scan().table_name(table).into_paginator();
        pages.items().send().try_collect().await.expect("the table can be read")
    }

    /// Runs the task for one tenant.
    pub(crate) async fn go_on(&self, id: &str, minutes: usize) -> Value {
        let event = json!({ "tenant_id": id, "time": time_of(minutes) }).to_string();
        let answer = self.inner().invoke("tenants-reconcile", event.into()).await.expect("an answer");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// Offboards a tenant as far as its export is complete. Answers the export's prefix.
    pub(crate) async fn export(&self, tenant: &Tenant) -> String {
        let path = format!("/tenants/{}?grace_seconds=86400", tenant.id);
        let leaving = self.as_admin("DELETE", &path, "").await;
        assert_eq!(leaving.status, 202, "{leaving:?}");
        self.go_on(&tenant.id, 71).await;
        let shown = self.shown(&tenant.id).await;
        assert_eq!(shown["offboarding"]["stage"], "grace", "{shown}");
        shown["offboarding"]["export"]["prefix"].as_str().expect("a prefix").to_owned()
    }

    pub(crate) async fn shown(&self, id: &str) -> Value {
        self.as_admin("GET", &format!("/tenants/{id}"), "").await.json()
    }

    /// Asks for an import.
    pub(crate) async fn ask(&self, id: &str, body: &Value) -> Answer {
        self.as_admin("POST", &format!("/tenants/{id}/import"), &body.to_string()).await
    }

    /// The mapping of one tenant's keys to another's.
    pub(crate) fn keys(from: &Tenant, to: &Tenant) -> Value {
        from.keys.iter().zip(&to.keys).map(|(from, to)| (from.0.clone(), Value::from(to.0.clone()))).collect()
    }

    /// Runs the task every few minutes from the horizon on, until the import is at a stage.
    pub(crate) async fn run_until(&self, id: &str, stage: &str) -> Value {
        for minutes in (70..400).step_by(3) {
            self.go_on(id, minutes).await;
            let shown = self.shown(id).await;
            if shown["import"]["stage"] == stage {
                return shown;
            }
        }
        panic!("{id} does not come to {stage}: {}", self.shown(id).await);
    }

    /// An object of the exports' bucket.
    pub(crate) async fn exported(&self, key: &str) -> Vec<u8> {
        let get = self.s3(None).get_object().bucket(&self.state().buckets["exports"]).key(key).send().await;
        get.expect("an object").body.collect().await.expect("a body").to_vec()
    }

    /// Puts an object into the exports' bucket.
    pub(crate) async fn tamper(&self, key: &str, bytes: Vec<u8>) {
        let put = self.s3(None).put_object().bucket(&self.state().buckets["exports"]).key(key);
        put.body(bytes.into()).send().await.expect("an object");
    }
}
