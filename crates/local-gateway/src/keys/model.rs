//! What a key is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use stack_template::UsagePlan;
use subtle::ConstantTimeEq as _;

use crate::error::Error;

/// The secret value of a key: 20 to 128 alphanumerics. `Debug` masks it.
#[derive(Clone)]
pub struct ApiKeyValue(String);

impl ApiKeyValue {
    /// Takes a value.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where it has another length or other characters; the value is not repeated.
    pub fn new(value: String) -> Result<Self, Error> {
        // In AWS's words, except for characters, where they are not known.
        if value.len() < 20 {
            return Err(Error::Invalid("API Key value should be at least 20 characters".to_owned()));
        }
        if value.len() > 128 {
            return Err(Error::Invalid("API Key value exceeds maximum size of 128 characters".to_owned()));
        }
        if !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::Invalid("API Key value should be alphanumeric".to_owned()));
        }
        Ok(Self(value))
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is this value, in a time that does not tell how much of it is right.
    pub(crate) fn is(&self, value: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(value).into()
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        digest(self.0.as_bytes())
    }
}

impl fmt::Debug for ApiKeyValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKeyValue(***)")
    }
}

/// Values are looked up by their hash, so that the time of a look-up says nothing about the value.
pub(crate) fn digest(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

/// An API key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Ten characters of `[a-z0-9]`; it never changes.
    pub id: String,
    /// The name, possibly empty and not unique.
    pub name: String,
    /// The secret value.
    pub value: ApiKeyValue,
    /// A description.
    pub description: Option<String>,
    /// Whether it opens anything.
    pub enabled: bool,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it was last changed, in seconds since 1970.
    pub updated: i64,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A key to be made.
#[derive(Debug, Clone, Default)]
pub struct NewApiKey {
    /// The name, which its id follows from. Without one, the id is random.
    pub name: String,
    /// The value; without one, forty random alphanumerics.
    pub value: Option<ApiKeyValue>,
    /// A description.
    pub description: Option<String>,
    /// Whether it opens anything.
    pub enabled: bool,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A change of a key: what is nothing stays.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    /// The new name. The id stays.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// Whether it opens anything.
    pub enabled: Option<bool>,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, in the order of their ids.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one.
    pub position: Option<String>,
}

/// Why a value opens nothing: for the developer, and never for the caller.
#[derive(Debug, Clone)]
pub enum Rejection {
    /// No key has the value.
    Unknown,
    /// The key is disabled.
    Disabled(Arc<ApiKey>),
    /// The key is in no plan that opens the stage.
    NoPlan(Arc<ApiKey>),
}

impl Rejection {
    /// The key, where there is one.
    #[must_use]
    pub fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Unknown => None,
            Self::Disabled(key) | Self::NoPlan(key) => Some(key),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "no key has this value",
            Self::Disabled(_) => "the key is disabled",
            Self::NoPlan(_) => "the key is in no plan that opens this stage",
        })
    }
}

/// A key that is good for a stage, and the plan that makes it so.
#[derive(Debug, Clone)]
pub struct Admission<'p> {
    /// The key.
    pub key: Arc<ApiKey>,
    /// The plan, whose limits apply.
    pub plan: &'p UsagePlan,
    /// When the key came into the plan, in seconds since 1970.
    pub attached: i64,
}
