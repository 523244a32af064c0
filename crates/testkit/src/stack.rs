//! The local stack in process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use local_stack::{LocalStack, Options, Record, TenantState};
use serde_json::Value;
use tenant_context::Aws;

use crate::http_client::{Answer, Signing, local, request};
use crate::{sdk, secrets};

/// The project's folder.
///
/// # Panics
/// Never: this crate lies two folders below it.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/testkit lies in the workspace")
}

/// A stack on free ports that forgets everything at its end. Before that, it looks for the values of all keys where
/// none may be.
pub struct Stack {
    inner: LocalStack,
    record: Record,
}

impl Drop for Stack {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            secrets::assert_none_is_kept(&self.inner, &self.record);
        }
    }
}

impl Stack {
    /// Starts the stack of the project's templates with its demo tenants.
    ///
    /// # Panics
    /// Where it does not start, with the reason.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// Starts the stack in an isolation mode: `application` or `session`.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn in_mode(mode: &str) -> Self {
        Self::with(|options| options.parameters.push(("IsolationMode".to_owned(), mode.to_owned()))).await
    }

    /// Starts a stack with changed options.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::ephemeral(
            workspace().join("infra/template.yaml"),
            workspace().join("infra/usage-plans.yaml"),
        );
        change(&mut options);
        let record = options.record();
        match LocalStack::start(options).await {
            Ok(inner) => Self { inner, record },
            Err(error) => {
                panic!("the stack did not start (after `cargo build --workspace --bins`?): {error:?}")
            }
        }
    }

    /// Starts a stack of the fixture template, whose one function misbehaves on request.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn fixture() -> Self {
        Self::fixture_with(|_| ()).await
    }

    /// The same with changed options.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn fixture_with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = workspace().join("crates/testkit/fixture");
        Self::with(|options| {
            options.template = folder.join("template.yaml");
            options.usage_plans = folder.join("usage-plans.yaml");
            options.seed = false;
            change(options);
        })
        .await
    }

    /// What the stack tells programs.
    #[must_use]
    pub fn state(&self) -> &local_stack::State {
        self.inner.state()
    }

    /// The stack itself.
    #[must_use]
    pub fn inner(&self) -> &LocalStack {
        &self.inner
    }

    /// A demo tenant.
    ///
    /// # Panics
    /// Where there is none of the id.
    #[must_use]
    pub fn tenant(&self, id: &str) -> &TenantState {
        self.state().tenants.iter().find(|tenant| tenant.tenant_id == id).expect("a demo tenant")
    }

    /// Calls the data API with a key.
    ///
    /// # Panics
    /// Where no answer comes.
    pub async fn call(
        &self,
        key: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = format!("{}{path}", self.state().api_url);
        let headers: Vec<_> = std::iter::once(("x-api-key", key)).chain(headers.iter().copied()).collect();
        request(method, &url, &headers, body.to_owned()).await.expect("an answer")
    }

    /// Calls the data API as a demo tenant.
    pub async fn as_tenant(&self, id: &str, method: &str, path: &str, body: &str) -> Answer {
        self.call(&self.tenant(id).api_key, method, path, &[], body).await
    }

    /// Calls `/_local/…`, which lies beside the data API's stage.
    ///
    /// # Panics
    /// Where no answer comes.
    pub async fn local(&self, method: &str, path: &str, body: &str) -> Answer {
        local(self.state(), method, path, body).await
    }

    /// Calls the control API as the admin.
    ///
    /// # Panics
    /// Where no answer comes.
    pub async fn as_admin(&self, method: &str, path: &str, body: &str) -> Answer {
        self.as_admin_with(&[], method, path, body).await
    }

    /// Calls the control API as the admin, with further headers.
    ///
    /// # Panics
    /// Where no answer comes.
    pub async fn as_admin_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: &str,
    ) -> Answer {
        let url = format!("{}{path}", self.state().admin_url);
        let signing = Signing::new(self.state(), self.admin_credentials());
        signing.send(method, &url, headers, body).await.expect("an answer")
    }

    /// Calls Lambda's Invoke as the admin, with an invocation type such as `Event`.
    ///
    /// # Panics
    /// Where no answer comes.
    pub async fn lambda(&self, function: &str, kind: &str, event: &Value) -> Answer {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.state().aws_endpoint_url);
        let signing = Signing { service: "lambda", ..Signing::new(self.state(), self.admin_credentials()) };
        let (headers, body) = ([("x-amz-invocation-type", kind)], event.to_string());
        signing.send("POST", &url, &headers, &body).await.expect("an answer")
    }

    /// Invokes a function with an event of `events/<function>/<case>.json`.
    ///
    /// # Panics
    /// Where there is no such event, or the function fails.
    pub async fn event(&self, function: &str, case: &str) -> Answer {
        let path = workspace().join("events").join(function).join(format!("{case}.json"));
        let event = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.invoke(function, event).await
    }

    /// Invokes a function with an event and reads its proxy response.
    ///
    /// # Panics
    /// Where the function fails.
    pub async fn invoke(&self, function: &str, event: impl Into<Bytes>) -> Answer {
        let payload = self.inner.invoke(function, event.into()).await.expect("the function answers");
        let answer: Value = serde_json::from_slice(&payload).expect("the answer is JSON");
        let status = answer["statusCode"].as_u64().unwrap_or_else(|| panic!("{function} failed: {answer}"));
        let mut headers = http::HeaderMap::new();
        for (name, value) in answer["headers"].as_object().into_iter().flatten() {
            let name: http::HeaderName = name.parse().expect("a header name");
            headers.insert(name, value.as_str().unwrap_or_default().parse().expect("a header value"));
        }
        Answer {
            status: u16::try_from(status).expect("a status"),
            headers,
            body: Bytes::from(answer["body"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Makes a snapshot of what all keys have used, as of a time, as the schedule does. Answers what it has done.
    ///
    /// # Panics
    /// Where it fails.
    pub async fn snap_usage(&self, time: &str) -> Value {
        let event = serde_json::json!({ "time": time }).to_string();
        let answer = self.inner.invoke("usage-snapshot", event.into()).await.expect("the function answers");
        let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
        assert!(answer["keys"].is_u64(), "the snapshot failed: {answer}");
        answer
    }

    /// The cases of `events/<function>`.
    ///
    /// # Panics
    /// Where the function has no events.
    #[must_use]
    pub fn cases(function: &str) -> Vec<(String, PathBuf)> {
        let folder = workspace().join("events").join(function);
        let mut cases: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
            .collect();
        cases.sort();
        cases
    }

    /// Invokes the function with each of its events and compares the statuses. Every event must be expected
    /// and every expectation must have its event.
    ///
    /// # Panics
    /// Where something differs.
    pub async fn expect_statuses(&self, function: &str, expected: &[(&str, u16)]) {
        let names: Vec<_> = Self::cases(function).into_iter().map(|(name, _)| name).collect();
        let mut given: Vec<_> = expected.iter().map(|(name, _)| (*name).to_owned()).collect();
        given.sort();
        assert_eq!(names, given, "events/{function}");
        for (case, status) in expected {
            let answer = self.event(function, case).await;
            assert_eq!(
                answer.status,
                *status,
                "{function}/{case}: {}",
                String::from_utf8_lossy(&answer.body)
            );
            if *status >= 400 {
                assert_eq!(answer.header("content-type"), "application/problem+json", "{function}/{case}");
                assert_eq!(answer.json()["status"], *status, "{function}/{case}");
            }
        }
    }

    /// The way to the stack's AWS services that functions use, with the admin's credentials.
    #[must_use]
    pub fn aws(&self) -> Aws {
        self.aws_at(&self.state().aws_endpoint_url)
    }

    /// The same by another address, such as a proxy's.
    #[must_use]
    pub fn aws_at(&self, url: &str) -> Aws {
        sdk::aws(self.state(), url)
    }

    /// The real SDK's S3 client, of the administrator or with other credentials.
    #[must_use]
    pub fn s3(&self, credentials: Option<Credentials>) -> aws_sdk_s3::Client {
        sdk::s3_client(self.state(), credentials)
    }

    /// The real SDK's API Gateway client.
    #[must_use]
    pub fn api_gateway(&self) -> aws_sdk_apigateway::Client {
        aws_sdk_apigateway::Client::new(self.aws().config())
    }

    /// Every item of every table, and every object and unfinished upload of every bucket, those of silos among
    /// them, to compare before and after.
    ///
    /// # Panics
    /// Where a table or a bucket cannot be read.
    pub async fn contents(&self) -> Vec<String> {
        let dynamodb = self.aws().dynamodb().clone();
        let mut all = Vec::new();
        let mut tables = self.state().tables.values().cloned().collect::<Vec<_>>();
        let known = dynamodb.list_tables().into_paginator().items().send().try_collect().await;
        tables.extend(known.expect("the tables can be listed").into_iter().filter(|name| is_silo(name)));
        for table in &tables {
            let mut pages = dynamodb.scan().table_name(table).into_paginator().items().send();
            while let Some(item) = pages.next().await {
                all.push(format!("{table} {}", members(&item.expect("the table can be read"))));
            }
        }
        let s3 = self.s3(None);
        let mut buckets = self.state().buckets.values().cloned().collect::<Vec<_>>();
        let known = s3.list_buckets().send().await.expect("the buckets can be listed");
        let known = known.buckets().iter().filter_map(|bucket| bucket.name());
        buckets.extend(known.filter(|name| is_silo(name)).map(str::to_owned));
        for bucket in &buckets {
            let mut objects = s3.list_objects_v2().bucket(bucket).into_paginator().send();
            while let Some(page) = objects.next().await {
                all.extend(page.expect("the bucket can be read").contents().iter().map(|o| format!("{o:?}")));
            }
            let uploads = s3.list_multipart_uploads().bucket(bucket).send().await;
            all.extend(uploads.expect("the bucket can be read").uploads().iter().map(|u| format!("{u:?}")));
        }
        all.sort();
        all
    }

    /// Credentials for the real SDKs.
    #[must_use]
    pub fn admin_credentials(&self) -> Credentials {
        let admin = &self.state().admin;
        Credentials::new(&admin.access_key_id, &admin.secret_access_key, None, None, "test")
    }
}

fn is_silo(name: &str) -> bool {
    name.starts_with("tenantry-silo-")
}

/// Attributes in the order of their names, at every depth.
fn members(attributes: &HashMap<String, AttributeValue>) -> String {
    let mut shown: Vec<_> =
        attributes.iter().map(|(name, value)| format!("{name:?}: {}", show(value))).collect();
    shown.sort();
    format!("{{{}}}", shown.join(", "))
}

fn show(value: &AttributeValue) -> String {
    if let Ok(attributes) = value.as_m() {
        return members(attributes);
    }
    match value.as_l() {
        Ok(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Err(_) => format!("{value:?}"),
    }
}
