//! `cargo lambda watch` beside the stack: how it is started, and what its functions find in their environment.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Uri;
use rustix::process::{Pid, Signal, kill_process_group};
use stack_template::Stack;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::output::progress;
use crate::state::{AdminCredentials, write_private};
use crate::templates::REGION;

/// How long a `cargo lambda watch` that was started may take to listen.
const START: Duration = Duration::from_secs(30);
/// How long one that somebody else starts may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long a stop may take before it is forced.
const STOP: Duration = Duration::from_secs(5);

/// A `cargo lambda watch` that the stack uses.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The process and its address, where the stack has started it.
    own: Option<(Child, Uri)>,
    /// What tells its functions' environment, where somebody else starts it.
    file: Option<PathBuf>,
}

/// The functions' own variables, which one `cargo lambda watch` gives all of them.
pub(crate) fn variables(stack: &Stack) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in stack.functions.iter().flat_map(|function| &function.environment) {
        let before = all.insert(name.clone(), value.clone());
        if before.is_some_and(|before| before != *value) {
            bail!(
                "{name} differs between functions, which cargo lambda watch cannot give them: use --functions built"
            );
        }
    }
    Ok(all)
}

/// What functions find in their environment: their own variables, and the way to the stack. They all share the
/// developer's principal.
pub(crate) fn environment(
    variables: &BTreeMap<String, String>,
    admin: &AdminCredentials,
    aws_endpoint_url: &str,
) -> BTreeMap<String, String> {
    let mut all = variables.clone();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", admin.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &admin.secret_access_key),
        // One that the developer has exported belongs to other credentials.
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ENDPOINT_URL", aws_endpoint_url),
    ] {
        all.insert(name.to_owned(), value.to_owned());
    }
    all
}

/// Writes the environment for `cargo lambda watch --env-file`, beside the state file and under its name.
pub(crate) fn write_environment(
    environment: &BTreeMap<String, String>,
    state_file: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let file = state_file.unwrap_or(Path::new(".local/stack.json")).with_extension("env");
    let mut text = String::new();
    for (name, value) in environment {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    }
    write_private(&file, text.as_bytes()).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file)
}

impl Watch {
    /// One that somebody else starts, with the environment of a file.
    pub(crate) fn elsewhere(file: PathBuf) -> Self {
        Self { own: None, file: Some(file) }
    }

    /// Starts one that builds into the folder of the functions' binaries, and waits until it listens.
    pub(crate) async fn start(
        environment: &BTreeMap<String, String>,
        port: u16,
        binaries: &Path,
    ) -> anyhow::Result<Self> {
        let address = free_address(port)?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["lambda", "watch", "--invoke-address", &address.ip().to_string()])
            .args(["--invoke-port", &address.port().to_string()])
            // Nobody but the gateway and `cargo lambda invoke` asks there.
            .arg("--disable-cors")
            .env_remove("AWS_PROFILE")
            .envs(environment)
            .stdin(Stdio::null())
            // A terminal's interrupt is for the stack, which ends it once running requests have ended.
            .process_group(0);
        if binaries.ends_with("release") {
            cargo.arg("--release");
        }
        if let Some(target) = binaries.canonicalize().ok().as_deref().and_then(Path::parent) {
            cargo.env("CARGO_TARGET_DIR", target);
        }
        let child = cargo.spawn().context("cargo cannot be run: is Rust installed and on the PATH?")?;
        let url: Uri = format!("http://{address}").parse().context("the address is no URL")?;
        let mut watch = Self { own: Some((child, url.clone())), file: None };
        watch.wait(&url, START).await?;
        Ok(watch)
    }

    /// The address of the one that was started.
    pub(crate) fn url(&self) -> Uri {
        self.own.as_ref().map(|(_, url)| url.clone()).unwrap_or_default()
    }

    async fn wait(&mut self, url: &Uri, patience: Duration) -> anyhow::Result<()> {
        let authority = url.authority().context("the URL has no host")?;
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        let deadline = Instant::now() + patience;
        while TcpStream::connect(&address).await.is_err() {
            if let Some((child, _)) = &mut self.own
                && child.try_wait().is_ok_and(|ended| ended.is_some())
            {
                bail!(
                    "cargo lambda watch has ended; it says why above.\n  Where `lambda` is no such command, `make watch-lambda` installs it."
                );
            }
            if Instant::now() > deadline {
                bail!("cargo lambda watch does not answer at {url}");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Ends the one that was started, with its functions.
    pub(crate) async fn stop(mut self) {
        let Some((mut child, _)) = self.own.take() else { return };
        end(&child, Signal::TERM);
        if timeout(STOP, child.wait()).await.is_err() {
            end(&child, Signal::KILL);
            // What cannot even be killed is left to the kernel.
            let _ = timeout(STOP, child.wait()).await;
        }
    }
}

impl Drop for Watch {
    /// Takes back what was told to somebody else's, and ends the one whose start broke off.
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // It is overwritten by the next stack at the latest.
            let _ = std::fs::remove_file(file);
        }
        if let Some((child, _)) = &self.own {
            end(child, Signal::TERM);
        }
    }
}

/// Signals the process and those of its group. It ends its functions itself, which have groups of their own.
fn end(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // One that has ended by itself is none the worse.
        let _ = kill_process_group(pid, signal);
    }
}

/// Waits until a `cargo lambda watch` answers.
pub(crate) async fn wait_for(url: &Uri, watch: Option<&mut Watch>) -> anyhow::Result<()> {
    let Some(watch) = watch else { return Ok(()) };
    if let Some(file) = &watch.file {
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_u16().unwrap_or(80);
        progress(&format!(
            "Waiting for cargo lambda watch --invoke-address {host} --invoke-port {port} --disable-cors --env-file {}",
            file.display()
        ));
    }
    watch.wait(url, PATIENCE).await
}

/// A loopback address that can be listened on. `cargo lambda invoke` asks at the one of IPv6 unless it is told
/// otherwise; machines without IPv6 have the other.
fn free_address(port: u16) -> anyhow::Result<SocketAddr> {
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let has_v6 = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).is_ok();
    // Bound and let go again: cargo lambda watch does not say that its port is taken.
    let listener = TcpListener::bind(if has_v6 { v6 } else { v4 }).with_context(|| {
        format!("the port {port} for cargo lambda watch cannot be had: stop what uses it, or give another with --lambda-port")
    })?;
    listener.local_addr().context("a port has no address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_file_is_private_and_quotes_every_value() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let environment = [("A", r#"a"b\c"#), ("URL", "http://127.0.0.1:1?x=y")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let file = write_environment(&environment, Some(&folder.path().join("stack.json"))).expect("written");
        let text = std::fs::read_to_string(&file).expect("a file");
        assert_eq!(text, "A=\"a\\\"b\\\\c\"\nURL=\"http://127.0.0.1:1?x=y\"\n");
        assert_eq!(file, folder.path().join("stack.env"));
        assert_eq!(file.metadata().expect("a file").permissions().mode() & 0o077, 0);
    }

    #[test]
    fn a_port_that_is_taken_is_said() {
        let taken = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)))
            .or_else(|_| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
            .expect("a port");
        let port = taken.local_addr().expect("an address").port();
        let said = free_address(port).expect_err("it is taken").to_string();
        assert!(said.contains(&port.to_string()) && said.contains("--lambda-port"), "{said}");
    }
}
