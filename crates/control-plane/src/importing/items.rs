//! Records, checkpoints, and items as they were stored.

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use tenant_store::{imported_checkpoint, imported_record};

use super::{Importing, Step};
use crate::ControlError;
use crate::batch::Batches;
use crate::item::TenantItem;
use crate::raw_item::{self, Of};
use crate::task::{Item, Outcome, Run};

/// Items that are written at once, of which DynamoDB takes no more, and the bytes of their lines. Together these hold
/// a request to 16 MB: with the names of types, numbers of one digit are five times as long as in a line, and one line
/// more may be as long as an item.
const WRITES: usize = 25;
const BYTES: usize = 1024 * 1024;

/// What a line brings back.
#[derive(Debug)]
enum Line {
    Item(Of, Item),
    /// A checkpoint, where these are left out.
    LeftOut,
}

impl Run<'_> {
    /// Writes a part's records, checkpoints or items. The cursor is how many parts of the kind are done.
    pub(super) async fn import_items(
        &self,
        tenant: &TenantItem,
        importing: &mut Importing,
    ) -> Result<Outcome, ControlError> {
        let (kind, next) = match importing.step {
            Step::Records => ("records", Step::Checkpoints),
            Step::Checkpoints => ("checkpoints", Step::Items),
            Step::Wait
            | Step::Items
            | Step::Files
            | Step::CompareRecords
            | Step::CompareFiles
            | Step::Done
            | Step::UndoItems
            | Step::UndoCheckpoints
            | Step::UndoUploads
            | Step::UndoFiles
            | Step::Abandoned => ("items", Step::Files),
        };
        let manifest = match self.manifest(importing).await? {
            Ok(manifest) => manifest,
            Err(reason) => return Ok(Outcome::Standstill(reason)),
        };
        if let Some(gone) = importing.keys.values().find(|key| !tenant.keys.contains(key)) {
            return Ok(Outcome::Standstill(format!(
                "the key {gone}, which the checkpoints are for, is gone: give the import up"
            )));
        }
        let done = importing.pace.cursor.as_deref().and_then(|done| done.parse().ok()).unwrap_or(0_usize);
        let parts = manifest.of_kind(kind);
        // Without keys, checkpoints are left out.
        let is_left_out = importing.step == Step::Checkpoints && importing.keys.is_empty();
        let Some(part) = parts.get(done).filter(|_| !is_left_out) else {
            importing.enter(next);
            return Ok(Outcome::Progress);
        };
        let text = match self.part(importing, part).await? {
            Ok(text) => text,
            Err(reason) => return Ok(Outcome::Standstill(reason)),
        };
        // All of it can be read, or nothing of it is written.
        for (number, line) in text.lines().enumerate() {
            if read(importing, line).is_none() {
                let place = format!("line {} of {}", number + 1, part.name);
                return Ok(Outcome::Standstill(format!("{place} cannot be read")));
            }
        }
        let table = self.stores.home(tenant)?.records;
        let (mut records, mut checkpoints, mut bytes) = (Vec::new(), Vec::new(), 0);
        for line in text.lines() {
            if is_full(records.len() + checkpoints.len(), bytes, line) {
                self.import_records(&table, std::mem::take(&mut records)).await?;
                self.import_checkpoints(std::mem::take(&mut checkpoints)).await?;
                bytes = 0;
            }
            bytes += line.len();
            match read(importing, line) {
                Some(Line::Item(Of::Records, mut item)) => {
                    if importing.step == Step::Records {
                        importing.imported.add_line(line);
                    } else {
                        importing.imported.add_owned(&item);
                    }
                    let id = AttributeValue::S(tenant.tenant_id.to_string());
                    item.insert("tenant_id".to_owned(), id);
                    records.push(put(item)?);
                    count(importing, Of::Records);
                }
                Some(Line::Item(Of::Checkpoints, item)) => {
                    checkpoints.push(put(item)?);
                    count(importing, Of::Checkpoints);
                }
                Some(Line::LeftOut) | None => {}
            }
        }
        self.import_records(&table, records).await?;
        self.import_checkpoints(checkpoints).await?;
        importing.pace.cursor = Some((done + 1).to_string());
        Ok(Outcome::Progress)
    }

    async fn import_records(&self, table: &str, writes: Vec<WriteRequest>) -> Result<(), ControlError> {
        self.write_all(table, "BatchWriteItem on a table of records", writes).await
    }

    async fn import_checkpoints(&self, writes: Vec<WriteRequest>) -> Result<(), ControlError> {
        let table = &self.desk.checkpoints.table;
        self.write_all(table, "BatchWriteItem on the checkpoints table", writes).await
    }

    async fn write_all(
        &self,
        table: &str,
        operation: &'static str,
        writes: Vec<WriteRequest>,
    ) -> Result<(), ControlError> {
        let batches = Batches {
            dynamodb: &self.desk.reader.dynamodb,
            table,
            meter: &self.desk.reader.meter,
            operation,
            incomplete: "import: DynamoDB has not written it all",
        };
        Box::pin(batches.write(writes)).await
    }
}

/// Whether a request of so many items, of so many bytes of lines, has no room for one more.
fn is_full(items: usize, bytes: usize, line: &str) -> bool {
    items >= WRITES || bytes + line.len() > BYTES
}

/// The item of a line of the step's kind; none where it cannot be read.
fn read(importing: &Importing, line: &str) -> Option<Line> {
    let checkpoint = |from: &str, mut item: Item| {
        if importing.keys.is_empty() {
            return Some(Line::LeftOut);
        }
        let key = importing.keys.get(&from.parse().ok()?)?;
        item.insert("api_key_id".to_owned(), AttributeValue::S(key.to_string()));
        Some(Line::Item(Of::Checkpoints, item))
    };
    if importing.step == Step::Records {
        return Some(Line::Item(Of::Records, imported_record(line)?));
    }
    if importing.step == Step::Checkpoints {
        let (from, item) = imported_checkpoint(line)?;
        return checkpoint(from.as_str(), item);
    }
    match raw_item::read(line)? {
        (table @ Of::Records, item) => is_text(&item, "sk").then_some(Line::Item(table, item)),
        (Of::Checkpoints, item) => {
            let from = item.get("api_key_id")?.as_s().ok()?.clone();
            is_text(&item, "name").then_some(())?;
            checkpoint(&from, item)
        }
    }
}

fn is_text(item: &Item, name: &str) -> bool {
    item.get(name).is_some_and(|value| value.as_s().is_ok_and(|text| !text.is_empty()))
}

fn count(importing: &mut Importing, of: Of) {
    let is_raw = importing.step == Step::Items;
    let counts = &mut importing.counts;
    *match (of, is_raw) {
        (Of::Records, false) => &mut counts.records,
        (Of::Records, true) => &mut counts.raw_records,
        (Of::Checkpoints, false) => &mut counts.checkpoints,
        (Of::Checkpoints, true) => &mut counts.raw_checkpoints,
    } += 1;
}

fn put(item: Item) -> Result<WriteRequest, ControlError> {
    let put = PutRequest::builder().set_item(Some(item)).build().map_err(crate::writes::unwritable)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_at_most_25_items_and_a_megabyte_of_lines() {
        let line = "x".repeat(1024);
        assert!(!is_full(24, 0, &line));
        assert!(is_full(25, 0, &line));
        assert!(!is_full(1, BYTES - line.len(), &line));
        assert!(is_full(1, BYTES, &line));
    }
}
