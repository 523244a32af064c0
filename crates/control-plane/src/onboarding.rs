//! From an intent to the first working key.

use std::sync::Arc;

use contract::{
    FieldError, IssuedKey, OnboardRequest, Onboarded, is_contact, is_email_address, is_tenant_name,
    is_tier_name,
};
use tenant_context::{Aws, Bound, IdempotentRequest, OpenError, Operator, TenantId};
use time::OffsetDateTime;

use crate::desk::{Desk, Finished, LEASE, Takeover};
use crate::item::TenantItem;
use crate::pending::Pending;
use crate::{Answered, ApiKeyValue, ControlError, KeyRoom};

/// Onboarding, on behalf of an operator.
#[derive(Debug, Clone)]
pub struct Onboarding {
    desk: Arc<Desk>,
    operator: Arc<Operator>,
}

impl Bound<Operator> for Onboarding {
    type Opened = Arc<Desk>;

    async fn open(aws: &Aws) -> Result<Arc<Desk>, OpenError> {
        Desk::open(aws)
    }

    fn bind(opened: &Arc<Desk>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { desk: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Onboarding {
    /// Onboards a tenant and issues its first key. A siloed one is active once `tenants-reconcile` has made its
    /// table and bucket.
    ///
    /// Repeated with the tenant's id or with its `Idempotency-Key` after a crash, once the crashed attempt's lease
    /// is over, it completes what was begun: one tenant, one key. Where nobody repeats it, `tenants-reconcile`
    /// makes it undone.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] before anything is written; [`ControlError::Exists`] where the tenant is
    /// beyond onboarding or was meant otherwise; [`ControlError::Busy`] while another attempt is at work;
    /// [`ControlError::NoRoom`] where the account has nearly as many keys as it may;
    /// [`ControlError::KeyReused`] and [`ControlError::KeyInUse`] by the `Idempotency-Key`.
    pub async fn onboard(
        &self,
        asked: &OnboardRequest,
        once: Option<&IdempotentRequest>,
        room: &KeyRoom,
        now: OffsetDateTime,
    ) -> Result<Answered<Onboarded<ApiKeyValue>>, ControlError> {
        let given = check(asked)?;
        let id = given.clone().map_or_else(random_id, Ok)?;
        let request = Desk::request(once, &self.operator, &id, now);
        if let Some(answered) = self.desk.repeated(request.as_ref(), now).await? {
            return answered.try_map(onboarded);
        }
        room.check().await?;
        let plan = self.desk.gateway.plan(&asked.tier).await?;
        plan.ok_or_else(|| invalid("/tier", "must be a tier that has a usage plan"))?;
        let times = (now, now + LEASE);
        let intent = TenantItem::intent(id, asked, self.operator.arn(), request.clone(), times);
        let finished = match self.desk.intend(&intent, request.as_ref(), now).await {
            Ok(()) => Box::pin(self.desk.finish(intent, now)).await.map_err(outrun)?,
            Err(ControlError::Stale(id)) => {
                if let Some(answered) = self.desk.repeated(request.as_ref(), now).await? {
                    return answered.try_map(onboarded);
                }
                let present = match self.desk.reader.tenant(&id).await {
                    // The other attempt is not there yet, or has just been made undone.
                    Err(ControlError::NotFound(id)) => return Err(ControlError::Busy(id)),
                    present => present?,
                };
                if present.pending.iter().any(|work| matches!(work, Pending::DropKey { .. })) {
                    return Err(ControlError::Busy(id));
                }
                if given.is_none() || present.has_first_key() || !present.is_intended_by(asked) {
                    return Err(ControlError::Exists(id));
                }
                let resumed = self.desk.take_up(present, Takeover::Resume, now);
                Box::pin(resumed).await.map_err(outrun)?
            }
            Err(error) => return Err(error),
        };
        Ok(Answered::First(onboarded(finished)?))
    }
}

/// That another attempt has finished what this one was about to: its lease was over.
pub(crate) fn outrun(error: ControlError) -> ControlError {
    if let ControlError::Stale(id) = error { ControlError::Busy(id) } else { error }
}

/// The answer to whoever onboarded a tenant, with the value of its key.
fn onboarded(finished: Finished) -> Result<Onboarded<ApiKeyValue>, ControlError> {
    let key = finished.key.ok_or(ControlError::Incomplete("new key"))?;
    Ok(Onboarded {
        tenant: finished.tenant.details(),
        api_key: IssuedKey { api_key_id: key.id.to_string(), value: key.value },
    })
}

/// Sixteen characters of base 32: 80 random bits.
fn random_id() -> Result<TenantId, ControlError> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let text: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    text.parse().map_err(|error| ControlError::Unreadable("a tenant id", Box::new(error)))
}

fn invalid(pointer: &str, detail: impl Into<String>) -> ControlError {
    ControlError::Invalid(vec![FieldError { pointer: pointer.to_owned(), detail: detail.into() }])
}

/// Checks all members of the request, so that one answer names all that is wrong.
fn check(request: &OnboardRequest) -> Result<Option<TenantId>, ControlError> {
    let mut errors = Vec::new();
    let mut refuse = |pointer: &str, detail: &str| {
        errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() });
    };
    let id = request.tenant_id.as_deref().map(str::parse::<TenantId>).transpose();
    if let Err(error) = &id {
        refuse("/tenant_id", &error.to_string());
    }
    if !is_tenant_name(&request.name) {
        refuse("/name", "must be 1 to 200 printable characters");
    }
    if !is_email_address(&request.email) {
        refuse("/email", "must be an e-mail address of at most 254 characters");
    }
    if !is_tier_name(&request.tier) {
        refuse("/tier", "must be a tier that has a usage plan");
    }
    if !is_contact(&request.contact) {
        refuse("/contact", "must have at most 4096 bytes");
    }
    match id {
        Ok(id) if errors.is_empty() => Ok(id),
        _ => Err(ControlError::Invalid(errors)),
    }
}

#[cfg(test)]
mod tests {
    use contract::Isolation;

    use super::*;

    fn request() -> OnboardRequest {
        OnboardRequest {
            tenant_id: Some("acme".into()),
            name: "Acme".into(),
            email: "ops@acme.example".into(),
            contact: [("phone".to_owned(), "1".to_owned())].into(),
            tier: "free".into(),
            isolation: Isolation::Pooled,
        }
    }

    fn pointers(request: &OnboardRequest) -> Vec<String> {
        match check(request) {
            Err(ControlError::Invalid(errors)) => errors.into_iter().map(|error| error.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_answer_names_all_that_is_wrong() {
        let wrong = OnboardRequest {
            tenant_id: Some("Acme!".into()),
            name: " ".into(),
            email: "nobody".into(),
            contact: [("x".to_owned(), "y".repeat(4_096))].into(),
            tier: "Gold".into(),
            isolation: Isolation::Pooled,
        };
        assert_eq!(pointers(&wrong), ["/tenant_id", "/name", "/email", "/tier", "/contact"]);
        assert!(check(&request()).is_ok());
    }

    #[test]
    fn a_random_id_is_within_the_grammar_and_new() {
        let (a, b) = (random_id().unwrap(), random_id().unwrap());
        assert_eq!(a.as_str().len(), 16);
        assert_ne!(a, b);
    }

    #[test]
    fn a_repeated_request_must_mean_the_same_tenant() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let tenant = TenantItem::intent("acme".parse().unwrap(), &request(), "arn", None, (now, now));
        assert!(tenant.is_intended_by(&request()));
        for other in [
            OnboardRequest { name: "Other".into(), ..request() },
            OnboardRequest { email: "b@acme.example".into(), ..request() },
            OnboardRequest { tier: "premium".into(), ..request() },
            OnboardRequest { contact: [].into(), ..request() },
            OnboardRequest { isolation: Isolation::Siloed, ..request() },
        ] {
            assert!(!tenant.is_intended_by(&other), "{other:?}");
        }
    }
}
