//! The store: rules, then the disk, then memory.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use stack_template::UsagePlan;

use super::database::Database;
use super::index::Index;
use super::model::{Admission, ApiKey, ApiKeyValue, KeyChange, NewApiKey, Page};
use crate::error::Error;
use crate::identifier::{numbered_key_id, random_key_id, random_key_value};

/// Keys that an account can have in a region.
pub const MAX_KEYS: usize = 10_000;

/// Plans that a key can be in.
const MAX_PLANS_PER_KEY: usize = 10;

/// The keys and their plans: on disk, and in memory for requests.
///
/// Plans themselves are the template's. A membership of a plan that the template no longer has stays
/// stored, opens nothing and hinders nothing.
pub struct KeyStore {
    /// Locked before the index by whoever writes, and held until the index agrees with it.
    database: Mutex<Database>,
    index: RwLock<Index>,
}

impl KeyStore {
    /// Opens the store in a file, which is made where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::File`] and [`Error::Database`] where it cannot be opened, also because another process
    /// has it open; [`Error::Schema`] and [`Error::Corrupt`] where it cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::load(Database::open(path)?)
    }

    /// Makes an empty store in memory, for tests and ephemeral stacks.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] where SQLite fails.
    pub fn in_memory() -> Result<Self, Error> {
        Self::load(Database::in_memory()?)
    }

    fn load(database: Database) -> Result<Self, Error> {
        let index = database.load()?;
        Ok(Self { database: Mutex::new(database), index: RwLock::new(index) })
    }

    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] where another key has the value, [`Error::LimitExceeded`] at [`MAX_KEYS`].
    pub fn create(&self, new: NewApiKey, at: SystemTime) -> Result<Arc<ApiKey>, Error> {
        let database = self.writer();
        let key = {
            let index = self.read();
            if index.len() >= MAX_KEYS {
                return Err(Error::LimitExceeded("API Key limit exceeded".to_owned()));
            }
            let value = match new.value {
                Some(value) => value,
                None => ApiKeyValue::new(random_key_value())?,
            };
            if index.by_value(value.expose().as_bytes()).is_some() {
                return Err(Error::Conflict("API Key already exists".to_owned()));
            }
            let created = seconds(at);
            ApiKey {
                id: free_id(&index, &new.name),
                name: new.name,
                value,
                description: new.description,
                enabled: new.enabled,
                created,
                updated: created,
                tags: new.tags,
            }
        };
        database.insert(&key)?;
        Ok(self.write().put(key))
    }

    /// Finds a key by its id.
    #[must_use]
    pub fn get(&self, key_id: &str) -> Option<Arc<ApiKey>> {
        self.read().key(key_id).cloned()
    }

    /// Lists keys whose names begin with `prefix`, after the position `after`.
    #[must_use]
    pub fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Page<Arc<ApiKey>> {
        self.read().page(prefix, after, limit)
    }

    /// Changes a key.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is none.
    pub fn update(&self, key_id: &str, change: KeyChange, at: SystemTime) -> Result<Arc<ApiKey>, Error> {
        let database = self.writer();
        let mut key = ApiKey::clone(&*self.get(key_id).ok_or_else(no_such_key)?);
        if let Some(name) = change.name {
            key.name = name;
        }
        if let Some(description) = change.description {
            key.description = Some(description);
        }
        if let Some(enabled) = change.enabled {
            key.enabled = enabled;
        }
        key.updated = seconds(at);
        database.update(&key)?;
        Ok(self.write().put(key))
    }

    /// Deletes a key and its memberships.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is none.
    pub fn delete(&self, key_id: &str) -> Result<(), Error> {
        let database = self.writer();
        self.get(key_id).ok_or_else(no_such_key)?;
        database.delete(key_id)?;
        self.write().remove(key_id);
        Ok(())
    }

    /// Puts a key into a plan of the template.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is no such plan or key; [`Error::Conflict`] where the key is in
    /// the plan already, or in another one that opens the same stage, since it would not be clear
    /// whose limits apply; [`Error::LimitExceeded`] where the key is in ten plans.
    pub fn attach(&self, plans: &[UsagePlan], plan_id: &str, key_id: &str) -> Result<Arc<ApiKey>, Error> {
        let database = self.writer();
        let key = {
            let index = self.read();
            let plan = plans.iter().find(|plan| plan.id == plan_id).ok_or_else(no_such_plan)?;
            let key = index.key(key_id).ok_or_else(no_such_key)?;
            if index.is_member(plan_id, key_id) {
                return Err(Error::Conflict(format!("Usage Plan Key {key_id} is in {plan_id} already")));
            }
            let others = || plans.iter().filter(|other| index.is_member(&other.id, key_id));
            if others().any(|other| shares_a_stage(plan, other)) {
                return Err(Error::Conflict(
                    "The API Key is in another usage plan for the same API stage".to_owned(),
                ));
            }
            if others().count() >= MAX_PLANS_PER_KEY {
                return Err(Error::LimitExceeded("Usage plans per API Key limit exceeded".to_owned()));
            }
            Arc::clone(key)
        };
        database.attach(plan_id, key_id)?;
        self.write().attach(plan_id.to_owned(), key_id.to_owned());
        Ok(key)
    }

    /// Takes a key out of a plan.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where it is not in the plan.
    pub fn detach(&self, plan_id: &str, key_id: &str) -> Result<(), Error> {
        let database = self.writer();
        self.member(plan_id, key_id).ok_or_else(no_such_member)?;
        database.detach(plan_id, key_id)?;
        self.write().detach(plan_id, key_id);
        Ok(())
    }

    /// Finds a key of a plan.
    #[must_use]
    pub fn member(&self, plan_id: &str, key_id: &str) -> Option<Arc<ApiKey>> {
        let index = self.read();
        index.is_member(plan_id, key_id).then(|| index.key(key_id).cloned())?
    }

    /// Lists a plan's keys whose names begin with `prefix`, after the position `after`.
    #[must_use]
    pub fn members(
        &self,
        plan_id: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Arc<ApiKey>> {
        self.read().members_page(plan_id, prefix, after, limit)
    }

    /// Decides whether a value opens a stage: it is an enabled key's, and the key is in a plan of
    /// `plans` that opens the stage.
    #[must_use]
    pub fn admit<'p>(
        &self,
        value: &[u8],
        plans: &'p [UsagePlan],
        api_id: &str,
        stage: &str,
    ) -> Option<Admission<'p>> {
        let index = self.read();
        let key = index.by_value(value).filter(|key| key.enabled)?;
        let plan = plans.iter().find(|plan| {
            let opens = plan.stages.iter().any(|open| open.api_id == api_id && open.stage == stage);
            opens && index.is_member(&plan.id, &key.id)
        })?;
        Some(Admission { key: Arc::clone(key), plan })
    }

    // A panic while one of these is held leaves the disk ahead of memory at worst, never behind, and
    // a restart reads the disk; so a poisoned lock is no reason to refuse every request from then on.
    fn writer(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id that follows from the name, and where another key has it, the next one.
fn free_id(index: &Index, name: &str) -> String {
    let mut ids = (0_u32..)
        .map(|number| if name.is_empty() { random_key_id() } else { numbered_key_id(name, number) })
        .filter(|id| index.key(id).is_none());
    ids.next().unwrap_or_else(random_key_id)
}

fn shares_a_stage(one: &UsagePlan, other: &UsagePlan) -> bool {
    one.stages.iter().any(|stage| {
        other.stages.iter().any(|same| (&same.api_id, &same.stage) == (&stage.api_id, &stage.stage))
    })
}

fn seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default()
}

pub(crate) fn no_such_key() -> Error {
    Error::NotFound("Invalid API Key identifier specified".to_owned())
}

pub(crate) fn no_such_plan() -> Error {
    Error::NotFound("Invalid Usage Plan ID specified".to_owned())
}

pub(crate) fn no_such_member() -> Error {
    Error::NotFound("Invalid Usage Plan Key specified".to_owned())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
