//! Quota beyond the plan's, for what is left of a period.

use std::sync::Arc;

use contract::{FieldError, Granted, QuotaGrant};
use tenant_context::{
    ApiKeyId, Aws, Bound, IdempotencyItem, IdempotentRequest, KeyItem, OpenError, Operator, TenantId,
};
use time::OffsetDateTime;

use crate::desk::{Change, Desk};
use crate::pending::Pending;
use crate::reading::has_ended;
use crate::repeats::{MADE, text};
use crate::work::MOST_LEFT;
use crate::{Answered, ControlError};

/// Grants of quota, on behalf of an operator.
#[derive(Debug, Clone)]
pub struct Grants {
    desk: Arc<Desk>,
    operator: Arc<Operator>,
}

impl Bound<Operator> for Grants {
    type Opened = Arc<Desk>;

    async fn open(aws: &Aws) -> Result<Arc<Desk>, OpenError> {
        Desk::open(aws)
    }

    fn bind(opened: &Arc<Desk>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { desk: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Grants {
    /// Gives a key of the tenant so many requests more in the present period of its plan's quota: the one that is
    /// named, or the only working one.
    ///
    /// What it is to have left is told by the gateway before the change and is set after it. Requests in between
    /// are not counted.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] and [`ControlError::NoSuchKey`]; [`ControlError::Inactive`];
    /// [`ControlError::NoQuota`]; [`ControlError::Invalid`] where the key has to be named, or has as many requests
    /// left as there can be; [`ControlError::KeyReused`] and [`ControlError::KeyInUse`] by the `Idempotency-Key`;
    /// [`ControlError::Stale`] and [`ControlError::Busy`] where another request is at work.
    pub async fn grant(
        &self,
        id: &TenantId,
        asked: &QuotaGrant,
        once: Option<&IdempotentRequest>,
        now: OffsetDateTime,
    ) -> Result<Answered<Granted>, ControlError> {
        let request = Desk::request(once, &self.operator, id, now);
        if let Some(answered) = self.again(request.as_ref(), id, now).await? {
            return Ok(answered);
        }
        match self.grant_now(id, asked, request.clone(), now).await {
            Err(refusal @ (ControlError::Stale(_) | ControlError::Busy(_))) => {
                self.again(request.as_ref(), id, now).await?.ok_or(refusal)
            }
            granted => Ok(Answered::First(granted?)),
        }
    }

    async fn grant_now(
        &self,
        id: &TenantId,
        asked: &QuotaGrant,
        mut request: Option<IdempotencyItem>,
        now: OffsetDateTime,
    ) -> Result<Granted, ControlError> {
        let before = self.desk.ready(id, now).await?;
        if !before.is_onboarded() {
            return Err(ControlError::Inactive(before.tenant_id));
        }
        let contexts = self.desk.keys(&before).await?;
        let key = chosen(&contexts, asked.api_key_id.as_deref(), now)?;
        let plan = self.desk.plan_of(&before.tier).await?;
        let left = self.desk.gateway.remaining(&plan, &key, now).await?;
        let left = left.ok_or_else(|| ControlError::NoQuota(key.clone()))?;
        let remaining = left.checked_add(asked.requests).filter(|remaining| *remaining <= MOST_LEFT);
        let remaining = remaining.ok_or_else(|| invalid("/requests", "is more than a key can have left"))?;
        let granted = Granted { api_key_id: key.to_string(), requests: asked.requests, remaining };
        if let Some(request) = &mut request {
            request.body = Some(text(&granted)?);
            request.reference.insert(MADE.to_owned(), key.to_string());
        }
        let mut after = before.clone();
        after.pending.push(Pending::Grant { api_key_id: key.clone(), remaining, noted_at: now });
        let change = Change {
            before,
            after,
            contexts,
            removed: Vec::new(),
            request,
            action: "usage.grant",
            actor: self.operator.arn().to_owned(),
            detail: Some(format!("{} requests more for the key {key}, {remaining} left", asked.requests)),
        };
        Box::pin(self.desk.carry_through(change, now)).await?;
        Ok(granted)
    }

    /// The answer to a request that has come before. It is known from the commit on; what the gateway owes to it is
    /// done first.
    async fn again(
        &self,
        request: Option<&IdempotencyItem>,
        id: &TenantId,
        now: OffsetDateTime,
    ) -> Result<Option<Answered<Granted>>, ControlError> {
        match self.desk.repeated(request, now).await? {
            None => Ok(None),
            Some(Answered::Again { body, id: key }) => match self.desk.ready(id, now).await {
                Ok(_) => Ok(Some(Answered::Again { body, id: key })),
                Err(ControlError::Busy(_)) => Err(ControlError::KeyInUse),
                Err(error) => Err(error),
            },
            // A grant is answered in its commit.
            Some(Answered::First(_)) => Err(ControlError::KeyInUse),
        }
    }
}

/// The key that is meant.
fn chosen(contexts: &[KeyItem], named: Option<&str>, now: OffsetDateTime) -> Result<ApiKeyId, ControlError> {
    let mut working = contexts.iter().filter(|key| !has_ended(key, now)).map(|key| &key.api_key_id);
    if let Some(named) = named {
        let id: ApiKeyId = named.parse().map_err(|_| invalid("/api_key_id", "must be the id of a key"))?;
        return if working.any(|key| *key == id) { Ok(id) } else { Err(ControlError::NoSuchKey(id)) };
    }
    match (working.next(), working.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => Err(invalid("/api_key_id", "cannot be left out: the tenant has no working key")),
        (Some(_), Some(_)) => {
            Err(invalid("/api_key_id", "cannot be left out: the tenant has more than one working key"))
        }
    }
}

fn invalid(pointer: &str, detail: &str) -> ControlError {
    ControlError::Invalid(vec![FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }])
}
