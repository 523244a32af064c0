//! What a function is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A function, as the template configures it.
#[derive(Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The name that it is invoked by.
    pub name: String,
    /// The executable that speaks the Runtime API.
    pub binary: PathBuf,
    /// The ARN that the function is told it was invoked by.
    pub arn: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// The function's `MemorySize` in MiB. It is told to the function, and not enforced.
    pub memory_mb: u32,
    /// The function's own environment variables. Those that Lambda reserves have no effect here.
    pub environment: BTreeMap<String, String>,
    /// The credentials of the function's role.
    pub credentials: Credentials,
    /// Environments at one time, idle ones included. With none, every invocation is throttled, as with a
    /// reserved concurrency of zero.
    pub max_environments: usize,
}

/// Leaves out the variables' values, which may be secrets.
impl fmt::Debug for FunctionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionSpec")
            .field("name", &self.name)
            .field("binary", &self.binary)
            .field("arn", &self.arn)
            .field("timeout", &self.timeout)
            .field("memory_mb", &self.memory_mb)
            .field("environment", &self.environment.keys())
            .field("credentials", &self.credentials)
            .field("max_environments", &self.max_environments)
            .finish()
    }
}

/// A role's credentials, as a function finds them in its environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`, where the credentials are temporary.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_debugged() {
        let spec = FunctionSpec {
            name: "f".into(),
            binary: "/f".into(),
            arn: "arn".into(),
            timeout: Duration::from_secs(3),
            memory_mb: 128,
            environment: BTreeMap::from([("PASSWORD".into(), "hunter2".into())]),
            credentials: Credentials {
                access_key_id: "AKID".into(),
                secret_access_key: "topsecret".into(),
                session_token: Some("sessiontoken".into()),
            },
            max_environments: 1,
        };
        let debugged = format!("{spec:?}");
        assert!(debugged.contains("AKID") && debugged.contains("PASSWORD"));
        for secret in ["hunter2", "topsecret", "sessiontoken"] {
            assert!(!debugged.contains(secret), "{debugged}");
        }
    }
}
