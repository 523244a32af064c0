//! Files, copied back by S3.

use tokio::task::JoinSet;

use time::Duration;

use super::Importing;
use crate::ControlError;
use crate::file_copy::{Copied, Copier, Listed, Place};
use crate::item::TenantItem;
use crate::leaving::{ExportedFile, FILES};
use crate::task::{Outcome, Run};

/// Files that are copied at once.
const AT_ONCE: usize = 8;
/// After how long a file is gone on with that a run has no time for: the next run has it.
const PAUSE: Duration = Duration::seconds(30);
/// Longest key of an object in bytes.
const MAX_KEY: usize = 1_024;

/// What has come of the copies of some files.
#[derive(Debug)]
enum Copies {
    Done,
    Unfinished,
    /// For a reason in words.
    Refused(String),
}

impl Run<'_> {
    /// Copies files of a part, as many as there is time for. The cursor is how many parts are done, `#`, and how many
    /// lines of the next.
    pub(super) async fn import_files(
        &self,
        tenant: &TenantItem,
        importing: &mut Importing,
    ) -> Result<Outcome, ControlError> {
        let manifest = match self.manifest(importing).await? {
            Ok(manifest) => manifest,
            Err(reason) => return Ok(Outcome::Standstill(reason)),
        };
        let place = importing.pace.cursor.as_deref().and_then(|cursor| cursor.split_once('#'));
        let (parts_done, lines_done) = place
            .and_then(|(parts, lines)| Some((parts.parse().ok()?, lines.parse().ok()?)))
            .unwrap_or((0_usize, 0_usize));
        let parts = manifest.of_kind("files");
        let Some(part) = parts.get(parts_done) else {
            importing.compare();
            return Ok(Outcome::Progress);
        };
        let text = match self.part(importing, part).await? {
            Ok(text) => text,
            Err(reason) => return Ok(Outcome::Standstill(reason)),
        };
        let mut files = Vec::new();
        for (number, line) in text.lines().enumerate() {
            match serde_json::from_str::<ExportedFile>(line) {
                Ok(file) if !file.name.contains('\0') => files.push(file),
                Ok(_) | Err(_) => {
                    let place = format!("line {} of {}", number + 1, part.name);
                    return Ok(Outcome::Standstill(format!("{place} cannot be read")));
                }
            }
        }
        let bucket = self.stores.home(tenant)?.files;
        let mut done = lines_done;
        for some in files.get(lines_done..).unwrap_or_default().chunks(AT_ONCE) {
            match Box::pin(self.copy_back(tenant, importing, &bucket, some)).await {
                Ok(Copies::Done) => {}
                Ok(Copies::Unfinished) => {
                    importing.pace.next_at = self.now + PAUSE;
                    importing.pace.cursor = Some(format!("{parts_done}#{done}"));
                    return Ok(Outcome::Progress);
                }
                // What is copied is kept; what is in the way is the first in the next step, and told of there.
                Ok(Copies::Refused(_)) | Err(_) if done > lines_done => break,
                Ok(Copies::Refused(reason)) => return Ok(Outcome::Standstill(reason)),
                Err(error) => return Err(error),
            }
            for ExportedFile { name, size, etag, .. } in some {
                importing.imported.add_file(name, *size, etag);
            }
            done += some.len();
            importing.counts.files += some.len() as u64;
            importing.counts.bytes +=
                some.iter().map(|file| u64::try_from(file.size).unwrap_or_default()).sum::<u64>();
            if self.budget.is_spent() {
                break;
            }
        }
        importing.pace.cursor = Some(if done < files.len() {
            format!("{parts_done}#{done}")
        } else {
            format!("{}#0", parts_done + 1)
        });
        Ok(Outcome::Progress)
    }

    /// Copies some files at once.
    async fn copy_back(
        &self,
        tenant: &TenantItem,
        importing: &Importing,
        bucket: &str,
        files: &[ExportedFile],
    ) -> Result<Copies, ControlError> {
        let copying = Copier { s3: self.stores.s3.clone() };
        let mut tasks = JoinSet::new();
        let prefix = Self::prefix(tenant);
        if let Some(file) = files.iter().find(|file| prefix.len() + file.name.len() > MAX_KEY) {
            let name = shortened(&file.name);
            return Ok(Copies::Refused(format!(
                "the file {name} has a name too long for a tenant of this id"
            )));
        }
        for ExportedFile { name, key: short, size, etag, .. } in files {
            let key = format!("{prefix}{name}");
            let from = Place {
                bucket: importing.export.bucket.clone(),
                key: match short {
                    Some(key) => format!("{}{key}", importing.export.prefix),
                    None => format!("{}{FILES}{name}", importing.export.prefix),
                },
            };
            let to = Place { bucket: bucket.to_owned(), key };
            let listed = Listed { etag: etag.clone(), size: *size };
            let (copying, name, budget) = (copying.clone(), name.clone(), self.budget);
            tasks.spawn(async move {
                let copied = copying.copy(&from, &to, &listed, budget).await;
                copied.map(|copied| (name, listed, copied))
            });
        }
        let mut outcome = Copies::Done;
        // All are waited for: what is dropped may still be done by S3.
        for copied in tasks.join_all().await {
            let (name, listed, copied) = copied?;
            match copied {
                Copied::Done { source, .. } if source == listed => {}
                Copied::Done { .. } => {
                    let name = shortened(&name);
                    outcome =
                        Copies::Refused(format!("the export's file {name} is not the one that it lists"));
                }
                Copied::Gone => {
                    let name = shortened(&name);
                    outcome = Copies::Refused(format!("the export's file {name} is not there"));
                }
                Copied::Unfinished if matches!(outcome, Copies::Done) => outcome = Copies::Unfinished,
                Copied::Unfinished => {}
            }
        }
        Ok(outcome)
    }
}

/// A name for an operator to read.
fn shortened(name: &str) -> String {
    name.escape_debug().take(200).collect()
}
