//! A tenant's keys after its first one.

use std::sync::Arc;

use contract::{FieldError, IssuedKey, KeyRequest, NewKey, TenantStatus};
use tenant_context::{
    ApiKeyId, Aws, Bound, IdempotencyItem, IdempotentRequest, KeyItem, OpenError, Operator, TenantId,
};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::desk::{Change, Desk, Finished};
use crate::pending::{NewKeyWork, Pending};
use crate::reading::{has_ended, summary};
use crate::{Answered, ApiKeyValue, ControlError, KeyRoom};

/// Most keys of a tenant, those included that are past their end and not deleted yet.
const MAX_KEYS: usize = 20;

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
    /// A request with an `Idempotency-Key` makes one key, however often it comes. Where its first attempt broke
    /// off, the next one completes it, and is the one that is told the value.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] and [`ControlError::NoSuchKey`]; [`ControlError::Inactive`];
    /// [`ControlError::Ending`] where the key to be replaced has an end; [`ControlError::TooManyKeys`];
    /// [`ControlError::NoRoom`] where the account has nearly as many keys as it may;
    /// [`ControlError::KeyReused`] and [`ControlError::KeyInUse`] by the `Idempotency-Key`;
    /// [`ControlError::Stale`] and [`ControlError::Busy`] where another request is at work.
    pub async fn create(
        &self,
        id: &TenantId,
        asked: &KeyRequest,
        once: Option<&IdempotentRequest>,
        room: &KeyRoom,
        now: OffsetDateTime,
    ) -> Result<Answered<NewKey<ApiKeyValue>>, ControlError> {
        let rotate = asked.rotate.as_deref().map(str::parse::<ApiKeyId>).transpose().map_err(|error| {
            let pointer = "/rotate".to_owned();
            ControlError::Invalid(vec![FieldError { pointer, detail: error.to_string() }])
        })?;
        let request = Desk::request(once, &self.operator, id, now);
        if let Some(answered) = self.desk.repeated(request.as_ref(), now).await? {
            return answered.try_map(|finished| issued(finished, now));
        }
        room.check().await?;
        let made = async {
            let change = self.new_key(id, asked, rotate, request.clone(), now).await?;
            Box::pin(self.desk.carry_through(change, now)).await
        };
        let answered = match made.await {
            Ok(finished) => Answered::First(finished),
            Err(refusal) => self.desk.overtaken(request.as_ref(), refusal, now).await?,
        };
        answered.try_map(|finished| issued(finished, now))
    }

    /// The change that a request for a key asks for.
    async fn new_key(
        &self,
        id: &TenantId,
        asked: &KeyRequest,
        rotate: Option<ApiKeyId>,
        request: Option<IdempotencyItem>,
        now: OffsetDateTime,
    ) -> Result<Change, ControlError> {
        let before = self.desk.ready(id, now).await?;
        if before.status != TenantStatus::Active {
            return Err(ControlError::Inactive(before.tenant_id));
        }
        let contexts = self.desk.keys(&before).await?;
        if let Some(old) = &rotate {
            // It would copy the checkpoints while some of them are still to come.
            if before.importing().is_some() {
                before.is_free()?;
            }
            let found = contexts.iter().find(|key| key.api_key_id == *old);
            let found = found.ok_or_else(|| ControlError::NoSuchKey(old.clone()))?;
            if found.expires_at.is_some() {
                return Err(ControlError::Ending(old.clone()));
            }
        }
        // Without it, what is committed could never be done.
        self.desk.plan_of(&before.tier).await?;
        let replaced = rotate.as_ref().filter(|_| asked.overlap_seconds == 0);
        check_number(&contexts, replaced, self.desk.key_limits.of(&before.tier), now)?;
        let actor = self.operator.arn().to_owned();
        let detail = rotate.as_ref().map(|old| ending(old, asked.overlap_seconds, now));
        let mut after = before.clone();
        let action = if rotate.is_some() { "key.rotate" } else { "key.create" };
        after.pending.push(Pending::NewKey(NewKeyWork {
            // The version is used once, and so is the name.
            name: format!("tenantry-{id}-{}", before.version + 1),
            actor: actor.clone(),
            rotate,
            overlap_seconds: asked.overlap_seconds,
            request: request.clone(),
        }));
        Ok(Change { before, after, contexts, removed: Vec::new(), request, action, actor, detail })
    }

    /// Revokes a key: its context is gone when this returns, and so are the key and its checkpoints.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] and [`ControlError::NoSuchKey`]; [`ControlError::Inactive`] while the tenant waits
    /// for its silo; [`ControlError::LastKey`] without `force`;
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
        // It answers for nobody yet, and the tenant would wait for its silo without a key.
        if !before.is_onboarded() {
            return Err(ControlError::Inactive(before.tenant_id));
        }
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
            request: None,
            action: "key.revoke",
            actor: self.operator.arn().to_owned(),
            detail: None,
        };
        Box::pin(self.desk.carry_through(change, now)).await?;
        Ok(())
    }
}

/// The answer to whoever made a key, with its value.
fn issued(finished: Finished, now: OffsetDateTime) -> Result<NewKey<ApiKeyValue>, ControlError> {
    let key = finished.key.ok_or(ControlError::Incomplete("new key"))?;
    Ok(NewKey {
        api_key: IssuedKey { api_key_id: key.id.to_string(), value: key.value },
        keys: finished.contexts.iter().map(|key| summary(key, now)).collect(),
    })
}

/// What the audit says of a key that another one takes the place of.
fn ending(old: &ApiKeyId, overlap_seconds: u32, now: OffsetDateTime) -> String {
    if overlap_seconds == 0 {
        return format!("the key {old} ends at once");
    }
    let end = now + Duration::seconds(overlap_seconds.into());
    // RFC 3339 has no year of five digits.
    format!("the key {old} ends at {}", end.format(&Rfc3339).unwrap_or_else(|_| end.to_string()))
}

/// Checks that there is room for one key more among the working ones. `replaced` is a key that ends at once.
fn check_number(
    contexts: &[KeyItem],
    replaced: Option<&ApiKeyId>,
    most: usize,
    now: OffsetDateTime,
) -> Result<(), ControlError> {
    let works = |key: &&KeyItem| !has_ended(key, now) && replaced != Some(&key.api_key_id);
    if contexts.iter().filter(works).count() >= most {
        return Err(ControlError::TooManyKeys(most));
    }
    if contexts.len() >= MAX_KEYS {
        return Err(ControlError::TooManyKeys(MAX_KEYS));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use contract::Isolation;

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
            held: None,
        }
    }

    #[test]
    fn no_tenant_has_more_working_keys_than_it_may() {
        let one = [key("k1", None)];
        assert!(check_number(&one, None, 2, NOW).is_ok());
        // A key that still works counts, whenever it ends.
        let two = [key("k1", None), key("k2", Some(NOW + Duration::SECOND))];
        assert!(matches!(check_number(&two, None, 2, NOW), Err(ControlError::TooManyKeys(2))));
        assert!(check_number(&two, Some(&"k1".parse().unwrap()), 2, NOW).is_ok());
        assert!(check_number(&two, None, 2, NOW + Duration::SECOND).is_ok());
        assert!(check_number(&two, None, 3, NOW).is_ok());
    }

    #[test]
    fn the_audit_of_a_rotation_names_the_key_that_ends_and_when() {
        let old = "k1".parse().unwrap();
        assert_eq!(ending(&old, 604_800, NOW), "the key k1 ends at 1970-01-08T00:00:00Z");
        assert_eq!(ending(&old, 0, NOW), "the key k1 ends at once");
    }

    #[test]
    fn keys_past_their_end_do_not_pile_up() {
        let ended: Vec<_> = (0..MAX_KEYS).map(|n| key(&format!("k{n}"), Some(NOW))).collect();
        assert!(matches!(check_number(&ended, None, 2, NOW), Err(ControlError::TooManyKeys(MAX_KEYS))));
    }
}
