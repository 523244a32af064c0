//! `tenantry tenants`.

use contract::{OnboardRequest, TenantStatus};
use serde_json::{Map, Value, json};

use crate::client::{Client, query};
use crate::confirm::agree;
use crate::failure::Failure;
use crate::flags::TenantsCommand;
use crate::ids::TenantId;
use crate::keys::{key_details, key_table, with_key};
use crate::said::Said;
use crate::show::{cell, details, plain, scalar, table};

/// Pages of one `list --all`: more would be an API that answers the same page again and again.
const MAX_PAGES: usize = 10_000;

pub(crate) async fn run(client: &Client, command: TenantsCommand) -> Result<Said, Failure> {
    match command {
        TenantsCommand::Create { name, email, tier, contact, isolation, tenant_id, once } => {
            let request = OnboardRequest {
                tenant_id: tenant_id.map(|id| id.to_string()),
                name,
                email,
                contact: contact.into_iter().collect(),
                tier,
                isolation,
            };
            let body = serde_json::to_value(&request).expect("a request is made of texts");
            let answer = client.make("/tenants", &once, &body).await?;
            let mut shown = tenant_details(&answer["tenant"]);
            shown.extend(key_details(&answer["api_key"]));
            let text = details(&shown);
            Ok(with_key(Said::done(answer, text)))
        }
        TenantsCommand::List { status, tier, limit, cursor, all } => {
            let filter = Filter {
                status: status.map(TenantStatus::as_str),
                tier: tier.as_deref(),
                limit: limit.map(|limit| limit.to_string()),
            };
            list(client, &filter, cursor, all).await
        }
        TenantsCommand::Show { tenant_id } => {
            let answer = client.control("GET", &path(&tenant_id), None, None).await?;
            let text = tenant_text(&answer);
            Ok(Said::done(answer, text))
        }
        TenantsCommand::Update { tenant_id, name, email, contact, no_contact, tier, if_version } => {
            let mut body = Map::new();
            for (member, value) in [("name", name), ("email", email), ("tier", tier)] {
                body.extend(value.map(|value| (member.to_owned(), Value::String(value))));
            }
            if no_contact || !contact.is_empty() {
                let contact: Map<_, _> =
                    contact.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
                body.insert("contact".to_owned(), Value::Object(contact));
            }
            change(client, &tenant_id, if_version, &Value::Object(body)).await
        }
        TenantsCommand::Suspend { tenant_id, reason } => {
            let mut body = json!({ "status": "suspended" });
            if let Some(reason) = reason {
                body["status_reason"] = Value::String(reason);
            }
            change(client, &tenant_id, None, &body).await
        }
        TenantsCommand::Resume { tenant_id } => {
            change(client, &tenant_id, None, &json!({ "status": "active" })).await
        }
        TenantsCommand::MoveToSilo { tenant_id, longest_pause, abandon } => {
            let mut body = json!({ "abandon": abandon });
            if let Some(seconds) = longest_pause {
                body["longest_pause_seconds"] = seconds.into();
            }
            let path = format!("{}/move", path(&tenant_id));
            let answer = client.control("POST", &path, None, Some(&body)).await?;
            let text = tenant_text(&answer);
            Ok(Said::done(answer, text))
        }
        TenantsCommand::Import { tenant_id, from, keys, without_checkpoints, abandon } => {
            let mut body = Map::new();
            if abandon {
                body.insert("abandon".to_owned(), Value::Bool(true));
            }
            body.extend(from.map(|prefix| ("prefix".to_owned(), Value::String(prefix))));
            if without_checkpoints {
                body.insert("checkpoints".to_owned(), Value::Bool(false));
            }
            if !keys.is_empty() {
                let keys: Map<_, _> = keys.into_iter().map(|(from, to)| (from, Value::String(to))).collect();
                body.insert("keys".to_owned(), Value::Object(keys));
            }
            let path = format!("{}/import", path(&tenant_id));
            let answer = client.control("POST", &path, None, Some(&Value::Object(body))).await?;
            let text = tenant_text(&answer);
            Ok(Said::done(answer, text))
        }
        TenantsCommand::Delete { tenant_id, grace, yes } => {
            let what = format!(
                "The tenant {tenant_id} will not be served any more, and what it has will be exported, and deleted \
                 {grace} seconds from now at the earliest. Until then `tenantry tenants resume` undoes it."
            );
            agree(&what, yes)?;
            let path = format!("{}?grace_seconds={grace}", path(&tenant_id));
            let answer = client.control("DELETE", &path, None, None).await?;
            let text = tenant_text(&answer);
            Ok(Said::done(answer, text))
        }
    }
}

/// A tenant's path behind the stage.
pub(crate) fn path(tenant_id: &TenantId) -> String {
    format!("/tenants/{tenant_id}")
}

/// A member that is a list; an empty one where it is none.
pub(crate) fn take_list(answer: &mut Value, member: &str) -> Vec<Value> {
    answer.get_mut(member).and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default()
}

struct Filter<'a> {
    status: Option<&'a str>,
    tier: Option<&'a str>,
    limit: Option<String>,
}

impl Filter<'_> {
    /// That nobody is there.
    fn nobody(&self) -> String {
        let mut text = format!("No {} tenants", self.status.unwrap_or(TenantStatus::Active.as_str()));
        if let Some(tier) = self.tier {
            text.push_str(" of tier ");
            text.push_str(&plain(tier));
        }
        text.push_str(if self.status.is_some() { "." } else { "; --status shows others." });
        text
    }

    /// Who is left out although nobody has asked for that.
    fn left_out(&self) -> Option<String> {
        self.status.is_none().then(|| "Only active tenants; --status shows others.".to_owned())
    }
}

/// That a page is not the last.
pub(crate) fn more(cursor: &str) -> String {
    format!("There are more: --cursor {}", plain(cursor))
}

async fn list(
    client: &Client,
    filter: &Filter<'_>,
    mut cursor: Option<String>,
    all: bool,
) -> Result<Said, Failure> {
    let mut items = Vec::new();
    for _ in 0..MAX_PAGES {
        let query = query(&[
            ("status", filter.status),
            ("tier", filter.tier),
            ("limit", filter.limit.as_deref()),
            ("cursor", cursor.as_deref()),
        ]);
        let mut page = client.control("GET", &format!("/tenants{query}"), None, None).await?;
        items.append(&mut take_list(&mut page, "items"));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if !all || cursor.is_none() {
            let text = tenant_table(&items);
            let whose = (items.is_empty() && cursor.is_none()).then(|| filter.nobody());
            let notes = whose.or_else(|| filter.left_out()).into_iter().chain(cursor.as_deref().map(more));
            let json = json!({ "items": items, "next_cursor": cursor });
            return Ok(Said::done(json, text).with_notes(notes));
        }
    }
    Err(Failure::refused("the list does not end"))
}

async fn change(
    client: &Client,
    tenant_id: &TenantId,
    if_version: Option<u64>,
    body: &Value,
) -> Result<Said, Failure> {
    let answer = client.control("PATCH", &path(tenant_id), if_version, Some(body)).await?;
    let text = tenant_text(&answer);
    Ok(Said::done(answer, text))
}

fn tenant_table(items: &[Value]) -> String {
    let columns = ["tenant_id", "name", "tier", "isolation", "status", "version", "created_at"];
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|column| cell(item, column)).collect()).collect();
    table(&["TENANT", "NAME", "TIER", "ISOLATION", "STATUS", "VERSION", "CREATED"], &rows)
}

/// A tenant with its keys.
fn tenant_text(answer: &Value) -> String {
    let mut shown = tenant_details(&answer["tenant"]);
    shown.extend(offboarding_details(&answer["offboarding"]));
    shown.extend(move_details(&answer["move"]));
    shown.extend(import_details(&answer["import"]));
    let mut text = details(&shown);
    if let Some(keys) = answer["keys"].as_array() {
        text.push('\n');
        if answer["tenant"]["status"] == TenantStatus::Suspended.as_str() {
            text.push_str("Its keys are refused.\n\n");
        }
        text.push_str(&key_table(keys));
    }
    text
}

/// Where an offboarding stands; nothing where there is none.
fn offboarding_details(offboarding: &Value) -> Vec<(&'static str, String)> {
    if offboarding.is_null() {
        return Vec::new();
    }
    let mut shown: Vec<_> = ["stage", "suspended_at", "purge_at", "next_at"]
        .into_iter()
        .map(|member| (member, cell(offboarding, member)))
        .collect();
    let export = &offboarding["export"];
    let place = if export.is_null() {
        "-".to_owned()
    } else {
        format!("s3://{}/{}", cell(export, "bucket"), cell(export, "prefix"))
    };
    let counts = &offboarding["counts"];
    let [records, checkpoints, files] =
        ["records", "checkpoints", "files"].map(|member| cell(counts, member));
    shown.extend(standstill(offboarding));
    shown.push(("export", place));
    shown.push(("exported", format!("{records} records, {checkpoints} checkpoints, {files} files")));
    shown
}

/// Where a move into a silo stands; nothing where there is none.
fn move_details(relocation: &Value) -> Vec<(&'static str, String)> {
    if relocation.is_null() {
        return Vec::new();
    }
    let mut shown = vec![("move", cell(relocation, "stage")), ("next_at", cell(relocation, "next_at"))];
    shown.extend(standstill(relocation));
    shown.push(("copied", counts(&relocation["copied"])));
    if !relocation["compared"].is_null() {
        shown.push(("compared", counts(&relocation["compared"])));
    }
    shown.extend(
        ["paused_at", "pause_seconds"]
            .into_iter()
            .filter(|member| !relocation[member].is_null())
            .map(|member| (member, cell(relocation, member))),
    );
    shown
}

/// Where an import stands; nothing where there is none.
fn import_details(import: &Value) -> Vec<(&'static str, String)> {
    if import.is_null() {
        return Vec::new();
    }
    let mut shown = vec![
        ("import", cell(import, "stage")),
        ("from", cell(import, "prefix")),
        ("next_at", cell(import, "next_at")),
    ];
    shown.extend(standstill(import));
    let counts = &import["counts"];
    let [records, checkpoints, files] =
        ["records", "checkpoints", "files"].map(|member| cell(counts, member));
    shown.push(("imported", format!("{records} records, {checkpoints} checkpoints, {files} files")));
    if !import["pause_seconds"].is_null() {
        shown.push(("pause_seconds", cell(import, "pause_seconds")));
    }
    shown
}

/// Why a task does not go on, where something is in the way.
fn standstill(task: &Value) -> Option<(&'static str, String)> {
    (!task["standstill"].is_null()).then(|| ("standstill", cell(task, "standstill")))
}

fn counts(counts: &Value) -> String {
    let [records, files, bytes] = ["records", "files", "bytes"].map(|member| cell(counts, member));
    format!("{records} records, {files} files of {bytes} bytes")
}

fn tenant_details(tenant: &Value) -> Vec<(&'static str, String)> {
    let mut shown: Vec<_> = ["tenant_id", "name", "email", "tier", "isolation", "status", "status_reason"]
        .into_iter()
        .map(|member| (member, cell(tenant, member)))
        .collect();
    let contact = tenant["contact"].as_object().into_iter().flatten();
    let contact: Vec<_> = contact.map(|(name, value)| format!("{}={}", plain(name), scalar(value))).collect();
    shown.push(("contact", if contact.is_empty() { "-".to_owned() } else { contact.join(", ") }));
    shown.extend(["version", "created_at", "updated_at"].map(|member| (member, cell(tenant, member))));
    shown
}

#[cfg(test)]
#[path = "tenants_tests.rs"]
mod tests;
