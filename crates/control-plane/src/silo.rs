//! What one siloed tenant has to itself: a table of records and a bucket of files, with the settings of the pooled
//! ones.

use std::time::Duration;

use tenant_context::{Aws, OpenError, Table, TenantId};

use crate::ControlError;
use crate::silo_bucket::SiloBuckets;
use crate::silo_table::{SiloTables, State};

/// Pauses of one run, between looks at tables that are being made.
const MOST_PAUSES: u32 = 15;
/// One of them.
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

/// Makes silos.
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
    /// and, once the table can be used, its recovery. What is there is left as it is, or is set to what it is.
    ///
    /// # Errors
    /// [`ControlError::Aws`] for a call that failed and is no [`Made::Refused`].
    pub(crate) async fn make(
        &self,
        tenant: &TenantId,
        patience: &mut Patience,
    ) -> Result<Made, ControlError> {
        let names = self
            .aws
            .silo_of(tenant)
            .map_err(|error| ControlError::Unreadable("the function's environment", Box::new(error)))?;
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
            State::Active => self.tables.protect(&names.table).await,
            State::Making => Ok(Made::NotYet),
            State::Refused(reason) => Ok(Made::Refused(reason)),
        }
    }
}
