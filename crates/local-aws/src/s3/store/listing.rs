//! Listings, in the order of the keys' bytes.

use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::{Store, StoreError, millis, require_bucket};

/// What a listing is of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
    /// What keys are rolled up at, after the prefix. Empty rolls up nothing.
    pub(crate) delimiter: &'a str,
    /// Where it goes on. `None` begins it.
    pub(crate) from: Option<Position>,
    /// Most entries and prefixes together.
    pub(crate) limit: usize,
}

/// Where a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    /// Behind this key.
    After(Vec<u8>),
    /// At this key, or the next one.
    At(Vec<u8>),
}

impl Position {
    /// Behind everything that begins with a prefix.
    pub(crate) fn behind(prefix: &[u8]) -> Self {
        Self::At(end_of(prefix))
    }
}

/// What comes next behind everything that begins with a prefix. Nothing does behind an empty one.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    // Keys are UTF-8, which has no byte 0xFF: there is always a next one.
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

/// An object in a listing.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) modified: SystemTime,
    pub(crate) attributes: super::Attributes,
}

/// A page of a listing.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) entries: Vec<Entry>,
    pub(crate) prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Position>,
    /// The last key or prefix of the page.
    pub(crate) last: Option<String>,
}

impl Store {
    /// A page of objects. What it costs depends on the page alone, not on what the bucket holds.
    pub(crate) fn list(&self, listing: &Listing<'_>) -> Result<Listed, StoreError> {
        self.read(|db| {
            require_bucket(db, listing.bucket)?;
            let mut page = Listed::default();
            let mut from = listing.from.clone();
            loop {
                match step(db, listing, from, &mut page)? {
                    Step::GoOn(position) => from = Some(position),
                    Step::Full(position) => {
                        page.next = Some(position);
                        return Ok(page);
                    }
                    Step::End => return Ok(page),
                }
            }
        })
    }
}

enum Step {
    /// A prefix was rolled up: what it holds is skipped.
    GoOn(Position),
    /// The page is full, and there is more.
    Full(Position),
    End,
}

/// Reads on until a prefix is rolled up, the page is full, or the listing ends.
fn step(
    db: &Connection,
    listing: &Listing<'_>,
    from: Option<Position>,
    page: &mut Listed,
) -> Result<Step, StoreError> {
    let prefix = listing.prefix.as_bytes();
    // The later of the prefix's beginning and the position.
    let (comparison, bound) = match from {
        Some(Position::After(key)) if key.as_slice() >= prefix => (">", key),
        Some(Position::At(key)) if key.as_slice() > prefix => (">=", key),
        Some(_) | None => (">=", prefix.to_vec()),
    };
    let end = end_of(prefix);
    let mut statement = db.prepare_cached(&format!(
        "SELECT key, size, etag, modified, attributes FROM objects
         WHERE bucket = ?1 AND key {comparison} ?2 AND (?3 = x'' OR key < ?3) ORDER BY key",
    ))?;
    let mut rows = statement.query(params![listing.bucket, bound, end])?;
    while let Some(row) = rows.next()? {
        let key: Vec<u8> = row.get(0)?;
        let rolled_up = rolled_up(&key, prefix, listing.delimiter.as_bytes());
        if page.entries.len() + page.prefixes.len() >= listing.limit {
            return Ok(Step::Full(Position::At(key)));
        }
        if let Some(length) = rolled_up {
            let rolled = String::from_utf8_lossy(&key[..length]).into_owned();
            page.prefixes.push(rolled.clone());
            page.last = Some(rolled);
            return Ok(Step::GoOn(Position::behind(&key[..length])));
        }
        let attributes: String = row.get(4)?;
        let key = String::from_utf8_lossy(&key).into_owned();
        page.last = Some(key.clone());
        page.entries.push(Entry {
            key,
            size: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
            etag: row.get(2)?,
            modified: millis::time(row.get(3)?),
            attributes: serde_json::from_str(&attributes)?,
        });
    }
    Ok(Step::End)
}

/// How much of a key is its common prefix, if it is rolled up.
pub(super) fn rolled_up(key: &[u8], prefix: &[u8], delimiter: &[u8]) -> Option<usize> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(prefix)?;
    let at = rest.windows(delimiter.len()).position(|window| window == delimiter)?;
    Some(prefix.len() + at + delimiter.len())
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
