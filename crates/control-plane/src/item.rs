//! The item of the tenants table.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use contract::{Isolation, OnboardRequest, TenantDetails, TenantSnapshot, TenantStatus};
use serde::{Deserialize, Serialize};
use tenant_context::{ApiKeyId, KeyItem, TenantId};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ControlError;
use crate::pending::Pending;

/// A tenant as the control plane keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TenantItem {
    /// Partition key.
    pub(crate) tenant_id: TenantId,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) contact: BTreeMap<String, String>,
    pub(crate) tier: String,
    pub(crate) isolation: Isolation,
    pub(crate) status: TenantStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_reason: Option<String>,
    /// Counts the changes, from 1.
    pub(crate) version: u64,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) updated_at: OffsetDateTime,
    /// Ids of the keys that it has.
    #[serde(default)]
    pub(crate) keys: Vec<ApiKeyId>,
    /// The name of the key that is being made, written before it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending_key: Option<String>,
    /// Until when the attempt at work has the tenant to itself.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) lease_until: Option<OffsetDateTime>,
    /// What API Gateway still owes to the last change, in the order in which it is to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pending: Vec<Pending>,
    /// When the first of its keys ends that has an end.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) next_expiry: Option<OffsetDateTime>,
}

impl TenantItem {
    /// The intent to onboard.
    pub(crate) fn intent(
        tenant_id: TenantId,
        request: &OnboardRequest,
        now: OffsetDateTime,
        lease_until: OffsetDateTime,
    ) -> Self {
        Self {
            pending_key: Some(format!("tenantry-{tenant_id}-1")),
            tenant_id,
            name: request.name.clone(),
            email: request.email.clone(),
            contact: request.contact.clone(),
            tier: request.tier.clone(),
            isolation: request.isolation,
            status: TenantStatus::Provisioning,
            status_reason: None,
            version: 1,
            created_at: now,
            updated_at: now,
            keys: Vec::new(),
            lease_until: Some(lease_until),
            pending: Vec::new(),
            next_expiry: None,
        }
    }

    /// Whether the request would onboard this very tenant.
    pub(crate) fn is_intended_by(&self, request: &OnboardRequest) -> bool {
        (&self.name, &self.email, &self.contact, &self.tier, self.isolation)
            == (&request.name, &request.email, &request.contact, &request.tier, request.isolation)
    }

    /// The context of one of its keys.
    pub(crate) fn context(&self, key: ApiKeyId, key_created_at: OffsetDateTime) -> KeyItem {
        KeyItem {
            api_key_id: key,
            tenant_id: self.tenant_id.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            contact: self.contact.clone(),
            tier: self.tier.clone(),
            isolation: self.isolation,
            status: self.status,
            created_at: self.created_at,
            key_created_at,
            expires_at: None,
        }
    }

    /// The context of a key that is there already, with what the tenant is now.
    pub(crate) fn refreshed(&self, key: &KeyItem) -> KeyItem {
        KeyItem { expires_at: key.expires_at, ..self.context(key.api_key_id.clone(), key.key_created_at) }
    }

    /// What the audit keeps of it.
    pub(crate) fn snapshot(&self) -> TenantSnapshot {
        TenantSnapshot {
            version: self.version,
            name: self.name.clone(),
            email: self.email.clone(),
            contact: self.contact.clone(),
            tier: self.tier.clone(),
            isolation: self.isolation,
            status: self.status,
            status_reason: self.status_reason.clone(),
            keys: self.keys.iter().map(ToString::to_string).collect(),
        }
    }

    pub(crate) fn details(&self) -> TenantDetails {
        TenantDetails {
            tenant_id: self.tenant_id.to_string(),
            name: self.name.clone(),
            email: self.email.clone(),
            contact: self.contact.clone(),
            tier: self.tier.clone(),
            isolation: self.isolation,
            status: self.status,
            status_reason: self.status_reason.clone(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// A time as items hold it.
pub(crate) fn timestamp(time: OffsetDateTime) -> AttributeValue {
    AttributeValue::S(time.format(&Rfc3339).unwrap_or_default())
}

/// Reads an item of a table.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    what: &'static str,
    item: HashMap<String, AttributeValue>,
) -> Result<T, ControlError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| ControlError::Unreadable(what, Box::new(error)))
}

/// Writes an item for a table.
pub(crate) fn write<T: Serialize>(
    what: &'static str,
    item: &T,
) -> Result<HashMap<String, AttributeValue>, ControlError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(item)
        .map_err(|error| ControlError::Unreadable(what, Box::new(error)))
}
