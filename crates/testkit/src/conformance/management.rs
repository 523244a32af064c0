//! Usage, keys and plans as the management calls tell them.

use aws_sdk_apigateway::types::{ApiKeySourceType, Op, PatchOperation};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Duration};

use super::check::{describe, expect, expect_eq, expect_status, expect_used_up, failed, refusal};
use super::limits::findings;
use super::target::Key;
use super::throttles::{SECTION, STRICT, use_up};
use super::{Case, Check, Run, Tag, Target};

const DATE: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");
const NO_API: &str = "a template is read, and nothing is asked of an API";

fn case(tag: Tag, name: &'static str, run: Run) -> Case {
    Case::new(SECTION, tag, name, run)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(Tag::Documented, "GetUsage answers used and remaining for each key and day", |t| {
            Box::pin(usage_by_day(t))
        })
        .local("AWS counts a while after it has answered"),
        case(Tag::Documented, "UpdateUsage changes what enforcement goes by", |t| Box::pin(update_usage(t))),
        case(Tag::Documented, "UpdateUsage sets exactly what remains", |t| Box::pin(update_exactly(t)))
            .local(STRICT),
        case(Tag::Assumed, "GetUsage of a key outside of the plan is a 404", |t| Box::pin(unknown_member(t))),
        case(Tag::Documented, "A plan names its methods' limits by path and method", |t| {
            Box::pin(throttle_names(t))
        }),
        case(Tag::Documented, "A plan with method limits needs a limit of its own", |_| {
            Box::pin(std::future::ready(needs_throttle()))
        })
        .local(NO_API),
        case(Tag::Documented, "A key can be in several plans", |t| Box::pin(several_plans(t))),
        case(Tag::Documented, "A key can be in one plan of a stage alone", |t| {
            Box::pin(one_plan_of_a_stage(t))
        }),
        case(Tag::Measured, "A key's value of less than 20 characters is refused in AWS's words", |t| {
            Box::pin(short_value(t))
        }),
        case(Tag::Documented, "A key's value has 20 to 128 characters", |t| Box::pin(value_lengths(t))),
        case(Tag::Assumed, "A key's value is alphanumeric", |t| Box::pin(alphanumeric(t)))
            .local("AWS's page says so of values, and not that it refuses others"),
        case(Tag::Documented, "A key's id is not its value", |t| Box::pin(id_is_not_value(t))),
        case(Tag::Documented, "apiKeySource is HEADER by default", |t| Box::pin(key_source(t))),
        case(Tag::Documented, "The stage's own limits are its method settings", |t| Box::pin(settings(t))),
    ]
}

/// A key's pairs of used and remaining requests, one for each day.
pub(super) async fn usage(
    target: &Target,
    plan: &str,
    key: &Key,
    first: Date,
    last: Date,
) -> Result<Vec<Vec<i64>>, String> {
    let date = |day: Date| day.format(DATE).map_err(|error| error.to_string());
    let call = target
        .gateway()
        .get_usage()
        .usage_plan_id(target.plan(plan).await?)
        .key_id(&key.id)
        .start_date(date(first)?)
        .end_date(date(last)?);
    let report = call.send().await.map_err(|error| failed("GetUsage", &error))?;
    expect_eq("startDate", &report.start_date(), &Some(date(first)?.as_str()))?;
    expect_eq("endDate", &report.end_date(), &Some(date(last)?.as_str()))?;
    let days = report.items().and_then(|keys| keys.get(&key.id)).cloned();
    days.ok_or_else(|| "the report's values do not name the key".to_owned())
}

async fn usage_by_day(target: &Target) -> Check {
    let today = target.now().await?.date();
    let key = target.used_once("daily").await?;
    let yesterday = today.saturating_sub(Duration::DAY);
    let days = usage(target, "daily", &key, yesterday, today).await?;
    expect_eq("yesterday and today", &days[..], &[[0_i64, 3], [1, 2]][..])?;
    let answer = target.get(&key, "/fixture/echo").await?;
    expect_status("a further request", &answer, 200)?;
    let days = usage(target, "daily", &key, today, today).await?;
    expect_eq("today", &days[..], &[[2_i64, 1]][..])
}

/// Sets what remains of a quota.
async fn set_remaining(target: &Target, plan: &str, key: &Key, remaining: &str) -> Check {
    let replace = PatchOperation::builder().op(Op::Replace).path("/remaining").value(remaining).build();
    let call = target.gateway().update_usage().usage_plan_id(target.plan(plan).await?).key_id(&key.id);
    let done = call.patch_operations(replace).send().await;
    done.map(drop).map_err(|error| failed("UpdateUsage", &error))
}

async fn update_usage(target: &Target) -> Check {
    let mut patience = target.limits_patience();
    // Refused first, so that what passes then was given by hand.
    let (key, _) = use_up(target, &mut patience).await?;
    set_remaining(target, "daily", &key, "100").await?;
    let mut passed = 0;
    // More than the quota is, which nothing else would let through on one day.
    while passed < 5 {
        let answer = target.get(&key, "/fixture/echo").await?;
        if answer.status == 200 {
            passed += 1;
        } else {
            let told = describe(&answer);
            patience
                .wait(|| format!("with 100 left, {passed} passed and the next is answered {told}"))
                .await?;
        }
    }
    set_remaining(target, "daily", &key, "0").await?;
    loop {
        let answer = target.get(&key, "/fixture/echo").await?;
        if answer.status != 200 {
            return expect_used_up("a request with nothing left", &answer);
        }
        patience.wait(|| "with nothing left, a request passes".to_owned()).await?;
    }
}

async fn update_exactly(target: &Target) -> Check {
    let today = target.now().await?.date();
    let key = target.used_once("daily").await?;
    set_remaining(target, "daily", &key, "5").await?;
    let days = usage(target, "daily", &key, today, today).await?;
    expect_eq("what remains", &days.first().and_then(|pair| pair.get(1)).copied(), &Some(5))?;
    for _ in 0..5 {
        expect_status("a request that is left", &target.get(&key, "/fixture/echo").await?, 200)?;
    }
    expect_used_up("a further request", &target.get(&key, "/fixture/echo").await?)
}

async fn unknown_member(target: &Target) -> Check {
    let today = target.now().await?.date().format(DATE).map_err(|error| error.to_string())?;
    let plan = target.plan("daily").await?;
    let outside = target.key(None).await?;
    for id in ["zzzzzzzzzz", outside.id.as_str()] {
        let call = target.gateway().get_usage().usage_plan_id(&plan).key_id(id);
        let done = call.start_date(&today).end_date(&today).send().await;
        let (code, message) = refusal(&format!("GetUsage of {id}"), done)?;
        expect_eq("the code", code.as_str(), "NotFoundException")?;
        expect_eq("the message", message.as_str(), "Invalid Key identifier specified")?;
    }
    Ok(())
}

async fn throttle_names(target: &Target) -> Check {
    let plan = target.gateway().get_usage_plan().usage_plan_id(target.plan("throttled").await?);
    let plan = plan.send().await.map_err(|error| failed("GetUsagePlan", &error))?;
    let throttles = plan.api_stages().first().and_then(|stage| stage.throttle());
    let throttles = throttles.ok_or("the plan has no stage with method limits")?;
    let mut names: Vec<_> = throttles.keys().map(String::as_str).collect();
    names.sort_unstable();
    expect_eq("the names", &names[..], &["//GET", "/limited/echo/GET"][..])?;
    let limited =
        throttles.get("/limited/echo/GET").map(aws_sdk_apigateway::types::ThrottleSettings::burst_limit);
    expect_eq("the burst of /limited/echo/GET", &limited, &Some(3))
}

fn needs_throttle() -> Check {
    expect_eq("the findings with a plan's limit", &findings(1, true), &Vec::<String>::new())?;
    let without = findings(1, false);
    let told = without.iter().any(|finding| finding.contains("need a Throttle of the plan itself"));
    expect(told, || format!("the findings without a plan's limit are {without:?}"))
}

async fn several_plans(target: &Target) -> Check {
    let key = target.used_once("open").await?;
    target.attach(&key, "closed").await?;
    let call = target.gateway().get_usage_plans().key_id(&key.id);
    let plans = call.send().await.map_err(|error| failed("GetUsagePlans", &error))?;
    let mut names: Vec<_> = plans.items().iter().filter_map(|plan| plan.name()).collect();
    names.sort_unstable();
    expect_eq("the key's plans", &names[..], &["closed", "open"][..])?;
    expect_status("a key in two plans", &target.get(&key, "/fixture/echo").await?, 200)
}

async fn one_plan_of_a_stage(target: &Target) -> Check {
    let key = target.key(Some("open")).await?;
    let call = target.gateway().create_usage_plan_key().usage_plan_id(target.plan("daily").await?);
    let done = call.key_id(&key.id).key_type("API_KEY").send().await;
    let (code, _) = refusal("CreateUsagePlanKey", done)?;
    // AWS says that it is refused, and not how.
    if target.is_local() { expect_eq("the code", code.as_str(), "ConflictException") } else { Ok(()) }
}

/// Tries to make a key with the value, which must be refused.
async fn refused_value(target: &Target, value: &str) -> Result<String, String> {
    let done = target.gateway().create_api_key().name("conformance-refused").value(value).send().await;
    if let Ok(key) = &done
        && let Some(id) = key.id()
    {
        // It must not be left behind, whatever else is wrong.
        let _ = target.gateway().delete_api_key().api_key(id).send().await;
    }
    let (code, message) = refusal(&format!("CreateApiKey with {} characters", value.len()), done)?;
    expect_eq("the code", code.as_str(), "BadRequestException")?;
    Ok(message)
}

/// The words were recorded in issue 2607 of getmoto/moto.
async fn short_value(target: &Target) -> Check {
    let message = refused_value(target, &target.fresh_value(19)).await?;
    expect_eq("the message", message.as_str(), "API Key value should be at least 20 characters")
}

async fn value_lengths(target: &Target) -> Check {
    for length in [20, 128] {
        let value = target.fresh_value(length);
        let key = target.key_with_value(&value).await?;
        expect(key.value == value, || format!("a value of {length} characters became another"))?;
    }
    refused_value(target, &target.fresh_value(129)).await.map(drop)
}

async fn alphanumeric(target: &Target) -> Check {
    refused_value(target, &format!("{}-_", target.fresh_value(40))).await.map(drop)
}

async fn id_is_not_value(target: &Target) -> Check {
    let key = target.key(None).await?;
    expect(key.id != key.value, || "the id is the value".to_owned())?;
    let is_value =
        (20..=128).contains(&key.value.len()) && key.value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    expect(is_value, || format!("a made value of {} characters is none", key.value.len()))?;
    let answer = target.call(None, "GET", "/fixture/echo", &[("x-api-key", &key.id)], "").await?;
    expect_status("the id in the value's place", &answer, 403)
}

/// The API's id, as an event tells it.
async fn api_id(target: &Target) -> Result<String, String> {
    let event = target.event(target.open().await?, "GET", "/fixture/echo", &[], "").await?;
    let id = event["requestContext"]["apiId"].as_str();
    id.map(str::to_owned).ok_or_else(|| "the event has no apiId".to_owned())
}

async fn key_source(target: &Target) -> Check {
    let id = api_id(target).await?;
    let mut apis = target.gateway().get_rest_apis().limit(500).into_paginator().items().send();
    while let Some(api) = apis.next().await {
        let api = api.map_err(|error| failed("GetRestApis", &error))?;
        if api.id() == Some(id.as_str()) {
            return expect_eq("apiKeySource", &api.api_key_source(), &Some(&ApiKeySourceType::Header));
        }
    }
    Err(format!("GetRestApis does not name {id}"))
}

async fn settings(target: &Target) -> Check {
    let call = target.gateway().get_stages().rest_api_id(api_id(target).await?);
    let stages = call.send().await.map_err(|error| failed("GetStages", &error))?;
    let path = target.stage_path();
    let stage = stages.item().iter().find(|stage| stage.stage_name() == Some(path.trim_matches('/')));
    let settings =
        stage.and_then(|stage| stage.method_settings()).ok_or("the stage has no method settings")?;
    let closed = settings.iter().find(|(name, _)| name.trim_start_matches("~1") == "closed~1error/GET");
    let (_, closed) = closed.ok_or_else(|| format!("the settings are for {:?}", settings.keys()))?;
    expect_eq("its burst", &closed.throttling_burst_limit(), &0_i32)?;
    expect(closed.throttling_rate_limit().abs() < f64::EPSILON, || {
        format!("its rate is {}", closed.throttling_rate_limit())
    })
}
