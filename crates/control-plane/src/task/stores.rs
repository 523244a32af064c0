//! The tables and buckets that hold what a tenant has.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use contract::Isolation;
use tenant_context::{Aws, OpenError, Table};

use crate::ControlError;
use crate::item::TenantItem;

/// One attempt of a call to S3: a file is copied within one.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(26);
/// All attempts of a call to S3 together.
const CALL_TIMEOUT: Duration = Duration::from_secs(27);

/// Where records and files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    /// The table.
    pub(crate) records: String,
    /// The bucket.
    pub(crate) files: String,
}

impl Home {
    /// Where a tenant's records and files lie, by its isolation.
    ///
    /// # Errors
    /// [`ControlError::Unreadable`] where the function was not given what the names are made of.
    pub(crate) fn of(aws: &Aws, tenant: &TenantItem) -> Result<Self, ControlError> {
        match tenant.isolation {
            Isolation::Pooled => Ok(Self {
                records: aws.table(Table::Records).map_err(unnamed)?.to_owned(),
                files: aws.pooled_files().map_err(unnamed)?.to_owned(),
            }),
            Isolation::Siloed => {
                let names = aws.silo_of(&tenant.tenant_id).map_err(unnamed)?;
                Ok(Self { records: names.table, files: names.bucket })
            }
        }
    }
}

/// The names of pooled tables and buckets, and the client of the latter.
#[derive(Debug)]
pub(crate) struct Stores {
    aws: Aws,
    pub(crate) account: String,
    pub(crate) records: String,
    pub(crate) usage: String,
    pub(crate) files: String,
    pub(crate) s3: Client,
}

impl Stores {
    pub(crate) fn open(aws: &Aws) -> Result<Self, OpenError> {
        Ok(Self {
            records: aws.table(Table::Records)?.to_owned(),
            usage: aws.table(Table::Usage)?.to_owned(),
            files: aws.pooled_files()?.to_owned(),
            s3: patient_s3(aws),
            account: aws.account_id()?.to_owned(),
            aws: aws.clone(),
        })
    }

    /// Where a tenant's records and files lie, by its isolation.
    ///
    /// # Errors
    /// [`ControlError::Unreadable`] where the function does not know its account.
    pub(crate) fn home(&self, tenant: &TenantItem) -> Result<Home, ControlError> {
        match tenant.isolation {
            Isolation::Pooled => Ok(self.pool()),
            Isolation::Siloed => self.silo(tenant),
        }
    }

    /// Where they lie, or would, in a silo.
    ///
    /// # Errors
    /// As [`Self::home`].
    pub(crate) fn silo(&self, tenant: &TenantItem) -> Result<Home, ControlError> {
        let names = self.aws.silo_of(&tenant.tenant_id).map_err(unnamed)?;
        Ok(Home { records: names.table, files: names.bucket })
    }

    /// How long functions keep what they know of a tenant.
    pub(crate) fn context_ttl(&self) -> Duration {
        self.aws.context_ttl()
    }

    /// Where those of pooled tenants lie.
    pub(crate) fn pool(&self) -> Home {
        Home { records: self.records.clone(), files: self.files.clone() }
    }
}

/// A client of S3 whose calls may take as long as it takes to copy or to delete files.
pub(crate) fn patient_s3(aws: &Aws) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(CALL_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    let config = aws_sdk_s3::config::Builder::from(aws.config())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .timeout_config(timeouts);
    Client::from_conf(config.build())
}

pub(crate) fn unnamed(error: OpenError) -> ControlError {
    ControlError::Unreadable("the function's environment", Box::new(error))
}
