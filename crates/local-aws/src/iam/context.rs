//! What a request's conditions are held against.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::USER_AGENT;
use iam_policy::Context;
use local_http::Request;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Value;
use crate::principals::{Principal, PrincipalKind};

/// The keys that this stack knows: one of them that a request lacks is absent. A condition on any other cannot
/// be judged here, and allows nothing.
const KNOWN: &[&str] = &[
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:MultiFactorAuthAge",
    "aws:MultiFactorAuthPresent",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalTag/*",
    "aws:PrincipalType",
    "aws:RequestTag/*",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIp",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:TagKeys",
    "aws:TokenIssueTime",
    "aws:UserAgent",
    "aws:ViaAWSService",
    "aws:userid",
    "aws:username",
    "dynamodb:Attributes",
    "dynamodb:EnclosingOperation",
    "dynamodb:LeadingKeys",
    "dynamodb:ReturnConsumedCapacity",
    "dynamodb:ReturnValues",
    "dynamodb:Select",
    "s3:ResourceAccount",
    "s3:VersionId",
    "s3:authType",
    "s3:delimiter",
    "s3:if-match",
    "s3:if-none-match",
    "s3:max-keys",
    "s3:prefix",
    "s3:signatureversion",
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
    "sts:ExternalId",
    "sts:RoleSessionName",
    "sts:SourceIdentity",
    "sts:TransitiveTagKeys",
];

/// Whether requests are known to have a key, or to lack it.
pub(super) fn is_known(key: &str) -> bool {
    KNOWN.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => key.get(..start.len()).is_some_and(|given| given.eq_ignore_ascii_case(start)),
        None => known.eq_ignore_ascii_case(key),
    })
}

/// The global condition keys of a request.
pub(super) fn of<B>(principal: &Principal, request: &Request<B>, now: SystemTime, region: &str) -> Context {
    let mut context = Context::knowing(KNOWN);
    context.set("aws:CurrentTime", rfc3339(now));
    context.set("aws:EpochTime", seconds(now).to_string());
    context.set("aws:PrincipalAccount", &principal.account_id);
    context.set("aws:PrincipalArn", principal.role_or_user_arn());
    context.set("aws:PrincipalIsAWSService", "false");
    context.set("aws:RequestedRegion", region);
    context.set("aws:ResourceAccount", &principal.account_id);
    // The local addresses have no TLS.
    context.set("aws:SecureTransport", "false");
    context.set("aws:SourceIp", request.peer.ip().to_string());
    context.set("aws:ViaAWSService", "false");
    context.set("aws:userid", &principal.user_id);
    if let Some(agent) = request.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()) {
        context.set("aws:UserAgent", agent);
    }
    match &principal.kind {
        PrincipalKind::Admin => {
            context.set("aws:PrincipalType", "User");
            context.set("aws:username", principal.arn.rsplit('/').next().unwrap_or_default());
        }
        PrincipalKind::FunctionRole { .. } => context.set("aws:PrincipalType", "AssumedRole"),
        PrincipalKind::Session(facts) => {
            context.set("aws:PrincipalType", "AssumedRole");
            context.set("aws:TokenIssueTime", rfc3339(facts.issued_at));
            for (key, value) in &facts.tags {
                context.set(&format!("aws:PrincipalTag/{key}"), value);
            }
        }
    }
    context
}

/// Adds a service's own keys.
pub(super) fn add(context: &mut Context, keys: &[(impl AsRef<str>, Value)]) {
    for (key, value) in keys {
        match value {
            Value::One(value) => context.set(key.as_ref(), value),
            Value::Many(values) => context.set_all(key.as_ref(), values.clone()),
            Value::Unknown(reason) => context.set_unknown(key.as_ref(), reason),
        }
    }
}

fn rfc3339(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
