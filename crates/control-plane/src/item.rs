//! The item of the tenants table.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use contract::{Isolation, OnboardRequest, TenantDetails, TenantSnapshot, TenantStatus};
use serde::{Deserialize, Serialize};
use tenant_context::{ApiKeyId, IdempotencyItem, KeyItem, TenantId};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ControlError;
use crate::importing::Importing;
use crate::leaving::Leaving;
use crate::moving::Moving;
use crate::pending::{NewKeyWork, Pending, SiloWork};
use crate::task::Task;

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
    /// Until when the attempt at work has the tenant to itself.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) lease_until: Option<OffsetDateTime>,
    /// What API Gateway still owes to the last change, in the order in which it is to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pending: Vec<Pending>,
    /// When the first of its keys ends that has an end.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) next_expiry: Option<OffsetDateTime>,
    /// What goes on with it for longer than a request, or was the last to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<Task>,
}

impl TenantItem {
    /// The intent to onboard. `request` is that of an `Idempotency-Key`.
    pub(crate) fn intent(
        tenant_id: TenantId,
        asked: &OnboardRequest,
        actor: &str,
        request: Option<IdempotencyItem>,
        (now, lease_until): (OffsetDateTime, OffsetDateTime),
    ) -> Self {
        let first_key = NewKeyWork {
            name: format!("tenantry-{tenant_id}-1"),
            actor: actor.to_owned(),
            rotate: None,
            overlap_seconds: 0,
            request,
        };
        Self {
            tenant_id,
            name: asked.name.clone(),
            email: asked.email.clone(),
            contact: asked.contact.clone(),
            tier: asked.tier.clone(),
            isolation: asked.isolation,
            status: TenantStatus::Provisioning,
            status_reason: None,
            version: 1,
            created_at: now,
            updated_at: now,
            keys: Vec::new(),
            lease_until: Some(lease_until),
            pending: vec![Pending::NewKey(first_key)],
            next_expiry: None,
            task: None,
        }
    }

    /// The tenant with its onboarding done.
    ///
    /// # Errors
    /// [`ControlError::Transition`] where it is beyond that.
    pub(crate) fn activated(self, now: OffsetDateTime) -> Result<Self, ControlError> {
        let status = self.status.become_status(TenantStatus::Active)?;
        Ok(Self { status, version: self.version + 1, updated_at: now, ..self })
    }

    /// The tenant with its first key made: active, or waiting for its silo.
    ///
    /// # Errors
    /// As [`Self::activated`].
    pub(crate) fn with_first_key(self, actor: &str, now: OffsetDateTime) -> Result<Self, ControlError> {
        match self.isolation {
            Isolation::Pooled => self.activated(now),
            Isolation::Siloed => {
                let work = SiloWork { actor: actor.to_owned(), retry_at: None };
                let pending = vec![Pending::MakeSilo(work)];
                Ok(Self { pending, version: self.version + 1, updated_at: now, ..self })
            }
        }
    }

    /// The making of its silo, where it waits for that.
    pub(crate) fn silo_work(&self) -> Option<&SiloWork> {
        self.pending.iter().find_map(Pending::silo)
    }

    /// The item, with what puts it into the index of tenants that something is to be done for: what is owed to
    /// it once its lease is over, a key of its that ends, or its task. There is nothing in the index otherwise.
    pub(crate) fn item(&self) -> Result<HashMap<String, AttributeValue>, ControlError> {
        let mut item = write("the item of a tenant", self)?;
        let due = if self.pending.is_empty() {
            let task = self.task.as_ref().and_then(Task::due);
            self.next_expiry.into_iter().chain(task).min().map(|at| (ENDING, at))
        } else {
            let retry_at = self.silo_work().and_then(|work| work.retry_at);
            Some((OWED, self.lease_until.or(retry_at).unwrap_or(self.updated_at)))
        };
        if let Some((partition, at)) = due {
            item.insert("due".to_owned(), AttributeValue::S(partition.to_owned()));
            item.insert("due_at".to_owned(), AttributeValue::N(milliseconds(at)));
        }
        Ok(item)
    }

    /// How it leaves, where it does.
    pub(crate) fn leaving(&self) -> Option<&Leaving> {
        match self.task.as_ref()? {
            Task::Leaving(leaving) => Some(leaving),
            Task::Moving(_) | Task::Importing(_) => None,
        }
    }

    /// How it moves into a silo, or has done so last.
    pub(crate) fn moving(&self) -> Option<&Moving> {
        match self.task.as_ref()? {
            Task::Moving(moving) => Some(moving),
            Task::Leaving(_) | Task::Importing(_) => None,
        }
    }

    /// What is imported into it, or was the last.
    pub(crate) fn importing(&self) -> Option<&Importing> {
        match self.task.as_ref()? {
            Task::Importing(importing) => Some(importing),
            Task::Leaving(_) | Task::Moving(_) => None,
        }
    }

    /// Makes sure that nothing goes on with it for longer than a request.
    ///
    /// # Errors
    /// [`ControlError::UnderWay`].
    pub(crate) fn is_free(&self) -> Result<(), ControlError> {
        match self.task.as_ref().filter(|task| !task.is_over()) {
            Some(task) => Err(ControlError::UnderWay(self.tenant_id.clone(), task.name())),
            None => Ok(()),
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
            held: self.task.as_ref().and_then(Task::held),
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

/// The partition of tenants that something is owed to, in the index of those that something is to be done for.
pub(crate) const OWED: &str = "owed";
/// The partition of tenants with a key that ends.
pub(crate) const ENDING: &str = "ending";

/// A time as that index is sorted by it: milliseconds since 1970.
pub(crate) fn milliseconds(time: OffsetDateTime) -> String {
    (time.unix_timestamp_nanos() / 1_000_000).to_string()
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
