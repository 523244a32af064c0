//! Where tenants stand.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use contract::{AdminTenant, KeyStatus, KeySummary};
use tenant_context::{
    ApiKeyId, Aws, AwsFailure, Bound, KeyItem, Meter, OpenError, Operator, Table, TenantId,
};
use time::OffsetDateTime;

use crate::ControlError;
use crate::item::{TenantItem, read};

/// All tenants, for an operator to look at.
#[derive(Debug, Clone)]
pub struct Tenants(Arc<Opened>);

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    dynamodb: Client,
    tenants: String,
    api_keys: String,
    meter: Meter,
}

impl Bound<Operator> for Tenants {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened {
            dynamodb: aws.dynamodb().clone(),
            tenants: aws.table(Table::Tenants)?.to_owned(),
            api_keys: aws.table(Table::ApiKeys)?.to_owned(),
            meter: aws.meter().clone(),
        }))
    }

    fn bind(opened: &Arc<Opened>, _: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(opened))
    }
}

impl Tenants {
    /// A tenant with its keys.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Aws`], [`ControlError::Unreadable`].
    pub async fn get(&self, id: &TenantId, now: OffsetDateTime) -> Result<AdminTenant, ControlError> {
        let tenant = self.0.tenant(id).await?.ok_or_else(|| ControlError::NotFound(id.clone()))?;
        let mut keys = Vec::with_capacity(tenant.keys.len());
        for key in &tenant.keys {
            // A key that was deleted meanwhile has no item any more.
            if let Some(item) = self.0.key(key).await? {
                let expired = item.expires_at.is_some_and(|end| end <= now);
                keys.push(KeySummary {
                    api_key_id: item.api_key_id.to_string(),
                    status: if expired { KeyStatus::Expired } else { KeyStatus::Active },
                    created_at: item.key_created_at,
                    expires_at: item.expires_at,
                });
            }
        }
        Ok(AdminTenant { tenant: tenant.details(), keys })
    }
}

impl Opened {
    async fn tenant(&self, id: &TenantId) -> Result<Option<TenantItem>, ControlError> {
        let key = ("tenant_id", AttributeValue::S(id.to_string()));
        self.item(&self.tenants, key, "GetItem on the tenants table").await
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
