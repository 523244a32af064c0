//! What ended behind the comparison: uploads that were begun by what was handed out before the move, and copies of the
//! move's own that came to nothing.

use aws_sdk_s3::types::Object;
use time::{Duration, OffsetDateTime};

use super::files::{AT_ONCE, Both, SECOND, written};
use super::{Moving, Step};
use crate::ControlError;
use crate::file_copy::Listed;
use crate::item::TenantItem;
use crate::task::{Listing, Outcome, REVOCATION_HORIZON, Run};

/// After how long files are gone on with that a run has no time for: the next run has them.
const PAUSE: Duration = Duration::seconds(30);
/// The longest that an upload in parts goes on: the bucket's lifecycle ends it after a day, of which S3 makes up to two.
const UPLOAD: Duration = Duration::days(2);

impl Run<'_> {
    /// Gives up the silo's unfinished uploads: they are copies of files that have gone meanwhile.
    pub(super) async fn close_uploads(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let silo = self.stores.silo(tenant)?.files;
        if self.contents(&silo, &Self::prefix(tenant)).give_up_uploads().await? {
            moving.enter(Step::CatchUpRecords);
        }
        Ok(Outcome::Progress)
    }

    /// Reads a page of the pool's files. Behind the last they are deleted, if they are those that were compared.
    pub(super) async fn recheck_files(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let behind = moving.pace.cursor.take();
        let Listing { files, next } =
            self.files_behind(&self.stores.files, tenant, behind.as_deref()).await?;
        moving.late.add_files(&files);
        moving.pace.cursor = next;
        if moving.pace.cursor.is_none() {
            if moving.late.files == moving.pool.files {
                moving.enter(Step::CleanItems);
            } else {
                moving.pool.files = moving.late.files;
                moving.enter(Step::BringFiles);
            }
        }
        Ok(Outcome::Progress)
    }

    /// Brings those of a page of the pool's files that the silo lacks, or has as they were before.
    pub(super) async fn bring_files(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let silo = self.stores.silo(tenant)?.files;
        let behind = moving.pace.cursor.clone();
        let Both { files, present, next } = self.both(&silo, tenant, behind.as_deref()).await?;
        let is_late = |object: &Object| {
            let there = present.get(object.key().unwrap_or_default());
            is_late(object, there, moving.paused_at, moving.resumed_at)
        };
        let late: Vec<_> = files.iter().filter(|object| is_late(object)).cloned().collect();
        for some in late.chunks(AT_ONCE) {
            if self.budget.is_spent() || !self.copy_some(&silo, moving, some).await? {
                moving.pace.next_at = self.now + PAUSE;
                return Ok(Outcome::Progress);
            }
            moving.brought += some.len() as u64;
        }
        moving.pace.cursor = next;
        if moving.pace.cursor.is_some() {
            return Ok(Outcome::Progress);
        }
        moving.recheck();
        let detail = format!("{} files that ended in the pool behind the comparison", moving.brought);
        Ok(Outcome::Change {
            after: Box::new(tenant.clone()),
            removed: Vec::new(),
            action: "tenant.move-late",
            detail,
        })
    }
}

/// Whether a file of the pool ended behind the comparison. The silo's is left where the tenant has written it since.
/// Where the silo has none, either the tenant has deleted it since, or it is new: the latter where it was written
/// shortly before the pause. Of one in parts S3 tells when it was begun, and unfinished uploads end after a day.
fn is_late(
    pooled: &Object,
    siloed: Option<&Object>,
    paused_at: Option<OffsetDateTime>,
    resumed_at: Option<OffsetDateTime>,
) -> bool {
    let nanoseconds = |time: OffsetDateTime| time.unix_timestamp_nanos();
    let of = Listed::of(pooled);
    if let Some(there) = siloed {
        let is_copy = written(there).map(|time| time + SECOND) <= resumed_at.map(nanoseconds);
        return is_copy && Listed::of(there) != of;
    }
    let shortly = if of.etag.contains('-') { UPLOAD } else { REVOCATION_HORIZON };
    paused_at.is_some_and(|pause| written(pooled) >= Some(nanoseconds(pause - shortly)))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::DateTime;

    use super::*;

    #[test]
    fn what_the_tenant_has_done_in_its_silo_is_no_late_file() {
        let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let object = |etag: &str, seconds| {
            Object::builder()
                .key("acme/a")
                .e_tag(etag)
                .size(1)
                .last_modified(DateTime::from_secs(seconds))
                .build()
        };
        let (pause, resumption) = (1_000_000, 1_000_300);
        let (shortly, long_ago) = (pause - 4_000, pause - 5_000);
        let (before, since) = (pause - 100, resumption + 1);
        for (pooled, siloed, is_so) in [
            (object("a", long_ago), Some(object("a", before)), false),
            (object("b", long_ago), Some(object("a", before)), true),
            (object("b", shortly), Some(object("a", since)), false),
            (object("b", shortly), Some(object("a", resumption)), false),
            (object("a", long_ago), None, false),
            (object("a", shortly), None, true),
            (object("a-2", long_ago), None, true),
            (object("a-2", pause - 200_000), None, false),
        ] {
            let found = is_late(&pooled, siloed.as_ref(), Some(time(pause)), Some(time(resumption)));
            assert_eq!(found, is_so, "{pooled:?} {siloed:?}");
        }
    }
}
