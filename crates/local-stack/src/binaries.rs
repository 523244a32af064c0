//! The functions' binaries: where they are, and how they get there.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
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

/// Sees to it that every function has its binary.
///
/// Under `cargo run`, cargo has built this binary alone, so the whole workspace is built first. Started by
/// itself, the stack builds only where a binary is missing and the sources are here.
pub(crate) async fn ensure(folder: &Path, functions: &[String], workspace: &Path) -> anyhow::Result<()> {
    let missing =
        || -> Vec<&String> { functions.iter().filter(|name| !folder.join(name).is_file()).collect() };
    let under_cargo = std::env::var_os("CARGO_MANIFEST_DIR").is_some();
    if !under_cargo && missing().is_empty() {
        return Ok(());
    }
    if workspace.join("Cargo.toml").is_file() {
        build(folder, workspace).await?;
    }
    match missing().as_slice() {
        [] => Ok(()),
        names => bail!(
            "no binary for {} in {}.\n  Run `cargo build --workspace --bins`, or start the stack in the project's folder.",
            names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
            folder.display()
        ),
    }
}

/// Builds all binaries with the profile that this one was built with, showing cargo's own progress.
async fn build(folder: &Path, workspace: &Path) -> anyhow::Result<()> {
    progress("Building the functions …");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--workspace", "--bins", "--quiet"])
        .current_dir(workspace)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().await.context("cargo cannot be run: is Rust installed and on the PATH?")?;
    if !status.success() {
        bail!("the build failed; cargo says why above. Nothing was started.");
    }
    Ok(())
}
