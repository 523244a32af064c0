//! The export of files.

use aws_sdk_s3::types::Object;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;

use super::lines::Lines;
use super::manifest::FILES;
use super::{Leaving, Step, purging};
use crate::ControlError;
use crate::digest::Digest;
use crate::file_copy::{Copied, Copier, Listed, Place};
use crate::hex::hex;
use crate::item::TenantItem;
use crate::task::{Listing, Outcome, Run};

/// Longest key that S3 takes, in bytes.
const LONGEST_KEY: usize = 1_024;
/// Files that are copied at once.
const AT_ONCE: usize = 8;
/// After how long a file is gone on with that a run has no time for: the next run has it.
const PAUSE: Duration = Duration::seconds(30);

/// A file, as the export lists it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExportedFile {
    pub(crate) name: String,
    /// The key of the copy behind the export's prefix, where it is not `files/` and the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
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
    Failed(ControlError),
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
        if !self.budget.is_fresh() {
            // A step with little time makes a small part, and an export has not room for any number of them.
            leaving.pace.next_at = self.now + PAUSE;
            return Ok(Outcome::Progress);
        }
        let (mut is_done, mut is_cut, mut is_further) = (false, false, false);
        let mut culprit = None;
        while !is_done && !lines.is_full() {
            let Listing { files, next } =
                self.files_behind(&bucket, tenant, leaving.pace.cursor.as_deref()).await?;
            is_done = next.is_none();
            for some in files.chunks(AT_ONCE) {
                let mut done = 0;
                for copy in self.copy((&bucket, &prefix), leaving, some).await? {
                    match copy {
                        Copy::Done(file) => {
                            lines.push(&file)?;
                            let key = format!("{prefix}{}", file.name);
                            leaving.exported.add_file(&key, file.size, &file.source_etag);
                            leaving.counts.files += 1;
                            leaving.counts.bytes += u64::try_from(file.size).unwrap_or_default();
                        }
                        Copy::Gone => {}
                        Copy::Unfinished => is_cut = true,
                        Copy::Failed(error) => culprit = Some(error),
                    }
                    if is_cut || culprit.is_some() {
                        break;
                    }
                    done += 1;
                }
                if let Some(last) = some.iter().take(done).next_back() {
                    leaving.pace.cursor = last.key().map(str::to_owned);
                    is_further = true;
                }
                is_cut |= culprit.is_some();
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
        match culprit {
            // What is copied is told of first. The next step begins with the one that is in the way.
            Some(_) if is_further => return Ok(Outcome::Progress),
            Some(error) => return Err(error),
            None => {}
        }
        if is_cut {
            leaving.pace.next_at = self.now + PAUSE;
        }
        if is_done {
            leaving.enter(Step::ExportManifest);
        }
        Ok(Outcome::Progress)
    }

    /// Looks whether the tenant's files are those of the export. Then the purge begins. Else an upload has ended that
    /// was begun before its URL did, and all is exported again.
    pub(super) async fn compare_export(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let bucket = self.stores.home(tenant)?.files;
        if leaving.pace.cursor.is_none() {
            leaving.found = Digest::default();
        }
        loop {
            let Listing { files, next } =
                self.files_behind(&bucket, tenant, leaving.pace.cursor.as_deref()).await?;
            for file in &files {
                let Listed { etag, size } = Listed::of(file);
                leaving.found.add_file(file.key().unwrap_or_default(), size, &etag);
            }
            leaving.pace.cursor = next;
            if leaving.pace.cursor.is_none() {
                break;
            }
            if self.budget.is_spent() {
                return Ok(Outcome::Progress);
            }
        }
        if leaving.found == leaving.exported {
            if let Some(reason) = self.foreign_silo(tenant).await? {
                return Ok(Outcome::Standstill(reason));
            }
            return Ok(purging(tenant, leaving));
        }
        leaving.export_again();
        Ok(Outcome::Progress)
    }

    /// Copies some files at once. They are answered in their order.
    async fn copy(
        &self,
        (bucket, prefix): (&str, &str),
        leaving: &Leaving,
        objects: &[Object],
    ) -> Result<Vec<Copy>, ControlError> {
        let copying = Copier { s3: self.stores.s3.clone() };
        let mut tasks = JoinSet::new();
        for (place, object) in objects.iter().enumerate() {
            let key = object.key().unwrap_or_default().to_owned();
            let name = key.strip_prefix(prefix).unwrap_or(&key).to_owned();
            let short = short_key(&leaving.export.prefix, &name);
            let last_modified = object
                .last_modified()
                .and_then(|time| OffsetDateTime::from_unix_timestamp(time.secs()).ok())
                .unwrap_or(OffsetDateTime::UNIX_EPOCH);
            let from = Place { bucket: bucket.to_owned(), key };
            let to = Place {
                bucket: leaving.export.bucket.clone(),
                key: match &short {
                    Some(key) => format!("{}{key}", leaving.export.prefix),
                    None => format!("{}{FILES}{name}", leaving.export.prefix),
                },
            };
            let (copying, listed, budget) = (copying.clone(), Listed::of(object), self.budget);
            tasks.spawn(async move {
                let copy = match copying.copy(&from, &to, &listed, budget).await {
                    Ok(Copied::Done { etag, source: Listed { etag: source_etag, size } }) => {
                        Copy::Done(ExportedFile { name, key: short, size, etag, source_etag, last_modified })
                    }
                    Ok(Copied::Gone) => Copy::Gone,
                    Ok(Copied::Unfinished) => Copy::Unfinished,
                    Err(error) => Copy::Failed(error),
                };
                (place, copy)
            });
        }
        let mut copies = tasks.join_all().await;
        copies.sort_by_key(|(place, _)| *place);
        Ok(copies.into_iter().map(|(_, copy)| copy).collect())
    }
}

/// The key of a copy behind the export's prefix, where `files/` and the name would be longer than S3 takes: the name's
/// digest stands for it.
fn short_key(prefix: &str, name: &str) -> Option<String> {
    let is_short = prefix.len() + "files/".len() + name.len() <= LONGEST_KEY;
    (!is_short).then(|| format!("long-names/{}", hex(&Sha256::digest(name.as_bytes()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_of_a_file_with_a_long_name_has_a_key_that_s3_takes() {
        let prefix = "abc/000004/";
        let longest = LONGEST_KEY - prefix.len() - "files/".len();
        assert_eq!(short_key(prefix, &"n".repeat(longest)), None);
        let names = [format!("{}a", "n".repeat(longest)), format!("{}b", "n".repeat(longest))];
        let keys = names.map(|name| short_key(prefix, &name).unwrap());
        assert!(keys.iter().all(|key| key.starts_with("long-names/") && key.len() < 100), "{keys:?}");
        assert_ne!(keys[0], keys[1]);
    }
}
