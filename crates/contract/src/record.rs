//! Records and pages.

use serde::Serialize;
use time::OffsetDateTime;

use crate::{Collection, Json, RecordId};

/// A record, as every endpoint answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Id within the collection.
    pub id: RecordId,
    /// The collection.
    pub collection: Collection,
    /// Counts the writes, from 1; also the `ETag`.
    pub version: u64,
    /// When it was first written.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last written.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// What the caller sent: an object.
    pub data: Json,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The items, in the order that was asked for.
    pub items: Vec<T>,
    /// Continues behind the last item; `null` at the end.
    pub next_cursor: Option<String>,
}
