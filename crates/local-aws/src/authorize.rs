//! Whether a verified principal may do what it asks for.

use http::Method;
use local_http::Request;

use crate::iam::lambda_function;
use crate::principals::Principal;
use crate::sts;

/// Decides on every verified request before a service sees it.
pub trait Authorize: Send + Sync {
    /// Judges one action, such as `dynamodb:GetItem`, `apigateway:POST` or `lambda:InvokeFunction`.
    ///
    /// # Errors
    ///
    /// [`Denied`] where the principal may not.
    fn authorize(
        &self,
        principal: &Principal,
        service: &str,
        action: &str,
        request: &Request,
    ) -> Result<(), Denied>;
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What the caller is told, such as `User: … is not authorized to perform: …`.
    pub message: String,
}

/// The services that the front hands requests to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceName {
    DynamoDb,
    ApiGateway,
    Lambda,
    Sts,
}

impl ServiceName {
    pub(crate) const ALL: [Self; 4] = [Self::DynamoDb, Self::ApiGateway, Self::Lambda, Self::Sts];

    /// The name in a credential scope and before an action's colon.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::ApiGateway => "apigateway",
            Self::Lambda => "lambda",
            Self::Sts => "sts",
        }
    }

    /// The service of a credential scope.
    pub(crate) fn in_scope(scope: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.as_str() == scope)
    }

    /// The IAM action that a request asks for. `None` is a request that the service does not know, or one
    /// that it might read otherwise than this function does.
    pub(crate) fn action(self, request: &Request) -> Option<String> {
        let path = request.uri.path();
        match self {
            Self::DynamoDb => {
                let operation = dynamodb_operation(request)?;
                Some(format!("dynamodb:{operation}"))
            }
            Self::ApiGateway => {
                let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
                let is_judged = known.contains(&request.method) && is_plain(path);
                is_judged.then(|| format!("apigateway:{}", request.method))
            }
            Self::Lambda => {
                let is_invoke = request.method == Method::POST && lambda_function(path).is_some();
                is_invoke.then(|| "lambda:InvokeFunction".to_owned())
            }
            Self::Sts => sts::action(request).map(|operation| format!("sts:{operation}")),
        }
    }
}

/// Whether a path has one reading: no empty segment, and no slash that is encoded.
fn is_plain(path: &str) -> bool {
    let mut segments = path.strip_prefix('/').unwrap_or_default().split('/');
    segments.all(|segment| !segment.is_empty() && !segment.to_ascii_lowercase().contains("%2f"))
}

/// The operation of a DynamoDB or DynamoDB Streams call, such as `GetItem`.
fn dynamodb_operation(request: &Request) -> Option<&str> {
    if request.method != Method::POST || request.uri.path() != "/" {
        return None;
    }
    let mut targets = request.headers.get_all("x-amz-target").iter();
    let target = targets.next()?.to_str().ok()?;
    if targets.next().is_some() {
        return None;
    }
    let operation = target
        .strip_prefix("DynamoDB_20120810.")
        .or_else(|| target.strip_prefix("DynamoDBStreams_20120810."))?;
    let is_name = (1..=64).contains(&operation.len()) && operation.bytes().all(|b| b.is_ascii_alphabetic());
    is_name.then_some(operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    fn action(service: ServiceName, method: &str, uri: &str, headers: &[(&str, &str)]) -> Option<String> {
        service.action(&request(method, uri, headers, ""))
    }

    #[test]
    fn an_action_is_named_by_the_target_the_method_or_the_path() {
        let target = [("x-amz-target", "DynamoDB_20120810.GetItem")];
        assert_eq!(action(ServiceName::DynamoDb, "POST", "/", &target).as_deref(), Some("dynamodb:GetItem"));
        let target = [("x-amz-target", "DynamoDBStreams_20120810.GetRecords")];
        assert_eq!(
            action(ServiceName::DynamoDb, "POST", "/", &target).as_deref(),
            Some("dynamodb:GetRecords")
        );
        let patched = action(ServiceName::ApiGateway, "PATCH", "/apikeys/abc", &[]);
        assert_eq!(patched.as_deref(), Some("apigateway:PATCH"));
        let invoked =
            action(ServiceName::Lambda, "POST", "/2015-03-31/functions/records-get/invocations", &[]);
        assert_eq!(invoked.as_deref(), Some("lambda:InvokeFunction"));
    }

    #[test]
    fn what_names_no_action_has_none() {
        let get_item = ("x-amz-target", "DynamoDB_20120810.GetItem");
        let dynamo = |method, uri, headers: &[_]| action(ServiceName::DynamoDb, method, uri, headers);
        assert_eq!(dynamo("POST", "/", &[]), None);
        assert_eq!(dynamo("GET", "/", &[get_item]), None);
        assert_eq!(dynamo("POST", "/other", &[get_item]), None);
        assert_eq!(dynamo("POST", "/", &[get_item, ("x-amz-target", "DynamoDB_20120810.Scan")]), None);
        assert_eq!(dynamo("POST", "/", &[("x-amz-target", "DynamoDB_20120810.")]), None);
        assert_eq!(dynamo("POST", "/", &[("x-amz-target", "DynamoDB_20120810.Get*")]), None);
        assert_eq!(dynamo("POST", "/", &[("x-amz-target", "Logs_20140328.PutLogEvents")]), None);
        assert_eq!(action(ServiceName::ApiGateway, "OPTIONS", "/apikeys", &[]), None);
        for path in ["/", "//apikeys", "/apikeys/", "/usageplans/x/keys/", "/usageplans/x%2Fkeys"] {
            assert_eq!(action(ServiceName::ApiGateway, "GET", path, &[]), None, "{path}");
        }
        for path in ["/2015-03-31/functions/records-get", "/2015-03-31/functions//invocations", "/"] {
            assert_eq!(action(ServiceName::Lambda, "POST", path, &[]), None, "{path}");
        }
    }
}
