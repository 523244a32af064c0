//! From an intent to the first working key.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use contract::{
    FieldError, Isolation, IssuedKey, OnboardRequest, Onboarded, TenantStatus, is_contact, is_email_address,
    is_tenant_name, is_tier_name,
};
use tenant_context::{Aws, AwsFailure, Bound, Meter, OpenError, Operator, Table, TenantId};
use time::{Duration, OffsetDateTime};

use crate::audit::{AuditItem, Stage};
use crate::gateway::{Gateway, GatewayKey};
use crate::item::{TenantItem, read, timestamp, write};
use crate::{ApiKeyValue, ControlError};

/// How long an attempt has a tenant to itself: longer than a function may run.
pub(crate) const LEASE: Duration = Duration::seconds(60);

/// Onboarding, on behalf of an operator.
#[derive(Debug, Clone)]
pub struct Onboarding(Arc<Opened>, Arc<Operator>);

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    dynamodb: Client,
    gateway: Gateway,
    tenants: String,
    api_keys: String,
    audit: String,
    meter: Meter,
}

impl Bound<Operator> for Onboarding {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        Ok(Arc::new(Opened {
            dynamodb: aws.dynamodb().clone(),
            gateway: Gateway::new(aws),
            tenants: aws.table(Table::Tenants)?.to_owned(),
            api_keys: aws.table(Table::ApiKeys)?.to_owned(),
            audit: aws.table(Table::Audit)?.to_owned(),
            meter: aws.meter().clone(),
        }))
    }

    fn bind(opened: &Arc<Opened>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self(Arc::clone(opened), Arc::clone(operator))
    }
}

impl Onboarding {
    /// Onboards a pooled tenant and issues its first key.
    ///
    /// Repeated with the tenant's id after a crash, once the crashed attempt's lease is over, it completes
    /// what was begun: one tenant, one key.
    ///
    /// # Errors
    /// [`ControlError::Invalid`] before anything is written; [`ControlError::Exists`] where the tenant is
    /// beyond onboarding or was meant otherwise; [`ControlError::Busy`] while another attempt is at work.
    pub async fn onboard(
        &self,
        request: &OnboardRequest,
        now: OffsetDateTime,
    ) -> Result<Onboarded<ApiKeyValue>, ControlError> {
        let id = check(request)?;
        let plan = self
            .0
            .gateway
            .plan(&request.tier)
            .await?
            .ok_or_else(|| invalid("/tier", "must be a tier that has a usage plan"))?;
        let tenant = self.0.intend(id, request, now).await?;
        let name =
            tenant.pending_key.clone().ok_or_else(|| ControlError::Exists(tenant.tenant_id.clone()))?;
        let description = format!("Tenantry: tenant {}", tenant.tenant_id);
        let key = self.0.gateway.ensure_key(&name, &description).await?;
        if !self.0.gateway.ensure_in_plan(&plan.id, &key.id).await? {
            return Err(ControlError::Incomplete("new key"));
        }
        let tenant = self.0.activate(tenant, &key, self.1.arn(), now).await?;
        Ok(Onboarded {
            tenant: tenant.details(),
            api_key: IssuedKey { api_key_id: key.id.to_string(), value: key.value },
        })
    }
}

impl Opened {
    /// Writes the intent, or takes over that of an attempt whose lease is over.
    async fn intend(
        &self,
        id: Option<TenantId>,
        request: &OnboardRequest,
        now: OffsetDateTime,
    ) -> Result<TenantItem, ControlError> {
        let given = id.is_some();
        let id = id.map_or_else(random_id, Ok)?;
        let mut tenant = TenantItem::intent(id, request, now, now + LEASE);
        let Some(present) = self.put(&tenant, "attribute_not_exists(tenant_id)", None).await? else {
            return Ok(tenant);
        };
        let resumable = given
            && present.status == TenantStatus::Provisioning
            && present.pending_key.is_some()
            && present.is_intended_by(request);
        if !resumable {
            return Err(ControlError::Exists(tenant.tenant_id));
        }
        if present.lease_until.is_some_and(|until| until > now) {
            return Err(ControlError::Busy(tenant.tenant_id));
        }
        let lease = present.lease_until;
        tenant = TenantItem { lease_until: Some(now + LEASE), ..present };
        match self.put(&tenant, "lease_until = :lease", lease).await? {
            None => Ok(tenant),
            Some(_) => Err(ControlError::Busy(tenant.tenant_id)),
        }
    }

    /// Puts the tenant where the condition holds; answers what is there where it does not.
    async fn put(
        &self,
        tenant: &TenantItem,
        condition: &str,
        lease: Option<OffsetDateTime>,
    ) -> Result<Option<TenantItem>, ControlError> {
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.tenants)
            .set_item(Some(write("the item of a tenant", tenant)?))
            .condition_expression(condition)
            .set_expression_attribute_values(
                lease.map(|lease| [(":lease".to_owned(), timestamp(lease))].into()),
            )
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match put {
            Ok(output) => {
                self.meter.add(output.consumed_capacity());
                Ok(None)
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let item = failed.item().cloned().unwrap_or_default();
                    read("the item of a tenant", item).map(Some)
                }
                _ => Err(AwsFailure::of("PutItem on the tenants table")(error).into()),
            },
        }
    }

    /// Writes the key's context and the tenant's status together: a key never answers for a tenant that is
    /// not active, and an active tenant never lacks its key.
    async fn activate(
        &self,
        tenant: TenantItem,
        key: &GatewayKey,
        actor: &str,
        now: OffsetDateTime,
    ) -> Result<TenantItem, ControlError> {
        let lease = tenant.lease_until.unwrap_or(now);
        let active = TenantItem {
            status: tenant
                .status
                .become_status(TenantStatus::Active)
                .map_err(|_| ControlError::Exists(tenant.tenant_id.clone()))?,
            version: tenant.version + 1,
            updated_at: now,
            keys: vec![key.id.clone()],
            pending_key: None,
            lease_until: None,
            ..tenant
        };
        let context = Put::builder()
            .table_name(&self.api_keys)
            .set_item(Some(write("the item of a key", &active.context(key.id.clone(), now))?))
            // An id that another tenant's key has would hand that tenant's key over.
            .condition_expression("attribute_not_exists(api_key_id) OR tenant_id = :tenant")
            .expression_attribute_values(":tenant", AttributeValue::S(active.tenant_id.to_string()))
            .build()
            .map_err(|error| ControlError::Unreadable("a transaction", Box::new(error)))?;
        let status = Put::builder()
            .table_name(&self.tenants)
            .set_item(Some(write("the item of a tenant", &active)?))
            .condition_expression("lease_until = :lease")
            .expression_attribute_values(":lease", timestamp(lease))
            .build()
            .map_err(|error| ControlError::Unreadable("a transaction", Box::new(error)))?;
        let entry = AuditItem::new(None, &active, ("tenant.create", actor, Stage::Change), now);
        let written = self
            .dynamodb
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(context).build())
            .transact_items(TransactWriteItem::builder().put(status).build())
            .transact_items(entry.put(&self.audit)?)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match written {
            Ok(output) => {
                for consumed in output.consumed_capacity() {
                    self.meter.add(Some(consumed));
                }
                Ok(active)
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(TransactWriteItemsError::is_transaction_canceled_exception) =>
            {
                Err(ControlError::Busy(active.tenant_id))
            }
            Err(error) => Err(AwsFailure::of("TransactWriteItems on tenants and api-keys")(error).into()),
        }
    }
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
    if request.isolation == Isolation::Siloed {
        refuse("/isolation", "must be pooled: silos are not made yet");
    }
    match id {
        Ok(id) if errors.is_empty() => Ok(id),
        _ => Err(ControlError::Invalid(errors)),
    }
}

#[cfg(test)]
mod tests {
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
            isolation: Isolation::Siloed,
        };
        assert_eq!(pointers(&wrong), ["/tenant_id", "/name", "/email", "/tier", "/contact", "/isolation"]);
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
        let tenant = TenantItem::intent("acme".parse().unwrap(), &request(), now, now);
        assert!(tenant.is_intended_by(&request()));
        for other in [
            OnboardRequest { name: "Other".into(), ..request() },
            OnboardRequest { email: "b@acme.example".into(), ..request() },
            OnboardRequest { tier: "premium".into(), ..request() },
            OnboardRequest { contact: [].into(), ..request() },
        ] {
            assert!(!tenant.is_intended_by(&other), "{other:?}");
        }
    }
}
