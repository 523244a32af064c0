//! `tenantry tenants` and `tenantry audit`.

use std::collections::BTreeSet;

use contract::{OnboardRequest, TenantStatus};
use serde_json::{Map, Value, json};

use crate::client::{Client, query};
use crate::failure::Failure;
use crate::flags::TenantsCommand;
use crate::ids::TenantId;
use crate::keys::{VALUE_ONCE, key_table};
use crate::said::Said;
use crate::show::{cell, details, plain, scalar, table};

/// Pages of one `list --all`: more would be an API that answers the same page again and again.
const MAX_PAGES: usize = 10_000;

pub(crate) async fn run(client: &Client, command: TenantsCommand) -> Result<Said, Failure> {
    match command {
        TenantsCommand::Create { name, email, tier, contact, isolation, tenant_id } => {
            let request = OnboardRequest {
                tenant_id: tenant_id.map(|id| id.to_string()),
                name,
                email,
                contact: contact.into_iter().collect(),
                tier,
                isolation,
            };
            let body = serde_json::to_value(&request).expect("a request is made of texts");
            let answer = client.control("POST", "/tenants", None, Some(&body)).await?;
            let mut shown = tenant_details(&answer["tenant"]);
            shown.push(("api_key_id", cell(&answer["api_key"], "api_key_id")));
            shown.push(("value", cell(&answer["api_key"], "value")));
            let text = details(&shown);
            Ok(Said::done(answer, text).with_note(VALUE_ONCE))
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
        TenantsCommand::Update { tenant_id, name, email, contact, tier, if_version } => {
            let mut body = Map::new();
            for (member, value) in [("name", name), ("email", email), ("tier", tier)] {
                body.extend(value.map(|value| (member.to_owned(), Value::String(value))));
            }
            if !contact.is_empty() {
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
    }
}

/// `tenantry audit`.
pub(crate) async fn audit(client: &Client, tenant_id: &TenantId) -> Result<Said, Failure> {
    let mut answer = client.control("GET", &path(tenant_id), None, None).await?;
    let rows = take_list(&mut answer, "audit");
    let text = audit_table(&rows);
    Ok(Said::done(json!({ "items": rows }), text))
}

/// A tenant's path behind the stage.
pub(crate) fn path(tenant_id: &TenantId) -> String {
    format!("/tenants/{tenant_id}")
}

/// A member that is a list; an empty one where it is none.
fn take_list(answer: &mut Value, member: &str) -> Vec<Value> {
    answer.get_mut(member).and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default()
}

struct Filter<'a> {
    status: Option<&'a str>,
    tier: Option<&'a str>,
    limit: Option<String>,
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
            let mut text = tenant_table(&items);
            if let Some(cursor) = &cursor {
                text.push_str("There are more: --cursor ");
                text.push_str(&plain(cursor));
                text.push('\n');
            }
            return Ok(Said::done(json!({ "items": items, "next_cursor": cursor }), text));
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
    let mut text = details(&tenant_details(&answer["tenant"]));
    if let Some(keys) = answer["keys"].as_array() {
        text.push('\n');
        text.push_str(&key_table(keys));
    }
    text
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

fn audit_table(rows: &[Value]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut cells: Vec<_> = ["at", "actor", "action"].map(|member| cell(row, member)).into();
            cells.push(difference(&row["before"], &row["after"]));
            cells
        })
        .collect();
    table(&["AT", "ACTOR", "ACTION", "CHANGE"], &rows)
}

/// The members that differ between what was and what is.
fn difference(before: &Value, after: &Value) -> String {
    let names: BTreeSet<&String> =
        [before, after].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    let changes: Vec<_> = names
        .into_iter()
        .filter(|name| before[name.as_str()] != after[name.as_str()])
        .map(|name| {
            let (was, is) = (cell(before, name), cell(after, name));
            format!("{}: {was} -> {is}", plain(name))
        })
        .collect();
    if changes.is_empty() { "-".to_owned() } else { changes.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_shown_with_its_keys() {
        let answer = json!({
            "tenant": {
                "tenant_id": "acme", "name": "Acme", "email": "a@b.example", "contact": { "phone": "1" },
                "tier": "free", "isolation": "pooled", "status": "active", "status_reason": null,
                "version": 2, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z",
            },
            "keys": [{ "api_key_id": "k1", "status": "active", "created_at": "2026-01-01T00:00:00Z",
                "expires_at": null }],
        });
        assert_eq!(
            tenant_text(&answer),
            "tenant_id      acme\nname           Acme\nemail          a@b.example\ntier           free\n\
             isolation      pooled\nstatus         active\nstatus_reason  -\ncontact        phone=1\n\
             version        2\ncreated_at     2026-01-01T00:00:00Z\nupdated_at     2026-01-02T00:00:00Z\n\n\
             KEY  STATUS  CREATED               EXPIRES\nk1   active  2026-01-01T00:00:00Z  -\n"
        );
    }

    #[test]
    fn the_audit_shows_what_has_changed_and_nothing_else() {
        let rows = [json!({
            "at": "2026-01-01T00:00:00Z", "actor": "arn:aws:iam::000000000000:user/ops", "action": "suspend",
            "before": { "status": "active", "version": 1, "tier": "free" },
            "after": { "status": "suspended", "version": 2, "tier": "free", "status_reason": "unpaid" },
        })];
        let shown = audit_table(&rows);
        assert!(
            shown.ends_with("status: active -> suspended, status_reason: - -> unpaid, version: 1 -> 2\n"),
            "{shown}"
        );
        assert_eq!(difference(&Value::Null, &Value::Null), "-");
        assert_eq!(difference(&Value::Null, &json!({ "tier": "free" })), "tier: - -> free");
        assert_eq!(audit_table(&[]), "AT  ACTOR  ACTION  CHANGE\n");
    }

    #[test]
    fn a_list_shows_a_line_for_each_tenant() {
        let items = [json!({ "tenant_id": "acme", "name": "A\u{7}", "tier": "free", "isolation": "pooled",
            "status": "active", "version": 1, "created_at": "2026-01-01T00:00:00Z" })];
        assert_eq!(
            tenant_table(&items),
            "TENANT  NAME    TIER  ISOLATION  STATUS  VERSION  CREATED\n\
             acme    A\\u{7}  free  pooled     active  1        2026-01-01T00:00:00Z\n"
        );
    }
}
