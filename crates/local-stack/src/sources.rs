//! The functions' sources: built again on a change, and run as soon as they are built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::binaries::build;
use crate::output::Notice;
use crate::shared::Shared;

/// How often the sources are looked at. A change counts once two looks have seen the same.
const LOOK: Duration = Duration::from_millis(250);

/// Folders of a workspace that hold no sources.
const SKIPPED: [&str; 3] = ["target", "node_modules", "testdata"];

/// Files by when they were last changed, and how long they are.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Builds on every change of sources and replaces the functions that have changed, until the stop. Requests that
/// are running end in the environments that they began in.
pub(crate) async fn watch(
    workspace: PathBuf,
    binaries: PathBuf,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    // Nothing is taken for built: a file may have been saved since the build of the start began.
    let mut built = Seen::new();
    let mut before = look(workspace.clone()).await;
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let now = look(workspace.clone()).await;
        if now == before && now != built {
            let is_first = built.is_empty();
            let changed = now.iter().find(|(path, seen)| built.get(*path) != Some(seen));
            if let Some((path, _)) = changed.filter(|_| !is_first) {
                let name = path.strip_prefix(&workspace).unwrap_or(path);
                shared.notices.send(Notice::Info(format!("{} has changed, building …", name.display())));
            }
            // What changes while it is built is built next.
            built.clone_from(&now);
            let Some(done) = stop.run_until_cancelled(build(&binaries, &workspace)).await else { break };
            match done.and_then(|went_well| replace(went_well, &shared)) {
                Ok(()) if is_first => {}
                Ok(()) => shared
                    .notices
                    .send(Notice::Info("built; the next requests run the new functions".to_owned())),
                Err(error) => shared.notices.send(Notice::Warning(format!("{error:#}"))),
            }
        }
        before = now;
    }
}

fn replace(went_well: bool, shared: &Shared) -> anyhow::Result<()> {
    if !went_well {
        anyhow::bail!("the build failed; cargo says why above. The functions run as they were built before");
    }
    let _one = shared.change();
    shared.lambda.update(&shared.live.current())
}

async fn look(workspace: PathBuf) -> Seen {
    // A look that failed has seen nothing, and the next one sees more.
    tokio::task::spawn_blocking(move || sources(&workspace)).await.unwrap_or_default()
}

/// The files that a build is made of.
fn sources(workspace: &Path) -> Seen {
    let mut seen = Seen::new();
    let mut folders = vec![workspace.join("crates"), workspace.join("functions")];
    let manifests = ["Cargo.toml", "Cargo.lock"].map(|name| workspace.join(name));
    for path in manifests {
        note(path, &mut seen);
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name();
            let is_hidden = name.to_string_lossy().starts_with('.');
            match entry.file_type() {
                Ok(kind)
                    if kind.is_dir() && !is_hidden && !SKIPPED.iter().any(|skipped| name == *skipped) =>
                {
                    folders.push(path);
                }
                Ok(kind)
                    if kind.is_file() && path.extension().is_some_and(|end| end == "rs" || end == "toml") =>
                {
                    note(path, &mut seen);
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    seen
}

fn note(path: PathBuf, seen: &mut Seen) {
    if let Ok(file) = path.metadata() {
        seen.insert(path, (file.modified().ok(), file.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_manifests_are_seen_and_what_is_built_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        for path in [
            "Cargo.toml",
            "functions/a/src/main.rs",
            "functions/a/target/debug/x.rs",
            "functions/.git/y.rs",
            "infra/z.rs",
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        let before = sources(folder.path());
        let names: Vec<_> =
            before.keys().map(|path| path.strip_prefix(folder.path()).expect("inside")).collect();
        assert_eq!(names, [Path::new("Cargo.toml"), Path::new("functions/a/src/main.rs")]);
        std::fs::write(folder.path().join("functions/a/src/main.rs"), "fn main() {}").expect("a file");
        assert_ne!(sources(folder.path()), before);
    }
}
