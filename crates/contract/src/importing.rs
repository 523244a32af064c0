//! How an export comes back, into a new tenant.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;

use crate::members::Refusals;
use crate::{ExportCounts, Json, Problem};

/// Longest prefix of an export in bytes: an id and a version.
const MAX_PREFIX: usize = 64;
/// Most keys that are mapped.
const MAX_KEYS: usize = 100;

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportStage {
    /// Writes are paused, and it is waited until all that was handed out before has ended.
    Waiting,
    /// Records are written.
    Records,
    /// Checkpoints are written.
    Checkpoints,
    /// What is not told by records and checkpoints is written as it was stored.
    Items,
    /// Files are copied.
    Files,
    /// What there is is counted, and compared with the export.
    Compare,
    /// All that was exported is there, and the tenant writes.
    Done,
    /// It was given up: what it has written is deleted.
    Abandoning,
    /// It was given up, and nothing of it is left.
    Abandoned,
}

/// A tenant's import, as the platform team sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Where it stands.
    pub stage: ImportStage,
    /// What the keys of the export's objects begin with.
    pub prefix: String,
    /// The tenant's keys that get the checkpoints, by the exported keys' ids; none where checkpoints are left out.
    pub keys: BTreeMap<String, String>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
    /// When the next run of the task has something to do; `null` where nothing is left to be done.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_at: Option<OffsetDateTime>,
    /// Why it cannot go on before somebody has done something about it; `null` where nothing is in the way.
    pub standstill: Option<String>,
    /// What has been written so far.
    pub counts: ExportCounts,
    /// For how long the tenant's writes were paused; `null` while they are.
    pub pause_seconds: Option<u64>,
}

/// `POST /tenants/{tenant_id}/import`: what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportRequest {
    /// An export is to be imported.
    Begin(ImportBegin),
    /// `abandon`: the import that is under way is given up.
    Abandon,
}

/// An import that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportBegin {
    /// `prefix`: what the keys of the export's objects begin with, slash included.
    pub prefix: String,
    /// `keys`: the ids of the tenant's keys that get the checkpoints, by those of the exported ones. They need not be
    /// said where there is one of each.
    pub keys: Option<BTreeMap<String, String>>,
    /// `checkpoints`: `false` leaves them out.
    pub checkpoints: bool,
}

impl ImportRequest {
    /// Reads the members of a body, so that one answer names all that is wrong.
    ///
    /// # Errors
    /// 422 with a pointer for each member that cannot be taken.
    pub fn read(members: &[(String, Json)]) -> Result<Self, Problem> {
        let mut refusals = Refusals::default();
        let mut is_abandoned = false;
        let mut asked = ImportBegin { prefix: String::new(), keys: None, checkpoints: true };
        for (name, value) in members {
            match (name.as_str(), value) {
                ("abandon", Json::Bool(true)) => is_abandoned = true,
                ("abandon", _) => refusals.add(&[name], "must be true"),
                ("prefix", Json::String(text)) if is_prefix(text) => asked.prefix.clone_from(text),
                ("prefix", _) => refusals.add(
                    &[name],
                    "must be what an offboarding shows as the prefix of its export, such as \"acme/000004/\"",
                ),
                ("checkpoints", Json::Bool(with)) => asked.checkpoints = *with,
                ("checkpoints", _) => refusals.add(&[name], "must be true or false"),
                ("keys", Json::Object(pairs)) if pairs.len() <= MAX_KEYS => {
                    let mut keys = BTreeMap::new();
                    for (exported, key) in pairs {
                        match key {
                            Json::String(key) => {
                                keys.insert(exported.clone(), key.clone());
                            }
                            Json::Null
                            | Json::Bool(_)
                            | Json::Number(_)
                            | Json::Array(_)
                            | Json::Object(_) => {
                                refusals.add(&[name, exported], "must be the id of a key of the tenant");
                            }
                        }
                    }
                    asked.keys = Some(keys);
                }
                ("keys", _) => refusals.add(
                    &[name],
                    "must be an object of at most 100 keys' ids, by those of the exported ones",
                ),
                _ => refusals.add(
                    &[name],
                    "is no member of this request: prefix, keys and checkpoints are, or abandon alone",
                ),
            }
        }
        if is_abandoned {
            for (name, _) in members.iter().filter(|(name, _)| name != "abandon") {
                refusals.add(&[name], "cannot stand beside abandon");
            }
            return refusals.or(Some(Self::Abandon));
        }
        refusals.require(&[], members, &["prefix"]);
        if !asked.checkpoints && asked.keys.is_some() {
            refusals.add(&["keys"], "cannot be said where checkpoints are left out");
        }
        refusals.or(Some(Self::Begin(asked)))
    }
}

/// Whether the text can be an export's prefix: a tenant's id and a number, each with a slash.
fn is_prefix(text: &str) -> bool {
    let parts = text.strip_suffix('/').and_then(|text| text.split_once('/'));
    text.len() <= MAX_PREFIX
        && parts.is_some_and(|(id, number)| {
            let is_id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            !id.is_empty()
                && id.bytes().all(is_id)
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<ImportRequest, Problem> {
        let Ok(Json::Object(members)) = Json::parse(body) else { panic!("an object: {body}") };
        ImportRequest::read(&members)
    }

    #[test]
    fn an_import_names_an_export_and_what_becomes_of_its_keys() {
        let begin = |keys, checkpoints| {
            ImportRequest::Begin(ImportBegin { prefix: "acme/000004/".into(), keys, checkpoints })
        };
        assert_eq!(read(r#"{"prefix": "acme/000004/"}"#).unwrap(), begin(None, true));
        assert_eq!(read(r#"{"prefix": "acme/000004/", "checkpoints": false}"#).unwrap(), begin(None, false));
        let keys = [("k1".to_owned(), "k2".to_owned())].into();
        assert_eq!(
            read(r#"{"prefix": "acme/000004/", "keys": {"k1": "k2"}}"#).unwrap(),
            begin(Some(keys), true)
        );
        assert_eq!(read(r#"{"abandon": true}"#).unwrap(), ImportRequest::Abandon);
    }

    #[test]
    fn one_answer_names_all_that_is_wrong() {
        for (body, pointers) in [
            ("{}", &["/prefix"][..]),
            (r#"{"prefix": "acme"}"#, &["/prefix"]),
            (r#"{"prefix": "../000004/"}"#, &["/prefix"]),
            (r#"{"prefix": "acme/000004/x/"}"#, &["/prefix"]),
            (r#"{"prefix": "acme/4/", "keys": {"a": 1, "b": "c"}}"#, &["/keys/a"]),
            (
                r#"{"prefix": "acme/4/", "keys": [], "checkpoints": 1, "x": 1}"#,
                &["/checkpoints", "/keys", "/x"],
            ),
            (r#"{"prefix": "acme/4/", "keys": {"a": "b"}, "checkpoints": false}"#, &["/keys"]),
            (r#"{"abandon": false}"#, &["/abandon", "/prefix"]),
            (r#"{"abandon": true, "prefix": "acme/4/"}"#, &["/prefix"]),
        ] {
            let document = read(body).unwrap_err().document("r-1");
            let found: Vec<_> = document.errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!((document.status, &found[..]), (422, pointers), "{body}");
        }
    }
}
