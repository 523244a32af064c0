//! What keys have used, from the gateway's counters to what tenants and operators are told.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use testkit::Stack;

/// The stack's time in these tests, some days into a month.
const NOON: &str = "2026-11-10T12:00:00Z";

/// A stack at noon of the tenth whose functions ask for the context of every request.
async fn start() -> Stack {
    Stack::with(|options| {
        options.parameters.push(("TenantContextTtl".to_owned(), "0".to_owned()));
        options.time = format!("fixed:{NOON}").parse().expect("a time");
    })
    .await
}

async fn requests(stack: &Stack, key: &str, number: usize) {
    for _ in 0..number {
        assert_eq!(stack.call(key, "GET", "/tenant", &[], "").await.status, 200);
    }
}

async fn usage(stack: &Stack, key: &str) -> Value {
    let answer = stack.call(key, "GET", "/usage", &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn counts(usage: &Value) -> (Option<u64>, Option<u64>) {
    (usage["quota"]["used"].as_u64(), usage["quota"]["remaining"].as_u64())
}

async fn near(stack: &Stack, query: &str) -> Value {
    let answer = stack.as_admin("GET", &format!("/usage{query}"), "").await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

fn key_ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|item| item["api_key_id"].as_str().expect("an id").to_owned()).collect()
}

async fn of_tenant(stack: &Stack, path: &str) -> Value {
    let answer = stack.as_admin("GET", &format!("/tenants/{path}"), "").await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// Sets what a key has left, as a grant does.
async fn set_remaining(stack: &Stack, plan: &str, key: &str, remaining: u64) {
    use aws_sdk_apigateway::types::{Op, PatchOperation};
    let client = stack.api_gateway();
    let plans = client.get_usage_plans().send().await.expect("plans");
    let plan = plans.items().iter().find(|known| known.name() == Some(plan)).expect("the plan");
    let left = PatchOperation::builder().op(Op::Replace).path("/remaining").value(remaining.to_string());
    let update = client.update_usage().usage_plan_id(plan.id().expect("an id")).key_id(key);
    update.patch_operations(left.build()).send().await.expect("set");
}

async fn advance(stack: &Stack, time: &str) {
    let answer = stack.local("POST", "clock", &json!({ "advance": time }).to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_key_is_told_what_it_has_used_and_nothing_of_others() {
    let stack = start().await;
    let (acme, globex) = (stack.tenant("acme").clone(), stack.tenant("globex").clone());
    requests(&stack, &acme.api_key, 3).await;
    requests(&stack, &globex.api_key, 5).await;
    stack.snap_usage(NOON).await;
    for (tenant, plan, used, limit) in [(&acme, "free", 3, 10_000), (&globex, "standard", 5, 1_000_000)] {
        let told = usage(&stack, &tenant.api_key).await;
        assert_eq!((&told["api_key_id"], &told["plan"]), (&json!(tenant.api_key_id), &json!(plan)));
        assert_eq!(counts(&told), (Some(used), Some(limit - used)));
        assert_eq!(told["quota"]["resets_at"], "2026-12-01T00:00:00Z");
        assert_eq!(told["as_of"], NOON);
        let plans = &stack.inner().stack().plans;
        let plan = plans.iter().find(|known| known.name == format!("tenantry-{plan}")).expect("the plan");
        let throttle = plan.throttle.expect("a throttle");
        assert_eq!(told["throttle"], json!({"rate": throttle.rate, "burst": throttle.burst}));
        let rows: BTreeSet<_> = plan.stages[0].routes.iter().map(|row| (&*row.method, &*row.path)).collect();
        let routes = told["routes"].as_array().expect("routes").iter();
        let routes: BTreeSet<_> = routes
            .map(|row| (row["method"].as_str().unwrap_or_default(), row["path"].as_str().unwrap_or_default()))
            .collect();
        assert_eq!(routes, rows);
    }
    // What came after the snapshot is in the next one: the request for the first one counts too.
    assert_eq!(counts(&usage(&stack, &acme.api_key).await), (Some(3), Some(9_997)));
    stack.snap_usage("2026-11-10T12:05:00Z").await;
    assert_eq!(counts(&usage(&stack, &acme.api_key).await), (Some(5), Some(9_995)));
    // A plan without a quota has a snapshot all the same.
    let told = usage(&stack, &stack.tenant("initech").api_key).await;
    assert_eq!((&told["quota"], &told["as_of"]), (&Value::Null, &json!("2026-11-10T12:05:00Z")));
}

#[tokio::test]
async fn no_request_of_a_tenants_spends_a_management_call() {
    let stack = start().await;
    // What a function's start asks for is none of a request's.
    usage(&stack, &stack.tenant("acme").api_key).await;
    stack.inner().iam().forget_decisions();
    usage(&stack, &stack.tenant("acme").api_key).await;
    let decisions = stack.inner().iam().decisions();
    let actions: Vec<_> = decisions.iter().map(|decision| decision.action.as_str()).collect();
    // The context, the plan's limits, and the key's use.
    assert_eq!(actions, ["dynamodb:GetItem"; 3]);
}

#[tokio::test]
async fn before_the_first_snapshot_nothing_is_made_up() {
    let stack = start().await;
    let key = stack.tenant("acme").clone();
    let delete = async |partition: &str, day: &str| {
        let call = stack.aws().dynamodb().delete_item().table_name(&stack.state().tables["usage"]);
        call.key("api_key_id", AttributeValue::S(partition.to_owned()))
            .key("day", AttributeValue::S(day.to_owned()))
            .send()
            .await
            .expect("deleted");
    };
    delete(&key.api_key_id, "now").await;
    let told = usage(&stack, &key.api_key).await;
    assert_eq!(
        told["quota"],
        json!({"limit": 10_000, "used": null, "remaining": null, "period": "MONTH",
               "resets_at": "2026-12-01T00:00:00Z"})
    );
    assert_eq!(told["as_of"], Value::Null);
    let page = of_tenant(&stack, "acme/usage").await;
    assert_eq!((&page["items"][0]["quota"], &page["items"][0]["as_of"]), (&Value::Null, &Value::Null));
    delete("plan#free", "plan").await;
    let refused = stack.call(&key.api_key, "GET", "/usage", &[], "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "300"));
    assert_eq!(refused.json()["type"], "urn:tenantry:problem:unavailable");
}

#[tokio::test]
async fn what_was_used_in_an_earlier_period_is_not_told_of_this_one() {
    let stack = start().await;
    let key = stack.tenant("acme").clone();
    set_remaining(&stack, "tenantry-free", &key.api_key_id, 100).await;
    stack.snap_usage(NOON).await;
    assert_eq!(key_ids(&near(&stack, "").await), [&*key.api_key_id]);
    advance(&stack, "21d").await;
    let told = usage(&stack, &key.api_key).await;
    assert_eq!((counts(&told), &told["as_of"]), ((None, None), &Value::Null));
    assert_eq!(told["quota"]["resets_at"], "2027-01-01T00:00:00Z");
    assert_eq!(key_ids(&near(&stack, "").await), Vec::<String>::new());
    stack.snap_usage("2026-12-01T12:00:00Z").await;
    assert_eq!(counts(&usage(&stack, &key.api_key).await), (Some(1), Some(9_999)));
}

#[tokio::test]
async fn days_are_counted_by_themselves_and_the_month_over_all() {
    let stack = start().await;
    let key = stack.tenant("globex").clone();
    requests(&stack, &key.api_key, 4).await;
    stack.snap_usage(NOON).await;
    // The last two of the day come after its last snapshot.
    requests(&stack, &key.api_key, 2).await;
    advance(&stack, "12h").await;
    requests(&stack, &key.api_key, 3).await;
    stack.snap_usage("2026-11-11T00:00:00Z").await;
    let page = of_tenant(&stack, "globex/usage").await;
    let item = &page["items"][0];
    assert_eq!(
        item["days"],
        json!([
            {"day": "2026-11-10", "used": 6, "remaining": 999_994},
            {"day": "2026-11-11", "used": 3, "remaining": 999_991},
        ])
    );
    // Nine requests in a day.
    assert_eq!((&item["quota"]["used"], &item["pace"]), (&json!(9), &json!(9)));
    let today = of_tenant(&stack, "globex/usage?days=1").await;
    assert_eq!(today["items"][0]["days"], json!([{"day": "2026-11-11", "used": 3, "remaining": 999_991}]));
}

#[tokio::test]
async fn a_rotated_key_tells_the_remaining_that_it_took_over() {
    let stack = start().await;
    let old = stack.tenant("globex").clone();
    requests(&stack, &old.api_key, 7).await;
    let body = json!({"rotate": old.api_key_id, "overlap_seconds": 3600}).to_string();
    let answer = stack.as_admin("POST", "/tenants/globex/keys", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let new = answer.json()["api_key"].clone();
    let (id, value) = (new["api_key_id"].as_str().expect("an id"), new["value"].as_str().expect("a value"));
    // There is no snapshot of it yet.
    assert_eq!(counts(&usage(&stack, value).await), (None, None));
    stack.snap_usage(NOON).await;
    // It has been used once, to ask.
    assert_eq!(counts(&usage(&stack, value).await), (Some(1), Some(1_000_000 - 8)));
    let page = of_tenant(&stack, "globex/usage").await;
    assert_eq!(key_ids(&page), [old.api_key_id.as_str(), id]);
    assert_eq!(page["items"][0]["quota"]["used"], 7);
}

#[tokio::test]
async fn a_key_that_changes_its_tier_keeps_its_days_and_is_told_of_its_new_plan() {
    let stack = start().await;
    let key = stack.tenant("acme").clone();
    requests(&stack, &key.api_key, 3).await;
    stack.snap_usage(NOON).await;
    let changed = stack.as_admin("PATCH", "/tenants/acme", r#"{"tier":"standard"}"#).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let told = usage(&stack, &key.api_key).await;
    assert_eq!((&told["plan"], &told["quota"]["limit"]), (&json!("standard"), &json!(1_000_000)));
    assert_eq!(counts(&told), (None, None));
    stack.snap_usage(NOON).await;
    assert_eq!(counts(&usage(&stack, &key.api_key).await), (Some(1), Some(1_000_000 - 4)));
    let page = of_tenant(&stack, "acme/usage").await;
    let days = json!([{"day": "2026-11-10", "used": 4, "remaining": 1_000_000 - 4}]);
    assert_eq!((&page["items"][0]["plan"], &page["items"][0]["days"]), (&json!("standard"), &days));
}

#[tokio::test]
async fn exactly_the_keys_beyond_a_share_are_listed_with_when_they_are_used_up() {
    let stack = start().await;
    let (acme, globex) = (stack.tenant("acme").clone(), stack.tenant("globex").clone());
    requests(&stack, &acme.api_key, 3).await;
    for (plan, key, remaining) in [
        ("tenantry-free", &acme.api_key_id, 20),
        // 79.9 percent are gone.
        ("tenantry-standard", &globex.api_key_id, 201_000),
        ("tenantry-free", &"dvecwom53i".to_owned(), 0),
    ] {
        set_remaining(&stack, plan, key, remaining).await;
    }
    stack.snap_usage(NOON).await;
    let page = near(&stack, "").await;
    assert_eq!(key_ids(&page), ["dvecwom53i", &acme.api_key_id]);
    // Three requests in a day and a half: twenty last ten days.
    assert_eq!(
        page["items"][1],
        json!({
            "tenant_id": "acme", "api_key_id": acme.api_key_id, "plan": "free", "limit": 10_000, "used": 3,
            "remaining": 20, "share": 99.8, "pace": 2, "resets_at": "2026-12-01T00:00:00Z",
            "exhausts_at": "2026-11-20T12:00:00Z", "as_of": NOON,
        })
    );
    let gone = &page["items"][0];
    assert_eq!((&gone["share"], &gone["exhausts_at"]), (&json!(100.0), &json!(NOON)));
    let wider = near(&stack, "?at=79").await;
    assert_eq!(key_ids(&wider).len(), 3);
    // Globex has made no request, so at this pace its quota is never used up.
    assert_eq!(wider["items"][2]["exhausts_at"], Value::Null);
    assert_eq!(key_ids(&near(&stack, "?at=100").await), ["dvecwom53i"]);
    for bad in ["?at=0", "?at=80%25", "?limit=0", "?cursor=x"] {
        assert_eq!(stack.as_admin("GET", &format!("/usage{bad}"), "").await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_is_listed_no_longer() {
    let stack = start().await;
    let key = stack.tenant("acme").clone();
    set_remaining(&stack, "tenantry-free", &key.api_key_id, 20).await;
    stack.snap_usage(NOON).await;
    assert_eq!(key_ids(&near(&stack, "").await), [&*key.api_key_id]);
    let path = format!("/tenants/acme/keys/{}?force=true", key.api_key_id);
    assert_eq!(stack.as_admin("DELETE", &path, "").await.status, 204);
    assert_eq!(stack.snap_usage(NOON).await, json!({"plans": 3, "keys": 3, "gone": 1}));
    assert_eq!(key_ids(&near(&stack, "").await), Vec::<String>::new());
    assert_eq!(of_tenant(&stack, "acme/usage").await, json!({"items": [], "next_cursor": null}));
}

/// Makes keys of acme's in API Gateway, and their contexts where it is said.
async fn make_keys(stack: &Stack, number: usize, with_contexts: usize) -> Vec<String> {
    let (gateway, dynamodb) = (stack.api_gateway(), stack.aws().dynamodb().clone());
    let plans = gateway.get_usage_plans().send().await.expect("plans");
    let plan = plans.items().iter().find(|known| known.name() == Some("tenantry-free")).expect("the plan");
    let plan = plan.id().expect("an id");
    let table = &stack.state().tables["api-keys"];
    let first = AttributeValue::S(stack.tenant("acme").api_key_id.clone());
    let read = dynamodb.get_item().table_name(table).key("api_key_id", first).send().await;
    let context = read.expect("readable").item.expect("acme's context");
    let mut ids = Vec::new();
    for index in 0..number {
        let made = gateway.create_api_key().name(format!("many-{index}")).enabled(true).send().await;
        let id = made.expect("a key").id.expect("an id");
        let put = gateway.create_usage_plan_key().usage_plan_id(plan).key_id(&id).key_type("API_KEY");
        put.send().await.expect("in the plan");
        if index < with_contexts {
            let mut context = context.clone();
            context.insert("api_key_id".to_owned(), AttributeValue::S(id.clone()));
            dynamodb.put_item().table_name(table).set_item(Some(context)).send().await.expect("written");
            ids.push(id);
        }
    }
    ids
}

#[tokio::test]
async fn more_keys_than_one_batch_takes_are_all_told_of_and_listed_page_by_page() {
    let stack = start().await;
    let mut ids = make_keys(&stack, 112, 110).await;
    for id in &ids {
        set_remaining(&stack, "tenantry-free", id, 1_000).await;
    }
    // A key without a context is nobody's.
    assert_eq!(stack.snap_usage(NOON).await, json!({"plans": 3, "keys": 114, "gone": 0}));
    let mut listed = Vec::new();
    let mut query = "?at=90&limit=30".to_owned();
    for pages in 1.. {
        let page = near(&stack, &query).await;
        listed.extend(key_ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(pages, 4);
            break;
        };
        query = format!("?at=90&limit=30&cursor={cursor}");
        let other = stack.as_admin("GET", &format!("/usage?at=80&cursor={cursor}"), "").await;
        assert_eq!(other.status, 400, "it belongs to another list: {other:?}");
    }
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
}
