//! The functions' binaries: where they are, and how they get there.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;
use tokio::process::Command;

use crate::output::progress;

/// The folder that holds the binaries of the functions: this executable's own, or the one above it for a
/// test's.
///
/// # Errors
/// Where the executable's place cannot be found out.
pub fn folder() -> anyhow::Result<PathBuf> {
    let executable = std::env::current_exe().context("this executable's place is unknown")?;
    let folder = executable.parent().context("this executable has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

/// What the folders of binaries under names of their own begin with, before the process's id.
const STAGED: &str = ".running-";

/// The binaries of functions in a folder.
#[derive(Debug)]
pub(crate) struct Binaries {
    folder: PathBuf,
    /// Where sources are watched, binaries are run under names of their own, so that the next build neither
    /// takes away nor changes what is about to be started.
    staged: Option<(TempDir, Mutex<BTreeMap<String, Staged>>)>,
}

/// A binary under a name of its own.
#[derive(Debug)]
struct Staged {
    /// What tells one build's file from the next one's: inode, length, and time of change.
    identity: (u64, u64, i64, i64),
    path: PathBuf,
    /// The one before it, which may still be about to be started.
    before: Option<PathBuf>,
    number: u32,
}

impl Binaries {
    /// The binaries as they lie in a folder.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, staged: None }
    }

    /// The same, for a folder that is built into while they run.
    pub(crate) fn watched(folder: PathBuf) -> anyhow::Result<Self> {
        forget_ended(&folder);
        // In the same folder, where files can be linked rather than copied.
        let staged = tempfile::Builder::new()
            .prefix(&format!("{STAGED}{}-", std::process::id()))
            .tempdir_in(&folder)
            .with_context(|| format!("the folder {} cannot be written to", folder.display()))?;
        Ok(Self { folder, staged: Some((staged, Mutex::default())) })
    }

    /// Those of `names` that are not there.
    pub(crate) fn missing(&self, names: &[String]) -> Vec<String> {
        names.iter().filter(|name| !self.folder.join(name).is_file()).cloned().collect()
    }

    /// The file to run for a function: another one once it was built anew.
    pub(crate) fn path(&self, name: &str) -> io::Result<PathBuf> {
        let built = self.folder.join(name);
        let file = built.metadata()?;
        let Some((folder, staged)) = &self.staged else { return Ok(built) };
        let mut staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = (file.ino(), file.len(), file.mtime(), file.mtime_nsec());
        let known = staged.get(name);
        if let Some(known) = known.filter(|known| known.identity == identity) {
            return Ok(known.path.clone());
        }
        let number = known.map_or(0, |known| known.number + 1);
        let path = folder.path().join(format!("{name}.{number}"));
        if std::fs::hard_link(&built, &path).is_err() {
            std::fs::copy(&built, &path)?;
        }
        let before = staged.remove(name);
        if let Some(oldest) = before.as_ref().and_then(|before| before.before.as_ref()) {
            // A file that stays behind goes with its folder.
            let _ = std::fs::remove_file(oldest);
        }
        let before = before.map(|before| before.path);
        staged.insert(name.to_owned(), Staged { identity, path: path.clone(), before, number });
        Ok(path)
    }
}

/// Removes what stacks have left that were killed. Its links would keep every old binary on the disk.
fn forget_ended(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(STAGED).and_then(|rest| rest.split('-').next()?.parse().ok());
        let has_ended = |pid| test_kill_process(pid) == Err(Errno::SRCH);
        if pid.and_then(Pid::from_raw).is_some_and(has_ended) {
            // What cannot be removed is tried again by the next stack.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Sees to it that every function has its binary.
///
/// Under `cargo run`, cargo has built this binary alone, so the whole workspace is built first. Started by
/// itself, the stack builds only where a binary is missing and the sources are here.
pub(crate) async fn ensure(
    folder: &Path,
    functions: &[String],
    workspace: Option<&Path>,
) -> anyhow::Result<()> {
    let binaries = Binaries::new(folder.to_owned());
    let missing = || binaries.missing(functions);
    let under_cargo = std::env::var_os("CARGO_MANIFEST_DIR").is_some();
    if !under_cargo && missing().is_empty() {
        return Ok(());
    }
    if let Some(workspace) = workspace {
        progress("Building the functions …");
        if !build(folder, workspace).await? {
            bail!("the build failed; cargo says why above. Nothing was started.");
        }
    }
    match missing().as_slice() {
        [] => Ok(()),
        names => bail!(
            "no binary for {} in {}.\n  Run `cargo build --workspace --bins`, or start the stack in the project's folder.",
            names.join(", "),
            folder.display()
        ),
    }
}

/// Builds all binaries into their folder with its profile, showing cargo's own progress, and tells whether that
/// went well.
pub(crate) async fn build(folder: &Path, workspace: &Path) -> anyhow::Result<bool> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--workspace", "--bins", "--quiet"])
        .current_dir(workspace)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    // The folder is named after the profile and lies in the target directory.
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    if let Some(target) = folder.canonicalize().ok().as_deref().and_then(Path::parent) {
        cargo.arg("--target-dir").arg(target);
    }
    let status = cargo.status().await.context("cargo cannot be run: is Rust installed and on the PATH?")?;
    Ok(status.success())
}
