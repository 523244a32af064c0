//! Temporary credentials for the tenant's own programs.

use std::sync::Arc;
use std::time::Duration;

use contract::{AccessLevel, CredentialsLifetime, TemporaryCredentials, TenantCredentials, TenantTables};
use tenant_context::{Aws, Bound, OpenError, Role, Table, TenantContext};
use time::OffsetDateTime;

use crate::StoreError;
use crate::access::{self, Access, Work};
use crate::idempotency::{Made, Once, Turn};
use crate::sessions::{Subject, TenantRole};

/// What the role's policy is narrowed to for credentials that read. It grants nothing by itself: the role
/// says whose data, this says what may be done with it.
const READ_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:BatchGetItem","dynamodb:Query","s3:GetObject","s3:ListBucket"],"Resource":"*"}]}"#;

/// Temporary credentials for the data of the tenant that the request is for.
#[derive(Debug)]
pub struct Credentials {
    opened: Arc<Opened>,
    access: Access,
    context: Arc<TenantContext>,
}

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    role: TenantRole,
    /// The way to what was asked for before. Nothing is handed out by it.
    access: access::Opened,
    region: String,
    checkpoints: String,
}

impl Bound<TenantContext> for Credentials {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        aws.table(Table::Records)?;
        aws.require_files()?;
        Ok(Arc::new(Opened {
            role: TenantRole::open(aws, Role::TenantAccess)?,
            access: Access::open(aws).await?,
            region: aws.region().to_owned(),
            checkpoints: aws.table(Table::Checkpoints)?.to_owned(),
        }))
    }

    fn bind(opened: &Arc<Opened>, context: &Arc<TenantContext>, at: OffsetDateTime) -> Self {
        let access = Access::bind(&opened.access, context, at);
        Self { opened: Arc::clone(opened), access, context: Arc::clone(context) }
    }
}

impl Credentials {
    /// Issues credentials, anew each time. They reach the tenant's data, of its checkpoints the calling
    /// key's, and go on doing so until they expire, whatever becomes of the key.
    ///
    /// They are kept nowhere, so that a request that `once` has seen before gets others.
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::Aws`], [`StoreError::NoCredentials`]; with `once`
    /// [`StoreError::KeyReused`], [`StoreError::KeyInUse`].
    pub async fn issue(
        &self,
        access: AccessLevel,
        lifetime: CredentialsLifetime,
        once: Option<Once>,
    ) -> Result<Made<TenantCredentials>, StoreError> {
        self.access.allow(Work::HandOut)?;
        let Some(once) = once else { return Ok(Made::first(self.assume(access, lifetime).await?)) };
        let turn = Box::pin(once.write(&self.access)).await?;
        match (self.assume(access, lifetime).await, turn) {
            (Ok(issued), Turn::First) => Ok(Made::first(issued)),
            (Ok(issued), Turn::Again(_)) => Ok(Made::again(issued)),
            (Err(error), Turn::First) => {
                Box::pin(once.release(&self.access)).await;
                Err(error)
            }
            (Err(error), Turn::Again(_)) => Err(error),
        }
    }

    async fn assume(
        &self,
        access: AccessLevel,
        lifetime: CredentialsLifetime,
    ) -> Result<TenantCredentials, StoreError> {
        let policy = match access {
            AccessLevel::Read => Some(READ_POLICY),
            AccessLevel::Write => None,
        };
        let subject = Subject::of(&self.context);
        let lifetime = Duration::from_secs(lifetime.seconds().into());
        let session = self.opened.role.assume(&subject, lifetime, policy).await?;
        Ok(TenantCredentials {
            credentials: TemporaryCredentials {
                access_key_id: session.access_key_id,
                secret_access_key: session.secret_access_key.expose().to_owned(),
                session_token: session.token.expose().to_owned(),
                expires_at: session.expires_at,
            },
            region: self.opened.region.clone(),
            tables: TenantTables {
                records: self.context.records_table(),
                checkpoints: self.opened.checkpoints.clone(),
            },
            bucket: self.context.files_bucket(),
            prefix: self.context.object_prefix().as_str().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_read_policy_lists_the_reading_actions_and_no_others() {
        let policy: Value = serde_json::from_str(READ_POLICY).expect("JSON");
        let expected = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "s3:GetObject", "s3:ListBucket"],
                "Resource": "*",
            }],
        });
        assert_eq!(policy, expected);
    }

    #[test]
    fn the_read_policy_is_within_what_sts_takes() {
        assert!(READ_POLICY.len() <= 2_048 && READ_POLICY.is_ascii(), "{} characters", READ_POLICY.len());
    }
}
