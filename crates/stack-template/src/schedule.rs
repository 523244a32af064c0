//! When functions are invoked without a request, and how often when they fail.

use std::time::Duration;

use crate::function::Place;
use crate::model::{Asynchronous, Schedule};
use crate::properties::Properties;

/// Reads an event of the type `Schedule`; one that is switched off is none.
pub(crate) fn schedule(
    place: &Place<'_>,
    logical_id: &str,
    event_name: &str,
    properties: Properties<'_>,
) -> Option<Schedule> {
    let line = properties.get("Schedule").map_or(properties.line, |node| node.line);
    let expression = properties.required("Schedule");
    let every = rate(&expression);
    if let (Err(reason), false) = (&every, expression.is_empty()) {
        properties.refuse(line, format!("the schedule {expression} {reason}"));
    }
    let input = properties.text("Input");
    if let Some(input) = &input
        && serde_json::from_str::<serde_json::Value>(input).is_err()
    {
        let line = properties.get("Input").map_or(properties.line, |node| node.line);
        properties.refuse(line, "Input must be a text of JSON");
    }
    // As SAM names the rule, but for what CloudFormation puts behind it.
    let name =
        properties.text("Name").unwrap_or_else(|| format!("{}-{logical_id}{event_name}", place.stack_name));
    let is_enabled = properties.flag("Enabled").unwrap_or(true);
    // Of how often EventBridge tries to reach Lambda, which is always there in the local stack.
    properties.pass(&["Description", "RetryPolicy"]);
    properties.finish();
    let rule_arn = format!("arn:aws:events:{}:{}:rule/{name}", place.region, place.account_id);
    every.ok().filter(|_| is_enabled).map(|every| Schedule { rule_arn, every, input })
}

/// Reads `rate(5 minutes)`. As on AWS, the unit is in the singular for one and in the plural for more.
fn rate(expression: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "must be like rate(5 minutes), rate(1 hour) or rate(7 days)";
    if expression.starts_with("cron(") {
        return Err("is a cron expression, which the local stack does not run: give it as a rate");
    }
    let inner = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')).ok_or(FORM)?;
    let (number, unit) = inner.split_once(' ').ok_or(FORM)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = number.parse().ok().filter(|number| is_number && *number > 0).ok_or(FORM)?;
    let seconds = match (unit, number) {
        ("minute", 1) | ("minutes", 2..) => 60,
        ("hour", 1) | ("hours", 2..) => 3_600,
        ("day", 1) | ("days", 2..) => 86_400,
        _ => return Err(FORM),
    };
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// Reads a function's `EventInvokeConfig`. What it does not say is as Lambda has it.
pub(crate) fn asynchronous(function: &Properties<'_>) -> Asynchronous {
    let mut read = Asynchronous::default();
    if let Some(properties) = function.map("EventInvokeConfig") {
        if let Some(seconds) = properties.number("MaximumEventAgeInSeconds", 60..=21_600) {
            read.max_age = Duration::from_secs(seconds);
        }
        let retries = properties.number("MaximumRetryAttempts", 0..=2);
        if let Some(retries) = retries.and_then(|retries| u32::try_from(retries).ok()) {
            read.max_retries = retries;
        }
        properties.finish();
    }
    read
}
