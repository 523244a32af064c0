//! Whether many tenants are as fast to serve and to administer as few.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use local_gateway::{ApiKeyValue, NewApiKey};
use serde::Serialize;
use serde_json::{Value, json};
use tenant_context::UsageItem;
use testkit::{Signing, Stack};

use crate::client::{Client, Target};
use crate::load::percentile;

/// Tenants of the two stacks that are compared, demo tenants included.
const SIZES: [u32; 2] = [10, 9_000];
/// What an answer may cost with many tenants, in answers with few.
const BUDGET: f64 = 1.5;
/// Requests of each kind and size that are measured.
const CALLS: u32 = 1_000;
/// Requests of each kind and size that are not measured.
const WARM_UP: u32 = 200;
/// The tenant that the others are copies of. No other text in its items holds its id.
const MODEL: &str = "bench00000";
/// Items of one call that writes.
const BATCH: usize = 25;

/// What has to stay as fast on the control API: in words, and the path. An answer holds as much with few tenants
/// as with many.
const OF_THE_CONTROL_API: &[(&str, &str)] =
    &[("the first page of tenants", "/tenants?limit=8"), ("who is near a quota", "/usage?at=80&limit=6")];

/// Medians.
#[derive(Debug, Serialize)]
pub(crate) struct Tenants {
    pub(crate) few: u32,
    pub(crate) many: u32,
    pub(crate) questions: Vec<Question>,
    pub(crate) budget: f64,
    pub(crate) passed: bool,
}

/// What was asked, and how long an answer takes.
#[derive(Debug, Serialize)]
pub(crate) struct Question {
    pub(crate) what: &'static str,
    /// With few tenants, in milliseconds.
    pub(crate) few_ms: f64,
    /// With many, in milliseconds.
    pub(crate) many_ms: f64,
    pub(crate) ratio: f64,
    pub(crate) passed: bool,
}

/// Fills two stacks that keep no contexts, and asks them the same in turns.
///
/// It is to run as a task of its own, on the same threads as the stacks.
pub(crate) async fn measure(stacks: [&Stack; 2]) -> anyhow::Result<Tenants> {
    let [few, many] = SIZES;
    let keys = [fill(stacks[0], few).await?, fill(stacks[1], many).await?];
    let mut questions = vec![lookup(stacks, &keys).await?];
    for (what, path) in OF_THE_CONTROL_API {
        questions.push(control(stacks, what, path).await?);
    }
    let passed = questions.iter().all(|question| question.passed);
    Ok(Tenants { few, many, questions, budget: BUDGET, passed })
}

/// `GET /tenant` by another tenant each time, through gateway and function, which look up key and context.
async fn lookup(stacks: [&Stack; 2], keys: &[Vec<String>; 2]) -> anyhow::Result<Question> {
    let target = |place: usize, turn: u32| {
        let keys = &keys[place];
        // A step that shares no factor with either number comes by every tenant.
        let key = &keys[usize::try_from(turn)? * 7_919 % keys.len()];
        Target::new(&format!("{}/tenant", stacks[place].state().api_url), key)
    };
    compare("GET /tenant, not cached", target, None).await
}

/// A signed GET on the control API.
async fn control(stacks: [&Stack; 2], what: &'static str, path: &'static str) -> anyhow::Result<Question> {
    let signing = stacks.map(|stack| Signing::new(stack.state(), stack.admin_credentials()));
    let target = |place: usize, _| {
        Target::signed(&format!("{}{path}", stacks[place].state().admin_url), &signing[place])
    };
    compare(what, target, Some("items")).await
}

/// Asks both stacks in turns. The answers' lists of a name, if one is given, must be as long as each other's.
async fn compare(
    what: &'static str,
    target: impl Fn(usize, u32) -> anyhow::Result<Target>,
    list: Option<&str>,
) -> anyhow::Result<Question> {
    let mut clients = [target(0, 0)?.connect().await?, target(1, 0)?.connect().await?];
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..WARM_UP + CALLS {
        // What ran before leaves its traces in the caches, so each comes first as often as the other.
        let order = if turn % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut lengths = [0, 0];
        for place in order {
            let (took, length) = ask(&mut clients[place], target(place, turn)?, list).await?;
            lengths[place] = length;
            if turn >= WARM_UP {
                times[place].push(took);
            }
        }
        ensure!(lengths[0] == lengths[1], "{what}: {lengths:?} items, which cannot be compared");
    }
    let [few_ms, many_ms] = times.map(|mut times| {
        times.sort_unstable();
        percentile(&times, 50)
    });
    let ratio = many_ms / few_ms;
    Ok(Question { what, few_ms, many_ms, ratio, passed: ratio <= BUDGET })
}

/// One request: how long it took, and how long the answer's list is.
async fn ask(client: &mut Client, target: Target, list: Option<&str>) -> anyhow::Result<(Duration, usize)> {
    let (took, answer) = client.ask(target).await?;
    let Some(list) = list else { return Ok((took, 0)) };
    let answer: Value = serde_json::from_slice(answer.body()).context("the answer is no JSON")?;
    let items = answer[list].as_array().with_context(|| format!("{answer} has no {list}"))?;
    Ok((took, items.len()))
}

/// Fills a stack up to so many tenants, and gives the values of all new keys. One tenant is onboarded; the others
/// are copies of its items and its key under ids of their own, since nine thousand onboardings would take longer
/// than all that is measured.
async fn fill(stack: &Stack, size: u32) -> anyhow::Result<Vec<String>> {
    let body = json!({"tenant_id": MODEL, "name": MODEL, "email": "ops@bench.example", "tier": "premium"});
    let onboarded = stack.as_admin("POST", "/tenants", &body.to_string()).await;
    ensure!(onboarded.status == 201, "the onboarding was answered {}", onboarded.status);
    let onboarded = onboarded.json();
    let text = |member: &str| onboarded["api_key"][member].as_str().map(str::to_owned);
    let model_key = text("api_key_id").context("a tenant has a key's id")?;
    let mut values = vec![text("value").context("a new key has a value")?];
    use_up(stack, &model_key).await?;
    let model = items_of(stack, &model_key).await?;
    let mut copies = Vec::new();
    for number in 1..=size - count(stack).await? {
        let id = format!("bench{number:05}");
        let value = format!("bench{number:035}");
        let key_id = copy_key(stack, &model_key, &id, &value)?;
        values.push(value);
        let copy = |item: &str| item.replace(MODEL, &id).replace(&model_key, &key_id);
        for (table, item) in &model {
            copies.push((table.as_str(), serde_json::from_str::<Value>(&copy(item))?));
        }
    }
    for batch in copies.chunks(BATCH) {
        let mut requests = serde_json::Map::new();
        for (table, item) in batch {
            let of_table = requests.entry(*table).or_insert_with(|| json!([]));
            let of_table = of_table.as_array_mut().context("requests are a list")?;
            of_table.push(json!({"PutRequest": {"Item": item}}));
        }
        let written = json!({"RequestItems": requests});
        let answer = stack.inner().database().call("BatchWriteItem", &written).await?;
        let left = answer["UnprocessedItems"].as_object().is_some_and(|left| !left.is_empty());
        ensure!(!left, "a batch was not written as a whole");
    }
    let found = count(stack).await?;
    ensure!(found == size, "{found} tenants are there in place of {size}");
    Ok(values)
}

/// Lets the usage table tell that the key has used up nine tenths of a quota. The plans of these stacks have none.
async fn use_up(stack: &Stack, key_id: &str) -> anyhow::Result<()> {
    let (text, number) = (|text: &str| json!({ "S": text }), |number: &str| json!({ "N": number }));
    let item = json!({
        "api_key_id": text(key_id), "day": text(UsageItem::DAY), "tenant_id": text(MODEL), "plan": text("premium"),
        "limit": number("1000"), "period": text("MONTH"), "used": number("900"), "remaining": number("100"),
        "share": number("900"), "pace": number("10"), "resets_at": text("2100-01-01T00:00:00Z"),
        "as_of": text("2026-12-01T00:00:00Z"), "quota": text(UsageItem::WITH_QUOTA),
        "expires_at": number("4102444800"),
    });
    let put = json!({"TableName": stack.state().tables["usage"], "Item": item});
    stack.inner().database().call("PutItem", &put).await?;
    Ok(())
}

/// The onboarded tenant's items of all tables, as texts.
async fn items_of(stack: &Stack, key_id: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for table in stack.state().tables.values() {
        // One page has all: there are a few demo tenants besides.
        let page = stack.inner().database().call("Scan", &json!({"TableName": table})).await?;
        let items = page["Items"].as_array().context("a page has items")?;
        let texts = items.iter().map(Value::to_string);
        let own = texts.filter(|item| item.contains(MODEL) || item.contains(key_id));
        found.extend(own.map(|item| (table.clone(), item)));
    }
    ensure!(found.len() >= 2, "an onboarded tenant has an item of its own and its key's context");
    Ok(found)
}

/// Copies the onboarded tenant's key and its place in a plan. Answers the new key's id.
fn copy_key(stack: &Stack, model: &str, id: &str, value: &str) -> anyhow::Result<String> {
    let (keys, plans) = (stack.inner().keys(), stack.inner().stack());
    let model = keys.get(model).context("the onboarded tenant's key is gone")?;
    let new = NewApiKey {
        name: model.name.replace(MODEL, id),
        value: Some(ApiKeyValue::new(value.to_owned())?),
        description: model.description.as_ref().map(|text| text.replace(MODEL, id)),
        enabled: true,
        tags: model.tags.iter().map(|(name, text)| (name.clone(), text.replace(MODEL, id))).collect(),
    };
    let plan = plans.plans.iter().find(|plan| keys.member(&plan.id, &model.id).is_some());
    let plan = plan.context("the onboarded tenant's key is in no plan")?;
    let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(model.created)?);
    let key = keys.create(new, at)?;
    keys.attach(&plans.plans, &plan.id, &key.id, at)?;
    Ok(key.id.clone())
}

/// How many tenants the stack has.
async fn count(stack: &Stack) -> anyhow::Result<u32> {
    let (mut all, mut start) = (0, Value::Null);
    loop {
        let mut scan = json!({"TableName": stack.state().tables["tenants"], "Select": "COUNT"});
        if !start.is_null() {
            scan["ExclusiveStartKey"] = start;
        }
        let page = stack.inner().database().call("Scan", &scan).await?;
        all += u32::try_from(page["Count"].as_u64().context("a page has a count")?)?;
        start = page["LastEvaluatedKey"].clone();
        if start.is_null() {
            return Ok(all);
        }
    }
}
