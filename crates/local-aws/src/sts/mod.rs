//! STS: `AssumeRole` with session tags, and `GetCallerIdentity` (AWS Security Token Service API Reference).

mod call;
mod parameters;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use local_http::{Request, Response};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Clock;
use crate::error::Error;
use crate::front::Service;
use crate::principals::{Principal, Principals};
use crate::protocol::{Protocol, Refusal, escape, query_result};
use crate::sessions::Session;
pub(crate) use call::AssumeRole;
use parameters::Parameters;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// What STS must know of the account's roles.
pub trait Roles: Send + Sync {
    /// How long a session of a role may last, `None` for a role that is not there.
    fn max_session(&self, role_arn: &str) -> Option<Duration>;
}

/// The local STS. Whether a caller may assume a role was decided before a call gets here.
pub struct Sts {
    principals: Arc<Principals>,
    roles: Arc<dyn Roles>,
    clock: Arc<dyn Clock>,
}

impl Sts {
    /// STS for the roles of one account.
    pub fn new(principals: Arc<Principals>, roles: Arc<dyn Roles>, clock: Arc<dyn Clock>) -> Self {
        Self { principals, roles, clock }
    }

    fn answer(&self, request: &Request, caller: &Principal) -> Result<Response, Refusal> {
        match action(request).as_deref() {
            Some("AssumeRole") => self.assume_role(&AssumeRole::read(request, caller)?),
            Some("GetCallerIdentity") => Ok(query_result(
                NAMESPACE,
                "GetCallerIdentity",
                &format!(
                    "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
                    escape(&caller.arn),
                    escape(&caller.user_id),
                    escape(&caller.account_id),
                ),
            )),
            other => {
                let other = other.unwrap_or_default();
                let served = "Of STS, AssumeRole and GetCallerIdentity are served here";
                Err(Refusal::UnsupportedService(format!("{served}; {other} is not.")))
            }
        }
    }

    fn assume_role(&self, call: &AssumeRole) -> Result<Response, Refusal> {
        let Some(longest) = self.roles.max_session(&call.role_arn) else {
            return Err(Refusal::AccessDenied(format!(
                "No session of {} can be had: the role is not there.",
                call.role_arn
            )));
        };
        if call.duration > longest {
            return Err(Refusal::Invalid(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
            ));
        }
        let packed = call.packed_policy_size();
        if packed > 100 {
            let told = format!("Policy and tags take {packed} % of the room for them.");
            return Err(Refusal::Invalid("PackedPolicyTooLarge", told));
        }
        let issued_at = self.clock.stack_time(self.clock.now());
        let expires_at =
            issued_at.checked_add(call.duration).ok_or(Refusal::ServiceFailed("The clock is at its end."))?;
        let session = Session {
            role_arn: call.role_arn.clone(),
            session_name: call.session_name.clone(),
            tags: call.session_tags.clone(),
            transitive: call.transitive.clone(),
            policy: call.policy.clone(),
            chained: call.chained,
            issued_at,
            expires_at,
        };
        let issued = self.principals.issue_session(&session);
        let issued = issued.map_err(|error| {
            if matches!(error, Error::SessionTooLarge) {
                Refusal::Invalid("PackedPolicyTooLarge", error.to_string())
            } else {
                Refusal::ServiceFailed("The session cannot be made.")
            }
        })?;
        let token = issued.session_token.as_ref().map_or("", |token| token.expose());
        let packed = match packed {
            0 => String::new(),
            percent => format!("<PackedPolicySize>{percent}</PackedPolicySize>"),
        };
        Ok(query_result(
            NAMESPACE,
            "AssumeRole",
            &format!(
                "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
                 <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
                 <AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>{packed}",
                escape(&issued.access_key_id),
                escape(issued.secret.expose()),
                escape(token),
                seconds(expires_at),
                escape(&issued.user_id),
                escape(&issued.arn),
            ),
        ))
    }
}

impl Service for Sts {
    fn call(&self, request: Request, caller: Arc<Principal>) -> BoxFuture<'_, Response> {
        let response =
            self.answer(&request, &caller).unwrap_or_else(|refusal| Protocol::Query.answer(&refusal));
        Box::pin(std::future::ready(response))
    }
}

/// The operation that a request names.
pub(crate) fn action(request: &Request) -> Option<String> {
    let action = Parameters::read(request).ok()?.get("Action")?.to_owned();
    let is_name = (1..=64).contains(&action.len()) && action.bytes().all(|b| b.is_ascii_alphabetic());
    is_name.then_some(action)
}

/// The end of a session, which has no fractions of a second.
fn seconds(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at).replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
#[path = "sts_tests.rs"]
mod tests;
