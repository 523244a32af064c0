//! What API Gateway still owes to a change that is committed, and what a tenant waits for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenant_context::{ApiKeyId, IdempotencyItem, KeyItem};
use time::{Duration, OffsetDateTime};

/// A piece of work on the gateway. It is written with the change that asks for it, and taken away when it is
/// done; doing it again does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Pending {
    /// The keys are to move from the plan of one tier into that of another.
    Tier {
        to: String,
        /// What each key had used of its quota; less than nothing after a grant. It is noted before the first key
        /// leaves its plan, since the gateway may not tell it afterwards.
        #[serde(default)]
        used: BTreeMap<ApiKeyId, i64>,
        /// When that was: in a later period of the quota it says nothing.
        #[serde(with = "time::serde::rfc3339")]
        noted_at: OffsetDateTime,
    },
    /// The keys are to be enabled.
    EnableKeys,
    /// The keys are to be disabled.
    DisableKeys,
    /// A key is to be made.
    NewKey(NewKeyWork),
    /// A key that may have been made is to be deleted, since nobody has been told its value.
    DropKey {
        /// Its name.
        name: String,
        /// Who asked for it, for the audit.
        actor: String,
    },
    /// A key is to be deleted.
    DeleteKey { api_key_id: ApiKeyId },
    /// The tenant's own table and bucket are to be made. `tenants-reconcile` alone does it.
    MakeSilo(SiloWork),
    /// A key is to have so many requests left of its quota, in the period in which that was noted.
    Grant {
        api_key_id: ApiKeyId,
        remaining: u32,
        #[serde(with = "time::serde::rfc3339")]
        noted_at: OffsetDateTime,
    },
}

/// The making of a silo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SiloWork {
    /// Who asked for it, for the audit.
    pub(crate) actor: String,
    /// When it is to be tried again, where it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(crate) retry_at: Option<OffsetDateTime>,
}

/// The making of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewKeyWork {
    /// Its name, by which it is found where an earlier attempt has made it.
    pub(crate) name: String,
    /// Who asked for it, for the audit.
    pub(crate) actor: String,
    /// The key that it takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotate: Option<ApiKeyId>,
    /// Seconds for which that key goes on working.
    #[serde(default)]
    pub(crate) overlap_seconds: u32,
    /// The request that asked for it, where it has an `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<IdempotencyItem>,
}

impl Pending {
    /// Who asked for it, where it says so.
    pub(crate) fn actor(&self) -> &str {
        match self {
            Self::NewKey(NewKeyWork { actor, .. })
            | Self::DropKey { actor, .. }
            | Self::MakeSilo(SiloWork { actor, .. }) => actor,
            Self::Tier { .. }
            | Self::EnableKeys
            | Self::DisableKeys
            | Self::DeleteKey { .. }
            | Self::Grant { .. } => "",
        }
    }

    /// The request that asked for a key.
    pub(crate) fn request(&self) -> Option<&IdempotencyItem> {
        match self {
            Self::NewKey(work) => work.request.as_ref(),
            Self::Tier { .. }
            | Self::EnableKeys
            | Self::DisableKeys
            | Self::DropKey { .. }
            | Self::DeleteKey { .. }
            | Self::MakeSilo(_)
            | Self::Grant { .. } => None,
        }
    }

    /// The making of a silo.
    pub(crate) fn silo(&self) -> Option<&SiloWork> {
        match self {
            Self::MakeSilo(work) => Some(work),
            Self::Tier { .. }
            | Self::EnableKeys
            | Self::DisableKeys
            | Self::NewKey(_)
            | Self::DropKey { .. }
            | Self::DeleteKey { .. }
            | Self::Grant { .. } => None,
        }
    }

    /// Sets the end of the key that a new one takes the place of.
    pub(crate) fn hand_over(&self, contexts: &mut [KeyItem], now: OffsetDateTime) {
        if let Self::NewKey(NewKeyWork { rotate: Some(old), overlap_seconds, .. }) = self
            && let Some(context) = contexts.iter_mut().find(|context| context.api_key_id == *old)
        {
            context.expires_at = Some(now + Duration::seconds(i64::from(*overlap_seconds)));
        }
    }
}

/// The work of an attempt that broke off, with keys undone that it was to make, and the requests that asked for
/// them.
pub(crate) fn abandoned(pending: Vec<Pending>) -> (Vec<Pending>, Vec<IdempotencyItem>) {
    let mut requests = Vec::new();
    let pending = pending
        .into_iter()
        .map(|work| match work {
            Pending::NewKey(NewKeyWork { name, actor, request, .. }) => {
                requests.extend(request);
                Pending::DropKey { name, actor }
            }
            other @ (Pending::Tier { .. }
            | Pending::EnableKeys
            | Pending::DisableKeys
            | Pending::DropKey { .. }
            | Pending::DeleteKey { .. }
            | Pending::MakeSilo(_)
            | Pending::Grant { .. }) => other,
        })
        .collect();
    (pending, requests)
}

#[cfg(test)]
mod tests {
    use tenant_context::{IdempotentRequest, Operator};

    use super::*;

    #[test]
    fn pending_work_comes_back_from_the_table_as_it_was_written() {
        let (key, noted_at): (ApiKeyId, _) = ("k1".parse().unwrap(), OffsetDateTime::UNIX_EPOCH);
        let request = IdempotentRequest::new("POST /tenants/{tenant_id}/keys", "k", "f")
            .of_operator(&Operator::new("arn"), OffsetDateTime::UNIX_EPOCH);
        let work = NewKeyWork {
            name: "tenantry-acme-3".into(),
            actor: "arn".into(),
            rotate: Some(key.clone()),
            overlap_seconds: 60,
            request: Some(request),
        };
        let all = vec![
            Pending::Tier { to: "standard".into(), used: [(key.clone(), -7)].into(), noted_at },
            Pending::EnableKeys,
            Pending::DisableKeys,
            Pending::NewKey(work.clone()),
            Pending::NewKey(NewKeyWork { rotate: None, overlap_seconds: 0, request: None, ..work }),
            Pending::DropKey { name: "tenantry-acme-4".into(), actor: "arn".into() },
            Pending::DeleteKey { api_key_id: key.clone() },
            Pending::Grant { api_key_id: key, remaining: 10, noted_at },
            Pending::MakeSilo(SiloWork { actor: "arn".into(), retry_at: None }),
            Pending::MakeSilo(SiloWork { actor: "arn".into(), retry_at: Some(OffsetDateTime::UNIX_EPOCH) }),
        ];
        for one in all {
            let item = crate::item::write("pending work", &one).unwrap();
            assert_eq!(crate::item::read::<Pending>("pending work", item).unwrap(), one);
        }
    }
}
