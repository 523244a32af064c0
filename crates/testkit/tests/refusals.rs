//! The control API takes the platform team's signature, and nothing else that anybody around it has.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use local_stack::DecisionRecord;
use stack_template::Authorization;
use testkit::{Answer, Signing, Stack, Vended, in_both_modes, request};

/// A request to a route of the control API. Were it let through, it would change what the route changes.
struct Call {
    method: String,
    /// Behind the stage, with its query.
    path: String,
    body: &'static str,
}

impl Call {
    fn url(&self, stack: &Stack) -> String {
        format!("{}{}", stack.state().admin_url, self.path)
    }

    async fn send(&self, stack: &Stack, headers: &[(String, String)]) -> Answer {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        request(&self.method, &self.url(stack), &headers, self.body).await.expect("an answer")
    }

    /// The headers of its signature.
    fn sign(&self, stack: &Stack, signing: &Signing) -> Vec<(String, String)> {
        signing.headers(&self.method, &self.url(stack), self.body)
    }

    async fn is_refused(&self, stack: &Stack, what: &str, headers: &[(String, String)]) {
        let answer = self.send(stack, headers).await;
        let told = format!("{what}: {} {}: {answer:?}", self.method, self.path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (403, "application/problem+json"),
            "{told}"
        );
        let problem = answer.json();
        assert_eq!(problem["type"], "urn:tenantry:problem:forbidden", "{told}");
        assert_eq!((&problem["title"], &problem["status"]), (&"Forbidden".into(), &403.into()), "{told}");
        assert!(problem["detail"].is_string(), "{told}");
        assert_eq!(problem["instance"], answer.header("x-amzn-requestid"), "{told}");
    }
}

/// A request to every signed route of the template.
fn every_call(stack: &Stack) -> Vec<Call> {
    let template = stack.inner().stack();
    let routes = template.apis.iter().flat_map(|api| &api.routes);
    let signed = routes.filter(|route| route.authorization == Authorization::AwsIam);
    let calls: Vec<_> = signed
        .map(|route| {
            let path = route.path.replace("{tenant_id}", "acme");
            let path = path.replace("{api_key_id}", &stack.tenant("acme").api_key_id);
            assert!(!path.contains('{'), "{}: say here what its parameter is", route.path);
            let (query, body) = match (route.method.as_str(), route.path.as_str()) {
                ("POST", "/tenants") => {
                    ("", r#"{"tenant_id":"hooli","name":"Hooli","email":"ops@hooli.example","tier":"free"}"#)
                }
                ("PATCH", _) => ("", r#"{"status":"suspended"}"#),
                ("DELETE", _) => ("?force=true", ""),
                ("GET", _) => ("", ""),
                _ => ("", "{}"),
            };
            Call { method: route.method.clone(), path: path + query, body }
        })
        .collect();
    assert!(calls.iter().any(|call| (call.method.as_str(), call.path.as_str()) == ("POST", "/tenants")));
    calls
}

/// All that a call could change: tables, buckets and keys.
async fn everything(stack: &Stack) -> Vec<String> {
    let mut all = stack.contents().await;
    let keys = stack.inner().keys();
    all.extend(keys.list("", None, 500).items.iter().map(|key| format!("{key:?}")));
    for plan in &stack.inner().stack().plans {
        let members = keys.members(&plan.id, "", None, 500).items;
        all.extend(members.iter().map(|key| format!("{} {}", plan.name, key.id)));
    }
    all
}

fn admin(stack: &Stack) -> Signing {
    Signing::new(stack.state(), stack.admin_credentials())
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_call_without_a_signature_is_refused_whatever_key_it_has() {
    let stack = Stack::start().await;
    let before = everything(&stack).await;
    let key = stack.tenant("globex").api_key.clone();
    let has_key = header("x-api-key", &key);
    for call in every_call(&stack) {
        call.is_refused(&stack, "nothing", &[]).await;
        call.is_refused(&stack, "a tenant's key", std::slice::from_ref(&has_key)).await;
        let bearer = header("authorization", &format!("Bearer {key}"));
        call.is_refused(&stack, "a key as a token", &[has_key.clone(), bearer]).await;
    }
    assert_eq!(everything(&stack).await, before);
}

/// Signatures that are not the request's, by what is wrong with them.
fn wrong_signatures(stack: &Stack, call: &Call) -> Vec<(&'static str, Vec<(String, String)>)> {
    let good = admin(stack);
    let id = good.credentials.access_key_id().to_owned();
    let secret = good.credentials.secret_access_key().to_owned();
    let by = |id: &str, secret: &str, token: Option<&str>| {
        let credentials = Credentials::new(id, secret, token.map(str::to_owned), None, "test");
        Signing { credentials, ..good.clone() }
    };
    let (method, url) = (call.method.as_str(), call.url(stack));
    let joint = if url.contains('?') { '&' } else { '?' };
    let other_method = if method == "GET" { "POST" } else { "GET" };
    let mut forged = call.sign(stack, &good);
    for (name, value) in &mut forged {
        if name == "authorization" {
            let last = if value.ends_with('0') { "1" } else { "0" };
            value.replace_range(value.len() - 1.., last);
        }
    }
    vec![
        ("a wrong secret", call.sign(stack, &by(&id, "wrong", None))),
        ("an unknown access key", call.sign(stack, &by("AKIA2222222222222222", &secret, None))),
        ("a token that is not the key's", call.sign(stack, &by(&id, &secret, Some("token")))),
        ("another body", good.headers(method, &url, r#"{"altered":true}"#)),
        ("another path", good.headers(method, &url.replacen("/v1/", "/v1/altered/", 1), call.body)),
        ("another query", good.headers(method, &format!("{url}{joint}altered=true"), call.body)),
        ("another method", good.headers(other_method, &url, call.body)),
        ("an old date", call.sign(stack, &Signing { age: Duration::from_mins(20), ..good.clone() })),
        ("another service", call.sign(stack, &Signing { service: "apigateway", ..good.clone() })),
        ("another region", call.sign(stack, &Signing { region: "eu-west-9".to_owned(), ..good.clone() })),
        ("a forged signature", forged),
    ]
}

#[tokio::test]
async fn a_signature_that_is_not_the_requests_is_refused() {
    let stack = Stack::start().await;
    let before = everything(&stack).await;
    for call in every_call(&stack) {
        for (what, headers) in wrong_signatures(&stack, &call) {
            call.is_refused(&stack, what, &headers).await;
        }
    }
    assert_eq!(everything(&stack).await, before);
}

/// Sends every call with each of the credentials. Their signatures are right: it is IAM that refuses.
async fn open_nothing(stack: &Stack, all: &BTreeMap<String, Credentials>) {
    let before = everything(stack).await;
    let calls = every_call(stack);
    for (what, credentials) in all {
        let signing = Signing::new(stack.state(), credentials.clone());
        stack.inner().iam().forget_decisions();
        for call in &calls {
            call.is_refused(stack, what, &call.sign(stack, &signing)).await;
        }
        let decisions = stack.inner().iam().decisions();
        let refused =
            |record: &&DecisionRecord| record.action == "execute-api:Invoke" && !record.verdict.is_allowed();
        assert_eq!(decisions.iter().filter(refused).count(), calls.len(), "{what}: {decisions:?}");
    }
    assert_eq!(everything(stack).await, before);
}

async fn credentials_that_are_handed_out_open_no_route(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let mut all = BTreeMap::new();
    for tenant in ["acme", "globex"] {
        for access in ["read", "write"] {
            let vended = Vended::ask(&stack, tenant, access).await;
            all.insert(format!("{tenant}'s credentials to {access}"), vended.credentials);
        }
    }
    open_nothing(&stack, &all).await;
}

async fn no_functions_credentials_open_a_route(mode: &str) {
    let stack = Stack::in_mode(mode).await;
    let functions = &stack.inner().stack().functions;
    let all: BTreeMap<_, _> = functions
        .iter()
        .map(|function| {
            let principal = stack.inner().credentials_of(&function.name).expect("a function of the template");
            let principal = principal.expect("the stack runs the functions");
            let token = principal.session_token.as_ref().map(|token| token.expose().to_owned());
            let secret = principal.secret.expose();
            (
                function.name.clone(),
                Credentials::new(&principal.access_key_id, secret, token, None, "function"),
            )
        })
        .collect();
    assert_eq!(all.len(), functions.len());
    open_nothing(&stack, &all).await;
}

in_both_modes!(credentials_that_are_handed_out_open_no_route, no_functions_credentials_open_a_route);

#[tokio::test]
async fn the_admins_signature_opens_every_route() {
    let stack = Stack::start().await;
    for call in every_call(&stack) {
        // What the calls before have done may make it a conflict.
        let answer = call.send(&stack, &call.sign(&stack, &admin(&stack))).await;
        let told = format!("{} {}: {answer:?}", call.method, call.path);
        assert!(!matches!(answer.status, 401 | 403 | 500..), "{told}");
    }
}
