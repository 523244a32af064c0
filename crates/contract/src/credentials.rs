//! Temporary credentials for AWS.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Kind, Problem};

/// What credentials may do with the tenant's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLevel {
    /// Read it.
    Read,
    /// Read and write it.
    Write,
}

/// How long credentials hold: 900 to 3,600 seconds, as STS issues them to who holds a role already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialsLifetime(u16);

impl CredentialsLifetime {
    /// The lifetime of so many seconds; none outside its bounds.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        u16::try_from(seconds).ok().filter(|seconds| (900..=3_600).contains(seconds)).map(Self)
    }

    /// The seconds.
    #[must_use]
    pub fn seconds(self) -> u16 {
        self.0
    }
}

/// `POST /credentials`: what is asked for. Every member may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialsRequest {
    /// `read` or `write`; `read` where it is left out.
    pub access: String,
    /// Lifetime in seconds, 900 to 3,600; 900 where it is left out.
    pub duration_seconds: i64,
}

impl Default for CredentialsRequest {
    fn default() -> Self {
        Self { access: "read".to_owned(), duration_seconds: 900 }
    }
}

impl CredentialsRequest {
    /// Checks all members, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken.
    pub fn check(&self) -> Result<(AccessLevel, CredentialsLifetime), Problem> {
        let access = match self.access.as_str() {
            "read" => Some(AccessLevel::Read),
            "write" => Some(AccessLevel::Write),
            _ => None,
        };
        let lifetime = CredentialsLifetime::from_seconds(self.duration_seconds);
        if let (Some(access), Some(lifetime)) = (access, lifetime) {
            return Ok((access, lifetime));
        }
        let mut problem = Problem::new(Kind::InvalidBody, "The body is not of the form that is due.");
        if access.is_none() {
            problem = problem.with_error("/access", "must be read or write");
        }
        if lifetime.is_none() {
            problem = problem.with_error("/duration_seconds", "must be 900 to 3600");
        }
        Err(problem)
    }
}

/// The answer to `POST /credentials`: temporary credentials, and the coordinates that they reach.
#[derive(Debug, Serialize)]
pub struct TenantCredentials {
    /// The credentials.
    pub credentials: TemporaryCredentials,
    /// The region of tables and bucket.
    pub region: String,
    /// The tables.
    pub tables: TenantTables,
    /// The bucket of the tenant's files.
    pub bucket: String,
    /// What the keys of the tenant's objects begin with, slash included.
    pub prefix: String,
}

/// The names of the tables that hold the caller's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantTables {
    /// The tenant's records, in the partition of its id.
    pub records: String,
    /// The key's checkpoints, in the partition of its id.
    pub checkpoints: String,
}

/// Credentials as the SDKs take them. `Debug` masks what is secret in them.
#[derive(Serialize)]
pub struct TemporaryCredentials {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The token that goes along with each request.
    pub session_token: String,
    /// From when on they are refused.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

impl fmt::Debug for TemporaryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporaryCredentials")
            .field("access_key_id", &self.access_key_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn request(body: Value) -> CredentialsRequest {
        serde_json::from_value(body).expect("of the form")
    }

    fn answer() -> TenantCredentials {
        TenantCredentials {
            credentials: TemporaryCredentials {
                access_key_id: "ASIA".into(),
                secret_access_key: "hush".into(),
                session_token: "hush-too".into(),
                expires_at: OffsetDateTime::UNIX_EPOCH,
            },
            region: "eu-central-1".into(),
            tables: TenantTables { records: "records".into(), checkpoints: "checkpoints".into() },
            bucket: "files".into(),
            prefix: "acme/".into(),
        }
    }

    #[test]
    fn who_asks_for_nothing_in_particular_gets_the_least() {
        let (access, lifetime) = request(json!({})).check().unwrap();
        assert_eq!((access, lifetime.seconds()), (AccessLevel::Read, 900));
        let (access, lifetime) =
            request(json!({"access": "write", "duration_seconds": 3_600})).check().unwrap();
        assert_eq!((access, lifetime.seconds()), (AccessLevel::Write, 3_600));
    }

    #[test]
    fn one_answer_names_all_that_is_wrong() {
        let problem = request(json!({"access": "Write", "duration_seconds": 899})).check().unwrap_err();
        let document = problem.document("r-1");
        let pointers: Vec<_> = document.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!((document.status, pointers), (422, vec!["/access", "/duration_seconds"]));
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        for body in [
            json!({"acess": "read"}),
            json!({"access": null}),
            json!({"duration_seconds": "900"}),
            json!({"duration_seconds": 900.5}),
        ] {
            assert!(serde_json::from_value::<CredentialsRequest>(body.clone()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_answer_has_the_members_of_the_contract() {
        assert_eq!(
            serde_json::to_value(answer()).unwrap(),
            json!({
                "credentials": {
                    "access_key_id": "ASIA",
                    "secret_access_key": "hush",
                    "session_token": "hush-too",
                    "expires_at": "1970-01-01T00:00:00Z",
                },
                "region": "eu-central-1",
                "tables": {"records": "records", "checkpoints": "checkpoints"},
                "bucket": "files",
                "prefix": "acme/",
            })
        );
    }

    #[test]
    fn a_shown_answer_holds_no_secret() {
        let shown = format!("{:?}", answer());
        assert!(shown.contains("ASIA") && !shown.contains("hush"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_lifetime_is_outside_the_bounds(seconds in prop_oneof![any::<i64>(), -10_i64..70_000]) {
            let lifetime = CredentialsLifetime::from_seconds(seconds).map(|lifetime| i64::from(lifetime.seconds()));
            prop_assert_eq!(lifetime, (900..=3_600).contains(&seconds).then_some(seconds));
        }
    }
}
