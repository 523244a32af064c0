//! The export of records and checkpoints.

use tenant_store::{Exported, exported_checkpoint, exported_record};

use super::lines::Lines;
use super::{Leaving, Step};
use crate::ControlError;
use crate::item::TenantItem;
use crate::raw_item::{self, Of};
use crate::task::{Outcome, Partition, Run};

/// Items of one query. A page has a megabyte at most.
const PAGE: i32 = 500;
/// Queries of one step at most, where most of what they find is left out.
const QUERIES: usize = 20;

/// The lines of a step: of what endpoints answer, and of items that these would not bring back as they are.
#[derive(Debug, Default)]
struct Both {
    things: Lines,
    raw: Lines,
}

impl Both {
    /// Takes an item. Answers how many lines there are of the thing, and of the item.
    fn take(&mut self, table: Of, Exported { line, raw }: &Exported) -> Result<(u64, u64), ControlError> {
        if let Some(line) = line {
            self.things.push_text(line);
        }
        if let Some(raw) = raw {
            let line = raw_item::line(table, raw).ok_or(ControlError::Incomplete("an item of a new type"))?;
            self.raw.push_text(&line);
        }
        Ok((line.is_some().into(), raw.is_some().into()))
    }

    fn is_full(&self) -> bool {
        self.things.is_full() || self.raw.is_full()
    }
}

impl Run<'_> {
    /// Writes a part of the records. The cursor is the sort key that the next part begins behind.
    pub(super) async fn export_records(
        &self,
        tenant: &TenantItem,
        leaving: &mut Leaving,
    ) -> Result<Outcome, ControlError> {
        let home = self.stores.home(tenant)?;
        let partition = Partition::records(&home.records, &tenant.tenant_id);
        let mut lines = Both::default();
        let mut is_done = false;
        for _ in 0..QUERIES {
            let (items, next) = partition.page(self, leaving.pace.cursor.as_deref(), PAGE).await?;
            for item in items {
                let (records, raw) = lines.take(Of::Records, &exported_record(item))?;
                leaving.counts.records += records;
                leaving.counts.raw_records += raw;
            }
            is_done = next.is_none();
            leaving.pace.cursor = next;
            if is_done || lines.is_full() {
                break;
            }
        }
        if let Some(reason) = self.put_parts(leaving, "records", lines).await? {
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
        let mut lines = Both::default();
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
            if !items.is_empty() && !leaving.exported_keys.contains(key) {
                leaving.exported_keys.push(key.clone());
            }
            for item in items {
                let (checkpoints, raw) = lines.take(Of::Checkpoints, &exported_checkpoint(key, item))?;
                leaving.counts.checkpoints += checkpoints;
                leaving.counts.raw_checkpoints += raw;
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
        if let Some(reason) = self.put_parts(leaving, "checkpoints", lines).await? {
            return Ok(Outcome::Standstill(reason));
        }
        if is_done {
            leaving.enter(Step::ExportFiles);
        }
        Ok(Outcome::Progress)
    }

    /// Writes a step's lines. Answers what keeps them from being written.
    async fn put_parts(
        &self,
        leaving: &mut Leaving,
        kind: &str,
        lines: Both,
    ) -> Result<Option<String>, ControlError> {
        match self.put_part(leaving, kind, lines.things).await? {
            None => self.put_part(leaving, "items", lines.raw).await,
            refused => Ok(refused),
        }
    }
}
