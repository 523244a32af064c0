//! The request to import an export, and to give that up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{AdminTenant, ExportCounts, ExportPlace, FieldError, ImportBegin, TenantStatus};
use tenant_context::{ApiKeyId, Aws, Bound, KeyItem, OpenError, Operator, TenantId};
use time::OffsetDateTime;

use super::source::{Found, Manifest, find};
use super::{Importing, Step};
use crate::ControlError;
use crate::changes::shown;
use crate::desk::{Change, Desk};
use crate::digest::Digest;
use crate::file_removal::Contents;
use crate::item::TenantItem;
use crate::task::{Home, Pace, Partition, REVOCATION_HORIZON, Task, insisting, patient_s3, unnamed};

/// Imports, on behalf of an operator.
#[derive(Debug, Clone)]
pub struct Imports {
    opened: Arc<Opened>,
    operator: Arc<Operator>,
}

/// What all requests share.
#[derive(Debug)]
pub struct Opened {
    desk: Arc<Desk>,
    aws: Aws,
    s3: aws_sdk_s3::Client,
    exports: String,
}

impl Bound<Operator> for Imports {
    type Opened = Arc<Opened>;

    async fn open(aws: &Aws) -> Result<Arc<Opened>, OpenError> {
        let exports = aws.exports_bucket()?.to_owned();
        Ok(Arc::new(Opened { desk: Desk::open(aws)?, s3: patient_s3(aws), exports, aws: aws.clone() }))
    }

    fn bind(opened: &Arc<Opened>, operator: &Arc<Operator>, _: OffsetDateTime) -> Self {
        Self { opened: Arc::clone(opened), operator: Arc::clone(operator) }
    }
}

impl Imports {
    /// Begins to import an export into a tenant that has nothing; `tenants-reconcile` goes on with it. The tenant's
    /// writes wait until it is done. Where the same import is under way, the tenant is answered as it stands.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::Inactive`] for a tenant that is not onboarded or leaves;
    /// [`ControlError::UnderWay`]; [`ControlError::NotEmpty`]; [`ControlError::Invalid`] for an export that is not
    /// there or cannot be read, and for keys that do not fit; [`ControlError::Stale`] and [`ControlError::Busy`]
    /// where another request is at work.
    pub async fn begin(
        &self,
        id: &TenantId,
        asked: &ImportBegin,
        now: OffsetDateTime,
    ) -> Result<AdminTenant, ControlError> {
        let desk = &self.opened.desk;
        let before = desk.ready(id, now).await?;
        let contexts = desk.keys(&before).await?;
        let same = before.importing().filter(|importing| !importing.is_over() && importing.is_of(asked));
        if same.is_some() {
            return Ok(shown(&before, &contexts, now));
        }
        match before.status {
            TenantStatus::Active | TenantStatus::Suspended => {}
            TenantStatus::Provisioning | TenantStatus::Deleting | TenantStatus::Deleted => {
                return Err(ControlError::Inactive(id.clone()));
            }
        }
        before.is_free()?;
        let export = ExportPlace { bucket: self.opened.exports.clone(), prefix: asked.prefix.clone() };
        let (manifest, digest) = match find(&self.opened.s3, &export).await? {
            Found::Export(manifest, digest) => (manifest, digest),
            Found::Nothing => return Err(refused(&["prefix"], "there is no complete export of this prefix")),
            Found::Other(reason) => {
                return Err(refused(&["prefix"], &format!("what lies there cannot be imported: {reason}")));
            }
        };
        let keys = mapped(asked, &manifest, &before.keys).map_err(ControlError::Invalid)?;
        self.check_empty(&before, &keys).await?;
        let importing = Importing {
            step: Step::Wait,
            export,
            manifest: digest,
            keys,
            requested_at: now,
            with_checkpoints: asked.checkpoints,
            pace: Pace::from(now + REVOCATION_HORIZON),
            counts: ExportCounts::default(),
            imported: Digest::default(),
            found: ExportCounts::default(),
            found_digest: Digest::default(),
            resumed_at: None,
        };
        let detail = format!("from {}; writes wait", asked.prefix);
        let after = TenantItem { task: Some(Task::Importing(importing)), ..before.clone() };
        self.commit(before, after, contexts, ("tenant.import", detail), now).await
    }

    /// Gives an import up: what it has written is deleted, and the tenant writes again. Where that was done before,
    /// the tenant is answered as it stands.
    ///
    /// # Errors
    /// [`ControlError::NotFound`]; [`ControlError::NotUnderWay`]; [`ControlError::Stale`] and
    /// [`ControlError::Busy`] where another request is at work.
    pub async fn abandon(&self, id: &TenantId, now: OffsetDateTime) -> Result<AdminTenant, ControlError> {
        insisting(|| Box::pin(self.abandon_now(id, now))).await
    }

    async fn abandon_now(&self, id: &TenantId, now: OffsetDateTime) -> Result<AdminTenant, ControlError> {
        let desk = &self.opened.desk;
        // It waits for nothing that is owed to the tenant.
        let before = desk.reader.tenant(id).await?;
        let contexts = desk.keys(&before).await?;
        let Some(mut importing) = before.importing().cloned() else {
            return Err(ControlError::NotUnderWay(id.clone()));
        };
        match importing.step {
            Step::UndoItems
            | Step::UndoCheckpoints
            | Step::UndoUploads
            | Step::UndoFiles
            | Step::Abandoned => return Ok(shown(&before, &contexts, now)),
            Step::Done => return Err(ControlError::NotUnderWay(id.clone())),
            // Nothing has been written, and what there is, is the tenant's own.
            Step::Wait => {
                importing.enter(Step::Abandoned);
                importing.pace.lease_until = None;
                importing.resumed_at = Some(now);
            }
            Step::Records
            | Step::Checkpoints
            | Step::Items
            | Step::Files
            | Step::CompareRecords
            | Step::CompareFiles => {
                importing.enter(Step::UndoItems);
                // A run that is at work may still write, until its lease is over.
                importing.pace.next_at = now;
            }
        }
        importing.pace.standstill = None;
        importing.pace.writes += 1;
        let prefix = &importing.export.prefix;
        let detail = if importing.is_over() {
            format!("nothing was imported from {prefix}")
        } else {
            format!("what was imported from {prefix} is deleted")
        };
        let after = TenantItem { task: Some(Task::Importing(importing)), ..before.clone() };
        self.commit(before, after, contexts, ("tenant.import-abandon", detail), now).await
    }

    /// Checks that there is nothing of the tenant's where the import writes.
    async fn check_empty(
        &self,
        tenant: &TenantItem,
        keys: &BTreeMap<ApiKeyId, ApiKeyId>,
    ) -> Result<(), ControlError> {
        let Opened { desk, aws, s3, .. } = &*self.opened;
        let home = Home::of(aws, tenant)?;
        let records = Partition::records(&home.records, &tenant.tenant_id);
        let prefix = format!("{}/", tenant.tenant_id);
        let account = aws.account_id().map_err(unnamed)?;
        let files = Contents { s3, bucket: &home.files, prefix: &prefix, account };
        let mut is_filled = records.is_filled(&desk.reader).await? || files.has_any().await?;
        for key in keys.values() {
            let checkpoints = Partition::checkpoints(&desk.checkpoints.table, key);
            is_filled = is_filled || checkpoints.is_filled(&desk.reader).await?;
        }
        if is_filled { Err(ControlError::NotEmpty(tenant.tenant_id.clone())) } else { Ok(()) }
    }

    async fn commit(
        &self,
        before: TenantItem,
        after: TenantItem,
        contexts: Vec<KeyItem>,
        (action, detail): (&'static str, String),
        now: OffsetDateTime,
    ) -> Result<AdminTenant, ControlError> {
        let change = Change {
            before,
            after,
            contexts,
            removed: Vec::new(),
            request: None,
            action,
            actor: self.operator.arn().to_owned(),
            detail: Some(detail),
        };
        let finished = Box::pin(self.opened.desk.carry_through(change, now)).await?;
        Ok(shown(&finished.tenant, &finished.contexts, now))
    }
}

impl Importing {
    /// Whether it is what is asked for.
    fn is_of(&self, asked: &ImportBegin) -> bool {
        let is_mapped_so = asked.keys.as_ref().is_none_or(|keys| {
            self.keys
                .iter()
                .map(|(from, to)| (from.as_str(), to.as_str()))
                .eq(keys.iter().map(|(from, to)| (from.as_str(), to.as_str())))
        });
        !matches!(self.step, Step::UndoItems | Step::UndoCheckpoints | Step::UndoUploads | Step::UndoFiles)
            && self.export.prefix == asked.prefix
            && self.with_checkpoints == asked.checkpoints
            && is_mapped_so
    }
}

/// The tenant's keys that get the checkpoints, by the exported ones.
fn mapped(
    asked: &ImportBegin,
    manifest: &Manifest,
    own: &[ApiKeyId],
) -> Result<BTreeMap<ApiKeyId, ApiKeyId>, Vec<FieldError>> {
    let exported = &manifest.api_key_ids;
    let has_checkpoints = manifest.counts.checkpoints + manifest.counts.raw_checkpoints > 0;
    let Some(asked_keys) = &asked.keys else {
        return match (&exported[..], own) {
            _ if !asked.checkpoints || !has_checkpoints => Ok(BTreeMap::new()),
            ([from], [to]) => Ok([(from.clone(), to.clone())].into()),
            _ => Err(vec![error(
                &["keys"],
                &format!(
                    "must say which of the tenant's keys get the checkpoints of {}, or checkpoints must be false",
                    listed(exported)
                ),
            )]),
        };
    };
    let (mut keys, mut errors, mut taken) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    for (from, to) in asked_keys {
        let Some(from_key) = exported.iter().find(|key| key.as_str() == from.as_str()) else {
            errors
                .push(error(&["keys", from], &format!("is none of the exported keys: {}", listed(exported))));
            continue;
        };
        match own.iter().find(|key| key.as_str() == to.as_str()) {
            None => errors.push(error(&["keys", from], "must be the id of a key of the tenant")),
            Some(to_key) if !taken.insert(to_key.clone()) => {
                errors.push(error(&["keys", from], "is said of two keys: their checkpoints would mix"));
            }
            Some(to_key) => {
                keys.insert(from_key.clone(), to_key.clone());
            }
        }
    }
    let missing: Vec<_> =
        exported.iter().filter(|key| !asked_keys.contains_key(key.as_str())).cloned().collect();
    if !missing.is_empty() && has_checkpoints {
        errors.push(error(&["keys"], &format!("lacks {}", listed(&missing))));
    }
    if errors.is_empty() { Ok(keys) } else { Err(errors) }
}

fn listed(keys: &[ApiKeyId]) -> String {
    keys.iter().map(ApiKeyId::as_str).collect::<Vec<_>>().join(", ")
}

fn error(tokens: &[&str], detail: &str) -> FieldError {
    FieldError { pointer: contract::pointer(tokens), detail: detail.to_owned() }
}

fn refused(tokens: &[&str], detail: &str) -> ControlError {
    ControlError::Invalid(vec![error(tokens, detail)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(keys: &[&str], checkpoints: u64) -> Manifest {
        Manifest {
            api_key_ids: ids(keys),
            counts: ExportCounts { checkpoints, ..ExportCounts::default() },
            parts: Vec::new(),
        }
    }

    fn ids(keys: &[&str]) -> Vec<ApiKeyId> {
        keys.iter().map(|key| key.parse().unwrap()).collect()
    }

    fn asked(keys: Option<&[(&str, &str)]>, checkpoints: bool) -> ImportBegin {
        let keys = keys.map(|keys| keys.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
        ImportBegin { prefix: "acme/1/".into(), keys, checkpoints }
    }

    fn pairs(keys: &[(&str, &str)]) -> BTreeMap<ApiKeyId, ApiKeyId> {
        keys.iter().map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap())).collect()
    }

    #[test]
    fn one_key_of_each_needs_no_words_and_more_do() {
        let own = ids(&["n1"]);
        assert_eq!(mapped(&asked(None, true), &manifest(&["o1"], 1), &own), Ok(pairs(&[("o1", "n1")])));
        assert_eq!(mapped(&asked(None, false), &manifest(&["o1", "o2"], 1), &own), Ok(pairs(&[])));
        assert_eq!(mapped(&asked(None, true), &manifest(&["o1", "o2"], 0), &own), Ok(pairs(&[])));
        let refused = mapped(&asked(None, true), &manifest(&["o1", "o2"], 1), &own).unwrap_err();
        assert_eq!(refused[0].pointer, "/keys");
        assert!(refused[0].detail.contains("o1, o2"), "{refused:?}");
    }

    #[test]
    fn every_exported_key_gets_one_of_the_tenants_and_no_two_the_same() {
        let (own, exported) = (ids(&["n1", "n2"]), manifest(&["o1", "o2"], 1));
        let both = [("o1", "n2"), ("o2", "n1")];
        assert_eq!(mapped(&asked(Some(&both), true), &exported, &own), Ok(pairs(&both)));
        for (keys, pointers) in [
            (&[("o1", "n1")][..], &["/keys"][..]),
            (&[("o1", "n1"), ("o2", "n1")], &["/keys/o2"]),
            (&[("o1", "x1"), ("o2", "n1")], &["/keys/o1"]),
            (&[("o1", "n1"), ("o2", "n2"), ("o/3", "n1")], &["/keys/o~13"]),
        ] {
            let refused = mapped(&asked(Some(keys), true), &exported, &own).unwrap_err();
            let found: Vec<_> = refused.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{keys:?}");
        }
    }
}
