//! What one siloed tenant has to itself: a table of records and a bucket of files, with the settings of the pooled
//! ones. They are made, and removed again.

use std::time::Duration;

use tenant_context::{Aws, OpenError, SiloNames, Table, TenantId};

use crate::ControlError;
use crate::silo_bucket::SiloBuckets;
use crate::silo_table::{SiloTables, State};
use crate::task::{Budget, unnamed};

/// Pauses of one run, between looks at tables that are being made.
const MOST_PAUSES: u32 = 15;
/// Looks of one removal at a table that is being deleted.
const LOOKS: u32 = 5;
/// What every name of a silo's begins with, and no other.
const PREFIX: &str = "tenantry-silo-";
/// A pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    /// Table and bucket are there, with all their settings.
    Answers,
    /// AWS is at work on it.
    NotYet,
    /// It cannot be made as things are, for a reason in words.
    Refused(String),
}

/// What came of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    /// Neither the table nor the bucket is there.
    Gone,
    /// AWS is at work on it, or there was no time for all that the bucket holds.
    NotYet,
}

/// How long one run may still wait for tables, whichever tenants they are of.
#[derive(Debug)]
pub(crate) struct Patience(u32);

impl Default for Patience {
    fn default() -> Self {
        Self(MOST_PAUSES)
    }
}

impl Patience {
    /// Waits for a moment. Whether there was one left.
    async fn wait(&mut self) -> bool {
        let Some(left) = self.0.checked_sub(1) else { return false };
        self.0 = left;
        tokio::time::sleep(PAUSE).await;
        true
    }
}

/// Makes silos, and removes them.
#[derive(Debug)]
pub(crate) struct Silos {
    aws: Aws,
    tables: SiloTables,
    buckets: SiloBuckets,
}

impl Silos {
    pub(crate) fn open(aws: &Aws) -> Result<Self, OpenError> {
        Ok(Self {
            aws: aws.clone(),
            tables: SiloTables {
                dynamodb: aws.dynamodb().clone(),
                pooled: aws.table(Table::Records)?.to_owned(),
            },
            buckets: SiloBuckets::open(aws)?,
        })
    }

    /// Makes what is missing of a tenant's silo, step by step: the table, the bucket, what is set of the bucket,
    /// and, once the table can be used, its recovery. What is there is left as it is, or is set to what it is;
    /// what is in it is taken over by nobody.
    ///
    /// # Errors
    /// [`ControlError::Aws`] for a call that failed and is no [`Made::Refused`].
    pub(crate) async fn make(
        &self,
        tenant: &TenantId,
        patience: &mut Patience,
    ) -> Result<Made, ControlError> {
        let names = self.names(tenant)?;
        // Nobody writes into a silo before it is made: what is in it is not this tenant's, and its bucket is left as it is.
        if self.buckets.is_ours(&names.bucket).await? && self.buckets.holds_any(&names.bucket).await? {
            return Ok(Made::Refused(left_over("bucket", &names.bucket)));
        }
        // DynamoDB makes its table while the bucket is made.
        let mut table = self.tables.ensure(&names.table).await?;
        if let State::Refused(reason) = table {
            return Ok(Made::Refused(reason));
        }
        let bucket = self.buckets.ensure(&names.bucket).await?;
        if bucket != Made::Answers {
            return Ok(bucket);
        }
        if table == State::Making {
            table = self.tables.ensure(&names.table).await?;
        }
        while table == State::Making && patience.wait().await {
            table = self.tables.ensure(&names.table).await?;
        }
        match table {
            State::Active if self.tables.holds_any(&names.table, tenant).await? => {
                Ok(Made::Refused(left_over("table", &names.table)))
            }
            State::Active => self.tables.protect(&names.table).await,
            State::Making => Ok(Made::NotYet),
            State::Refused(reason) => Ok(Made::Refused(reason)),
        }
    }

    /// What keeps a silo from being removed that was never made to the end: something in it, which is nobody's then. In
    /// words.
    pub(crate) async fn left_over(&self, tenant: &TenantId) -> Result<Option<String>, ControlError> {
        let SiloNames { table, .. } = self.names(tenant)?;
        if self.tables.holds_any(&table, tenant).await? {
            return Ok(Some(left_over("table", &table)));
        }
        if let Some(bucket) = self.bucket(tenant).await?
            && self.buckets.holds_any(&bucket).await?
        {
            return Ok(Some(left_over("bucket", &bucket)));
        }
        Ok(None)
    }

    /// Removes a tenant's silo, with all that is in it. What is not there, and what is another's, is no part of it.
    ///
    /// # Errors
    /// [`ControlError::Aws`]; [`ControlError::Incomplete`] where S3 keeps a file.
    pub(crate) async fn remove(&self, tenant: &TenantId, budget: Budget) -> Result<Removed, ControlError> {
        let names = self.names(tenant)?;
        // DynamoDB deletes its table while the bucket is emptied.
        let mut is_gone = self.tables.remove(&names.table).await?;
        if !self.buckets.remove(&names.bucket, budget).await? {
            return Ok(Removed::NotYet);
        }
        let mut pauses = LOOKS;
        while !is_gone && pauses > 0 && !budget.is_spent() {
            pauses -= 1;
            tokio::time::sleep(PAUSE).await;
            is_gone = self.tables.remove(&names.table).await?;
        }
        Ok(if is_gone { Removed::Gone } else { Removed::NotYet })
    }

    /// Whether there is a table or a bucket of the tenant's own, whatever its isolation.
    pub(crate) async fn holds_anything(&self, tenant: &TenantId) -> Result<bool, ControlError> {
        let names = self.names(tenant)?;
        Ok(self.tables.is_there(&names.table).await? || self.buckets.is_ours(&names.bucket).await?)
    }

    /// The tenant's own table, where there is one that can be used.
    pub(crate) async fn table(&self, tenant: &TenantId) -> Result<Option<String>, ControlError> {
        let table = self.names(tenant)?.table;
        Ok(self.tables.is_usable(&table).await?.then_some(table))
    }

    /// The tenant's own bucket, where there is one.
    pub(crate) async fn bucket(&self, tenant: &TenantId) -> Result<Option<String>, ControlError> {
        let bucket = self.names(tenant)?.bucket;
        Ok(self.buckets.is_ours(&bucket).await?.then_some(bucket))
    }

    fn names(&self, tenant: &TenantId) -> Result<SiloNames, ControlError> {
        self.aws.silo_of(tenant).map_err(unnamed)
    }
}

fn left_over(kind: &str, name: &str) -> String {
    format!(
        "a {kind} of the name {name} exists and is not empty; find out what is in it, and empty or delete it"
    )
}

/// The name, where it is one of a silo's: no other ever comes to a call that deletes a table or a bucket.
pub(crate) fn of_a_silo(name: &str) -> Result<&str, ControlError> {
    match name.strip_prefix(PREFIX) {
        Some(rest) if !rest.is_empty() => Ok(name),
        Some(_) | None => Err(ControlError::NotOfSilo(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_silos_table_and_bucket_can_come_to_be_deleted() {
        for name in ["tenantry-silo-acme-records", "tenantry-silo-acme-123456789012-eu-central-1"] {
            assert_eq!(of_a_silo(name).unwrap(), name);
        }
        for name in [
            "",
            "tenantry-silo-",
            "tenantry-records",
            "tenantry-files-123456789012-eu-central-1",
            "tenantry-exports-123456789012-eu-central-1",
            "x-tenantry-silo-acme-records",
        ] {
            assert!(matches!(of_a_silo(name), Err(ControlError::NotOfSilo(_))), "{name}");
        }
    }
}
