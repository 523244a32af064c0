//! What requests look up, in memory. Its size is bounded by the number of keys.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::model::{ApiKey, Page, digest};

/// All keys and memberships, as the database has them.
#[derive(Debug, Default)]
pub(super) struct Index {
    keys: BTreeMap<String, Arc<ApiKey>>,
    ids: HashMap<[u8; 32], String>,
    /// Key ids by plan id, with the second since 1970 in which the key came into the plan.
    members: BTreeMap<String, BTreeMap<String, i64>>,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn key(&self, id: &str) -> Option<&Arc<ApiKey>> {
        self.keys.get(id)
    }

    pub(super) fn by_value(&self, value: &[u8]) -> Option<&Arc<ApiKey>> {
        let key = self.keys.get(self.ids.get(&digest(value))?)?;
        key.value.is(value).then_some(key)
    }

    pub(super) fn is_member(&self, plan_id: &str, key_id: &str) -> bool {
        self.attached(plan_id, key_id).is_some()
    }

    /// When a key came into a plan, in seconds since 1970, where it is in it.
    pub(super) fn attached(&self, plan_id: &str, key_id: &str) -> Option<i64> {
        self.members.get(plan_id)?.get(key_id).copied()
    }

    pub(super) fn put(&mut self, key: ApiKey) -> Arc<ApiKey> {
        let key = Arc::new(key);
        self.ids.insert(key.value.digest(), key.id.clone());
        self.keys.insert(key.id.clone(), Arc::clone(&key));
        key
    }

    pub(super) fn remove(&mut self, key_id: &str) {
        if let Some(key) = self.keys.remove(key_id) {
            self.ids.remove(&key.value.digest());
        }
        for keys in self.members.values_mut() {
            keys.remove(key_id);
        }
    }

    pub(super) fn attach(&mut self, plan_id: String, key_id: String, attached: i64) {
        self.members.entry(plan_id).or_default().insert(key_id, attached);
    }

    pub(super) fn detach(&mut self, plan_id: &str, key_id: &str) {
        if let Some(keys) = self.members.get_mut(plan_id) {
            keys.remove(key_id);
        }
    }

    /// Keys whose names begin with `prefix`, after the id `after`.
    pub(super) fn page(&self, prefix: &str, after: Option<&str>, limit: usize) -> Page<Arc<ApiKey>> {
        let keys = self.keys.range::<str, _>(beyond(after)).map(|(_, key)| key);
        page(keys, prefix, limit)
    }

    /// The same of a plan's keys.
    pub(super) fn members_page(
        &self,
        plan_id: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Arc<ApiKey>> {
        let ids = self.members.get(plan_id).into_iter().flat_map(|ids| ids.range::<str, _>(beyond(after)));
        page(ids.filter_map(|(id, _)| self.keys.get(id)), prefix, limit)
    }
}

fn beyond(after: Option<&str>) -> (Bound<&str>, Bound<&str>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

fn page<'k>(keys: impl Iterator<Item = &'k Arc<ApiKey>>, prefix: &str, limit: usize) -> Page<Arc<ApiKey>> {
    let mut keys = keys.filter(|key| key.name.starts_with(prefix));
    let items: Vec<_> = keys.by_ref().take(limit).cloned().collect();
    let position = keys.next().and_then(|_| items.last()).map(|key| key.id.clone());
    Page { items, position }
}
