//! Temporary credentials for AWS.

use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;

use crate::members::Refusals;
use crate::{Json, Problem};

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

/// `POST /credentials`: what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsRequest {
    /// `access`: `read` or `write`; `read` where it is left out.
    pub access: AccessLevel,
    /// `duration_seconds`: 900 to 3,600; 900 where it is left out.
    pub lifetime: CredentialsLifetime,
}

impl CredentialsRequest {
    /// Reads the members of a body, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken.
    pub fn read(members: &[(String, Json)]) -> Result<Self, Problem> {
        let mut asked = Self { access: AccessLevel::Read, lifetime: CredentialsLifetime(900) };
        let mut refusals = Refusals::default();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("access", Json::String(access)) if access == "read" => {}
                ("access", Json::String(access)) if access == "write" => asked.access = AccessLevel::Write,
                ("access", _) => refusals.add(&[name], "must be \"read\" or \"write\""),
                ("duration_seconds", value) => match lifetime(value) {
                    Some(lifetime) => asked.lifetime = lifetime,
                    None => refusals.add(&[name], "must be a whole number from 900 to 3600"),
                },
                _ => refusals.add(&[name], "is no member of this request: access and duration_seconds are"),
            }
        }
        refusals.or(Some(asked))
    }
}

fn lifetime(value: &Json) -> Option<CredentialsLifetime> {
    let Json::Number(number) = value else { return None };
    number.as_str().parse().ok().and_then(CredentialsLifetime::from_seconds)
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
    use serde_json::json;

    use super::*;

    fn read(body: &str) -> Result<CredentialsRequest, Problem> {
        let Ok(Json::Object(members)) = Json::parse(body) else { panic!("an object: {body}") };
        CredentialsRequest::read(&members)
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
        let asked = read("{}").unwrap();
        assert_eq!((asked.access, asked.lifetime.seconds()), (AccessLevel::Read, 900));
        let asked = read(r#"{"access": "write", "duration_seconds": 3600}"#).unwrap();
        assert_eq!((asked.access, asked.lifetime.seconds()), (AccessLevel::Write, 3_600));
    }

    #[test]
    fn one_answer_names_all_that_is_wrong() {
        for (body, pointers) in [
            (r#"{"access": "Write", "duration_seconds": 899}"#, &["/access", "/duration_seconds"][..]),
            (r#"{"access": null, "x": 2, "duration_seconds": -1}"#, &["/access", "/duration_seconds", "/x"]),
            (r#"{"duration_seconds": "900"}"#, &["/duration_seconds"]),
            (r#"{"duration_seconds": 900.5}"#, &["/duration_seconds"]),
            (r#"{"duration_seconds": 99999999999999999999999}"#, &["/duration_seconds"]),
            (r#"{"acess": "read", "a/b~": 1}"#, &["/a~1b~0", "/acess"]),
        ] {
            let document = read(body).unwrap_err().document("r-1");
            let found: Vec<_> = document.errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!((document.status, &found[..]), (422, pointers), "{body}");
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
