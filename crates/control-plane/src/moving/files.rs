//! Files of the pool, brought into the silo.

use std::collections::BTreeMap;

use aws_sdk_s3::types::Object;
use tenant_context::AwsFailure;
use time::Duration;
use tokio::task::JoinSet;

use super::Moving;
use crate::ControlError;
use crate::file_copy::{Copied, Copier, Listed, Place};
use crate::item::TenantItem;
use crate::task::{Listing, Outcome, Run};

/// Files that are copied at once.
pub(super) const AT_ONCE: usize = 8;
/// After how long a file is gone on with that a run has no time for: the next run has it.
const PAUSE: Duration = Duration::seconds(30);
/// What S3 tells times to, in nanoseconds.
pub(super) const SECOND: i128 = 1_000_000_000;

/// A page of both sides.
#[derive(Debug)]
pub(super) struct Both {
    /// Those of the pool.
    pub(super) files: Vec<Object>,
    /// Those of the silo, by their keys.
    pub(super) present: BTreeMap<String, Object>,
    /// The key behind which there are more.
    pub(super) next: Option<String>,
}

impl Run<'_> {
    /// Makes a page of the silo's files what they are in the pool. The cursor is the key behind which the next page
    /// begins.
    pub(super) async fn copy_files(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let silo = self.stores.silo(tenant)?.files;
        let behind = moving.pace.cursor.clone();
        let Both { files, mut present, next } = self.both(&silo, tenant, behind.as_deref()).await?;
        let is_due = |object: &Object| {
            let there = present.get(object.key().unwrap_or_default());
            there.is_none_or(|there| !is_current(object, there))
        };
        let due: Vec<_> = files.iter().filter(|object| is_due(object)).cloned().collect();
        for object in &files {
            present.remove(object.key().unwrap_or_default());
        }
        for key in present.keys() {
            let delete = self.stores.s3.delete_object().bucket(&silo).key(key).send().await;
            delete.map_err(AwsFailure::of("DeleteObject on a silo's bucket"))?;
        }
        for some in due.chunks(AT_ONCE) {
            // Another run finds what has been copied, and goes on behind it.
            if self.budget.is_spent() || !self.copy_some(&silo, moving, some).await? {
                moving.pace.next_at = self.now + PAUSE;
                return Ok(Outcome::Progress);
            }
        }
        moving.pace.cursor = next;
        if moving.pace.cursor.is_none() {
            moving.files_copied(self.now);
        }
        Ok(Outcome::Progress)
    }

    /// Copies some files at once. Answers whether all of them are copied, or gone.
    pub(super) async fn copy_some(
        &self,
        silo: &str,
        moving: &mut Moving,
        objects: &[Object],
    ) -> Result<bool, ControlError> {
        let copying = Copier { s3: self.stores.s3.clone() };
        let mut tasks = JoinSet::new();
        for object in objects {
            let key = object.key().unwrap_or_default();
            let from = Place { bucket: self.stores.files.clone(), key: key.to_owned() };
            let to = Place { bucket: silo.to_owned(), key: key.to_owned() };
            let (copying, listed, budget) = (copying.clone(), Listed::of(object), self.budget);
            tasks.spawn(async move {
                let copied = copying.copy(&from, &to, &listed, budget).await;
                (from.key, copied)
            });
        }
        let mut is_all = true;
        // All are waited for: what is dropped may still be done by S3.
        for (key, copied) in tasks.join_all().await {
            match copied? {
                // Both sides would never be equal.
                Copied::Done { etag, source } if etag != source.etag => {
                    return Err(ControlError::NotCopied(
                        key,
                        "the entity tag of its copy is another".to_owned(),
                    ));
                }
                Copied::Done { source, .. } => {
                    moving.copied.files += 1;
                    moving.copied.bytes += u64::try_from(source.size).unwrap_or_default();
                }
                Copied::Gone => {}
                Copied::Unfinished => is_all = false,
            }
        }
        Ok(is_all)
    }

    /// A page of the pool's files, and the silo's between the same keys.
    pub(super) async fn both(
        &self,
        silo: &str,
        tenant: &TenantItem,
        behind: Option<&str>,
    ) -> Result<Both, ControlError> {
        let Listing { mut files, next } = self.files_behind(&self.stores.files, tenant, behind).await?;
        let there = self.files_behind(silo, tenant, behind).await?;
        // Where much was deleted in the pool the silo's page ends first, and so does this one.
        let next = match (next, there.next) {
            (Some(pooled), Some(siloed)) => Some(pooled.min(siloed)),
            (one, other) => one.or(other),
        };
        let is_within =
            |object: &Object| next.as_deref().is_none_or(|next| object.key().unwrap_or_default() <= next);
        files.retain(is_within);
        let present = there.files.into_iter().filter(is_within);
        let present = present.map(|object| (object.key().unwrap_or_default().to_owned(), object)).collect();
        Ok(Both { files, present, next })
    }
}

/// When an object was written, in nanoseconds since 1970.
pub(super) fn written(object: &Object) -> Option<i128> {
    object.last_modified().map(aws_sdk_s3::primitives::DateTime::as_nanos)
}

/// Whether the silo's file is the pool's as it is now: the same bytes, and copied behind the second in which it was
/// written, which tells of a file that was replaced by one of the same bytes with another type.
fn is_current(pooled: &Object, siloed: &Object) -> bool {
    Listed::of(pooled) == Listed::of(siloed) && written(pooled).map(|time| time + SECOND) <= written(siloed)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::DateTime;

    use super::*;

    fn object(etag: &str, size: i64, seconds: i64) -> Object {
        let time = DateTime::from_secs(seconds);
        Object::builder().key("acme/a").e_tag(etag).size(size).last_modified(time).build()
    }

    #[test]
    fn a_copy_is_current_with_the_same_bytes_and_no_earlier() {
        let pooled = object("\"a\"", 1, 10);
        for (siloed, is_so) in [
            (object("\"a\"", 1, 11), true),
            (object("\"a\"", 1, 10), false),
            (object("\"a\"", 1, 9), false),
            (object("\"b\"", 1, 11), false),
            (object("\"a\"", 2, 11), false),
        ] {
            assert_eq!(is_current(&pooled, &siloed), is_so, "{siloed:?}");
        }
    }
}
