//! What the gateway adds to a function.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_LENGTH, DATE};
use local_http::{Limits, Request};
use serde::Serialize;
use serde_json::Value;
use testkit::Stack;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::Target;
use crate::load::percentile;

/// The function behind the route.
const FUNCTION: &str = "records-get";

/// What the gateway may add at the median, in milliseconds.
const BUDGET_MS: f64 = 0.5;

/// Fewest requests of each way: a median of fewer moves from run to run.
const FEWEST: u32 = 2_000;

/// Requests of each way that are not measured.
const WARM_UP: u32 = 500;

/// Medians, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    /// Over HTTP and through the gateway.
    pub(crate) through_ms: f64,
    /// Straight at the function.
    pub(crate) direct_ms: f64,
    /// The difference.
    pub(crate) added_ms: f64,
    /// The exchange of the same request and answer with a server that does nothing else.
    pub(crate) http_ms: f64,
    pub(crate) budget_ms: f64,
    pub(crate) passed: bool,
}

/// A way for a request to be answered.
#[derive(Debug, Clone, Copy)]
enum Way {
    Through,
    Direct,
    Http,
}

/// Every order of the three. What ran before leaves its traces in the caches, so each comes after each.
const ORDERS: [[Way; 3]; 6] = [
    [Way::Through, Way::Direct, Way::Http],
    [Way::Through, Way::Http, Way::Direct],
    [Way::Direct, Way::Through, Way::Http],
    [Way::Direct, Way::Http, Way::Through],
    [Way::Http, Way::Through, Way::Direct],
    [Way::Http, Way::Direct, Way::Through],
];

/// Sends single requests each way in turns and compares the medians. `event` is what the gateway makes of
/// the target's request.
///
/// It is to run as a task of its own, on the same threads as the stack.
pub(crate) async fn measure(
    stack: &Stack,
    target: &Target,
    event: &Bytes,
    requests: u32,
) -> anyhow::Result<Cost> {
    let mut gateway = target.connect().await?;
    let answer = gateway.send().await?;
    let (_, same) = direct(stack, event).await?;
    ensure!(
        same["body"].as_str().map(str::as_bytes) == Some(&answer.body()[..]),
        "the function answers the event otherwise than the request: {same}"
    );

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let floor = target.at(listener.local_addr()?)?;
    let shutdown = CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    let fixed = fixed(&answer);
    tokio::spawn(local_http::serve(listener, Limits::default(), shutdown, move |_: Request| {
        let fixed = fixed.clone();
        async move { fixed }
    }));
    let mut floor = floor.connect().await?;

    let (mut through, mut straight, mut http) = (Vec::new(), Vec::new(), Vec::new());
    for (turn, order) in (0..WARM_UP + requests.max(FEWEST)).zip(ORDERS.iter().cycle()) {
        for way in order {
            let (times, took) = match way {
                Way::Through => (&mut through, gateway.timed().await?),
                Way::Direct => (&mut straight, direct(stack, event).await?.0),
                Way::Http => (&mut http, floor.timed().await?),
            };
            if turn >= WARM_UP {
                times.push(took);
            }
        }
    }
    let [through_ms, direct_ms, http_ms] = [through, straight, http].map(|mut times| {
        times.sort_unstable();
        percentile(&times, 50)
    });
    let added_ms = through_ms - direct_ms;
    Ok(Cost { through_ms, direct_ms, added_ms, http_ms, budget_ms: BUDGET_MS, passed: added_ms <= BUDGET_MS })
}

/// Invokes the function: how long that took, and its answer, which must be a success.
async fn direct(stack: &Stack, event: &Bytes) -> anyhow::Result<(Duration, Value)> {
    let began = Instant::now();
    let payload = stack.inner().invoke(FUNCTION, event.clone()).await?;
    let took = began.elapsed();
    let answer: Value = serde_json::from_slice(&payload).context("the function answers no JSON")?;
    ensure!(answer["statusCode"] == 200, "{FUNCTION} answered {answer}");
    Ok((took, answer))
}

/// The answer as a server gives it that has nothing to find out.
fn fixed(answer: &Response<Bytes>) -> Response<Bytes> {
    let mut fixed = Response::new(answer.body().clone());
    *fixed.headers_mut() = answer.headers().clone();
    // The server writes these itself.
    fixed.headers_mut().remove(DATE);
    fixed.headers_mut().remove(CONTENT_LENGTH);
    fixed
}
