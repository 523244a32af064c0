//! Requests with an `Idempotency-Key`, and what a repeated one is answered.

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use contract::{IssuedKey, NewKey, Onboarded};
use serde::Serialize;
use tenant_context::{AwsFailure, IdempotencyItem, IdempotentRequest, Operator, TenantId};
use time::OffsetDateTime;

use crate::ControlError;
use crate::desk::{Desk, Finished, Takeover};
use crate::item::{TenantItem, read};
use crate::reading::summary;
use crate::writes::place_of;

/// The answer to a POST.
#[derive(Debug)]
pub enum Answered<T> {
    /// It was made by this request.
    First(T),
    /// It was made by an earlier request with the same `Idempotency-Key`.
    Again {
        /// The first answer's body, without its secret.
        body: String,
        /// What it made: the id of the tenant or the key.
        id: String,
    },
}

impl<T> Answered<T> {
    /// The same with the answer that was made by this request changed.
    pub(crate) fn try_map<U>(
        self,
        change: impl FnOnce(T) -> Result<U, ControlError>,
    ) -> Result<Answered<U>, ControlError> {
        Ok(match self {
            Self::First(answer) => Answered::First(change(answer)?),
            Self::Again { body, id } => Answered::Again { body, id },
        })
    }
}

/// What is known of a request with an `Idempotency-Key`.
#[derive(Debug)]
enum Known {
    /// It is the first.
    New,
    /// It was answered.
    Answered { body: String, id: String },
    /// It is at work, or broke off.
    Begun(IdempotencyItem),
}

/// The name of what a request makes, among the references of its item.
pub(crate) const MADE: &str = "id";
/// The name of the tenant that it is made for.
pub(crate) const TENANT: &str = "tenant_id";

impl Desk {
    /// The item of an operator's request about a tenant, where it has an `Idempotency-Key`.
    pub(crate) fn request(
        once: Option<&IdempotentRequest>,
        operator: &Operator,
        tenant: &TenantId,
        now: OffsetDateTime,
    ) -> Option<IdempotencyItem> {
        let mut request = once?.of_operator(operator, now);
        request.reference.insert(TENANT.to_owned(), tenant.to_string());
        Some(request)
    }

    /// The answer to a request that has come before; nothing where it is the first. What its first attempt left
    /// undone is done now.
    ///
    /// # Errors
    /// [`ControlError::KeyReused`], [`ControlError::KeyInUse`].
    pub(crate) async fn repeated(
        &self,
        request: Option<&IdempotencyItem>,
        now: OffsetDateTime,
    ) -> Result<Option<Answered<Finished>>, ControlError> {
        let Some(request) = request else { return Ok(None) };
        Ok(match self.known(request, now).await? {
            Known::New => None,
            Known::Answered { body, id } => Some(Answered::Again { body, id }),
            Known::Begun(first) => Some(Answered::First(self.resume(&first, now).await?)),
        })
    }

    /// The answer to a request that was refused for what an equal one may just have changed.
    ///
    /// # Errors
    /// `refusal`, where there was none; others as [`Self::repeated`].
    pub(crate) async fn overtaken(
        &self,
        request: Option<&IdempotencyItem>,
        refusal: ControlError,
        now: OffsetDateTime,
    ) -> Result<Answered<Finished>, ControlError> {
        let is_conflict = matches!(
            refusal,
            ControlError::Stale(_)
                | ControlError::Busy(_)
                | ControlError::Exists(_)
                | ControlError::Ending(_)
                | ControlError::TooManyKeys(_)
        );
        if !is_conflict {
            return Err(refusal);
        }
        self.repeated(request, now).await?.ok_or(refusal)
    }

    /// What is known of the request.
    ///
    /// # Errors
    /// [`ControlError::KeyReused`] where the `Idempotency-Key` belongs to another request.
    async fn known(&self, request: &IdempotencyItem, now: OffsetDateTime) -> Result<Known, ControlError> {
        let output = self
            .reader
            .dynamodb
            .get_item()
            .table_name(self.requests())
            .set_key(Some(place_of(request)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(AwsFailure::of("GetItem on the idempotency table"))?;
        self.reader.meter.add(output.consumed_capacity());
        let Some(item) = output.item else { return Ok(Known::New) };
        let first: IdempotencyItem = read("the item of a request", item)?;
        if !first.counts(now) {
            return Ok(Known::New);
        }
        if first.fingerprint != request.fingerprint {
            return Err(ControlError::KeyReused);
        }
        match (first.body.clone(), first.reference.get(MADE)) {
            (Some(body), Some(id)) => Ok(Known::Answered { body, id: id.clone() }),
            _ => Ok(Known::Begun(first)),
        }
    }

    /// Goes on with what an earlier request with the same `Idempotency-Key` has begun.
    ///
    /// # Errors
    /// [`ControlError::KeyInUse`] while it is at work.
    async fn resume(&self, first: &IdempotencyItem, now: OffsetDateTime) -> Result<Finished, ControlError> {
        let id = first.reference.get(TENANT).and_then(|id| id.parse::<TenantId>().ok());
        let tenant = self.reader.tenant(&id.ok_or(ControlError::KeyInUse)?).await?;
        let is_owed = tenant.pending.iter().any(|work| {
            work.request().is_some_and(|request| {
                (&request.tenant_id, &request.route_key) == (&first.tenant_id, &first.route_key)
            })
        });
        if !is_owed {
            // It was finished or undone since the item was read.
            return Err(ControlError::KeyInUse);
        }
        match Box::pin(self.take_up(tenant, Takeover::Resume, now)).await {
            Err(ControlError::Busy(_)) => Err(ControlError::KeyInUse),
            finished => finished,
        }
    }
}

/// The id of what was made, and the answer that a repeated request gets, without the value of the key.
pub(crate) fn answer(
    finished: &Finished,
    is_onboarding: bool,
    now: OffsetDateTime,
) -> Result<(String, String), ControlError> {
    let key = finished.key.as_ref().ok_or(ControlError::Incomplete("new key"))?;
    let api_key = IssuedKey { api_key_id: key.id.to_string(), value: None::<String> };
    Ok(if is_onboarding {
        let tenant = finished.tenant.details();
        (tenant.tenant_id.clone(), text(&Onboarded { tenant, api_key })?)
    } else {
        let keys = finished.contexts.iter().map(|key| summary(key, now)).collect();
        (key.id.to_string(), text(&NewKey { api_key, keys })?)
    })
}

/// A body as it is kept.
pub(crate) fn text<T: Serialize>(body: &T) -> Result<String, ControlError> {
    serde_json::to_string(body).map_err(|error| ControlError::Unreadable("an answer", Box::new(error)))
}

impl TenantItem {
    /// Whether it is beyond its onboarding.
    pub(crate) fn is_onboarded(&self) -> bool {
        self.status != contract::TenantStatus::Provisioning
    }

    /// Whether it has been given its first key, whose value nobody can be told again.
    pub(crate) fn has_first_key(&self) -> bool {
        self.is_onboarded() || !self.keys.is_empty()
    }
}
