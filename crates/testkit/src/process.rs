//! The stack's real binary as a process that can be killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use local_stack::State;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::http_client::{Answer, local};
use crate::stack::workspace;

/// How long a stack may take to answer before a test gives up.
const START: Duration = Duration::from_mins(1);

/// A running `local-stack`, on free ports.
#[derive(Debug)]
pub struct StackProcess {
    child: Child,
    /// What it tells programs.
    pub state: State,
}

impl StackProcess {
    /// The binary with its flags, in a folder of the test's.
    ///
    /// # Panics
    /// Where the binaries' folder is unknown.
    #[must_use]
    pub fn command(folder: &Path, flags: &[&str]) -> Command {
        let binary = local_stack::folder().expect("the binaries' folder").join("local-stack");
        let mut command = Command::new(binary);
        command
            .args(["--api-port", "0", "--admin-port", "0", "--aws-port", "0", "--log", "json"])
            .arg("--state-file")
            .arg(Self::state_file(folder))
            .args(flags)
            .current_dir(workspace())
            // Under cargo the binary would build the workspace first, which this test's cargo has locked.
            .env_remove("CARGO_MANIFEST_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if !flags.contains(&"--ephemeral") {
            command.arg("--data-dir").arg(folder.join("data"));
        }
        command
    }

    fn state_file(folder: &Path) -> PathBuf {
        folder.join("stack.json")
    }

    /// Starts the binary and waits for its state file.
    ///
    /// # Panics
    /// Where it ends or does not answer in time, with what it said.
    pub async fn start(folder: &Path, flags: &[&str]) -> Self {
        Self::start_in(workspace(), folder, flags).await
    }

    /// Starts the binary in another workspace than this one. What it shows goes to `stack.log` in the folder.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_in(workspace: &Path, folder: &Path, flags: &[&str]) -> Self {
        let state_file = Self::state_file(folder);
        // A file from an earlier run would be read as this one's.
        let _ = std::fs::remove_file(&state_file);
        let begin = tokio::time::Instant::now();
        let log = std::fs::File::create(folder.join("stack.log")).expect("the folder can be written to");
        let mut command = Self::command(folder, flags);
        let mut child =
            command.current_dir(workspace).stdout(log).spawn().expect("the stack's binary is built");
        let mut said = child.stderr.take().expect("piped");
        loop {
            if let Ok(text) = std::fs::read(&state_file) {
                let state = serde_json::from_slice(&text).expect("the state file is written in one step");
                tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
                return Self { child, state };
            }
            if child.try_wait().expect("the process can be asked").is_some() || begin.elapsed() > START {
                let _ = child.start_kill();
                let mut text = String::new();
                let _ = said.read_to_string(&mut text).await;
                panic!("the stack did not start: {text}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Calls `/_local/…`, which lies beside the data API's stage.
    ///
    /// # Panics
    /// Where no answer comes.
    pub async fn local(&self, method: &str, path: &str, body: &str) -> Answer {
        local(&self.state, method, path, body).await
    }

    /// Ends the process as `kill -9` does.
    ///
    /// # Panics
    /// Where it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process can be killed");
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// Where it does not within ten seconds.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        tokio::time::timeout(Duration::from_secs(10), self.child.wait())
            .await
            .expect("the stack stops in time")
            .expect("the process can be waited for")
    }
}
