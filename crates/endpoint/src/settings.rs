//! The environment, read once.

use std::time::Duration;

use tenant_context::{AwsSettings, FileSizeLimits, IsolationMode, KeyLimits, Role, Secret, Table};

/// API keys that the account is left with room for, where nothing else is said.
const KEY_HEADROOM: u32 = 200;

/// What a function's environment says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The function's name, for its log.
    pub function: String,
    /// The way to AWS.
    pub aws: AwsSettings,
}

/// A setting that is missing or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The variable's value is not of its form.
    #[error("the environment variable {variable} must be {form}")]
    Invalid {
        /// The variable.
        variable: &'static str,
        /// What is expected.
        form: &'static str,
    },
}

/// Where variables come from.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// [`SettingsError`] names the variable, never a value.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::read(&|name| std::env::var(name).ok())
    }

    fn read(variable: Lookup<'_>) -> Result<Self, SettingsError> {
        let optional = |name| variable(name).filter(|value| !value.is_empty());
        let required = |name| optional(name).ok_or(SettingsError::Missing(name));
        let context_ttl = match optional("TENANT_CONTEXT_TTL") {
            None => Duration::from_secs(30),
            Some(text) => {
                text.parse().ok().filter(|seconds| *seconds <= 300).map(Duration::from_secs).ok_or(
                    SettingsError::Invalid {
                        variable: "TENANT_CONTEXT_TTL",
                        form: "whole seconds, at most 300",
                    },
                )?
            }
        };
        let system_roots = match optional("TLS_ROOTS").as_deref() {
            None | Some("aws") => false,
            Some("system") => true,
            Some(_) => {
                return Err(SettingsError::Invalid { variable: "TLS_ROOTS", form: "aws or system" });
            }
        };
        let isolation = match optional("ISOLATION_MODE").as_deref() {
            None | Some("application") => IsolationMode::Application,
            Some("session") => IsolationMode::Session,
            Some(_) => {
                return Err(SettingsError::Invalid {
                    variable: "ISOLATION_MODE",
                    form: "application or session",
                });
            }
        };
        let file_size_limits = match optional(FileSizeLimits::VARIABLE) {
            None => FileSizeLimits::default(),
            Some(text) => text.parse().map_err(|_| SettingsError::Invalid {
                variable: FileSizeLimits::VARIABLE,
                form: FileSizeLimits::FORM,
            })?,
        };
        let key_limits = match optional(KeyLimits::VARIABLE) {
            None => KeyLimits::default(),
            Some(text) => text.parse().map_err(|_| SettingsError::Invalid {
                variable: KeyLimits::VARIABLE,
                form: KeyLimits::FORM,
            })?,
        };
        let key_headroom = match optional("API_KEY_HEADROOM") {
            None => KEY_HEADROOM,
            Some(text) => text.parse().ok().filter(|keys| *keys <= 10_000).ok_or(SettingsError::Invalid {
                variable: "API_KEY_HEADROOM",
                form: "a whole number of keys, at most 10000",
            })?,
        };
        let account_id = optional("ACCOUNT_ID");
        if account_id.as_deref().is_some_and(|id| id.len() != 12 || !id.bytes().all(|b| b.is_ascii_digit())) {
            return Err(SettingsError::Invalid { variable: "ACCOUNT_ID", form: "twelve digits" });
        }
        Ok(Self {
            function: required("AWS_LAMBDA_FUNCTION_NAME")?,
            aws: AwsSettings {
                region: required("AWS_REGION")?,
                endpoint_url: optional("AWS_ENDPOINT_URL"),
                access_key_id: required("AWS_ACCESS_KEY_ID")?,
                secret_access_key: Secret::new(required("AWS_SECRET_ACCESS_KEY")?),
                session_token: optional("AWS_SESSION_TOKEN").map(Secret::new),
                system_roots,
                context_ttl,
                tables: Table::ALL
                    .iter()
                    .filter_map(|table| Some((*table, optional(table.variable())?)))
                    .collect(),
                files_bucket: optional("FILES_BUCKET"),
                exports_bucket: optional("EXPORTS_BUCKET"),
                file_size_limits,
                key_limits,
                key_headroom,
                files_cors_origins: optional("FILES_CORS_ORIGINS")
                    .map(|origins| origins.split(',').map(|origin| origin.trim().to_owned()).collect())
                    .unwrap_or_default(),
                account_id,
                isolation,
                roles: Role::ALL
                    .iter()
                    .filter_map(|role| Some((*role, optional(role.variable())?)))
                    .collect(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(&|name| {
            let given = [
                ("AWS_LAMBDA_FUNCTION_NAME", "records-get"),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", "AKID"),
                ("AWS_SECRET_ACCESS_KEY", "hush"),
            ];
            changes
                .iter()
                .chain(&given)
                .find(|(given, _)| *given == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_missing_or_malformed_setting_ends_the_start_with_its_name() {
        assert!(read(&[]).is_ok());
        assert_eq!(read(&[("AWS_REGION", "")]).unwrap_err(), SettingsError::Missing("AWS_REGION"));
        for ttl in ["x", "-1", "301", "1.5"] {
            assert!(read(&[("TENANT_CONTEXT_TTL", ttl)]).is_err(), "{ttl}");
        }
        assert!(read(&[("TLS_ROOTS", "none")]).is_err());
        for account in ["12345678901", "1234567890123", "12345678901x", "１23456789012"] {
            assert!(read(&[("ACCOUNT_ID", account)]).is_err(), "{account}");
        }
    }

    #[test]
    fn no_misspelt_mode_weakens_the_isolation() {
        let mode = |text| read(&[("ISOLATION_MODE", text)]).map(|settings| settings.aws.isolation);
        assert_eq!(mode(""), Ok(IsolationMode::Application));
        assert_eq!(mode("application"), Ok(IsolationMode::Application));
        assert_eq!(mode("session"), Ok(IsolationMode::Session));
        for text in ["Session", "session ", "on", "true"] {
            assert!(mode(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn limits_that_cannot_be_read_end_the_start_with_their_name() {
        let limits = |text| read(&[("FILE_SIZE_LIMITS", text)]).map(|settings| settings.aws.file_size_limits);
        assert_eq!(limits("free=5").map(|limits| limits.of("free")), Ok(Some(5)));
        assert_eq!(limits("").map(|limits| limits.of("free")), Ok(None));
        for text in [" ", "free", "free=5MB", "free=5 free=6"] {
            let error = limits(text).unwrap_err().to_string();
            assert!(error.contains("FILE_SIZE_LIMITS"), "{text:?}: {error}");
        }
        let error = read(&[("MAX_ACTIVE_KEYS", "free=many")]).unwrap_err().to_string();
        assert!(error.contains("MAX_ACTIVE_KEYS"), "{error}");
        for text in ["-1", "10001", "many"] {
            let error = read(&[("API_KEY_HEADROOM", text)]).unwrap_err().to_string();
            assert!(error.contains("API_KEY_HEADROOM"), "{text}: {error}");
        }
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none() {
        let settings = read(&[("TENANT_FUNCTION_ROLE_ARN", ""), ("TENANT_ACCESS_ROLE_ARN", "arn")]).unwrap();
        assert_eq!(settings.aws.roles, [(Role::TenantAccess, "arn".to_owned())]);
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", read(&[("AWS_SESSION_TOKEN", "hush-too")]).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
}
