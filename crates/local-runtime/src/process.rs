//! A function's process: its environment variables, its end.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::FunctionSpec;
use crate::failure::Exit;

/// What an environment is called, and where it finds its runtime.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    /// `AWS_LAMBDA_RUNTIME_API`: the address with the environment's own path.
    pub(crate) runtime_api: &'a str,
    /// `AWS_LAMBDA_LOG_STREAM_NAME`.
    pub(crate) log_stream: &'a str,
    /// `AWS_REGION`.
    pub(crate) region: &'a str,
}

/// A running process. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Mutex<Child>,
}

impl Process {
    /// Starts the function, and gives its output streams.
    pub(crate) fn start(
        spec: &FunctionSpec,
        identity: &Identity<'_>,
    ) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        // The path is made whole because it would be looked for in the new working directory otherwise.
        let binary = spec.binary.canonicalize()?;
        let root = binary.parent().unwrap_or(Path::new("/"));
        let mut child = Command::new(&binary)
            .env_clear()
            .envs(variables(spec, identity, root))
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A terminal's interrupt is for the stack, which ends its functions in good order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((Self { child: Mutex::new(child) }, stdout, stderr))
    }

    /// Asks the operating system, which knows of an end before [`wait`](Self::wait) has been woken.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.lock().try_wait(), Ok(None))
    }

    /// Kills it. One that has ended is none the worse.
    pub(crate) fn kill(&self) {
        let _ = self.lock().start_kill();
    }

    /// Waits for its end. Only one task may wait.
    pub(crate) async fn wait(&self) -> Exit {
        Exit(poll_fn(|cx| pin!(self.lock().wait()).poll(cx)).await.ok())
    }

    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The function's environment variables: defaults, its own, and last those that Lambda reserves.
fn variables(spec: &FunctionSpec, identity: &Identity<'_>, root: &Path) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        ("LANG".to_owned(), "en_US.UTF-8".to_owned()),
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("TZ".to_owned(), ":UTC".to_owned()),
    ]);
    variables.extend(spec.environment.clone());
    // Not set for long-lived credentials, and then not the function's own to set either.
    variables.remove("AWS_SESSION_TOKEN");
    let credentials = &spec.credentials;
    let reserved = [
        ("AWS_ACCESS_KEY_ID", Some(credentials.access_key_id.clone())),
        ("AWS_DEFAULT_REGION", Some(identity.region.to_owned())),
        ("AWS_EXECUTION_ENV", Some("AWS_Lambda_provided.al2023".to_owned())),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", Some(spec.memory_mb.to_string())),
        ("AWS_LAMBDA_FUNCTION_NAME", Some(spec.name.clone())),
        ("AWS_LAMBDA_FUNCTION_VERSION", Some("$LATEST".to_owned())),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", Some("on-demand".to_owned())),
        ("AWS_LAMBDA_LOG_GROUP_NAME", Some(format!("/aws/lambda/{}", spec.name))),
        ("AWS_LAMBDA_LOG_STREAM_NAME", Some(identity.log_stream.to_owned())),
        ("AWS_LAMBDA_RUNTIME_API", Some(identity.runtime_api.to_owned())),
        ("AWS_REGION", Some(identity.region.to_owned())),
        ("AWS_SECRET_ACCESS_KEY", Some(credentials.secret_access_key.clone())),
        ("AWS_SESSION_TOKEN", credentials.session_token.clone()),
        ("LAMBDA_TASK_ROOT", Some(root.to_string_lossy().into_owned())),
        ("_HANDLER", Some("bootstrap".to_owned())),
    ];
    variables.extend(reserved.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    variables
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Credentials;

    #[test]
    fn a_function_cannot_set_what_lambda_reserves() {
        let mine =
            [("AWS_SECRET_ACCESS_KEY", "mine"), ("AWS_SESSION_TOKEN", "mine"), ("TABLE", "t"), ("TZ", "X")];
        let spec = FunctionSpec {
            name: "f".into(),
            binary: "/f".into(),
            arn: "arn".into(),
            timeout: Duration::from_secs(3),
            memory_mb: 256,
            environment: mine.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            credentials: Credentials {
                access_key_id: "AKID".into(),
                secret_access_key: "role".into(),
                session_token: None,
            },
            max_environments: 1,
        };
        let identity =
            Identity { runtime_api: "http://127.0.0.1:1/x", log_stream: "s", region: "eu-central-1" };
        let variables = variables(&spec, &identity, Path::new("/task"));
        assert_eq!(variables["AWS_SECRET_ACCESS_KEY"], "role");
        assert_eq!(variables.get("AWS_SESSION_TOKEN"), None);
        assert_eq!(variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "256");
        assert_eq!((&*variables["TABLE"], &*variables["TZ"]), ("t", "X"));
    }
}
