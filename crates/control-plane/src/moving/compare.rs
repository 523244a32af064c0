//! The comparison of both sides by count and checksum, each read by itself from its beginning.

use aws_sdk_s3::types::Object;

use super::{Moving, Side, Step};
use crate::ControlError;
use crate::file_copy::Listed;
use crate::item::TenantItem;
use crate::task::{Listing, Outcome, Partition, Run};

/// Items of one page. A page has a megabyte at most.
const PAGE: i32 = 500;
/// What a cursor in the silo begins with. It is read behind the pool.
const IN_SILO: char = '>';

/// The side that a cursor is in, and the place there.
fn place(cursor: Option<&str>) -> (bool, Option<String>) {
    match cursor.and_then(|cursor| cursor.strip_prefix(IN_SILO)) {
        Some(behind) => (true, Some(behind.to_owned()).filter(|behind| !behind.is_empty())),
        // What is before it in the pool's cursors keeps those apart.
        None => (false, cursor.map(|cursor| cursor[1..].to_owned())),
    }
}

/// The cursor behind a page; none behind the last one of the silo.
fn cursor(is_in_silo: bool, next: Option<String>) -> Option<String> {
    match (is_in_silo, next) {
        (false, Some(next)) => Some(format!("<{next}")),
        (false, None) => Some(IN_SILO.to_string()),
        (true, Some(next)) => Some(format!("{IN_SILO}{next}")),
        (true, None) => None,
    }
}

impl Side {
    /// Counts files.
    pub(super) fn add_files(&mut self, files: &[Object]) {
        for object in files {
            let Listed { etag, size } = Listed::of(object);
            self.counts.files += 1;
            self.counts.bytes += u64::try_from(size).unwrap_or_default();
            self.files.add_file(object.key().unwrap_or_default(), size, &etag);
        }
    }
}

impl Run<'_> {
    /// Reads a page of the records of one side.
    pub(super) async fn compare_records(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let (is_in_silo, behind) = place(moving.pace.cursor.as_deref());
        let silo = self.stores.silo(tenant)?.records;
        let table = if is_in_silo { &silo } else { &self.stores.records };
        let (items, next) =
            Partition::records(table, &tenant.tenant_id).page(self, behind.as_deref(), PAGE).await?;
        let side = if is_in_silo { &mut moving.silo } else { &mut moving.pool };
        for item in &items {
            side.counts.records += 1;
            side.records.add_item(item);
        }
        moving.pace.cursor = cursor(is_in_silo, next);
        if moving.pace.cursor.is_none() {
            if moving.pool != moving.silo {
                return Ok(moving.differ(self.now, tenant, "records"));
            }
            moving.enter(Step::CompareFiles);
        }
        Ok(Outcome::Progress)
    }

    /// Reads a page of the files of one side.
    pub(super) async fn compare_files(
        &self,
        tenant: &TenantItem,
        moving: &mut Moving,
    ) -> Result<Outcome, ControlError> {
        let (is_in_silo, behind) = place(moving.pace.cursor.as_deref());
        let silo = self.stores.silo(tenant)?.files;
        let bucket = if is_in_silo { &silo } else { &self.stores.files };
        let Listing { files, next } = self.files_behind(bucket, tenant, behind.as_deref()).await?;
        let side = if is_in_silo { &mut moving.silo } else { &mut moving.pool };
        side.add_files(&files);
        moving.pace.cursor = cursor(is_in_silo, next);
        if moving.pace.cursor.is_none() {
            if moving.pool != moving.silo {
                return Ok(moving.differ(self.now, tenant, "files"));
            }
            moving.enter(Step::Switch);
        }
        Ok(Outcome::Progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silo_is_read_behind_the_pool_and_each_from_its_beginning() {
        let next = |text: &str| Some(text.to_owned());
        assert_eq!(place(None), (false, None));
        for sort_key in ["a", "<", ">", "#"] {
            assert_eq!(place(cursor(false, next(sort_key)).as_deref()), (false, next(sort_key)));
            assert_eq!(place(cursor(true, next(sort_key)).as_deref()), (true, next(sort_key)));
        }
        assert_eq!(place(cursor(false, None).as_deref()), (true, None));
        assert_eq!(cursor(true, None), None);
    }
}
