//! Throttles and quotas. Most of these cases need limits that are kept exactly, or a clock that is moved.
//!
//! The fixture's plans refill so slowly that nothing comes back while a case runs, on however slow a machine.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::check::{
    expect, expect_eq, expect_error, expect_forbidden, expect_status, expect_throttled, expect_used_up,
};
use super::patience::Patience;
use super::target::{Key, seconds_to_midnight};
use super::{Case, Check, Run, Tag, Target};
use crate::Answer;

pub(super) const SECTION: &str = "Throttles, quotas, usage";

/// Why a case about a limit's exact number is for the local stack.
pub(super) const STRICT: &str = "AWS keeps limits as well as it can; the local stack keeps them exactly";
const CLOCK: &str = "it moves the clock";

fn case(tag: Tag, name: &'static str, run: Run) -> Case {
    Case::new(SECTION, tag, name, run)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(Tag::Documented, "A plan's method limit holds for its method alone", |t| {
            Box::pin(method_limit(t))
        })
        .local(STRICT),
        case(Tag::Documented, "A plan's limits hold for each key by itself", |t| Box::pin(per_key(t)))
            .local(STRICT),
        case(Tag::Assumed, "A plan's method limit adds to the plan's own", |t| Box::pin(adds(t)))
            .local(STRICT),
        case(Tag::Documented, "The method's limit comes first, then the plan's, then the stage's", |t| {
            Box::pin(order_of_limits(t))
        })
        .local("the local stack tells which limit refused"),
        case(Tag::Documented, "BurstLimit is the capacity", |t| Box::pin(capacity(t))).local(CLOCK),
        case(Tag::Documented, "RateLimit refills per second, in fractions too", |t| Box::pin(refill(t)))
            .local(CLOCK),
        case(Tag::Measured, "A stage throttle of 0/0 is a 429", |t| Box::pin(closed(t))),
        case(Tag::Documented, "The root resource has a limit under //GET", |t| Box::pin(root(t)))
            .local(STRICT),
        case(Tag::Documented, "A quota lets exactly its requests through", |t| Box::pin(quota(t)))
            .local(STRICT),
        case(Tag::Documented, "A day's quota turns at 00:00 UTC", |t| Box::pin(midnight(t))).local(CLOCK),
        case(Tag::Documented, "A month's quota turns with the month", |t| Box::pin(month(t))).local(CLOCK),
        case(Tag::Documented, "Offset is subtracted in the first period alone", |t| Box::pin(offset(t)))
            .local(CLOCK),
        case(Tag::Assumed, "A week's quota turns as Sunday begins", |t| Box::pin(week(t))).local(CLOCK),
        case(Tag::Assumed, "A refused request consumes no quota", |t| Box::pin(refused_is_free(t)))
            .local(STRICT),
        case(Tag::Seen, "The route is checked before the key", |t| Box::pin(route_before_key(t))),
        case(Tag::Seen, "The key is checked before the throttle", |t| Box::pin(key_before_throttle(t))),
        case(Tag::Assumed, "The throttle is checked before the quota", |t| {
            Box::pin(throttle_before_quota(t))
        }),
        case(Tag::Seen, "The throttle is checked before the function is invoked", |t| {
            Box::pin(throttle_before_function(t))
        }),
        case(Tag::Documented, "OPTIONS requires no key where the template says so", |t| {
            Box::pin(preflight(t))
        }),
        case(Tag::Documented, "A 429 carries the CORS header of the customized response", |t| {
            Box::pin(cors(t))
        }),
    ]
}

async fn passes(target: &Target, key: &Key, path: &str, times: usize) -> Check {
    for time in 1..=times {
        let answer = target.get(key, path).await?;
        expect_status(&format!("request {time} to {path}"), &answer, 200)?;
    }
    Ok(())
}

async fn is_throttled(target: &Target, key: &Key, path: &str) -> Check {
    expect_throttled(path, &target.get(key, path).await?)
}

async fn is_used_up(target: &Target, key: &Key) -> Check {
    expect_used_up("a request beyond the quota", &target.get(key, "/fixture/echo").await?)
}

/// Makes a key in the plan `daily` and uses its quota up. Answers the key and the first refusal.
pub(super) async fn use_up(target: &Target, patience: &mut Patience) -> Result<(Key, Answer), String> {
    target.now().await?;
    let key = target.used_once("daily").await?;
    let mut passed = 0;
    loop {
        let answer = target.get(&key, "/fixture/echo").await?;
        if answer.status != 200 {
            expect_used_up("a request beyond the quota", &answer)?;
            return Ok((key, answer));
        }
        passed += 1;
        // AWS counts a while after it has answered.
        if passed > 3 {
            patience.wait(|| format!("{passed} requests passed a quota of 3")).await?;
        }
    }
}

/// Moves the clock to a minute before the period's end, where the quota must still be used up, and then past
/// it. `rest` is the period's rest in seconds as of a moment ago: the clock has gone on since.
async fn turns_after(target: &Target, key: &Key, rest: u64) -> Check {
    let Some(before) = rest.checked_sub(60) else {
        return target.advance(&format!("{}s", rest + 1)).await;
    };
    target.advance(&format!("{before}s")).await?;
    is_used_up(target, key).await?;
    target.advance("61s").await
}

/// Which limit refused the key's last refused request.
async fn refused_by(target: &Target, key: &Key) -> Result<Value, String> {
    let limits = target.limits(key).await?;
    let refusal = limits.get("last_refusal").filter(|refusal| !refusal.is_null());
    let refusal = refusal.ok_or("the stack remembers no refusal")?;
    let limit = &refusal["limit"];
    Ok(limit.get("limit").unwrap_or(limit).clone())
}

async fn method_limit(target: &Target) -> Check {
    let key = target.used_once("throttled").await?;
    passes(target, &key, "/limited/echo", 3).await?;
    is_throttled(target, &key, "/limited/echo").await?;
    passes(target, &key, "/fixture/echo", 3).await
}

async fn per_key(target: &Target) -> Check {
    let (one, other) = (target.used_once("narrow").await?, target.used_once("narrow").await?);
    passes(target, &one, "/fixture/echo", 1).await?;
    is_throttled(target, &one, "/fixture/echo").await?;
    passes(target, &other, "/fixture/echo", 1).await?;
    is_throttled(target, &other, "/fixture/echo").await
}

async fn adds(target: &Target) -> Check {
    let key = target.used_once("narrow").await?;
    passes(target, &key, "/roomy/echo", 1).await?;
    // The method has room for a hundred; the plan's two are gone.
    is_throttled(target, &key, "/roomy/echo").await?;
    expect_eq("the limit that refused", &refused_by(target, &key).await?, "plan")
}

async fn order_of_limits(target: &Target) -> Check {
    let key = target.used_once("narrow").await?;
    passes(target, &key, "/limited/echo", 1).await?;
    // Now the method's limit and the plan's have both run out.
    is_throttled(target, &key, "/limited/echo").await?;
    expect_eq("the limit that refused", &refused_by(target, &key).await?, "plan_route")?;
    is_throttled(target, &key, "/closed/error").await?;
    expect_eq("the limit that refused", &refused_by(target, &key).await?, "plan")?;
    let fresh = target.used_once("open").await?;
    is_throttled(target, &fresh, "/closed/error").await?;
    expect_eq("the limit that refused", &refused_by(target, &fresh).await?, "stage")
}

async fn capacity(target: &Target) -> Check {
    let key = target.used_once("throttled").await?;
    passes(target, &key, "/limited/echo", 3).await?;
    is_throttled(target, &key, "/limited/echo").await?;
    // Ten requests' time fills three places.
    target.advance("1000s").await?;
    passes(target, &key, "/limited/echo", 3).await?;
    is_throttled(target, &key, "/limited/echo").await
}

async fn refill(target: &Target) -> Check {
    let key = target.used_once("throttled").await?;
    passes(target, &key, "/limited/echo", 3).await?;
    is_throttled(target, &key, "/limited/echo").await?;
    // One request in a hundred seconds: not yet, and then one.
    target.advance("30s").await?;
    is_throttled(target, &key, "/limited/echo").await?;
    target.advance("70s").await?;
    passes(target, &key, "/limited/echo", 1).await?;
    is_throttled(target, &key, "/limited/echo").await
}

async fn closed(target: &Target) -> Check {
    is_throttled(target, target.open().await?, "/closed/error").await?;
    target.still_answers().await
}

async fn root(target: &Target) -> Check {
    let key = target.used_once("throttled").await?;
    passes(target, &key, "/", 1).await?;
    is_throttled(target, &key, "/").await
}

async fn quota(target: &Target) -> Check {
    target.now().await?;
    let key = target.used_once("daily").await?;
    passes(target, &key, "/fixture/echo", 2).await?;
    is_used_up(target, &key).await?;
    is_used_up(target, &key).await
}

/// The seconds that are left of a day and of so many days after it.
fn rest_of(now: OffsetDateTime, further_days: u8) -> u64 {
    u64::from(further_days) * 86_400 + u64::from(seconds_to_midnight(now))
}

async fn midnight(target: &Target) -> Check {
    let now = target.now().await?;
    let key = target.used_once("daily").await?;
    passes(target, &key, "/fixture/echo", 2).await?;
    is_used_up(target, &key).await?;
    turns_after(target, &key, rest_of(now, 0)).await?;
    passes(target, &key, "/fixture/echo", 3).await?;
    is_used_up(target, &key).await
}

async fn month(target: &Target) -> Check {
    let now = target.now().await?;
    let key = target.used_once("monthly").await?;
    passes(target, &key, "/fixture/echo", 2).await?;
    is_used_up(target, &key).await?;
    let further_days = now.month().length(now.year()) - now.day();
    turns_after(target, &key, rest_of(now, further_days)).await?;
    passes(target, &key, "/fixture/echo", 3).await?;
    is_used_up(target, &key).await
}

async fn offset(target: &Target) -> Check {
    target.now().await?;
    let key = target.used_once("weekly").await?;
    // Ten a week, less four in the first: six, of which one is used.
    passes(target, &key, "/fixture/echo", 5).await?;
    is_used_up(target, &key).await?;
    // Whatever day a week begins on, this is in the next one.
    target.advance("7d").await?;
    passes(target, &key, "/fixture/echo", 10).await?;
    is_used_up(target, &key).await
}

async fn week(target: &Target) -> Check {
    let now = target.now().await?;
    let key = target.used_once("weekly").await?;
    passes(target, &key, "/fixture/echo", 5).await?;
    is_used_up(target, &key).await?;
    let further_days = 6 - now.weekday().number_days_from_sunday();
    turns_after(target, &key, rest_of(now, further_days)).await?;
    passes(target, &key, "/fixture/echo", 10).await?;
    is_used_up(target, &key).await
}

async fn refused_is_free(target: &Target) -> Check {
    target.now().await?;
    let key = target.used_once("daily").await?;
    for _ in 0..3 {
        is_throttled(target, &key, "/closed/error").await?;
    }
    passes(target, &key, "/fixture/echo", 2).await?;
    is_used_up(target, &key).await?;
    is_used_up(target, &key).await?;
    // Had the refused ones been counted, more than the quota would be used.
    let limits = target.limits(&key).await?;
    let limits = limits["limits"].as_array().map(Vec::as_slice).unwrap_or_default();
    let quota = limits.iter().find(|limit| limit["limit"] == "quota").ok_or("there is no quota")?;
    expect_eq("what is left of the quota", &quota["left"].as_f64(), &Some(0.0))?;
    let now = target.now().await?;
    let used = super::management::usage(target, "daily", &key, now.date(), now.date()).await?;
    expect_eq("what is used of the quota", &json!(used), &json!([[3, 0]]))
}

async fn route_before_key(target: &Target) -> Check {
    let answer = target.call(None, "GET", "/nowhere", &[], "").await?;
    expect_error(
        "an unknown route without a key",
        &answer,
        403,
        "Missing Authentication Token",
        "MissingAuthenticationTokenException",
    )
}

async fn key_before_throttle(target: &Target) -> Check {
    let answer = target.call(None, "GET", "/closed/error", &[], "").await?;
    expect_forbidden("a closed route without a key", &answer)
}

async fn throttle_before_quota(target: &Target) -> Check {
    let (key, _) = use_up(target, &mut target.limits_patience()).await?;
    is_throttled(target, &key, "/closed/error").await
}

async fn throttle_before_function(target: &Target) -> Check {
    // The function behind the route fails: whoever gets a 429 has not reached it.
    is_throttled(target, target.open().await?, "/closed/error").await
}

async fn preflight(target: &Target) -> Check {
    let answer =
        target.call(None, "OPTIONS", "/preflight/echo", &[("origin", "https://a.example")], "").await?;
    expect_status("a preflight", &answer, 200)
}

async fn cors(target: &Target) -> Check {
    let headers = [("origin", "https://a.example")];
    let answer = target.call(Some(target.open().await?), "GET", "/closed/error", &headers, "").await?;
    expect_throttled("a closed route", &answer)?;
    let allowed = answer.header("access-control-allow-origin");
    expect(allowed == "*", || format!("Access-Control-Allow-Origin is {allowed:?}"))
}
