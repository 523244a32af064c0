//! From a key's id to the tenant.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use contract::{Kind, Problem, TenantStatus};
use time::OffsetDateTime;

use crate::cache::Cache;
use crate::names::Pool;
use crate::{ApiKeyId, Aws, AwsFailure, KeyItem, Meter, OpenError, Table, TenantContext};

/// Most contexts that one warm function keeps: about 1 KB each.
const CAPACITY: usize = 10_000;
/// How long an unknown key is remembered as unknown.
const MISS_LIFETIME: Duration = Duration::from_secs(5);
/// An id that no key has: API Gateway's own are ten characters long.
const NOBODY: &str = "0";

/// Why a key opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// No tenant has this key.
    #[error("no tenant has the key {0}")]
    Unknown(ApiKeyId),
    /// The key's time is over.
    #[error("the key {0} has expired")]
    Expired(ApiKeyId),
    /// The tenant stands where it is not served.
    #[error("the tenant of the key {0} is {1}")]
    NotServed(ApiKeyId, TenantStatus),
    /// The key's item is not of the form that the control plane writes.
    #[error("the item of the key {0} cannot be read")]
    Unreadable(ApiKeyId, #[source] Box<serde_dynamo::Error>),
    /// The table did not answer.
    #[error(transparent)]
    Aws(#[from] AwsFailure),
}

impl From<ContextError> for Problem {
    fn from(error: ContextError) -> Self {
        match error {
            ContextError::Unknown(_) | ContextError::Expired(_) => Problem::forbidden().with_cause(error),
            ContextError::NotServed(_, status) => match status {
                TenantStatus::Provisioning => {
                    Problem::new(Kind::TenantProvisioning, "This tenant is being set up; try again shortly.")
                        .with_retry_after(5)
                }
                TenantStatus::Suspended => {
                    Problem::new(Kind::TenantSuspended, "This tenant is suspended; its owner can tell why.")
                }
                // Active is served; the arm stands here so that a new status has to be decided on.
                TenantStatus::Active | TenantStatus::Deleting | TenantStatus::Deleted => Problem::forbidden(),
            }
            .with_cause(error),
            ContextError::Unreadable(..) => Problem::internal(error),
            ContextError::Aws(failure) => failure.into(),
        }
    }
}

/// The lookup of tenants by the ids of their keys.
///
/// An answer is kept for the time that [`crate::AwsSettings::context_ttl`] states, a miss for 5 seconds. So
/// a suspension holds everywhere within that time.
pub struct Contexts {
    dynamodb: aws_sdk_dynamodb::Client,
    table: String,
    pool: Arc<Pool>,
    meter: Meter,
    lifetime: Duration,
    cache: Cache<ApiKeyId, Option<Arc<TenantContext>>>,
}

impl Contexts {
    /// Opens the lookup and its connection.
    ///
    /// # Errors
    /// [`OpenError::NoTable`] where the function was not given the api-keys table.
    pub async fn open(aws: &Aws) -> Result<Self, OpenError> {
        let contexts = Self {
            dynamodb: aws.dynamodb().clone(),
            table: aws.table(Table::ApiKeys)?.to_owned(),
            pool: aws.pool(),
            meter: aws.meter().clone(),
            lifetime: aws.context_ttl(),
            cache: Cache::new(CAPACITY),
        };
        // A connection that is made while the function starts is not made at its first request. Whether
        // it succeeds does not matter: the first request says so with its own error.
        if let Ok(nobody) = NOBODY.parse() {
            let _ = tokio::time::timeout(Duration::from_secs(2), contexts.read(&nobody)).await;
        }
        Ok(contexts)
    }

    /// The context of the key, if its tenant is served.
    ///
    /// # Errors
    /// [`ContextError`]; all but the last two are the caller's.
    pub async fn find(
        &self,
        key: &ApiKeyId,
        now: OffsetDateTime,
    ) -> Result<Arc<TenantContext>, ContextError> {
        let context = self
            .cache
            .get(key, now, async || {
                let item = self.read(key).await?;
                let lifetime = if item.is_some() { self.lifetime } else { MISS_LIFETIME.min(self.lifetime) };
                let context = item.map(|item| Arc::new(TenantContext::new(item, Arc::clone(&self.pool))));
                Ok::<_, ContextError>((context, lifetime))
            })
            .await?
            .ok_or_else(|| ContextError::Unknown(key.clone()))?;
        let item = context.item();
        if item.expires_at.is_some_and(|end| end <= now) {
            return Err(ContextError::Expired(key.clone()));
        }
        if item.status != TenantStatus::Active {
            return Err(ContextError::NotServed(key.clone(), item.status));
        }
        Ok(context)
    }

    async fn read(&self, key: &ApiKeyId) -> Result<Option<KeyItem>, ContextError> {
        let output = self
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .key("api_key_id", AttributeValue::S(key.to_string()))
            // A suspension counts from its write, so the read must see it.
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("GetItem on the api-keys table"))?;
        self.meter.add(output.consumed_capacity());
        output
            .item
            .map(serde_dynamo::aws_sdk_dynamodb_1::from_item::<KeyItem>)
            .transpose()
            .map_err(|error| ContextError::Unreadable(key.clone(), Box::new(error)))
    }
}
