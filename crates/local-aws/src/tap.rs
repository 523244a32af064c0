//! Where somebody can stand between the front and the services, to try out what their callers make of a fault.

use futures_util::future::BoxFuture;
use http::Method;

use crate::principals::{Principal, PrincipalKind};

/// The operations of DynamoDB that change something.
const DYNAMODB_WRITES: [&str; 9] = [
    "BatchWriteItem",
    "CreateTable",
    "DeleteItem",
    "DeleteTable",
    "PutItem",
    "TransactWriteItems",
    "UpdateContinuousBackups",
    "UpdateItem",
    "UpdateTable",
];

/// Decides what becomes of calls that are verified and, but for those to S3, allowed.
pub trait Tap: Send + Sync {
    /// Asked once for each call, before its service sees it.
    fn meet(&self, call: &Call<'_>) -> Fate;

    /// Told that a call whose fate is [`Fate::Lost`] was carried out. Its answer is sent when this ends; to lose
    /// it, its caller has to be gone by then.
    fn lose<'a>(&'a self, call: &'a Call<'_>) -> BoxFuture<'a, ()>;
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes to its service, and the service's answer to its caller.
    Served,
    /// It has no effect, and its caller is told of a fault of the service's.
    Failed,
    /// It is carried out, and its caller is not told.
    Lost,
}

/// A call on its way to its service.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub(crate) caller: &'a Principal,
    /// Such as `dynamodb:PutItem`, `apigateway:POST` or `s3:PUT`.
    pub(crate) action: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
}

impl Call<'_> {
    /// The function that makes the call with its role's credentials. A session that it has assumed is nobody's.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        match &self.caller.kind {
            PrincipalKind::FunctionRole { .. } => self.caller.arn.rsplit('/').next(),
            PrincipalKind::Admin | PrincipalKind::Session(_) => None,
        }
    }

    /// What is called, without ids: `dynamodb:PutItem`, `apigateway:POST /usageplans/{}/keys`, `s3:PUT`.
    #[must_use]
    pub fn name(&self) -> String {
        if !self.action.starts_with("apigateway:") {
            return self.action.to_owned();
        }
        // Collections and ids take turns in the paths of API Gateway's management.
        let segments = self.path.trim_start_matches('/').split('/').enumerate();
        let segments: Vec<_> =
            segments.map(|(place, segment)| if place % 2 == 0 { segment } else { "{}" }).collect();
        format!("{} /{}", self.action, segments.join("/"))
    }

    /// Whether the call may change what its service keeps. Sessions are not kept, so no call to STS does.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let (service, operation) = self.action.split_once(':').unwrap_or_default();
        match service {
            "dynamodb" => DYNAMODB_WRITES.contains(&operation),
            "apigateway" | "s3" => {
                [Method::DELETE, Method::PATCH, Method::POST, Method::PUT].contains(self.method)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Principals;

    #[test]
    fn a_call_is_named_without_ids_and_known_for_a_write() {
        let caller = Principals::new("123456789012").issue_for_role("role", "keys-create").expect("room");
        for (action, method, path, name, is_write) in [
            ("dynamodb:PutItem", Method::POST, "/", "dynamodb:PutItem", true),
            ("dynamodb:GetItem", Method::POST, "/", "dynamodb:GetItem", false),
            ("apigateway:POST", Method::POST, "/apikeys", "apigateway:POST /apikeys", true),
            (
                "apigateway:PATCH",
                Method::PATCH,
                "/usageplans/p1/keys/k1/usage",
                "apigateway:PATCH /usageplans/{}/keys/{}/usage",
                true,
            ),
            ("apigateway:GET", Method::GET, "/apikeys/k1", "apigateway:GET /apikeys/{}", false),
            ("s3:PUT", Method::PUT, "/bucket/key", "s3:PUT", true),
            ("s3:HEAD", Method::HEAD, "/bucket/key", "s3:HEAD", false),
            ("sts:AssumeRole", Method::POST, "/", "sts:AssumeRole", false),
        ] {
            let call = Call { caller: &caller, action, method: &method, path };
            assert_eq!((&*call.name(), call.is_write()), (name, is_write));
            assert_eq!(call.function(), Some("keys-create"));
        }
        let admin = Principals::new("123456789012").issue_admin().expect("room");
        let call = Call { caller: &admin, action: "s3:PUT", method: &Method::PUT, path: "/" };
        assert_eq!(call.function(), None);
    }
}
