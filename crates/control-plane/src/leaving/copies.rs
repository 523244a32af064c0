//! The export of files: S3 copies them, no byte passes through a function.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::Object;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use tenant_context::AwsFailure;
use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::lines::Lines;
use super::{Leaving, Step};
use crate::ControlError;
use crate::item::TenantItem;
use crate::task::{Outcome, Run};

/// Files of one listing.
const PAGE: i32 = 100;
/// Files that are copied at once.
const AT_ONCE: usize = 8;
/// The largest object that S3 copies in one call.
const LARGEST: i64 = 5 * 1024 * 1024 * 1024;

/// What is left as it is in the source of a copy, beside letters and digits.
const SOURCE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A file, as the export lists it.
#[derive(Debug, Serialize)]
struct ExportedFile {
    name: String,
    size: i64,
    /// The entity tag of the copy.
    etag: String,
    /// That of the tenant's file, which is another one where it was uploaded in parts.
    source_etag: String,
    #[serde(with = "time::serde::rfc3339")]
    last_modified: OffsetDateTime,
}

impl Run<'_> {
    /// What the keys of the tenant's files begin with.
    pub(super) fn prefix(tenant: &TenantItem) -> String {
        // No id holds a slash, so no tenant's prefix begins another's.
        format!("{}/", tenant.tenant_id)
    }

    /// Copies files, as many as there is time for, and lists them in a part. The cursor is the key behind which the
    /// next part begins.
    pub(super) async fn export_files(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let prefix = Self::prefix(tenant);
        let mut lines = Lines::default();
        let mut is_done = false;
        while !is_done && !lines.is_full() {
            let page = self
                .stores
                .s3
                .list_objects_v2()
                .bucket(&self.stores.files)
                .prefix(&prefix)
                .set_start_after(leaving.pace.cursor.clone())
                .max_keys(PAGE)
                .send()
                .await
                .map_err(AwsFailure::of("ListObjectsV2 on the files bucket"))?;
            is_done = page.is_truncated() != Some(true);
            for some in page.contents().chunks(AT_ONCE) {
                if let Some(large) = some.iter().find(|object| object.size().unwrap_or_default() > LARGEST) {
                    let name = large.key().unwrap_or_default();
                    return Ok(Outcome::Standstill(format!(
                        "the file {name} is larger than 5 GiB, which is not exported yet: delete it, or copy it by \
                         hand and delete it then"
                    )));
                }
                for file in self.copy(&prefix, leaving, some).await? {
                    lines.push(&file)?;
                    leaving.counts.files += 1;
                    leaving.counts.bytes += u64::try_from(file.size).unwrap_or_default();
                }
                leaving.pace.cursor = some.last().and_then(|object| object.key().map(str::to_owned));
                if self.budget.is_spent() {
                    // What is not copied yet is found behind the cursor.
                    is_done = false;
                    break;
                }
            }
            if self.budget.is_spent() {
                break;
            }
        }
        if let Some(reason) = self.put_part(leaving, "files", lines).await? {
            return Ok(Outcome::Standstill(reason));
        }
        if is_done {
            leaving.enter(Step::ExportManifest);
        }
        Ok(Outcome::Progress)
    }

    /// Copies some files at once. They are answered in their order.
    async fn copy(
        &self,
        prefix: &str,
        leaving: &Leaving,
        objects: &[Object],
    ) -> Result<Vec<ExportedFile>, ControlError> {
        let mut tasks = JoinSet::new();
        for (place, object) in objects.iter().enumerate() {
            let key = object.key().unwrap_or_default();
            let name = key.strip_prefix(prefix).unwrap_or(key).to_owned();
            let file = ExportedFile {
                size: object.size().unwrap_or_default(),
                etag: String::new(),
                source_etag: plain_tag(object.e_tag()),
                last_modified: object
                    .last_modified()
                    .and_then(|time| OffsetDateTime::from_unix_timestamp(time.secs()).ok())
                    .unwrap_or(OffsetDateTime::UNIX_EPOCH),
                name,
            };
            let source = format!("{}/{key}", self.stores.files);
            let copy = self
                .stores
                .s3
                .copy_object()
                .copy_source(utf8_percent_encode(&source, SOURCE).to_string())
                .bucket(&leaving.export.bucket)
                .key(format!("{}files/{}", leaving.export.prefix, file.name));
            tasks.spawn(async move {
                let copied = match copy.send().await {
                    Ok(copied) => copied,
                    // It has been deleted since it was listed.
                    Err(error)
                        if error.as_service_error().and_then(|error| error.code()) == Some("NoSuchKey") =>
                    {
                        return Ok(None);
                    }
                    Err(error) => return Err(AwsFailure::of("CopyObject into the exports bucket")(error)),
                };
                let etag = plain_tag(copied.copy_object_result().and_then(|result| result.e_tag()));
                Ok(Some((place, ExportedFile { etag, ..file })))
            });
        }
        let mut files = Vec::with_capacity(objects.len());
        while let Some(copied) = tasks.join_next().await {
            let copied =
                copied.map_err(|error| ControlError::Unreadable("the copy of a file", Box::new(error)))?;
            files.extend(copied?);
        }
        files.sort_by_key(|(place, _)| *place);
        Ok(files.into_iter().map(|(_, file)| file).collect())
    }
}

fn plain_tag(tag: Option<&str>) -> String {
    tag.unwrap_or_default().trim_matches('"').to_owned()
}
