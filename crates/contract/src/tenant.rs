//! Tenants, their keys, and onboarding.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A word that the wire does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a value of {0}")]
pub struct UnknownWord(&'static str);

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The value's word on the wire and in tables.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or(UnknownWord(stringify!($type)))
            }
        }
    };
}

words! {
    /// Where a tenant's data lies.
    Isolation {
        /// In the pool: shared tables and bucket, own partition and prefix.
        Pooled = "pooled",
        /// In a table and a bucket of its own.
        Siloed = "siloed",
    }
}

words! {
    /// Where a tenant stands in its life.
    TenantStatus {
        /// Intent is written; what it needs is being made.
        Provisioning = "provisioning",
        /// Served.
        Active = "active",
        /// Refused until it is resumed.
        Suspended = "suspended",
        /// Being exported and purged.
        Deleting = "deleting",
        /// Purged; only the tombstone is left.
        Deleted = "deleted",
    }
}

words! {
    /// Where a key stands.
    KeyStatus {
        /// Accepted.
        Active = "active",
        /// Past its expiry.
        Expired = "expired",
    }
}

/// A step that a tenant's life does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tenant that is {from} cannot become {to}")]
pub struct TransitionError {
    from: TenantStatus,
    to: TenantStatus,
}

impl TenantStatus {
    /// The status after the step, if a tenant's life has it.
    ///
    /// # Errors
    /// [`TransitionError`] names both ends.
    pub fn become_status(self, to: Self) -> Result<Self, TransitionError> {
        use TenantStatus::{Active, Deleted, Deleting, Provisioning, Suspended};
        let legal = match self {
            Provisioning => matches!(to, Active | Deleting),
            Active => matches!(to, Suspended),
            Suspended => matches!(to, Active | Deleting),
            Deleting => matches!(to, Suspended | Deleted),
            Deleted => false,
        };
        if legal { Ok(to) } else { Err(TransitionError { from: self, to }) }
    }
}

/// `GET /tenant`: the caller's own tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantView {
    /// Immutable id.
    pub tenant_id: String,
    /// Display name.
    pub name: String,
    /// Tier, the usage plan's name without `tenantry-`.
    pub tier: String,
    /// Where the data lies.
    pub isolation: Isolation,
    /// Where the tenant stands.
    pub status: TenantStatus,
    /// When it was onboarded.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The calling key's id.
    pub api_key_id: String,
}

/// `POST /tenants`: whom to onboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnboardRequest {
    /// The id to give, `[a-z0-9]{3,20}`; a random one without it. Repeating a request with its id after
    /// a crash completes the same tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Display name, 1 to 200 characters.
    pub name: String,
    /// E-mail address of the tenant's owner.
    pub email: String,
    /// Further contact details, free in form, up to 4 KB.
    #[serde(default)]
    pub contact: BTreeMap<String, String>,
    /// Tier, the usage plan's name without `tenantry-`.
    pub tier: String,
    /// Where the data shall lie.
    #[serde(default = "pooled")]
    pub isolation: Isolation,
}

fn pooled() -> Isolation {
    Isolation::Pooled
}

/// A tenant, as the platform team sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantDetails {
    /// Immutable id.
    pub tenant_id: String,
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Further contact details.
    pub contact: BTreeMap<String, String>,
    /// Tier.
    pub tier: String,
    /// Where the data lies.
    pub isolation: Isolation,
    /// Where the tenant stands.
    pub status: TenantStatus,
    /// Why it stands there, where that needs saying.
    pub status_reason: Option<String>,
    /// Counts the changes, from 1.
    pub version: u64,
    /// When it was onboarded.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// The answer to onboarding, which alone holds the key's value.
#[derive(Debug, Serialize)]
pub struct Onboarded<V> {
    /// The tenant.
    pub tenant: TenantDetails,
    /// Its first key.
    pub api_key: IssuedKey<V>,
}

/// A key with its value. `V` is a type that masks itself in `Debug`.
#[derive(Debug, Serialize)]
pub struct IssuedKey<V> {
    /// API Gateway's id of the key.
    pub api_key_id: String,
    /// The secret.
    pub value: V,
}

/// `GET /tenants/{tenant_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdminTenant {
    /// The tenant.
    pub tenant: TenantDetails,
    /// Its keys; never their values.
    pub keys: Vec<KeySummary>,
    /// How it leaves, where it does.
    pub offboarding: Option<crate::Offboarding>,
    /// How it moves into a silo, or has done so last.
    #[serde(rename = "move")]
    pub relocation: Option<crate::SiloMove>,
    /// The import of an export into it, where one is under way or was the last thing that was.
    pub import: Option<crate::Import>,
    /// What was last done to it, the newest first, where the request is to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Vec<crate::AuditEntry>>,
}

/// A key without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySummary {
    /// API Gateway's id of the key.
    pub api_key_id: String,
    /// Where it stands.
    pub status: KeyStatus,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ends, `null` for never.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_tenant_never_comes_back() {
        for to in TenantStatus::ALL {
            assert!(TenantStatus::Deleted.become_status(*to).is_err());
        }
    }

    #[test]
    fn no_status_becomes_itself() {
        for status in TenantStatus::ALL {
            assert!(status.become_status(*status).is_err());
        }
    }

    #[test]
    fn words_on_the_wire_and_in_tables_agree() {
        for status in TenantStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(status.as_str().parse::<TenantStatus>().unwrap(), *status);
        }
        assert!("Active".parse::<TenantStatus>().is_err());
    }
}
