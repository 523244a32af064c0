//! What is tried, and the keys that it is tried with.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_apigateway::Client;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use bytes::Bytes;
use http::Uri;
use serde_json::{Value, json};
use tenant_context::Aws;
use time::OffsetDateTime;
use tokio::sync::OnceCell;
use tokio::time::sleep;
use uuid::Uuid;

use super::Check;
use super::check::{TIMED_OUT, describe, expect_status, failed, json_of};
use super::patience::Patience;
use super::secure::send_securely;
use crate::{Answer, Stack, request};

/// How long AWS may take to put a key in force, or out of it.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long AWS may take to count requests and to take note of a changed usage: less than a case may.
const LIMITS_PATIENCE: Duration = Duration::from_mins(4);
/// Requests in a row that a new key must open before it counts as in force. AWS puts it in force in one place
/// after the other, so that a single one says little.
const IN_FORCE: u32 = 3;
/// A day that ends sooner is waited out, so that a case does not see two.
const REST_OF_DAY: Duration = Duration::from_secs(20);

/// A stage of an API that was made of the fixture template, with its usage plans.
pub struct Target {
    api_url: String,
    region: String,
    local: bool,
    gateway: Client,
    /// Only for `https://`.
    connector: Option<Connector>,
    /// Makes names and values unique to the run.
    run: String,
    count: AtomicU32,
    keys_of_case: Mutex<Vec<String>>,
    keys_of_run: Mutex<Vec<String>>,
    open: OnceCell<Key>,
}

/// An API key. It is not `Debug`, since its value is a secret.
pub(super) struct Key {
    pub(super) id: String,
    pub(super) value: String,
}

impl Target {
    /// The stage with the address `api_url`, whose management calls are reached through `aws`.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(api_url: &str, aws: &Aws, local: bool) -> Result<Self, String> {
        let api_url = api_url.trim_end_matches('/').to_owned();
        let uri: Uri = api_url.parse().map_err(|error| format!("{api_url}: {error}"))?;
        let connector = match uri.scheme_str() {
            Some("http") => None,
            // By default the connector trusts the system's roots.
            Some("https") => {
                Some(Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build())
            }
            Some(_) | None => return Err(format!("{api_url} is no address with http:// or https://")),
        };
        Ok(Self {
            region: aws.config().region().map(ToString::to_string).unwrap_or_default(),
            gateway: Client::new(aws.config()),
            api_url,
            local,
            connector,
            run: Uuid::now_v7().simple().to_string(),
            count: AtomicU32::new(0),
            keys_of_case: Mutex::default(),
            keys_of_run: Mutex::default(),
            open: OnceCell::new(),
        })
    }

    /// The data API of a stack in this process.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of(stack: &Stack) -> Result<Self, String> {
        Self::new(&stack.state().api_url, &stack.aws(), true)
    }

    /// Whether it is the local stack, with its strict limits and its own addresses.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The management calls.
    pub(super) fn gateway(&self) -> &Client {
        &self.gateway
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.api_url)
    }

    /// The stage's path, such as `/v1`.
    pub(super) fn stage_path(&self) -> String {
        self.api_url.parse::<Uri>().map(|uri| uri.path().to_owned()).unwrap_or_default()
    }

    /// Calls the API, with a key or without one. That a key which opens the stage is forbidden once more is
    /// waited out: not every place of AWS need know it yet.
    pub(super) async fn call(
        &self,
        key: Option<&Key>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let body = body.into();
        let mut patience = self.patience();
        loop {
            let answer = self.call_once(key, method, path, headers, body.clone()).await?;
            let is_forbidden =
                answer.status == 403 && answer.header("x-amzn-errortype") == "ForbiddenException";
            if key.is_none() || !is_forbidden || !patience.has_waited().await {
                return Ok(answer);
            }
        }
    }

    async fn call_once(
        &self,
        key: Option<&Key>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let mut all = headers.to_vec();
        all.extend(key.map(|key| ("x-api-key", key.value.as_str())));
        self.send(method, &self.url(path), &all, body).await
    }

    /// Sends, with the run's own key, what is too large. There is no answer where a real API breaks the
    /// connection off before it has taken everything: that is a refusal, too.
    pub(super) async fn call_too_large(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Option<Answer>, String> {
        match self.call(Some(self.open().await?), method, path, headers, body).await {
            Err(error) if !self.local && error != TIMED_OUT => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Calls the API with a key and nothing else.
    pub(super) async fn get(&self, key: &Key, path: &str) -> Result<Answer, String> {
        self.call(Some(key), "GET", path, &[], "").await
    }

    /// The same with a key that may be forbidden, which is not waited out.
    pub(super) async fn get_once(&self, key: &Key, path: &str) -> Result<Answer, String> {
        self.call_once(Some(key), "GET", path, &[], Bytes::new()).await
    }

    /// Calls a route that echoes its event, and answers that.
    pub(super) async fn event(
        &self,
        key: &Key,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Result<Value, String> {
        let answer = self.call(Some(key), method, path, headers, body).await?;
        expect_status(path, &answer, 200)?;
        json_of(&answer)
    }

    async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        match &self.connector {
            None => request(method, url, headers, body).await,
            Some(connector) => send_securely(connector, method, url, headers, body).await,
        }
    }

    /// Asks for a request that succeeds: what went wrong before must not last.
    pub(super) async fn still_answers(&self) -> Check {
        let answer = self.get(self.open().await?, "/fixture/echo").await?;
        expect_status("the next request", &answer, 200)
    }

    /// The run's own key in the plan `open`, for cases that change nothing about it. Making one for each of
    /// them would take a real API a long time.
    pub(super) async fn open(&self) -> Result<&Key, String> {
        self.open
            .get_or_try_init(|| async {
                let key = self.make(Some("open"), None, &self.keys_of_run).await?;
                self.wait_until_open(&key).await?;
                Ok::<_, String>(key)
            })
            .await
    }

    /// Makes a key for the running case, in a plan or in none.
    pub(super) async fn key(&self, plan: Option<&str>) -> Result<Key, String> {
        self.make(plan, None, &self.keys_of_case).await
    }

    /// Makes a key with a value of the case's choice, in no plan.
    pub(super) async fn key_with_value(&self, value: &str) -> Result<Key, String> {
        self.make(None, Some(value), &self.keys_of_case).await
    }

    /// Makes a key in a plan and waits until it opens the stage. Locally, the plan has then counted one
    /// request to `/fixture/echo`, and a few more of them on AWS.
    pub(super) async fn used_once(&self, plan: &str) -> Result<Key, String> {
        let key = self.key(Some(plan)).await?;
        self.wait_until_open(&key).await?;
        Ok(key)
    }

    async fn make(
        &self,
        plan: Option<&str>,
        value: Option<&str>,
        keys: &Mutex<Vec<String>>,
    ) -> Result<Key, String> {
        let name = format!("conformance-{}-{}", self.run, self.count.fetch_add(1, Ordering::Relaxed));
        let new = self.gateway.create_api_key().name(name).enabled(true).set_value(value.map(str::to_owned));
        let made = new.send().await.map_err(|error| failed("CreateApiKey", &error))?;
        let (Some(id), Some(value)) = (made.id, made.value) else {
            return Err("CreateApiKey answers no id or no value".to_owned());
        };
        keys.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone());
        let key = Key { id, value };
        if let Some(plan) = plan {
            self.attach(&key, plan).await?;
        }
        Ok(key)
    }

    /// Puts a key into a plan.
    pub(super) async fn attach(&self, key: &Key, plan: &str) -> Check {
        let id = self.plan(plan).await?;
        let put = self.gateway.create_usage_plan_key().usage_plan_id(id).key_id(&key.id).key_type("API_KEY");
        put.send().await.map(drop).map_err(|error| failed("CreateUsagePlanKey", &error))
    }

    /// The id of a plan.
    pub(super) async fn plan(&self, name: &str) -> Result<String, String> {
        let mut plans = self.gateway.get_usage_plans().limit(500).into_paginator().items().send();
        while let Some(plan) = plans.next().await {
            let plan = plan.map_err(|error| failed("GetUsagePlans", &error))?;
            if let (Some(given), Some(id)) = (plan.name(), plan.id())
                && given == name
            {
                return Ok(id.to_owned());
            }
        }
        Err(format!("there is no usage plan {name}: was fixture/usage-plans.yaml deployed?"))
    }

    async fn wait_until_open(&self, key: &Key) -> Check {
        let wanted = if self.local { 1 } else { IN_FORCE };
        let mut patience = self.patience();
        let (mut has_passed, mut in_a_row) = (false, 0);
        loop {
            let answer = self.get_once(key, "/fixture/echo").await?;
            match answer.status {
                200 => (has_passed, in_a_row) = (true, in_a_row + 1),
                // The quota is used up by the wait itself, so that the plan knows the key.
                429 if has_passed => return Ok(()),
                _ => {
                    in_a_row = 0;
                    patience.wait(|| format!("a new key is answered {}", describe(&answer))).await?;
                }
            }
            if in_a_row == wanted {
                return Ok(());
            }
        }
    }

    /// A text of the length that is unique to the run, to be a key's value.
    pub(super) fn fresh_value(&self, length: usize) -> String {
        let unique = format!("{}{:04}", self.run, self.count.fetch_add(1, Ordering::Relaxed));
        let skipped = unique.len().saturating_sub(length);
        format!("{:x>length$}", &unique[skipped..])
    }

    /// The time that a key has to come into force: none locally.
    pub(super) fn patience(&self) -> Patience {
        if self.local { Patience::NONE } else { Patience::of(PATIENCE) }
    }

    /// The time that all of a case's counts have to come into force. It begins with the case, so that it ends
    /// before the case is given up.
    pub(super) fn limits_patience(&self) -> Patience {
        if self.local { Patience::NONE } else { Patience::of(LIMITS_PATIENCE) }
    }

    /// The gateway's time, on a day that lasts a while longer.
    pub(super) async fn now(&self) -> Result<OffsetDateTime, String> {
        loop {
            let event = self.event(self.open().await?, "GET", "/fixture/echo", &[], "").await?;
            let millis = event["requestContext"]["requestTimeEpoch"].as_i64();
            let now = millis.and_then(|millis| OffsetDateTime::from_unix_timestamp(millis / 1000).ok());
            let now = now.ok_or("the event has no requestTimeEpoch")?;
            let rest = Duration::from_secs(u64::from(seconds_to_midnight(now)));
            if rest > REST_OF_DAY {
                return Ok(now);
            }
            sleep(rest).await;
        }
    }

    /// Moves the local stack's clock ahead, by such as `31d` or `90s`.
    pub(super) async fn advance(&self, by: &str) -> Check {
        self.own("POST", "/_local/clock", json!({ "advance": by }).to_string()).await.map(drop)
    }

    /// How each limit of a key stands in the local stack, and what refused it last.
    pub(super) async fn limits(&self, key: &Key) -> Result<Value, String> {
        self.own("GET", &format!("/_local/limits?api_key_id={}", key.id), String::new()).await
    }

    /// An address of the local stack's own, outside of the stage.
    async fn own(&self, method: &str, path: &str, body: String) -> Result<Value, String> {
        let root = self.api_url.strip_suffix(&self.stage_path()).unwrap_or(&self.api_url);
        let headers = [("content-type", "application/json")];
        let answer = self.send(method, &format!("{root}{path}"), &headers, body.into()).await?;
        expect_status(path, &answer, 200)?;
        json_of(&answer)
    }

    /// Deletes the keys of the case that has just run.
    pub(super) async fn delete_keys_of_case(&self) -> Check {
        self.delete_keys(&self.keys_of_case).await
    }

    /// Deletes the keys that were made for all cases.
    pub(super) async fn delete_keys_of_run(&self) -> Check {
        self.delete_keys(&self.keys_of_run).await
    }

    async fn delete_keys(&self, keys: &Mutex<Vec<String>>) -> Check {
        let ids = std::mem::take(&mut *keys.lock().unwrap_or_else(PoisonError::into_inner));
        let mut deleted = Ok(());
        for id in ids {
            let done = self.gateway.delete_api_key().api_key(&id).send().await;
            let done = done.map(drop).map_err(|error| format!("{id}: {}", failed("DeleteApiKey", &error)));
            deleted = deleted.and(done);
        }
        deleted
    }
}

/// Seconds until the day is over in UTC.
pub(super) fn seconds_to_midnight(now: OffsetDateTime) -> u32 {
    let (hours, minutes, seconds) = now.to_hms();
    86_400 - (u32::from(hours) * 3600 + u32::from(minutes) * 60 + u32::from(seconds))
}
