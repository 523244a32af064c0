//! `tenantry usage`.

use contract::QuotaPercent;
use serde_json::{Value, json};

use crate::client::{Client, query};
use crate::failure::Failure;
use crate::flags::UsageCommand;
use crate::said::Said;
use crate::show::{cell, details, table};
use crate::tenants::{more, path};

/// What is said beside a grant.
const TOLD_LATER: &str = "usage show tells of it from the next snapshot on, within five minutes.";
/// Pages of one `near-limit --all`: more would be an API that answers the same page again and again.
const MAX_PAGES: usize = 10_000;

pub(crate) async fn run(client: &Client, command: UsageCommand) -> Result<Said, Failure> {
    match command {
        UsageCommand::Show { tenant_id, days } => {
            let days = days.map(|days| days.to_string());
            let path = format!("{}/usage{}", path(&tenant_id), query(&[("days", days.as_deref())]));
            let answer = client.control("GET", &path, None, None).await?;
            let (text, notes) = (usage_text(&answer), unequal(&answer));
            Ok(Said::done(answer, text).with_notes(notes))
        }
        UsageCommand::Grant { tenant_id, requests, api_key_id, once } => {
            let mut body = json!({ "requests": requests });
            if let Some(key) = api_key_id {
                body["api_key_id"] = Value::String(key.to_string());
            }
            let answer = client.make(&format!("{}/usage/grants", path(&tenant_id)), &once, &body).await?;
            let members = ["api_key_id", "requests", "remaining"];
            let text = details(&members.map(|member| (member, cell(&answer, member))));
            Ok(Said::done(answer, text).with_note(TOLD_LATER))
        }
        UsageCommand::NearLimit { at, limit, cursor, all } => {
            near_limit(client, at, limit.map(|limit| limit.to_string()), cursor, all).await
        }
    }
}

async fn near_limit(
    client: &Client,
    at: QuotaPercent,
    limit: Option<String>,
    mut cursor: Option<String>,
    all: bool,
) -> Result<Said, Failure> {
    let at = at.to_string();
    let mut items = Vec::new();
    for _ in 0..MAX_PAGES {
        let query = query(&[("at", Some(&at)), ("limit", limit.as_deref()), ("cursor", cursor.as_deref())]);
        let mut page = client.control("GET", &format!("/usage{query}"), None, None).await?;
        items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if !all || cursor.is_none() {
            let text = near_table(&items);
            let nobody = (items.is_empty() && cursor.is_none())
                .then(|| format!("No key has used {at} % of its quota."));
            let notes = nobody.or_else(|| as_of(&items)).into_iter().chain(cursor.as_deref().map(more));
            let json = json!({ "items": items, "next_cursor": cursor });
            return Ok(Said::done(json, text).with_notes(notes));
        }
    }
    Err(Failure::refused("the list does not end"))
}

/// Keys near the end of their quotas.
fn near_table(items: &[Value]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            let mut cells: Vec<_> =
                ["tenant_id", "api_key_id", "plan"].map(|member| cell(item, member)).into();
            cells.push(format!("{}%", cell(item, "share")));
            let members = ["used", "remaining", "limit", "pace", "exhausts_at", "resets_at"];
            cells.extend(members.map(|member| cell(item, member)));
            cells
        })
        .collect();
    let header = ["TENANT", "KEY", "PLAN", "GONE", "USED", "LEFT", "LIMIT", "A DAY", "USED UP", "RESETS"];
    table(&header, &rows)
}

/// How old a list is: as its oldest line. Times in UTC are in the order of their texts.
fn as_of(items: &[Value]) -> Option<String> {
    let times = items.iter().filter(|item| item["as_of"].is_string());
    times.map(|item| cell(item, "as_of")).min().map(|time| format!("As of {time}."))
}

/// Why what a key has used and has left does not make up its limit, for each such key.
fn unequal(answer: &Value) -> Vec<String> {
    let keys = answer["items"].as_array().into_iter().flatten();
    let figure = |key: &Value, member: &str| key["quota"][member].as_u64();
    keys.filter(|key| {
        let all = figure(key, "used").zip(figure(key, "remaining"));
        let all = all.map(|(used, remaining)| used.saturating_add(remaining));
        all.is_some_and(|all| Some(all) != figure(key, "limit"))
    })
    .map(|key| {
        format!(
            "{}: used and remaining do not make up limit. Requests were granted, or what is left was taken over \
             from a rotated key or from another tier.",
            cell(key, "api_key_id")
        )
    })
    .collect()
}

/// Each key with its quota and its days.
fn usage_text(answer: &Value) -> String {
    let keys = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<String> = keys.iter().map(key_text).collect();
    if texts.is_empty() { "The tenant has no keys.\n".to_owned() } else { texts.join("\n") }
}

fn key_text(key: &Value) -> String {
    let quota = &key["quota"];
    let mut shown: Vec<_> = ["api_key_id", "plan"].map(|member| (member, cell(key, member))).into();
    if quota.is_object() {
        shown.extend(["limit", "period", "used", "remaining"].map(|member| (member, cell(quota, member))));
        let pace =
            if key["pace"].is_null() { "-".to_owned() } else { format!("{} a day", cell(key, "pace")) };
        shown.push(("pace", pace));
        shown.push(("resets_at", cell(quota, "resets_at")));
    } else {
        let reason = if key["as_of"].is_null() {
            "not counted yet: a snapshot is made every five minutes"
        } else {
            "none"
        };
        shown.push(("quota", reason.to_owned()));
    }
    shown.push(("as_of", cell(key, "as_of")));
    let mut text = details(&shown);
    let days = key["days"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !days.is_empty() {
        let members = ["day", "used", "remaining"];
        let rows: Vec<Vec<String>> =
            days.iter().map(|day| members.iter().map(|member| cell(day, member)).collect()).collect();
        text.push('\n');
        text.push_str(&table(&["DAY", "USED", "LEFT"], &rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_keys_are_shown_with_their_quotas_and_days() {
        let answer = json!({ "items": [
            { "api_key_id": "k1", "plan": "free", "pace": 4, "as_of": "2026-11-30T12:00:00Z",
              "quota": { "limit": 10, "period": "MONTH", "used": 3, "remaining": 7,
                         "resets_at": "2026-12-01T00:00:00Z" },
              "days": [{ "day": "2026-11-30", "used": 3, "remaining": 7 }] },
            { "api_key_id": "k2", "plan": "premium", "pace": null, "as_of": "2026-11-30T12:00:00Z",
              "quota": null, "days": [] },
            { "api_key_id": "k3", "plan": "free", "pace": null, "as_of": null, "quota": null, "days": [] },
        ], "next_cursor": null });
        assert_eq!(
            usage_text(&answer),
            "api_key_id  k1\nplan        free\nlimit       10\nperiod      MONTH\nused        3\n\
             remaining   7\npace        4 a day\nresets_at   2026-12-01T00:00:00Z\nas_of       2026-11-30T12:00:00Z\n\n\
             DAY         USED  LEFT\n2026-11-30  3     7\n\n\
             api_key_id  k2\nplan        premium\nquota       none\nas_of       2026-11-30T12:00:00Z\n\n\
             api_key_id  k3\nplan        free\nquota       not counted yet: a snapshot is made every five minutes\n\
             as_of       -\n"
        );
        assert_eq!(unequal(&answer), Vec::<String>::new());
        assert_eq!(usage_text(&json!({ "items": [] })), "The tenant has no keys.\n");
    }

    #[test]
    fn a_key_whose_figures_do_not_add_up_is_explained() {
        let answer = |used: u64, remaining: u64| {
            json!({ "items": [{ "api_key_id": "k1",
                "quota": { "limit": 10, "used": used, "remaining": remaining } }] })
        };
        assert_eq!(unequal(&answer(3, 7)).len(), 0);
        for (used, remaining) in [(3, 107), (0, 7)] {
            let notes = unequal(&answer(used, remaining));
            assert!(notes.len() == 1 && notes[0].starts_with("k1: "), "{notes:?}");
        }
    }

    #[test]
    fn a_list_is_as_old_as_its_oldest_line() {
        let of = |time: &str| json!({ "as_of": time });
        let items = [of("2026-11-30T12:05:00Z"), of("2026-11-30T12:00:00Z")];
        assert_eq!(as_of(&items).as_deref(), Some("As of 2026-11-30T12:00:00Z."));
        assert_eq!(as_of(&[]), None);
    }

    #[test]
    fn a_key_near_its_quota_is_a_line_with_when_it_is_used_up() {
        let items = [json!({
            "tenant_id": "acme", "api_key_id": "k1", "plan": "free", "limit": 1000, "used": 873,
            "remaining": 127, "share": 87.3, "pace": 100, "resets_at": "2026-12-01T00:00:00Z",
            "exhausts_at": null, "as_of": "2026-11-30T12:00:00Z",
        })];
        assert_eq!(
            near_table(&items),
            "TENANT  KEY  PLAN  GONE   USED  LEFT  LIMIT  A DAY  USED UP  RESETS\n\
             acme    k1   free  87.3%  873   127   1000   100    -        2026-12-01T00:00:00Z\n"
        );
    }
}
