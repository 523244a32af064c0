//! `tenantry audit`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::ids::TenantId;
use crate::said::Said;
use crate::show::{cell, plain, scalar, table};
use crate::tenants::{path, take_list};

/// How many entries the control API shows with a tenant.
const SHOWN: usize = 20;

pub(crate) async fn run(client: &Client, tenant_id: &TenantId) -> Result<Said, Failure> {
    let mut answer = client.control("GET", &path(tenant_id), None, None).await?;
    Ok(audit(&take_list(&mut answer, "audit")))
}

fn audit(rows: &[Value]) -> Said {
    let text = audit_table(rows);
    let older = (rows.len() >= SHOWN).then(|| format!("Entries before these {SHOWN} are not shown."));
    Said::done(json!({ "items": rows }), text).with_notes(older)
}

fn audit_table(rows: &[Value]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            // What the tenant before and after does not tell says more than what differs between them.
            let detail = row["detail"].as_str().map(plain);
            let change = detail.unwrap_or_else(|| difference(&row["before"], &row["after"]));
            vec![cell(row, "at"), actor(row), cell(row, "action"), change]
        })
        .collect();
    table(&["AT", "ACTOR", "ACTION", "CHANGE"], &rows)
}

/// The last part of an ARN, such as `user/alice`; the account stands in JSON.
fn actor(row: &Value) -> String {
    let whole = cell(row, "actor");
    match whole.strip_prefix("arn:").and_then(|arn| arn.splitn(5, ':').nth(4)) {
        Some(last) if !last.is_empty() => last.to_owned(),
        Some(_) | None => whole,
    }
}

/// The members that differ between what was and what is, but for the version, which each change counts. Of a tenant
/// that is new, the tier alone.
fn difference(before: &Value, after: &Value) -> String {
    if before.is_null() {
        return after["tier"]
            .as_str()
            .map_or_else(|| "-".to_owned(), |tier| format!("tier: {}", plain(tier)));
    }
    let names: BTreeSet<&String> =
        [before, after].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    let changes: Vec<_> = names
        .into_iter()
        .filter(|name| *name != "version" && before[name.as_str()] != after[name.as_str()])
        .map(|name| {
            let (was, is) = (shown(&before[name.as_str()]), shown(&after[name.as_str()]));
            format!("{}: {was} -> {is}", plain(name))
        })
        .collect();
    if changes.is_empty() { "-".to_owned() } else { changes.join(", ") }
}

/// A member for people: a list's or an object's parts with blanks between.
fn shown(value: &Value) -> String {
    let parts: Vec<_> = match value {
        Value::Array(items) => items.iter().map(scalar).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{}={}", plain(name), scalar(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return scalar(value),
    };
    if parts.is_empty() { "-".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_shows_what_has_changed_and_nothing_else() {
        let rows = [json!({
            "at": "2026-01-01T00:00:00Z", "actor": "arn:aws:iam::000000000000:user/ops", "action": "suspend",
            "before": { "status": "active", "version": 1, "tier": "free", "keys": ["k1"], "contact": {} },
            "after": { "status": "suspended", "version": 2, "tier": "free", "keys": ["k1", "k2"],
                       "contact": { "phone": "1" }, "status_reason": "unpaid" },
        })];
        assert_eq!(
            audit_table(&rows),
            "AT                    ACTOR     ACTION   CHANGE\n\
             2026-01-01T00:00:00Z  user/ops  suspend  contact: - -> phone=1, keys: k1 -> k1 k2, status: active -> \
             suspended, status_reason: - -> unpaid\n"
        );
        assert_eq!(difference(&Value::Null, &Value::Null), "-");
        assert_eq!(difference(&Value::Null, &json!({ "tier": "free", "name": "A" })), "tier: free");
        assert_eq!(difference(&json!({ "version": 1 }), &json!({ "version": 2 })), "-");
        assert_eq!(audit_table(&[]), "AT  ACTOR  ACTION  CHANGE\n");
    }

    #[test]
    fn an_actor_is_shown_without_the_account_and_one_that_is_no_arn_as_it_is() {
        for (whole, expected) in [
            ("arn:aws:iam::000000000000:user/ops", "user/ops"),
            ("arn:aws:sts::000000000000:assumed-role/Admin/alice", "assumed-role/Admin/alice"),
            ("tenants-reconcile", "tenants-reconcile"),
            ("arn:aws", "arn:aws"),
        ] {
            assert_eq!(actor(&json!({ "actor": whole })), expected);
        }
    }

    #[test]
    fn a_detail_comes_before_what_differs() {
        let row = json!({ "detail": "the key k1 ends at once", "before": { "version": 1 },
            "after": { "version": 2 } });
        assert!(audit_table(&[row]).ends_with("the key k1 ends at once\n"));
    }

    #[test]
    fn entries_that_may_be_left_out_are_told_of() {
        let rows = |number| vec![json!({ "action": "tenant.update" }); number];
        assert_eq!(audit(&rows(19)).notes, Vec::<String>::new());
        assert_eq!(audit(&rows(20)).notes, ["Entries before these 20 are not shown."]);
    }
}
