use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::identifier::api_key_id;
use crate::testing::{self, VALUE, clock, header, request, stack};

fn management() -> Management {
    let keys = Arc::new(KeyStore::in_memory().expect("a store"));
    Management::new(keys, Arc::new(LiveStack::new(Arc::new(stack()))), clock(), false)
}

async fn call(management: &Management, method: Method, target: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = management.handle(request(method, target, &[], body.as_bytes())).await;
    let json = if response.body().is_empty() { Value::Null } else { testing::json(&response) };
    if response.status().is_success() {
        assert_eq!(header(&response, "x-amzn-errortype"), None);
        return (response.status().as_u16(), json);
    }
    let code = header(&response, "x-amzn-errortype").expect("an error has a code");
    assert!(json["message"].is_string());
    (response.status().as_u16(), code.into())
}

async fn get(management: &Management, target: &str) -> (u16, Value) {
    call(management, Method::GET, target, Value::Null).await
}

async fn create(management: &Management, name: &str) -> String {
    let (status, mut key) =
        call(management, Method::POST, "/apikeys", json!({ "name": name, "enabled": true })).await;
    assert_eq!(status, 201);
    key["id"].take().as_str().expect("an id").to_owned()
}

fn patch(path: &str, value: &str) -> Value {
    json!({ "patchOperations": [{ "op": "replace", "path": path, "value": value }] })
}

fn error(status: u16, code: &str) -> (u16, Value) {
    (status, code.into())
}

#[tokio::test]
async fn a_created_key_is_answered_with_its_value_d() {
    let management = management();
    let input = json!({
        "name": "tenantry-acme-1", "description": "acme", "enabled": true, "generateDistinctId": true,
        "value": VALUE, "tags": { "tenant-id": "acme" },
    });
    let (status, key) = call(&management, Method::POST, "/apikeys", input).await;
    assert_eq!(status, 201);
    assert_eq!(
        key,
        json!({
            "id": api_key_id("tenantry-acme-1"), "name": "tenantry-acme-1", "description": "acme",
            "enabled": true, "createdDate": 1_795_521_661, "lastUpdatedDate": 1_795_521_661,
            "stageKeys": [], "tags": { "tenant-id": "acme" }, "value": VALUE,
        })
    );
}

#[tokio::test]
async fn a_key_is_disabled_and_its_value_made_unless_told_otherwise_d() {
    let (status, key) = call(&management(), Method::POST, "/apikeys", json!({})).await;
    assert_eq!(status, 201);
    assert_eq!(key["enabled"], false);
    assert_eq!(key["value"].as_str().expect("a value").len(), 40);
}

#[tokio::test]
async fn input_that_is_not_understood_is_refused_and_not_repeated() {
    let management = management();
    for input in [
        json!({ "value": "tooshort" }),
        json!({ "value": "with-a-hyphen-in-twenty" }),
        json!({ "value": 12_345_678_901_234_567_890_u64 }),
        json!({ "name": "x".repeat(1_025) }),
        json!({ "stageKeys": [{ "restApiId": "a", "stageName": "b" }] }),
        json!({ "customerId": "c" }),
        json!([VALUE]),
    ] {
        let sent = request(Method::POST, "/apikeys", &[], input.to_string().as_bytes());
        let response = management.handle(sent).await;
        assert_eq!(response.status(), 400, "{input}");
        assert_eq!(header(&response, "x-amzn-errortype"), Some("BadRequestException"));
        let text = response.body().to_vec();
        for secret in ["tooshort", "hyphen", "1234567890", VALUE] {
            assert!(!String::from_utf8_lossy(&text).contains(secret));
        }
    }
    assert_eq!(get(&management, "/apikeys").await, (200, json!({ "item": [] })));
}

#[tokio::test]
async fn a_value_that_another_key_has_is_a_conflict_d() {
    let management = management();
    let input = |name| json!({ "name": name, "value": VALUE });
    assert_eq!(call(&management, Method::POST, "/apikeys", input("one")).await.0, 201);
    let second = call(&management, Method::POST, "/apikeys", input("two")).await;
    assert_eq!(second, error(409, "ConflictException"));
}

#[tokio::test]
async fn values_are_shown_only_where_asked_for_d() {
    let management = management();
    let id = create(&management, "one").await;
    assert_eq!(get(&management, &format!("/apikeys/{id}")).await.1["value"], Value::Null);
    assert!(get(&management, &format!("/apikeys/{id}?includeValue=true")).await.1["value"].is_string());
    assert_eq!(get(&management, "/apikeys").await.1["item"][0]["value"], Value::Null);
    assert!(get(&management, "/apikeys?includeValues=true").await.1["item"][0]["value"].is_string());
    assert_eq!(get(&management, "/apikeys?includeValues=yes").await, error(400, "BadRequestException"));
    assert_eq!(get(&management, "/apikeys/nobody").await, error(404, "NotFoundException"));
}

#[tokio::test]
async fn keys_are_found_by_the_beginning_of_their_name_over_pages_d() {
    let management = management();
    for name in ["tenantry-acme-1", "tenantry-acme-2", "tenantry-acme-3", "tenantry-globex-1"] {
        create(&management, name).await;
    }
    let (_, page) = get(&management, "/apikeys?name=tenantry-acme-&limit=2").await;
    assert_eq!(page["item"].as_array().expect("items").len(), 2);
    let position = page["position"].as_str().expect("there is more");
    let (_, rest) =
        get(&management, &format!("/apikeys?limit=2&name=tenantry-acme%2D&position={position}")).await;
    assert_eq!(rest["item"].as_array().expect("items").len(), 1);
    assert_eq!(rest["position"], Value::Null);
    for limit in ["0", "501", "many"] {
        assert_eq!(
            get(&management, &format!("/apikeys?limit={limit}")).await,
            error(400, "BadRequestException")
        );
    }
    assert_eq!(get(&management, "/apikeys?customerId=x").await, error(400, "BadRequestException"));
}

#[tokio::test]
async fn a_key_is_changed_by_patch_operations_d() {
    let management = management();
    let id = create(&management, "one").await;
    let target = format!("/apikeys/{id}");
    let (status, key) = call(&management, Method::PATCH, &target, patch("/enabled", "false")).await;
    assert_eq!((status, &key["enabled"], &key["value"]), (200, &json!(false), &Value::Null));
    let (_, key) = call(&management, Method::PATCH, &target, patch("/name", "two")).await;
    assert_eq!((key["name"].as_str(), key["id"].as_str()), (Some("two"), Some(id.as_str())));
    let (_, key) = call(&management, Method::PATCH, &target, patch("/description", "d")).await;
    assert_eq!(key["description"], "d");

    let refused = error(400, "BadRequestException");
    assert_eq!(call(&management, Method::PATCH, &target, patch("/value", VALUE)).await, refused);
    assert_eq!(call(&management, Method::PATCH, &target, patch("/enabled", "maybe")).await, refused);
    let add = json!({ "patchOperations": [{ "op": "add", "path": "/name", "value": "x" }] });
    assert_eq!(call(&management, Method::PATCH, &target, add).await, refused);
    let unknown = call(&management, Method::PATCH, "/apikeys/nobody", patch("/name", "x")).await;
    assert_eq!(unknown, error(404, "NotFoundException"));
}

#[tokio::test]
async fn a_deleted_key_is_gone_from_its_plans_too_d() {
    let management = management();
    let id = create(&management, "one").await;
    let attach = json!({ "keyId": id, "keyType": "API_KEY" });
    assert_eq!(call(&management, Method::POST, "/usageplans/free00/keys", attach).await.0, 201);
    let target = format!("/apikeys/{id}");
    assert_eq!(call(&management, Method::DELETE, &target, Value::Null).await, (202, Value::Null));
    assert_eq!(
        call(&management, Method::DELETE, &target, Value::Null).await,
        error(404, "NotFoundException")
    );
    assert_eq!(get(&management, "/usageplans/free00/keys").await, (200, json!({ "item": [] })));
}

#[tokio::test]
async fn plans_are_those_of_the_template_d() {
    let management = management();
    let (status, plan) = get(&management, "/usageplans/free00").await;
    assert_eq!(status, 200);
    assert_eq!(
        plan,
        json!({
            "id": "free00", "name": "tenantry-free00", "throttle": { "rateLimit": 5.0, "burstLimit": 10 },
            "apiStages": [{
                "apiId": "dataapi001", "stage": "v1",
                "throttle": { "/tenant/GET": { "rateLimit": 0.5, "burstLimit": 4 } },
            }],
        })
    );
    let (_, page) = get(&management, "/usageplans?limit=2").await;
    assert_eq!(page["item"].as_array().expect("items").len(), 2);
    let position = page["position"].as_str().expect("there is more");
    let (_, rest) = get(&management, &format!("/usageplans?position={position}")).await;
    assert_eq!(rest["item"][0]["id"], "stand0");
    assert_eq!(get(&management, "/usageplans/nowhere").await, error(404, "NotFoundException"));
}

#[tokio::test]
async fn plans_are_found_by_a_key_that_is_in_them_d() {
    let management = management();
    let id = create(&management, "one").await;
    assert_eq!(get(&management, &format!("/usageplans?keyId={id}")).await, (200, json!({ "item": [] })));
    let attach = json!({ "keyId": id, "keyType": "API_KEY" });
    call(&management, Method::POST, "/usageplans/stand0/keys", attach).await;
    let (_, found) = get(&management, &format!("/usageplans?keyId={id}")).await;
    assert_eq!(found["item"][0]["id"], "stand0");
}

#[tokio::test]
async fn a_key_is_put_into_a_plan_and_taken_out_again_d() {
    let management = management();
    let id = create(&management, "one").await;
    let attach = || json!({ "keyId": id, "keyType": "API_KEY" });
    let member = json!({ "id": id, "type": "API_KEY", "name": "one" });
    let created = call(&management, Method::POST, "/usageplans/free00/keys", attach()).await;
    assert_eq!(created, (201, member.clone()));
    let target = format!("/usageplans/free00/keys/{id}");
    assert_eq!(get(&management, &target).await, (200, member.clone()));
    assert_eq!(get(&management, "/usageplans/free00/keys?name=on").await, (200, json!({ "item": [member] })));

    let conflict = error(409, "ConflictException");
    assert_eq!(call(&management, Method::POST, "/usageplans/free00/keys", attach()).await, conflict);
    assert_eq!(call(&management, Method::POST, "/usageplans/stand0/keys", attach()).await, conflict);
    let missing = error(404, "NotFoundException");
    assert_eq!(call(&management, Method::POST, "/usageplans/nowhere/keys", attach()).await, missing);
    let other = json!({ "keyId": id, "keyType": "OTHER" });
    let refused = call(&management, Method::POST, "/usageplans/free00/keys", other).await;
    assert_eq!(refused, error(400, "BadRequestException"));

    assert_eq!(call(&management, Method::DELETE, &target, Value::Null).await, (202, Value::Null));
    assert_eq!(call(&management, Method::DELETE, &target, Value::Null).await, missing);
    assert_eq!(get(&management, &target).await, missing);
}

#[tokio::test]
async fn any_other_call_is_refused_clearly() {
    let management = management();
    for (method, target) in [
        (Method::POST, "/usageplans"),
        (Method::PATCH, "/usageplans/free00"),
        (Method::GET, "/restapis/dataapi001"),
        (Method::POST, "/apikeys?mode=import&format=csv"),
        (Method::PUT, "/apikeys"),
        (Method::GET, "/"),
    ] {
        let response = management.handle(request(method, target, &[], b"")).await;
        assert_eq!(response.status(), 501, "{target}");
        assert_eq!(header(&response, "x-amzn-errortype"), Some("UnsupportedOperation"));
        assert!(
            testing::json(&response)["message"].as_str().expect("a message").contains("does not support")
        );
    }
}

#[tokio::test]
async fn usage_is_reported_by_day_and_what_is_left_can_be_set_d() {
    let mut stack = stack();
    stack.plans[0].quota =
        Some(stack_template::Quota { limit: 10, period: stack_template::Period::Month, offset: 0 });
    let keys = Arc::new(KeyStore::in_memory().expect("a store"));
    let management = Management::new(keys, Arc::new(LiveStack::new(Arc::new(stack))), clock(), false);
    let id = create(&management, "a").await;
    let attach = json!({ "keyId": id, "keyType": "API_KEY" });
    call(&management, Method::POST, "/usageplans/free00/keys", attach).await;

    let target = format!("/usageplans/free00/keys/{id}/usage");
    let report = |first: &str, last: &str, pairs: Value| json!({ "usagePlanId": "free00", "startDate": first, "endDate": last, "values": { &id: pairs } });
    let (status, set) = call(&management, Method::PATCH, &target, patch("/remaining", "4")).await;
    assert_eq!((status, set), (200, report("2026-11-24", "2026-11-24", json!([[0, 4]]))));
    let (_, told) =
        get(&management, "/usageplans/free00/usage?startDate=2026-11-23&endDate=2026-11-25").await;
    assert_eq!(told, report("2026-11-23", "2026-11-25", json!([[0, 10], [0, 4], [0, 4]])));
    let one = format!("/usageplans/free00/usage?startDate=2026-11-24&endDate=2026-11-24&keyId={id}");
    assert_eq!(get(&management, &one).await.1["values"][&id], json!([[0, 4]]));

    for (path, value) in [("/remaining", "-1"), ("/remaining", "some"), ("/used", "1")] {
        let refused = call(&management, Method::PATCH, &target, patch(path, value)).await;
        assert_eq!(refused, error(400, "BadRequestException"), "{path} {value}");
    }
    let empty = call(&management, Method::PATCH, &target, json!({ "patchOperations": [] })).await;
    assert_eq!(empty, error(400, "BadRequestException"));
    for query in [
        "",
        "startDate=2026-11-24",
        "startDate=2026-11-24&endDate=2026-11-23",
        "startDate=2026-11-24&endDate=tomorrow",
        "startDate=2026-01-01&endDate=2026-11-24",
        "startDate=1969-01-01&endDate=1969-01-02",
    ] {
        let refused = get(&management, &format!("/usageplans/free00/usage?{query}")).await;
        assert_eq!(refused, error(400, "BadRequestException"), "{query}");
    }
    let days = "startDate=2026-11-24&endDate=2026-11-24";
    let missing = error(404, "NotFoundException");
    assert_eq!(get(&management, &format!("/usageplans/nowhere/usage?{days}")).await, missing);
    assert_eq!(get(&management, &format!("/usageplans/free00/usage?{days}&keyId=nobody")).await, missing);
    let foreign = format!("/usageplans/stand0/keys/{id}/usage");
    assert_eq!(call(&management, Method::PATCH, &foreign, patch("/remaining", "1")).await, missing);
    assert_eq!(
        get(&management, &format!("/usageplans/free00/usage?{days}")).await.1["values"][&id],
        json!([[0, 4]])
    );
}

#[tokio::test]
async fn usage_comes_in_pages_of_keys_d() {
    let management = management();
    for name in ["a", "b", "c"] {
        let attach = json!({ "keyId": create(&management, name).await, "keyType": "API_KEY" });
        call(&management, Method::POST, "/usageplans/free00/keys", attach).await;
    }
    let mut seen = Vec::new();
    let mut position = String::new();
    loop {
        let target =
            format!("/usageplans/free00/usage?startDate=2026-11-24&endDate=2026-11-24&limit=2{position}");
        let (_, page) = get(&management, &target).await;
        seen.extend(page["values"].as_object().expect("keys").keys().cloned());
        match page["position"].as_str() {
            Some(next) => position = format!("&position={next}"),
            None => break,
        }
    }
    let mut all = ["a", "b", "c"].map(api_key_id);
    all.sort();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn apis_and_their_stages_are_those_of_the_template_d() {
    let management = management();
    let (_, apis) = get(&management, "/restapis").await;
    assert_eq!(
        apis,
        json!({ "item": [{
            "id": "dataapi001", "name": "data", "createdDate": 1_795_521_661, "apiKeySource": "HEADER",
            "endpointConfiguration": { "types": ["REGIONAL"] }, "disableExecuteApiEndpoint": false,
            "binaryMediaTypes": ["image/png"],
        }] })
    );
    let (_, stages) = get(&management, "/restapis/dataapi001/stages").await;
    assert_eq!(stages["item"][0]["stageName"], "v1");
    assert_eq!(stages["item"][0]["methodSettings"], json!({}));
    assert_eq!(get(&management, "/restapis/nowhere/stages").await, error(404, "NotFoundException"));
}

#[tokio::test]
async fn the_published_rates_hold_where_they_are_asked_for_d() {
    let keys = Arc::new(KeyStore::in_memory().expect("a store"));
    let management = Management::new(keys, Arc::new(LiveStack::new(Arc::new(stack()))), clock(), true);
    let refused = error(429, "TooManyRequestsException");
    for number in 0..8 {
        let answer = call(&management, Method::POST, "/apikeys", json!({ "name": "a" })).await;
        assert_eq!(answer == refused, number >= 5, "creation {number}: {answer:?}");
    }
    for number in 0..40 {
        let answer = get(&management, "/apikeys").await;
        assert_eq!(answer == refused, number >= 35, "call {number}: {answer:?}");
    }
}

#[tokio::test]
async fn the_published_rates_begin_anew_when_the_clock_is_set_back() {
    let ahead = Arc::new(std::sync::atomic::AtomicU64::new(31 * 24 * 3_600));
    let moved = Arc::clone(&ahead);
    let clock: Clock = Arc::new(move || {
        testing::now() + std::time::Duration::from_secs(moved.load(std::sync::atomic::Ordering::Relaxed))
    });
    let keys = Arc::new(KeyStore::in_memory().expect("a store"));
    let management = Management::new(keys, Arc::new(LiveStack::new(Arc::new(stack()))), clock, true);
    for _ in 0..50 {
        get(&management, "/apikeys").await;
    }
    assert_eq!(get(&management, "/apikeys").await, error(429, "TooManyRequestsException"));
    ahead.store(0, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(get(&management, "/apikeys").await.0, 200);
}

#[tokio::test]
async fn a_stages_own_limits_are_told_with_their_paths_escaped_d() {
    let mut stack = stack();
    let setting = |path: &str, method: &str| stack_template::StageThrottle {
        path: path.to_owned(),
        method: method.to_owned(),
        throttle: stack_template::Throttle { rate: 2.5, burst: 7 },
    };
    stack.apis[0].stage_throttles =
        vec![setting("/*", "*"), setting("/open/{id}", "GET"), setting("/", "POST")];
    let keys = Arc::new(KeyStore::in_memory().expect("a store"));
    let management = Management::new(keys, Arc::new(LiveStack::new(Arc::new(stack))), clock(), false);
    let (_, stages) = get(&management, "/restapis/dataapi001/stages").await;
    let limit = json!({ "throttlingRateLimit": 2.5, "throttlingBurstLimit": 7 });
    let expected = json!({ "*/*": limit, "~1open~1{id}/GET": limit, "~1/POST": limit });
    assert_eq!(stages["item"][0]["methodSettings"], expected);
}
