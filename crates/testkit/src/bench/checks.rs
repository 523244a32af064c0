//! What signatures and policies cost of a call to DynamoDB.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use local_aws::{Principals, Service};
use local_http::{Limits, Request};
use serde::Serialize;
use testkit::{Stack, Vended};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::load::percentile;

/// What the checks may take of the whole call.
const BUDGET_PERCENT: f64 = 15.0;

/// Calls each way that are not measured.
const WARM_UP: u32 = 500;

/// Medians, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Checks {
    /// `GetItem` through the stack, with a tenant's temporary credentials.
    pub(crate) checked_ms: f64,
    /// The same call to the same database behind an address that checks nothing.
    pub(crate) unchecked_ms: f64,
    /// The difference, as a share of the whole.
    pub(crate) share_percent: f64,
    pub(crate) budget_percent: f64,
    pub(crate) passed: bool,
}

/// Makes the call both ways in turns, through the real SDK, and compares the medians.
///
/// It is to run as a task of its own, on the same threads as the stack.
pub(crate) async fn measure(stack: &Stack, tenant: &str, calls: u32) -> anyhow::Result<Checks> {
    let vended = Vended::ask(stack, tenant, "read").await;
    let database = stack.inner().database();
    let nobody = Principals::new(stack.state().account_id.as_str()).issue_admin()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    let limits = Limits { max_header_bytes: 32_768, ..Limits::default() };
    tokio::spawn(local_http::serve(listener, limits, shutdown, move |request: Request| {
        let (database, nobody) = (Arc::clone(&database), Arc::clone(&nobody));
        async move { Service::call(&*database, request, nobody).await }
    }));
    let checked = vended.dynamodb(stack, &stack.state().aws_endpoint_url);
    let unchecked = vended.dynamodb(stack, &address);

    let (mut with, mut without) = (Vec::new(), Vec::new());
    for turn in 0..WARM_UP + calls {
        // What ran before leaves its traces in the caches, so each comes first as often as the other.
        let (one, two) = if turn % 2 == 0 { (&checked, &unchecked) } else { (&unchecked, &checked) };
        let (first, second) =
            (get(one, &vended.records, tenant).await?, get(two, &vended.records, tenant).await?);
        if turn >= WARM_UP {
            let (checked, unchecked) = if turn % 2 == 0 { (first, second) } else { (second, first) };
            with.push(checked);
            without.push(unchecked);
        }
    }
    let [checked_ms, unchecked_ms] = [with, without].map(|mut times| {
        times.sort_unstable();
        percentile(&times, 50)
    });
    let share_percent = (checked_ms - unchecked_ms) / checked_ms * 100.0;
    let passed = share_percent <= BUDGET_PERCENT;
    Ok(Checks { checked_ms, unchecked_ms, share_percent, budget_percent: BUDGET_PERCENT, passed })
}

/// One call, which must find its record.
async fn get(client: &Client, table: &str, tenant: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let found = client
        .get_item()
        .table_name(table)
        .key("tenant_id", AttributeValue::S(tenant.to_owned()))
        .key("sk", AttributeValue::S("notes#first".to_owned()))
        .send()
        .await
        .context("GetItem failed")?;
    let took = began.elapsed();
    ensure!(found.item.is_some(), "GetItem found no record");
    Ok(took)
}
