//! Copies of everything that the stack keeps: tables, objects, keys, counters and the clock.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use crate::clock::Jump;
use crate::shared::Shared;
use crate::state::write_private;

/// The copy that `/_local/reset` goes back to, made when the stack's data was new.
const FIRST: &str = "first";

/// Names the copy that is being loaded.
const LOADING: &str = ".loading";

/// Most copies that are kept.
const MAX_SNAPSHOTS: usize = 32;

/// Copies by name, each in a folder of its own.
pub(crate) struct Snapshots {
    folder: PathBuf,
    /// The folder's end, where the stack keeps nothing.
    _temporary: Option<TempDir>,
}

impl Snapshots {
    pub(crate) fn open(data: Option<&Path>) -> anyhow::Result<Self> {
        let temporary =
            data.is_none().then(TempDir::new).transpose().context("no temporary folder can be made")?;
        let folder = match (data, &temporary) {
            (Some(data), _) => data.join("snapshots"),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => bail!("no folder for snapshots"),
        };
        // A copy that a crash left without its name is the last whole one.
        for entry in std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = name.strip_prefix('.').and_then(|name| name.strip_suffix(".old"));
            if let Some(whole) = name.map(|name| folder.join(name)).filter(|whole| !whole.exists()) {
                std::fs::rename(entry.path(), whole).context("a snapshot cannot be renamed")?;
            }
        }
        Ok(Self { folder, _temporary: temporary })
    }

    /// Names of the copies, but for the first one.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_name(name))
            .collect();
        names.sort();
        names
    }

    /// Whether there is what a reset goes back to.
    pub(crate) fn has_first(&self) -> bool {
        self.folder.join(FIRST).is_dir()
    }

    /// Copies everything under a name, in place of an earlier copy. This blocks.
    pub(crate) fn save(&self, name: &str, shared: &Shared) -> anyhow::Result<()> {
        let names = self.names();
        ensure!(
            names.len() < MAX_SNAPSHOTS || names.iter().any(|known| known == name),
            "there are {MAX_SNAPSHOTS} snapshots; save under the name of one of them"
        );
        self.write(name, shared)
    }

    /// Copies the new stack, as what a reset goes back to. This blocks.
    pub(crate) fn save_first(&self, shared: &Shared) -> anyhow::Result<()> {
        self.write(FIRST, shared)
    }

    /// Goes back to a copy; nothing where there is none of the name. This blocks.
    pub(crate) fn load(&self, name: &str, shared: &Shared) -> anyhow::Result<Option<()>> {
        let folder = self.folder.join(name);
        if !folder.is_dir() {
            return Ok(None);
        }
        let _one = shared.change();
        let jumps = std::fs::read(folder.join("clock.json")).context("the snapshot has no clock")?;
        let jumps: Vec<Jump> = serde_json::from_slice(&jumps).context("the snapshot's clock is damaged")?;
        let (now, stack) = (shared.clock.with(&jumps), shared.live.current());
        let (tables, buckets) = (&stack.tables, &stack.buckets);
        let marker = self.folder.join(LOADING);
        shared
            .keys
            .load(&folder.join("gateway.db"), now, || {
                // From here on it is finished, be it by the next start.
                write_private(&marker, name.as_bytes())?;
                let loaded = shared.dynamo.load(&folder.join("dynamodb.db"), tables);
                if loaded.is_err() {
                    // Nothing has changed, so there is nothing to be finished.
                    std::fs::remove_file(&marker)?;
                }
                loaded?;
                shared.s3.load(&folder.join("s3"))?;
                Ok::<_, anyhow::Error>(shared.s3.ensure_buckets(buckets)?)
            })
            .with_context(|| format!("the snapshot {name} cannot be loaded"))?;
        shared.clock.set(jumps)?;
        shared.lambda.forget();
        shared.events.forget();
        std::fs::remove_file(&marker).context("the snapshot is loaded, and its marker cannot be removed")?;
        Ok(Some(()))
    }

    /// Finishes a load that broke off with the last run, if one did. This blocks.
    pub(crate) fn finish(&self, shared: &Shared) -> anyhow::Result<()> {
        let Ok(name) = std::fs::read_to_string(self.folder.join(LOADING)) else { return Ok(()) };
        self.load(&name, shared)
            .map(drop)
            .context("loading a snapshot broke off; `make reset` empties the local stack")
    }

    /// Goes back to the stack as it was when its data was new. This blocks.
    pub(crate) fn reset(&self, shared: &Shared) -> anyhow::Result<()> {
        self.load(FIRST, shared)?
            .context("this data is older than resets; `make reset` empties the local stack")
    }

    /// Writes beside the old copy, which is there until the new one is whole.
    fn write(&self, name: &str, shared: &Shared) -> anyhow::Result<()> {
        let (folder, beside, old) =
            (self.folder.join(name), self.beside(name, "new"), self.beside(name, "old"));
        let cannot = || format!("the snapshot {} cannot be written", folder.display());
        remove(&beside).with_context(cannot)?;
        let written = copy(&beside, shared);
        if written.is_err() {
            // What is left of it would only take room.
            let _ = remove(&beside);
        }
        written.with_context(cannot)?;
        if folder.exists() {
            remove(&old).with_context(cannot)?;
            std::fs::rename(&folder, &old).with_context(cannot)?;
        }
        std::fs::rename(&beside, &folder).with_context(cannot)?;
        remove(&old).with_context(cannot)
    }

    fn beside(&self, name: &str, what: &str) -> PathBuf {
        self.folder.join(format!(".{name}.{what}"))
    }
}

/// Copies everything into a folder.
fn copy(folder: &Path, shared: &Shared) -> anyhow::Result<()> {
    // It holds keys and tenants' data.
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let _one = shared.change();
    shared.dynamo.save(&folder.join("dynamodb.db"))?;
    shared.s3.save(&folder.join("s3"))?;
    shared.keys.save(&shared.live.current().plans, &folder.join("gateway.db"))?;
    Ok(write_private(&folder.join("clock.json"), &serde_json::to_vec(&shared.clock.jumps())?)?)
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether a snapshot can have this name: 1 to 40 of `[a-z0-9-]`, and not the first one's.
pub(crate) fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&name.len()) && name.bytes().all(is_letter) && name != FIRST
}
