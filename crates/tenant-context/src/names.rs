//! The names of what belongs to a tenant.

use std::fmt;

use contract::Isolation;

use crate::{ApiKeyId, TenantId};

/// What every siloed name begins with. Nothing pooled may begin so: a grant on it reaches silos alone.
const SILO: &str = "tenantry-silo-";

/// The partition key of one tenant's items in a table that is partitioned by tenant.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartitionKey(String);

/// The partition key of one API key's items in a table that is partitioned by API key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyPartition(String);

/// What the keys of one tenant's objects begin with: its id and a slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectPrefix(String);

/// The names of what one siloed tenant has to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiloNames {
    /// Its table of records.
    pub table: String,
    /// Its bucket of files.
    pub bucket: String,
}

/// The pooled names that a function was deployed with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    pub(crate) records: String,
    pub(crate) files: String,
    pub(crate) account_id: String,
    pub(crate) region: String,
}

impl PartitionKey {
    pub(crate) fn of(tenant: &TenantId) -> Self {
        Self(tenant.as_str().to_owned())
    }

    /// The value of the partition key's attribute.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionKey({})", self.0)
    }
}

impl KeyPartition {
    pub(crate) fn of(key: &ApiKeyId) -> Self {
        Self(key.as_str().to_owned())
    }

    /// The value of the partition key's attribute.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPartition({})", self.0)
    }
}

impl ObjectPrefix {
    pub(crate) fn of(tenant: &TenantId) -> Self {
        Self(format!("{tenant}/"))
    }

    /// The prefix, slash included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Pool {
    pub(crate) fn records_table(&self, tenant: &TenantId, isolation: Isolation) -> String {
        match isolation {
            Isolation::Pooled => self.records.clone(),
            Isolation::Siloed => format!("{SILO}{tenant}-records"),
        }
    }

    pub(crate) fn silo(&self, tenant: &TenantId) -> SiloNames {
        SiloNames {
            table: self.records_table(tenant, Isolation::Siloed),
            bucket: self.files_bucket(tenant, Isolation::Siloed),
        }
    }

    pub(crate) fn files_bucket(&self, tenant: &TenantId, isolation: Isolation) -> String {
        match isolation {
            Isolation::Pooled => self.files.clone(),
            Isolation::Siloed => format!("{SILO}{tenant}-{}-{}", self.account_id, self.region),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool() -> Pool {
        Pool {
            records: "tenantry-records".into(),
            files: "tenantry-files-123456789012-ap-southeast-1".into(),
            account_id: "123456789012".into(),
            region: "ap-southeast-1".into(),
        }
    }

    fn isolation() -> impl Strategy<Value = Isolation> {
        prop_oneof![Just(Isolation::Pooled), Just(Isolation::Siloed)]
    }

    /// Two ids, often one a beginning of the other.
    fn two_ids() -> impl Strategy<Value = (TenantId, TenantId)> {
        ("[a-z0-9]{3,20}", "[a-z0-9]{3,20}", any::<bool>(), "[a-z0-9]{1,5}")
            .prop_map(
                |(a, b, related, tail)| if related { (a.clone(), format!("{a}{tail}")) } else { (a, b) },
            )
            .prop_filter_map("two different ids", |(a, b)| {
                let (a, b) = (a.parse().ok()?, b.parse().ok()?);
                (a != b).then_some((a, b))
            })
    }

    proptest! {
        #[test]
        fn no_two_tenants_share_a_partition((a, b) in two_ids()) {
            prop_assert_ne!(PartitionKey::of(&a), PartitionKey::of(&b));
        }

        #[test]
        fn no_two_keys_share_a_partition(a in "[A-Za-z0-9]{1,40}", b in "[A-Za-z0-9]{1,40}") {
            prop_assume!(a != b);
            let (a, b): (ApiKeyId, ApiKeyId) = (a.parse().unwrap(), b.parse().unwrap());
            prop_assert_ne!(KeyPartition::of(&a), KeyPartition::of(&b));
        }

        #[test]
        fn no_tenants_prefix_begins_anothers((a, b) in two_ids()) {
            let (a, b) = (ObjectPrefix::of(&a), ObjectPrefix::of(&b));
            prop_assert!(!a.as_str().starts_with(b.as_str()) && !b.as_str().starts_with(a.as_str()));
        }

        #[test]
        fn a_siloed_tenant_shares_no_table_and_no_bucket((a, b) in two_ids(), of_b in isolation()) {
            let pool = pool();
            prop_assert_ne!(pool.records_table(&a, Isolation::Siloed), pool.records_table(&b, of_b));
            prop_assert_ne!(pool.files_bucket(&a, Isolation::Siloed), pool.files_bucket(&b, of_b));
        }

        #[test]
        fn a_silos_names_are_legal_and_its_own((a, _) in two_ids()) {
            let (table, bucket) = (pool().records_table(&a, Isolation::Siloed), pool().files_bucket(&a, Isolation::Siloed));
            prop_assert!(bucket.len() <= 63, "{}", bucket);
            prop_assert!(table.starts_with(SILO) && bucket.starts_with(SILO));
            prop_assert!(!pool().records_table(&a, Isolation::Pooled).starts_with(SILO));
            prop_assert!(!pool().files_bucket(&a, Isolation::Pooled).starts_with(SILO));
        }
    }
}
