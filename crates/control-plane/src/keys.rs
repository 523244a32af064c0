//! A tenant's keys after its first one.

use std::sync::Arc;

use contract::{FieldError, IssuedKey, KeyRequest, NewKey, TenantStatus};
use tenant_context::{ApiKeyId, Aws, Bound, KeyItem, OpenError, Operator, TenantId};
use time::OffsetDateTime;

use crate::desk::{Change, Desk};
use crate::pending::Pending;
use crate::reading::{has_ended, summary};
use crate::{ApiKeyValue, ControlError};

/// Most keys of a tenant that work at once. Quotas hold for each key, so each key more is a quota more.
pub const MAX_ACTIVE_KEYS: usize = 2;
/// Most keys of a tenant, those included that are past their end and not deleted yet.
const MAX_KEYS: usize = 10;

/// Keys of tenants, on behalf of an operator.
#[derive(Debug, Clone)]
pub struct Keys {
    desk: Arc<Desk>,
    operator: Arc<Operator>,
}

impl Bound<Operator> for Keys {
    type Opened = Arc<Desk>;

    async fn open(aws: &Aws) -> Result<Arc<Desk>, OpenError> {
        Desk::open(aws)
    }

    fn bind(opened: &Arc<Desk>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { desk: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Keys {
    /// Makes a further key, or one that takes the place of another: on the same plan, with what that one has
    /// left of its quota and with its checkpoints, as they are now. The other one ends after the overlap.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] and [`ControlError::NoSuchKey`]; [`ControlError::Inactive`];
    /// [`ControlError::Ending`] where the key to be replaced has an end; [`ControlError::TooManyKeys`];
    /// [`ControlError::Stale`] and [`ControlError::Busy`] where another request is at work.
    pub async fn create(
        &self,
        id: &TenantId,
        request: &KeyRequest,
        now: OffsetDateTime,
    ) -> Result<NewKey<ApiKeyValue>, ControlError> {
        let rotate = request.rotate.as_deref().map(str::parse::<ApiKeyId>).transpose().map_err(|error| {
            let pointer = "/rotate".to_owned();
            ControlError::Invalid(vec![FieldError { pointer, detail: error.to_string() }])
        })?;
        let before = self.desk.ready(id, now).await?;
        if before.status != TenantStatus::Active {
            return Err(ControlError::Inactive(before.tenant_id));
        }
        let contexts = self.desk.keys(&before).await?;
        if let Some(old) = &rotate {
            let found = contexts.iter().find(|key| key.api_key_id == *old);
            let found = found.ok_or_else(|| ControlError::NoSuchKey(old.clone()))?;
            if found.expires_at.is_some() {
                return Err(ControlError::Ending(old.clone()));
            }
        }
        // Without it, what is committed could never be done.
        self.desk.plan_of(&before.tier).await?;
        check_number(&contexts, rotate.as_ref().filter(|_| request.overlap_seconds == 0), now)?;
        let actor = self.operator.arn().to_owned();
        let mut after = before.clone();
        let action = if rotate.is_some() { "key.rotate" } else { "key.create" };
        after.pending.push(Pending::NewKey {
            // The version is used once, and so is the name.
            name: format!("tenantry-{id}-{}", before.version + 1),
            actor: actor.clone(),
            rotate,
            overlap_seconds: request.overlap_seconds,
        });
        let change = Change { before, after, contexts, removed: Vec::new(), action, actor };
        let finished = Box::pin(self.desk.carry_through(change, now)).await?;
        let key = finished.key.ok_or(ControlError::Incomplete("new key"))?;
        Ok(NewKey {
            api_key: IssuedKey { api_key_id: key.id.to_string(), value: key.value },
            keys: finished.contexts.iter().map(|key| summary(key, now)).collect(),
        })
    }

    /// Revokes a key: its context is gone when this returns, and so are the key and its checkpoints.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] and [`ControlError::NoSuchKey`]; [`ControlError::LastKey`] without `force`;
    /// [`ControlError::Stale`] and [`ControlError::Busy`] where another request is at work.
    pub async fn revoke(
        &self,
        id: &TenantId,
        key: &ApiKeyId,
        force: bool,
        now: OffsetDateTime,
    ) -> Result<(), ControlError> {
        // As a suspension, it waits for nothing that is owed.
        let before = self.desk.reader.tenant(id).await?;
        let contexts = self.desk.keys(&before).await?;
        let (gone, kept): (Vec<_>, Vec<_>) = contexts.into_iter().partition(|one| one.api_key_id == *key);
        let gone = gone.first().ok_or_else(|| ControlError::NoSuchKey(key.clone()))?;
        let is_last = !has_ended(gone, now) && kept.iter().all(|one| has_ended(one, now));
        if is_last && !force {
            return Err(ControlError::LastKey(key.clone()));
        }
        let mut after = before.clone();
        after.pending.push(Pending::DeleteKey { api_key_id: key.clone() });
        let change = Change {
            before,
            after,
            contexts: kept,
            removed: vec![key.clone()],
            action: "key.revoke",
            actor: self.operator.arn().to_owned(),
        };
        Box::pin(self.desk.carry_through(change, now)).await?;
        Ok(())
    }
}

/// Checks that there is room for one key more. `replaced` is a key that ends at once.
fn check_number(
    contexts: &[KeyItem],
    replaced: Option<&ApiKeyId>,
    now: OffsetDateTime,
) -> Result<(), ControlError> {
    let works = |key: &&KeyItem| !has_ended(key, now) && replaced != Some(&key.api_key_id);
    if contexts.iter().filter(works).count() >= MAX_ACTIVE_KEYS {
        return Err(ControlError::TooManyKeys(MAX_ACTIVE_KEYS));
    }
    if contexts.len() >= MAX_KEYS {
        return Err(ControlError::TooManyKeys(MAX_KEYS));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use contract::Isolation;
    use time::Duration;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn key(id: &str, expires_at: Option<OffsetDateTime>) -> KeyItem {
        KeyItem {
            api_key_id: id.parse().unwrap(),
            tenant_id: "acme".parse().unwrap(),
            name: "Acme".into(),
            email: "ops@acme.example".into(),
            contact: [].into(),
            tier: "free".into(),
            isolation: Isolation::Pooled,
            status: TenantStatus::Active,
            created_at: NOW,
            key_created_at: NOW,
            expires_at,
        }
    }

    #[test]
    fn no_tenant_has_more_working_keys_than_it_may() {
        let one = [key("k1", None)];
        assert!(check_number(&one, None, NOW).is_ok());
        // A key that still works counts, whenever it ends.
        let two = [key("k1", None), key("k2", Some(NOW + Duration::SECOND))];
        assert!(matches!(check_number(&two, None, NOW), Err(ControlError::TooManyKeys(MAX_ACTIVE_KEYS))));
        assert!(check_number(&two, Some(&"k1".parse().unwrap()), NOW).is_ok());
        assert!(check_number(&two, None, NOW + Duration::SECOND).is_ok());
    }

    #[test]
    fn keys_past_their_end_do_not_pile_up() {
        let ended: Vec<_> = (0..MAX_KEYS).map(|n| key(&format!("k{n}"), Some(NOW))).collect();
        assert!(matches!(check_number(&ended, None, NOW), Err(ControlError::TooManyKeys(MAX_KEYS))));
    }
}
