//! What API Gateway still owes to a change that is committed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenant_context::ApiKeyId;

/// A piece of work on the gateway. It is written with the change that asks for it, and taken away when it is
/// done; doing it again does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Pending {
    /// The keys are to move from the plan of one tier into that of another.
    Tier {
        from: String,
        to: String,
        /// What each key had used of its quota. It is noted before the first key leaves its plan, since the
        /// gateway may not tell it afterwards.
        #[serde(default)]
        used: BTreeMap<ApiKeyId, u32>,
    },
    /// The keys are to be enabled.
    EnableKeys,
    /// The keys are to be disabled.
    DisableKeys,
    /// A key is to be made.
    NewKey {
        /// Its name, by which it is found where an earlier attempt has made it.
        name: String,
        /// Who asked for it, for the audit.
        actor: String,
        /// The key that it takes the place of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rotate: Option<ApiKeyId>,
        /// Seconds for which that key goes on working.
        #[serde(default)]
        overlap_seconds: u32,
    },
    /// A key is to be deleted.
    DeleteKey { api_key_id: ApiKeyId },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_work_comes_back_from_the_table_as_it_was_written() {
        let key: ApiKeyId = "k1".parse().unwrap();
        let all = vec![
            Pending::Tier { from: "free".into(), to: "standard".into(), used: [(key.clone(), 7)].into() },
            Pending::EnableKeys,
            Pending::DisableKeys,
            Pending::NewKey {
                name: "tenantry-acme-3".into(),
                actor: "arn".into(),
                rotate: Some(key.clone()),
                overlap_seconds: 60,
            },
            Pending::NewKey {
                name: "tenantry-acme-4".into(),
                actor: "arn".into(),
                rotate: None,
                overlap_seconds: 0,
            },
            Pending::DeleteKey { api_key_id: key },
        ];
        for one in all {
            let item = crate::item::write("pending work", &one).unwrap();
            assert_eq!(crate::item::read::<Pending>("pending work", item).unwrap(), one);
        }
    }
}
