//! Objects under many writers and readers, and through `kill -9`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use testkit::{Stack, StackProcess, s3_client};

/// Bytes of a version: they say which one it is, and so whether they belong together.
fn version(writer: usize, round: usize) -> Vec<u8> {
    let text = format!("{writer:02}-{round:04};");
    // Of a length of its own, above what is read in one piece.
    text.repeat(40_000 + 97 * writer + 13 * round).into_bytes()
}

/// Which version the bytes are, if they are one and whole.
fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (writer, round) = text.get(..7)?.split_once('-')?;
    let (writer, round) = (writer.parse().ok()?, round.parse().ok()?);
    (version(writer, round) == bytes).then_some((writer, round))
}

async fn put(s3: &Client, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
    let put = s3.put_object().bucket(bucket).key(key).body(ByteStream::from(bytes)).send().await;
    put.map(drop).map_err(|error| format!("{error:?}"))
}

async fn get(s3: &Client, bucket: &str, key: &str) -> Option<Vec<u8>> {
    let answer = s3.get_object().bucket(bucket).key(key).send().await.ok()?;
    Some(answer.body.collect().await.ok()?.to_vec())
}

/// Every blob and every unfinished file of a store.
fn files(data: &std::path::Path) -> (Vec<String>, usize) {
    let names = |folder: &std::path::Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect()
    };
    let store = data.join("s3");
    let blobs = names(&store.join("blobs"));
    let mut blobs: Vec<_> =
        blobs.iter().flat_map(|folder| names(&store.join("blobs").join(folder))).collect();
    blobs.sort();
    (blobs, names(&store.join("staging")).len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_of_a_key_with_twenty_writers_is_one_whole_version() {
    let stack = Arc::new(Stack::start().await);
    let (s3, bucket) = (stack.s3(None), stack.state().buckets["files"].clone());
    put(&s3, &bucket, "busy", version(0, 0)).await.expect("a first version");
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (s3, bucket, over) = (s3.clone(), bucket.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let mut seen = std::collections::BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    let bytes = get(&s3, &bucket, "busy").await.expect("there is always a version");
                    seen.insert(whole(&bytes).expect("one version, and all of it"));
                }
                seen
            })
        })
        .collect();
    let writers: Vec<_> = (0..20)
        .map(|writer| {
            let (s3, bucket) = (s3.clone(), bucket.clone());
            tokio::spawn(async move {
                for round in 0..6 {
                    put(&s3, &bucket, "busy", version(writer, round)).await.expect("a write");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer ends");
    }
    over.store(true, Ordering::Relaxed);
    let mut seen = std::collections::BTreeSet::new();
    for reader in readers {
        seen.extend(reader.await.expect("a reader ends"));
    }
    assert!(seen.len() > 5, "the readers came between the writers: {seen:?}");
    let last = whole(&get(&s3, &bucket, "busy").await.expect("a version")).expect("a whole one");
    assert_eq!(last.1, 5, "the last write of somebody");
}

/// Uploads in one piece and in parts until it is told to stop. Answers what was acknowledged.
async fn upload(
    s3: Client,
    bucket: String,
    name: String,
    over: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Vec<(String, usize)> {
    let mut acknowledged = Vec::new();
    for round in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        // Every other write is over the one before; every fifth upload is one in parts.
        let key = format!("{name}-{}", round / 2);
        let bytes = version(round % 20, round);
        let done = if round % 5 == 4 {
            in_parts(&s3, &bucket, &key, bytes).await
        } else {
            put(&s3, &bucket, &key, bytes).await.ok()
        };
        if done.is_some() {
            count.fetch_add(1, Ordering::Relaxed);
            acknowledged.push((key, round));
        }
    }
    acknowledged
}

async fn in_parts(s3: &Client, bucket: &str, key: &str, bytes: Vec<u8>) -> Option<()> {
    let upload = s3.create_multipart_upload().bucket(bucket).key(key).send().await.ok()?.upload_id?;
    let part = s3.upload_part().bucket(bucket).key(key).upload_id(&upload).part_number(1);
    let etag = part.body(ByteStream::from(bytes)).send().await.ok()?.e_tag?;
    let part = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = s3.complete_multipart_upload().bucket(bucket).key(key).upload_id(&upload);
    complete.multipart_upload(parts).send().await.ok().map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_uploads_tears_and_loses_nothing_and_leaves_no_file_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let stack = StackProcess::start(folder.path(), &[]).await;
        let (s3, bucket) = (s3_client(&stack.state, None), stack.state.buckets["files"].clone());
        let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let uploads: Vec<_> = (0..8)
            .map(|writer| {
                let name = format!("kill/r{round}-{writer}");
                tokio::spawn(upload(s3.clone(), bucket.clone(), name, Arc::clone(&over), Arc::clone(&count)))
            })
            .collect();
        let begin = tokio::time::Instant::now();
        while count.load(Ordering::Relaxed) < 60 {
            assert!(begin.elapsed() < Duration::from_mins(1), "nothing is acknowledged");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stack.kill().await;
        over.store(true, Ordering::Relaxed);
        for upload in uploads {
            acknowledged.extend(upload.await.expect("an upload ends"));
        }
    }
    let stack = StackProcess::start(folder.path(), &[]).await;
    let (s3, bucket) = (s3_client(&stack.state, None), stack.state.buckets["files"].clone());
    let mut last = std::collections::BTreeMap::new();
    for (key, round) in acknowledged {
        last.insert(key, round);
    }
    for (key, round) in &last {
        let bytes = get(&s3, &bucket, key).await.unwrap_or_else(|| panic!("{key} is lost"));
        let (_, found) = whole(&bytes).unwrap_or_else(|| panic!("{key} is torn"));
        assert!(found >= *round, "{key} went back from {round} to {found}");
    }
    // What was not acknowledged is there whole, or not at all.
    let mut pages = s3.list_objects_v2().bucket(&bucket).prefix("kill/").into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        keys.extend(
            page.expect("a page").contents().iter().filter_map(|object| object.key().map(str::to_owned)),
        );
    }
    for key in &keys {
        let bytes = get(&s3, &bucket, key).await.unwrap_or_else(|| panic!("{key} cannot be read"));
        assert!(whole(&bytes).is_some(), "{key} is torn");
    }
    // With all that refers to them, the files go too: nothing else had been left after the sweep of the start.
    let uploads = s3.list_multipart_uploads().bucket(&bucket).send().await.expect("a page");
    for upload in uploads.uploads() {
        let (key, id) = (upload.key().expect("a key"), upload.upload_id().expect("an id"));
        let abort = s3.abort_multipart_upload().bucket(&bucket).key(key).upload_id(id);
        abort.send().await.expect("an upload that was begun");
    }
    for key in &keys {
        s3.delete_object().bucket(&bucket).key(key).send().await.expect("a deletion");
    }
    let seeds = tempfile::tempdir().expect("a folder");
    let fresh = StackProcess::start(seeds.path(), &[]).await;
    let expected = files(&seeds.path().join("data"));
    assert_eq!(
        files(&folder.path().join("data")),
        expected,
        "only the seeds have files, and nothing is staged"
    );
    fresh.kill().await;
    stack.kill().await;
}
