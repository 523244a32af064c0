//! Requests that have their effect once, however often they are sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::{Operator, PartitionKey};

/// How long the first answer is given again.
const KEPT: Duration = Duration::hours(24);

/// A request with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    route: String,
    key: String,
    fingerprint: String,
}

impl IdempotentRequest {
    /// A request by its route, such as `POST /records/{collection}`, by the key that its caller has chosen, and
    /// by a digest of its path and body.
    #[must_use]
    pub fn new(route: impl Into<String>, key: impl Into<String>, fingerprint: impl Into<String>) -> Self {
        Self { route: route.into(), key: key.into(), fingerprint: fingerprint.into() }
    }

    /// The item of a tenant's request.
    #[must_use]
    pub fn of_tenant(&self, tenant: &PartitionKey, now: OffsetDateTime) -> IdempotencyItem {
        self.item(tenant.as_str().to_owned(), now)
    }

    /// The item of an operator's request. `#` is in no tenant's id, so it is in no tenant's partition.
    #[must_use]
    pub fn of_operator(&self, operator: &Operator, now: OffsetDateTime) -> IdempotencyItem {
        self.item(format!("control#{}", operator.principal()), now)
    }

    fn item(&self, tenant_id: String, now: OffsetDateTime) -> IdempotencyItem {
        IdempotencyItem {
            tenant_id,
            route_key: format!("{}#{}", self.route, self.key),
            fingerprint: self.fingerprint.clone(),
            reference: BTreeMap::new(),
            body: None,
            lease_until: None,
            created_at: now,
            expires_at: (now + KEPT).unix_timestamp(),
        }
    }
}

/// The item of the idempotency table: what a first request has made, and how it is answered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyItem {
    /// Partition key: a tenant's id, or `control#` and an operator's ARN without a session's name.
    pub tenant_id: String,
    /// Sort key: the route, `#`, and the key that the caller has chosen.
    pub route_key: String,
    /// A digest of the request's path and body.
    pub fingerprint: String,
    /// What was made, by name: enough to answer again. It holds no secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reference: BTreeMap<String, String>,
    /// The body of the first answer without its secrets, where it cannot be made again from the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// While the first request is at work: until when it has the item to itself.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub lease_until: Option<OffsetDateTime>,
    /// When the first request was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the item is over, in seconds since 1970. DynamoDB deletes it some time after that.
    pub expires_at: i64,
}

impl IdempotencyItem {
    /// Whether the item still tells anything. One that is over and not deleted yet does not.
    #[must_use]
    pub fn counts(&self, now: OffsetDateTime) -> bool {
        self.expires_at > now.unix_timestamp()
    }

    /// Whether the first request is at work.
    #[must_use]
    pub fn is_held(&self, now: OffsetDateTime) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operators_request_lies_in_a_tenants_partition() {
        let request = IdempotentRequest::new("POST /tenants", "k", "f");
        let item = request.of_operator(&Operator::new("arn:aws:iam::1:user/a"), OffsetDateTime::UNIX_EPOCH);
        assert!(item.tenant_id.parse::<crate::TenantId>().is_err(), "{}", item.tenant_id);
    }

    #[test]
    fn an_item_counts_for_a_day() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let tenant = PartitionKey::of(&"acme".parse().unwrap());
        let item = IdempotentRequest::new("POST /files", "a#b", "f").of_tenant(&tenant, now);
        assert_eq!((item.tenant_id.as_str(), item.route_key.as_str()), ("acme", "POST /files#a#b"));
        assert!(item.counts(now + Duration::hours(24) - Duration::SECOND));
        assert!(!item.counts(now + Duration::hours(24)));
    }

    #[test]
    fn an_item_comes_back_from_the_table_as_it_was_written() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let tenant = PartitionKey::of(&"acme".parse().unwrap());
        let mut item = IdempotentRequest::new("POST /files", "k", "f").of_tenant(&tenant, now);
        for lease in [None, Some(now)] {
            item.lease_until = lease;
            let map = serde_dynamo::aws_sdk_dynamodb_1::to_item(&item);
            let read: IdempotencyItem = serde_dynamo::aws_sdk_dynamodb_1::from_item(map.unwrap()).unwrap();
            assert_eq!(read, item);
        }
    }
}
