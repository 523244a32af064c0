//! What S3's listings cost by the page, and what a large object takes of memory on its way.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use testkit::{Stack, StackProcess, s3_client};

use crate::load::percentile;

/// Objects of the two buckets that are compared.
const FEW: u32 = 100;
const MANY: u32 = 100_000;
/// Pages of each that are measured.
const PAGES: u32 = 200;
/// What a page of the larger one may cost, in pages of the smaller one.
const PAGE_BUDGET: f64 = 1.5;
/// MiB of the large object.
const LARGE_MIB: u32 = 1_024;
/// Its bytes.
const LARGE: u64 = (LARGE_MIB as u64) << 20;
/// What the stack's memory may grow by while it comes or goes, in MiB.
const MEMORY_BUDGET_MIB: u64 = 64;
const CHUNK: usize = 64 * 1_024;

/// Medians, and peaks.
#[derive(Debug, Serialize)]
pub(crate) struct Objects {
    pub(crate) few: u32,
    pub(crate) many: u32,
    /// A page of 100 keys of the smaller bucket, in milliseconds.
    pub(crate) few_ms: f64,
    /// A page of 100 keys somewhere in the larger bucket, in milliseconds.
    pub(crate) many_ms: f64,
    pub(crate) page_ratio: f64,
    pub(crate) page_budget: f64,
    /// The large object's way in and out, in MiB a second.
    pub(crate) upload_mib_s: f64,
    pub(crate) download_mib_s: f64,
    /// What the stack's memory grew by at most meanwhile, in MiB.
    pub(crate) memory_mib: u64,
    pub(crate) memory_budget_mib: u64,
    pub(crate) passed: bool,
}

/// Measures both.
pub(crate) async fn measure(stack: &Stack) -> anyhow::Result<Objects> {
    let (few_ms, many_ms) = pages(stack).await?;
    let Moved { upload, download, grown } = large().await?;
    let page_ratio = many_ms / few_ms;
    let speed = |took: Duration| f64::from(LARGE_MIB) / took.as_secs_f64();
    let memory_mib = grown >> 20;
    Ok(Objects {
        few: FEW,
        many: MANY,
        few_ms,
        many_ms,
        page_ratio,
        page_budget: PAGE_BUDGET,
        upload_mib_s: speed(upload),
        download_mib_s: speed(download),
        memory_mib,
        memory_budget_mib: MEMORY_BUDGET_MIB,
        passed: page_ratio <= PAGE_BUDGET && memory_mib <= MEMORY_BUDGET_MIB,
    })
}

/// A page of the smaller and of the larger bucket, in turns.
async fn pages(stack: &Stack) -> anyhow::Result<(f64, f64)> {
    let s3 = stack.s3(None);
    for (bucket, objects) in [("bench-few", FEW), ("bench-many", MANY)] {
        s3.create_bucket().bucket(bucket).send().await.context("CreateBucket failed")?;
        let store = stack.inner().objects();
        tokio::task::spawn_blocking(move || {
            (0..objects).try_for_each(|number| store.seed(bucket, &key(number), "text/plain", b"bench"))
        })
        .await??;
    }
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for turn in 0..PAGES {
        few.push(page(&s3, "bench-few", None).await?);
        // Somewhere else each time, but where a whole page is left.
        let start = turn * ((MANY - 2 * FEW) / PAGES);
        many.push(page(&s3, "bench-many", Some(key(start))).await?);
    }
    let [few, many] = [few, many].map(|mut times| {
        times.sort_unstable();
        percentile(&times, 50)
    });
    Ok((few, many))
}

fn key(number: u32) -> String {
    format!("folder/object-{number:06}")
}

async fn page(s3: &Client, bucket: &str, after: Option<String>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let keys = i32::try_from(FEW)?;
    let call = s3.list_objects_v2().bucket(bucket).prefix("folder/").set_start_after(after).max_keys(keys);
    let page = call.send().await.context("ListObjectsV2 failed")?;
    let took = began.elapsed();
    ensure!(page.contents().len() == usize::try_from(FEW)?, "{bucket} has no whole page");
    Ok(took)
}

/// How a large object came and went.
struct Moved {
    upload: Duration,
    download: Duration,
    /// Bytes.
    grown: u64,
}

/// Uploads and downloads a large object through presigned URLs, at a stack in a process of its own.
async fn large() -> anyhow::Result<Moved> {
    let folder = tempfile::tempdir()?;
    let stack = StackProcess::start(folder.path(), &["--ephemeral"]).await;
    let s3 = s3_client(&stack.state, None);
    let bucket = &stack.state.buckets["files"];
    let expires = || PresigningConfig::expires_in(Duration::from_mins(15));
    let length = i64::try_from(LARGE)?;
    let put =
        s3.put_object().bucket(bucket).key("large").content_length(length).presigned(expires()?).await?;
    let get = s3.get_object().bucket(bucket).key("large").presigned(expires()?).await?;

    let before = memory_of(stack.id())?;
    let (peak, over) = (Arc::new(AtomicU64::new(before)), Arc::new(AtomicBool::new(false)));
    let watch = {
        let (peak, over, id) = (Arc::clone(&peak), Arc::clone(&over), stack.id());
        tokio::task::spawn_blocking(move || {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(memory_of(id)?, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
            anyhow::Ok(())
        })
    };
    let moved = async {
        let upload = send(&put, true).await?;
        let download = send(&get, false).await?;
        anyhow::Ok((upload, download))
    }
    .await;
    over.store(true, Ordering::Relaxed);
    watch.await??;
    let (upload, download) = moved?;
    stack.kill().await;
    Ok(Moved { upload, download, grown: peak.load(Ordering::Relaxed).saturating_sub(before) })
}

/// The frames of a body.
type Frames = Box<dyn Iterator<Item = Result<Frame<Bytes>, Infallible>> + Send>;

/// Sends a presigned request, and the large object with it where it is an upload. Reads the answer to its end.
async fn send(signed: &PresignedRequest, with_body: bool) -> anyhow::Result<Duration> {
    let client: legacy::Client<HttpConnector, StreamBody<stream::Iter<Frames>>> =
        legacy::Client::builder(TokioExecutor::new()).build_http();
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let chunks = if with_body { LARGE / u64::try_from(CHUNK)? } else { 0 };
    let frames: Frames = Box::new((0..chunks).map(move |_| Ok(Frame::data(chunk.clone()))));
    let mut request = http::Request::builder().method(signed.method()).uri(signed.uri());
    for (name, value) in signed.headers() {
        request = request.header(name, value);
    }
    let request = request.body(StreamBody::new(stream::iter(frames)))?;
    let began = Instant::now();
    let answer = client.request(request).await?;
    ensure!(answer.status().is_success(), "the large object was answered {}", answer.status());
    let (mut body, mut bytes) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len);
    }
    ensure!(with_body || u64::try_from(bytes)? == LARGE, "{bytes} bytes were answered");
    Ok(began.elapsed())
}

/// Bytes that a process keeps in memory, without the pages of files.
fn memory_of(id: Option<u32>) -> anyhow::Result<u64> {
    let id = id.context("the stack has ended")?;
    crate::memory::anonymous_bytes(Path::new(&format!("/proc/{id}/smaps_rollup")))
}
