//! `tenantry keys`.

use serde_json::{Value, json};

use crate::client::Client;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::flags::KeysCommand;
use crate::said::Said;
use crate::show::{cell, details, table};
use crate::tenants::path;

/// What is said beside a new key's value.
const VALUE_ONCE: &str = "The key's value is shown this once: keep it now.";
/// The same, where it was shown before.
const VALUE_TOLD: &str =
    "This was done before, and the key's value was shown then: rotate the key if it is lost.";

pub(crate) async fn run(client: &Client, command: KeysCommand) -> Result<Said, Failure> {
    match command {
        KeysCommand::Create { tenant_id, once } => {
            let answer = client.make(&format!("{}/keys", path(&tenant_id)), &once, &json!({})).await?;
            Ok(issued(answer))
        }
        KeysCommand::List { tenant_id } => {
            let answer = client.control("GET", &format!("{}/keys", path(&tenant_id)), None, None).await?;
            let keys = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            let (text, is_empty) = (key_table(keys), keys.is_empty());
            let note = is_empty.then(|| format!("{tenant_id} has no keys."));
            Ok(Said::done(answer, text).with_notes(note))
        }
        KeysCommand::Rotate { tenant_id, api_key_id, overlap, yes, once } => {
            if overlap == 0 {
                confirm(&format!("Key {api_key_id} of {tenant_id} will end at once."), yes)?;
            }
            let body = json!({ "rotate": api_key_id.to_string(), "overlap_seconds": overlap });
            let answer = client.make(&format!("{}/keys", path(&tenant_id)), &once, &body).await?;
            Ok(issued(answer))
        }
        KeysCommand::Revoke { tenant_id, api_key_id, force, yes } => {
            confirm(&format!("Key {api_key_id} of {tenant_id} will be deleted."), yes)?;
            let query = if force { "?force=true" } else { "" };
            let path = format!("{}/keys/{api_key_id}{query}", path(&tenant_id));
            client.control("DELETE", &path, None, None).await?;
            let json = json!({ "api_key_id": api_key_id.to_string(), "deleted": true });
            Ok(Said::done(json, format!("Key {api_key_id} is deleted.\n")))
        }
    }
}

/// A new key with its value, and all of the tenant's keys.
fn issued(answer: Value) -> Said {
    let key = &answer["api_key"];
    let mut text = details(&key_details(key));
    if let Some(keys) = answer["keys"].as_array() {
        text.push('\n');
        text.push_str(&key_table(keys));
    }
    with_key(Said::done(answer, text))
}

/// A key that was made, with its value where this command has made it, and not an earlier one with its
/// `Idempotency-Key`.
pub(crate) fn key_details(key: &Value) -> [(&'static str, String); 2] {
    let value = if key["value"].is_null() { "not shown again".to_owned() } else { cell(key, "value") };
    [("api_key_id", cell(key, "api_key_id")), ("value", value)]
}

/// The same with what is said beside a key that was made.
pub(crate) fn with_key(said: Said) -> Said {
    let key = &said.json["api_key"];
    if key["value"].is_null() {
        return said.with_note(VALUE_TOLD);
    }
    let id = cell(key, "api_key_id");
    said.with_note(VALUE_ONCE).with_value_of(id)
}

/// Keys, never their values.
pub(crate) fn key_table(keys: &[Value]) -> String {
    let members = ["api_key_id", "status", "created_at", "expires_at"];
    let rows: Vec<Vec<String>> =
        keys.iter().map(|key| members.iter().map(|member| cell(key, member)).collect()).collect();
    table(&["KEY", "STATUS", "CREATED", "EXPIRES"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_shown_with_its_value_and_the_note() {
        let answer = json!({
            "api_key": { "api_key_id": "k2", "value": "secret" },
            "keys": [{ "api_key_id": "k2", "status": "active", "created_at": "2026-01-01T00:00:00Z",
                "expires_at": null }],
        });
        let said = issued(answer.clone());
        assert_eq!(
            said.text,
            "api_key_id  k2\nvalue       secret\n\n\
             KEY  STATUS  CREATED               EXPIRES\nk2   active  2026-01-01T00:00:00Z  -\n"
        );
        assert_eq!((said.json, said.value_of), (answer, Some("k2".to_owned())));
        assert_eq!(said.notes, [VALUE_ONCE]);
        let again = issued(json!({ "api_key": { "api_key_id": "k2", "value": null } }));
        assert_eq!(again.text, "api_key_id  k2\nvalue       not shown again\n");
        assert_eq!((again.notes, again.value_of), (vec![VALUE_TOLD.to_owned()], None));
    }

    #[test]
    fn a_list_of_keys_shows_no_value_even_where_one_is_sent() {
        let key = json!({ "api_key_id": "k2", "status": "active", "value": "secret" });
        assert!(!key_table(&[key]).contains("secret"));
    }
}
