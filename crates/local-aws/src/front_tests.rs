use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join_all, ready};
use http::StatusCode;
use serde_json::{Value, json};
use stack_template::Table;

use super::*;
use crate::testing::{self, Signer, now, request};
use crate::{Dynamo, Principals};

/// A service that counts its calls and answers with its caller's ARN.
#[derive(Default)]
struct Counted(AtomicUsize);

impl Service for Counted {
    fn call(&self, _: Request, caller: Arc<Principal>) -> BoxFuture<'_, Response> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(Response::new(Bytes::from(caller.arn.clone()))))
    }
}

/// S3 that is never asked.
struct NoS3;

impl StreamService for NoS3 {
    fn call(&self, _: Signed) -> BoxFuture<'_, StreamedResponse> {
        panic!("no request here is for S3")
    }

    fn preflight(&self, _: &Request<()>) -> Response {
        panic!("no request here is a preflight")
    }

    fn cross_origin(&self, _: &Request<()>) -> HeaderMap {
        panic!("no request here is for S3")
    }
}

/// Allows every verified principal every action.
struct AllowVerified;

impl Authorize for AllowVerified {
    fn authorize(&self, _: &Principal, _: &str, _: &str, _: &Request) -> Result<(), Denied> {
        Ok(())
    }
}

/// The whole front with a real database in memory.
struct Stack {
    principals: Arc<Principals>,
    admin: Arc<Principal>,
    dynamo: Arc<Dynamo>,
    api_gateway: Arc<Counted>,
    lambda: Arc<Counted>,
    front: Front,
}

fn records() -> Table {
    Table {
        logical_id: "Records".to_owned(),
        name: "tenantry-records".to_owned(),
        arn: "arn:aws:dynamodb:eu-central-1:123456789012:table/tenantry-records".to_owned(),
        create: json!({
            "TableName": "tenantry-records",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "tenant_id", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "tenant_id", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        }),
        ttl_attribute: None,
    }
}

impl Stack {
    fn start() -> Self {
        Self::start_with(Arc::new(AllowVerified))
    }

    fn start_with(authorize: Arc<dyn Authorize>) -> Self {
        let (principals, admin, verifier) = testing::verifier();
        let dynamo = Arc::new(Dynamo::open(None).expect("memory"));
        dynamo.ensure_tables(&[records()]).expect("a new table");
        let (api_gateway, lambda) = (Arc::new(Counted::default()), Arc::new(Counted::default()));
        let services = Services {
            dynamodb: Arc::clone(&dynamo) as _,
            api_gateway: Arc::clone(&api_gateway) as _,
            lambda: Arc::clone(&lambda) as _,
            sts: Arc::new(Counted::default()),
            s3: Arc::new(NoS3),
        };
        let front = Front::new(verifier, authorize, services);
        Self { principals, admin, dynamo, api_gateway, lambda, front }
    }

    async fn call(&self, operation: &str, body: Value) -> (StatusCode, Value) {
        json_of(&self.send(&Signer::of(&self.admin, "dynamodb"), operation, &body).await)
    }

    async fn send(&self, signer: &Signer, operation: &str, body: &Value) -> Response {
        self.front.handle_whole(signer.sign(dynamodb(operation, body))).await
    }

    /// How many items the table holds.
    async fn items(&self) -> Value {
        let (_, scanned) = self.call("Scan", json!({"TableName": "tenantry-records"})).await;
        scanned["Count"].clone()
    }
}

fn dynamodb(operation: &str, body: &Value) -> Request {
    let target = format!("DynamoDB_20120810.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
    request("POST", "/", &headers, &body.to_string())
}

fn json_of(response: &Response) -> (StatusCode, Value) {
    (response.status(), serde_json::from_slice(response.body()).expect("JSON"))
}

fn put(tenant: &str, sk: &str) -> Value {
    json!({
        "TableName": "tenantry-records",
        "Item": {"tenant_id": {"S": tenant}, "sk": {"S": sk}, "version": {"N": "1"}},
        "ConditionExpression": "attribute_not_exists(sk)",
    })
}

fn key(tenant: &str, sk: &str) -> Value {
    json!({"TableName": "tenantry-records", "Key": {"tenant_id": {"S": tenant}, "sk": {"S": sk}}})
}

#[tokio::test]
async fn records_are_put_read_queried_and_guarded_by_conditions() {
    let stack = Stack::start();
    assert_eq!(stack.call("PutItem", put("acme", "notes#1")).await, (StatusCode::OK, json!({})));
    let (status, failed) = stack.call("PutItem", put("acme", "notes#1")).await;
    assert_eq!(status, 400);
    assert_eq!(failed["__type"], "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
    let (status, read) = stack.call("GetItem", key("acme", "notes#1")).await;
    assert_eq!((status, &read["Item"]["version"]), (StatusCode::OK, &json!({"N": "1"})));
    let query = json!({
        "TableName": "tenantry-records",
        "KeyConditionExpression": "tenant_id = :t AND begins_with(sk, :c)",
        "ExpressionAttributeValues": {":t": {"S": "acme"}, ":c": {"S": "notes#"}},
    });
    let (status, found) = stack.call("Query", query).await;
    assert_eq!((status, &found["Count"]), (StatusCode::OK, &json!(1)));
}

#[tokio::test]
async fn a_transaction_takes_effect_whole_or_not_at_all_and_says_why() {
    let stack = Stack::start();
    let transact =
        |second: &str| json!({"TransactItems": [{"Put": put("acme", "a#1")}, {"Put": put("acme", second)}]});
    assert_eq!(stack.call("TransactWriteItems", transact("a#2")).await.0, 200);
    let again = json!({"TransactItems": [{"Put": put("acme", "a#3")}, {"Put": put("acme", "a#2")}]});
    let (status, cancelled) = stack.call("TransactWriteItems", again).await;
    assert_eq!(status, 400);
    let reasons = &cancelled["CancellationReasons"];
    assert_eq!(
        (&reasons[0]["Code"], &reasons[1]["Code"]),
        (&json!("None"), &json!("ConditionalCheckFailed"))
    );
    assert_eq!(stack.items().await, json!(2));
}

#[tokio::test]
async fn an_answer_keeps_the_databases_id_and_checksum() {
    let stack = Stack::start();
    let signer = Signer::of(&stack.admin, "dynamodb");
    let answer = stack.send(&signer, "GetItem", &key("acme", "none")).await;
    assert_eq!(answer.headers()["x-amz-crc32"], crc32fast::hash(answer.body()).to_string());
    assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.0");
    let mut names: Vec<&str> = answer.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "x-amz-crc32", "x-amzn-requestid"]);
}

#[tokio::test]
async fn a_request_that_is_not_rightly_signed_is_refused_and_writes_nothing() {
    let stack = Stack::start();
    let function = stack.principals.issue_for_role("role", "function").expect("room");
    let other = stack.principals.issue_for_role("role", "function").expect("room");
    let signer = Signer::of(&function, "dynamodb");
    let foreign = other.session_token.as_ref().map(|token| token.expose().to_owned());
    let cases = [
        (Signer { secret: "wrong".to_owned(), ..signer.clone() }, "InvalidSignatureException"),
        (Signer { token: foreign, ..signer.clone() }, "UnrecognizedClientException"),
        (Signer { token: None, ..signer.clone() }, "UnrecognizedClientException"),
        (Signer { access_key_id: "ASIAUNKNOWN".to_owned(), ..signer.clone() }, "UnrecognizedClientException"),
        (Signer { at: now() - Duration::from_hours(1), ..signer.clone() }, "InvalidSignatureException"),
        (Signer { region: "us-east-1".to_owned(), ..signer.clone() }, "InvalidSignatureException"),
    ];
    let body = put("acme", "notes#1");
    for (signer, name) in cases {
        let (status, refused) = json_of(&stack.send(&signer, "PutItem", &body).await);
        assert_eq!(status, 400);
        assert_eq!(refused["__type"], format!("com.amazon.coral.service#{name}"));
    }
    let (status, refused) = json_of(&stack.front.handle_whole(dynamodb("PutItem", &body)).await);
    assert_eq!(status, 400);
    assert_eq!(refused["__type"], "com.amazon.coral.service#MissingAuthenticationTokenException");
    assert_eq!(stack.items().await, json!(0));
    assert_eq!(stack.send(&signer, "PutItem", &body).await.status(), 200, "as it should be");
}

#[tokio::test]
async fn a_presigned_call_is_served() {
    let stack = Stack::start();
    let signer =
        Signer { presigned_for: Some(Duration::from_mins(5)), ..Signer::of(&stack.admin, "dynamodb") };
    // The query carries the signature, and with it the path is no longer bare.
    let answer = stack.send(&signer, "PutItem", &put("acme", "notes#1")).await;
    assert_eq!(json_of(&answer), (StatusCode::OK, json!({})));
}

#[tokio::test]
async fn a_request_reaches_the_service_of_its_signature_and_no_other() {
    let stack = Stack::start();
    let create_key = || request("POST", "/apikeys", &[("content-type", "application/json")], "{}");
    let answer = stack.front.handle_whole(Signer::of(&stack.admin, "apigateway").sign(create_key())).await;
    assert_eq!(answer.body(), stack.admin.arn.as_bytes());
    let invoke = request("POST", "/2015-03-31/functions/records-get/invocations", &[], "{}");
    assert_eq!(stack.front.handle_whole(Signer::of(&stack.admin, "lambda").sign(invoke)).await.status(), 200);
    let calls = || (stack.api_gateway.0.load(Ordering::Relaxed), stack.lambda.0.load(Ordering::Relaxed));
    assert_eq!(calls(), (1, 1));
    for (service, status, name) in [
        ("dynamodb", 400, "com.amazon.coral.service#UnknownOperationException"),
        ("lambda", 403, "UnknownOperationException"),
    ] {
        let answer = stack.front.handle_whole(Signer::of(&stack.admin, service).sign(create_key())).await;
        assert_eq!(answer.status(), status, "{service}");
        let (_, body) = json_of(&answer);
        let named = answer.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        assert_eq!(named.or(body["__type"].as_str()), Some(name));
    }
    assert_eq!(calls(), (1, 1));
}

#[tokio::test]
async fn a_service_that_is_not_served_is_said_in_its_own_protocol() {
    let stack = Stack::start();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let queues = request("POST", "/", &form, "Action=ListQueues&Version=2012-11-05");
    let answer = stack.front.handle_whole(Signer::of(&stack.admin, "sqs").sign(queues)).await;
    assert_eq!(answer.status(), 501);
    let text = std::str::from_utf8(answer.body()).expect("XML");
    assert!(
        text.contains("This address serves dynamodb, apigateway, lambda, sts; it does not serve sqs."),
        "{text}"
    );
}

#[tokio::test]
async fn a_body_that_was_too_large_is_answered_413() {
    let stack = Stack::start();
    let mut request = Signer::of(&stack.admin, "dynamodb").sign(dynamodb("PutItem", &json!({})));
    request.body = Body::TooLarge;
    assert_eq!(stack.front.handle_whole(request).await.status(), 413);
}

/// Allows reads only, and to functions only.
struct FunctionsRead;

impl Authorize for FunctionsRead {
    fn authorize(
        &self,
        principal: &Principal,
        service: &str,
        action: &str,
        _: &Request,
    ) -> Result<(), Denied> {
        let is_function = matches!(principal.kind, crate::PrincipalKind::FunctionRole { .. });
        if is_function && service == "dynamodb" && action == "dynamodb:GetItem" {
            return Ok(());
        }
        Err(Denied { message: format!("User: {} is not authorized to perform: {action}", principal.arn) })
    }
}

#[tokio::test]
async fn what_is_not_authorized_is_denied_and_writes_nothing() {
    let stack = Stack::start_with(Arc::new(FunctionsRead));
    let function = stack.principals.issue_for_role("role", "function").expect("room");
    let signer = Signer::of(&function, "dynamodb");
    assert_eq!(stack.send(&signer, "GetItem", &key("acme", "notes#1")).await.status(), 200);
    let (status, denied) = json_of(&stack.send(&signer, "PutItem", &put("acme", "notes#1")).await);
    assert_eq!(status, 400);
    assert_eq!(denied["__type"], "com.amazon.coral.service#AccessDeniedException");
    let arn = &function.arn;
    assert_eq!(denied["message"], format!("User: {arn} is not authorized to perform: dynamodb:PutItem"));
    assert_eq!(stack.call("GetItem", key("acme", "notes#1")).await.0, 400, "not for the administrator");
    let (_, read) = json_of(&stack.send(&signer, "GetItem", &key("acme", "notes#1")).await);
    assert_eq!(read, json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_at_once_are_all_served() {
    let stack = Arc::new(Stack::start());
    let clients = (0..64).map(|client| {
        let stack = Arc::clone(&stack);
        tokio::spawn(async move {
            for number in 0..4 {
                let sk = format!("notes#{client}-{number}");
                let (status, body) = stack.call("PutItem", put("acme", &sk)).await;
                assert_eq!(status, 200, "{body}");
                let (status, body) = stack.call("GetItem", key("acme", &sk)).await;
                assert_eq!((status, &body["Item"]["sk"]["S"]), (StatusCode::OK, &json!(sk)));
            }
        })
    });
    for client in join_all(clients).await {
        client.expect("every request is answered as it should be");
    }
    assert_eq!(stack.items().await, json!(256));
}

#[tokio::test]
async fn a_stopped_database_is_an_error_and_no_silence() {
    let stack = Stack::start();
    assert_eq!(stack.call("PutItem", put("acme", "notes#1")).await.0, 200);
    stack.dynamo.stop().await;
    let (status, failed) = stack.call("GetItem", key("acme", "notes#1")).await;
    assert_eq!(status, 500);
    assert_eq!(failed["__type"], "com.amazon.coral.service#InternalServerError");
}
