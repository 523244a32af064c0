//! From a request to the calls that IAM judges.

use local_http::{Body, Request};
use percent_encoding::percent_decode_str;

use super::Call;
use super::dynamodb::{self, KeySchemas, Place};

/// What a verified request does. There is at least one call.
pub(super) fn calls(
    service: &str,
    action: &str,
    request: &Request,
    place: &Place<'_>,
    schemas: &dyn KeySchemas,
) -> Vec<Call> {
    let Place { region, account_id } = place;
    let path = request.uri.path();
    let one =
        |resource: String| vec![Call { action: action.to_owned(), resource, keys: Vec::new(), unread: None }];
    match service {
        "dynamodb" => {
            let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
            let body: &[u8] = match &request.body {
                Body::Whole(body) => body,
                Body::TooLarge => &[],
            };
            dynamodb::calls(operation, body, place, schemas).unwrap_or_else(|malformed| {
                // The database tells the administrator what is wrong with it.
                let (action, resource) = (action.to_owned(), "*".to_owned());
                vec![Call { action, resource, keys: Vec::new(), unread: Some(malformed.0) }]
            })
        }
        "apigateway" => {
            let path = percent_decode_str(path).decode_utf8_lossy();
            one(format!("arn:aws:apigateway:{region}::{path}"))
        }
        "lambda" => {
            let function = lambda_function(path).unwrap_or_default();
            one(format!("arn:aws:lambda:{region}:{account_id}:function:{function}"))
        }
        _ => one("*".to_owned()),
    }
}

/// The function that the path of a call of Invoke names, by its name or its ARN.
#[must_use]
pub fn lambda_function(path: &str) -> Option<String> {
    let name = path.strip_prefix("/2015-03-31/functions/")?.strip_suffix("/invocations")?;
    let name = percent_decode_str(name).decode_utf8().ok()?;
    let name = name.rsplit(':').next().unwrap_or_default();
    (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
}
