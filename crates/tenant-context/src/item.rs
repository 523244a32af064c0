//! The item of the api-keys table: what one read tells about a caller.

use std::collections::BTreeMap;

use contract::{Isolation, TenantStatus};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{ApiKeyId, TenantId};

/// What a tenant's requests have to wait for while its data is moved or imported. Reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// Nothing is handed out by which somebody could change the tenant's data later on, past the API.
    HandingOut,
    /// Besides that, no record, file or checkpoint is written, deleted or completed.
    Writes,
}

/// One key and its tenant, as the control plane writes it and [`crate::Contexts`] reads it.
///
/// It is plain data: holding one opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyItem {
    /// Partition key.
    pub api_key_id: ApiKeyId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The tenant's display name.
    pub name: String,
    /// The tenant's e-mail address.
    pub email: String,
    /// Further contact details.
    pub contact: BTreeMap<String, String>,
    /// The tier.
    pub tier: String,
    /// Where the tenant's data lies.
    pub isolation: Isolation,
    /// Where the tenant stands.
    pub status: TenantStatus,
    /// When the tenant was onboarded.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the key was made.
    #[serde(with = "time::serde::rfc3339")]
    pub key_created_at: OffsetDateTime,
    /// From when on the key is refused.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// What the tenant's requests have to wait for; nothing in the ordinary course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
}
