//! The store: rules, then the disk, then memory.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use stack_template::UsagePlan;

use super::database::Database;
use super::index::Index;
use super::model::{Admission, ApiKey, ApiKeyValue, KeyChange, NewApiKey, Page, Rejection};
use crate::error::Error;
use crate::exchange::micros;
use crate::identifier::{numbered_key_id, random_key_id, random_key_value};
use crate::limits::Counters;

/// Keys that an account can have in a region.
pub const MAX_KEYS: usize = 10_000;

/// Plans that a key can be in.
const MAX_PLANS_PER_KEY: usize = 10;

/// The keys, their plans and what was counted of them: on disk, and in memory for requests.
///
/// Plans themselves are the template's. A membership of a plan that the template no longer has stays
/// stored, opens nothing and hinders nothing.
pub struct KeyStore {
    /// Locked before the index by whoever writes, and held until the index agrees with it.
    database: Mutex<Database>,
    index: RwLock<Index>,
    /// Locked last of the three. What it holds is ahead of the disk until it is kept.
    counters: Mutex<Counters>,
}

impl KeyStore {
    /// Opens the store in a file, which is made where there is none, for a stack whose time is `now`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] and [`Error::Database`] where it cannot be opened, also because another process
    /// has it open; [`Error::Schema`] and [`Error::Corrupt`] where it cannot be read.
    pub fn open(path: &Path, now: SystemTime) -> Result<Self, Error> {
        Self::of(Database::open(path)?, now)
    }

    /// Makes an empty store in memory, for tests and ephemeral stacks.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] where SQLite fails.
    pub fn in_memory() -> Result<Self, Error> {
        Self::of(Database::in_memory()?, UNIX_EPOCH)
    }

    fn of(database: Database, now: SystemTime) -> Result<Self, Error> {
        let (index, counters) = (database.load()?, database.counters(micros(now))?);
        Ok(Self { database: Mutex::new(database), index: RwLock::new(index), counters: Mutex::new(counters) })
    }

    /// Copies keys, plans and counters into a file, which must not be there.
    ///
    /// # Errors
    ///
    /// [`Error::File`] and [`Error::Database`] where it cannot be written.
    pub fn save(&self, plans: &[UsagePlan], path: &Path) -> Result<(), Error> {
        self.kept(plans)?.save(path)
    }

    /// Takes keys, plans and counters from a file that [`Self::save`] has written, in place of its own, for a
    /// stack whose time is `now` from then on. `first` is done in between: once it is certain that the file can
    /// be read, and before anything of the store has changed.
    ///
    /// # Errors
    ///
    /// [`Error::File`], [`Error::Database`], [`Error::Schema`] and [`Error::Corrupt`] where it cannot be read;
    /// and what `first` fails with. Nothing has changed then.
    pub fn load<E: From<Error>>(
        &self,
        path: &Path,
        now: SystemTime,
        first: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let read = || {
            let saved = Database::saved(path)?;
            Ok::<_, Error>((saved.load()?, saved.counters(micros(now))?))
        };
        let (index, counters) = read()?;
        let mut database = self.writer();
        first()?;
        database.replace(path)?;
        *self.write() = index;
        *self.counters() = counters;
        Ok(())
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
        // An id that follows from a name may have been an earlier key's, whose last request is counted only now.
        self.counters().forget(&key.id);
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
        self.counters().forget(key_id);
        Ok(())
    }

    /// Puts a key into a plan of the template.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is no such plan or key; [`Error::Conflict`] where the key is in
    /// the plan already, or in another one that opens the same stage, since it would not be clear
    /// whose limits apply; [`Error::LimitExceeded`] where the key is in ten plans.
    pub fn attach(
        &self,
        plans: &[UsagePlan],
        plan_id: &str,
        key_id: &str,
        at: SystemTime,
    ) -> Result<Arc<ApiKey>, Error> {
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
        let attached = seconds(at);
        database.attach(plan_id, key_id, attached)?;
        self.write().attach(plan_id.to_owned(), key_id.to_owned(), attached);
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
        self.counters().leave(plan_id, key_id);
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
    ///
    /// # Errors
    ///
    /// [`Rejection`] where it does not.
    pub fn admit<'p>(
        &self,
        value: &[u8],
        plans: &'p [UsagePlan],
        api_id: &str,
        stage: &str,
    ) -> Result<Admission<'p>, Rejection> {
        let index = self.read();
        let key = index.by_value(value).ok_or(Rejection::Unknown)?;
        if !key.enabled {
            return Err(Rejection::Disabled(Arc::clone(key)));
        }
        let member = plans.iter().find_map(|plan| {
            let opens = plan.stages.iter().any(|open| open.api_id == api_id && open.stage == stage);
            Some((plan, index.attached(&plan.id, &key.id).filter(|_| opens)?))
        });
        let (plan, attached) = member.ok_or_else(|| Rejection::NoPlan(Arc::clone(key)))?;
        Ok(Admission { key: Arc::clone(key), plan, attached })
    }

    // A panic while one of these is held leaves the disk ahead of memory at worst, never behind, and
    // a restart reads the disk; so a poisoned lock is no reason to refuse every request from then on.
    pub(super) fn writer(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
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
