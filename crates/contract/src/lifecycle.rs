//! What the platform team asks of a tenant in the course of its life, and what it is answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::members::Refusals;
use crate::{Isolation, IssuedKey, Json, KeySummary, Problem, TenantDetails, TenantStatus};

/// Most bytes of contact details, names and values together.
const MAX_CONTACT: usize = 4_096;
/// Most seconds for which a rotated key goes on working: 30 days.
const MAX_OVERLAP: u32 = 2_592_000;
/// Most requests that are granted at once.
const MAX_GRANT: u32 = 1_000_000_000;

/// Whether a text is a tenant's display name: 1 to 200 printable characters.
#[must_use]
pub fn is_tenant_name(text: &str) -> bool {
    is_printable(text, 200)
}

/// Whether a text has the form of an e-mail address of at most 254 characters.
#[must_use]
pub fn is_email_address(text: &str) -> bool {
    is_printable(text, 254)
        && !text.contains(char::is_whitespace)
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

/// Whether a text has the form of a tier's name: `[a-z0-9-]{1,32}`.
#[must_use]
pub fn is_tier_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether contact details have at most 4,096 bytes.
#[must_use]
pub fn is_contact(contact: &BTreeMap<String, String>) -> bool {
    contact.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= MAX_CONTACT
}

fn is_printable(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// `PATCH /tenants/{tenant_id}`: what is to change. A member that is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantChange {
    /// Display name, 1 to 200 characters.
    pub name: Option<String>,
    /// E-mail address of the tenant's owner.
    pub email: Option<String>,
    /// All contact details, in place of the present ones.
    pub contact: Option<BTreeMap<String, String>>,
    /// Tier, the usage plan's name without `tenantry-`.
    pub tier: Option<String>,
    /// `active` or `suspended`.
    pub status: Option<TenantStatus>,
    /// Why the tenant stands there, 1 to 200 characters. A change of status without it leaves no reason.
    pub status_reason: Option<String>,
}

impl TenantChange {
    /// Reads the members of a body, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken.
    pub fn read(members: &[(String, Json)]) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let mut refusals = Refusals::default();
        for (name, value) in members {
            let at = &[name.as_str()][..];
            match name.as_str() {
                "name" => {
                    let taken = text(value, is_tenant_name, "must be 1 to 200 printable characters");
                    asked.name = refusals.take(at, taken);
                }
                "email" => {
                    let form = "must be an e-mail address of at most 254 characters";
                    asked.email = refusals.take(at, text(value, is_email_address, form));
                }
                "contact" => asked.contact = refusals.take(at, contact(value)),
                "tier" => {
                    let taken = text(value, is_tier_name, "must be a tier that has a usage plan");
                    asked.tier = refusals.take(at, taken);
                }
                "status" => asked.status = refusals.take(at, status(value)),
                "status_reason" => {
                    let taken = text(value, is_tenant_name, "must be 1 to 200 printable characters");
                    asked.status_reason = refusals.take(at, taken);
                }
                _ => refusals.add(
                    at,
                    "is no member of this request: name, email, contact, tier, status and status_reason are",
                ),
            }
        }
        refusals.or(Some(asked))
    }
}

fn text(value: &Json, is_taken: fn(&str) -> bool, form: &str) -> Result<String, String> {
    if let Json::String(text) = value
        && is_taken(text)
    {
        return Ok(text.clone());
    }
    Err(form.to_owned())
}

fn contact(value: &Json) -> Result<BTreeMap<String, String>, String> {
    let form = || "must be an object of texts with at most 4096 bytes".to_owned();
    let Json::Object(members) = value else { return Err(form()) };
    let mut contact = BTreeMap::new();
    for (name, value) in members {
        let Json::String(text) = value else { return Err(form()) };
        contact.insert(name.clone(), text.clone());
    }
    if is_contact(&contact) { Ok(contact) } else { Err(form()) }
}

fn status(value: &Json) -> Result<TenantStatus, String> {
    let asked = [TenantStatus::Active, TenantStatus::Suspended];
    let found = asked.into_iter().find(|status| *value == Json::String(status.to_string()));
    found.ok_or_else(|| "must be \"active\" or \"suspended\"".to_owned())
}

/// `POST /tenants/{tenant_id}/keys`: a further key, or one in the place of another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRequest {
    /// The id of the key that the new one takes the place of.
    pub rotate: Option<String>,
    /// Seconds for which that key goes on working: 0 to 2,592,000.
    pub overlap_seconds: u32,
}

impl KeyRequest {
    /// Reads the members of a body, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken.
    pub fn read(members: &[(String, Json)]) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let mut refusals = Refusals::default();
        let rotates = members.iter().any(|(name, _)| name == "rotate");
        for (name, value) in members {
            let at = &[name.as_str()][..];
            match name.as_str() {
                "rotate" => {
                    let taken = text(value, is_key_id, "must be the id of one of the tenant's keys");
                    asked.rotate = refusals.take(at, taken);
                }
                "overlap_seconds" if !rotates => {
                    refusals.add(at, "has no meaning without rotate");
                }
                "overlap_seconds" => match seconds(value) {
                    Some(seconds) => asked.overlap_seconds = seconds,
                    None => refusals.add(at, "must be a whole number from 0 to 2592000"),
                },
                _ => refusals.add(at, "is no member of this request: rotate and overlap_seconds are"),
            }
        }
        refusals.or(Some(asked))
    }
}

/// `POST /tenants/{tenant_id}/usage/grants`: more quota for a key, in the present period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaGrant {
    /// The key; it can be left out where the tenant has one working key alone.
    pub api_key_id: Option<String>,
    /// How many requests more: 1 to 1,000,000,000.
    pub requests: u32,
}

impl QuotaGrant {
    /// Reads the members of a body, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken.
    pub fn read(members: &[(String, Json)]) -> Result<Self, Problem> {
        let mut refusals = Refusals::default();
        refusals.require(&[], members, &["requests"]);
        let (mut api_key_id, mut requests) = (None, None);
        for (name, value) in members {
            let at = &[name.as_str()][..];
            match name.as_str() {
                "api_key_id" => {
                    let taken = text(value, is_key_id, "must be the id of one of the tenant's keys");
                    api_key_id = refusals.take(at, taken);
                }
                "requests" => match whole(value).filter(|requests| (1..=MAX_GRANT).contains(requests)) {
                    Some(taken) => requests = Some(taken),
                    None => refusals.add(at, "must be a whole number from 1 to 1000000000"),
                },
                _ => refusals.add(at, "is no member of this request: api_key_id and requests are"),
            }
        }
        refusals.or(requests.map(|requests| Self { api_key_id, requests }))
    }
}

/// The answer to a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Granted {
    /// The key.
    pub api_key_id: String,
    /// How many requests were granted.
    pub requests: u32,
    /// How many it had left with them.
    pub remaining: u32,
}

fn is_key_id(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn seconds(value: &Json) -> Option<u32> {
    whole(value).filter(|seconds| *seconds <= MAX_OVERLAP)
}

/// A whole number.
pub(crate) fn whole(value: &Json) -> Option<u32> {
    let Json::Number(number) = value else { return None };
    number.as_str().parse().ok()
}

/// `GET /tenants`: a page of tenants in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantPage {
    /// The tenants.
    pub items: Vec<TenantDetails>,
    /// Where the next page begins, `null` on the last one.
    pub next_cursor: Option<String>,
}

/// `GET /tenants/{tenant_id}/keys`: all keys of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyPage {
    /// The keys; never their values.
    pub items: Vec<KeySummary>,
    /// `null`: a tenant has few keys, and there is one page of them.
    pub next_cursor: Option<String>,
}

/// The answer to `POST /tenants/{tenant_id}/keys`, which alone holds the key's value.
#[derive(Debug, Serialize)]
pub struct NewKey<V> {
    /// The key.
    pub api_key: IssuedKey<V>,
    /// All keys of the tenant, this one among them.
    pub keys: Vec<KeySummary>,
}

/// A change in a tenant's life, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who made it: the ARN of an IAM principal, or the function that did it on a schedule.
    pub actor: String,
    /// What was done, such as `tenant.update`.
    pub action: String,
    /// What the tenant before and after does not tell, such as the quota that a key was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The tenant before, `null` where there was none.
    pub before: Option<TenantSnapshot>,
    /// The tenant after.
    pub after: TenantSnapshot,
}

/// What the audit keeps of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantSnapshot {
    /// Counts the changes, from 1.
    pub version: u64,
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Further contact details.
    pub contact: BTreeMap<String, String>,
    /// Tier.
    pub tier: String,
    /// Where the data lies.
    pub isolation: Isolation,
    /// Where the tenant stands.
    pub status: TenantStatus,
    /// Why it stands there, where that needs saying.
    pub status_reason: Option<String>,
    /// Ids of the keys that it has.
    pub keys: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(body: &str) -> Vec<(String, Json)> {
        let Ok(Json::Object(members)) = Json::parse(body) else { panic!("an object: {body}") };
        members
    }

    fn pointers(problem: &Problem) -> Vec<String> {
        problem.document("r-1").errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_member_that_is_left_out_asks_for_no_change() {
        assert_eq!(TenantChange::read(&[]).unwrap(), TenantChange::default());
        let asked = TenantChange::read(&members(
            r#"{"tier": "premium", "status": "suspended", "contact": {"a": "b"}}"#,
        ))
        .unwrap();
        assert_eq!(asked.tier.as_deref(), Some("premium"));
        assert_eq!(asked.status, Some(TenantStatus::Suspended));
        assert_eq!(asked.contact, Some([("a".to_owned(), "b".to_owned())].into()));
        assert_eq!((asked.name, asked.email, asked.status_reason), (None, None, None));
    }

    #[test]
    fn one_answer_names_all_that_is_wrong_with_a_change() {
        let body = r#"{"name": " ", "email": "nobody", "contact": {"a": 1}, "tier": "Gold",
            "status": "deleted", "status_reason": null, "x": 1}"#;
        let mut found = pointers(&TenantChange::read(&members(body)).unwrap_err());
        found.sort();
        let all = ["/contact", "/email", "/name", "/status", "/status_reason", "/tier", "/x"];
        assert_eq!(found, all);
    }

    #[test]
    fn no_body_brings_a_tenant_to_a_status_that_is_not_an_operators_to_give() {
        for status in TenantStatus::ALL {
            let read = TenantChange::read(&members(&format!(r#"{{"status": "{status}"}}"#)));
            let given = matches!(status, TenantStatus::Active | TenantStatus::Suspended);
            assert_eq!(read.is_ok(), given, "{status}");
        }
    }

    #[test]
    fn a_grant_says_how_much_and_perhaps_to_which_key() {
        let asked = QuotaGrant::read(&members(r#"{"requests": 500}"#)).unwrap();
        assert_eq!(asked, QuotaGrant { api_key_id: None, requests: 500 });
        let asked = QuotaGrant::read(&members(r#"{"requests": 1000000000, "api_key_id": "k1"}"#)).unwrap();
        assert_eq!(asked.api_key_id.as_deref(), Some("k1"));
        for (body, at) in [
            ("{}", "/requests"),
            (r#"{"requests": 0}"#, "/requests"),
            (r#"{"requests": 1000000001}"#, "/requests"),
            (r#"{"requests": 1.5}"#, "/requests"),
            (r#"{"requests": "5"}"#, "/requests"),
            (r#"{"requests": 5, "api_key_id": "k/1"}"#, "/api_key_id"),
            (r#"{"requests": 5, "x": 1}"#, "/x"),
        ] {
            assert_eq!(pointers(&QuotaGrant::read(&members(body)).unwrap_err()), [at], "{body}");
        }
    }

    #[test]
    fn an_overlap_belongs_to_a_rotation_and_has_its_bounds() {
        let asked = KeyRequest::read(&members(r#"{"rotate": "k1", "overlap_seconds": 2592000}"#)).unwrap();
        assert_eq!(asked, KeyRequest { rotate: Some("k1".to_owned()), overlap_seconds: 2_592_000 });
        assert_eq!(KeyRequest::read(&[]).unwrap(), KeyRequest::default());
        for (body, at) in [
            (r#"{"overlap_seconds": 1}"#, "/overlap_seconds"),
            (r#"{"rotate": "k1", "overlap_seconds": 2592001}"#, "/overlap_seconds"),
            (r#"{"rotate": "k1", "overlap_seconds": -1}"#, "/overlap_seconds"),
            (r#"{"rotate": "k/1"}"#, "/rotate"),
            (r#"{"rotate": null}"#, "/rotate"),
            (r#"{"value": "x"}"#, "/value"),
        ] {
            assert_eq!(pointers(&KeyRequest::read(&members(body)).unwrap_err()), [at], "{body}");
        }
    }
}
