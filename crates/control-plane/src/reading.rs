//! Reading tenants and the contexts of their keys.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use contract::{KeyStatus, KeySummary};
use tenant_context::{ApiKeyId, Aws, AwsFailure, KeyItem, Meter, OpenError, Table, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::item::{TenantItem, read};

/// The tables of tenants and of contexts.
#[derive(Debug)]
pub struct Reader {
    pub(crate) dynamodb: Client,
    pub(crate) tenants: String,
    pub(crate) api_keys: String,
    pub(crate) meter: Meter,
}

impl Reader {
    pub(crate) fn open(aws: &Aws) -> Result<Self, OpenError> {
        Ok(Self {
            dynamodb: aws.dynamodb().clone(),
            tenants: aws.table(Table::Tenants)?.to_owned(),
            api_keys: aws.table(Table::ApiKeys)?.to_owned(),
            meter: aws.meter().clone(),
        })
    }

    /// The tenant.
    pub(crate) async fn tenant(&self, id: &TenantId) -> Result<TenantItem, ControlError> {
        let key = ("tenant_id", AttributeValue::S(id.to_string()));
        let found = self.item(&self.tenants, key, "GetItem on the tenants table").await?;
        found.ok_or_else(|| ControlError::NotFound(id.clone()))
    }

    /// The contexts of the tenant's keys. A key that was deleted meanwhile has none any more.
    pub(crate) async fn keys(&self, tenant: &TenantItem) -> Result<Vec<KeyItem>, ControlError> {
        let mut keys = Vec::with_capacity(tenant.keys.len());
        for key in &tenant.keys {
            keys.extend(self.key(key).await?.filter(|item| item.tenant_id == tenant.tenant_id));
        }
        Ok(keys)
    }

    async fn key(&self, id: &ApiKeyId) -> Result<Option<KeyItem>, ControlError> {
        let key = ("api_key_id", AttributeValue::S(id.to_string()));
        self.item(&self.api_keys, key, "GetItem on the api-keys table").await
    }

    async fn item<T: serde::de::DeserializeOwned>(
        &self,
        table: &str,
        (name, value): (&str, AttributeValue),
        operation: &'static str,
    ) -> Result<Option<T>, ControlError> {
        let output = self
            .dynamodb
            .get_item()
            .table_name(table)
            .key(name, value)
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of(operation))?;
        self.meter.add(output.consumed_capacity());
        output.item.map(|item| read("the item of a tenant", item)).transpose()
    }
}

/// Whether a key is past its end.
pub(crate) fn has_ended(key: &KeyItem, now: OffsetDateTime) -> bool {
    key.expires_at.is_some_and(|end| end <= now)
}

/// A key as operators see it.
pub(crate) fn summary(key: &KeyItem, now: OffsetDateTime) -> KeySummary {
    KeySummary {
        api_key_id: key.api_key_id.to_string(),
        status: if has_ended(key, now) { KeyStatus::Expired } else { KeyStatus::Active },
        created_at: key.key_created_at,
        expires_at: key.expires_at,
    }
}
