//! The export of records and checkpoints.

use contract::{CheckpointName, Json};
use serde::Serialize;
use tenant_context::ApiKeyId;
use tenant_store::{exported_checkpoint, exported_record};
use time::OffsetDateTime;

use super::lines::Lines;
use super::{Leaving, Step};
use crate::ControlError;
use crate::item::TenantItem;
use crate::task::{Outcome, Run};

/// Items of one query. A page has a megabyte at most.
const PAGE: i32 = 500;
/// Queries of one step at most, where most of what they find is left out.
const QUERIES: usize = 20;

/// A checkpoint with the key that it belongs to.
#[derive(Serialize)]
struct KeyCheckpoint<'a> {
    api_key_id: &'a ApiKeyId,
    name: CheckpointName,
    version: u64,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    value: Json,
}

impl Run<'_> {
    /// Writes a part of the records. The cursor is the sort key that the next part begins behind.
    pub(super) async fn export_records(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let home = self.stores.home(tenant)?;
        let partition = self.records(&home.records, tenant);
        let mut lines = Lines::default();
        let mut is_done = false;
        for _ in 0..QUERIES {
            let (items, next) = partition.page(self, leaving.pace.cursor.as_deref(), PAGE).await?;
            for item in items {
                match exported_record(item) {
                    Some(record) => {
                        lines.push(&record)?;
                        leaving.counts.records += 1;
                    }
                    None => leaving.counts.records_left_out += 1,
                }
            }
            is_done = next.is_none();
            leaving.pace.cursor = next;
            if is_done || lines.is_full() {
                break;
            }
        }
        if let Some(reason) = self.put_part(leaving, "records", lines).await? {
            return Ok(Outcome::Standstill(reason));
        }
        if is_done {
            leaving.enter(Step::ExportCheckpoints);
        }
        Ok(Outcome::Progress)
    }

    /// Writes a part of the checkpoints. The cursor is a key, `#`, and the name behind which the next part begins.
    pub(super) async fn export_checkpoints(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let mut keys = tenant.keys.clone();
        keys.sort();
        let mut lines = Lines::default();
        for _ in 0..QUERIES {
            // The keys are fewer where one of them has been revoked meanwhile.
            let (at, behind) = match leaving.pace.cursor.as_deref().and_then(|cursor| cursor.split_once('#'))
            {
                Some((at, behind)) => (at.to_owned(), Some(behind).filter(|behind| !behind.is_empty())),
                None => (String::new(), None),
            };
            let Some(key) = keys.iter().find(|key| key.as_str() >= at.as_str()) else { break };
            let behind = behind.filter(|_| key.as_str() == at);
            let (items, next) = self.checkpoints(key).page(self, behind, PAGE).await?;
            for item in items {
                let Some(checkpoint) = exported_checkpoint(item) else {
                    leaving.counts.checkpoints_left_out += 1;
                    continue;
                };
                lines.push(&KeyCheckpoint {
                    api_key_id: key,
                    name: checkpoint.name,
                    version: checkpoint.version,
                    updated_at: checkpoint.updated_at,
                    value: checkpoint.value,
                })?;
                leaving.counts.checkpoints += 1;
            }
            let following = || keys.iter().find(|other| *other > key).map(|key| format!("{key}#"));
            leaving.pace.cursor = match next {
                Some(name) => Some(format!("{key}#{name}")),
                None => following(),
            };
            if leaving.pace.cursor.is_none() || lines.is_full() {
                break;
            }
        }
        let is_done = match leaving.pace.cursor.as_deref().and_then(|cursor| cursor.split_once('#')) {
            Some((at, _)) => keys.iter().all(|key| key.as_str() < at),
            None => true,
        };
        if let Some(reason) = self.put_part(leaving, "checkpoints", lines).await? {
            return Ok(Outcome::Standstill(reason));
        }
        if is_done {
            leaving.enter(Step::ExportFiles);
        }
        Ok(Outcome::Progress)
    }
}
