//! Policies in force, judged through the whole front: signatures, trust, sessions, DynamoDB.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use iam_policy::Kind;
use local_http::Response;
use serde_json::{Value as Json, json};

use super::*;
use crate::front::{Front, Service, Services};
use crate::principals::Principals;
use crate::s3::S3;
use crate::sessions::Sessions;
use crate::sigv4::Verifier;
use crate::sts::Sts;
use crate::testing::{REGION, Signer, now, request};

const ACCOUNT: &str = "123456789012";

/// A service that answers everything.
struct Answers;

impl Service for Answers {
    fn call(&self, _: Request, _: Arc<Principal>) -> BoxFuture<'_, Response> {
        Box::pin(std::future::ready(Response::new("{}".into())))
    }
}

struct Tables;

impl KeySchemas for Tables {
    fn find(&self, table: &str) -> Option<Arc<dynamodb::KeySchema>> {
        let partition = if table == "checkpoints" { "api_key_id" } else { "tenant_id" };
        Some(Arc::new(dynamodb::KeySchema { partition: partition.to_owned(), indexes: BTreeMap::new() }))
    }
}

/// A clock that can be moved.
#[derive(Default)]
struct Moved(Mutex<Duration>);

impl Clock for Moved {
    fn now(&self) -> SystemTime {
        now()
    }

    fn stack_time(&self, real: SystemTime) -> SystemTime {
        real + *self.0.lock().expect("no panic")
    }
}

struct Stack {
    principals: Arc<Principals>,
    iam: Arc<Iam>,
    front: Front,
    clock: Arc<Moved>,
}

fn role(name: &str, trust: &Json, policy: &Json) -> Role {
    Role {
        logical_id: name.to_owned(),
        name: name.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        trust: Policy::parse(trust, Kind::Trust).expect("a trust policy"),
        policies: vec![Named {
            name: "own".to_owned(),
            policy: Policy::parse(policy, Kind::Identity).expect("a policy"),
        }],
        max_session: Duration::from_hours(1),
    }
}

fn trusts(principal: &str, conditions: &Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": principal}, "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": conditions,
    }})
}

fn allows(action: &Json, resource: &str, conditions: &Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": action, "Resource": resource, "Condition": conditions,
    }})
}

/// The vending function's role, the tenants' role as the template has it, and one that names its caller.
fn roles() -> [Role; 4] {
    let lambda = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
    }});
    let tagged = json!({
        "ArnLike": {"aws:PrincipalArn": format!("arn:aws:iam::{ACCOUNT}:role/vend*")},
        "StringLike": {"aws:RequestTag/tenant-id": "?*"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["tenant-id", "api-key-id"]},
    });
    let own_partition = json!({
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "${aws:PrincipalTag/tenant-id}"},
        "Null": {"dynamodb:LeadingKeys": "false", "aws:PrincipalTag/tenant-id": "false"},
    });
    let account = format!("arn:aws:iam::{ACCOUNT}:root");
    let assume = json!(["sts:AssumeRole", "sts:TagSession"]);
    let data = json!(["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"]);
    let records = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/records");
    [
        role("vend", &lambda, &allows(&assume, "*", &json!({}))),
        role("bystander", &lambda, &allows(&json!("dynamodb:GetItem"), &records, &json!({}))),
        role("tenant", &trusts(&account, &tagged), &allows(&data, &records, &own_partition)),
        role(
            "named",
            &trusts(&format!("arn:aws:iam::{ACCOUNT}:role/bystander"), &json!({})),
            &allows(&data, &records, &json!({})),
        ),
    ]
}

impl Stack {
    fn start() -> Self {
        let sessions = Sessions::new().expect("random numbers");
        let principals = Arc::new(Principals::new(ACCOUNT).with_sessions(sessions));
        let clock = Arc::new(Moved::default());
        let verifier = Verifier::new(Arc::clone(&principals), REGION, Arc::clone(&clock) as _);
        let iam = Iam::with_schemas(ACCOUNT.into(), REGION.into(), Arc::new(Tables), Arc::clone(&clock) as _);
        iam.set_roles(&roles());
        let iam = Arc::new(iam);
        let sts = Sts::new(Arc::clone(&principals), Arc::clone(&iam) as _, Arc::clone(&clock) as _);
        let answers: Arc<dyn Service> = Arc::new(Answers);
        let services = Services {
            dynamodb: Arc::clone(&answers),
            api_gateway: Arc::clone(&answers),
            lambda: answers,
            sts: Arc::new(sts),
            s3: Arc::new(
                S3::open(None, Arc::clone(&iam), Arc::clone(&clock) as _, REGION).expect("a folder"),
            ),
        };
        let verifier = Arc::new(verifier.expect("random numbers"));
        let front = Front::new(verifier, Arc::clone(&iam) as _, services);
        Self { principals, iam, front, clock }
    }

    fn function(&self, role: &str) -> Arc<Principal> {
        self.principals.issue_for_role(role, role).expect("room")
    }

    /// A call to DynamoDB: its status, and the message of a refusal.
    async fn dynamodb(&self, signer: &Signer, operation: &str, body: &Json) -> (u16, String) {
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.0")];
        let response =
            self.front.handle_whole(signer.sign(request("POST", "/", &headers, &body.to_string()))).await;
        let answer: Json = serde_json::from_slice(response.body()).expect("JSON");
        (response.status().as_u16(), answer["message"].as_str().unwrap_or_default().to_owned())
    }

    /// A call of `AssumeRole` with tags: the session's signer, or the refusal's status and text.
    async fn assume(
        &self,
        caller: &Principal,
        role: &str,
        tags: &[(&str, &str)],
        further: &str,
    ) -> Result<Signer, (u16, String)> {
        let mut body = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::{ACCOUNT}:role/{role}\
             &RoleSessionName=acme.k1{further}"
        );
        for (index, (key, value)) in tags.iter().enumerate() {
            let number = index + 1;
            body = format!("{body}&Tags.member.{number}.Key={key}&Tags.member.{number}.Value={value}");
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let call = Signer::of(caller, "sts").sign(request("POST", "/", &headers, &body));
        let response = self.front.handle_whole(call).await;
        let text = String::from_utf8(response.body().to_vec()).expect("XML");
        if response.status() != 200 {
            return Err((response.status().as_u16(), text));
        }
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>")).expect("the element");
            rest.split_once("</").expect("its end").0.to_owned()
        };
        Ok(Signer {
            access_key_id: element("AccessKeyId"),
            secret: element("SecretAccessKey"),
            token: Some(element("SessionToken")),
            ..Signer::of(caller, "dynamodb")
        })
    }

    async fn acme(&self) -> Signer {
        let vend = self.function("vend");
        self.assume(&vend, "tenant", &[("tenant-id", "acme")], "").await.expect("a session")
    }
}

fn get(table: &str, tenant: &str) -> Json {
    json!({"TableName": table, "Key": {"tenant_id": {"S": tenant}, "sk": {"S": "x"}}})
}

#[tokio::test]
async fn a_session_reaches_its_own_partition_and_no_other() {
    let stack = Stack::start();
    let acme = stack.acme().await;
    assert_eq!(stack.dynamodb(&acme, "GetItem", &get("records", "acme")).await.0, 200);
    for (operation, body) in [
        ("GetItem", get("records", "globex")),
        ("GetItem", get("records", "acme2")),
        ("GetItem", get("records", "*")),
        ("GetItem", get("other", "acme")),
        ("DeleteItem", get("records", "acme")),
        ("Scan", json!({"TableName": "records"})),
        ("ListTables", json!({})),
    ] {
        let (status, message) = stack.dynamodb(&acme, operation, &body).await;
        assert_eq!(status, 400, "{operation} {body}");
        let user =
            format!("User: arn:aws:sts::{ACCOUNT}:assumed-role/tenant/acme.k1 is not authorized to perform");
        assert!(message.starts_with(&user), "{message}");
        assert!(
            message.ends_with("because no identity-based policy allows the dynamodb:GetItem action")
                || !operation.eq("GetItem"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn the_trust_policy_refuses_an_empty_a_foreign_and_a_missing_tag_and_another_caller() {
    let stack = Stack::start();
    let vend = stack.function("vend");
    for tags in
        [&[][..], &[("tenant-id", "")], &[("api-key-id", "k1")], &[("tenant-id", "acme"), ("color", "red")]]
    {
        let (status, text) = stack.assume(&vend, "tenant", tags, "").await.map(|_| ()).expect_err("refused");
        assert!(status == 403 && text.contains("AccessDenied"), "{tags:?}: {text}");
        assert!(text.contains("because no resource-based policy allows the sts:"), "{tags:?}: {text}");
    }
    // A wildcard is no tag at all, and stands for nothing.
    let (status, text) =
        stack.assume(&vend, "tenant", &[("tenant-id", "*")], "").await.map(|_| ()).expect_err("refused");
    assert!(status == 400 && text.contains("ValidationError"), "{text}");
    let admin = stack.principals.issue_admin().expect("room");
    let bystander = stack.function("bystander");
    for caller in [&admin, &bystander] {
        let refused = stack.assume(caller, "tenant", &[("tenant-id", "acme")], "").await.map(|_| ());
        assert_eq!(refused.expect_err("refused").0, 403, "{}", caller.arn);
    }
    assert_eq!(stack.assume(&vend, "nobody", &[], "").await.map(|_| ()).expect_err("refused").0, 403);
}

#[tokio::test]
async fn a_role_that_names_its_caller_needs_no_policy_of_the_callers_own() {
    let stack = Stack::start();
    let bystander = stack.function("bystander");
    assert!(stack.assume(&bystander, "named", &[], "").await.is_ok());
    assert!(stack.assume(&stack.function("vend"), "named", &[], "").await.is_err());
}

#[tokio::test]
async fn a_session_policy_narrows_and_never_widens() {
    let stack = Stack::start();
    let vend = stack.function("vend");
    let policy = |action: &str| {
        let document = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}});
        let text = document.to_string();
        format!(
            "&Policy={}",
            percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC)
        )
    };
    let tags = [("tenant-id", "acme")];
    let reads = stack.assume(&vend, "tenant", &tags, &policy("dynamodb:GetItem")).await.expect("a session");
    assert_eq!(stack.dynamodb(&reads, "GetItem", &get("records", "acme")).await.0, 200);
    let put = json!({"TableName": "records", "Item": {"tenant_id": {"S": "acme"}, "sk": {"S": "x"}}});
    let (status, message) = stack.dynamodb(&reads, "PutItem", &put).await;
    assert!(status == 400 && message.contains("no session policy allows"), "{message}");
    let all = stack.assume(&vend, "tenant", &tags, &policy("*")).await.expect("a session");
    assert_eq!(stack.dynamodb(&all, "GetItem", &get("records", "globex")).await.0, 400);
    assert_eq!(stack.dynamodb(&all, "Scan", &json!({"TableName": "records"})).await.0, 400);
}

#[tokio::test]
async fn a_session_ends_by_the_stacks_clock() {
    let stack = Stack::start();
    let vend = stack.function("vend");
    let tags = [("tenant-id", "acme")];
    let short = stack.assume(&vend, "tenant", &tags, "&DurationSeconds=900").await.expect("a session");
    let read = get("records", "acme");
    *stack.clock.0.lock().expect("no panic") = Duration::from_secs(899);
    assert_eq!(stack.dynamodb(&short, "GetItem", &read).await.0, 200);
    *stack.clock.0.lock().expect("no panic") = Duration::from_mins(15);
    let (status, message) = stack.dynamodb(&short, "GetItem", &read).await;
    assert_eq!((status, message.as_str()), (400, "The security token included in the request is expired"));
}

#[tokio::test]
async fn a_missing_foreign_or_altered_token_opens_nothing() {
    let stack = Stack::start();
    let (acme, other) = (stack.acme().await, stack.acme().await);
    let read = get("records", "acme");
    let token = acme.token.clone().expect("a session's token");
    let mut altered = token.clone();
    altered.replace_range(200..201, if &token[200..201] == "A" { "B" } else { "A" });
    for token in [None, Some(altered), other.token, Some(String::new())] {
        let signer = Signer { token, ..acme.clone() };
        assert_eq!(stack.dynamodb(&signer, "GetItem", &read).await.0, 400);
    }
    let wrong = Signer { secret: other.secret, ..acme.clone() };
    let (_, message) = stack.dynamodb(&wrong, "GetItem", &read).await;
    assert!(message.contains("signature we calculated does not match"), "{message}");
    assert_eq!(stack.dynamodb(&acme, "GetItem", &read).await.0, 200);
}

#[tokio::test]
async fn a_role_that_leaves_the_template_takes_its_sessions_along() {
    let stack = Stack::start();
    let acme = stack.acme().await;
    stack.iam.set_roles(&roles()[..2]);
    assert_eq!(stack.dynamodb(&acme, "GetItem", &get("records", "acme")).await.0, 400);
}

#[tokio::test]
async fn a_functions_role_may_do_what_its_policies_say() {
    let stack = Stack::start();
    let bystander = Signer::of(&stack.function("bystander"), "dynamodb");
    assert_eq!(stack.dynamodb(&bystander, "GetItem", &get("records", "globex")).await.0, 200);
    for (operation, table) in [("PutItem", "records"), ("GetItem", "checkpoints")] {
        assert_eq!(stack.dynamodb(&bystander, operation, &get(table, "globex")).await.0, 400);
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_done_for_no_role_whatever_its_policies_say() {
    let stack = Stack::start();
    let mut all = roles();
    let everything = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/secret")},
    ]});
    all[1] = role("bystander", &all[1].trust.to_json(), &everything);
    stack.iam.set_roles(&all);
    let bystander = Signer::of(&stack.function("bystander"), "dynamodb");
    assert_eq!(stack.dynamodb(&bystander, "GetItem", &get("records", "globex")).await.0, 200);
    assert_eq!(stack.dynamodb(&bystander, "GetItem", &get("secret", "globex")).await.0, 400);
    let twice = r#"{"TableName":"secret","Key":{"tenant_id":{"S":"a"},"tenant_id":{"S":"b"}}}"#;
    for (operation, body) in [
        ("GetItem", twice.to_owned()),
        ("GetItem", "[]".to_owned()),
        ("TransactWriteItems", r#"{"TransactItems":[["secret"]]}"#.to_owned()),
        ("ExecuteStatement", r#"{"Statement":"SELECT * FROM --\n\"secret\""}"#.to_owned()),
    ] {
        let headers = [("x-amz-target", &*format!("DynamoDB_20120810.{operation}"))];
        let response = stack.front.handle_whole(bystander.sign(request("POST", "/", &headers, &body))).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert!(response.status() == 400 && text.contains("AccessDenied"), "{operation} {body}: {text}");
        assert!(text.contains("not known here"), "{text}");
    }
}

#[tokio::test]
async fn a_session_from_before_the_clock_was_set_back_is_over() {
    let stack = Stack::start();
    *stack.clock.0.lock().expect("no panic") = Duration::from_hours(24);
    let acme = stack.acme().await;
    let read = get("records", "acme");
    assert_eq!(stack.dynamodb(&acme, "GetItem", &read).await.0, 200);
    *stack.clock.0.lock().expect("no panic") = Duration::ZERO;
    let (status, message) = stack.dynamodb(&acme, "GetItem", &read).await;
    assert!(status == 400 && message.contains("expired"), "{message}");
}

#[tokio::test]
async fn every_decision_is_kept_with_what_decided_and_the_log_is_bounded() {
    let stack = Stack::start();
    let acme = stack.acme().await;
    stack.dynamodb(&acme, "GetItem", &get("records", "globex")).await;
    let records = stack.iam.decisions();
    let actions: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["sts:AssumeRole", "sts:TagSession", "dynamodb:GetItem"]);
    let last = records.last().expect("a decision");
    assert!(!last.verdict.is_allowed() && last.resource.ends_with(":table/records"), "{last:?}");
    for _ in 0..1_100 {
        stack.iam.log.add(last.clone());
    }
    assert_eq!(stack.iam.decisions().len(), 1_000);
    stack.iam.forget_decisions();
    assert!(stack.iam.decisions().is_empty());
}

#[tokio::test]
async fn a_developer_who_stands_for_functions_assumes_what_a_function_may_and_with_its_tags() {
    let stack = Stack::start();
    let admin = stack.principals.issue_admin().expect("room");
    let iam =
        Iam::with_schemas(ACCOUNT.into(), REGION.into(), Arc::new(Tables), Arc::clone(&stack.clock) as _)
            .developer_stands_for_functions(true);
    iam.set_roles(&roles());
    let call = |tags: &str| {
        let body = format!(
            "Action=AssumeRole&RoleArn=arn:aws:iam::{ACCOUNT}:role/tenant&RoleSessionName=acme.k1{tags}"
        );
        let call = request("POST", "/", &[("content-type", "application/x-www-form-urlencoded")], &body);
        iam.authorize(&admin, "sts", "sts:AssumeRole", &call)
    };
    assert!(call("&Tags.member.1.Key=tenant-id&Tags.member.1.Value=acme").is_ok());
    assert!(call("").is_err());
    assert!(call("&Tags.member.1.Key=tenant-id&Tags.member.1.Value=").is_err());
}
