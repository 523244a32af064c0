//! Reading what an object held when its reading began.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::blobs::BlobId;
use super::objects::Segment;
use super::{Store, is_referred_to};

/// Bytes that are read at a time.
const CHUNK: u64 = 256 * 1_024;

/// Keeps blobs' files in place, and removes those that nothing refers to once nobody reads them.
pub(crate) struct Pinned {
    store: Arc<Store>,
    ids: Vec<BlobId>,
}

impl Pinned {
    /// Takes over pins that were set already.
    pub(super) fn new(store: Arc<Store>, segments: &[Segment]) -> Self {
        Self { store, ids: segments.iter().map(|segment| segment.blob).collect() }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let (store, ids) = (Arc::clone(&self.store), std::mem::take(&mut self.ids));
        // The store may be busy, which a task must not wait for.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || store.unpin(&ids))),
            Err(_) => store.unpin(&ids),
        }
    }
}

impl Store {
    fn unpin(&self, ids: &[BlobId]) {
        let mut inner = self.lock();
        for id in ids {
            let Some(pins) = inner.pins.get_mut(id) else { continue };
            *pins -= 1;
            if *pins > 0 {
                continue;
            }
            inner.pins.remove(id);
            // What cannot be removed now is left to the next sweep.
            if matches!(is_referred_to(&inner.db, *id), Ok(false)) {
                let _ = self.blobs.remove(*id);
            }
        }
    }
}

/// Reads a range of an object. Its methods block.
pub(crate) struct Reader {
    pinned: Pinned,
    /// What is still to be read of which blobs: from where, and how many bytes.
    left: VecDeque<(BlobId, u64, u64)>,
    /// The blob that is being read.
    file: Option<File>,
}

impl Reader {
    /// A reader of the bytes in a range that the object has.
    pub(crate) fn new(pinned: Pinned, segments: &[Segment], range: &Range<u64>) -> Self {
        let mut left = VecDeque::new();
        let mut at = 0;
        for segment in segments {
            let end = at + segment.size;
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                left.push_back((segment.blob, from - at, to - from));
            }
            at = end;
        }
        Self { pinned, left, file: None }
    }

    /// The next bytes; none at the end.
    ///
    /// A file that is shorter than it was when it was written is an error, so that nobody takes a part for the
    /// whole.
    pub(crate) fn next(&mut self) -> io::Result<Option<Bytes>> {
        let Some((id, from, bytes)) = self.left.front_mut() else { return Ok(None) };
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let mut file = self.pinned.store.blobs.open_blob(*id)?;
            file.seek(SeekFrom::Start(*from))?;
            self.file.insert(file)
        };
        let now = (*bytes).min(CHUNK);
        let mut chunk = vec![0; usize::try_from(now).unwrap_or_default()];
        file.read_exact(&mut chunk)?;
        *bytes -= now;
        if *bytes == 0 {
            self.left.pop_front();
            self.file = None;
        }
        Ok(Some(Bytes::from(chunk)))
    }
}
