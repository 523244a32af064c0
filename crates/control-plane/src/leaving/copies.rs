//! The export of files.

use aws_sdk_s3::types::Object;
use serde::{Deserialize, Serialize};
use tenant_context::AwsFailure;
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;

use super::lines::Lines;
use super::manifest::FILES;
use super::{Leaving, Step};
use crate::ControlError;
use crate::file_copy::{Copied, Copier, Listed, Place};
use crate::item::TenantItem;
use crate::task::{Outcome, Run};

/// Files of one listing.
const PAGE: i32 = 100;
/// Files that are copied at once.
const AT_ONCE: usize = 8;
/// After how long a file is gone on with that a run has no time for: the next run has it.
const PAUSE: Duration = Duration::seconds(30);

/// A file, as the export lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExportedFile {
    pub(crate) name: String,
    pub(crate) size: i64,
    /// The entity tag of the copy.
    pub(crate) etag: String,
    /// That of the tenant's file. It is the same, but where S3 makes tags of its own.
    source_etag: String,
    #[serde(with = "time::serde::rfc3339")]
    last_modified: OffsetDateTime,
}

/// What has come of the copy of a file.
#[derive(Debug)]
enum Copy {
    Done(ExportedFile),
    /// It has been deleted since it was listed.
    Gone,
    Unfinished,
}

impl Run<'_> {
    /// Copies files, as many as there is time for, and lists them in a part. The cursor is the key behind which the
    /// next part begins.
    pub(super) async fn export_files(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let (prefix, bucket) = (Self::prefix(tenant), self.stores.home(tenant)?.files);
        let mut lines = Lines::default();
        let (mut is_done, mut is_cut) = (false, false);
        while !is_done && !lines.is_full() {
            let page = self
                .stores
                .s3
                .list_objects_v2()
                .bucket(&bucket)
                .prefix(&prefix)
                .set_start_after(leaving.pace.cursor.clone())
                .max_keys(PAGE)
                .send()
                .await
                .map_err(AwsFailure::of("ListObjectsV2 on a bucket of files"))?;
            is_done = page.is_truncated() != Some(true);
            for some in page.contents().chunks(AT_ONCE) {
                let copied = self.copy((&bucket, &prefix), leaving, some).await?;
                let done = copied.iter().take_while(|copy| !matches!(copy, Copy::Unfinished)).count();
                for copy in copied.into_iter().take(done) {
                    let Copy::Done(file) = copy else { continue };
                    lines.push(&file)?;
                    leaving.counts.files += 1;
                    leaving.counts.bytes += u64::try_from(file.size).unwrap_or_default();
                }
                if let Some(last) = some.iter().take(done).next_back().and_then(Object::key) {
                    leaving.pace.cursor = Some(last.to_owned());
                }
                is_cut = done < some.len();
                if is_cut || self.budget.is_spent() {
                    // What is not copied yet is found behind the cursor.
                    is_done = false;
                    break;
                }
            }
            if is_cut || self.budget.is_spent() {
                break;
            }
        }
        if let Some(reason) = self.put_part(leaving, "files", lines).await? {
            return Ok(Outcome::Standstill(reason));
        }
        if is_cut {
            leaving.pace.next_at = self.now + PAUSE;
        }
        if is_done {
            leaving.enter(Step::ExportManifest);
        }
        Ok(Outcome::Progress)
    }

    /// Copies some files at once. They are answered in their order.
    async fn copy(
        &self,
        (bucket, prefix): (&str, &str),
        leaving: &Leaving,
        objects: &[Object],
    ) -> Result<Vec<Copy>, ControlError> {
        let copier = Copier { s3: self.stores.s3.clone() };
        let mut tasks = JoinSet::new();
        for (place, object) in objects.iter().enumerate() {
            let key = object.key().unwrap_or_default();
            let name = key.strip_prefix(prefix).unwrap_or(key).to_owned();
            let last_modified = object
                .last_modified()
                .and_then(|time| OffsetDateTime::from_unix_timestamp(time.secs()).ok())
                .unwrap_or(OffsetDateTime::UNIX_EPOCH);
            let from = Place { bucket: bucket.to_owned(), key: key.to_owned() };
            let to = Place {
                bucket: leaving.export.bucket.clone(),
                key: format!("{}{FILES}{name}", leaving.export.prefix),
            };
            let (copier, listed, budget) = (copier.clone(), Listed::of(object), self.budget);
            tasks.spawn(async move {
                let copy = match copier.copy(&from, &to, &listed, budget).await? {
                    Copied::Done { etag, source: Listed { etag: source_etag, size } } => {
                        Copy::Done(ExportedFile { name, size, etag, source_etag, last_modified })
                    }
                    Copied::Gone => Copy::Gone,
                    Copied::Unfinished => Copy::Unfinished,
                };
                Ok::<_, ControlError>((place, copy))
            });
        }
        let mut copies = Vec::with_capacity(objects.len());
        while let Some(copied) = tasks.join_next().await {
            let copied =
                copied.map_err(|error| ControlError::Unreadable("the copy of a file", Box::new(error)))?;
            copies.push(copied?);
        }
        copies.sort_by_key(|(place, _)| *place);
        Ok(copies.into_iter().map(|(_, copy)| copy).collect())
    }
}
